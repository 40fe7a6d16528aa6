//! `timerfd_create(2)`: a timer whose expirations are read.
//!
//! As in Linux it wakes its queue once; then it counts by the clock, and wakes again only after
//! somebody has looked at the count. A timer of a microsecond that nobody reads costs nothing.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};

use abi::Errno;
use abi::layout::{Itimerspec64, Timespec64};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use executor::{Executor, JoinHandle};
use fs::io::{Sink, Stall, Try};
use fs::vfs::file::{Events, FileOps};

use crate::open_file::OpenFile;
use crate::platform::Platform;

/// What `/proc/PID/fd` shows.
pub const NAME: &str = "anon_inode:[timerfd]";

/// Bytes that a read gives.
const LEN: usize = 8;

/// How a timer is set. Times are nanoseconds of the monotonic clock, and may lie before its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// When it expires next; `None`: not at all.
    pub expires_ns: Option<i64>,
    /// From then to the next time; 0: once.
    pub interval_ns: u64,
    /// `TFD_TIMER_*` as they were given, for `/proc/PID/fdinfo`.
    pub flags: u32,
}

#[derive(Debug, Default)]
struct State {
    setting: Setting,
    /// Expirations that nobody has read.
    ticks: u64,
    /// Wakes the queue at the next expiration.
    sleeper: Option<JoinHandle<()>>,
}

impl State {
    /// Counts the expirations up to `now_ns`.
    fn advance(&mut self, now_ns: i64) {
        let Some(expires_ns) = self.setting.expires_ns.filter(|&at_ns| at_ns <= now_ns) else {
            return;
        };
        let late_ns = now_ns.saturating_sub(expires_ns).cast_unsigned();
        let missed = late_ns.checked_div(self.setting.interval_ns);
        self.ticks = self
            .ticks
            .saturating_add(missed.unwrap_or(0).saturating_add(1));
        self.setting.expires_ns = missed.map(|missed| {
            let periods = missed.saturating_add(1);
            let span_ns = periods.saturating_mul(self.setting.interval_ns);
            expires_ns.saturating_add_unsigned(span_ns)
        });
    }
}

/// The object.
pub struct TimerFd {
    platform: Arc<dyn Platform>,
    executor: Arc<Executor>,
    clock: i32,
    state: Lock<State>,
    queue: WaitQueue,
    /// Itself, for its sleeper.
    own: Weak<Self>,
}

impl fmt::Debug for TimerFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimerFd({:?})", self.state)
    }
}

impl TimerFd {
    /// A timer that is not armed.
    ///
    /// - `executor`: on which it sleeps
    /// - `clock`: the number of its clock, for `timerfd_settime` and `/proc/PID/fdinfo`
    pub fn new(platform: &Arc<dyn Platform>, executor: &Arc<Executor>, clock: i32) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            platform: Arc::clone(platform),
            executor: Arc::clone(executor),
            clock,
            state: Lock::default(),
            queue: WaitQueue::new(),
            own: Weak::clone(own),
        })
    }

    /// The one behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&Self> {
        file.ops()?.as_any()?.downcast_ref()
    }

    /// The number of its clock.
    pub const fn clock(&self) -> i32 {
        self.clock
    }

    fn now_ns(&self) -> i64 {
        i64::try_from(self.platform.monotonic_ns()).unwrap_or(i64::MAX)
    }

    /// `timerfd_settime(2)`: what was counted is forgotten; returns what `timerfd_gettime` would
    /// have said.
    pub fn set(&self, setting: Setting) -> Itimerspec64 {
        let now_ns = self.now_ns();
        let mut state = self.state.lock();
        state.advance(now_ns);
        let old = remaining(&state.setting, now_ns);
        state.setting = setting;
        state.ticks = 0;
        let sleeper = self.arm(&mut state);
        drop(state);
        stop(sleeper);
        // Who polls it looks again: it may have been ready, or be so by now.
        self.queue.wake_for(Events::IN.wakes());
        old
    }

    /// `timerfd_gettime(2)`.
    pub fn setting(&self) -> Itimerspec64 {
        let now_ns = self.now_ns();
        let mut state = self.state.lock();
        state.advance(now_ns);
        let sleeper = self.arm(&mut state);
        let setting = remaining(&state.setting, now_ns);
        drop(state);
        stop(sleeper);
        setting
    }

    /// Has the queue woken at the next expiration; returns the sleeper of before.
    fn arm(&self, state: &mut State) -> Option<JoinHandle<()>> {
        let sleeper = state.setting.expires_ns.map(|expires_ns| {
            let deadline_ns = u64::try_from(expires_ns).unwrap_or(0);
            let own = Weak::clone(&self.own);
            let executor = Arc::clone(&self.executor);
            self.executor.spawn_boxed(Box::pin(async move {
                executor.sleep_until(deadline_ns).await;
                if let Some(timer) = own.upgrade() {
                    timer.queue.wake_for(Events::IN.wakes());
                }
            }))
        });
        std::mem::replace(&mut state.sleeper, sleeper)
    }
}

