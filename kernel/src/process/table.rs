//! Who is whose child, process group and session; who stopped or ended; who may be waited for.
//!
//! One lock over the whole tree, held for lookups and pointer changes only. Here is who is there;
//! `state`: who stopped, went on or ended; `wait`: what parents hear of that; `groups`: process
//! groups and sessions.

mod groups;
mod state;
mod wait;

use std::sync::Arc;

use abi::limits::PID_MAX;
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;

pub(super) use self::state::Orphan;
pub use self::state::RunState;
pub use self::wait::{WaitEvent, WaitFor, WaitOptions};
use super::signals::Target;
use super::{Pid, Process};

/// The kernel's own process: it adopts orphans and waits for them.
pub const INIT: Pid = 1;
/// Where pids begin again after the highest, as in Linux.
const RESERVED_PIDS: Pid = 300;

#[derive(Debug)]
struct Entry {
    process: Arc<Process>,
    parent: Pid,
    group: Pid,
    session: Pid,
    /// Its controlling terminal, by number.
    terminal: Option<u64>,
    /// Of a session's leader: the group in the foreground of the terminal that hung up.
    lost_foreground: Option<Pid>,
    state: RunState,
    /// Stopped, and nobody has been told.
    stop_unreported: bool,
    /// Continued, and nobody has been told.
    continue_unreported: bool,
    /// It runs a program of its own: its parent may no longer move it to another group.
    has_execed: bool,
    children: Vec<Pid>,
}

/// What `/proc/PID/stat` tells of the relations of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relations {
    /// Parent.
    pub parent: Pid,
    /// Process group.
    pub group: Pid,
    /// Session.
    pub session: Pid,
    /// Controlling terminal.
    pub terminal: Option<u64>,
    /// Running, stopped or ended.
    pub state: RunState,
}

#[derive(Debug, Default)]
struct Tree {
    entries: SortedMap<Pid, Entry>,
    /// The threads that are not the first of their process, and that process.
    threads: SortedMap<Pid, Pid>,
    last_pid: Pid,
    /// Processes and threads ever made.
    nr_born: u64,
    /// How many processes have an id as their group or their session: no new one may get it.
    holders: SortedMap<Pid, usize>,
    /// Parents and those of their children that ended, stopped or went on: a parent with thousands
    /// of children asks for these often.
    news: SortedMap<(Pid, Pid), ()>,
    /// Stopped processes: without any, an exit need not look for groups that it orphans.
    nr_stopped: usize,
}

/// All processes.
#[derive(Debug, Default)]
pub struct ProcessTable {
    tree: Lock<Tree>,
}

impl ProcessTable {
    /// An empty table; the first process becomes init.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds a free pid and adds the process that `make` makes of it, as a child of `parent`.
    ///
    /// # Errors
    /// `EAGAIN` when all pids are taken.
    pub(super) fn add(
        &self,
        parent: Pid,
        make: impl FnOnce(Pid) -> Arc<Process>,
    ) -> Result<Arc<Process>> {
        let mut tree = self.tree.lock();
        let pid = tree
            .free_pid()
            .ok_or_else(|| Errno::EAGAIN.because("all pids are taken"))?;
        let process = make(pid);
        let (group, session, terminal) = match tree.entries.get_mut(&parent) {
            Some(entry) => {
                entry.children.push(pid);
                (entry.group, entry.session, entry.terminal)
            }
            None => (pid, pid, None),
        };
        tree.last_pid = pid;
        tree.nr_born = tree.nr_born.saturating_add(1);
        let entry = Entry {
            process: Arc::clone(&process),
            parent,
            group,
            session,
            terminal,
            lost_foreground: None,
            state: RunState::Running,
            stop_unreported: false,
            continue_unreported: false,
            has_execed: false,
            children: Vec::new(),
        };
        tree.hold(group);
        tree.hold(session);
        tree.entries.insert(pid, entry);
        Ok(process)
    }

    /// Finds a free id for one more thread of `pid`.
    ///
    /// # Errors
    /// `EAGAIN` when all ids are taken.
    pub(super) fn add_thread(&self, pid: Pid) -> Result<Pid> {
        let mut tree = self.tree.lock();
        let tid = tree
            .free_pid()
            .ok_or_else(|| Errno::EAGAIN.because("all pids are taken"))?;
        tree.threads.insert(tid, pid);
        tree.last_pid = tid;
        tree.nr_born = tree.nr_born.saturating_add(1);
        Ok(tid)
    }

    /// A thread has ended: its id is free.
    pub(super) fn remove_thread(&self, tid: Pid) {
        self.tree.lock().threads.remove(&tid);
    }

    /// The process that thread `tid` belongs to, zombies included.
    pub fn of_thread(&self, tid: Pid) -> Option<Arc<Process>> {
        let tree = self.tree.lock();
        let pid = tree.threads.get(&tid).copied().unwrap_or(tid);
        tree.entries
            .get(&pid)
            .map(|entry| Arc::clone(&entry.process))
    }

