//! Signals by the processor time that a process has used: `ITIMER_VIRTUAL`, `ITIMER_PROF`
//! (setitimer(2)) and `RLIMIT_CPU` (setrlimit(2)).
//!
//! Looked at where that time is looked at: at safepoints, and whenever a guest waits. As all of a
//! guest's time is user time, the two timers count the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use abi::flags::SI_KERNEL;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;

use super::timers::next_after;
use super::{INFINITY, IntervalTimer, Limit, Process, Resource};
use crate::kernel::Kernel;
use crate::signal::{self, SignalInfo};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The timers that count processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuTimer {
    /// `ITIMER_VIRTUAL`: `SIGVTALRM`.
    Virtual,
    /// `ITIMER_PROF`: `SIGPROF`.
    Profile,
}

/// What a process has set; times are of its own processor time.
#[derive(Debug)]
pub struct CpuAlarms {
    /// When there is something to do next, in nanoseconds; `u64::MAX`: never.
    next_ns: AtomicU64,
    timers: Lock<[IntervalTimer; 2]>,
    /// When `clock_nanosleep(2)` on this process's time ends, for each that sleeps.
    sleeps: Lock<Vec<u64>>,
    /// Woken when one of them does.
    slept: WaitQueue,
}

impl Default for CpuAlarms {
    fn default() -> Self {
        Self {
            next_ns: AtomicU64::new(u64::MAX),
            timers: Lock::default(),
            sleeps: Lock::default(),
            slept: WaitQueue::new(),
        }
    }
}

impl CpuTimer {
    const ALL: [Self; 2] = [Self::Virtual, Self::Profile];

    const fn index(self) -> usize {
        match self {
            Self::Virtual => 0,
            Self::Profile => 1,
        }
    }

    const fn signal(self) -> u8 {
        match self {
            Self::Virtual => signal::VTALRM,
            Self::Profile => signal::PROF,
        }
    }
}

/// `RLIMIT_CPU` in nanoseconds.
const fn limit_ns(seconds: u64) -> u64 {
    if seconds == INFINITY {
        u64::MAX
    } else {
        seconds.saturating_mul(SECOND_NS)
    }
}

impl Process {
    /// The setting of a timer: its next time is one of [`Process::cpu_ns`].
    pub fn cpu_timer(&self, which: CpuTimer) -> IntervalTimer {
        let timers = self.cpu_alarms.timers.lock();
        timers.get(which.index()).copied().unwrap_or_default()
    }

    /// Sets a timer to fire after `value_ns` (0: not at all) of processor time and then every
    /// `interval_ns`; returns the old setting.
    pub fn set_cpu_timer(&self, which: CpuTimer, value_ns: u64, interval_ns: u64) -> IntervalTimer {
        let expires_ns = (value_ns != 0).then(|| self.cpu_ns().saturating_add(value_ns));
        let old = {
            let mut timers = self.cpu_alarms.timers.lock();
            let new = IntervalTimer::new(expires_ns, interval_ns);
            match timers.get_mut(which.index()) {
                Some(timer) => std::mem::replace(timer, new),
                None => IntervalTimer::default(),
            }
        };
        self.note_cpu_limits();
        old
    }

    /// Has the returned queue woken when the process has used `deadline_ns` nanoseconds, or ends.
    pub fn wake_at_cpu_time(&self, deadline_ns: u64) -> WaitQueue {
        self.cpu_alarms.sleeps.lock().push(deadline_ns);
        self.note_cpu_limits();
        self.cpu_alarms.slept.clone()
    }

    /// Wakes those that slept until the process has used `own_ns` nanoseconds.
    pub(super) fn end_cpu_sleeps(&self, own_ns: u64) {
        let is_due = {
            let mut sleeps = self.cpu_alarms.sleeps.lock();
            let nr_before = sleeps.len();
            sleeps.retain(|&deadline_ns| deadline_ns > own_ns);
            sleeps.len() < nr_before
        };
        if is_due {
            self.cpu_alarms.slept.wake_all();
        }
    }

    /// To be called when a limit or a timer was set: finds out when to look next.
    pub fn note_cpu_limits(&self) {
        let Limit { soft, hard } = self.limits.lock().of(Resource::Cpu);
        let timers = self.cpu_alarms.timers.lock();
        let expiries = timers.iter().filter_map(|timer| timer.expires_ns);
        let next_ns = expiries
            .chain([limit_ns(soft), limit_ns(hard)])
            .chain(self.next_cpu_timer_ns())
            .chain(self.cpu_alarms.sleeps.lock().iter().copied())
            .min()
            .unwrap_or(u64::MAX);
        self.cpu_alarms.next_ns.store(next_ns, Ordering::Relaxed);
    }

    /// Sends the signals that are due now that the process has used `own_ns` nanoseconds.
    pub(super) fn check_cpu_time(self: &Arc<Self>, kernel: &Kernel, own_ns: u64) {
        if own_ns < self.cpu_alarms.next_ns.load(Ordering::Relaxed) {
            return;
        }
        self.check_cpu_timers(kernel, own_ns);
        self.end_cpu_sleeps(own_ns);
        for which in CpuTimer::ALL {
            if self.has_fired(which, own_ns) {
                self.post_from_kernel(kernel, which.signal());
            }
        }
        let Limit { soft, hard } = self.limits.lock().of(Resource::Cpu);
        if own_ns >= limit_ns(hard) {
            self.post_from_kernel(kernel, signal::KILL);
            // Once is enough: the process ends.
            self.cpu_alarms.next_ns.store(u64::MAX, Ordering::Relaxed);
            return;
        }
        if own_ns >= limit_ns(soft) {
            self.post_from_kernel(kernel, signal::XCPU);
            // Again each second (Linux v6.12 kernel/time/posix-cpu-timers.c, check_process_timers).
            self.limits.lock().raise_soft(Resource::Cpu);
        }
        self.note_cpu_limits();
    }

    /// Whether a timer is due, which then starts again if it has an interval.
    fn has_fired(&self, which: CpuTimer, own_ns: u64) -> bool {
        let mut timers = self.cpu_alarms.timers.lock();
        let Some(timer) = timers.get_mut(which.index()) else {
            return false;
        };
        let Some(expires_ns) = timer.expires_ns.filter(|&at_ns| at_ns <= own_ns) else {
            return false;
        };
        timer.expires_ns = next_after(expires_ns, timer.interval_ns, own_ns);
        true
    }

    fn post_from_kernel(self: &Arc<Self>, kernel: &Kernel, number: u8) {
        let info = SignalInfo {
            number,
            code: SI_KERNEL,
            ..SignalInfo::default()
        };
        self.post_signal(kernel, info);
    }
}
