//! What a host and a task may rely on, on one thread with a clock turned by hand.
#![cfg(not(loom))]

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    task::{Poll, Waker},
};

use executor::{
    CancelToken, CountingPender, Executor, RunState, Slice, WorkerId, clock::FakeClock, sync::Lock,
};

fn machine() -> (Arc<Executor>, Arc<FakeClock>, Arc<CountingPender>) {
    let (clock, pender) = (FakeClock::new(0), CountingPender::new());
    (
        Executor::new(WorkerId(0), clock.clone(), pender.clone()),
        clock,
        pender,
    )
}

/// Gives the other tasks a turn.
async fn yield_now() {
    let mut is_second = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn tasks_take_turns_in_order() {
    let (executor, ..) = machine();
    let log = Arc::new(Lock::new(Vec::new()));
    for name in ["a", "b", "c"] {
        let log = Arc::clone(&log);
        executor
            .spawn(async move {
                for _ in 0..2 {
                    log.lock().push(name);
                    yield_now().await;
                }
            })
            .detach();
    }
    assert_eq!(executor.run(Slice::unlimited()), RunState::Idle);
    assert_eq!(*log.lock(), ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn slice_ends_by_polls_and_by_deadline() {
    let (executor, clock, _) = machine();
    let ticking = Arc::clone(&clock);
    executor
        .spawn(async move {
            loop {
                ticking.advance(10);
                yield_now().await;
            }
        })
        .detach();
    assert_eq!(executor.run(Slice::polls(3)), RunState::More);
    assert_eq!(executor.now_ns(), 30);
    assert_eq!(executor.run(Slice::until(1_000)), RunState::More);
    assert!((1_000..1_100).contains(&executor.now_ns()));
    let now_ns = executor.now_ns();
    assert_eq!(executor.run(Slice::until(0)), RunState::More);
    assert_eq!(executor.now_ns(), now_ns + 10, "a late slice polls once");
    assert_eq!(executor.run(Slice::polls(0)), RunState::More);
    assert_eq!(executor.now_ns(), now_ns + 10);
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let (executor, clock, _) = machine();
    let log = Arc::new(Lock::new(Vec::new()));
    for deadline_ns in [30, 10, 20, 10] {
        let (sleeper, log) = (Arc::clone(&executor), Arc::clone(&log));
        executor
            .spawn(async move {
                sleeper.sleep_until(deadline_ns).await;
                log.lock().push((deadline_ns, sleeper.now_ns()));
            })
            .detach();
    }
    while executor.run(Slice::unlimited()) == RunState::Idle {
        assert!(executor.begin_idle());
        let Some(deadline_ns) = executor.next_deadline_ns() else {
            break;
        };
        clock.advance_to(deadline_ns);
    }
    assert_eq!(*log.lock(), [(10, 10), (10, 10), (20, 20), (30, 30)]);
}

#[test]
fn past_deadline_is_ready_at_once_and_the_end_of_time_never() {
    let (executor, clock, _) = machine();
    clock.advance(5);
    let past = executor.spawn(executor.sleep_until(5));
    let never = executor.spawn(executor.sleep_until(u64::MAX));
    assert_eq!(executor.run(Slice::unlimited()), RunState::Idle);
    assert!(past.is_finished() && !never.is_finished());
    assert_eq!(executor.next_deadline_ns(), None);
}

#[test]
fn with_deadline_returns_what_comes_first() {
    let (executor, clock, _) = machine();
    let own = Arc::clone(&executor);
    let handle = executor.spawn(async move {
        let quick = own.with_deadline(10, own.sleep_until(5)).await;
        let slow = own.with_deadline(20, pending::<()>()).await;
        (quick, slow)
    });
    for now_ns in [5, 20] {
        executor.run(Slice::unlimited());
        clock.advance_to(now_ns);
    }
    executor.run(Slice::unlimited());
    assert_eq!(output_of(&executor, handle), Some((Some(()), None)));
    assert_eq!(
        executor.next_deadline_ns(),
        None,
        "timers of dropped sleeps are gone"
    );
}

/// Takes the output of a finished task.
fn output_of<T: Send + 'static>(
    executor: &Arc<Executor>,
    handle: executor::JoinHandle<T>,
) -> Option<T> {
    let slot = Arc::new(Lock::new(None));
    let into = Arc::clone(&slot);
    executor
        .spawn(async move { *into.lock() = handle.await })
        .detach();
    executor.run(Slice::unlimited());
    slot.lock().take()
}

#[test]
fn cancelled_task_is_dropped_and_yields_nothing() {
    let (executor, ..) = machine();
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let handle = executor.spawn(async move {
        let _inside = inside;
        pending::<()>().await;
    });
    executor.run(Slice::unlimited());
    assert_eq!(Arc::strong_count(&held), 2);
    handle.cancel();
    executor.run(Slice::unlimited());
    assert_eq!(Arc::strong_count(&held), 1);
    let handle = executor.spawn(pending::<()>());
    assert_eq!(
        output_of(&executor, executor.spawn(handle.cancel_and_wait())),
        Some(None)
    );
}

#[test]
fn token_ends_a_wait() {
    let (executor, ..) = machine();
    let token = CancelToken::new();
    let child = token.child();
    let handle = executor.spawn(async move { child.run(pending::<()>()).await });
    executor.run(Slice::unlimited());
    assert!(!handle.is_finished());
    token.cancel();
    assert_eq!(output_of(&executor, handle), Some(None));
}

#[test]
fn only_the_first_wake_of_a_sleeping_worker_notifies() {
    let (executor, _, pender) = machine();
    executor.spawn(async {}).detach();
    assert_eq!(pender.take(), 0, "awake");
    assert!(!executor.begin_idle(), "a task is ready");
    executor.run(Slice::unlimited());
    assert!(executor.begin_idle());
    executor.spawn(async {}).detach();
    executor.spawn(async {}).detach();
    assert_eq!(pender.take(), 1);
    executor.run(Slice::unlimited());
    assert!(executor.begin_idle());
    executor.end_idle();
    executor.spawn(async {}).detach();
    assert_eq!(pender.take(), 0, "awake again");
}

#[test]
fn recent_time_is_kept_over_one_run_of_a_worker_that_was_awake() {
    let (executor, clock, _) = machine();
    clock.advance_to(100);
    assert_eq!(executor.awake_ns(), 100);
    clock.advance_to(105);
    executor.run(Slice::unlimited());
    assert_eq!(executor.recent_ns(), 100, "a guest ran until a moment ago");
    executor.run(Slice::unlimited());
    assert_eq!(executor.recent_ns(), 105, "it may have waited since");
}

#[test]
fn earlier_deadline_notifies_a_sleeping_worker() {
    let (executor, _, pender) = machine();
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let mut sleeps = [100, 200, 50].map(|deadline_ns| executor.sleep_until(deadline_ns));
    let mut rings = [0; 3];
    for (sleep, ring) in sleeps.iter_mut().zip(&mut rings) {
        assert!(executor.begin_idle());
        assert_eq!(std::pin::Pin::new(sleep).poll(&mut cx), Poll::Pending);
        *ring = pender.take();
    }
    assert_eq!(rings, [1, 0, 1]);
    assert_eq!(executor.next_deadline_ns(), Some(50));
}

#[test]
fn dropped_executor_drops_its_tasks() {
    let (executor, ..) = machine();
    let held = Arc::new(());
    let (asleep, ready) = (Arc::clone(&held), Arc::clone(&held));
    let sleep = executor.sleep_until(1_000);
    executor
        .spawn(async move {
            sleep.await;
            drop(asleep);
        })
        .detach();
    executor.run(Slice::unlimited());
    executor.spawn(async move { drop(ready) }).detach();
    let _entered = executor.enter();
    drop(executor);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn panic_of_a_task_leaves_the_executor_usable() {
    let (executor, ..) = machine();
    let broken = executor.spawn(async { panic!("task dies") });
    let fine = executor.spawn(async { 3 });
    let run = std::panic::AssertUnwindSafe(|| executor.run(Slice::unlimited()));
    assert!(std::panic::catch_unwind(run).is_err());
    assert!(!executor.is_current());
    assert_eq!(output_of(&executor, fine), Some(3));
    assert_eq!(output_of::<()>(&executor, broken), None);
}

#[test]
fn entering_nests_and_follows_the_guard() {
    let ((a, ..), (b, ..)) = (machine(), machine());
    let outer = a.enter();
    {
        let _inner = b.enter();
        assert!(b.is_current() && !a.is_current());
    }
    assert!(a.is_current() && !b.is_current());
    drop(outer);
    assert!(!a.is_current());
}