    /// How many processes and threads there are.
    pub fn nr_tasks(&self) -> usize {
        let tree = self.tree.lock();
        tree.entries.len().saturating_add(tree.threads.len())
    }

    /// The process with this id, zombies included.
    pub fn find(&self, pid: Pid) -> Option<Arc<Process>> {
        self.tree
            .lock()
            .entries
            .get(&pid)
            .map(|entry| Arc::clone(&entry.process))
    }

    /// All processes that have not ended, by ascending pid.
    pub fn living(&self) -> Vec<Arc<Process>> {
        let tree = self.tree.lock();
        let entries = tree.entries.values();
        entries
            .filter(|entry| !matches!(entry.state, RunState::Zombie(_)))
            .map(|entry| Arc::clone(&entry.process))
            .collect()
    }

    /// The youngest pid.
    pub fn last_pid(&self) -> Pid {
        self.tree.lock().last_pid
    }

    /// How many processes and threads were made since the boot.
    pub fn nr_born(&self) -> u64 {
        self.tree.lock().nr_born
    }

    /// Every pid, ascending.
    pub fn pids(&self) -> Vec<Pid> {
        self.tree.lock().entries.keys().copied().collect()
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.tree.lock().entries.len()
    }

    /// How many processes `is_wanted` wants, and how many threads those have beside their first.
    pub(super) fn nr_tasks_of(&self, is_wanted: impl Fn(&Process) -> bool) -> usize {
        let tree = self.tree.lock();
        let is_wanted = |entry: &&Entry| is_wanted(&entry.process);
        let nr_processes = tree.entries.values().filter(is_wanted).count();
        let process_of = |pid| tree.entries.get(pid);
        let threads = tree.threads.values().filter_map(process_of);
        nr_processes.saturating_add(threads.filter(is_wanted).count())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parent, group, session, terminal and state of a process.
    pub fn relations(&self, pid: Pid) -> Option<Relations> {
        let tree = self.tree.lock();
        let entry = tree.entries.get(&pid)?;
        Some(Relations {
            parent: entry.parent,
            group: entry.group,
            session: entry.session,
            terminal: entry.terminal,
            state: entry.state,
        })
    }

    /// The living processes that a signal to `target` from `sender` would reach.
    pub fn targets(&self, target: Target, sender: Pid) -> Vec<Arc<Process>> {
        let tree = self.tree.lock();
        if let Target::Thread { group, tid } = target {
            let pid = tree.threads.get(&tid).copied().unwrap_or(tid);
            let found = tree.entries.get(&pid);
            let found = found.filter(|_| group.is_none_or(|group| group == pid));
            let process = found.map(|entry| Arc::clone(&entry.process));
            return process.into_iter().collect();
        }
        if let Target::Process(pid) = target {
            let found = tree.entries.get(&pid);
            let process = found.map(|entry| Arc::clone(&entry.process));
            return process.into_iter().collect();
        }
        let chosen = |entry: &&Entry| match target {
            Target::Process(pid) | Target::Thread { tid: pid, .. } => entry.process.pid == pid,
            Target::Group(group) => entry.group == group && entry.process.pid != INIT,
            Target::All => entry.process.pid != INIT && entry.process.pid != sender,
        };
        tree.entries
            .values()
            .filter(chosen)
            .map(|entry| Arc::clone(&entry.process))
            .collect()
    }
}

impl Tree {
    fn free_pid(&self) -> Option<Pid> {
        let is_free = |pid: &Pid| {
            !self.entries.contains_key(pid)
                && !self.holders.contains_key(pid)
                && !self.threads.contains_key(pid)
        };
        let next = self.last_pid.saturating_add(1);
        (next..PID_MAX)
            .find(is_free)
            .or_else(|| (RESERVED_PIDS..PID_MAX).find(is_free))
    }

    /// Takes a process out; whoever polls a descriptor of it is to be told.
    fn remove(&mut self, pid: Pid) -> Option<Arc<Process>> {
        let entry = self.entries.remove(&pid)?;
        self.let_go(entry.group);
        self.let_go(entry.session);
        self.news.remove(&(entry.parent, pid));
        if let Some(parent) = self.entries.get_mut(&entry.parent) {
            parent.children.retain(|&child| child != pid);
        }
        Some(entry.process)
    }

    /// A process has `id` as its group or session now.
    fn hold(&mut self, id: Pid) {
        let holders = self.holders.get_or_insert_with(id, usize::default);
        *holders = holders.saturating_add(1);
    }

    /// A process that had `id` as its group or session has it no more.
    fn let_go(&mut self, id: Pid) {
        if let Some(holders) = self.holders.get_mut(&id) {
            *holders = holders.saturating_sub(1);
            if *holders == 0 {
                self.holders.remove(&id);
            }
        }
    }
}
