//! What a task knows of its frame without a lock: it asks at each resumption.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use executor::wait_queue::WaitQueue;

/// Whether a guest's memory is in its frame, when the guest last ran, and where its threads are.
#[derive(Debug, Default)]
pub struct Residency {
    is_resident: AtomicBool,
    last_ran_ns: AtomicU64,
    /// Its frame is one that other Workers can hold too.
    is_shareable: AtomicBool,
    /// Threads that have not left.
    nr_threads: AtomicUsize,
    /// Those of them that are on another Worker than the frame, or on their way between two.
    nr_away: AtomicUsize,
    /// Woken when a thread has left.
    left: WaitQueue,
}

impl Residency {
    /// Whether the memory of its frame holds what is its.
    pub fn is_resident(&self) -> bool {
        self.is_resident.load(Ordering::Relaxed)
    }

    pub(super) fn set_resident(&self, is_resident: bool) {
        self.is_resident.store(is_resident, Ordering::Relaxed);
    }

    /// Whether threads of it may go to other Workers.
    pub(crate) fn is_shareable(&self) -> bool {
        self.is_shareable.load(Ordering::Relaxed)
    }

    pub(super) fn set_shareable(&self, is_shareable: bool) {
        self.is_shareable.store(is_shareable, Ordering::Relaxed);
    }

    /// One more thread.
    pub(crate) fn enter(&self) {
        self.nr_threads.fetch_add(1, Ordering::AcqRel);
    }

    /// One thread has left for good.
    pub(super) fn leave(&self) {
        self.nr_threads.fetch_sub(1, Ordering::AcqRel);
        self.left.wake_all();
    }

    /// Whether no thread is left.
    pub(crate) fn is_left(&self) -> bool {
        self.nr_threads.load(Ordering::Acquire) == 0
    }

    /// One more thread is away: the memory stays where it is.
    pub(super) fn go_away(&self) {
        self.nr_away.fetch_add(1, Ordering::AcqRel);
    }

    /// One is not away any more.
    pub(crate) fn come_back(&self) {
        self.nr_away.fetch_sub(1, Ordering::AcqRel);
        self.left.wake_all();
    }

    /// Whether threads of it are on several Workers.
    pub(super) fn is_spread(&self) -> bool {
        self.nr_away.load(Ordering::Acquire) > 0
    }

    /// Wakes those who wait for threads to leave.
    pub(crate) const fn left(&self) -> &WaitQueue {
        &self.left
    }

    /// It runs from now on.
    pub fn runs(&self, now_ns: u64) {
        // In WebAssembly a store is a barrier, a load is not.
        if self.last_ran_ns.load(Ordering::Relaxed) != now_ns {
            self.last_ran_ns.store(now_ns, Ordering::Relaxed);
        }
    }

    /// When it last got the processor.
    pub fn last_ran_ns(&self) -> u64 {
        self.last_ran_ns.load(Ordering::Relaxed)
    }
}
