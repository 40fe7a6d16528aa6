//! The system as a whole, and what a process may use of it.
//!
//! - [`machine`]: names, memory, the log, randomness, power
//! - [`resources`]: limits and use
//! - [`schedule`]: policies, niceness, Workers
//! - [`mod@prctl`]: small settings

mod machine;
mod prctl;
mod resources;
mod schedule;

pub(crate) use machine::{
    getrandom, membarrier, personality, reboot, setdomainname, sethostname, sysinfo, syslog, uname,
};
pub(crate) use prctl::prctl;
pub(crate) use resources::{getrlimit, getrusage, prlimit64, setrlimit, usage_of};
pub(crate) use schedule::{
    getcpu, getpriority, ioprio_get, ioprio_set, sched_get_priority_max, sched_get_priority_min,
    sched_getaffinity, sched_getparam, sched_getscheduler, sched_setaffinity, sched_setparam,
    sched_setscheduler, sched_yield, setpriority,
};

use std::sync::Arc;

use abi::{Errno, Result};
use kernel::process::Process;

use crate::context::Cx;

/// The process that a call names: 0 is the caller.
///
/// # Errors
/// `EINVAL` for a negative number, `ESRCH`.
fn process_of(cx: Cx<'_>, pid: i32) -> Result<Arc<Process>> {
    match pid {
        ..0 => Err(Errno::EINVAL.because("a negative process id")),
        0 => Ok(cx.process()),
        _ => cx
            .kernel
            .processes
            .find(pid)
            .ok_or_else(|| Errno::ESRCH.into()),
    }
}

/// Whether the caller may change what `target` may do: the same user, or the superuser.
///
/// # Errors
/// `EPERM`
fn check_may_change(cx: Cx<'_>, target: &Process) -> Result<()> {
    let (caller, target) = (cx.process().credentials(), target.credentials());
    if caller.is_privileged()
        || caller.user.effective == target.user.real
        || caller.user.effective == target.user.effective
    {
        Ok(())
    } else {
        Err(Errno::EPERM.because("a process of somebody else"))
    }
}

/// Fails unless the caller is the superuser.
fn check_privilege(cx: Cx<'_>) -> Result<()> {
    if cx.process().credentials().is_privileged() {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}
