//! How long guests ran: times(2), getrusage(2).
//!
//! A task notes when its guest starts to run and adds the difference when it parks or ends. What
//! a guest does and what the kernel does for it in a call that does not wait are not told apart:
//! all of it counts as user time. When a guest parks, the clock may be late by a millisecond: of two
//! guests that switch all the time the one that runs when it moves on gets that millisecond, as
//! with the ticks of a Linux without `CONFIG_VIRT_CPU_ACCOUNTING_GEN`.

use std::sync::atomic::{AtomicU64, Ordering};

/// The processor time of a process, in nanoseconds.
#[derive(Debug, Default)]
pub struct CpuTime {
    own_ns: AtomicU64,
    children_ns: AtomicU64,
    nr_waits: AtomicU64,
}

impl CpuTime {
    /// Its own, without what its guest is running just now.
    pub fn own_ns(&self) -> u64 {
        self.own_ns.load(Ordering::Relaxed)
    }

    /// Of the children that it waited for, and theirs.
    pub fn children_ns(&self) -> u64 {
        self.children_ns.load(Ordering::Relaxed)
    }

    /// Its own and its children's: what the parent gets that waits for it.
    pub fn total_ns(&self) -> u64 {
        self.own_ns().saturating_add(self.children_ns())
    }

    /// How often its guest has waited: all switches between processes are of the guests' own will.
    pub fn nr_waits(&self) -> u64 {
        self.nr_waits.load(Ordering::Relaxed)
    }

    /// The guest waits, after it has run for `ns` nanoseconds.
    pub(super) fn end_stretch(&self, ns: u64) {
        self.add_own(ns);
        self.nr_waits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_own(&self, ns: u64) {
        self.own_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn add_child(&self, ns: u64) {
        self.children_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

/// When a task's guest began to run.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// 0: it is parked.
    since_ns: AtomicU64,
}

impl Stopwatch {
    /// The guest runs from now on.
    pub(super) fn start(&self, now_ns: u64) {
        self.since_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    /// Whether the guest runs.
    pub(super) fn is_running(&self) -> bool {
        self.since_ns.load(Ordering::Relaxed) != 0
    }

    /// How long it has run.
    pub(super) fn elapsed_ns(&self, now_ns: u64) -> u64 {
        match self.since_ns.load(Ordering::Relaxed) {
            0 => 0,
            since_ns => now_ns.saturating_sub(since_ns),
        }
    }

    /// The guest runs no more; how long it did.
    pub(super) fn stop(&self, now_ns: u64) -> u64 {
        let elapsed_ns = self.elapsed_ns(now_ns);
        self.since_ns.store(0, Ordering::Relaxed);
        elapsed_ns
    }
}
