//! Futexes. A process has one thread and memory of its own, so nobody else can wake a waiter: a
//! wait ends by its timeout or a signal, and a wake finds nobody.

use std::sync::Arc;

use abi::flags::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, FUTEX_CLOCK_REALTIME, FUTEX_CMD_MASK, FUTEX_CMP_REQUEUE,
    FUTEX_REQUEUE, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use abi::layout::{RobustListHead, Timespec32, Timespec64};
use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use fs::io::Stall;
use kernel::call::{Outcome, Restart};
use kernel::poll::wait_for;

use crate::context::Cx;

/// futex(2) with a 64-bit timeout.
pub(crate) fn futex_time64(
    cx: Cx<'_>,
    address: UserAddr,
    operation: i32,
    value: u32,
    timeout: UserAddr,
    address2: UserAddr,
    value3: u32,
) -> Outcome<u32> {
    let read = |timeout| Timespec64::from_bytes(&cx.copy_in(timeout)?).nanoseconds();
    enter(
        cx,
        address,
        operation,
        value,
        (timeout, read),
        address2,
        value3,
    )
}

/// futex(2) with a 32-bit timeout.
pub(crate) fn futex(
    cx: Cx<'_>,
    address: UserAddr,
    operation: i32,
    value: u32,
    timeout: UserAddr,
    address2: UserAddr,
    value3: u32,
) -> Outcome<u32> {
    let read = |timeout| Timespec32::from_bytes(&cx.copy_in(timeout)?).nanoseconds();
    enter(
        cx,
        address,
        operation,
        value,
        (timeout, read),
        address2,
        value3,
    )
}

fn enter(
    cx: Cx<'_>,
    address: UserAddr,
    operation: i32,
    value: u32,
    (timeout, read_timeout): (UserAddr, impl Fn(UserAddr) -> Result<u64>),
    address2: UserAddr,
    value3: u32,
) -> Outcome<u32> {
    let command = operation & FUTEX_CMD_MASK;
    let result = match command {
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            let deadline = check_wait(cx, address, value, command, value3).and_then(|()| {
                if timeout.is_null() {
                    return Ok(None);
                }
                let time_ns = read_timeout(timeout)?;
                Ok(Some(deadline_of(cx, time_ns, command, operation)))
            });
            match deadline {
                Ok(deadline_ns) => return wait(cx, deadline_ns),
                Err(error) => Err(error),
            }
        }
        FUTEX_WAKE | FUTEX_REQUEUE => word_at(cx, address).map(|_| 0),
        FUTEX_WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL.because("no bit to wake")),
        FUTEX_WAKE_BITSET => word_at(cx, address).map(|_| 0),
        FUTEX_CMP_REQUEUE => word_at(cx, address).and_then(|word| {
            if word == value3 {
                Ok(0)
            } else {
                Err(Errno::EAGAIN.into())
            }
        }),
        FUTEX_WAKE_OP => modify(cx, address2, value3).map(|()| 0),
        _ => Err(Errno::ENOSYS.because("a futex operation for several threads")),
    };
    Outcome::from(result)
}

/// The futex word; it must be aligned.
fn word_at(cx: Cx<'_>, address: UserAddr) -> Result<u32> {
    if address.0 & 3 != 0 {
        return Err(Errno::EINVAL.because("a futex that is not aligned"));
    }
    cx.copy_in(address).map(u32::from_le_bytes)
}

fn check_wait(cx: Cx<'_>, address: UserAddr, value: u32, command: i32, bits: u32) -> Result<()> {
    if command == FUTEX_WAIT_BITSET && bits == 0 {
        return Err(Errno::EINVAL.because("no bit to wait for"));
    }
    if word_at(cx, address)? != value {
        return Err(Errno::EAGAIN.because("the futex has another value"));
    }
    Ok(())
}

/// `FUTEX_WAIT` takes a span, `FUTEX_WAIT_BITSET` a point in time on one of two clocks.
fn deadline_of(cx: Cx<'_>, time_ns: u64, command: i32, operation: i32) -> u64 {
    let platform = &cx.kernel.platform;
    let now_ns = platform.monotonic_ns();
    let clock = if operation & FUTEX_CLOCK_REALTIME == 0 {
        CLOCK_MONOTONIC
    } else {
        CLOCK_REALTIME
    };
    let span_ns = match (command, clock) {
        (FUTEX_WAIT, _) => time_ns,
        (_, CLOCK_REALTIME) => time_ns.saturating_sub(platform.realtime_ns()),
        _ => time_ns.saturating_sub(now_ns),
    };
    now_ns.saturating_add(span_ns)
}

fn wait(cx: Cx<'_>, deadline_ns: Option<u64>) -> Outcome<u32> {
    wait_for(cx.task, None, deadline_ns, Restart::Sys, || {
        Err(Stall::WouldBlock)
    })
}

/// `FUTEX_WAKE_OP`'s change of the second word.
fn modify(cx: Cx<'_>, address: UserAddr, encoded: u32) -> Result<()> {
    let argument = encoded.wrapping_shl(8).cast_signed() >> 20;
    let argument = argument.cast_unsigned();
    let argument = if encoded >> 31 == 1 {
        1_u32.wrapping_shl(argument)
    } else {
        argument
    };
    let old = word_at(cx, address)?;
    let new = match encoded >> 28 & 7 {
        0 => argument,
        1 => old.wrapping_add(argument),
        2 => old | argument,
        3 => old & !argument,
        4 => old ^ argument,
        _ => return Err(Errno::ENOSYS.because("an unknown operation")),
    };
    cx.copy_out(address, &new.to_le_bytes())
}

/// set_robust_list(2): recorded; a lock's owner and all who could wait for it end together.
pub(crate) fn set_robust_list(cx: Cx<'_>, head: UserAddr, len: usize) -> Result<()> {
    if len != RobustListHead::SIZE {
        return Err(Errno::EINVAL.into());
    }
    let len = u32::try_from(len).map_err(|_| Errno::EINVAL)?;
    cx.process().settings.lock().robust_list = (head.0, len);
    Ok(())
}

/// get_robust_list(2).
pub(crate) fn get_robust_list(cx: Cx<'_>, pid: Pid, head: UserAddr, len: UserAddr) -> Result<()> {
    let process = if pid.0 == 0 {
        cx.process()
    } else {
        cx.kernel.processes.find(pid.0).ok_or(Errno::ESRCH)?
    };
    let same = Arc::ptr_eq(&process, &cx.process());
    if !same && !cx.process().credentials().is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let (address, size) = process.settings.lock().robust_list;
    cx.copy_out(len, &size.max(12).to_le_bytes())?;
    cx.copy_out(head, &address.to_le_bytes())
}
