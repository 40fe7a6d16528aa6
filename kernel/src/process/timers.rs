//! `ITIMER_REAL`: setitimer(2), alarm(2).

use std::sync::Arc;

use abi::flags::SI_KERNEL;
use executor::JoinHandle;

use super::Process;
use crate::kernel::Kernel;
use crate::signal::{self, SignalInfo};

/// Signals of one timer do not come closer than this, in nanoseconds: whatever fires before the
/// program gets to see the last one is one with it anyway.
const MIN_PERIOD_NS: u64 = 100_000;

/// An interval timer of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    /// When its clock shows this number of nanoseconds, it fires; `None`: not armed. The clock of
    /// `ITIMER_REAL` is the monotonic one.
    pub expires_ns: Option<u64>,
    /// Nanoseconds from then to the next time; 0: once.
    pub interval_ns: u64,
    /// Counts changes, so that a sleeper of an old setting does nothing.
    generation: u64,
}

impl IntervalTimer {
    /// A timer without sleepers.
    pub(super) const fn new(expires_ns: Option<u64>, interval_ns: u64) -> Self {
        Self {
            expires_ns,
            interval_ns,
            generation: 0,
        }
    }
}

impl Process {
    /// Sets the timer to fire in `value_ns` (0: not at all) and then every `interval_ns`;
    /// returns the old setting.
    pub fn set_real_timer(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        value_ns: u64,
        interval_ns: u64,
    ) -> IntervalTimer {
        let now = kernel.platform.monotonic_ns();
        let expires_ns = (value_ns != 0).then(|| now.saturating_add(value_ns));
        let (old, generation) = {
            let mut timer = self.real_timer.lock();
            let old = *timer;
            let generation = old.generation.wrapping_add(1);
            *timer = IntervalTimer {
                expires_ns,
                interval_ns,
                generation,
            };
            (old, generation)
        };
        let sleeper = expires_ns.zip(self.task()).map(|(expires_ns, task)| {
            let executor = Arc::clone(task.executor());
            let sleeping = Arc::clone(&executor);
            let process = Arc::downgrade(self);
            let kernel = Arc::clone(kernel);
            executor.spawn_boxed(Box::pin(async move {
                let mut next = expires_ns;
                loop {
                    sleeping.sleep_until(next).await;
                    let Some(process) = process.upgrade() else {
                        return;
                    };
                    let now_ns = kernel.platform.monotonic_ns();
                    let Some(after) = process.timer_fired(generation, next, now_ns) else {
                        return;
                    };
                    let info = SignalInfo {
                        number: signal::ALRM,
                        code: SI_KERNEL,
                        ..SignalInfo::default()
                    };
                    process.post_signal(&kernel, info);
                    let Some(after) = after else { return };
                    next = after;
                }
            }))
        });
        self.replace_sleeper(sleeper);
        old
    }

    /// Ends the sleeper of the timer, and keeps another: a program may set its timer before every
    /// call, to some time that never comes.
    fn replace_sleeper(&self, new: Option<JoinHandle<()>>) {
        let old = std::mem::replace(&mut *self.timer_sleeper.lock(), new);
        if let Some(old) = old {
            old.cancel();
        }
    }

    /// Nobody will want its signals any more.
    pub(super) fn stop_real_timer(&self) {
        self.replace_sleeper(None);
    }

    /// `None`: the setting has changed. `Some(next)`: fire, and again at `next` if there is one.
    fn timer_fired(&self, generation: u64, fired_ns: u64, now_ns: u64) -> Option<Option<u64>> {
        let mut timer = self.real_timer.lock();
        if timer.generation != generation {
            return None;
        }
        timer.expires_ns = next_after(fired_ns, timer.interval_ns, now_ns);
        Some(timer.expires_ns)
    }
}

/// When a timer that was due at `fired_ns` is due again; the times that it missed are left out.
pub(super) fn next_after(fired_ns: u64, interval_ns: u64, now_ns: u64) -> Option<u64> {
    let late_ns = now_ns
        .saturating_add(MIN_PERIOD_NS)
        .saturating_sub(fired_ns);
    let periods = match late_ns.checked_div(interval_ns)? {
        whole if whole.saturating_mul(interval_ns) == late_ns => whole,
        whole => whole.saturating_add(1),
    };
    Some(fired_ns.saturating_add(periods.max(1).saturating_mul(interval_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_keep_their_pace_and_missed_ones_are_left_out() {
        const MS: u64 = 1_000_000;
        assert_eq!(next_after(50 * MS, 0, 50 * MS), None);
        assert_eq!(next_after(50 * MS, 10 * MS, 50 * MS), Some(60 * MS));
        assert_eq!(next_after(50 * MS, 10 * MS, 54 * MS), Some(60 * MS));
        assert_eq!(next_after(50 * MS, 10 * MS, 95 * MS), Some(100 * MS));
        assert_eq!(
            next_after(50 * MS, 1000, 50 * MS),
            Some(50 * MS + MIN_PERIOD_NS)
        );
        assert_eq!(next_after(u64::MAX, 10, u64::MAX), Some(u64::MAX));
    }
}
