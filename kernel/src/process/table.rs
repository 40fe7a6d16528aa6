//! Who is whose child, process group and session; who stopped or ended; who may be waited for.
//!
//! One lock over the whole tree, held for lookups and pointer changes only.
//!
//! ```text
//! running <──CONT── stopped        running ──exit──> zombie ──wait──> gone
//!    └─────STOP──────^
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use abi::limits::PID_MAX;
use abi::{Errno, Result};
use executor::sync::Lock;

use super::signals::Target;
use super::{Pid, Process, Stage, Usage};

/// The kernel's own process: it adopts orphans and waits for them.
pub const INIT: Pid = 1;
/// Where pids begin again after the highest, as in Linux.
const RESERVED_PIDS: Pid = 300;

/// What a process is doing, as far as others can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Running, ready, or waiting in a call.
    Running,
    /// Stopped by a signal.
    Stopped(u8),
    /// Ended, with this wait status; not waited for yet.
    Zombie(i32),
}

/// Whom `wait4(2)` and `waitid(2)` wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// Any child.
    Any,
    /// One child.
    Pid(Pid),
    /// Children of a process group.
    Group(Pid),
}

/// What they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitOptions {
    /// `WEXITED`: ended children.
    pub exited: bool,
    /// `WSTOPPED`/`WUNTRACED`: stopped ones.
    pub stopped: bool,
    /// `WCONTINUED`: continued ones.
    pub continued: bool,
    /// `WNOWAIT`: leave the child waitable.
    pub keep: bool,
    /// `__WCLONE` without `__WALL`: children that do not end with `SIGCHLD`.
    pub is_clone: bool,
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitEvent {
    /// The child.
    pub pid: Pid,
    /// Its real user.
    pub uid: u32,
    /// The status word of `wait(2)`.
    pub status: i32,
    /// What it and its children used.
    pub usage: Usage,
    /// The most memory that it or one of its children had, in bytes.
    pub peak_bytes: u64,
}

/// The status word of a continued child.
const CONTINUED_STATUS: i32 = 0xffff;

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
    entries: BTreeMap<Pid, Entry>,
    /// The threads that are not the first of their process, and that process.
    threads: BTreeMap<Pid, Pid>,
    last_pid: Pid,
    /// Processes and threads ever made.
    nr_born: u64,
    /// How many processes have an id as their group or their session: no new one may get it.
    holders: BTreeMap<Pid, usize>,
    /// Parents and those of their children that ended, stopped or went on: a parent with thousands
    /// of children asks for these often.
    news: BTreeSet<(Pid, Pid)>,
    /// Stopped processes: without any, an exit need not look for groups that it orphans.
    nr_stopped: usize,
}

/// All processes.
#[derive(Debug, Default)]
pub struct ProcessTable {
    tree: Lock<Tree>,
}

/// What `exit` leaves to do.
#[derive(Debug)]
pub(super) struct Ended {
    /// Who is told.
    pub(super) parent: Option<Arc<Process>>,
    /// Whether init is the parent: it waits at once.
    pub(super) is_adopted: bool,
    /// The subreaper that adopts the orphans; `None`: init does.
    pub(super) reaper: Option<Arc<Process>>,
    /// The children that lost their parent.
    pub(super) orphans: Vec<Orphan>,
}

