//! Cancellation: no waiter and no child slips through while a token is cancelled.
#![cfg(loom)]

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use executor::CancelToken;
use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

struct Flag(AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn waiter_that_comes_meanwhile_is_ready_or_woken() {
    loom::model(|| {
        let token = CancelToken::new();
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let theirs = token.clone();
        let canceller = thread::spawn(move || theirs.cancel());
        let mut wait = pin!(token.cancelled());
        let is_ready = wait
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        canceller.join().unwrap();
        assert!(is_ready || flag.0.load(Ordering::SeqCst));
    });
}

#[test]
fn child_that_is_born_meanwhile_is_cancelled() {
    loom::model(|| {
        let token = CancelToken::new();
        let theirs = token.clone();
        let canceller = thread::spawn(move || theirs.cancel());
        let child = token.child();
        canceller.join().unwrap();
        assert!(child.is_cancelled());
    });
}

#[test]
fn child_that_dies_meanwhile_does_no_harm() {
    loom::model(|| {
        let token = CancelToken::new();
        let child = token.child();
        let grandchild = child.child();
        let dropper = thread::spawn(move || drop(child));
        token.cancel();
        dropper.join().unwrap();
        assert!(grandchild.is_cancelled());
    });
}
