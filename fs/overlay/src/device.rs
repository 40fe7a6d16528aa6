//! The overlay as a block device.

use fs_block::{BlockDevice, BlockError};

use crate::batch::Waiting;
use crate::codec::{narrow, wide};
use crate::index::Entry;
use crate::log::Log;
use crate::overlay::{Commit, Overlay, block_error};
use crate::store::{Store, StoreError};

/// Room for what a cache above still wants to write when the device calls itself full.
const RESERVE_BYTES: u64 = 16 << 20;

/// The part of a request that lies in one block.
struct Piece {
    block: u64,
    within: usize,
    len: usize,
}

impl<B: BlockDevice, S: Store> Overlay<B, S> {
    /// The first piece of `len` bytes at byte `at`.
    fn piece(&self, at: u64, len: usize) -> Piece {
        let size = self.log.block_size();
        let within = narrow(at & (wide(size).saturating_sub(1)));
        Piece {
            block: at >> self.log.header.block_shift,
            within,
            len: size.saturating_sub(within).min(len),
        }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), BlockError> {
        offset
            .checked_add(wide(len))
            .filter(|end| *end <= self.base.len_bytes())
            .map(|_| ())
            .ok_or(BlockError::OutOfRange)
    }

    /// Reads a piece that the log has into the beginning of `buf`, and the blocks that follow it there as well as on
    /// the disk. How many bytes; 0 when only the base has it.
    fn read_own(&self, piece: &Piece, buf: &mut [u8]) -> Result<usize, BlockError> {
        let end = piece.within.saturating_add(piece.len);
        let size = self.log.block_size();
        let whole = buf.len() & !size.saturating_sub(1);
        let place = buf.get_mut(..piece.len).ok_or(BlockError::Io)?;
        match self.batch.find(piece.block) {
            Some(Waiting::Bytes(bytes)) => {
                let bytes = bytes.get(piece.within..end).ok_or(BlockError::Io)?;
                place.copy_from_slice(bytes);
                return Ok(piece.len);
            }
            Some(Waiting::Zeros) => {
                place.fill(0);
                return Ok(piece.len);
            }
            None => {}
        }
        let entry = self.index.entry(piece.block);
        let Some(at) = entry.offset() else {
            if entry.is_zeros() {
                place.fill(0);
                return Ok(piece.len);
            }
            return Ok(0);
        };
        let store = self.stores.get(self.active).ok_or(BlockError::Io)?;
        let failed = |error| match error {
            StoreError::Pending => {
                BlockError::NotResident(piece.block << self.log.header.block_shift)
            }
            error => block_error(error),
        };
        if piece.len < size {
            let mut block = vec![0; size];
            Log::read_blocks(store, at, &[entry], &mut block).map_err(failed)?;
            let bytes = block.get(piece.within..end).ok_or(BlockError::Io)?;
            place.copy_from_slice(bytes);
            return Ok(piece.len);
        }
        let entries = self.neighbours(piece.block, entry, at, whole);
        let len = entries.len().saturating_mul(size);
        let place = buf.get_mut(..len).ok_or(BlockError::Io)?;
        Log::read_blocks(store, at, &entries, place).map_err(failed)?;
        Ok(len)
    }

    /// `first`, which has data at `at`, and the entries of the blocks after it while their data follow there, for at most
    /// `len` bytes.
    fn neighbours(&self, block: u64, first: Entry, at: u64, len: usize) -> Vec<Entry> {
        let size = wide(self.log.block_size());
        let blocks = block..block.saturating_add(wide(len) >> self.log.header.block_shift);
        let following = blocks
            .skip(1)
            .zip(1..)
            .map_while(|(block, number): (u64, u64)| {
                let entry = self.index.entry(block);
                let here = at.saturating_add(number.saturating_mul(size));
                let is_next = entry.offset() == Some(here) && self.batch.find(block).is_none();
                is_next.then_some(entry)
            });
        core::iter::once(first).chain(following).collect()
    }
}

