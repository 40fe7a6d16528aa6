//! [`Timers`]: all deadlines of one executor, in order, and [`Sleep`], the future of one.
//!
//! A B-tree rather than a binary heap: most timers are cancelled (a timeout that did not come), and
//! the tree lets go of a cancelled one at once, with its waker, at the same O(log n) as the rest. A
//! heap keeps the stale entries and needs compaction to stay in bounds.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::sorted::SortedMap;
use crate::{
    executor::Shared,
    loom::{AtomicU64, Ordering},
    sync::Lock,
};

/// The timers of one executor.
pub(crate) struct Timers {
    tree: Lock<Tree>,
    /// The earliest deadline, `u64::MAX` without one; written under the lock, read as a hint.
    earliest_ns: AtomicU64,
}

#[derive(Default)]
struct Tree {
    wakers: SortedMap<TimerKey, Waker>,
    next_seq: u64,
}

/// A timer, for good: no other timer of its executor ever has the same key. Ordered by deadline,
/// then by age, so that equal deadlines expire in the order in which they were set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TimerKey {
    deadline_ns: u64,
    seq: u64,
}

impl Tree {
    fn earliest_ns(&self) -> u64 {
        self.wakers
            .first_key_value()
            .map_or(u64::MAX, |(key, _)| key.deadline_ns)
    }
}

impl Timers {
    /// No timers.
    pub(crate) fn new() -> Self {
        Self {
            tree: Lock::default(),
            earliest_ns: AtomicU64::new(u64::MAX),
        }
    }

    /// The earliest deadline as far as this thread knows, `u64::MAX` for none. Takes no lock.
    pub(crate) fn earliest_hint_ns(&self) -> u64 {
        self.earliest_ns.load(Ordering::Relaxed)
    }

    /// The earliest deadline, for certain; `u64::MAX` is never.
    pub(crate) fn earliest_ns(&self) -> Option<u64> {
        Some(self.tree.lock().earliest_ns()).filter(|&earliest| earliest != u64::MAX)
    }

    /// Wakes all whose deadline is `now_ns` or before, earliest first.
    pub(crate) fn expire(&self, now_ns: u64) {
        while self.earliest_hint_ns() <= now_ns {
            // One by one, each waker called after the lock is released; few expire together.
            let due = self.change(|tree| {
                if tree.earliest_ns() > now_ns {
                    None
                } else {
                    tree.wakers.pop_first()
                }
            });
            match due {
                Some((_, waker)) => waker.wake(),
                None => return,
            }
        }
    }

    /// Drops all timers without waking anyone.
    pub(crate) fn clear(&self) {
        drop(self.change(|tree| std::mem::take(&mut tree.wakers)));
    }

    /// Adds a timer; the flag tells whether it is now the earliest.
    fn insert(&self, deadline_ns: u64, waker: Waker) -> (TimerKey, bool) {
        self.change(|tree| {
            let is_earliest = deadline_ns < tree.earliest_ns();
            let key = TimerKey {
                deadline_ns,
                seq: tree.next_seq,
            };
            tree.next_seq = tree.next_seq.wrapping_add(1);
            tree.wakers.insert(key, waker);
            (key, is_earliest)
        })
    }

    fn cancel(&self, key: TimerKey) {
        // A waker's drop may end its task, and with it other timers: never under the lock.
        drop(self.change(|tree| tree.wakers.remove(&key)));
    }

    /// Sets the waker of a timer; false when the timer has expired.
    fn update(&self, key: TimerKey, waker: &Waker) -> bool {
        let replaced = {
            let mut tree = self.tree.lock();
            let Some(slot) = tree.wakers.get_mut(&key) else {
                return false;
            };
            if slot.will_wake(waker) {
                None
            } else {
                Some(std::mem::replace(slot, waker.clone()))
            }
        };
        drop(replaced);
        true
    }

    fn change<R>(&self, change: impl FnOnce(&mut Tree) -> R) -> R {
        let mut tree = self.tree.lock();
        let result = change(&mut tree);
        self.earliest_ns
            .store(tree.earliest_ns(), Ordering::Relaxed);
        result
    }
}

/// A future that is ready once its executor's clock shows a deadline.
///
/// Its timer starts at the first poll. Ready at once if the deadline is past by then.
///
/// # Cancellation
/// Dropping it removes the timer; nothing is lost. It may be polled and dropped on any thread.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    shared: Arc<Shared>,
    deadline_ns: u64,
    state: State,
}

enum State {
    New,
    Waiting(TimerKey),
    Done,
}

impl Sleep {
    pub(crate) fn new(shared: Arc<Shared>, deadline_ns: u64) -> Self {
        Self {
            shared,
            deadline_ns,
            state: State::New,
        }
    }

    /// The moment it waits for, in nanoseconds of the executor's clock.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let timers = &self.shared.timers;
        let is_done = match self.state {
            State::New => {
                if self.shared.clock.now_ns() >= self.deadline_ns {
                    true
                } else {
                    let (key, is_earliest) = timers.insert(self.deadline_ns, cx.waker().clone());
                    if is_earliest {
                        self.shared.notify_if_idle();
                    }
                    self.state = State::Waiting(key);
                    return Poll::Pending;
                }
            }
            State::Waiting(key) => !timers.update(key, cx.waker()),
            State::Done => true,
        };
        if !is_done {
            return Poll::Pending;
        }
        self.state = State::Done;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Waiting(key) = self.state {
            self.shared.timers.cancel(key);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline_ns", &self.deadline_ns)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn insert(timers: &Timers, deadline_ns: u64) -> (TimerKey, bool) {
        timers.insert(deadline_ns, Waker::noop().clone())
    }

    #[test]
    fn cancelled_timers_leave_nothing_behind() {
        let timers = Timers::new();
        let (keep, _) = insert(&timers, 5);
        let keys: Vec<_> = (0..10_000).map(|i| insert(&timers, 1_000 + i).0).collect();
        keys.into_iter().for_each(|key| timers.cancel(key));
        assert_eq!(timers.tree.lock().wakers.len(), 1);
        assert!(timers.update(keep, Waker::noop()));
        assert_eq!(timers.earliest_ns(), Some(5));
    }

    #[test]
    fn cancelling_the_earliest_shows_the_next() {
        let timers = Timers::new();
        let (first, is_earliest) = insert(&timers, 10);
        assert!(is_earliest);
        assert!(!insert(&timers, 20).1);
        timers.cancel(first);
        assert_eq!(
            (timers.earliest_ns(), timers.earliest_hint_ns()),
            (Some(20), 20)
        );
        timers.expire(20);
        assert_eq!(
            (timers.earliest_ns(), timers.earliest_hint_ns()),
            (None, u64::MAX)
        );
        timers.expire(u64::MAX);
    }

    #[test]
    fn key_of_an_expired_timer_does_not_touch_its_successor() {
        let timers = Timers::new();
        let (old, _) = insert(&timers, 1);
        timers.expire(1);
        let (new, _) = insert(&timers, 1);
        timers.cancel(old);
        assert!(!timers.update(old, Waker::noop()));
        assert!(timers.update(new, Waker::noop()));
        timers.clear();
        assert!(!timers.update(new, Waker::noop()));
    }
}
