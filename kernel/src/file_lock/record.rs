//! Locks on ranges of bytes of one file (`fcntl_locking(2)`).

use std::collections::HashMap;

use super::LockKind;
use crate::process::Pid;

/// Who has a record lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A process: `F_SETLK`.
    Process(Pid),
    /// An open file description, by its id: `F_OFD_SETLK`.
    Description(u64),
}

/// A range of bytes, both ends included; `last` is `u64::MAX` for "to the end of the file".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last byte, not before `first`.
    pub last: u64,
}

impl Range {
    /// Whether both have a byte.
    const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether both together are one range.
    const fn touches(self, other: Self) -> bool {
        self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1)
    }
}

/// A lock in another's way, as `F_GETLK` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Whose it is.
    pub owner: Owner,
    /// Its kind.
    pub kind: LockKind,
    /// Its range.
    pub range: Range,
}

/// The record locks of one file. No two of one owner overlap; two of one kind never touch.
#[derive(Debug, Default)]
pub(super) struct Records {
    locks: Vec<Conflict>,
}

impl Records {
    pub(super) const fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    /// The lock with the lowest first byte that keeps `owner` from locking `range`.
    pub(super) fn conflict(&self, owner: Owner, kind: LockKind, range: Range) -> Option<Conflict> {
        self.locks
            .iter()
            .filter(|lock| lock.owner != owner)
            .filter(|lock| lock.kind.excludes(kind) && lock.range.overlaps(range))
            .min_by_key(|lock| lock.range.first)
            .copied()
    }

    /// Gives `owner` a lock of `kind` on `range`, or none; says whether others may lock more now.
    pub(super) fn set(&mut self, owner: Owner, kind: Option<LockKind>, range: Range) -> bool {
        let mut whole = range;
        let mut gave_up = false;
        let mut rests = Vec::new();
        self.locks.retain(|lock| {
            if lock.owner != owner {
                return true;
            }
            if kind == Some(lock.kind) {
                if !lock.range.touches(whole) {
                    return true;
                }
                whole.first = whole.first.min(lock.range.first);
                whole.last = whole.last.max(lock.range.last);
                return false;
            }
            if !lock.range.overlaps(range) {
                return true;
            }
            gave_up |= kind != Some(LockKind::Exclusive);
            if let Some(last) = range
                .first
                .checked_sub(1)
                .filter(|&last| lock.range.first <= last)
            {
                rests.push(Conflict {
                    range: Range {
                        first: lock.range.first,
                        last,
                    },
                    ..*lock
                });
            }
            if let Some(first) = range
                .last
                .checked_add(1)
                .filter(|&first| first <= lock.range.last)
            {
                rests.push(Conflict {
                    range: Range {
                        first,
                        last: lock.range.last,
                    },
                    ..*lock
                });
            }
            false
        });
        self.locks.append(&mut rests);
        if let Some(kind) = kind {
            // Growing may have come to touch a lock that was looked at before: one more pass.
            self.locks.retain(|lock| {
                let merges = lock.owner == owner && lock.kind == kind && lock.range.touches(whole);
                if merges {
                    whole.first = whole.first.min(lock.range.first);
                    whole.last = whole.last.max(lock.range.last);
                }
                !merges
            });
            self.locks.push(Conflict {
                owner,
                kind,
                range: whole,
            });
        }
        gave_up
    }

    /// Drops all locks of `owner`; says whether there were any.
    pub(super) fn drop_all(&mut self, owner: Owner) -> bool {
        let nr_before = self.locks.len();
        self.locks.retain(|lock| lock.owner != owner);
        self.locks.len() < nr_before
    }
}

/// Which process waits for a lock of which other: a waiter waits for one at a time.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    blocked_by: HashMap<Owner, Owner>,
}

impl Waiters {
    pub(super) fn wait(&mut self, waiter: Owner, blocker: Option<Owner>) {
        match blocker {
            Some(blocker) => self.blocked_by.insert(waiter, blocker),
            None => self.blocked_by.remove(&waiter),
        };
    }

    pub(super) fn stop(&mut self, waiter: Owner) {
        self.blocked_by.remove(&waiter);
    }

    /// Whether `blocker` waits, through others perhaps, for `waiter`.
    pub(super) fn would_deadlock(&self, waiter: Owner, blocker: Owner) -> bool {
        // A chain without `waiter` has no circle, since each request was checked; the count is
        // for safety.
        let mut cursor = blocker;
        for _ in 0..self.blocked_by.len() {
            match self.blocked_by.get(&cursor) {
                Some(&next) if next == waiter => return true,
                Some(&next) => cursor = next,
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Owner = Owner::Process(1);
    const OTHER: Owner = Owner::Process(2);

    /// Model: the kind of each owner on each of 32 bytes.
    #[test]
    fn records_behave_like_locks_on_single_bytes() {
        let mut records = Records::default();
        let mut model = [[None; 32]; 2];
        let mut state = 0xdead_beef_1234_5678_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (a, b) = (state >> 8 & 31, state >> 16 & 31);
            let range = Range {
                first: a.min(b),
                last: a.max(b),
            };
            let bytes =
                usize::try_from(range.first).unwrap()..=usize::try_from(range.last).unwrap();
            let kind = [None, Some(LockKind::Shared), Some(LockKind::Exclusive)]
                [usize::try_from(state >> 24 & 63).unwrap() % 3];
            let is_other = state & 1 == 1;
            let (owner, mine, theirs) = if is_other { (OTHER, 1, 0) } else { (ME, 0, 1) };
            let conflicts = kind.is_some_and(|kind| {
                model[theirs][bytes.clone()]
                    .iter()
                    .flatten()
                    .any(|other: &LockKind| other.excludes(kind))
            });
            let found = kind.and_then(|kind| records.conflict(owner, kind, range));
            assert_eq!(found.is_some(), conflicts);
            if !conflicts {
                records.set(owner, kind, range);
                model[mine][bytes].fill(kind);
            }
            for (index, owner) in [ME, OTHER].into_iter().enumerate() {
                let nr_runs = model[index]
                    .chunk_by(|a, b| a == b)
                    .filter(|run| run[0].is_some());
                let nr_locks = records
                    .locks
                    .iter()
                    .filter(|lock| lock.owner == owner)
                    .count();
                assert_eq!(nr_locks, nr_runs.count());
            }
        }
    }

    #[test]
    fn circle_of_waiters_is_found() {
        let third = Owner::Process(3);
        let mut waiters = Waiters::default();
        waiters.wait(ME, Some(OTHER));
        waiters.wait(OTHER, Some(third));
        assert!(waiters.would_deadlock(third, ME));
        assert!(!waiters.would_deadlock(Owner::Process(4), ME));
        waiters.stop(OTHER);
        assert!(!waiters.would_deadlock(third, ME));
    }
}
