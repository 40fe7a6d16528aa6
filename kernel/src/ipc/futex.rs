//! Futexes: who waits at which word of whose memory (futex(2)).
//!
//! ```text
//!   wait: join the queue ─> read the word ─ another value ─> leave
//!                                └ the expected one ─> park ─ woken, signal, timeout ─> leave
//! ```
//! The kernel keeps queues only; the word is the guest's. A waiter joins *before* it reads the word,
//! and whoever changes it wakes afterwards, so no wake-up is lost however the two are ordered. A
//! waiter that leaves asks whether it was woken meanwhile, and then it was: each wake-up reaches
//! somebody.
//!
//! Lock order: the table of queues is a leaf, but for the wait queues of the waiters.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Stall, Try};

use crate::call::{Answer, Fault};
use crate::memory::AddressSpace;
use crate::poll::Attempt;

/// A word of a memory: threads of a process, and a `vfork` child and its parent, have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Where the kernel keeps the address space: no other has this while anybody waits in it.
    space: usize,
    address: u32,
    reach: Reach,
}

/// Who may meet at a word. As in Linux, those that say that they are alone do not meet the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Threads of one process: `FUTEX_PRIVATE_FLAG`.
    Private,
    /// Whoever has the memory.
    Shared,
}

impl Key {
    /// The word at `address` of `space`.
    pub fn new(space: &Arc<Lock<AddressSpace>>, address: u32, reach: Reach) -> Self {
        Self {
            space: Arc::as_ptr(space).addr(),
            address,
            reach,
        }
    }
}

/// Who waits.
struct Waiter {
    /// So that no other address space gets the place of this one.
    _space: Arc<Lock<AddressSpace>>,
    /// Where: a requeue changes it. Under the lock of the table.
    key: Lock<Key>,
    /// The wake-ups that reach it: those with a bit in common.
    bits: u32,
    is_woken: AtomicBool,
    queue: WaitQueue,
}

/// All queues.
#[derive(Default)]
pub struct Futexes {
    queues: Lock<SortedMap<Key, VecDeque<Arc<Waiter>>>>,
}

impl fmt::Debug for Futexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nr_words = self.queues.lock().len();
        f.debug_struct("Futexes")
            .field("nr_words", &nr_words)
            .finish()
    }
}

impl Futexes {
    /// Nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins the queue of the word at `address`, last. The caller reads the word after this.
    pub fn join(
        self: &Arc<Self>,
        space: Arc<Lock<AddressSpace>>,
        address: u32,
        reach: Reach,
        bits: u32,
    ) -> Waiting {
        let key = Key::new(&space, address, reach);
        let waiter = Arc::new(Waiter {
            _space: space,
            key: Lock::new(key),
            bits,
            is_woken: AtomicBool::new(false),
            queue: WaitQueue::new(),
        });
        let mut queues = self.queues.lock();
        queues
            .get_or_insert_with(key, VecDeque::new)
            .push_back(Arc::clone(&waiter));
        drop(queues);
        Waiting {
            futexes: Arc::clone(self),
            waiter,
        }
    }

    /// Wakes up to `count` waiters that have a bit of `bits`, the first that came first; how many.
    pub fn wake(&self, key: Key, count: u32, bits: u32) -> u32 {
        let woken = take(&mut self.queues.lock(), key, count, bits);
        wake_all(&woken)
    }

    /// Wakes up to `nr_wake` waiters of `from`, and moves up to `nr_move` others to the end of
    /// `to`'s queue; how many were woken, and how many moved.
    pub fn requeue(&self, from: Key, to: Key, nr_wake: u32, nr_move: u32) -> (u32, u32) {
        let mut nr_moved = 0_u32;
        let woken = {
            let mut queues = self.queues.lock();
            let woken = take(&mut queues, from, nr_wake, u32::MAX);
            if from != to {
                let moved = take(&mut queues, from, nr_move, u32::MAX);
                nr_moved = u32::try_from(moved.len()).unwrap_or(u32::MAX);
                for waiter in &moved {
                    *waiter.key.lock() = to;
                }
                if !moved.is_empty() {
                    queues.get_or_insert_with(to, VecDeque::new).extend(moved);
                }
            }
            woken
        };
        (wake_all(&woken), nr_moved)
    }

    /// How many wait at a word.
    pub fn nr_waiters(&self, key: Key) -> usize {
        self.queues.lock().get(&key).map_or(0, VecDeque::len)
    }

    /// Takes a waiter out of its queue if nobody has.
    fn leave(&self, waiter: &Arc<Waiter>) {
        let mut queues = self.queues.lock();
        let key = *waiter.key.lock();
        let Some(queue) = queues.get_mut(&key) else {
            return;
        };
        queue.retain(|other| !Arc::ptr_eq(other, waiter));
        if queue.is_empty() {
            queues.remove(&key);
        }
    }
}

/// Takes up to `count` waiters with a bit of `bits` out of the queue of `key`.
fn take(
    queues: &mut SortedMap<Key, VecDeque<Arc<Waiter>>>,
    key: Key,
    count: u32,
    bits: u32,
) -> Vec<Arc<Waiter>> {
    let Some(queue) = queues.get_mut(&key) else {
        return Vec::new();
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut taken = Vec::new();
    queue.retain(|waiter| {
        let goes = taken.len() < count && waiter.bits & bits != 0;
        if goes {
            taken.push(Arc::clone(waiter));
        }
        !goes
    });
    if queue.is_empty() {
        queues.remove(&key);
    }
    taken
}

/// Wakes waiters that are in no queue any more; how many.
fn wake_all(waiters: &[Arc<Waiter>]) -> u32 {
    for waiter in waiters {
        waiter.is_woken.store(true, Ordering::SeqCst);
        waiter.queue.wake_all();
    }
    u32::try_from(waiters.len()).unwrap_or(u32::MAX)
}

/// A place in the queue of a word; dropping it leaves the queue.
#[must_use = "dropping it ends the wait"]
pub struct Waiting {
    futexes: Arc<Futexes>,
    waiter: Arc<Waiter>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = *self.waiter.key.lock();
        f.debug_struct("Waiting").field("key", &key).finish()
    }
}

