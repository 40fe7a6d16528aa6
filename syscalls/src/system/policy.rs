//! Scheduling policies: sched(7).
//!
//! Deviates: `SCHED_FIFO` and `SCHED_RR` share a Worker's time as the least nice process does, and
//! never starve others; of the threads of a process the first one's policy counts. `SCHED_DEADLINE`
//! is never admitted.

use std::sync::Arc;

use abi::flags::{
    CAP_SYS_NICE, SCHED_BATCH, SCHED_DEADLINE, SCHED_FIFO, SCHED_FLAG_KEEP_PARAMS,
    SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_RESET_ON_FORK, SCHED_IDLE, SCHED_OTHER, SCHED_RESET_ON_FORK,
    SCHED_RR,
};
use abi::layout::{SchedAttr, Timespec64};
use abi::limits::PAGE_SIZE;
use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use kernel::process::{Policy, Process, Resource};

use super::schedule::may_have_nice;
use super::{check_may_change, process_of};
use crate::context::Cx;

/// Turns of `SCHED_RR`, in nanoseconds.
const RR_INTERVAL_NS: u64 = 100_000_000;
/// What a process that shares time by weight runs at a stretch, in nanoseconds, as Linux says it.
const FAIR_INTERVAL_NS: u64 = 4_000_000;

/// The range of `sched_priority` for a policy.
fn priorities(policy: i32) -> Result<(i32, i32)> {
    match policy {
        SCHED_FIFO | SCHED_RR => Ok((1, 99)),
        SCHED_OTHER | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL.because("an unknown policy")),
    }
}

const fn is_real_time(policy: i32) -> bool {
    matches!(policy, SCHED_FIFO | SCHED_RR)
}

/// sched_get_priority_max(2).
pub(crate) fn sched_get_priority_max(_cx: Cx<'_>, policy: i32) -> Result<i32> {
    priorities(policy).map(|(_, max)| max)
}

/// sched_get_priority_min(2).
pub(crate) fn sched_get_priority_min(_cx: Cx<'_>, policy: i32) -> Result<i32> {
    priorities(policy).map(|(min, _)| min)
}

/// A thread, and the process that it is of.
struct Thread {
    process: Arc<Process>,
    tid: i32,
}

impl Thread {
    /// The thread that a call names: 0 is the caller.
    ///
    /// # Errors
    /// `EINVAL` for a negative number, `ESRCH`.
    fn new(cx: Cx<'_>, pid: Pid) -> Result<Self> {
        let process = process_of(cx, pid.0)?;
        let tid = if pid.0 == 0 { cx.task.tid() } else { pid.0 };
        Ok(Self { process, tid })
    }

    /// The thread of a call whose pointer must not be null.
    fn with(cx: Cx<'_>, pid: Pid, pointer: UserAddr) -> Result<Self> {
        if pointer.is_null() {
            return Err(Errno::EINVAL.into());
        }
        Self::new(cx, pid)
    }

    fn policy(&self) -> Policy {
        self.process.policy(self.tid)
    }

    /// Gives it a policy, as the caller may.
    fn set_policy(&self, cx: Cx<'_>, new: Policy) -> Result<()> {
        let (min, max) = priorities(new.policy)?;
        if !(min..=max).contains(&new.priority) {
            return Err(Errno::EINVAL.because("not a priority of this policy"));
        }
        check_may_change(cx, &self.process)?;
        self.check_limits(cx, new)?;
        if new.policy == SCHED_DEADLINE {
            return Err(Errno::EBUSY.because("no time is set aside for deadlines"));
        }
        self.process.set_policy(self.tid, new);
        Ok(())
    }

    /// What takes `CAP_SYS_NICE` (Linux v6.12 kernel/sched/syscalls.c,
    /// `user_check_sched_setscheduler`).
    fn check_limits(&self, cx: Cx<'_>, new: Policy) -> Result<()> {
        if cx.process().credentials().has(CAP_SYS_NICE) {
            return Ok(());
        }
        let (old, process) = (self.policy(), &self.process);
        let limit = process.limits.lock().soft(Resource::RealTimePriority);
        let is_above = |priority: i32| u64::try_from(priority).is_ok_and(|it| it > limit);
        let raises = is_real_time(new.policy)
            && (new.policy != old.policy && limit == 0
                || new.priority > old.priority && is_above(new.priority));
        let leaves_idle = old.policy == SCHED_IDLE
            && new.policy != SCHED_IDLE
            && !may_have_nice(cx, process, process.nice());
        let keeps_for_children = old.resets_on_fork && !new.resets_on_fork;
        if raises || leaves_idle || keeps_for_children || new.policy == SCHED_DEADLINE {
            return Err(Errno::EPERM.because("only with CAP_SYS_NICE"));
        }
        Ok(())
    }
}

/// sched_getscheduler(2).
pub(crate) fn sched_getscheduler(cx: Cx<'_>, pid: Pid) -> Result<i32> {
    let policy = Thread::new(cx, pid)?.policy();
    let flag = if policy.resets_on_fork {
        SCHED_RESET_ON_FORK
    } else {
        0
    };
    Ok(policy.policy | flag)
}

/// sched_setscheduler(2).
pub(crate) fn sched_setscheduler(cx: Cx<'_>, pid: Pid, policy: i32, param: UserAddr) -> Result<()> {
    if policy < 0 {
        return Err(Errno::EINVAL.into());
    }
    let thread = Thread::with(cx, pid, param)?;
    let wanted = Policy {
        policy: policy & !SCHED_RESET_ON_FORK,
        priority: i32::from_le_bytes(cx.copy_in(param)?),
        resets_on_fork: policy & SCHED_RESET_ON_FORK != 0,
    };
    thread.set_policy(cx, wanted)
}

