//! Waiting for children: what `wait4(2)` and `waitid(2)` ask for, and what they find.

use abi::{Errno, Result};

use super::{Entry, ProcessTable, RunState};
use crate::process::{Pid, Stage, Usage};

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

impl ProcessTable {
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
                news.map(|(&(_, child), ())| child).collect()
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
