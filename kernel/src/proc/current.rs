//! Whose system call runs on this Worker: `/proc/self` leads there.

use std::cell::Cell;

use crate::process::Pid;

thread_local! {
    /// 0 before the first process.
    static CURRENT: Cell<Pid> = const { Cell::new(0) };
}

/// The process that looked a path up last on this Worker, which is the one that looks now.
pub fn pid() -> Option<Pid> {
    Some(CURRENT.get()).filter(|&pid| pid != 0)
}

/// Said before a process's paths are looked up.
pub(crate) fn set(pid: Pid) {
    CURRENT.set(pid);
}
