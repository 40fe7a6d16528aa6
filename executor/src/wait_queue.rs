//! [`WaitQueue`]: who waits for an object to change (a pipe, a child, a tty, a lock).
//!
//! Level style: a waker stays in the queue until its [`Registration`] is dropped, however often it
//! is woken. The waiter decides by testing its condition, never by having been woken.
//!
//! # No wake-up is lost
//! The waiter registers, *then* tests its condition again. The waker changes the condition, *then*
//! calls [`WaitQueue::wake_all`], which only loads a counter when nobody waits. That load is relaxed:
//!
//! - **Condition under a lock** (the rule): the two critical sections are ordered. Test first: its
//!   unlock publishes the counter, so the load sees the waiter. Change first: the test sees it.
//! - **Condition in an atomic**: the two sides store one word and load the other, which needs a
//!   full fence on each. [`WaitQueue::register`] has one. The waker calls `fence(SeqCst)` between
//!   its store and `wake_all` ([`CancelToken`](crate::CancelToken) does).
//!
//! `tests/loom_wait_queue.rs` tries all orders of both.

use std::{fmt, sync::Arc, task::Waker};

use slab::Slab;

use crate::{
    loom::{AtomicUsize, Ordering, fence},
    sync::Lock,
};

/// How far back [`WaitQueue::wake_all`] looks for a waker that it has already. Few tasks wait on
/// one object twice, and those (`poll` with the same file twice) register in a row.
const DUPLICATE_WINDOW: usize = 8;

/// A cheap handle to a list of wakers; clones share the list.
#[derive(Clone, Default)]
pub struct WaitQueue {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// `waiters.slots.len()`, written under the lock, read without it.
    nr_waiters: AtomicUsize,
    waiters: Lock<Waiters>,
}

impl WaitQueue {
    /// A queue where nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `waker` at the end, until the returned registration is dropped.
    ///
    /// The caller must test its condition *after* this, see the module.
    #[must_use = "a dropped registration is never woken"]
    pub fn register(&self, waker: &Waker) -> Registration {
        let waker = waker.clone();
        let key = {
            let mut waiters = self.inner.waiters.lock();
            let key = waiters.push_back(waker);
            self.inner
                .nr_waiters
                .store(waiters.slots.len(), Ordering::Relaxed);
            key
        };
        fence(Ordering::SeqCst);
        Registration {
            inner: Arc::clone(&self.inner),
            key,
        }
    }

    /// Wakes all that are registered, in the order in which they came.
    ///
    /// Wakers that wake the same task are called once where that is cheap to see.
    pub fn wake_all(&self) {
        if self.is_empty() {
            return;
        }
        let mut first = None;
        let mut rest: Vec<Waker> = Vec::new();
        {
            let waiters = self.inner.waiters.lock();
            for waker in waiters.iter() {
                let Some(first) = &first else {
                    first = Some(waker.clone());
                    continue;
                };
                let mut recent = rest.iter().rev().take(DUPLICATE_WINDOW);
                if !first.will_wake(waker) && !recent.any(|other| other.will_wake(waker)) {
                    rest.push(waker.clone());
                }
            }
        }
        first.into_iter().chain(rest).for_each(Waker::wake);
    }

    /// Wakes the one that has waited longest, and moves it to the end.
    ///
    /// So `n` calls wake `n` different waiters. If the woken one drops its registration without
    /// [`Registration::consume`], the wake passes on to the next: a waiter that is cancelled takes
    /// no one else's turn away.
    pub fn wake_one(&self) {
        if self.is_empty() {
            return;
        }
        let waker = self.inner.waiters.lock().rotate();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Tells whether nobody waits. A hint under the same rule as [`WaitQueue::wake_all`].
    pub fn is_empty(&self) -> bool {
        self.inner.nr_waiters.load(Ordering::Relaxed) == 0
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nr_waiters = self.inner.nr_waiters.load(Ordering::Relaxed);
        f.debug_struct("WaitQueue")
            .field("nr_waiters", &nr_waiters)
            .finish()
    }
}

/// A place in a [`WaitQueue`]; leaves the queue when dropped.
#[must_use = "dropping it ends the wait"]
pub struct Registration {
    inner: Arc<Inner>,
    key: usize,
}

impl Registration {
    /// Says that the wait goes on, with `waker` from now on; call it on each poll that stays pending.
    ///
    /// As with [`WaitQueue::register`], the condition must be tested after this.
    pub fn update(&mut self, waker: &Waker) {
        let replaced = {
            let mut waiters = self.inner.waiters.lock();
            let Some(slot) = waiters.slots.get_mut(self.key) else {
                return;
            };
            slot.is_notified = false;
            if slot.waker.will_wake(waker) {
                None
            } else {
                Some(std::mem::replace(&mut slot.waker, waker.clone()))
            }
        };
        fence(Ordering::SeqCst);
        // A waker's drop may end its task, and with it other registrations: never under the lock.
        drop(replaced);
    }

