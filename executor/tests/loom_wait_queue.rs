//! Wait queue: a waiter that tests its condition after it registered misses no change.
#![cfg(loom)]

use std::{sync::Arc, task::Waker};

use executor::{sync::Lock, wait_queue::WaitQueue};
use loom::{
    sync::atomic::{AtomicBool, Ordering, fence},
    thread,
};

struct Flag(AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn new() -> (Arc<Self>, Waker) {
        let flag = Arc::new(Self(AtomicBool::new(false)));
        (Arc::clone(&flag), Waker::from(flag))
    }

    fn is_woken(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn change_under_a_lock_is_not_missed() {
    for wake in [WaitQueue::wake_all, WaitQueue::wake_one] {
        loom::model(move || {
            let queue = WaitQueue::new();
            let condition = Arc::new(Lock::new(false));
            let (flag, waker) = Flag::new();
            let (their_queue, theirs) = (queue.clone(), Arc::clone(&condition));
            let changer = thread::spawn(move || {
                *theirs.lock() = true;
                wake(&their_queue);
            });
            let registration = queue.register(&waker);
            let is_ready = *condition.lock();
            changer.join().unwrap();
            assert!(is_ready || flag.is_woken());
            drop(registration);
        });
    }
}

#[test]
fn change_of_an_atomic_behind_a_fence_is_not_missed() {
    loom::model(|| {
        let queue = WaitQueue::new();
        let condition = Arc::new(AtomicBool::new(false));
        let (flag, waker) = Flag::new();
        let (their_queue, theirs) = (queue.clone(), Arc::clone(&condition));
        let changer = thread::spawn(move || {
            theirs.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            their_queue.wake_all();
        });
        let registration = queue.register(&waker);
        let is_ready = condition.load(Ordering::Relaxed);
        changer.join().unwrap();
        assert!(is_ready || flag.is_woken());
        drop(registration);
    });
}

#[test]
fn waker_that_is_replaced_misses_nothing() {
    loom::model(|| {
        let queue = WaitQueue::new();
        let condition = Arc::new(Lock::new(false));
        let ((_, old), (flag, new)) = (Flag::new(), Flag::new());
        let mut registration = queue.register(&old);
        let (their_queue, theirs) = (queue.clone(), Arc::clone(&condition));
        let changer = thread::spawn(move || {
            *theirs.lock() = true;
            their_queue.wake_all();
        });
        registration.update(&new);
        let is_ready = *condition.lock();
        changer.join().unwrap();
        assert!(is_ready || flag.is_woken());
        drop(registration);
    });
}

#[test]
fn turn_of_a_waiter_that_leaves_goes_to_the_next() {
    loom::model(|| {
        let queue = WaitQueue::new();
        let ((_, first), (flag, second)) = (Flag::new(), Flag::new());
        let leaves = queue.register(&first);
        let stays = queue.register(&second);
        let leaver = thread::spawn(move || drop(leaves));
        queue.wake_one();
        leaver.join().unwrap();
        assert!(flag.is_woken());
        drop(stays);
        assert!(queue.is_empty());
    });
}