/// A child whose parent has ended.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) process: Arc<Process>,
    /// The wait status, if it has ended.
    pub(super) status: Option<i32>,
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

    /// Whether it runs, is stopped or has ended.
    pub fn state_of(&self, pid: Pid) -> Option<RunState> {
        self.tree.lock().entries.get(&pid).map(|entry| entry.state)
    }

    /// The session of a process.
    pub fn session_of(&self, pid: Pid) -> Option<Pid> {
        self.tree
            .lock()
            .entries
            .get(&pid)
            .map(|entry| entry.session)
    }

    /// Makes a process the leader of a new session and group (setsid(2)).
    ///
    /// # Errors
    /// `EPERM` when it leads a process group already, `ESRCH`.
    pub fn new_session(&self, pid: Pid) -> Result<Pid> {
        let mut tree = self.tree.lock();
        if tree.entries.values().any(|entry| entry.group == pid) {
            return Err(Errno::EPERM.because("it leads a process group"));
        }
        let entry = tree.entries.get_mut(&pid).ok_or(Errno::ESRCH)?;
        let left = [entry.group, entry.session];
        entry.group = pid;
        entry.session = pid;
        entry.terminal = None;
        for id in left {
            tree.let_go(id);
        }
        tree.hold(pid);
        tree.hold(pid);
        Ok(pid)
    }

    /// Moves a process to a group of its session (setpgid(2)).
    ///
    /// # Errors
    /// `ESRCH` when it is neither the caller nor its child, `EPERM` for session leaders, other
    /// sessions and unknown groups, `EACCES` for a child that has made `exec`, `EINVAL` for a
    /// negative group.
    pub fn set_group(&self, caller: Pid, pid: Pid, group: Pid) -> Result<()> {
        if group < 0 {
            return Err(Errno::EINVAL.into());
        }
        let mut tree = self.tree.lock();
        let session = tree.entries.get(&caller).map(|entry| entry.session);
        let entry = tree.entries.get(&pid).ok_or(Errno::ESRCH)?;
        if pid != caller && entry.parent != caller {
            return Err(Errno::ESRCH.because("neither the caller nor its child"));
        }
        if Some(entry.session) != session || entry.session == pid {
            return Err(Errno::EPERM.because("a session leader, or of another session"));
        }
        if pid != caller && entry.has_execed {
            return Err(Errno::EACCES.because("the child has made exec"));
        }
        let group = if group == 0 { pid } else { group };
        let exists = group == pid
            || tree
                .entries
                .values()
                .any(|other| other.group == group && Some(other.session) == session);
        if !exists {
            return Err(Errno::EPERM.because("no such group in the session"));
        }
        if let Some(entry) = tree.entries.get_mut(&pid) {
            let left = std::mem::replace(&mut entry.group, group);
            tree.let_go(left);
            tree.hold(group);
        }
        Ok(())
    }

    /// Notes that a process runs a program of its own.
    pub(super) fn note_exec(&self, pid: Pid) {
        if let Some(entry) = self.tree.lock().entries.get_mut(&pid) {
            entry.has_execed = true;
        }
    }

    /// Gives a process a controlling terminal, or takes it away; its later children share it.
    pub fn set_terminal(&self, pid: Pid, terminal: Option<u64>) {
        if let Some(entry) = self.tree.lock().entries.get_mut(&pid) {
            entry.terminal = terminal;
            entry.lost_foreground = None;
        }
    }

    /// Takes the controlling terminal from the session of `leader`.
    ///
    /// - `foreground`: the group that is hung up when the leader ends; `None`: it was told
    pub fn lose_terminal(&self, leader: Pid, foreground: Option<Pid>) {
        let mut tree = self.tree.lock();
        let members = tree.entries.values_mut();
        for entry in members.filter(|entry| entry.session == leader) {
            entry.terminal = None;
        }
        if let Some(entry) = tree.entries.get_mut(&leader) {
            entry.lost_foreground = foreground;
        }
    }

    /// The group that was in the foreground when the terminal of `leader`'s session hung up.
    pub(crate) fn take_lost_foreground(&self, leader: Pid) -> Option<Pid> {
        let mut tree = self.tree.lock();
        tree.entries.get_mut(&leader)?.lost_foreground.take()
    }

    /// Marks a process stopped; returns its parent, which is to be told.
    pub(super) fn set_stopped(&self, pid: Pid, signal: u8) -> Option<Arc<Process>> {
        let mut tree = self.tree.lock();
        let entry = tree.entries.get_mut(&pid)?;
        if matches!(entry.state, RunState::Zombie(_)) {
            return None;
        }
        let before = std::mem::replace(&mut entry.state, RunState::Stopped(signal));
        entry.stop_unreported = true;
        entry.continue_unreported = false;
        let parent = entry.parent;
        tree.note_change(before, RunState::Stopped(signal));
        tree.news.insert((parent, pid));
        tree.entries
            .get(&parent)
            .map(|entry| Arc::clone(&entry.process))
    }

    /// Marks a stopped process running; returns its parent.
    pub(super) fn set_running(&self, pid: Pid, report: bool) -> Option<Arc<Process>> {
        let mut tree = self.tree.lock();
        let entry = tree.entries.get_mut(&pid)?;
        if matches!(entry.state, RunState::Zombie(_)) {
            return None;
        }
        let before = std::mem::replace(&mut entry.state, RunState::Running);
        entry.stop_unreported = false;
        entry.continue_unreported = report;
        let parent = entry.parent;
        tree.note_change(before, RunState::Running);
        tree.news.insert((parent, pid));
        tree.entries
            .get(&parent)
            .map(|entry| Arc::clone(&entry.process))
    }

    /// Makes a process a zombie and gives its children to a subreaper or init. `None` when it was one already.
    pub(super) fn end(&self, pid: Pid, status: i32) -> Option<Ended> {
        let mut tree = self.tree.lock();
        let entry = tree.entries.get_mut(&pid)?;
        if matches!(entry.state, RunState::Zombie(_)) {
            return None;
        }
        let before = std::mem::replace(&mut entry.state, RunState::Zombie(status));
        let parent = entry.parent;
        let children = std::mem::take(&mut entry.children);
        tree.note_change(before, RunState::Zombie(status));
        tree.threads.retain(|_, process| *process != pid);
        tree.news.insert((parent, pid));
        let reaper = tree.reaper_above(parent);
        let mut orphans = Vec::new();
        for &orphan in &children {
            if tree.news.remove(&(pid, orphan)) {
                tree.news.insert((reaper, orphan));
            }
            if let Some(child) = tree.entries.get_mut(&orphan) {
                child.parent = reaper;
                orphans.push(Orphan {
                    process: Arc::clone(&child.process),
                    status: match child.state {
                        RunState::Zombie(status) => Some(status),
                        _ => None,
                    },
                });
            }
        }
        let process_of = |pid: Pid| {
            tree.entries
                .get(&pid)
                .map(|entry| Arc::clone(&entry.process))
        };
        let ended = Ended {
            parent: process_of(parent),
            is_adopted: parent == INIT,
            reaper: process_of(reaper).filter(|reaper| reaper.pid != INIT),
            orphans,
        };
        if let Some(reaper) = tree.entries.get_mut(&reaper) {
            reaper.children.extend(children);
        }
        Some(ended)
    }

    /// Removes a zombie for good.
    pub(super) fn remove(&self, pid: Pid) {
        let removed = self.tree.lock().remove(pid);
        if let Some(process) = removed {
            process.enter_stage(Stage::Reaped);
        }
    }

    /// Looks for a child of `parent` that `who` and `options` ask for; `Ok(None)`: not yet.
    ///
    /// # Errors
    /// `ECHILD` when no child could ever match.
    pub fn poll_children(
        &self,
        parent: Pid,
        who: WaitFor,
        options: WaitOptions,
    ) -> Result<Option<WaitEvent>> {
        if options.is_clone {
            return Err(Errno::ECHILD.because("all children end with SIGCHLD"));
        }
        let mut tree = self.tree.lock();
        let waiter = tree.entries.get(&parent);
        let all: &[Pid] = waiter.map_or(&[], |entry| &entry.children);
        let mut candidates = 0_usize;
        let children = match who {
            // Only one may be it, among however many.
            WaitFor::Pid(pid) => vec![pid],
            WaitFor::Any => {
                let counts = |pid: &&Pid| {
                    let entry = tree.entries.get(*pid);
                    entry.is_some_and(|entry| entry.may_report(options))
                };
                candidates = if options.exited {
                    all.len()
                } else {
                    all.iter().filter(counts).count()
                };
                let news = tree.news.range((parent, 0)..=(parent, Pid::MAX));
                news.map(|&(_, child)| child).collect()
            }
            WaitFor::Group(_) => all.to_vec(),
        };
        for pid in children {
            let Some(entry) = tree.entries.get_mut(&pid) else {
                continue;
            };
            let matches = match who {
                WaitFor::Any | WaitFor::Pid(_) => entry.parent == parent,
                WaitFor::Group(group) => entry.group == group,
            };
            if !matches || !entry.may_report(options) {
                continue;
            }
            candidates = candidates.saturating_add(1);
            let Some(status) = entry.report(options) else {
                continue;
            };
            let event = WaitEvent {
                pid,
                uid: entry.process.credentials().user.real,
                status,
                usage: entry.process.cpu_time.total(),
                peak_bytes: entry.process.family_peak_bytes(),
            };
            if matches!(entry.state, RunState::Zombie(_)) && !options.keep {
                let removed = tree.remove(pid);
                if let Some(waiter) = tree.entries.get(&parent) {
                    waiter.process.cpu_time.add_child(event.usage);
                    waiter.process.peak_memory.add_child(event.peak_bytes);
                }
                drop(tree);
                if let Some(process) = removed {
                    process.enter_stage(Stage::Reaped);
                }
            }
            return Ok(Some(event));
        }
        if candidates == 0 {
            return Err(Errno::ECHILD.into());
        }
        Ok(None)
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

    /// Whether nobody could continue the process group once it stopped: no living member has a
    /// parent in another group of its session (POSIX, "orphaned process group").
    pub fn is_orphaned_group(&self, group: Pid) -> bool {
        let tree = self.tree.lock();
        let has_keeper = |entry: &Entry| {
            tree.entries.get(&entry.parent).is_some_and(|parent| {
                parent.group != entry.group && parent.session == entry.session
            })
        };
        let mut members = tree
            .entries
            .values()
            .filter(|entry| entry.group == group && !matches!(entry.state, RunState::Zombie(_)));
        !members.any(has_keeper)
    }

    /// The process groups with a keeper that may lose it when `pid` ends: its own and its
    /// children's. None while nothing is stopped: only a stopped group hears that it is orphaned.
    pub(super) fn groups_kept_by(&self, pid: Pid) -> Vec<Pid> {
        let mut groups: Vec<Pid> = {
            let tree = self.tree.lock();
            let Some(entry) = tree.entries.get(&pid).filter(|_| tree.nr_stopped > 0) else {
                return Vec::new();
            };
            let children = entry
                .children
                .iter()
                .filter_map(|child| tree.entries.get(child));
            children
                .map(|child| child.group)
                .chain([entry.group])
                .collect()
        };
        groups.sort_unstable();
        groups.dedup();
        groups.retain(|&group| !self.is_orphaned_group(group));
        groups
    }

    /// Whether a member of the process group is stopped.
    pub(super) fn has_stopped(&self, group: Pid) -> bool {
        let is_stopped =
            |entry: &Entry| entry.group == group && matches!(entry.state, RunState::Stopped(_));
        self.tree.lock().entries.values().any(is_stopped)
    }

    /// The session of a process group; `None`: nobody is in it (tcsetpgrp(3)).
    pub fn session_of_group(&self, group: Pid) -> Option<Pid> {
        let tree = self.tree.lock();
        let mut entries = tree.entries.values();
        entries
            .find(|entry| entry.group == group)
            .map(|entry| entry.session)
    }
}

