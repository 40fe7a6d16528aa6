//! Two executors on two threads wake each other: no wake-up is ever lost.
#![cfg(not(loom))]

mod common;

use std::{future::poll_fn, sync::Arc, task::Poll, thread};

use common::{RealClock, ThreadPender};
use executor::{
    Executor, WorkerId,
    sync::Lock,
    wait_queue::{Registration, WaitQueue},
};

const NR_ROUNDS: u32 = 100_000;

/// A ball that lies on one of two sides.
#[derive(Default)]
struct Table {
    side: Lock<u32>,
    waiters: WaitQueue,
}

/// Waits until the ball is here, sends it over, `NR_ROUNDS` times.
async fn play(table: Arc<Table>, here: u32) {
    for _ in 0..NR_ROUNDS {
        let mut registration: Option<Registration> = None;
        poll_fn(|cx| {
            match &mut registration {
                Some(registration) => registration.update(cx.waker()),
                None => registration = Some(table.waiters.register(cx.waker())),
            }
            let mut side = table.side.lock();
            if *side != here {
                return Poll::Pending;
            }
            *side = here ^ 1;
            Poll::Ready(())
        })
        .await;
        drop(registration);
        table.waiters.wake_all();
    }
}

#[test]
fn no_wake_is_lost_between_two_threads() {
    let clock = RealClock::new();
    let pender = Arc::new(ThreadPender::default());
    let table = Arc::new(Table::default());
    thread::scope(|scope| {
        for side in 0..2 {
            let executor = Executor::new(WorkerId(side), clock.clone(), pender.clone());
            let handle = executor.spawn(play(Arc::clone(&table), side));
            let (pender, clock) = (&pender, &clock);
            scope.spawn(move || pender.host(&executor, clock, || handle.is_finished()));
        }
    });
    assert_eq!(*table.side.lock(), 0);
}
