//! `ITIMER_REAL`: setitimer(2), alarm(2).

use std::sync::Arc;

use abi::flags::SI_KERNEL;

use super::Process;
use crate::kernel::Kernel;
use crate::signal::{self, SignalInfo};

/// The real-time interval timer of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    /// Monotonic time of the next `SIGALRM` in nanoseconds; `None`: not armed.
    pub expires_ns: Option<u64>,
    /// Nanoseconds between the ones after it; 0: once.
    pub interval_ns: u64,
    /// Counts changes, so that a sleeper of an old setting does nothing.
    generation: u64,
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
        if let (Some(expires_ns), Some(task)) = (expires_ns, self.task()) {
            let executor = Arc::clone(task.executor());
            let sleeping = Arc::clone(&executor);
            let process = Arc::downgrade(self);
            let kernel = Arc::clone(kernel);
            executor
                .spawn(async move {
                    let mut next = expires_ns;
                    loop {
                        sleeping.sleep_until(next).await;
                        let Some(process) = process.upgrade() else {
                            return;
                        };
                        let Some(after) = process.timer_fired(generation, next) else {
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
                })
                .detach();
        }
        old
    }

    /// `None`: the setting has changed. `Some(next)`: fire, and again at `next` if there is one.
    fn timer_fired(&self, generation: u64, fired_ns: u64) -> Option<Option<u64>> {
        let mut timer = self.real_timer.lock();
        if timer.generation != generation {
            return None;
        }
        timer.expires_ns =
            (timer.interval_ns != 0).then(|| fired_ns.saturating_add(timer.interval_ns));
        Some(timer.expires_ns)
    }
}
