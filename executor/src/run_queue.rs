//! [`RunQueue`]: what is ready on one Worker, and the handshake with its sleep.
//!
//! Two queues: `local`, which only the own thread touches (its lock is never contended), and
//! `inbox`, where the other threads push. The own thread moves the inbox to the end of the local
//! queue in one batch, so order is first in, first out within each, and neither starves the other.
//!
//! # The idle handshake
//! ```text
//!   own thread, begin_idle            another thread, push_remote
//!   (1) idle = true                   (a) lock inbox; push; unlock
//!   (2) lock inbox; empty?; unlock    (b) idle.swap(false) was true? -> notify
//! ```
//! Either (2) comes before (a) in the order of the inbox's lock: then (1) happens before (b), which
//! sees `true` unless another push (or the own thread, awake) took it first. Or (a) comes before
//! (2): then (2) finds the item and the own thread does not sleep. No item is left behind in an
//! inbox of a sleeper that nobody notified. `tests/loom_run_queue.rs` tries all orders.

use std::{collections::VecDeque, fmt, mem};

use crate::{
    loom::{AtomicBool, AtomicUsize, Ordering},
    sync::Lock,
};

/// What the one who pushed has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a sleeping Worker that nobody notifies never runs the item"]
pub enum Pushed {
    /// Nothing: the owner is awake and will find the item.
    Queued,
    /// Ring the owner: it sleeps, and this push is the one that must wake it.
    MustNotify,
}

/// A queue with one consumer thread and many producers. Generic so that loom can model it.
pub struct RunQueue<T> {
    /// Ready items in order. Touched by the own thread; by others only to read its length.
    local: Lock<Fifo<T>>,
    /// Items from other threads in order.
    inbox: Lock<Fifo<T>>,
    /// Length of `inbox`; written under its lock, read without it as a hint.
    nr_inbox: AtomicUsize,
    /// The owner sleeps or is about to; whoever swaps it to false notifies. Written by swaps alone,
    /// which stand in one order that both sides agree on, at the price of one per sleep.
    is_idle: AtomicBool,
}

struct Fifo<T> {
    items: VecDeque<T>,
    /// Set once, when the executor is gone: nothing enters any more.
    is_closed: bool,
}

impl<T> Fifo<T> {
    fn new() -> Self {
        Self {
            items: VecDeque::new(),
            is_closed: false,
        }
    }

    /// Queues `item`, or gives it back when closed.
    fn push(&mut self, item: T) -> Result<(), T> {
        if self.is_closed {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }

    /// Closes, and returns what was in it.
    fn close(&mut self) -> VecDeque<T> {
        self.is_closed = true;
        mem::take(&mut self.items)
    }
}

impl<T> RunQueue<T> {
    /// An empty queue of an owner that is awake.
    pub fn new() -> Self {
        Self {
            local: Lock::new(Fifo::new()),
            inbox: Lock::new(Fifo::new()),
            nr_inbox: AtomicUsize::new(0),
            is_idle: AtomicBool::new(false),
        }
    }

    /// Queues `item`; for the own thread. After [`RunQueue::close`] the item is dropped.
    ///
    /// An owner that is idle and yet pushes (an event handler between two runs) rings its own bell.
    pub fn push_local(&self, item: T) -> Pushed {
        let pushed = self.local.lock().push(item);
        self.after_push(pushed)
    }

    /// Queues `item` from another thread. After [`RunQueue::close`] the item is dropped.
    pub fn push_remote(&self, item: T) -> Pushed {
        let pushed = {
            let mut inbox = self.inbox.lock();
            let pushed = inbox.push(item);
            self.nr_inbox.store(inbox.items.len(), Ordering::Relaxed);
            pushed
        };
        self.after_push(pushed)
    }

    /// Takes the oldest item; for the own thread.
    ///
    /// May miss an item that another thread pushes right now: only [`RunQueue::begin_idle`] knows
    /// for sure that there is none.
    pub fn pop(&self) -> Option<T> {
        let mut local = self.local.lock();
        if self.nr_inbox.load(Ordering::Relaxed) != 0 {
            let mut inbox = self.inbox.lock();
            local.items.append(&mut inbox.items);
            self.nr_inbox.store(0, Ordering::Relaxed);
        }
        local.items.pop_front()
    }

    /// Tells whether nothing is ready, as far as this thread knows.
    pub fn is_empty(&self) -> bool {
        self.nr_inbox.load(Ordering::Relaxed) == 0 && self.local.lock().items.is_empty()
    }

    /// Tells how many items are ready, as far as this thread knows.
    pub fn len(&self) -> usize {
        self.local
            .lock()
            .items
            .len()
            .saturating_add(self.nr_inbox.load(Ordering::Relaxed))
    }

    /// Announces that the owner is about to sleep; true if it may (see the module's drawing).
    pub fn begin_idle(&self) -> bool {
        self.is_idle.swap(true, Ordering::AcqRel);
        let is_inbox_empty = self.inbox.lock().items.is_empty();
        let is_empty = is_inbox_empty && self.local.lock().items.is_empty();
        if !is_empty {
            self.end_idle();
        }
        is_empty
    }

    /// Announces that the owner is awake: pushes need not notify it.
    pub fn end_idle(&self) {
        let _was_idle = self.take_idle();
    }

    /// Tells whether the owner sleeps, and takes over the duty to notify it if so.
    pub fn take_idle(&self) -> bool {
        // Reading first keeps the cache line shared on the common path, where it is false already.
        self.is_idle.load(Ordering::Relaxed) && self.is_idle.swap(false, Ordering::AcqRel)
    }

    /// Drops every item, and from now on every item that is pushed.
    pub fn close(&self) {
        // An item's drop may push others, so it happens without a lock: here and in `after_push`.
        let local = self.local.lock().close();
        let remote = {
            let mut inbox = self.inbox.lock();
            self.nr_inbox.store(0, Ordering::Relaxed);
            inbox.close()
        };
        drop((local, remote));
    }

    fn after_push(&self, pushed: Result<(), T>) -> Pushed {
        match pushed {
            Ok(()) if self.take_idle() => Pushed::MustNotify,
            Ok(()) => Pushed::Queued,
            Err(refused) => {
                drop(refused);
                Pushed::Queued
            }
        }
    }
}

impl<T> Default for RunQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for RunQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunQueue")
            .field("nr_inbox", &self.nr_inbox.load(Ordering::Relaxed))
            .field("is_idle", &self.is_idle.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn inbox_follows_what_was_local_before() {
        let queue = RunQueue::new();
        let _ = queue.push_local(1);
        let _ = queue.push_remote(2);
        let _ = queue.push_remote(3);
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop(), Some(1));
        let _ = queue.push_local(4);
        assert_eq!(
            [queue.pop(), queue.pop(), queue.pop()],
            [Some(2), Some(3), Some(4)]
        );
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn first_push_to_a_sleeper_notifies_and_the_second_does_not() {
        let queue = RunQueue::new();
        assert_eq!(queue.push_remote(1), Pushed::Queued);
        assert!(!queue.begin_idle());
        let _ = queue.pop();
        assert!(queue.begin_idle());
        assert_eq!(queue.push_remote(2), Pushed::MustNotify);
        assert_eq!(queue.push_remote(3), Pushed::Queued);
    }

    #[test]
    fn closed_queue_drops_what_comes() {
        let queue = RunQueue::new();
        let item = std::sync::Arc::new(());
        let _ = queue.push_local(item.clone());
        let _ = queue.push_remote(item.clone());
        queue.close();
        let _ = queue.push_remote(item.clone());
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
        assert!(queue.begin_idle());
    }
}