    /// Ends the wait after a success: a [`WaitQueue::wake_one`] that came here is used up.
    pub fn consume(self) {
        let mut waiters = self.inner.waiters.lock();
        if let Some(slot) = waiters.slots.get_mut(self.key) {
            slot.is_notified = false;
        }
        drop(waiters);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let (slot, next) = {
            let mut waiters = self.inner.waiters.lock();
            let slot = waiters.remove(self.key);
            self.inner
                .nr_waiters
                .store(waiters.slots.len(), Ordering::Relaxed);
            let pass_on = slot.as_ref().is_some_and(|slot| slot.is_notified);
            (slot, if pass_on { waiters.rotate() } else { None })
        };
        drop(slot);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The wakers in order: a doubly linked list whose nodes sit in a slab, so that joining, leaving
/// and moving to the end take constant time.
#[derive(Default)]
struct Waiters {
    slots: Slab<Slot>,
    head: Option<usize>,
    tail: Option<usize>,
}

struct Slot {
    waker: Waker,
    /// Woken by `wake_one`, and neither waiting again (`update`) nor done (`consume`) since.
    is_notified: bool,
    prev: Option<usize>,
    next: Option<usize>,
}

impl Waiters {
    fn iter(&self) -> impl Iterator<Item = &Waker> {
        let mut cursor = self.head;
        std::iter::from_fn(move || {
            let slot = self.slots.get(cursor?)?;
            cursor = slot.next;
            Some(&slot.waker)
        })
    }

    fn push_back(&mut self, waker: Waker) -> usize {
        let key = self.slots.insert(Slot {
            waker,
            is_notified: false,
            prev: None,
            next: None,
        });
        self.link_back(key);
        key
    }

    fn remove(&mut self, key: usize) -> Option<Slot> {
        self.unlink(key);
        self.slots.try_remove(key)
    }

    /// Moves the first waiter to the end, marks it notified and returns its waker.
    fn rotate(&mut self) -> Option<Waker> {
        let key = self.head?;
        self.unlink(key);
        self.link_back(key);
        let slot = self.slots.get_mut(key)?;
        slot.is_notified = true;
        Some(slot.waker.clone())
    }

    fn link_back(&mut self, key: usize) {
        let tail = self.tail.replace(key);
        match tail.and_then(|tail| self.slots.get_mut(tail)) {
            Some(last) => last.next = Some(key),
            None => self.head = Some(key),
        }
        if let Some(slot) = self.slots.get_mut(key) {
            slot.prev = tail;
            slot.next = None;
        }
    }

    fn unlink(&mut self, key: usize) {
        let Some(slot) = self.slots.get(key) else {
            return;
        };
        let (prev, next) = (slot.prev, slot.next);
        match prev.and_then(|prev| self.slots.get_mut(prev)) {
            Some(before) => before.next = next,
            None => self.head = next,
        }
        match next.and_then(|next| self.slots.get_mut(next)) {
            Some(after) => after.prev = prev,
            None => self.tail = prev,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{sync::atomic::AtomicUsize, task::Wake};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counters<const N: usize>() -> [(Arc<Counter>, Waker); N] {
        std::array::from_fn(|_| {
            let counter = Arc::new(Counter::default());
            (Arc::clone(&counter), Waker::from(counter))
        })
    }

    fn counts<const N: usize>(all: &[(Arc<Counter>, Waker); N]) -> [usize; N] {
        all.each_ref()
            .map(|(counter, _)| counter.0.load(Ordering::SeqCst))
    }

    #[test]
    fn wake_all_wakes_each_task_once_and_keeps_it_registered() {
        let queue = WaitQueue::new();
        let all = counters::<2>();
        let a = queue.register(&all[0].1);
        let again = queue.register(&all[0].1);
        let b = queue.register(&all[1].1);
        queue.wake_all();
        assert_eq!(counts(&all), [1, 1]);
        drop((a, again));
        queue.wake_all();
        assert_eq!(counts(&all), [1, 2]);
        drop(b);
        assert!(queue.is_empty());
        queue.wake_all();
        assert_eq!(counts(&all), [1, 2]);
    }

    #[test]
    fn wake_one_goes_round_in_order() {
        let queue = WaitQueue::new();
        let all = counters::<3>();
        let [a, b, c] = [0, 1, 2].map(|i| queue.register(&all[i].1));
        queue.wake_one();
        queue.wake_one();
        assert_eq!(counts(&all), [1, 1, 0]);
        queue.wake_one();
        queue.wake_one();
        assert_eq!(counts(&all), [2, 1, 1]);
        [a, b, c].into_iter().for_each(Registration::consume);
        assert_eq!(counts(&all), [2, 1, 1]);
        assert!(queue.is_empty());
    }

    #[test]
    fn cancelled_waiter_passes_its_turn_on() {
        let queue = WaitQueue::new();
        let all = counters::<3>();
        let [a, mut b, c] = [0, 1, 2].map(|i| queue.register(&all[i].1));
        queue.wake_one();
        drop(a);
        assert_eq!(counts(&all), [1, 1, 0]);
        b.update(&all[1].1);
        drop(b);
        assert_eq!(counts(&all), [1, 1, 0]);
        drop(c);
    }

    #[test]
    fn update_replaces_the_waker() {
        let queue = WaitQueue::new();
        let all = counters::<2>();
        let mut registration = queue.register(&all[0].1);
        registration.update(&all[1].1);
        queue.wake_all();
        assert_eq!(counts(&all), [0, 1]);
    }

    #[test]
    fn waiters_leave_from_the_middle() {
        let queue = WaitQueue::new();
        let all = counters::<4>();
        let mut registrations: Vec<_> = all.iter().map(|(_, w)| queue.register(w)).collect();
        drop(registrations.remove(1));
        drop(registrations.remove(1));
        queue.wake_all();
        assert_eq!(counts(&all), [1, 0, 0, 1]);
        drop(registrations.remove(0));
        queue.wake_one();
        assert_eq!(counts(&all), [1, 0, 0, 2]);
    }
}
