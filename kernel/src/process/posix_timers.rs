//! `timer_create(2)`: timers of a process that send a signal with a value.
//!
//! A timer has at most one signal pending; the times that it expires until that is taken are the
//! signal's overrun. A timer on a clock of the wall has a sleeper on the executor of the process's
//! task; one on processor time is looked at where that time is ([`super::cpu_alarm`]).
//!
//! # References
//! timer_create(2), timer_getoverrun(2); Linux v6.12 kernel/time/posix-timers.c. Deviates: none.

use std::sync::Arc;

use abi::flags::SI_TIMER;
use abi::limits::SIGPENDING_MAX;
use abi::{Errno, Result};
use executor::JoinHandle;
use executor::sorted::SortedMap;
use executor::sync::Lock;

use super::{Pid, Process};
use crate::kernel::Kernel;
use crate::signal::SignalInfo;

/// A sleeper does not wake more often than this, in nanoseconds; what is missed is counted.
const MIN_PERIOD_NS: u64 = 100_000;
/// `DELAYTIMER_MAX`.
const MAX_OVERRUN: u32 = i32::MAX.unsigned_abs();

/// What a timer counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// A clock that always runs, by its number. The monotonic one keeps the time for all of them.
    Wall(i32),
    /// The processor time of its process.
    Cpu,
}

/// What a timer does when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Nothing (`SIGEV_NONE`).
    Nothing,
    /// Sends a signal.
    Signal {
        /// Its number.
        number: u8,
        /// Its value; `None`: the timer's id, as without a `struct sigevent`.
        value: Option<i32>,
        /// The thread that it is for (`SIGEV_THREAD_ID`); `None`: the process.
        thread: Option<Pid>,
    },
}

/// How a timer is set; times are of its clock, and may lie before the clock's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerSetting {
    /// When it expires next; `None`: not at all.
    pub expires_ns: Option<i64>,
    /// Nanoseconds from then to the next time; 0: once.
    pub interval_ns: u64,
}

#[derive(Debug)]
struct Timer {
    clock: TimerClock,
    notify: Notify,
    setting: TimerSetting,
    /// Overrun of the signal that was sent last, and of the one before.
    overrun: u32,
    overrun_before: u32,
    /// Counts settings, so that a sleeper of an old one does nothing.
    generation: u64,
    sleeper: Option<JoinHandle<()>>,
}

/// The timers of a process.
#[derive(Debug, Default)]
pub struct PosixTimers {
    table: Lock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    timers: SortedMap<i32, Timer>,
    next_id: i32,
}

impl TimerSetting {
    /// Moves on to the first expiration after `now_ns`; how many there were.
    fn advance(&mut self, now_ns: i64) -> u64 {
        let Some(expires_ns) = self.expires_ns.filter(|&at_ns| at_ns <= now_ns) else {
            return 0;
        };
        let late_ns = now_ns.saturating_sub(expires_ns).cast_unsigned();
        let Some(missed) = late_ns.checked_div(self.interval_ns) else {
            self.expires_ns = None;
            return 1;
        };
        let count = missed.saturating_add(1);
        let span_ns = count.saturating_mul(self.interval_ns);
        self.expires_ns = Some(expires_ns.saturating_add_unsigned(span_ns));
        count
    }

    /// The same setting with nanoseconds from `now_ns` instead of a moment; 0: not armed.
    fn left_ns(&self, now_ns: i64) -> u64 {
        self.expires_ns.map_or(0, |at_ns| {
            u64::try_from(at_ns.saturating_sub(now_ns))
                .unwrap_or(0)
                .max(1)
        })
    }
}

impl Timer {
    /// What `timer_gettime` tells at `now_ns`: nanoseconds left, and the interval.
    fn shown(&self, now_ns: i64) -> (u64, u64) {
        let mut setting = self.setting;
        // Nobody advances a timer that does nothing.
        if self.notify == Notify::Nothing {
            setting.advance(now_ns);
        }
        (setting.left_ns(now_ns), setting.interval_ns)
    }
}

impl Process {
    /// `timer_create(2)`: a timer that is not armed; its id.
    ///
    /// # Errors
    /// `EAGAIN` when it has as many as it may have signals pending.
    pub fn create_timer(&self, clock: TimerClock, notify: Notify) -> Result<i32> {
        let mut table = self.posix_timers.table.lock();
        if table.timers.len() >= SIGPENDING_MAX {
            return Err(Errno::EAGAIN.because("as many timers as signals may be pending"));
        }
        let mut id = table.next_id;
        while table.timers.contains_key(&id) {
            id = id.wrapping_add(1) & i32::MAX;
        }
        table.next_id = id.wrapping_add(1) & i32::MAX;
        let timer = Timer {
            clock,
            notify,
            setting: TimerSetting::default(),
            overrun: 0,
            overrun_before: 0,
            generation: 0,
            sleeper: None,
        };
        table.timers.insert(id, timer);
        Ok(id)
    }

