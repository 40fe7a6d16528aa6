//! Tasks of every Worker wait for, join and cancel tasks of every other.
#![cfg(not(loom))]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use common::{RealClock, ThreadPender};
use executor::{CancelToken, Executor, WorkerId};

const NR_WORKERS: u32 = 3;
const NR_TASKS: usize = 2_000;

#[test]
fn every_join_across_workers_completes() {
    let clock = RealClock::new();
    let pender = Arc::new(ThreadPender::default());
    let pool: Vec<_> = (0..NR_WORKERS)
        .map(|i| Executor::new(WorkerId(i), clock.clone(), pender.clone()))
        .collect();
    let done = Arc::new(AtomicUsize::new(0));
    let stop = CancelToken::new();
    let nr_tasks = NR_TASKS * pool.len();
    thread::scope(|scope| {
        for (i, executor) in pool.iter().enumerate() {
            // One task per Worker that ends last keeps its host awake to the end.
            let last = executor.spawn(stop.clone().cancelled());
            let neighbour = Arc::clone(&pool[(i + 1) % pool.len()]);
            let (own, done, stop) = (Arc::clone(executor), Arc::clone(&done), stop.clone());
            executor
                .spawn(async move {
                    for n in 0..NR_TASKS {
                        let sleeper = Arc::clone(&neighbour);
                        let far = neighbour.spawn(async move {
                            let deadline_ns = sleeper.now_ns() + 1_000;
                            sleeper.sleep_until(deadline_ns).await;
                            n
                        });
                        // The deadline is far away: only the neighbour's wake ends this.
                        let far = own.with_deadline(u64::MAX, far).await;
                        assert_eq!(far, Some(Some(n)));
                        let never = neighbour.spawn(std::future::pending::<()>());
                        assert_eq!(never.cancel_and_wait().await, None);
                        if done.fetch_add(1, Ordering::SeqCst) + 1 == nr_tasks {
                            stop.cancel();
                        }
                    }
                })
                .detach();
            let (pender, clock) = (&pender, &clock);
            scope.spawn(move || pender.host(executor, clock, || last.is_finished()));
        }
    });
    assert_eq!(done.load(Ordering::SeqCst), nr_tasks);
}
