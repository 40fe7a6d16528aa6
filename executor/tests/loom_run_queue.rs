//! The idle handshake of the run queue: no item waits for a sleeper that nobody rang.
#![cfg(loom)]

use std::sync::atomic::Ordering;

use executor::run_queue::{Pushed, RunQueue};
use loom::{
    sync::{Arc, Notify, atomic::AtomicUsize},
    thread,
};

#[test]
fn owner_that_sleeps_gets_every_item() {
    // Three threads and a bell that may ring without cause: all orders would take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(RunQueue::new());
        let bell = Arc::new(Notify::new());
        for item in 1..=2 {
            let (queue, bell) = (Arc::clone(&queue), Arc::clone(&bell));
            thread::spawn(move || {
                if queue.push_remote(item) == Pushed::MustNotify {
                    bell.notify();
                }
            });
        }
        // A lost item leaves the owner in `wait` for good, which loom reports as a deadlock.
        let mut sum = 0;
        while sum != 3 {
            if let Some(item) = queue.pop() {
                sum += item;
            } else if queue.begin_idle() {
                bell.wait();
                queue.end_idle();
            }
        }
    });
}

#[test]
fn one_sleep_is_rung_at_most_once_and_never_without_an_item() {
    loom::model(|| {
        let queue = Arc::new(RunQueue::new());
        let rings = Arc::new(AtomicUsize::new(0));
        let producers: Vec<_> = (0..2)
            .map(|item| {
                let (queue, rings) = (Arc::clone(&queue), Arc::clone(&rings));
                thread::spawn(move || {
                    if queue.push_remote(item) == Pushed::MustNotify {
                        rings.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let sleeps = queue.begin_idle();
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
        let rings = rings.load(Ordering::SeqCst);
        assert!(rings <= 1);
        assert!(!sleeps || rings == 1, "asleep with two items in the inbox");
        assert!(queue.pop().is_some() && queue.pop().is_some());
    });
}

#[test]
fn items_of_one_thread_stay_in_order() {
    loom::model(|| {
        let queue = Arc::new(RunQueue::new());
        let other = Arc::clone(&queue);
        let producer = thread::spawn(move || {
            let _ = other.push_remote(1);
            let _ = other.push_remote(2);
        });
        let mut seen = Vec::new();
        seen.extend(queue.pop());
        let _ = queue.push_local(3);
        seen.extend(queue.pop());
        producer.join().unwrap();
        seen.extend(std::iter::from_fn(|| queue.pop()));
        seen.retain(|item| *item != 3);
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn item_pushed_while_the_queue_closes_is_dropped() {
    loom::model(|| {
        let queue = Arc::new(RunQueue::new());
        let item = std::sync::Arc::new(());
        let (other, pushed) = (Arc::clone(&queue), std::sync::Arc::clone(&item));
        let producer = thread::spawn(move || {
            let _ = other.push_remote(pushed);
        });
        queue.close();
        producer.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
    });
}