    /// The clock of a timer.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub fn timer_clock(&self, id: i32) -> Result<TimerClock> {
        let table = self.posix_timers.table.lock();
        Ok(table.timers.get(&id).ok_or(Errno::EINVAL)?.clock)
    }

    fn clock_ns(&self, kernel: &Kernel, clock: TimerClock) -> i64 {
        let now_ns = match clock {
            TimerClock::Wall(_) => kernel.platform.monotonic_ns(),
            TimerClock::Cpu => self.cpu_ns(),
        };
        i64::try_from(now_ns).unwrap_or(i64::MAX)
    }

    /// `timer_settime(2)`: returns nanoseconds left and interval of the old setting.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub fn set_timer(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        id: i32,
        setting: TimerSetting,
    ) -> Result<(u64, u64)> {
        let clock = self.timer_clock(id)?;
        let now_ns = self.clock_ns(kernel, clock);
        let (old, sleeper) = {
            let mut table = self.posix_timers.table.lock();
            let timer = table.timers.get_mut(&id).ok_or(Errno::EINVAL)?;
            let old = timer.shown(now_ns);
            timer.setting = setting;
            timer.generation = timer.generation.wrapping_add(1);
            timer.overrun = 0;
            timer.overrun_before = 0;
            let sleeper = match (clock, timer.notify) {
                (TimerClock::Wall(_), Notify::Signal { .. }) => {
                    self.timer_sleeper(kernel, id, timer.generation, setting)
                }
                _ => None,
            };
            (old, std::mem::replace(&mut timer.sleeper, sleeper))
        };
        if let Some(sleeper) = sleeper {
            sleeper.cancel();
        }
        self.signals.lock().drop_timer_signal(id);
        if clock == TimerClock::Cpu {
            self.note_cpu_limits();
        }
        Ok(old)
    }

    /// What sends the signals of a timer of the wall.
    fn timer_sleeper(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        id: i32,
        generation: u64,
        setting: TimerSetting,
    ) -> Option<JoinHandle<()>> {
        let executor = Arc::clone(self.task()?.executor());
        let mut next_ns = u64::try_from(setting.expires_ns?).unwrap_or(0);
        let sleeping = Arc::clone(&executor);
        let process = Arc::downgrade(self);
        let kernel = Arc::clone(kernel);
        Some(executor.spawn_boxed(Box::pin(async move {
            loop {
                sleeping.sleep_until(next_ns).await;
                let Some(process) = process.upgrade() else {
                    return;
                };
                let Some(after_ns) = process.timer_expired(&kernel, id, generation) else {
                    return;
                };
                let earliest_ns = kernel.platform.monotonic_ns().saturating_add(MIN_PERIOD_NS);
                next_ns = after_ns.max(earliest_ns);
            }
        })))
    }

    /// Sends what is due; when the timer expires next, if it does.
    fn timer_expired(self: &Arc<Self>, kernel: &Kernel, id: i32, generation: u64) -> Option<u64> {
        let now_ns = i64::try_from(kernel.platform.monotonic_ns()).unwrap_or(i64::MAX);
        let (count, after_ns) = {
            let mut table = self.posix_timers.table.lock();
            let timer = table.timers.get_mut(&id)?;
            if timer.generation != generation {
                return None;
            }
            (timer.setting.advance(now_ns), timer.setting.expires_ns)
        };
        if count > 0 {
            self.send_timer_signal(kernel, id, count);
        }
        u64::try_from(after_ns?).ok()
    }

    /// Makes the signal of a timer pending that has expired `count` times, or counts them on the one
    /// that is pending.
    fn send_timer_signal(self: &Arc<Self>, kernel: &Kernel, id: i32, count: u64) {
        let all = u32::try_from(count).unwrap_or(MAX_OVERRUN).min(MAX_OVERRUN);
        let is_pending = self.signals.lock().add_overrun(id, all);
        let (info, to) = {
            let mut table = self.posix_timers.table.lock();
            let Some(timer) = table.timers.get_mut(&id) else {
                return;
            };
            let Notify::Signal {
                number,
                value,
                thread,
            } = timer.notify
            else {
                return;
            };
            if is_pending {
                timer.overrun = timer.overrun.saturating_add(all);
                return;
            }
            timer.overrun_before = timer.overrun;
            timer.overrun = all.saturating_sub(1);
            let info = SignalInfo {
                number,
                code: SI_TIMER,
                pid: id,
                uid: timer.overrun,
                value: value.unwrap_or(id),
                ..SignalInfo::default()
            };
            (info, thread)
        };
        self.post_to(kernel, info, to);
    }

    /// `timer_gettime(2)`: nanoseconds left (0: not armed) and interval.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub fn timer_setting(&self, kernel: &Kernel, id: i32) -> Result<(u64, u64)> {
        let now_ns = self.clock_ns(kernel, self.timer_clock(id)?);
        let table = self.posix_timers.table.lock();
        let timer = table.timers.get(&id).ok_or(Errno::EINVAL)?;
        Ok(timer.shown(now_ns))
    }

    /// `timer_getoverrun(2)`: of the signal that was taken last.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub fn timer_overrun(&self, id: i32) -> Result<u32> {
        let is_pending = self.signals.lock().add_overrun(id, 0);
        let table = self.posix_timers.table.lock();
        let timer = table.timers.get(&id).ok_or(Errno::EINVAL)?;
        let overrun = if is_pending {
            timer.overrun_before
        } else {
            timer.overrun
        };
        Ok(overrun.min(MAX_OVERRUN))
    }

    /// `timer_delete(2)`.
    ///
    /// # Errors
    /// `EINVAL` when there is no such timer.
    pub fn delete_timer(&self, id: i32) -> Result<()> {
        let timer = self.posix_timers.table.lock().timers.remove(&id);
        let timer = timer.ok_or(Errno::EINVAL)?;
        self.signals.lock().drop_timer_signal(id);
        if let Some(sleeper) = timer.sleeper {
            sleeper.cancel();
        }
        Ok(())
    }

    /// The program is over (exit, exec): its timers with it.
    pub(super) fn delete_timers(&self) {
        let timers = std::mem::take(&mut self.posix_timers.table.lock().timers);
        for (id, timer) in timers {
            self.signals.lock().drop_timer_signal(id);
            if let Some(sleeper) = timer.sleeper {
                sleeper.cancel();
            }
        }
    }

    /// When the first timer on processor time is due, in nanoseconds of that.
    pub(super) fn next_cpu_timer_ns(&self) -> Option<u64> {
        let table = self.posix_timers.table.lock();
        let timers = table.timers.values();
        let due = timers
            .filter(|timer| timer.clock == TimerClock::Cpu && timer.notify != Notify::Nothing)
            .filter_map(|timer| timer.setting.expires_ns);
        due.min().map(|at_ns| u64::try_from(at_ns).unwrap_or(0))
    }

    /// Sends what is due now that the process has used `own_ns` nanoseconds.
    pub(super) fn check_cpu_timers(self: &Arc<Self>, kernel: &Kernel, own_ns: u64) {
        let now_ns = i64::try_from(own_ns).unwrap_or(i64::MAX);
        let due: Vec<_> = {
            let mut table = self.posix_timers.table.lock();
            let timers = table.timers.iter_mut();
            timers
                .filter(|(_, timer)| timer.clock == TimerClock::Cpu)
                .map(|(&id, timer)| (id, timer.setting.advance(now_ns)))
                .filter(|&(_, count)| count > 0)
                .collect()
        };
        for (id, count) in due {
            self.send_timer_signal(kernel, id, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(expires_ns: i64, interval_ns: u64) -> TimerSetting {
        TimerSetting {
            expires_ns: Some(expires_ns),
            interval_ns,
        }
    }

    #[test]
    fn expirations_are_counted_and_the_pace_is_kept() {
        let mut timer = setting(100, 30);
        assert_eq!((timer.advance(99), timer.expires_ns), (0, Some(100)));
        assert_eq!((timer.advance(100), timer.expires_ns), (1, Some(130)));
        assert_eq!((timer.advance(200), timer.expires_ns), (3, Some(220)));
        let mut once = setting(100, 0);
        assert_eq!((once.advance(500), once.expires_ns), (1, None));
        assert_eq!(once.advance(600), 0);
    }

    #[test]
    fn what_is_due_is_shown_as_armed() {
        assert_eq!(setting(100, 0).left_ns(40), 60);
        assert_eq!(setting(100, 0).left_ns(100), 1);
        assert_eq!(TimerSetting::default().left_ns(5), 0);
    }
}
