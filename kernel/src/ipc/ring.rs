//! A ring of bytes whose storage grows with its use, up to a limit that may change.
//!
//! Pipes and terminals keep their bytes here. Copies go straight between the storage and a
//! [`Sink`] or [`Source`], in at most two pieces.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "positions are masked by the power-of-two length, lengths bounded by the capacity"
)]

use std::sync::Arc;

use abi::Result;
use fs::budget::{Budget, Charge, Class};
use fs::io::{Sink, Source};

/// The first allocation, in bytes.
const MIN_STORAGE: usize = 4096;

/// Bytes in the order of their arrival.
///
/// Invariants: `storage.len()` is 0 or a power of two, at most `capacity`; `len <= storage.len()`;
/// `head < storage.len()` unless it is 0.
#[derive(Debug)]
pub(crate) struct Ring {
    storage: Box<[u8]>,
    /// Position of the oldest byte.
    head: usize,
    /// How many bytes are in it.
    len: usize,
    /// The most that it may hold: a power of two, at least `MIN_STORAGE`.
    capacity: usize,
    /// What the storage is taken from; `None`: nobody counts it.
    charge: Option<Charge>,
}

/// Where [`Ring::force`] puts bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before the oldest.
    Front,
    /// Behind the newest.
    Back,
}

impl Ring {
    /// An empty ring for `capacity` bytes, rounded up to a power of two. Allocates nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            storage: Box::default(),
            head: 0,
            len: 0,
            capacity: Self::rounded(capacity),
            charge: None,
        }
    }

    /// The same with storage that is taken from `budget`.
    pub(crate) fn charged(capacity: usize, budget: &Arc<Budget>) -> Self {
        Self {
            charge: Some(Charge::empty(budget, Class::Pipes)),
            ..Self::new(capacity)
        }
    }

    /// The capacity that a request for `capacity` bytes gives.
    pub(crate) fn rounded(capacity: usize) -> usize {
        capacity
            .max(MIN_STORAGE)
            .checked_next_power_of_two()
            .unwrap_or(1 << 30)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many more bytes fit.
    pub(crate) const fn free(&self) -> usize {
        self.capacity.saturating_sub(self.len)
    }

    /// Changes the capacity; fails when the contents would not fit.
    pub(crate) fn set_capacity(&mut self, capacity: usize) -> bool {
        let capacity = Self::rounded(capacity);
        if self.len > capacity {
            return false;
        }
        self.capacity = capacity;
        // Less storage is never refused.
        self.storage.len() <= capacity || self.move_to(capacity).is_ok()
    }

    /// Drops the contents and the storage.
    pub(crate) fn clear(&mut self) {
        self.storage = Box::default();
        (self.head, self.len) = (0, 0);
        if let Some(charge) = &mut self.charge {
            *charge = Charge::empty(charge.budget(), Class::Pipes);
        }
    }

    /// Moves the contents to new storage of `size` bytes (a power of two that holds them).
    ///
    /// # Errors
    /// `ENOMEM` when the pod has no memory for it; nothing has changed then.
    #[cold]
    fn move_to(&mut self, size: usize) -> Result<()> {
        if let Some(charge) = &mut self.charge {
            charge.resize(u64::try_from(size).unwrap_or(u64::MAX))?;
        }
        let mut storage = vec![0; size].into_boxed_slice();
        let (first, second) = self.filled();
        storage[..first.len()].copy_from_slice(first);
        storage[first.len()..first.len() + second.len()].copy_from_slice(second);
        self.storage = storage;
        self.head = 0;
        Ok(())
    }

    /// The contents, oldest first, in two pieces.
    pub(crate) fn filled(&self) -> (&[u8], &[u8]) {
        let to_end = self.storage.len() - self.head;
        if self.len <= to_end {
            (&self.storage[self.head..self.head + self.len], &[])
        } else {
            (
                &self.storage[self.head..],
                &self.storage[..self.len - to_end],
            )
        }
    }

    /// Moves up to `limit` bytes into `sink`; returns how many. Bytes that the sink refused stay.
    ///
    /// # Errors
    /// What the sink says, when nothing was moved.
    pub(crate) fn pop_into(&mut self, limit: usize, sink: &mut dyn Sink) -> Result<usize> {
        let wanted = limit.min(self.len).min(sink.remaining());
        let first = wanted.min(self.storage.len() - self.head);
        if first == 0 {
            return Ok(0);
        }
        sink.put(&self.storage[self.head..self.head + first])?;
        self.consume(first);
        let second = wanted - first;
        if second > 0
            && sink
                .put(&self.storage[self.head..self.head + second])
                .is_ok()
        {
            self.consume(second);
            return Ok(wanted);
        }
        Ok(first)
    }

    /// Drops the oldest `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        // An empty ring starts over: small messages stay in the same cache lines.
        self.head = if self.len == 0 {
            0
        } else {
            (self.head + count) & (self.storage.len() - 1)
        };
    }

    /// Makes the storage large enough for `more` bytes as far as they fit. What gets no more
    /// storage makes do with what it has: the capacity sinks.
    ///
    /// # Errors
    /// `ENOMEM` when it gets no storage at all.
    pub(crate) fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.len + more.min(self.free());
        if needed <= self.storage.len() {
            return Ok(());
        }
        if let Err(error) = self.move_to(Self::rounded(needed).min(self.capacity)) {
            if self.storage.is_empty() && self.move_to(MIN_STORAGE).is_err() {
                return Err(error);
            }
            self.capacity = self.storage.len();
        }
        Ok(())
    }

    /// Takes up to `limit` bytes, and no more than fit, from `source`; returns how many. Fewer fit
    /// after [`Self::reserve`] has not got what it wanted.
    ///
    /// # Errors
    /// What the source says, when nothing was taken; `ENOMEM` without any storage.
    pub(crate) fn push_from(&mut self, limit: usize, source: &mut dyn Source) -> Result<usize> {
        self.reserve(limit.min(source.remaining()))?;
        let wanted = limit.min(self.free()).min(source.remaining());
        if wanted == 0 {
            return Ok(0);
        }
        let mask = self.storage.len() - 1;
        let tail = (self.head + self.len) & mask;
        let first = wanted.min(self.storage.len() - tail);
        source.take(&mut self.storage[tail..tail + first])?;
        self.len += first;
        let second = wanted - first;
        if second > 0 && source.take(&mut self.storage[..second]).is_ok() {
            self.len += second;
            return Ok(wanted);
        }
        Ok(first)
    }

    /// Appends all of `bytes` or, when they do not fit, nothing; says which.
    pub(crate) fn push_all(&mut self, mut bytes: &[u8]) -> bool {
        if bytes.len() > self.free() {
            return false;
        }
        let wanted = bytes.len();
        matches!(self.push_from(wanted, &mut bytes), Ok(count) if count == wanted)
    }

    /// Puts `bytes` back where they were taken from, or behind the newest, although they may not
    /// fit: then the capacity rises.
    ///
    /// # Errors
    /// `ENOMEM` when the pod has no memory for more storage; nothing has changed then.
    #[cold]
    pub(crate) fn force(&mut self, mut bytes: &[u8], place: Place) -> Result<()> {
        let needed = self.len + bytes.len();
        if needed > self.storage.len() {
            self.move_to(Self::rounded(needed))?;
            self.capacity = self.capacity.max(self.storage.len());
        }
        let mask = self.storage.len().wrapping_sub(1);
        let start = match place {
            Place::Front => {
                self.head = self.head.wrapping_sub(bytes.len()) & mask;
                self.head
            }
            Place::Back => (self.head + self.len) & mask,
        };
        self.len = needed;
        let first = bytes.len().min(self.storage.len() - start);
        bytes.take(&mut self.storage[start..start + first])?;
        let rest = bytes.len();
        bytes.take(&mut self.storage[..rest])
    }

    /// The oldest bytes in one piece; empty only when the ring is.
    pub(crate) fn front(&self) -> &[u8] {
        self.filled().0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use fs::io::VecSink;

    use super::*;

    #[test]
    fn ring_behaves_like_a_queue_of_bytes() {
        let mut ring = Ring::new(16_384);
        let mut model = VecDeque::new();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next_byte = 0_u8;
        for _ in 0..4000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let count = usize::try_from(state >> 20).unwrap() % 6000;
            if state & 1 == 0 {
                let bytes: Vec<u8> = (0..count)
                    .map(|_| {
                        next_byte = next_byte.wrapping_add(1);
                        next_byte
                    })
                    .collect();
                let taken = ring.push_from(usize::MAX, &mut bytes.as_slice()).unwrap();
                assert_eq!(taken, count.min(16_384 - model.len()));
                model.extend(&bytes[..taken]);
            } else {
                let mut sink = VecSink::new(count);
                let moved = ring.pop_into(usize::MAX, &mut sink).unwrap();
                let expected: Vec<u8> = model.drain(..count.min(model.len())).collect();
                assert_eq!((moved, &sink.bytes), (expected.len(), &expected));
            }
            assert_eq!(ring.len(), model.len());
            assert_eq!(ring.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn storage_that_nobody_has_makes_the_capacity_sink() {
        let limits = fs::budget::Limits {
            memory: Some(10 << 10),
            ..fs::budget::Limits::NONE
        };
        let budget = Budget::new(limits, Box::new(|| 0));
        let mut ring = Ring::charged(65_536, &budget);
        assert_eq!(
            ring.push_from(usize::MAX, &mut [1; 9000].as_slice()),
            Ok(4096)
        );
        assert_eq!((ring.capacity(), ring.free()), (4096, 0));
        let mut other = Ring::charged(65_536, &budget);
        assert!(other.push_all(&[2; 4096]));
        let error = Ring::charged(65_536, &budget).push_from(1, &mut [3].as_slice());
        assert_eq!(error.unwrap_err().errno, abi::Errno::ENOMEM);
        other.clear();
        drop(ring);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn forced_bytes_stand_at_either_end_and_raise_the_capacity() {
        let mut ring = Ring::new(4096);
        assert!(ring.push_all(&[2; 4000]));
        ring.consume(3000);
        ring.force(&[1; 10], Place::Front).unwrap();
        ring.force(&[3; 3086], Place::Back).unwrap();
        assert_eq!((ring.len(), ring.capacity()), (4096, 4096));
        ring.force(&[0; 5], Place::Front).unwrap();
        assert_eq!((ring.len(), ring.capacity()), (4101, 8192));
        let mut sink = VecSink::new(9000);
        while !ring.is_empty() {
            ring.pop_into(usize::MAX, &mut sink).unwrap();
        }
        let expected = [&[0; 5][..], &[1; 10], &[2; 1000], &[3; 3086]].concat();
        assert!(sink.bytes == expected);
        ring.force(&[], Place::Front).unwrap();
        Ring::new(4096).force(&[], Place::Back).unwrap();
    }

    #[test]
    fn capacity_shrinks_only_when_the_contents_fit() {
        let mut ring = Ring::new(65_536);
        assert!(ring.push_all(&[7; 10_000]));
        assert!(!ring.set_capacity(8192));
        assert!(ring.set_capacity(16_384));
        assert_eq!(
            (ring.capacity(), ring.len(), ring.free()),
            (16_384, 10_000, 6384)
        );
        let mut sink = VecSink::new(20_000);
        assert_eq!(ring.pop_into(usize::MAX, &mut sink).unwrap(), 10_000);
        assert!(sink.bytes.iter().all(|&byte| byte == 7));
    }
}
