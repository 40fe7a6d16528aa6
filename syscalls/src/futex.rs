//! Futexes: waiting at a word of memory until another thread wakes, and the locks that a thread holds
//! when it ends. The queues are [`kernel::ipc::futex`]'s.

use std::sync::Arc;

use abi::flags::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, FUTEX_BITSET_MATCH_ANY, FUTEX_CLOCK_REALTIME, FUTEX_CMD_MASK,
    FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI, FUTEX_WAIT, FUTEX_WAIT_BITSET,
    FUTEX_WAIT_REQUEUE_PI, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use abi::layout::{RobustListHead, Timespec32, Timespec64};
use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use kernel::call::{Fault, Outcome, Restart};
use kernel::ipc::futex::{Key, Reach, Waiting};
use kernel::poll::wait_on;

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
    let reach = if operation & FUTEX_PRIVATE_FLAG == 0 {
        Reach::Shared
    } else {
        Reach::Private
    };
    let words = Words { cx, reach };
    // Where other operations have a timeout, these have a second number.
    let value2 = timeout.0;
    let result = match command {
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            let bits = if command == FUTEX_WAIT {
                FUTEX_BITSET_MATCH_ANY
            } else {
                value3
            };
            let prepared = check_wait(cx, address, bits).and_then(|()| {
                if timeout.is_null() {
                    return Ok(None);
                }
                let time_ns = read_timeout(timeout)?;
                Ok(Some(deadline_of(cx, time_ns, command, operation)))
            });
            match prepared {
                Ok(deadline_ns) => return wait(words, address, value, bits, deadline_ns),
                Err(error) => Err(error),
            }
        }
        FUTEX_WAKE => wake(words, address, value, FUTEX_BITSET_MATCH_ANY),
        FUTEX_WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL.because("no bit to wake")),
        FUTEX_WAKE_BITSET => wake(words, address, value, value3),
        FUTEX_REQUEUE => requeue(words, [address, address2], [value, value2], None),
        FUTEX_CMP_REQUEUE => requeue(words, [address, address2], [value, value2], Some(value3)),
        FUTEX_WAKE_OP => wake_op(words, [address, address2], [value, value2], value3),
        FUTEX_LOCK_PI
        | FUTEX_LOCK_PI2
        | FUTEX_UNLOCK_PI
        | FUTEX_TRYLOCK_PI
        | FUTEX_WAIT_REQUEUE_PI
        | FUTEX_CMP_REQUEUE_PI => Err(Errno::ENOSYS.because("a futex with priority inheritance")),
        _ => Err(Errno::ENOSYS.because("an unknown futex operation")),
    };
    Outcome::from(result)
}

/// Fails for an address that is not a word's.
fn check_aligned(address: UserAddr) -> Result<()> {
    if address.0 & 3 == 0 {
        Ok(())
    } else {
        Err(Errno::EINVAL.because("a futex that is not aligned"))
    }
}

/// The futex word; it must be aligned.
fn word_at(cx: Cx<'_>, address: UserAddr) -> Result<u32> {
    check_aligned(address)?;
    if address.is_null() {
        return Err(Errno::EFAULT.because("a null pointer"));
    }
    cx.memory().word(address.0)
}

/// Words of the caller's memory, and who may meet there.
#[derive(Clone, Copy)]
struct Words<'a> {
    cx: Cx<'a>,
    reach: Reach,
}

impl Words<'_> {
    /// The name of a word that is there.
    fn key(self, address: UserAddr) -> Result<Key> {
        word_at(self.cx, address)?;
        let space = self.cx.process().address_space();
        Ok(Key::new(&space, address.0, self.reach))
    }

    /// Waits at a word from now on.
    fn join(self, address: UserAddr, bits: u32) -> Waiting {
        let space = self.cx.process().address_space();
        let futexes = &self.cx.kernel.futexes;
        futexes.join(space, address.0, self.reach, bits)
    }
}