/// sched_setparam(2).
pub(crate) fn sched_setparam(cx: Cx<'_>, pid: Pid, param: UserAddr) -> Result<()> {
    let thread = Thread::with(cx, pid, param)?;
    let wanted = Policy {
        priority: i32::from_le_bytes(cx.copy_in(param)?),
        ..thread.policy()
    };
    thread.set_policy(cx, wanted)
}

/// sched_getparam(2).
pub(crate) fn sched_getparam(cx: Cx<'_>, pid: Pid, param: UserAddr) -> Result<()> {
    let thread = Thread::with(cx, pid, param)?;
    cx.copy_out(param, &thread.policy().priority.to_le_bytes())
}

/// sched_rr_get_interval(2).
pub(crate) fn sched_rr_get_interval_time64(cx: Cx<'_>, pid: Pid, interval: UserAddr) -> Result<()> {
    let interval_ns = match Thread::new(cx, pid)?.policy().policy {
        SCHED_RR => RR_INTERVAL_NS,
        SCHED_FIFO => 0,
        _ => FAIR_INTERVAL_NS,
    };
    cx.copy_out(
        interval,
        &Timespec64::from_nanoseconds(interval_ns).to_bytes(),
    )
}

/// The `struct sched_attr` at `address`, which may be longer than ours if the rest is zero.
///
/// # Errors
/// `E2BIG`, and our size is written to its first word; `EFAULT`.
fn attributes_at(cx: Cx<'_>, address: UserAddr) -> Result<SchedAttr> {
    let size = u32::from_le_bytes(cx.copy_in(address)?);
    let size = if size == 0 { OUR_SIZE } else { size };
    let known = usize::try_from(size).unwrap_or(usize::MAX);
    let too_big = || {
        cx.copy_out(address, &OUR_SIZE.to_le_bytes())?;
        Err(Errno::E2BIG.because("not a size of sched_attr"))
    };
    if !(SchedAttr::SIZE..=PAGE_SIZE).contains(&known) {
        return too_big();
    }
    let mut rest = vec![0; known.saturating_sub(SchedAttr::SIZE)];
    cx.memory()
        .copy_in(address.offset(OUR_SIZE)?.0, &mut rest)?;
    if rest.iter().any(|&byte| byte != 0) {
        return too_big();
    }
    Ok(SchedAttr::from_bytes(&cx.copy_in(address)?))
}

/// [`SchedAttr::SIZE`] as the guest counts.
const OUR_SIZE: u32 = 48;

/// sched_setattr(2).
pub(crate) fn sched_setattr(cx: Cx<'_>, pid: Pid, attr: UserAddr, flags: u32) -> Result<()> {
    const KNOWN: u64 = SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS;
    if attr.is_null() || pid.0 < 0 || flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let attr = attributes_at(cx, attr)?;
    let thread = Thread::new(cx, pid)?;
    let process = &thread.process;
    if attr.flags & !KNOWN != 0 {
        return Err(Errno::EINVAL.because("flags that are not there"));
    }
    let old = thread.policy();
    let keeps = |flag: u64| attr.flags & flag != 0;
    let invalid = |_| Errno::EINVAL;
    let wanted = Policy {
        policy: if keeps(SCHED_FLAG_KEEP_POLICY) {
            old.policy
        } else {
            i32::try_from(attr.policy).map_err(invalid)?
        },
        priority: if keeps(SCHED_FLAG_KEEP_PARAMS) {
            old.priority
        } else {
            i32::try_from(attr.priority).map_err(invalid)?
        },
        resets_on_fork: keeps(SCHED_FLAG_RESET_ON_FORK),
    };
    let has_nice = matches!(wanted.policy, SCHED_OTHER | SCHED_BATCH);
    let nice = attr.nice.clamp(-20, 19);
    let sets_nice = has_nice && !keeps(SCHED_FLAG_KEEP_PARAMS);
    if sets_nice && nice < process.nice() && !may_have_nice(cx, process, nice) {
        return Err(Errno::EPERM.because("less nice than RLIMIT_NICE"));
    }
    thread.set_policy(cx, wanted)?;
    if sets_nice {
        process.set_nice(nice);
    }
    Ok(())
}

/// sched_getattr(2).
pub(crate) fn sched_getattr(
    cx: Cx<'_>,
    pid: Pid,
    attr: UserAddr,
    size: u32,
    flags: u32,
) -> Result<()> {
    let fits =
        usize::try_from(size).is_ok_and(|size| (SchedAttr::SIZE..=PAGE_SIZE).contains(&size));
    if attr.is_null() || pid.0 < 0 || flags != 0 || !fits {
        return Err(Errno::EINVAL.into());
    }
    let thread = Thread::new(cx, pid)?;
    let policy = thread.policy();
    let has_nice = matches!(policy.policy, SCHED_OTHER | SCHED_BATCH);
    let answer = SchedAttr {
        size: OUR_SIZE,
        policy: policy.policy.cast_unsigned(),
        flags: u64::from(policy.resets_on_fork),
        nice: if has_nice { thread.process.nice() } else { 0 },
        priority: policy.priority.cast_unsigned(),
        ..SchedAttr::default()
    };
    cx.copy_out(attr, &answer.to_bytes())
}
