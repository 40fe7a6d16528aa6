//! Clocks, sleeps and timers.

use std::sync::Arc;

use abi::flags::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
    CLOCK_REALTIME_COARSE, CLOCK_TAI, CLOCK_THREAD_CPUTIME_ID, CPUCLOCK_CLOCK_MASK,
    CPUCLOCK_PERTHREAD_MASK, ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, TIMER_ABSTIME,
};
use abi::layout::{Itimerval32, Timespec32, Timespec64, Timeval32, Timezone, Tms};
use abi::limits::HZ;
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::{Stall, Try};
use kernel::Kernel;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::platform::UserMemory;
use kernel::poll::{Attempt, wait_on};
use kernel::process::{CpuTimer, IntervalTimer, Process, Task};

use crate::context::Cx;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;
/// Resolution of the coarse clocks: one tick of a kernel with 250 ticks per second.
const COARSE_NS: u64 = 4_000_000;

/// What a clock counts.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Since 1970.
    RealTime,
    /// Since some moment before the boot.
    Monotonic,
    /// Since the boot.
    BootTime,
    /// The time that a process ran.
    Cpu(Arc<Process>),
    /// The time that a thread ran.
    Thread(Arc<Task>),
}

impl Clock {
    /// # Errors
    /// `EINVAL` for a clock that is not there, or of a process that is not there.
    pub(crate) fn new(cx: Cx<'_>, id: i32) -> Result<Self> {
        match id {
            CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_REALTIME_ALARM | CLOCK_TAI => {
                Ok(Self::RealTime)
            }
            CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE => Ok(Self::Monotonic),
            CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => Ok(Self::BootTime),
            CLOCK_PROCESS_CPUTIME_ID => Ok(Self::Cpu(cx.process())),
            CLOCK_THREAD_CPUTIME_ID => Ok(Self::Thread(Arc::clone(cx.task))),
            // clock_getcpuclockid(3), pthread_getcpuclockid(3): the complement of the id above three
            // bits of kind.
            ..0 => {
                let pid = !(id >> 3);
                if id & CPUCLOCK_CLOCK_MASK == CPUCLOCK_CLOCK_MASK {
                    return Err(Errno::EINVAL.because("the clock of a descriptor"));
                }
                if id & CPUCLOCK_PERTHREAD_MASK != 0 {
                    let own = (pid == 0).then(|| Arc::clone(cx.task));
                    let thread = own.or_else(|| cx.process().thread(pid));
                    let thread = thread.map(Self::Thread);
                    return thread.ok_or_else(|| Errno::EINVAL.because("no such thread"));
                }
                let process = if pid == 0 {
                    Some(cx.process())
                } else {
                    cx.kernel.processes.find(pid)
                };
                process
                    .map(Self::Cpu)
                    .ok_or_else(|| Errno::EINVAL.because("no such process"))
            }
            _ => Err(Errno::EINVAL.because("no such clock")),
        }
    }

    /// Whether sleeps and timers can be had on the clock with this number.
    pub(crate) const fn has_timers(id: i32) -> bool {
        !matches!(
            id,
            CLOCK_MONOTONIC_RAW | CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE
        )
    }

    /// What it shows now, in nanoseconds.
    pub(crate) fn now_ns(&self, cx: Cx<'_>) -> u64 {
        match self {
            Self::RealTime => cx.kernel.platform.realtime_ns(),
            Self::Monotonic => cx.kernel.platform.monotonic_ns(),
            Self::BootTime => cx.kernel.uptime_ns(),
            Self::Cpu(process) => process.cpu_ns(),
            Self::Thread(thread) => thread.usage().ran_ns,
        }
    }
}

/// The monotonic moment when the `struct timespec` at `timeout` has passed; `None` for null.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub(crate) fn deadline_after(cx: Cx<'_>, timeout: UserAddr) -> Result<Option<u64>> {
    if timeout.is_null() {
        return Ok(None);
    }
    let span_ns = Timespec64::from_bytes(&cx.copy_in(timeout)?).nanoseconds()?;
    Ok(Some(
        cx.kernel.platform.monotonic_ns().saturating_add(span_ns),
    ))
}

/// clock_gettime(2).
pub(crate) fn clock_gettime64(cx: Cx<'_>, clock: i32, time: UserAddr) -> Result<()> {
    let now_ns = Clock::new(cx, clock)?.now_ns(cx);
    cx.copy_out(time, &Timespec64::from_nanoseconds(now_ns).to_bytes())
}

