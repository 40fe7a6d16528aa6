//! Small things that a process sets for itself: prctl(2), sched(7), ioprio_set(2).

use super::Policy;

/// Nanoseconds that a sleep may end late, unless `PR_SET_TIMERSLACK` says otherwise.
const DEFAULT_TIMER_SLACK_NS: u32 = 50_000;

/// What `prctl(2)` and the scheduling calls keep for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Signal that the process gets when its parent ends; 0: none (`PR_SET_PDEATHSIG`).
    pub death_signal: u8,
    /// Whether a core could be dumped (`PR_SET_DUMPABLE`).
    pub is_dumpable: bool,
    /// Whether it became a user with more processes than `RLIMIT_NPROC`: `exec` then fails.
    pub exceeds_processes: bool,
    /// Whether `exec` no longer honours set-id bits (`PR_SET_NO_NEW_PRIVS`).
    pub has_no_new_privileges: bool,
    /// Whether it adopts orphans among its descendants (`PR_SET_CHILD_SUBREAPER`).
    pub is_subreaper: bool,
    /// `PR_SET_THP_DISABLE`; recorded only.
    pub has_no_huge_pages: bool,
    /// `PR_SET_TIMERSLACK`, nanoseconds; recorded only.
    pub timer_slack_ns: u32,
    /// The first thread's scheduling policy.
    pub policy: Policy,
    /// What `/proc/PID/oom_score_adj` was set to.
    pub oom_score_adj: i32,
    /// The lowest that it may be set to without privilege.
    pub oom_score_min: i32,
    /// Class and level as `ioprio_set(2)` packs them.
    pub io_priority: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            death_signal: 0,
            is_dumpable: true,
            exceeds_processes: false,
            has_no_new_privileges: false,
            is_subreaper: false,
            has_no_huge_pages: false,
            timer_slack_ns: DEFAULT_TIMER_SLACK_NS,
            policy: Policy::default(),
            oom_score_adj: 0,
            oom_score_min: 0,
            io_priority: 0,
        }
    }
}

impl Settings {
    /// What a child starts with, but for the policy, which is that of the thread that makes it.
    #[must_use]
    pub const fn for_child(self) -> Self {
        Self {
            death_signal: 0,
            is_subreaper: false,
            ..self
        }
    }

    /// What a new program starts with.
    #[must_use]
    pub const fn after_exec(self) -> Self {
        Self {
            is_dumpable: true,
            exceeds_processes: false,
            ..self
        }
    }
}
