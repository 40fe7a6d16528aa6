//! The scheduling policies of a process's threads: sched(7).
//!
//! The first thread's is part of the process's settings, and what the whole process shares time by.

use std::sync::atomic::Ordering;

use abi::flags::SCHED_OTHER;

use super::{Pid, Process};
use crate::scheduler::weight_of;

/// A policy, the priority in it, and whether children start without both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `SCHED_*`.
    pub policy: i32,
    /// `sched_priority` of a real-time policy, else 0.
    pub priority: i32,
    /// `SCHED_RESET_ON_FORK`
    pub resets_on_fork: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            policy: SCHED_OTHER,
            priority: 0,
            resets_on_fork: false,
        }
    }
}

impl Policy {
    /// What a child or a new thread starts with.
    #[must_use]
    pub const fn for_child(self) -> Self {
        if self.resets_on_fork && self.priority != 0 {
            return Self {
                policy: SCHED_OTHER,
                priority: 0,
                resets_on_fork: false,
            };
        }
        Self {
            resets_on_fork: false,
            ..self
        }
    }
}

impl Process {
    /// The policy of the thread `tid`.
    pub fn policy(&self, tid: Pid) -> Policy {
        if tid == self.pid {
            return self.settings.lock().policy;
        }
        let threads = self.threads.lock();
        threads.policies.get(&tid).copied().unwrap_or_default()
    }

    /// Changes the policy of the thread `tid`. Time is shared by the first thread's.
    pub fn set_policy(&self, tid: Pid, policy: Policy) {
        if tid == self.pid {
            self.settings.lock().policy = policy;
            self.weight
                .store(weight_of(self.nice(), policy.policy), Ordering::Relaxed);
            return;
        }
        let mut threads = self.threads.lock();
        if policy == Policy::default() {
            threads.policies.remove(&tid);
        } else if threads.tasks.contains_key(&tid) {
            threads.policies.insert(tid, policy);
        }
    }
}