/// clock_gettime(2) with a 32-bit `time_t`.
pub(crate) fn clock_gettime(cx: Cx<'_>, clock: i32, time: UserAddr) -> Result<()> {
    let now_ns = Clock::new(cx, clock)?.now_ns(cx);
    cx.copy_out(time, &Timespec32::from_nanoseconds(now_ns).to_bytes())
}

/// clock_getres(2).
pub(crate) fn clock_getres_time64(cx: Cx<'_>, clock: i32, resolution: UserAddr) -> Result<()> {
    Clock::new(cx, clock)?;
    let is_coarse = matches!(clock, CLOCK_REALTIME_COARSE | CLOCK_MONOTONIC_COARSE);
    let resolution_ns = if is_coarse { COARSE_NS } else { 1 };
    cx.copy_out_optional(
        resolution,
        &Timespec64::from_nanoseconds(resolution_ns).to_bytes(),
    )
}

/// clock_settime(2). Deviates: the host's clock cannot be set.
pub(crate) fn clock_settime64(cx: Cx<'_>, clock: i32, time: UserAddr) -> Result<()> {
    Timespec64::from_bytes(&cx.copy_in(time)?).nanoseconds()?;
    match Clock::new(cx, clock)? {
        Clock::RealTime => Err(Errno::EPERM.because("the host's clock cannot be set")),
        _ => Err(Errno::EINVAL.because("this clock cannot be set")),
    }
}

/// gettimeofday(2).
pub(crate) fn gettimeofday(cx: Cx<'_>, time: UserAddr, zone: UserAddr) -> Result<()> {
    let now = Timeval32::from_nanoseconds(cx.kernel.platform.realtime_ns());
    cx.copy_out_optional(time, &now.to_bytes())?;
    cx.copy_out_optional(zone, &Timezone::default().to_bytes())
}

/// time(2).
pub(crate) fn time(cx: Cx<'_>, result: UserAddr) -> Result<i32> {
    let now = Timespec32::from_nanoseconds(cx.kernel.platform.realtime_ns());
    cx.copy_out_optional(result, &now.sec.to_le_bytes())?;
    Ok(now.sec)
}

/// Ticks as `times(2)` counts them; they wrap.
fn ticks(ns: u64) -> i32 {
    let ticks = ns
        .checked_div(SECOND_NS.checked_div(HZ).unwrap_or(1))
        .unwrap_or(0);
    u32::try_from(ticks & u64::from(u32::MAX))
        .unwrap_or(0)
        .cast_signed()
}

/// times(2).
pub(crate) fn times(cx: Cx<'_>, buf: UserAddr) -> Result<i32> {
    let process = cx.process();
    let times = Tms {
        utime: ticks(process.cpu_ns()),
        stime: 0,
        cutime: ticks(process.cpu_time.children().ran_ns),
        cstime: 0,
    };
    cx.copy_out_optional(buf, &times.to_bytes())?;
    // Never in the range of error numbers.
    Ok(ticks(cx.kernel.platform.monotonic_ns()) & i32::MAX)
}

/// A sleep to a deadline. Interrupted, it tells what remains; made again, it keeps the deadline.
struct Sleep {
    task: Arc<Task>,
    memory: Arc<dyn UserMemory>,
    now_ns: Box<dyn Fn() -> u64 + Send>,
    deadline_ns: u64,
    /// Null also for sleeps to a point in time, which tell no remainder.
    remain: UserAddr,
    is_relative: bool,
}

impl Attempt for Sleep {
    type Output = u32;

    fn attempt(&mut self) -> Try<u32> {
        Err(Stall::WouldBlock)
    }

    fn settle(&mut self, fault: Fault) -> Answer<u32> {
        match fault {
            Fault::TimedOut => Ok(0),
            Fault::Interrupted(_) if self.is_relative => {
                self.task.keep_deadline(self.deadline_ns);
                if !self.remain.is_null() {
                    let remain_ns = self.deadline_ns.saturating_sub((self.now_ns)());
                    let remain = Timespec64::from_nanoseconds(remain_ns);
                    self.memory.copy_out(self.remain.0, &remain.to_bytes())?;
                }
                Err(fault)
            }
            _ => Err(fault),
        }
    }
}

