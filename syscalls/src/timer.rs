//! Timers of a process, timer_create(2), and timers behind descriptors, timerfd_create(2).

use std::sync::Arc;

use abi::flags::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
    O_RDWR, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET,
    TIMER_ABSTIME,
};
use abi::layout::{Itimerspec64, SigEvent, Timespec64};
use abi::types::{Fd, OpenFlags, Signal, UserAddr};
use abi::{Errno, Result};
use kernel::event::timerfd::{self, Setting, TimerFd};
use kernel::open_file::OpenFile;
use kernel::process::{Notify, TimerClock, TimerSetting};
use kernel::signal;

use crate::context::Cx;
use crate::event::{check_flags, install};
use crate::time::Clock;

/// Bytes of the kernel's memory that a timer takes, about.
const TIMER_BYTES: u64 = 512;

/// Nanoseconds that may lie before the start of a clock.
fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// When a timer expires first, on the clock that it is kept by; `None` for 0, which disarms it.
///
/// - `value_ns`: from now, or with `is_absolute` what `clock` shows then
/// - `kept_ns`: what the clock shows now that the timer is kept by
fn expires(
    cx: Cx<'_>,
    clock: &Clock,
    value_ns: u64,
    is_absolute: bool,
    kept_ns: u64,
) -> Option<i64> {
    if value_ns == 0 {
        return None;
    }
    let span_ns = if is_absolute {
        signed(value_ns).saturating_sub(signed(clock.now_ns(cx)))
    } else {
        signed(value_ns)
    };
    Some(signed(kept_ns).saturating_add(span_ns))
}

/// Nanoseconds left, and the interval, as `timer_gettime` tells them.
fn shown((left_ns, interval_ns): (u64, u64)) -> [u8; 32] {
    Itimerspec64 {
        interval: Timespec64::from_nanoseconds(interval_ns),
        value: Timespec64::from_nanoseconds(left_ns),
    }
    .to_bytes()
}

/// timer_create(2). Deviates: on the clocks of other processes no timers are made; there is no
/// hardware that wakes for the alarm clocks.
pub(crate) fn timer_create(cx: Cx<'_>, clock: i32, event: UserAddr, id: UserAddr) -> Result<()> {
    let kept_by = match Clock::new(cx, clock)? {
        Clock::Cpu(process) if Arc::ptr_eq(&process, &cx.process()) => TimerClock::Cpu,
        // Looked at where the time of the process is: the same for a process of one thread.
        Clock::Thread(_) => TimerClock::Cpu,
        Clock::Cpu(_) => return Err(Errno::EINVAL.because("the clock of another process")),
        _ if matches!(clock, CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM) => {
            return Err(Errno::EOPNOTSUPP.because("no hardware clock"));
        }
        _ if !Clock::has_timers(clock) => return Err(Errno::EOPNOTSUPP.into()),
        _ => TimerClock::Wall(clock),
    };
    let notify = if event.is_null() {
        Notify::Signal {
            number: signal::ALRM,
            value: None,
            thread: None,
        }
    } else {
        notify(cx, &SigEvent::from_bytes(&cx.copy_in(event)?))?
    };
    cx.kernel.budget().admit(TIMER_BYTES)?;
    let process = cx.process();
    let timer = process.create_timer(kept_by, notify)?;
    cx.copy_out(id, &timer.to_le_bytes()).inspect_err(|_| {
        // It was made a moment ago.
        let _ = process.delete_timer(timer);
    })
}

fn notify(cx: Cx<'_>, event: &SigEvent) -> Result<Notify> {
    let send = |thread| {
        Ok(Notify::Signal {
            number: Signal::new(event.signal)?.number(),
            value: Some(event.value),
            thread,
        })
    };
    match event.notify {
        SIGEV_NONE => Ok(Notify::Nothing),
        SIGEV_SIGNAL => send(None),
        SIGEV_THREAD_ID => {
            let process = cx.process();
            if process.thread(event.thread).is_none() {
                return Err(Errno::EINVAL.because("no thread of this process"));
            }
            send(Some(event.thread))
        }
        _ => Err(Errno::EINVAL.because("no such way to notify")),
    }
}

