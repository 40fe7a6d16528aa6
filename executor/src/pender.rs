//! [`Pender`]: how an executor asks the host to run a Worker again.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The number of a Worker in its pool, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// The host's bell: in a browser `Atomics.notify` or `postMessage`, natively `Thread::unpark`.
pub trait Pender: Send + Sync {
    /// Asks the host of `worker` to call [`Executor::run`](crate::Executor::run) soon.
    ///
    /// Called on any thread, at most once per [`Executor::begin_idle`](crate::Executor::begin_idle)
    /// that returned true (and perhaps once for one that returned false: the host takes it as a
    /// spurious wake-up). It comes after the task was queued, so a host that runs sees the task. No
    /// lock of this crate is held.
    fn notify(&self, worker: WorkerId);
}

impl<P: Pender + ?Sized> Pender for Arc<P> {
    fn notify(&self, worker: WorkerId) {
        (**self).notify(worker);
    }
}

/// A bell that only counts, for tests and for hosts that poll.
#[derive(Debug, Default)]
pub struct CountingPender {
    nr_notified: AtomicUsize,
}

impl CountingPender {
    /// A bell that nobody rang, ready to share.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Returns how often it rang since the last call, and starts again from 0.
    pub fn take(&self) -> usize {
        self.nr_notified.swap(0, Ordering::SeqCst)
    }
}

impl Pender for CountingPender {
    fn notify(&self, _worker: WorkerId) {
        self.nr_notified.fetch_add(1, Ordering::SeqCst);
    }
}
