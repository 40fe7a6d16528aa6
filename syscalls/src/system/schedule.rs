//! Niceness, and the Workers that a process may run on: `kernel::scheduler` shares a Worker's time
//! by them. Policies are in `policy`.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use abi::flags::{
    CAP_SYS_NICE, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, IOPRIO_CLASS_NONE, IOPRIO_CLASS_RT,
    IOPRIO_CLASS_SHIFT, IOPRIO_WHO_PGRP, IOPRIO_WHO_PROCESS, IOPRIO_WHO_USER, PRIO_PGRP,
    PRIO_PROCESS, PRIO_USER,
};
use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use kernel::call::Outcome;
use kernel::process::{Process, Resource};

use super::{check_capability, check_may_change, process_of};
use crate::context::Cx;

/// Niceness from -20 to 19 is shown as 40 to 1.
const NICE_BASE: i32 = 20;

/// sched_yield(2): behind all that is ready on this Worker.
pub(crate) fn sched_yield(cx: Cx<'_>) -> Outcome<u32> {
    if !cx.kernel.scheduler.has_ready(cx.task) && !cx.task.executor().has_ready() {
        return Outcome::Ready(Ok(0));
    }
    cx.task.will_yield();
    let mut is_second = false;
    Outcome::from_future(poll_fn(move |context| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(Ok(0));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }))
}

/// Whom `getpriority(2)` and `ioprio_get(2)` mean.
enum Who {
    Process,
    Group,
    User,
}

fn chosen(cx: Cx<'_>, who: &Who, id: i32) -> Result<Vec<Arc<Process>>> {
    let table = &cx.kernel.processes;
    let own = table.relations(cx.task.pid()).ok_or(Errno::ESRCH)?;
    let group = if id == 0 { own.group } else { id };
    let user = if id == 0 {
        cx.process().credentials().user.real
    } else {
        id.cast_unsigned()
    };
    let found: Vec<_> = match who {
        Who::Process => process_of(cx, id).into_iter().collect(),
        Who::Group => {
            let is_in = |pid: &i32| table.relations(*pid).is_some_and(|it| it.group == group);
            table
                .pids()
                .into_iter()
                .filter(is_in)
                .filter_map(|pid| table.find(pid))
                .collect()
        }
        Who::User => {
            let all = table.pids().into_iter().filter_map(|pid| table.find(pid));
            all.filter(|process| process.credentials().user.real == user)
                .collect()
        }
    };
    if found.is_empty() {
        Err(Errno::ESRCH.into())
    } else {
        Ok(found)
    }
}

