//! A host made of native threads: one per Worker, asleep in `thread::park` while idle.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a broken test host panics"
)]

use std::{
    sync::{Arc, OnceLock},
    thread::{self, Thread},
    time::Duration,
};

use executor::{Clock, Executor, Pender, RunState, Slice, WorkerId};

/// Rings by `unpark`; a ring before the `park` is kept, as `Atomics.notify` on a changed word is.
#[derive(Default)]
pub(crate) struct ThreadPender {
    threads: [OnceLock<Thread>; 4],
}

impl Pender for ThreadPender {
    fn notify(&self, worker: WorkerId) {
        let index = usize::try_from(worker.0).unwrap();
        if let Some(thread) = self.threads[index].get() {
            thread.unpark();
        }
    }
}

impl ThreadPender {
    /// Makes the current thread the Worker of `executor` until `is_done`.
    pub(crate) fn host(
        &self,
        executor: &Executor,
        clock: &dyn Clock,
        mut is_done: impl FnMut() -> bool,
    ) {
        let index = usize::try_from(executor.worker().0).unwrap();
        self.threads[index].set(thread::current()).unwrap();
        let _entered = executor.enter();
        while !is_done() {
            let state = executor.run(Slice::polls(1_000));
            if state == RunState::More || is_done() || !executor.begin_idle() {
                continue;
            }
            match executor.next_deadline_ns() {
                None => thread::park(),
                Some(deadline_ns) => {
                    let wait_ns = deadline_ns.saturating_sub(clock.now_ns());
                    thread::park_timeout(Duration::from_nanos(wait_ns));
                }
            }
            executor.end_idle();
        }
    }
}

/// The machine's own clock.
pub(crate) struct RealClock(std::time::Instant);

impl RealClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the host is where time comes from"
    )]
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(std::time::Instant::now()))
    }
}

impl Clock for RealClock {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap()
    }
}
