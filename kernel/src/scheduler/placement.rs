//! On which Worker a program starts.
//!
//! A child starts beside its parent: they mostly talk to each other, and a switch within a Worker
//! is a hundred times cheaper than one between two. It starts elsewhere when that Worker has
//! CPU-bound guests and another has fewer, or when it has far more guests than another. A running
//! guest cannot move, because its stack belongs to its Worker; so `exec`, which leaves the stack,
//! decides again.
//!
//! What will be CPU-bound is not known at the start. So a program that *has not started* yet moves
//! when the guest before it turns out to run for long, and another Worker idles.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use executor::{Executor, WorkerId};

use super::{Ready, Scheduler, Worker};
use crate::kernel::Kernel;
use crate::process::Task;

/// How many more guests the parent's Worker may have than another before a child starts there.
const IMBALANCE: usize = 32;
/// How long a guest runs in one go before what waits to start behind it moves to an idle Worker, in
/// nanoseconds. The programs of a short pipeline do not run that long.
const PATIENCE_NS: u64 = 2_000_000;

/// Whether the set of Workers `affinity` has `worker`.
fn is_allowed(affinity: u64, worker: WorkerId) -> bool {
    affinity.checked_shr(worker.0).unwrap_or(0) & 1 == 1
}

impl Worker {
    fn is_idle(&self) -> bool {
        let turns = self.turns.lock();
        turns.current.is_none() && turns.queue.is_empty()
    }

    fn is_allowed(&self, affinity: u64) -> bool {
        is_allowed(affinity, self.executor.worker())
    }
}

impl Scheduler {
    /// Chooses a Worker for a program.
    ///
    /// - `beside`: the task that starts it, or that it replaces; whether this one is CPU-bound does
    ///   not count
    /// - `affinity`: the Workers that it may run on
    /// - `nr_guests`: how many guests each Worker has
    pub(crate) fn place(
        &self,
        beside: Option<&Task>,
        affinity: u64,
        nr_guests: &[usize],
    ) -> Option<Arc<Executor>> {
        let guests = |worker: &Worker| {
            usize::try_from(worker.executor.worker().0)
                .ok()
                .and_then(|index| nr_guests.get(index).copied())
                .unwrap_or(0)
        };
        let bound = |worker: &Worker| {
            let own = beside.is_some_and(|task| {
                task.executor().worker() == worker.executor.worker() && task.turn.is_bound()
            });
            let all = worker.nr_bound.load(Ordering::Relaxed);
            all.saturating_sub(usize::from(own))
        };
        let best = self
            .workers
            .iter()
            .filter(|worker| worker.is_allowed(affinity))
            .min_by_key(|worker| (bound(worker), guests(worker)))
            .or(self.workers.first())?;
        let near = beside
            .and_then(|task| self.worker_of(task))
            .filter(|near| near.is_allowed(affinity))
            .filter(|near| bound(near) <= bound(best))
            .filter(|near| guests(near) <= guests(best).saturating_add(IMBALANCE));
        Some(Arc::clone(&near.unwrap_or(best).executor))
    }

    /// Moves a program that waits to start behind `task`, which has run for `ran_ns` in one go, to
    /// a Worker that has nothing to do.
    pub(crate) fn spread(&self, kernel: &Arc<Kernel>, task: &Task, ran_ns: u64) {
        if self.workers.len() < 2 || ran_ns < PATIENCE_NS {
            return;
        }
        let Some(worker) = self.worker_of(task) else {
            return;
        };
        if worker.turns.lock().queue.is_empty() {
            return;
        }
        let id = worker.executor.worker();
        let idle: Vec<&Worker> = self
            .workers
            .iter()
            .filter(|other| other.executor.worker() != id && other.is_idle())
            .collect();
        for idle in idle {
            let waiting: Vec<Arc<Task>> = {
                let turns = worker.turns.lock();
                let starts = turns.queue.iter().filter(|entry| entry.why == Ready::Start);
                starts.map(|entry| Arc::clone(&entry.task)).collect()
            };
            let movable = waiting.iter().find(|task| {
                task.is_movable()
                    && idle.is_allowed(task.process().affinity.load(Ordering::Relaxed))
            });
            let moved = movable.and_then(|task| {
                let mut turns = worker.turns.lock();
                turns.queue.take(|entry| entry.task.slot == task.slot)
            });
            let Some(entry) = moved else { continue };
            entry.task.turn.set_queued(false);
            if !kernel.move_task(&entry.task, &idle.executor) {
                self.start(&entry.task);
            }
        }
    }
}