fn sleep(cx: Cx<'_>, deadline_ns: u64, remain: UserAddr, is_relative: bool) -> Outcome<u32> {
    let platform = Arc::clone(&cx.kernel.platform);
    let kept_ns = cx.task.take_kept_deadline().filter(|_| is_relative);
    let deadline_ns = kept_ns.unwrap_or(deadline_ns);
    let attempt = Sleep {
        task: Arc::clone(cx.task),
        memory: Arc::clone(cx.memory()),
        now_ns: Box::new(move || platform.monotonic_ns()),
        deadline_ns,
        remain,
        is_relative,
    };
    wait_on(
        cx.task,
        None,
        Some(deadline_ns),
        Restart::NoHandler,
        attempt,
    )
}

/// What a sleep waits for.
enum Until {
    /// A monotonic time.
    Moment(u64),
    /// That a process has used some nanoseconds, from now or in all.
    CpuTime(Arc<Process>, u64),
}

/// A sleep on the processor time of a process, which ends with that too.
struct CpuSleep {
    process: Arc<Process>,
    kernel: Arc<Kernel>,
    task: Arc<Task>,
    memory: Arc<dyn UserMemory>,
    deadline_ns: u64,
    /// Null also for sleeps to a point in time.
    remain: UserAddr,
    is_relative: bool,
}

impl Attempt for CpuSleep {
    type Output = u32;

    fn attempt(&mut self) -> Try<u32> {
        let is_over = self.process.cpu_ns() >= self.deadline_ns;
        if is_over || !self.kernel.is_alive(self.process.pid) {
            return Ok(0);
        }
        Err(Stall::WouldBlock)
    }

    fn settle(&mut self, fault: Fault) -> Answer<u32> {
        if matches!(fault, Fault::Interrupted(_)) && self.is_relative {
            self.task.keep_deadline(self.deadline_ns);
            if !self.remain.is_null() {
                let left_ns = self.deadline_ns.saturating_sub(self.process.cpu_ns());
                let remain = Timespec64::from_nanoseconds(left_ns);
                self.memory.copy_out(self.remain.0, &remain.to_bytes())?;
            }
        }
        Err(fault)
    }
}

fn sleep_on_cpu_time(
    cx: Cx<'_>,
    process: Arc<Process>,
    request_ns: u64,
    remain: UserAddr,
    is_relative: bool,
) -> Outcome<u32> {
    let kept_ns = cx.task.take_kept_deadline().filter(|_| is_relative);
    let deadline_ns = match kept_ns {
        Some(kept_ns) => kept_ns,
        None if is_relative => process.cpu_ns().saturating_add(request_ns),
        None => request_ns,
    };
    let queue = process.wake_at_cpu_time(deadline_ns);
    let attempt = CpuSleep {
        process,
        kernel: Arc::clone(cx.kernel),
        task: Arc::clone(cx.task),
        memory: Arc::clone(cx.memory()),
        deadline_ns,
        remain,
        is_relative,
    };
    wait_on(cx.task, Some(&queue), None, Restart::NoHandler, attempt)
}

/// nanosleep(2): the request is a `struct __kernel_timespec`.
pub(crate) fn nanosleep(cx: Cx<'_>, request: UserAddr, remain: UserAddr) -> Outcome<u32> {
    clock_nanosleep_time64(cx, CLOCK_MONOTONIC, 0, request, remain)
}

