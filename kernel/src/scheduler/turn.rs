//! [`Turn`]: what the scheduler keeps for a task.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::virtual_ns;

/// Why a guest runs no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// It waits, or has ended.
    Waits,
    /// It could go on.
    Preempted,
}

/// A task's side of the scheduler. Changed on the task's own Worker, and before it has started.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// How long it has run, in virtual nanoseconds.
    virtual_ns: AtomicU64,
    /// It is in the queue of its Worker.
    is_queued: AtomicBool,
    /// Its last turn was a whole slice.
    is_bound: AtomicBool,
    /// It has made sched_yield(2), and parks.
    yields: AtomicBool,
    /// Its program may start.
    is_granted: AtomicBool,
}

impl Turn {
    /// Raises the virtual time to `lowest_ns` at least; returns it.
    pub(super) fn raise(&self, lowest_ns: u64) -> u64 {
        // Mostly it is high enough: a load is cheap, a change in WebAssembly a barrier.
        let virtual_ns = self.virtual_ns.load(Ordering::Relaxed);
        if virtual_ns >= lowest_ns {
            return virtual_ns;
        }
        self.virtual_ns
            .fetch_max(lowest_ns, Ordering::Relaxed)
            .max(lowest_ns)
    }

    /// The guest of a process with `weight` has run for `ran_ns`.
    pub(crate) fn charge(&self, ran_ns: u64, weight: u32) {
        self.virtual_ns
            .store(self.virtual_ns_after(ran_ns, weight), Ordering::Relaxed);
    }

    /// The virtual time once the guest has run for `ran_ns` more.
    pub(super) fn virtual_ns_after(&self, ran_ns: u64, weight: u32) -> u64 {
        self.virtual_ns
            .load(Ordering::Relaxed)
            .saturating_add(virtual_ns(ran_ns, weight))
    }

    /// Whether it waits for its turn.
    pub(crate) fn is_queued(&self) -> bool {
        self.is_queued.load(Ordering::Relaxed)
    }

    pub(super) fn set_queued(&self, is_queued: bool) {
        self.is_queued.store(is_queued, Ordering::Relaxed);
    }

    /// Returns what it was before.
    pub(super) fn set_bound(&self, is_bound: bool) -> bool {
        let was_bound = self.is_bound();
        if was_bound != is_bound {
            self.is_bound.store(is_bound, Ordering::Relaxed);
        }
        was_bound
    }

    /// Whether its last turn was a whole slice.
    pub(super) fn is_bound(&self) -> bool {
        self.is_bound.load(Ordering::Relaxed)
    }

    /// The call that it waits in next is sched_yield(2).
    pub(crate) fn set_yields(&self) {
        self.yields.store(true, Ordering::Relaxed);
    }

    /// Whether it waits in sched_yield(2).
    pub(crate) fn yields(&self) -> bool {
        self.yields.load(Ordering::Relaxed)
    }

    /// The same, once.
    pub(crate) fn take_yields(&self) -> bool {
        self.yields() && self.yields.swap(false, Ordering::Relaxed)
    }

    /// Its program may start.
    pub(crate) fn grant(&self) {
        self.is_granted.store(true, Ordering::Relaxed);
    }

    /// Whether its program may start, once.
    pub(crate) fn take_grant(&self) -> bool {
        self.is_granted.swap(false, Ordering::Relaxed)
    }
}
