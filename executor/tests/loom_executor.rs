//! A whole Worker: spawns, wakes and deadlines from another thread end its sleep.
#![cfg(loom)]

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use executor::{
    Executor, Pender, RunState, Slice, WorkerId, clock::FakeClock, sync::Lock,
    wait_queue::WaitQueue,
};
use loom::{sync::Notify, thread};

struct Bell(Notify);

impl Pender for Bell {
    fn notify(&self, _worker: WorkerId) {
        self.0.notify();
    }
}

fn machine() -> (Arc<Executor>, Arc<Bell>) {
    let bell = Arc::new(Bell(Notify::new()));
    (
        Executor::new(WorkerId(0), FakeClock::new(0), bell.clone()),
        bell,
    )
}

/// Runs and sleeps like a Worker until all is done; a lost wake is a deadlock, which loom reports.
fn host(executor: &Executor, bell: &Bell, is_done: impl Fn() -> bool) {
    let _entered = executor.enter();
    loop {
        let state = executor.run(Slice::unlimited());
        if is_done() {
            return;
        }
        if state == RunState::Idle && executor.begin_idle() {
            bell.0.wait();
            executor.end_idle();
        }
    }
}

#[test]
fn task_spawned_from_another_thread_runs() {
    loom::model(|| {
        let (executor, bell) = machine();
        let has_run = Arc::new(Lock::new(false));
        let (theirs, inside) = (Arc::clone(&executor), Arc::clone(&has_run));
        let spawner = thread::spawn(move || {
            theirs.spawn(async move { *inside.lock() = true }).detach();
        });
        host(&executor, &bell, || *has_run.lock());
        spawner.join().unwrap();
    });
}

#[test]
fn task_that_waits_is_woken_from_another_thread() {
    loom::model(|| {
        let (executor, bell) = machine();
        let (state, waiters) = (Arc::new(Lock::new(false)), WaitQueue::new());
        let (their_state, their_waiters) = (Arc::clone(&state), waiters.clone());
        let task = executor.spawn(async move {
            let mut registration = None;
            poll_fn(|cx| {
                registration = Some(waiters.register(cx.waker()));
                if *state.lock() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        });
        let changer = thread::spawn(move || {
            *their_state.lock() = true;
            their_waiters.wake_all();
        });
        host(&executor, &bell, || task.is_finished());
        changer.join().unwrap();
    });
}

#[test]
fn sleeping_worker_learns_of_an_earlier_deadline() {
    loom::model(|| {
        let (executor, bell) = machine();
        let mut sleep = executor.sleep_until(5);
        let sleeper = thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
            sleep
        });
        assert!(executor.begin_idle());
        // In a loop: loom's bell also rings without cause.
        while executor.next_deadline_ns().is_none() {
            bell.0.wait();
        }
        assert_eq!(executor.next_deadline_ns(), Some(5));
        let sleep = sleeper.join().unwrap();
        drop(sleep);
        assert_eq!(executor.next_deadline_ns(), None);
    });
}