impl Entry {
    /// Whether there will ever be something to report: one that has ended does nothing more.
    const fn may_report(&self, options: WaitOptions) -> bool {
        options.exited || !matches!(self.state, RunState::Zombie(_))
    }

    /// The status to report for `options`, marking it reported.
    fn report(&mut self, options: WaitOptions) -> Option<i32> {
        match self.state {
            RunState::Zombie(status) if options.exited => Some(status),
            RunState::Stopped(signal) if options.stopped && self.stop_unreported => {
                self.stop_unreported = options.keep;
                Some(i32::from(signal) << 8 | 0x7f)
            }
            RunState::Running if options.continued && self.continue_unreported => {
                self.continue_unreported = options.keep;
                Some(CONTINUED_STATUS)
            }
            _ => None,
        }
    }
}

impl Tree {
    /// Who adopts the orphans of a child of `parent` (prctl(2), `PR_SET_CHILD_SUBREAPER`).
    fn reaper_above(&self, parent: Pid) -> Pid {
        let mut pid = parent;
        while let Some(entry) = self.entries.get(&pid) {
            let is_alive = !matches!(entry.state, RunState::Zombie(_));
            if is_alive && entry.process.settings.lock().is_subreaper {
                return pid;
            }
            pid = entry.parent;
        }
        INIT
    }

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
        let holders = self.holders.entry(id).or_default();
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

    /// A process went from one state to another.
    fn note_change(&mut self, before: RunState, after: RunState) {
        let count = |state| usize::from(matches!(state, RunState::Stopped(_)));
        self.nr_stopped = self
            .nr_stopped
            .saturating_add(count(after))
            .saturating_sub(count(before));
    }
}