impl Waiting {
    /// What is woken with it.
    pub fn queue(&self) -> WaitQueue {
        self.waiter.queue.clone()
    }

    /// Leaves the queue; whether a wake-up came before that.
    pub fn leave(&self) -> bool {
        self.futexes.leave(&self.waiter);
        self.waiter.is_woken.load(Ordering::SeqCst)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.waiter.is_woken.load(Ordering::SeqCst) {
            self.futexes.leave(&self.waiter);
        }
    }
}

impl Attempt for Waiting {
    type Output = u32;

    fn attempt(&mut self) -> Try<u32> {
        if self.waiter.is_woken.load(Ordering::SeqCst) {
            Ok(0)
        } else {
            Err(Stall::WouldBlock)
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<u32> {
        if self.leave() { Ok(0) } else { Err(fault) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Restart;
    use crate::memory::Budget;

    /// A table, and the words of one memory.
    struct Table {
        futexes: Arc<Futexes>,
        space: Arc<Lock<AddressSpace>>,
    }

    impl Table {
        fn new() -> Self {
            Self {
                futexes: Arc::new(Futexes::new()),
                space: Arc::new(Lock::new(AddressSpace::empty(&Budget::unlimited()))),
            }
        }

        fn word(&self, address: u32) -> Key {
            Key::new(&self.space, address, Reach::Private)
        }

        fn join(&self, address: u32, bits: u32) -> Waiting {
            let space = Arc::clone(&self.space);
            self.futexes.join(space, address, Reach::Private, bits)
        }

        fn wake(&self, address: u32, count: u32, bits: u32) -> u32 {
            self.futexes.wake(self.word(address), count, bits)
        }

        fn nr_waiters(&self, address: u32) -> usize {
            self.futexes.nr_waiters(self.word(address))
        }
    }

    fn is_woken(waiting: &mut Waiting) -> bool {
        waiting.attempt().is_ok()
    }

    #[test]
    fn waiters_are_woken_in_the_order_in_which_they_came() {
        let table = Table::new();
        let mut waiting: Vec<_> = (0..3).map(|_| table.join(8, u32::MAX)).collect();
        assert_eq!(table.wake(12, 9, u32::MAX), 0);
        assert_eq!(table.wake(8, 2, u32::MAX), 2);
        let woken: Vec<_> = waiting.iter_mut().map(is_woken).collect();
        assert_eq!(woken, [true, true, false]);
        assert_eq!(table.wake(8, 0, u32::MAX), 0);
        assert_eq!(table.wake(8, u32::MAX, u32::MAX), 1);
        assert_eq!(table.wake(8, 1, u32::MAX), 0);
    }

    #[test]
    fn only_waiters_with_a_bit_in_common_are_woken() {
        let table = Table::new();
        let mut odd = table.join(8, 1);
        let mut even = table.join(8, 2);
        assert_eq!(table.wake(8, 9, 2), 1);
        assert_eq!((is_woken(&mut odd), is_woken(&mut even)), (false, true));
        assert_eq!(table.wake(8, 9, 4), 0);
    }

    #[test]
    fn the_same_address_of_another_memory_is_another_word() {
        let (table, other) = (Table::new(), Table::new());
        let _waiting = table.join(8, u32::MAX);
        let shared = Key::new(&table.space, 8, Reach::Shared);
        assert_eq!(table.futexes.wake(shared, 1, u32::MAX), 0);
        assert_eq!(table.futexes.wake(other.word(8), 1, u32::MAX), 0);
        assert_eq!(table.wake(8, 1, u32::MAX), 1);
    }

    #[test]
    fn requeued_waiters_are_woken_at_the_other_word_only() {
        let table = Table::new();
        let mut waiting: Vec<_> = (0..4).map(|_| table.join(8, u32::MAX)).collect();
        let (from, to) = (table.word(8), table.word(12));
        assert_eq!(table.futexes.requeue(from, to, 1, 2), (1, 2));
        assert_eq!((table.nr_waiters(8), table.nr_waiters(12)), (1, 2));
        assert_eq!(table.wake(12, 1, u32::MAX), 1);
        let woken: Vec<_> = waiting.iter_mut().map(is_woken).collect();
        assert_eq!(woken, [true, true, false, false]);
        // One that was moved leaves the queue that it is in.
        drop(waiting);
        assert_eq!((table.nr_waiters(8), table.nr_waiters(12)), (0, 0));
    }

    #[test]
    fn a_requeue_to_the_same_word_moves_nobody() {
        let table = Table::new();
        let _waiting = [table.join(8, 1), table.join(8, 1)];
        let word = table.word(8);
        assert_eq!(table.futexes.requeue(word, word, 1, 9), (1, 0));
        assert_eq!(table.nr_waiters(8), 1);
    }

    #[test]
    fn one_that_gives_up_takes_no_wake_up_with_it() {
        let table = Table::new();
        let mut first = table.join(8, u32::MAX);
        let mut second = table.join(8, u32::MAX);
        let interrupted = Fault::Interrupted(Restart::Sys);
        assert_eq!(first.settle(interrupted), Err(interrupted));
        assert_eq!(table.wake(8, 1, u32::MAX), 1);
        assert_eq!(second.settle(Fault::TimedOut), Ok(0), "it was woken before");
        assert_eq!(table.futexes.queues.lock().len(), 0);
    }
}
