//! Limits and use: getrlimit(2), getrusage(2).

use std::sync::Arc;

use abi::flags::{CAP_SYS_RESOURCE, RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD};
use abi::layout::{Rlimit32, Rlimit64, Rusage32, Timeval32};
use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use kernel::process::{Ids, Limit, Process, Usage};

use super::process_of;
use crate::context::Cx;

/// `struct rusage`: times, switches, and a peak of resident memory in bytes; no more is measured.
pub(crate) fn usage_of(usage: Usage, peak_bytes: u64) -> Rusage32 {
    let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    Rusage32 {
        utime: Timeval32::from_nanoseconds(usage.ran_ns),
        maxrss: i32::try_from(peak_bytes >> 10).unwrap_or(i32::MAX),
        nvcsw: count(usage.nr_waits),
        nivcsw: count(usage.nr_preemptions),
        ..Rusage32::default()
    }
}

/// getrusage(2).
pub(crate) fn getrusage(cx: Cx<'_>, who: i32, usage: UserAddr) -> Result<()> {
    let process = cx.process();
    let (used, peak_bytes) = match who {
        RUSAGE_THREAD => (cx.task.usage(), process.peak_resident_bytes()),
        RUSAGE_SELF => (process.usage(), process.peak_resident_bytes()),
        RUSAGE_CHILDREN => (
            process.cpu_time.children(),
            process.peak_memory.children_bytes(),
        ),
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.copy_out(usage, &usage_of(used, peak_bytes).to_bytes())
}

fn limit_of(process: &Process, resource: u32) -> Result<Rlimit64> {
    let limit = process.limits.lock().get(resource)?;
    Ok(Rlimit64 {
        current: limit.soft,
        maximum: limit.hard,
    })
}

fn set_limit(cx: Cx<'_>, process: &Process, resource: u32, new: Rlimit64) -> Result<()> {
    let is_privileged = cx.process().credentials().has(CAP_SYS_RESOURCE);
    let new = Limit {
        soft: new.current,
        hard: new.maximum,
    };
    process.limits.lock().set(resource, new, is_privileged)?;
    process.note_cpu_limits();
    Ok(())
}

/// getrlimit(2) with 32-bit limits.
pub(crate) fn getrlimit(cx: Cx<'_>, resource: u32, limit: UserAddr) -> Result<()> {
    let old = limit_of(&cx.process(), resource)?;
    cx.copy_out(limit, &Rlimit32::from(old).to_bytes())
}

/// setrlimit(2) with 32-bit limits.
pub(crate) fn setrlimit(cx: Cx<'_>, resource: u32, limit: UserAddr) -> Result<()> {
    let new = Rlimit32::from_bytes(&cx.copy_in(limit)?);
    set_limit(cx, &cx.process(), resource, new.into())
}

/// Whether the caller may see and set the limits of `target`.
fn check_may_limit(cx: Cx<'_>, target: &Arc<Process>) -> Result<()> {
    let caller = cx.process();
    let (own, theirs) = (caller.credentials(), target.credentials());
    let all_are = |ids: Ids, id: u32| [ids.real, ids.effective, ids.saved] == [id; 3];
    let is_same = all_are(theirs.user, own.user.real) && all_are(theirs.group, own.group.real);
    if Arc::ptr_eq(&caller, target) || is_same || own.has(CAP_SYS_RESOURCE) {
        Ok(())
    } else {
        Err(Errno::EPERM.because("a process of somebody else"))
    }
}

/// prlimit(2).
pub(crate) fn prlimit64(
    cx: Cx<'_>,
    pid: Pid,
    resource: u32,
    limit: UserAddr,
    old_limit: UserAddr,
) -> Result<()> {
    let process = process_of(cx, pid.0).map_err(|_| Errno::ESRCH)?;
    check_may_limit(cx, &process)?;
    let old = limit_of(&process, resource)?;
    if !limit.is_null() {
        let new = Rlimit64::from_bytes(&cx.copy_in(limit)?);
        set_limit(cx, &process, resource, new)?;
    }
    cx.copy_out_optional(old_limit, &old.to_bytes())
}