/// timer_settime(2).
pub(crate) fn timer_settime64(
    cx: Cx<'_>,
    id: i32,
    flags: u32,
    value: UserAddr,
    old_value: UserAddr,
) -> Result<()> {
    let new = Itimerspec64::from_bytes(&cx.copy_in(value)?);
    let (value_ns, interval_ns) = (new.value.nanoseconds()?, new.interval.nanoseconds()?);
    let process = cx.process();
    let (clock, kept_ns) = match process.timer_clock(id)? {
        TimerClock::Wall(clock) => (Clock::new(cx, clock)?, cx.kernel.platform.monotonic_ns()),
        TimerClock::Cpu => (Clock::Cpu(Arc::clone(&process)), process.cpu_ns()),
    };
    let is_absolute = flags & TIMER_ABSTIME != 0;
    let setting = TimerSetting {
        expires_ns: expires(cx, &clock, value_ns, is_absolute, kept_ns),
        interval_ns,
    };
    let old = process.set_timer(cx.kernel, id, setting)?;
    cx.copy_out_optional(old_value, &shown(old))
}

/// timer_gettime(2).
pub(crate) fn timer_gettime64(cx: Cx<'_>, id: i32, value: UserAddr) -> Result<()> {
    let setting = cx.process().timer_setting(cx.kernel, id)?;
    cx.copy_out(value, &shown(setting))
}

/// timer_getoverrun(2).
pub(crate) fn timer_getoverrun(cx: Cx<'_>, id: i32) -> Result<u32> {
    cx.process().timer_overrun(id)
}

/// timer_delete(2).
pub(crate) fn timer_delete(cx: Cx<'_>, id: i32) -> Result<()> {
    cx.process().delete_timer(id)
}

/// timerfd_create(2).
pub(crate) fn timerfd_create(cx: Cx<'_>, clock: i32, flags: OpenFlags) -> Result<Fd> {
    check_flags(flags)?;
    match clock {
        CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME => {}
        CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM => {
            if !cx.process().credentials().is_privileged() {
                return Err(Errno::EPERM.because("only the superuser wakes the machine"));
            }
        }
        _ => return Err(Errno::EINVAL.because("no clock for timers")),
    }
    let timer = TimerFd::new(&cx.kernel.platform, cx.task.executor(), clock);
    install(cx, timer, timerfd::NAME, O_RDWR, flags)
}

/// The timer behind `file`.
///
/// # Errors
/// `EINVAL` when it is something else.
fn timer_of(file: &OpenFile) -> Result<&TimerFd> {
    TimerFd::of(file).ok_or_else(|| Errno::EINVAL.because("not a timerfd"))
}

/// timerfd_settime(2). Deviates: nobody can set the clock, so nothing is cancelled.
pub(crate) fn timerfd_settime64(
    cx: Cx<'_>,
    fd: Fd,
    flags: u32,
    value: UserAddr,
    old_value: UserAddr,
) -> Result<()> {
    let new = Itimerspec64::from_bytes(&cx.copy_in(value)?);
    if flags & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.because("an unknown flag"));
    }
    let (value_ns, interval_ns) = (new.value.nanoseconds()?, new.interval.nanoseconds()?);
    let file = cx.file(fd)?;
    let timer = timer_of(&file)?;
    let clock = Clock::new(cx, timer.clock())?;
    let is_absolute = flags & TFD_TIMER_ABSTIME != 0;
    let kept_ns = cx.kernel.platform.monotonic_ns();
    let old = timer.set(Setting {
        expires_ns: expires(cx, &clock, value_ns, is_absolute, kept_ns),
        interval_ns,
        flags,
    });
    cx.copy_out_optional(old_value, &old.to_bytes())
}

/// timerfd_gettime(2).
pub(crate) fn timerfd_gettime64(cx: Cx<'_>, fd: Fd, value: UserAddr) -> Result<()> {
    let file = cx.file(fd)?;
    let setting = timer_of(&file)?.setting();
    cx.copy_out(value, &setting.to_bytes())
}