impl<B: BlockDevice, S: Store> BlockDevice for Overlay<B, S> {
    fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len())?;
        // Neighbouring blocks of the base are asked for together.
        let mut from_base = 0..0;
        let mut done = 0;
        while done < buf.len() {
            let at = offset.saturating_add(wide(done));
            let piece = self.piece(at, buf.len().saturating_sub(done));
            let rest = buf.get_mut(done..).ok_or(BlockError::Io)?;
            let own = self.read_own(&piece, rest)?;
            let end = done.saturating_add(own.max(piece.len));
            if own == 0 {
                if from_base.end != done {
                    self.read_base(offset, from_base, buf)?;
                    from_base = done..done;
                }
                from_base.end = end;
            }
            done = end;
        }
        self.read_base(offset, from_base, buf)
    }

    /// A write of a part of a block may answer `NotResident`, as the rest of it comes from the base;
    /// nothing of that block has changed then.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.check(offset, bytes.len())?;
        let size = self.log.block_size();
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let piece = self.piece(at, rest.len());
            let (part, tail) = rest.split_at_checked(piece.len).ok_or(BlockError::Io)?;
            // One that waits as zeros takes room, too, when it gets contents.
            let has_room = matches!(self.batch.find(piece.block), Some(Waiting::Bytes(_)));
            if self.batch.is_full() && !has_room {
                self.append_batch(Commit::No)?;
            }
            if part.len() == size {
                self.batch.put(piece.block, part, false);
            } else {
                let mut block = vec![0; size];
                let start = piece.block << self.log.header.block_shift;
                let len = narrow(self.base.len_bytes().saturating_sub(start)).min(size);
                self.read(start, block.get_mut(..len).ok_or(BlockError::Io)?)?;
                let end = piece.within.saturating_add(part.len());
                let place = block.get_mut(piece.within..end).ok_or(BlockError::Io)?;
                place.copy_from_slice(part);
                self.batch.put(piece.block, &block, false);
            }
            self.is_changed = true;
            self.written_bytes = self.written_bytes.saturating_add(wide(part.len()));
            at = at.saturating_add(wide(part.len()));
            rest = tail;
        }
        Ok(())
    }

    /// Frees what the log has of whole blocks: they become zeros, without data. Blocks that are only
    /// in the base, or copies of it, stay.
    fn discard(&mut self, offset: u64, len: u64) {
        let size = wide(self.log.block_size());
        let first = offset.div_ceil(size);
        let end = offset.saturating_add(len) >> self.log.header.block_shift;
        for block in first..end {
            let entry = self.index.entry(block);
            let is_waiting = self.batch.find(block).is_some();
            if !is_waiting && (entry.offset().is_none() || entry.is_clean()) {
                continue;
            }
            if !is_waiting && self.batch.is_full() && self.append_batch(Commit::No).is_err() {
                return;
            }
            self.batch.put_zeros(block, false);
            self.is_changed = true;
        }
    }

    /// Whether less than a quarter of the limit, and less than 16 MiB, is left after a compaction.
    fn is_full(&self) -> bool {
        let limit = self.options.limit_bytes;
        let statistics = self.statistics();
        let used = statistics
            .log_bytes
            .saturating_sub(statistics.garbage_bytes);
        limit.saturating_sub(used) < (limit / 4).min(RESERVE_BYTES)
    }

    /// Ends a transaction: after a crash the device is as it is now, or as a later flush left it.
    /// `NotResident` from a store that is not done yet: repeat.
    fn flush(&mut self) -> Result<(), BlockError> {
        self.commit()
    }
}

impl<B: BlockDevice, S: Store> Overlay<B, S> {
    /// Fills the bytes `range` of `buf`, which is for the device's bytes from `offset` on.
    fn read_base(
        &self,
        offset: u64,
        range: core::ops::Range<usize>,
        buf: &mut [u8],
    ) -> Result<(), BlockError> {
        if range.is_empty() {
            return Ok(());
        }
        let at = offset.saturating_add(wide(range.start));
        self.base
            .read(at, buf.get_mut(range).ok_or(BlockError::Io)?)
    }
}