fn priority_who(which: i32) -> Result<Who> {
    match which {
        PRIO_PROCESS => Ok(Who::Process),
        PRIO_PGRP => Ok(Who::Group),
        PRIO_USER => Ok(Who::User),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// getpriority(2): the highest, as 20 - niceness.
pub(crate) fn getpriority(cx: Cx<'_>, which: i32, who: i32) -> Result<i32> {
    let processes = chosen(cx, &priority_who(which)?, who)?;
    let shown = |process: &Arc<Process>| NICE_BASE.saturating_sub(process.nice());
    processes
        .iter()
        .map(shown)
        .max()
        .ok_or_else(|| Errno::ESRCH.into())
}

/// Whether `process` may be made as little nice as that.
pub(super) fn may_have_nice(cx: Cx<'_>, process: &Process, nice: i32) -> bool {
    let limit = process.limits.lock().soft(Resource::Nice);
    let wanted = NICE_BASE.saturating_sub(nice);
    u64::try_from(wanted).is_ok_and(|wanted| wanted <= limit)
        || cx.process().credentials().has(CAP_SYS_NICE)
}

/// setpriority(2).
pub(crate) fn setpriority(cx: Cx<'_>, which: i32, who: i32, nice: i32) -> Result<()> {
    let nice = nice.clamp(-20, 19);
    for process in chosen(cx, &priority_who(which)?, who)? {
        check_may_change(cx, &process)?;
        if nice < process.nice() && !may_have_nice(cx, &process, nice) {
            return Err(Errno::EACCES.because("less nice than RLIMIT_NICE"));
        }
        process.set_nice(nice);
    }
    Ok(())
}

fn io_who(which: i32) -> Result<Who> {
    match which {
        IOPRIO_WHO_PROCESS => Ok(Who::Process),
        IOPRIO_WHO_PGRP => Ok(Who::Group),
        IOPRIO_WHO_USER => Ok(Who::User),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// ioprio_get(2): the most urgent.
pub(crate) fn ioprio_get(cx: Cx<'_>, which: i32, who: i32) -> Result<i32> {
    let processes = chosen(cx, &io_who(which)?, who)?;
    let priorities = processes
        .iter()
        .map(|process| process.settings.lock().io_priority);
    priorities.min().ok_or_else(|| Errno::ESRCH.into())
}

/// ioprio_set(2).
pub(crate) fn ioprio_set(cx: Cx<'_>, which: i32, who: i32, priority: i32) -> Result<()> {
    let class = priority >> IOPRIO_CLASS_SHIFT;
    let level = priority & 7;
    match class {
        IOPRIO_CLASS_RT => check_capability(cx, CAP_SYS_NICE)?,
        IOPRIO_CLASS_BE | IOPRIO_CLASS_IDLE => {}
        IOPRIO_CLASS_NONE if level == 0 => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    for process in chosen(cx, &io_who(which)?, who)? {
        check_may_change(cx, &process)?;
        process.settings.lock().io_priority = priority;
    }
    Ok(())
}

/// The Workers of the pod, one bit each.
fn workers(cx: Cx<'_>) -> u64 {
    let nr = u32::try_from(cx.kernel.executors().len()).unwrap_or(u64::BITS);
    u64::MAX
        .checked_shr(u64::BITS.saturating_sub(nr))
        .unwrap_or(0)
}

/// sched_getaffinity(2): the bytes written.
pub(crate) fn sched_getaffinity(cx: Cx<'_>, pid: Pid, len: usize, mask: UserAddr) -> Result<usize> {
    let workers = workers(cx);
    let bits = u64::BITS.saturating_sub(workers.leading_zeros());
    let needed = usize::try_from(bits.div_ceil(32))
        .unwrap_or(2)
        .saturating_mul(4);
    if len < needed || len & 3 != 0 {
        return Err(Errno::EINVAL.because("too small a mask, or not of whole words"));
    }
    let allowed = process_of(cx, pid.0)?.affinity.load(Ordering::Relaxed) & workers;
    let bytes = allowed.to_le_bytes();
    cx.copy_out(mask, bytes.get(..needed).unwrap_or(&bytes))?;
    if pid.0 == 0 {
        let process = cx.process();
        process.counts_processors.store(true, Ordering::Relaxed);
    }
    Ok(needed)
}

/// sched_setaffinity(2). Deviates: a guest stays on its Worker until it makes exec; its children
/// follow the mask at once.
pub(crate) fn sched_setaffinity(cx: Cx<'_>, pid: Pid, len: usize, mask: UserAddr) -> Result<()> {
    let mut bytes = [0; 8];
    let used = bytes.get_mut(..len.min(8)).unwrap_or_default();
    if !used.is_empty() {
        crate::context::not_null(mask)?;
        cx.memory().copy_in(mask.0, used)?;
    }
    let process = process_of(cx, pid.0)?;
    check_may_change(cx, &process)?;
    let wanted = u64::from_le_bytes(bytes) & workers(cx);
    if wanted == 0 {
        return Err(Errno::EINVAL.because("no such Worker"));
    }
    process.affinity.store(wanted, Ordering::Relaxed);
    Ok(())
}

/// getcpu(2): the Worker, and node 0.
pub(crate) fn getcpu(cx: Cx<'_>, cpu: UserAddr, node: UserAddr, _cache: UserAddr) -> Result<()> {
    cx.copy_out_optional(cpu, &cx.task.executor().worker().0.to_le_bytes())?;
    cx.copy_out_optional(node, &0_u32.to_le_bytes())
}
