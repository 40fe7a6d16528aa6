//! Small things that a process sets for itself: prctl(2), sched(7), ioprio_set(2).

use abi::flags::SCHED_OTHER;

/// Nanoseconds that a sleep may end late, unless `PR_SET_TIMERSLACK` says otherwise.
const DEFAULT_TIMER_SLACK_NS: u32 = 50_000;

/// What `prctl(2)` and the scheduling calls keep for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Signal that the process gets when its parent ends; 0: none (`PR_SET_PDEATHSIG`).
    pub death_signal: u8,
    /// Whether a core could be dumped (`PR_SET_DUMPABLE`).
    pub is_dumpable: bool,
    /// Whether capabilities survive a change of users (`PR_SET_KEEPCAPS`).
    pub keeps_capabilities: bool,
    /// Whether `exec` no longer honours set-id bits (`PR_SET_NO_NEW_PRIVS`).
    pub has_no_new_privileges: bool,
    /// Whether it adopts orphans among its descendants (`PR_SET_CHILD_SUBREAPER`).
    pub is_subreaper: bool,
    /// `PR_SET_TIMERSLACK`, nanoseconds; recorded only.
    pub timer_slack_ns: u32,
    /// `SCHED_OTHER`, `SCHED_BATCH` or `SCHED_IDLE`.
    pub policy: i32,
    /// Class and level as `ioprio_set(2)` packs them.
    pub io_priority: i32,
    /// Address and length of the list of robust futexes.
    pub robust_list: (u32, u32),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            death_signal: 0,
            is_dumpable: true,
            keeps_capabilities: false,
            has_no_new_privileges: false,
            is_subreaper: false,
            timer_slack_ns: DEFAULT_TIMER_SLACK_NS,
            policy: SCHED_OTHER,
            io_priority: 0,
            robust_list: (0, 0),
        }
    }
}

impl Settings {
    /// What a child starts with.
    #[must_use]
    pub const fn for_child(self) -> Self {
        Self {
            death_signal: 0,
            is_subreaper: false,
            robust_list: (0, 0),
            ..self
        }
    }

    /// What a new program starts with.
    #[must_use]
    pub const fn after_exec(self) -> Self {
        Self {
            is_dumpable: true,
            keeps_capabilities: false,
            robust_list: (0, 0),
            ..self
        }
    }
}