fn stop(sleeper: Option<JoinHandle<()>>) {
    if let Some(sleeper) = sleeper {
        sleeper.cancel();
    }
}

/// A setting as `timerfd_gettime(2)` tells it.
fn remaining(setting: &Setting, now_ns: i64) -> Itimerspec64 {
    // A timer that is due counts as armed until its expiration is counted.
    let left_ns = setting.expires_ns.map_or(0, |at_ns| {
        u64::try_from(at_ns.saturating_sub(now_ns))
            .unwrap_or(0)
            .max(1)
    });
    Itimerspec64 {
        interval: Timespec64::from_nanoseconds(setting.interval_ns),
        value: Timespec64::from_nanoseconds(left_ns),
    }
}

impl FileOps for TimerFd {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() < LEN {
            return Err(Errno::EINVAL.into());
        }
        let (ticks, sleeper) = {
            let mut state = self.state.lock();
            state.advance(self.now_ns());
            if state.ticks == 0 {
                return Err(Stall::WouldBlock);
            }
            let ticks = std::mem::take(&mut state.ticks);
            (ticks, self.arm(&mut state))
        };
        stop(sleeper);
        sink.put(&ticks.to_le_bytes())?;
        Ok(LEN)
    }

    fn events(&self) -> Events {
        let mut state = self.state.lock();
        state.advance(self.now_ns());
        if state.ticks > 0 {
            Events::IN
        } else {
            Events::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn details(&self) -> String {
        let now_ns = self.now_ns();
        let (ticks, setting) = {
            let mut state = self.state.lock();
            state.advance(now_ns);
            (state.ticks, state.setting)
        };
        let Itimerspec64 { interval, value } = remaining(&setting, now_ns);
        format!(
            "clockid: {}\nticks: {ticks}\nsettime flags: 0{:o}\nit_value: ({}, {})\n\
             it_interval: ({}, {})\n",
            self.clock, setting.flags, value.sec, value.nsec, interval.sec, interval.nsec
        )
    }
}

impl Drop for TimerFd {
    fn drop(&mut self) {
        stop(self.state.get_mut().sleeper.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(expires_ns: i64, interval_ns: u64) -> State {
        State {
            setting: Setting {
                expires_ns: Some(expires_ns),
                interval_ns,
                flags: 0,
            },
            ..State::default()
        }
    }

    #[test]
    fn missed_periods_count_and_the_pace_is_kept() {
        let mut timer = state(100, 10);
        timer.advance(99);
        assert_eq!((timer.ticks, timer.setting.expires_ns), (0, Some(100)));
        timer.advance(100);
        assert_eq!((timer.ticks, timer.setting.expires_ns), (1, Some(110)));
        timer.advance(145);
        assert_eq!((timer.ticks, timer.setting.expires_ns), (5, Some(150)));
    }

    #[test]
    fn timer_without_an_interval_expires_once() {
        let mut timer = state(-5, 0);
        timer.advance(10);
        timer.advance(20);
        assert_eq!((timer.ticks, timer.setting.expires_ns), (1, None));
        assert_eq!(remaining(&timer.setting, 20), Itimerspec64::default());
    }

    #[test]
    fn moment_long_ago_counts_all_periods_since() {
        let mut timer = state(i64::MIN, 1);
        timer.advance(i64::MAX);
        assert!(timer.ticks > 1 << 60);
    }

    #[test]
    fn what_is_due_is_armed_until_it_is_counted() {
        let left = remaining(&state(100, 7).setting, 100);
        assert_eq!((left.value.nsec, left.interval.nsec), (1, 7));
    }
}
