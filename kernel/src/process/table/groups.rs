//! Process groups, sessions and their controlling terminals: `setsid(2)`, `setpgid(2)`, and what
//! POSIX calls an orphaned process group.

use abi::{Errno, Result};

use super::{Entry, ProcessTable, RunState};
use crate::process::Pid;

impl ProcessTable {
    /// The session of a process.
    pub fn session_of(&self, pid: Pid) -> Option<Pid> {
        self.tree
            .lock()
            .entries
            .get(&pid)
            .map(|entry| entry.session)
    }

    /// The session of a process group; `None`: nobody is in it (tcsetpgrp(3)).
    pub fn session_of_group(&self, group: Pid) -> Option<Pid> {
        let tree = self.tree.lock();
        let mut entries = tree.entries.values();
        entries
            .find(|entry| entry.group == group)
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
    pub(in crate::process) fn note_exec(&self, pid: Pid) {
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
    pub(in crate::process) fn groups_kept_by(&self, pid: Pid) -> Vec<Pid> {
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
    pub(in crate::process) fn has_stopped(&self, group: Pid) -> bool {
        let is_stopped =
            |entry: &Entry| entry.group == group && matches!(entry.state, RunState::Stopped(_));
        self.tree.lock().entries.values().any(is_stopped)
    }
}