fn check_wait(cx: Cx<'_>, address: UserAddr, bits: u32) -> Result<()> {
    if bits == 0 {
        return Err(Errno::EINVAL.because("no bit to wait for"));
    }
    word_at(cx, address).map(|_| ())
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

/// Waits at a word that has `expected` as its value. A call that is made again after a signal ends
/// when it would have ended at first.
fn wait(
    words: Words<'_>,
    address: UserAddr,
    expected: u32,
    bits: u32,
    deadline_ns: Option<u64>,
) -> Outcome<u32> {
    let cx = words.cx;
    let kept_ns = cx.task.take_kept_deadline();
    let deadline_ns = deadline_ns.map(|deadline_ns| kept_ns.unwrap_or(deadline_ns));
    let waiting = words.join(address, bits);
    match word_at(cx, address) {
        Ok(word) if word == expected => {}
        // Its change came with a wake-up that reached this waiter.
        _ if waiting.leave() => return Outcome::Ready(Ok(0)),
        Ok(_) => return Err::<u32, _>(Errno::EAGAIN).into(),
        Err(error) => return Err(error).into(),
    }
    park(cx, waiting, deadline_ns)
}

fn park(cx: Cx<'_>, waiting: Waiting, deadline_ns: Option<u64>) -> Outcome<u32> {
    let restart = if deadline_ns.is_some() {
        Restart::NoHandler
    } else {
        Restart::Sys
    };
    let queue = waiting.queue();
    let task = Arc::clone(cx.task);
    wait_on(cx.task, Some(&queue), deadline_ns, restart, waiting).then(move |answer| {
        if let (Err(Fault::Interrupted(_)), Some(deadline_ns)) = (&answer, deadline_ns) {
            task.keep_deadline(deadline_ns);
        }
        answer
    })
}

fn wake(words: Words<'_>, address: UserAddr, count: u32, bits: u32) -> Result<u32> {
    let key = words.key(address)?;
    Ok(words.cx.kernel.futexes.wake(key, one_at_least(count), bits))
}

/// Linux counts after it has woken: none, and less, are one.
fn one_at_least(count: u32) -> u32 {
    count.cast_signed().max(1).cast_unsigned()
}

/// Wakes `nr_wake` and moves `nr_move` to the second word: how many were woken, and after a
/// comparison how many were moved as well.
fn requeue(
    words: Words<'_>,
    [from, to]: [UserAddr; 2],
    [nr_wake, nr_move]: [u32; 2],
    expected: Option<u32>,
) -> Result<u32> {
    if nr_wake.cast_signed() < 0 || nr_move.cast_signed() < 0 {
        return Err(Errno::EINVAL.because("a number below zero"));
    }
    let word = word_at(words.cx, from)?;
    let keys = (words.key(from)?, words.key(to)?);
    if expected.is_some_and(|expected| word != expected) {
        return Err(Errno::EAGAIN.because("the futex has another value"));
    }
    let futexes = &words.cx.kernel.futexes;
    let (nr_woken, nr_moved) = futexes.requeue(keys.0, keys.1, nr_wake, nr_move);
    Ok(nr_woken.saturating_add(nr_moved))
}

/// Changes the second word, wakes at the first, and at the second if its old value was as asked.
fn wake_op(
    words: Words<'_>,
    [first, second]: [UserAddr; 2],
    [count, count2]: [u32; 2],
    encoded: u32,
) -> Result<u32> {
    let keys = (words.key(first)?, words.key(second)?);
    let is_met = modify(words.cx, second, encoded)?;
    let futexes = &words.cx.kernel.futexes;
    let woken = futexes.wake(keys.0, one_at_least(count), FUTEX_BITSET_MATCH_ANY);
    let woken2 = if is_met {
        futexes.wake(keys.1, one_at_least(count2), FUTEX_BITSET_MATCH_ANY)
    } else {
        0
    };
    Ok(woken.saturating_add(woken2))
}

/// `FUTEX_WAKE_OP`'s change of the second word; whether its old value compares as asked.
fn modify(cx: Cx<'_>, address: UserAddr, encoded: u32) -> Result<bool> {
    // 12 bits each, with a sign.
    let argument = encoded.wrapping_shl(8).cast_signed() >> 20;
    let compared = encoded.wrapping_shl(20).cast_signed() >> 20;
    let argument = argument.cast_unsigned();
    let argument = if encoded >> 31 == 1 {
        1_u32.wrapping_shl(argument)
    } else {
        argument
    };
    let changed = |old: u32| match encoded >> 28 & 7 {
        0 => Ok(argument),
        1 => Ok(old.wrapping_add(argument)),
        2 => Ok(old | argument),
        3 => Ok(old & !argument),
        4 => Ok(old ^ argument),
        _ => Err(Errno::ENOSYS.because("an unknown operation")),
    };
    let mut old = word_at(cx, address)?;
    let is_met = |old: u32| is_met(old.cast_signed(), encoded >> 24 & 15, compared);
    is_met(old)?;
    loop {
        let found = cx.memory().exchange(address.0, old, changed(old)?)?;
        if found == old {
            return is_met(old);
        }
        old = found;
    }
}

/// Whether a word compares with a number as `FUTEX_WAKE_OP` asks.
fn is_met(old: i32, comparison: u32, compared: i32) -> Result<bool> {
    Ok(match comparison {
        0 => old == compared,
        1 => old != compared,
        2 => old < compared,
        3 => old <= compared,
        4 => old > compared,
        5 => old >= compared,
        _ => return Err(Errno::ENOSYS.because("an unknown comparison")),
    })
}

/// `memory.atomic.wait32` and `wait64` of a guest, see [`abi::special::ATOMIC_WAIT`]. A signal ends
/// it with `EINTR`, which the guest's side takes for a wake-up without a reason.
pub(crate) fn atomic_wait(cx: Cx<'_>, args: &[u32; 6]) -> Outcome<u32> {
    let [address, low, high, timeout_low, timeout_high, len] = *args;
    let timeout_ns = u64::from(timeout_high) << 32 | u64::from(timeout_low);
    let deadline_ns = (timeout_ns.cast_signed() >= 0)
        .then(|| cx.kernel.platform.monotonic_ns().saturating_add(timeout_ns));
    let words = Words {
        cx,
        reach: Reach::Private,
    };
    let waiting = words.join(UserAddr(address), FUTEX_BITSET_MATCH_ANY);
    let expected = u64::from(high) << 32 | u64::from(low);
    let mut bytes = [0; 8];
    let memory = cx.memory();
    let read = if len == 8 {
        memory.copy_in(address, &mut bytes)
    } else {
        let [a, b, c, d, ..] = &mut bytes;
        let mut word = [0; 4];
        let read = memory.copy_in(address, &mut word);
        [*a, *b, *c, *d] = word;
        read
    };
    match read {
        Ok(()) if u64::from_le_bytes(bytes) == expected => {}
        _ if waiting.leave() => return Outcome::Ready(Ok(0)),
        Ok(()) => return Outcome::Ready(Ok(1)),
        Err(error) => return Err(error).into(),
    }
    park(cx, waiting, deadline_ns).then(|answer| match answer {
        Err(Fault::TimedOut) => Ok(2),
        other => other,
    })
}

/// `memory.atomic.notify` of a guest.
pub(crate) fn atomic_notify(cx: Cx<'_>, args: &[u32; 6]) -> Result<u32> {
    let [address, count, ..] = *args;
    let key = Key::new(&cx.process().address_space(), address, Reach::Private);
    Ok(cx.kernel.futexes.wake(key, count, FUTEX_BITSET_MATCH_ANY))
}

/// set_robust_list(2).
pub(crate) fn set_robust_list(cx: Cx<'_>, head: UserAddr, len: usize) -> Result<()> {
    if len != RobustListHead::SIZE {
        return Err(Errno::EINVAL.into());
    }
    cx.task.set_robust_list(head.0);
    Ok(())
}

/// get_robust_list(2).
pub(crate) fn get_robust_list(cx: Cx<'_>, tid: Pid, head: UserAddr, len: UserAddr) -> Result<()> {
    let tid = if tid.0 == 0 { cx.task.tid() } else { tid.0 };
    let process = cx.kernel.processes.of_thread(tid).ok_or(Errno::ESRCH)?;
    let same = Arc::ptr_eq(&process, &cx.process());
    if !same && !cx.process().credentials().is_privileged() {
        return Err(Errno::EPERM.into());
    }
    let thread = process.thread(tid).ok_or(Errno::ESRCH)?;
    let size = u32::try_from(RobustListHead::SIZE).unwrap_or(0);
    cx.copy_out(len, &size.to_le_bytes())?;
    cx.copy_out(head, &thread.robust_list().to_le_bytes())
}
