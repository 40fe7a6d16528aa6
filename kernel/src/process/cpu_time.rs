//! How long guests ran: times(2), getrusage(2).
//!
//! A task notes when its guest starts to run and adds the difference when it parks, hands over or
//! ends. What a guest does and what the kernel does for it in a call that does not wait are not told
//! apart: all of it counts as user time. When a guest parks, the clock may be late by a few milliseconds:
//! of two guests that switch all the time the one that runs when it moves on gets that time,
//! as with the ticks of a Linux without `CONFIG_VIRT_CPU_ACCOUNTING_GEN`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a process has used, as `getrusage(2)` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds that it ran.
    pub ran_ns: u64,
    /// How often it waited: voluntary switches.
    pub nr_waits: u64,
    /// How often another ran although it could have gone on: involuntary switches.
    pub nr_preemptions: u64,
}

impl Usage {
    /// The sum of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            ran_ns: self.ran_ns.saturating_add(other.ran_ns),
            nr_waits: self.nr_waits.saturating_add(other.nr_waits),
            nr_preemptions: self.nr_preemptions.saturating_add(other.nr_preemptions),
        }
    }
}

/// The processor time of a process and of the children that it waited for.
#[derive(Debug, Default)]
pub struct CpuTime {
    own: Counters,
    children: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    ran_ns: AtomicU64,
    nr_waits: AtomicU64,
    nr_preemptions: AtomicU64,
}

impl Counters {
    fn usage(&self) -> Usage {
        Usage {
            ran_ns: self.ran_ns.load(Ordering::Relaxed),
            nr_waits: self.nr_waits.load(Ordering::Relaxed),
            nr_preemptions: self.nr_preemptions.load(Ordering::Relaxed),
        }
    }

    fn add(&self, usage: Usage) {
        self.ran_ns.fetch_add(usage.ran_ns, Ordering::Relaxed);
        self.nr_waits.fetch_add(usage.nr_waits, Ordering::Relaxed);
        self.nr_preemptions
            .fetch_add(usage.nr_preemptions, Ordering::Relaxed);
    }
}

impl CpuTime {
    /// Its own nanoseconds, without what its guest is running just now.
    pub fn own_ns(&self) -> u64 {
        self.own.ran_ns.load(Ordering::Relaxed)
    }

    /// Its own, without what its guest is running just now.
    pub fn own(&self) -> Usage {
        self.own.usage()
    }

    /// Of the children that it waited for, and theirs.
    pub fn children(&self) -> Usage {
        self.children.usage()
    }

    /// Its own and its children's: what the parent gets that waits for it.
    pub fn total(&self) -> Usage {
        self.own().plus(self.children())
    }

    /// Its guest waits.
    pub(super) fn note_wait(&self) {
        self.own.nr_waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Its guest could go on, but another has its turn.
    pub(crate) fn note_preemption(&self) {
        self.own.nr_preemptions.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_own(&self, ns: u64) {
        self.own.ran_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn add_child(&self, usage: Usage) {
        self.children.add(usage);
    }
}

/// When a task's guest began to run.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// 0: it is parked.
    since_ns: AtomicU64,
    /// How long the kernel has worked for it since.
    excused_ns: AtomicU64,
}

impl Stopwatch {
    /// The guest runs from now on.
    pub(super) fn start(&self, now_ns: u64) {
        self.since_ns.store(now_ns.max(1), Ordering::Relaxed);
        if self.excused_ns.load(Ordering::Relaxed) != 0 {
            self.excused_ns.store(0, Ordering::Relaxed);
        }
    }

    /// The kernel has worked for it for `ns` nanoseconds.
    pub(super) fn excuse(&self, ns: u64) {
        self.excused_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How long it has run, without what [`Stopwatch::excuse`] was told.
    pub(super) fn busy_ns(&self, now_ns: u64) -> u64 {
        self.elapsed_ns(now_ns)
            .saturating_sub(self.excused_ns.load(Ordering::Relaxed))
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
        match self.since_ns.swap(0, Ordering::Relaxed) {
            0 => 0,
            since_ns => now_ns.saturating_sub(since_ns),
        }
    }

    /// How long the guest has run, if it does; it counts anew from now on. Another Worker may say that.
    pub(super) fn restart(&self, now_ns: u64) -> u64 {
        let change = |since_ns| (since_ns != 0).then_some(now_ns.max(since_ns));
        let old = self
            .since_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        old.map_or(0, |since_ns| now_ns.saturating_sub(since_ns))
    }
}
