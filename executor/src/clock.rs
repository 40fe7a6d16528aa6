//! [`Clock`]: where time comes from, and [`FakeClock`], the one that tests turn by hand.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A monotonic clock, shared by all executors of a kernel.
pub trait Clock: Send + Sync {
    /// Nanoseconds since a fixed but arbitrary moment (`CLOCK_MONOTONIC`); never goes back.
    fn now_ns(&self) -> u64;

    /// The same, late by a few milliseconds at most, where that is cheaper; on one thread never
    /// before what [`Clock::now_ns`] gave.
    fn coarse_ns(&self) -> u64 {
        self.now_ns()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now_ns(&self) -> u64 {
        (**self).now_ns()
    }

    fn coarse_ns(&self) -> u64 {
        (**self).coarse_ns()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct FakeClock {
    now_ns: AtomicU64,
}

impl FakeClock {
    /// A clock that shows `now_ns`, ready to share.
    pub fn new(now_ns: u64) -> Arc<Self> {
        Arc::new(Self {
            now_ns: AtomicU64::new(now_ns),
        })
    }

    /// Moves the clock forward by `ns` nanoseconds; stops at the end of time.
    pub fn advance(&self, ns: u64) {
        let _ = self
            .now_ns
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(now.saturating_add(ns))
            });
    }

    /// Moves the clock forward to `now_ns`; does nothing when that is past.
    pub fn advance_to(&self, now_ns: u64) {
        self.now_ns.fetch_max(now_ns, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        self.now_ns.load(Ordering::SeqCst)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn fake_clock_never_goes_back() {
        let clock = FakeClock::new(10);
        clock.advance(5);
        clock.advance_to(7);
        assert_eq!(clock.now_ns(), 15);
        clock.advance(u64::MAX);
        assert_eq!(clock.now_ns(), u64::MAX);
    }
}