/// clock_nanosleep(2). Deviates: a set of the host's clock does not move sleeps on it.
pub(crate) fn clock_nanosleep_time64(
    cx: Cx<'_>,
    clock: i32,
    flags: u32,
    request: UserAddr,
    remain: UserAddr,
) -> Outcome<u32> {
    let is_relative = flags & TIMER_ABSTIME == 0;
    let deadline = || -> Result<Until> {
        if clock == CLOCK_THREAD_CPUTIME_ID {
            return Err(Errno::EINVAL.because("a thread cannot sleep on its own time"));
        }
        if !Clock::has_timers(clock) {
            return Err(Errno::EOPNOTSUPP.because("no sleeps on this clock"));
        }
        if matches!(clock, CLOCK_REALTIME_ALARM | CLOCK_BOOTTIME_ALARM) {
            return Err(Errno::EOPNOTSUPP.because("no hardware clock"));
        }
        let clock = Clock::new(cx, clock)?;
        let request_ns = Timespec64::from_bytes(&cx.copy_in(request)?).nanoseconds()?;
        match clock {
            Clock::Cpu(process) => return Ok(Until::CpuTime(process, request_ns)),
            Clock::Thread(_) => {
                return Err(Errno::EINVAL.because("no sleeps on the time of a thread"));
            }
            _ => {}
        }
        let span_ns = if is_relative {
            request_ns
        } else {
            request_ns.saturating_sub(clock.now_ns(cx))
        };
        Ok(Until::Moment(
            cx.kernel.platform.monotonic_ns().saturating_add(span_ns),
        ))
    };
    match deadline() {
        Ok(Until::Moment(deadline_ns)) => sleep(cx, deadline_ns, remain, is_relative),
        Ok(Until::CpuTime(process, request_ns)) => {
            sleep_on_cpu_time(cx, process, request_ns, remain, is_relative)
        }
        Err(error) => Outcome::Ready(Err(error.into())),
    }
}

/// A setting as `getitimer(2)` shows it when the timer's clock shows `now_ns`.
fn remaining(timer: IntervalTimer, now_ns: u64) -> Itimerval32 {
    // A timer that is due counts as armed until its signal is there.
    let left_ns = timer
        .expires_ns
        .map_or(0, |at_ns| at_ns.saturating_sub(now_ns).max(1000));
    Itimerval32 {
        interval: Timeval32::from_nanoseconds(timer.interval_ns),
        value: Timeval32::from_nanoseconds(left_ns),
    }
}

/// An interval timer, by number.
enum Which {
    Real,
    Cpu(CpuTimer),
}

impl Which {
    fn new(number: i32) -> Result<Self> {
        match number {
            ITIMER_REAL => Ok(Self::Real),
            ITIMER_VIRTUAL => Ok(Self::Cpu(CpuTimer::Virtual)),
            ITIMER_PROF => Ok(Self::Cpu(CpuTimer::Profile)),
            _ => Err(Errno::EINVAL.because("no such timer")),
        }
    }

    /// What its clock shows.
    fn now_ns(&self, cx: Cx<'_>) -> u64 {
        match self {
            Self::Real => cx.kernel.platform.monotonic_ns(),
            Self::Cpu(_) => cx.process().cpu_ns(),
        }
    }
}

/// getitimer(2).
pub(crate) fn getitimer(cx: Cx<'_>, which: i32, value: UserAddr) -> Result<()> {
    let which = Which::new(which)?;
    let timer = match which {
        Which::Real => *cx.process().real_timer.lock(),
        Which::Cpu(timer) => cx.process().cpu_timer(timer),
    };
    cx.copy_out(value, &remaining(timer, which.now_ns(cx)).to_bytes())
}

/// setitimer(2).
pub(crate) fn setitimer(
    cx: Cx<'_>,
    which: i32,
    value: UserAddr,
    old_value: UserAddr,
) -> Result<()> {
    let new = if value.is_null() {
        Itimerval32::default()
    } else {
        Itimerval32::from_bytes(&cx.copy_in(value)?)
    };
    let (value_ns, interval_ns) = (new.value.nanoseconds()?, new.interval.nanoseconds()?);
    let which = Which::new(which)?;
    let process = cx.process();
    let old = match which {
        Which::Real => process.set_real_timer(cx.kernel, value_ns, interval_ns),
        Which::Cpu(timer) => process.set_cpu_timer(timer, value_ns, interval_ns),
    };
    cx.copy_out_optional(old_value, &remaining(old, which.now_ns(cx)).to_bytes())
}

/// alarm(2): what was left in whole seconds, rounded, but not to 0.
pub(crate) fn alarm(cx: Cx<'_>, seconds: u32) -> Result<u32> {
    let value_ns = u64::from(seconds).saturating_mul(SECOND_NS);
    let old = cx.process().set_real_timer(cx.kernel, value_ns, 0);
    let Some(expires_ns) = old.expires_ns else {
        return Ok(0);
    };
    let left_ns = expires_ns.saturating_sub(cx.kernel.platform.monotonic_ns());
    let rounded = left_ns
        .saturating_add(SECOND_NS / 2)
        .checked_div(SECOND_NS)
        .unwrap_or(0);
    Ok(u32::try_from(rounded).unwrap_or(u32::MAX >> 1).max(1))
}
