//! The bytes of a regular file: chunks of up to 64 KiB, made when they are written.
//!
//! A chunk holds only its bytes up to the last one written; what is behind, and chunks that do not
//! exist, read as zeros. Bytes past the end of the file are always zero in a chunk.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets stay below i64::MAX, which Content checks on entry"
)]

use std::collections::BTreeMap;

use abi::{Errno, Result};

use crate::io::{Sink, Source};
use crate::vfs::inode::{Extent, Seek};

/// Bytes of a chunk when it is full.
const CHUNK_SIZE: u64 = 64 << 10;
/// The unit in which memory is counted.
pub(super) const BLOCK_SIZE: u64 = 4096;
/// What holes read as.
const ZEROS: [u8; 4096] = [0; 4096];

/// The contents of one file.
#[derive(Debug, Default)]
pub(super) struct Content {
    chunks: BTreeMap<u64, Vec<u8>>,
    size: u64,
    /// Bytes in whole blocks that the chunks occupy.
    charged: u64,
}

/// Bytes that a chunk of `len` bytes occupies, in whole blocks.
fn occupied(len: usize) -> u64 {
    widen(len).next_multiple_of(BLOCK_SIZE)
}

fn widen(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length within a chunk.
fn narrow(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

impl Content {
    /// Bytes up to the end of the file.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of memory, in whole blocks.
    pub(super) const fn charged(&self) -> u64 {
        self.charged
    }

    /// Moves bytes from `offset` on into `sink`.
    ///
    /// # Errors
    /// What the sink says, when it takes nothing.
    pub(super) fn read(&self, mut offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let mut moved = 0_usize;
        while offset < self.size {
            let wanted = sink.remaining();
            if wanted == 0 {
                break;
            }
            let within = offset % CHUNK_SIZE;
            let len = (CHUNK_SIZE - within)
                .min(self.size - offset)
                .min(widen(wanted));
            let chunk = self.chunks.get(&(offset / CHUNK_SIZE));
            let stored = chunk
                .and_then(|chunk| chunk.get(narrow(within)..))
                .unwrap_or_default();
            let piece = if stored.is_empty() { &ZEROS } else { stored };
            let piece = piece.get(..narrow(len)).unwrap_or(piece);
            if let Err(error) = sink.put(piece) {
                return if moved == 0 { Err(error) } else { Ok(moved) };
            }
            moved += piece.len();
            offset += widen(piece.len());
        }
        Ok(moved)
    }

    /// Moves all of `source` to `offset`. `charge` takes bytes off the budget.
    ///
    /// # Errors
    /// `EFBIG`, and, when nothing was written, what `charge` and the source say.
    pub(super) fn write(
        &mut self,
        mut offset: u64,
        source: &mut dyn Source,
        charge: &dyn Fn(u64) -> Result<()>,
    ) -> Result<usize> {
        let end = offset
            .checked_add(widen(source.remaining()))
            .ok_or(Errno::EFBIG)?;
        if i64::try_from(end).is_err() {
            return Err(Errno::EFBIG.into());
        }
        let mut moved = 0_usize;
        while source.remaining() > 0 {
            match self.write_piece(offset, source, charge) {
                Ok(len) => {
                    moved += len;
                    offset += widen(len);
                    self.size = self.size.max(offset);
                }
                Err(error) if moved == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(moved)
    }

    /// Writes up to the end of one chunk.
    fn write_piece(
        &mut self,
        offset: u64,
        source: &mut dyn Source,
        charge: &dyn Fn(u64) -> Result<()>,
    ) -> Result<usize> {
        let within = narrow(offset % CHUNK_SIZE);
        let len = source.remaining().min(narrow(CHUNK_SIZE) - within);
        let end = within + len;
        let number = offset / CHUNK_SIZE;
        let old_len = self.chunks.get(&number).map_or(0, Vec::len);
        if end > old_len {
            let more = occupied(end) - occupied(old_len);
            if more > 0 {
                charge(more)?;
                self.charged += more;
            }
            let chunk = self.chunks.entry(number).or_default();
            if end > chunk.capacity() {
                // Doubling, but in whole blocks and never past the chunk.
                let goal = (chunk.capacity() * 2).max(narrow(occupied(end)));
                chunk.reserve_exact(goal.min(narrow(CHUNK_SIZE)) - chunk.len());
            }
            chunk.resize(end, 0);
        }
        let chunk = self.chunks.get_mut(&number);
        let target = chunk
            .and_then(|chunk| chunk.get_mut(within..end))
            .ok_or(Errno::EIO)?;
        if let Err(error) = source.take(target) {
            // What lies past the end of the file must stay zero.
            let kept = self.size.saturating_sub(offset).min(widen(len));
            target.get_mut(narrow(kept)..).unwrap_or_default().fill(0);
            return Err(error);
        }
        Ok(len)
    }

    /// Makes a hole from byte `start` to byte `end`; returns bytes that went off the budget.
    pub(super) fn punch(&mut self, start: u64, end: u64) -> u64 {
        let before = self.charged;
        let (first, last) = (start.div_ceil(CHUNK_SIZE), end / CHUNK_SIZE);
        if first < last {
            let whole: Vec<u64> = self.chunks.range(first..last).map(|(&at, _)| at).collect();
            for chunk in whole.iter().filter_map(|at| self.chunks.remove(at)) {
                self.charged -= occupied(chunk.len());
            }
        }
        for number in [start / CHUNK_SIZE, last] {
            if let Some(chunk) = self.chunks.get_mut(&number) {
                let within =
                    |at: u64| narrow(at.saturating_sub(number * CHUNK_SIZE)).min(chunk.len());
                let (from, to) = (within(start), within(end));
                chunk.get_mut(from..to).unwrap_or_default().fill(0);
            }
        }
        before - self.charged
    }

    /// Takes memory for the bytes from `start` to `end`, all of it or none. A chunk counts from its
    /// first byte.
    ///
    /// # Errors
    /// What `charge` says.
    pub(super) fn allocate(
        &mut self,
        (start, end): (u64, u64),
        extent: Extent,
        charge: &dyn Fn(u64) -> Result<()>,
    ) -> Result<()> {
        let (first, last) = (start / CHUNK_SIZE, (end - 1) / CHUNK_SIZE);
        let goal = |number: u64| narrow((end - number * CHUNK_SIZE).min(CHUNK_SIZE));
        let all = (last - first) * CHUNK_SIZE + occupied(goal(last));
        let there = self.chunks.range(first..=last).map(|(&number, chunk)| {
            let len = chunk.len().min(goal(number));
            occupied(len)
        });
        let more = all - there.sum::<u64>();
        charge(more)?;
        self.charged += more;
        for number in first..=last {
            let chunk = self.chunks.entry(number).or_default();
            let len = chunk.len().max(goal(number));
            chunk.reserve_exact(narrow(occupied(len)) - chunk.len());
            chunk.resize(len, 0);
        }
        if extent == Extent::Grow {
            self.size = self.size.max(end);
        }
        Ok(())
    }

    /// The first byte from `offset` on, which lies before the end, that is in a stored block or in
    /// none.
    ///
    /// # Errors
    /// `ENXIO` when no data follows.
    pub(super) fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        let mut at = offset;
        for (number, chunk) in self.chunks.range(offset / CHUNK_SIZE..) {
            let start = number * CHUNK_SIZE;
            let end = start + occupied(chunk.len());
            match what {
                Seek::Data if end > at => {
                    at = at.max(start);
                    break;
                }
                Seek::Hole if start > at => break,
                Seek::Hole => at = at.max(end),
                Seek::Data => at = start + CHUNK_SIZE,
            }
        }
        let is_data = self
            .chunks
            .get(&(at / CHUNK_SIZE))
            .is_some_and(|chunk| at % CHUNK_SIZE < occupied(chunk.len()));
        match what {
            Seek::Data if is_data && at < self.size => Ok(at),
            Seek::Data => Err(Errno::ENXIO.because("no data follows")),
            Seek::Hole => Ok(at.min(self.size)),
        }
    }

    /// Sets the size; returns bytes that went off the budget.
    ///
    /// # Errors
    /// `EFBIG`
    pub(super) fn resize(&mut self, size: u64) -> Result<u64> {
        if i64::try_from(size).is_err() {
            return Err(Errno::EFBIG.into());
        }
        let before = self.charged;
        if size < self.size {
            let keep = size.div_ceil(CHUNK_SIZE);
            for chunk in self.chunks.split_off(&keep).values() {
                self.charged -= occupied(chunk.len());
            }
            let within = narrow(size % CHUNK_SIZE);
            if within > 0
                && let Some(chunk) = self.chunks.get_mut(&(size / CHUNK_SIZE))
                && chunk.len() > within
            {
                self.charged -= occupied(chunk.len()) - occupied(within);
                chunk.truncate(within);
                chunk.shrink_to(narrow(occupied(within)));
            }
        }
        self.size = size;
        Ok(before - self.charged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::VecSink;

    fn write(content: &mut Content, offset: u64, mut bytes: &[u8]) -> Result<usize> {
        content.write(offset, &mut bytes, &|_| Ok(()))
    }

    fn read(content: &Content, offset: u64, len: usize) -> Vec<u8> {
        let mut sink = VecSink::new(len);
        content.read(offset, &mut sink).unwrap();
        sink.bytes
    }

    #[test]
    fn holes_read_as_zeros_and_cost_nothing() {
        let mut content = Content::default();
        write(&mut content, 10 << 20, b"end").unwrap();
        assert_eq!(content.size(), (10 << 20) + 3);
        assert_eq!(content.charged(), BLOCK_SIZE);
        assert!(
            read(&content, 5 << 20, 100_000)
                .iter()
                .all(|&byte| byte == 0)
        );
        assert_eq!(read(&content, (10 << 20) - 1, 10), b"\0end");
    }

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut content = Content::default();
        write(&mut content, 0, &[7; 200_000]).unwrap();
        content.resize(70_000).unwrap();
        content.resize(200_000).unwrap();
        let bytes = read(&content, 0, 300_000);
        assert_eq!(bytes.len(), 200_000);
        assert!(bytes[..70_000].iter().all(|&byte| byte == 7));
        assert!(bytes[70_000..].iter().all(|&byte| byte == 0));
        content.resize(0).unwrap();
        assert_eq!(content.charged(), 0);
    }

    #[test]
    fn punched_holes_read_as_zeros_and_give_their_memory_back() {
        let mut content = Content::default();
        write(&mut content, 0, &[7; 300_000]).unwrap();
        assert_eq!(content.punch(1000, 2000), 0);
        assert_eq!(content.punch(100_000, 270_000), 2 * CHUNK_SIZE);
        content.punch(299_990, 1 << 40);
        let mut expected = vec![7; 300_000];
        for hole in [1000..2000, 100_000..270_000, 299_990..300_000] {
            expected[hole].fill(0);
        }
        assert!(read(&content, 0, 400_000) == expected);
        content.punch(0, u64::MAX);
        assert_eq!((content.size(), content.charged()), (300_000, 0));
    }

    #[test]
    fn memory_is_taken_ahead_once_and_holes_are_found() {
        let mut content = Content::default();
        let taken = std::cell::Cell::new(0);
        let charge = |bytes: u64| {
            taken.set(taken.get() + bytes);
            Ok(())
        };
        content.allocate((0, 10), Extent::Grow, &charge).unwrap();
        assert_eq!((content.size(), taken.get()), (10, BLOCK_SIZE));
        let far = (3 * CHUNK_SIZE + 100, 5 * CHUNK_SIZE + 5000);
        content.allocate(far, Extent::Keep, &charge).unwrap();
        content.allocate(far, Extent::Keep, &charge).unwrap();
        assert_eq!((content.size(), content.charged()), (10, taken.get()));
        assert_eq!(taken.get(), BLOCK_SIZE + 2 * CHUNK_SIZE + 2 * BLOCK_SIZE);
        assert_eq!(content.seek(0, Seek::Hole), Ok(10));
        content.resize(6 * CHUNK_SIZE).unwrap();
        assert_eq!(content.seek(0, Seek::Hole), Ok(BLOCK_SIZE));
        assert_eq!(content.seek(0, Seek::Data), Ok(0));
        assert_eq!(content.seek(BLOCK_SIZE, Seek::Data), Ok(3 * CHUNK_SIZE));
        let end = 5 * CHUNK_SIZE + 2 * BLOCK_SIZE;
        assert_eq!(content.seek(3 * CHUNK_SIZE, Seek::Hole), Ok(end));
        assert_eq!(content.seek(end, Seek::Hole), Ok(end));
        assert!(content.seek(end, Seek::Data).is_err());
        let full = |_| Err(Errno::ENOSPC.into());
        let result = content.allocate((0, u64::MAX >> 1), Extent::Grow, &full);
        assert_eq!(result.unwrap_err().errno, Errno::ENOSPC);
        assert_eq!(content.size(), 6 * CHUNK_SIZE);
    }

    #[test]
    fn a_failed_take_leaves_zeros_behind_the_end() {
        struct Bad;
        impl Source for Bad {
            fn remaining(&self) -> usize {
                10
            }
            fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
                bytes.fill(9);
                Err(Errno::EFAULT.into())
            }
        }
        let mut content = Content::default();
        write(&mut content, 0, b"abc").unwrap();
        content.write(2, &mut Bad, &|_| Ok(())).unwrap_err();
        content.resize(8).unwrap();
        assert_eq!(&read(&content, 0, 10)[3..], b"\0\0\0\0\0");
    }

    #[test]
    fn a_full_budget_ends_a_write_early() {
        let mut content = Content::default();
        let left = std::cell::Cell::new(CHUNK_SIZE);
        let charge = |bytes: u64| {
            left.set(left.get().checked_sub(bytes).ok_or(Errno::ENOSPC)?);
            Ok(())
        };
        let bytes = vec![1; 100_000];
        assert_eq!(content.write(0, &mut bytes.as_slice(), &charge), Ok(65_536));
        let error = content
            .write(65_536, &mut bytes.as_slice(), &charge)
            .unwrap_err();
        assert_eq!(error.errno, Errno::ENOSPC);
    }
}
