//! What a process is doing, as others see it, and the changes of that.
//!
//! ```text
//! running <──CONT── stopped        running ──exit──> zombie ──wait──> gone
//!    └─────STOP──────^
//! ```

use std::sync::Arc;

use super::{INIT, ProcessTable, Tree};
use crate::process::{Pid, Process, Stage};

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

/// What `exit` leaves to do.
#[derive(Debug)]
pub(in crate::process) struct Ended {
    /// Who is told.
    pub(in crate::process) parent: Option<Arc<Process>>,
    /// Whether init is the parent: it waits at once.
    pub(in crate::process) is_adopted: bool,
    /// The subreaper that adopts the orphans; `None`: init does.
    pub(in crate::process) reaper: Option<Arc<Process>>,
    /// The children that lost their parent.
    pub(in crate::process) orphans: Vec<Orphan>,
}

/// A child whose parent has ended.
#[derive(Debug)]
pub(in crate::process) struct Orphan {
    pub(in crate::process) process: Arc<Process>,
    /// The wait status, if it has ended.
    pub(in crate::process) status: Option<i32>,
}

impl ProcessTable {
    /// Whether it runs, is stopped or has ended.
    pub fn state_of(&self, pid: Pid) -> Option<RunState> {
        self.tree.lock().entries.get(&pid).map(|entry| entry.state)
    }

    /// Marks a process stopped; returns its parent, which is to be told.
    pub(in crate::process) fn set_stopped(&self, pid: Pid, signal: u8) -> Option<Arc<Process>> {
        self.set_state(pid, RunState::Stopped(signal), true)
    }

    /// Marks a stopped process running; returns its parent.
    pub(in crate::process) fn set_running(&self, pid: Pid, report: bool) -> Option<Arc<Process>> {
        self.set_state(pid, RunState::Running, report)
    }

    /// Notes that a process that has not ended is stopped or runs again, and whether a parent that
    /// waits is to hear of it; returns the parent.
    fn set_state(&self, pid: Pid, state: RunState, report: bool) -> Option<Arc<Process>> {
        let mut tree = self.tree.lock();
        let entry = tree.entries.get_mut(&pid)?;
        if matches!(entry.state, RunState::Zombie(_)) {
            return None;
        }
        let before = std::mem::replace(&mut entry.state, state);
        let is_running = state == RunState::Running;
        entry.stop_unreported = report && !is_running;
        entry.continue_unreported = report && is_running;
        let parent = entry.parent;
        tree.note_change(before, state);
        tree.news.insert((parent, pid), ());
        tree.entries
            .get(&parent)
            .map(|entry| Arc::clone(&entry.process))
    }

    /// Makes a process a zombie and gives its children to a subreaper or init. `None` when it was
    /// one already.
    pub(in crate::process) fn end(&self, pid: Pid, status: i32) -> Option<Ended> {
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
        tree.news.insert((parent, pid), ());
        let reaper = tree.reaper_above(parent);
        let mut orphans = Vec::new();
        for &orphan in &children {
            if tree.news.remove(&(pid, orphan)).is_some() {
                tree.news.insert((reaper, orphan), ());
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
    pub(in crate::process) fn remove(&self, pid: Pid) {
        let removed = self.tree.lock().remove(pid);
        if let Some(process) = removed {
            process.enter_stage(Stage::Reaped);
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

    /// A process went from one state to another.
    fn note_change(&mut self, before: RunState, after: RunState) {
        let count = |state| usize::from(matches!(state, RunState::Stopped(_)));
        self.nr_stopped = self
            .nr_stopped
            .saturating_add(count(after))
            .saturating_sub(count(before));
    }
}
