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
//!
//! # Events and turns
//! A queue may serve more than one condition (a socket: bytes to read, room to write). Whoever
//! registers may name the [`Interest`] bits it waits for; [`WaitQueue::wake_for`] passes over those
//! that wait for other bits. And it may take turns ([`Turn::Exclusive`]): of those that do, each wake
//! wakes one.

use std::{fmt, sync::Arc, task::Waker};

use slab::Slab;

use crate::{
    loom::{AtomicUsize, Ordering, fence},
    sync::Lock,
};

/// How far back [`WaitQueue::wake_all`] looks for a waker that it has already. Few tasks wait on
/// one object twice, and those (`poll` with the same file twice) register in a row.
const DUPLICATE_WINDOW: usize = 8;

/// The key of a registration that has left its queue.
const GONE: usize = usize::MAX;

/// What a waiter waits for, as bits whose meaning belongs to the object: those of `poll(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(pub u32);

impl Interest {
    /// Whatever happens.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether both have a bit in common.
    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Whether a wake-up is for all waiters or for one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Woken each time.
    #[default]
    Shared,
    /// Of these one is woken each time, and then goes to the end.
    Exclusive,
}

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
        self.register_for(waker, Interest::ALL, Turn::Shared)
    }

    /// [`WaitQueue::register`] for some events only, or in turn with others.
    ///
    /// Who takes turns calls [`Registration::consume`] after a success.
    #[must_use = "a dropped registration is never woken"]
    pub fn register_for(&self, waker: &Waker, interest: Interest, turn: Turn) -> Registration {
        let slot = Slot {
            waker: waker.clone(),
            interest,
            turn,
            is_notified: false,
            prev: None,
            next: None,
        };
        let key = {
            let mut waiters = self.inner.waiters.lock();
            let key = waiters.push_back(slot);
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

    /// Wakes all that are registered, in the order in which they came; of those that take turns,
    /// one.
    pub fn wake_all(&self) {
        self.wake_for(Interest::ALL);
    }

    /// Wakes those that wait for any of `events`, in the order in which they came; of those that
    /// take turns, the one that has waited longest.
    ///
    /// Wakers that wake the same task are called once where that is cheap to see.
    pub fn wake_for(&self, events: Interest) {
        if self.is_empty() {
            return;
        }
        let mut first = None;
        let mut rest: Vec<Waker> = Vec::new();
        {
            let mut waiters = self.inner.waiters.lock();
            let mut turn = None;
            for (key, slot) in waiters.iter() {
                let has_turn = slot.turn == Turn::Shared || turn.is_none();
                if !has_turn || !slot.interest.meets(events) {
                    continue;
                }
                if slot.turn == Turn::Exclusive {
                    turn = Some(key);
                }
                let waker = &slot.waker;
                let Some(first) = &first else {
                    first = Some(waker.clone());
                    continue;
                };
                let mut recent = rest.iter().rev().take(DUPLICATE_WINDOW);
                if !first.will_wake(waker) && !recent.any(|other| other.will_wake(waker)) {
                    rest.push(waker.clone());
                }
            }
            if let Some(key) = turn {
                waiters.notify(key);
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

    /// Waits for other events from now on; as with [`WaitQueue::register`], the condition must be
    /// tested after this.
    pub fn set_interest(&mut self, interest: Interest) {
        if let Some(slot) = self.inner.waiters.lock().slots.get_mut(self.key) {
            slot.interest = interest;
        }
        fence(Ordering::SeqCst);
    }

    /// Ends the wait after a success: a [`WaitQueue::wake_one`] that came here is used up.
    pub fn consume(mut self) {
        self.leave(true);
        self.key = GONE;
    }

    /// Leaves the queue; a wake-up in turn passes on unless it `is_used`.
    fn leave(&self, is_used: bool) {
        let (slot, next) = {
            let mut waiters = self.inner.waiters.lock();
            let slot = waiters.remove(self.key);
            self.inner
                .nr_waiters
                .store(waiters.slots.len(), Ordering::Relaxed);
            let next = match &slot {
                Some(slot) if slot.is_notified && !is_used => waiters.pass_on(slot),
                _ => None,
            };
            (slot, next)
        };
        drop(slot);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.key != GONE {
            self.leave(false);
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
    interest: Interest,
    turn: Turn,
    /// Woken in its turn, and neither waiting again (`update`) nor done (`consume`) since.
    is_notified: bool,
    prev: Option<usize>,
    next: Option<usize>,
}

impl Waiters {
    fn iter(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let mut cursor = self.head;
        std::iter::from_fn(move || {
            let key = cursor?;
            let slot = self.slots.get(key)?;
            cursor = slot.next;
            Some((key, slot))
        })
    }

    /// Whose turn it is to hear of `events`.
    fn next_turn(&self, events: Interest) -> Option<usize> {
        let is_next = |slot: &Slot| slot.turn == Turn::Exclusive && slot.interest.meets(events);
        self.iter()
            .find(|(_, slot)| is_next(slot))
            .map(|(key, _)| key)
    }

    /// After `left`, which was woken and did nothing: the next that could have been woken instead.
    fn pass_on(&mut self, left: &Slot) -> Option<Waker> {
        match left.turn {
            Turn::Shared => self.rotate(),
            Turn::Exclusive => {
                let key = self.next_turn(left.interest)?;
                self.notify(key)
            }
        }
    }

    fn push_back(&mut self, slot: Slot) -> usize {
        let key = self.slots.insert(slot);
        self.link_back(key);
        key
    }

    fn remove(&mut self, key: usize) -> Option<Slot> {
        self.unlink(key);
        self.slots.try_remove(key)
    }

    /// Moves the first waiter to the end, marks it notified and returns its waker.
    fn rotate(&mut self) -> Option<Waker> {
        self.notify(self.head?)
    }

    /// The same for any waiter.
    fn notify(&mut self, key: usize) -> Option<Waker> {
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
    fn consumed_registration_leaves_once_and_keeps_its_turn() {
        let queue = WaitQueue::new();
        let all = counters::<2>();
        let a = queue.register(&all[0].1);
        queue.wake_one();
        a.consume();
        // The next one takes the place that is free now, and keeps it.
        let b = queue.register(&all[1].1);
        queue.wake_all();
        assert_eq!(counts(&all), [1, 1]);
        drop(b);
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
    fn waiters_for_other_events_sleep_on() {
        let queue = WaitQueue::new();
        let all = counters::<3>();
        let [r, w] = [Interest(1), Interest(4)];
        let mut reader = queue.register_for(&all[0].1, r, Turn::Shared);
        let _writer = queue.register_for(&all[1].1, w, Turn::Shared);
        let _both = queue.register(&all[2].1);
        queue.wake_for(r);
        assert_eq!(counts(&all), [1, 0, 1]);
        reader.set_interest(w);
        queue.wake_for(r);
        assert_eq!(counts(&all), [1, 0, 2]);
        queue.wake_for(w);
        assert_eq!(counts(&all), [2, 1, 3]);
    }

    #[test]
    fn of_those_that_take_turns_one_is_woken_besides_all_others() {
        let queue = WaitQueue::new();
        let all = counters::<4>();
        let turn = |i: usize| queue.register_for(&all[i].1, Interest(1), Turn::Exclusive);
        let (a, _b) = (turn(0), turn(1));
        let _shared = queue.register(&all[2].1);
        let _other = queue.register_for(&all[3].1, Interest(4), Turn::Exclusive);
        queue.wake_all();
        assert_eq!(counts(&all), [1, 0, 1, 0]);
        queue.wake_for(Interest(1));
        assert_eq!(counts(&all), [1, 1, 2, 0]);
        // It leaves without having done anything: the next one that waits for the same is woken.
        drop(a);
        assert_eq!(counts(&all), [1, 2, 2, 0]);
        queue.wake_for(Interest(4));
        assert_eq!(counts(&all), [1, 2, 3, 1]);
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
