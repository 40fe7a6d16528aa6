//! The system as a whole, and what a process may use of it.
//!
//! - [`machine`]: names, memory, the log, randomness, power
//! - [`resources`]: limits and use
//! - [`schedule`]: niceness, Workers; [`policy`]: scheduling policies
//! - [`mod@prctl`]: small settings
//! - [`reach`]: into other processes, and out of what is shared with them

mod machine;
mod policy;
mod prctl;
mod reach;
mod resources;
mod schedule;

pub(crate) use machine::{
    getrandom, membarrier, personality, reboot, setdomainname, sethostname, sysinfo, syslog, uname,
};
pub(crate) use policy::{
    sched_get_priority_max, sched_get_priority_min, sched_getattr, sched_getparam,
    sched_getscheduler, sched_rr_get_interval_time64, sched_setattr, sched_setparam,
    sched_setscheduler,
};
pub(crate) use prctl::prctl;
pub(crate) use reach::{kcmp, process_madvise, process_vm_readv, process_vm_writev, unshare};
pub(crate) use resources::{getrlimit, getrusage, prlimit64, setrlimit, usage_of};
pub(crate) use schedule::{
    getcpu, getpriority, ioprio_get, ioprio_set, sched_getaffinity, sched_setaffinity, sched_yield,
    setpriority,
};

use std::sync::Arc;

use abi::flags::CAP_SYS_NICE;
use abi::{Errno, Result};
use kernel::process::Process;

use crate::context::Cx;

/// The process that a call names, or one of its threads: 0 is the caller.
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
            .of_thread(pid)
            .ok_or_else(|| Errno::ESRCH.into()),
    }
}

/// Whether the caller may change when `target` runs: the same user, or privileged.
///
/// # Errors
/// `EPERM`
fn check_may_change(cx: Cx<'_>, target: &Process) -> Result<()> {
    let (caller, target) = (cx.process().credentials(), target.credentials());
    if caller.has(CAP_SYS_NICE)
        || caller.user.effective == target.user.real
        || caller.user.effective == target.user.effective
    {
        Ok(())
    } else {
        Err(Errno::EPERM.because("a process of somebody else"))
    }
}

/// Fails unless the caller has the privilege `capability`.
fn check_capability(cx: Cx<'_>, capability: u32) -> Result<()> {
    if cx.process().credentials().has(capability) {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}
