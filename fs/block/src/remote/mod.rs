//! A disk that somebody else keeps, and that answers later: [`RemoteDisk`].
//!
//! ```text
//!  read ──> landed? ── yes ──> bytes
//!             │ no: asked for, with what follows            reply
//!             └──> NotResident ··············> flying ───────────────> landed
//!  write ──> batch ── full, or a flush, or a read of the same bytes ──> sent ── reply ──> forgotten
//! ```
//! Requests are numbered, and the other side performs changes and flushes in that order, and no read before
//! the changes that precede it. So a read of what was written needs nothing but to be sent later.
//!
//! What landed is kept until newer bytes need its room: a cache above takes each block once.

mod ahead;
mod batch;
mod change;
#[cfg(test)]
mod tests;

use core::fmt;
use std::collections::VecDeque;

use self::ahead::ReadAhead;
use self::batch::Batch;
pub use self::change::{Change, Row};
use crate::{BlockError, checked_end};

/// Bytes of a batch of changes after which it is sent.
const BATCH_BYTES: usize = 256 << 10;
/// Bytes of changes on their way above which writers had better wait.
const CONGESTED_BYTES: usize = 8 << 20;
/// Bytes that landed and are kept.
const LANDED_BYTES: usize = 4 << 20;
/// The most failed reads that are remembered for their readers.
const MAX_FAILURES: usize = 64;

/// Carries requests to whoever keeps the disk. The slices stay where they are, and nobody touches them, until
/// [`RemoteDisk::complete`] is told of the request's number.
pub trait Transport {
    /// Asks for the bytes at byte `offset`, to be put into `bytes`.
    fn read(&mut self, sequence: u64, offset: u64, bytes: &mut [u8]);

    /// Hands over changes: `nr_rows` rows of 16 bytes, and the bytes of the writes. A row is, little-endian, a u64 of
    /// the first byte, a u32 of how many, and a u32: 0 for a write, 1 for a discard, which has no bytes. [`Change`]
    /// reads them.
    fn change(&mut self, sequence: u64, nr_rows: u32, bytes: &[u8]);

    /// Asks that all changes before this are made durable, and valid at once.
    fn flush(&mut self, sequence: u64);
}

/// Bytes of the disk that are here, or on their way.
struct Extent {
    sequence: u64,
    offset: u64,
    bytes: Box<[u8]>,
    /// They were changed after they were asked for.
    is_stale: bool,
}

impl Extent {
    fn end(&self) -> u64 {
        self.offset.saturating_add(wide(self.bytes.len()))
    }

    fn overlaps(&self, offset: u64, len: u64) -> bool {
        self.offset < offset.saturating_add(len) && offset < self.end()
    }

    /// Whether all of `len` bytes at `offset` are in it.
    fn covers(&self, offset: u64, len: usize) -> bool {
        self.offset <= offset && offset.saturating_add(wide(len)) <= self.end()
    }

    /// Where byte `offset` is in it.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }
}

/// A disk behind a [`Transport`].
pub struct RemoteDisk<T> {
    transport: T,
    len_bytes: u64,
    last_sequence: u64,
    flying: Vec<Extent>,
    /// The newest last.
    landed: VecDeque<Extent>,
    landed_bytes: usize,
    /// Reads that failed and whose readers have not heard of it: offset and length.
    failures: VecDeque<(u64, u64)>,
    ahead: ReadAhead,
    batch: Batch,
    /// Changes on their way, by number.
    sent: VecDeque<(u64, Box<[u8]>)>,
    sent_bytes: usize,
    /// Whether anything was sent, or lies in `batch`, that no flush follows.
    is_unflushed: bool,
    /// The last flush that was asked for, and the last that is complete; 0: none.
    last_flush: u64,
    last_flushed: u64,
    /// The last flush that failed, and why.
    failed_flush: (u64, BlockError),
    /// Changes were lost: there will be no more.
    broken: Option<BlockError>,
    is_full: bool,
}

impl<T: Transport> RemoteDisk<T> {
    /// A disk of `len_bytes`.
    pub fn new(transport: T, len_bytes: u64) -> Self {
        Self {
            transport,
            len_bytes,
            last_sequence: 0,
            flying: Vec::new(),
            landed: VecDeque::new(),
            landed_bytes: 0,
            failures: VecDeque::new(),
            ahead: ReadAhead::default(),
            batch: Batch::default(),
            sent: VecDeque::new(),
            sent_bytes: 0,
            is_unflushed: false,
            last_flush: 0,
            last_flushed: 0,
            failed_flush: (0, BlockError::Io),
            broken: None,
            is_full: false,
        }
    }

    /// Size in bytes.
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// As [`crate::BlockDevice::read`].
    ///
    /// # Errors
    /// `NotResident` until the bytes have come; `Io` once when they could not; `OutOfRange`.
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        checked_end(offset, buf.len(), self.len_bytes)?;
        let len = wide(buf.len());
        let here = self.landed.iter().rev();
        if let Some(extent) = here.clone().find(|one| one.covers(offset, buf.len())) {
            let start = extent.index(offset);
            let found = extent.bytes.get(start..start.saturating_add(buf.len()));
            buf.copy_from_slice(found.ok_or(BlockError::OutOfRange)?);
            let next = self.ahead.advance(offset, len);
            if let Some((offset, len)) = next {
                self.ask(offset, len);
            }
            return Ok(());
        }
        let is_failed = |&(start, count): &(u64, u64)| {
            start < offset.saturating_add(len) && offset < start.saturating_add(count)
        };
        if let Some(at) = self.failures.iter().position(is_failed) {
            self.failures.remove(at);
            return Err(BlockError::Io);
        }
        let is_coming = |one: &Extent| !one.is_stale && one.covers(offset, buf.len());
        if !self.flying.iter().any(is_coming) {
            let (start, count) = self.ahead.miss(offset, len);
            self.ask(start, count);
        }
        Err(BlockError::NotResident(offset))
    }

    /// Asks for the bytes from `offset` on, as far as the disk goes.
    fn ask(&mut self, offset: u64, len: u64) {
        let len = len.min(self.len_bytes.saturating_sub(offset));
        let Ok(size) = usize::try_from(len) else {
            return;
        };
        if size == 0 {
            return;
        }
        if self.batch.overlaps(offset, len) {
            self.send_batch();
        }
        let mut extent = Extent {
            sequence: self.next_sequence(),
            offset,
            bytes: vec![0; size].into_boxed_slice(),
            is_stale: false,
        };
        self.transport
            .read(extent.sequence, offset, &mut extent.bytes);
        self.flying.push(extent);
    }

    /// As [`crate::BlockDevice::write`]: the bytes are on their way when it returns.
    ///
    /// # Errors
    /// `OutOfRange`; what became of earlier changes, when they were lost.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        checked_end(offset, bytes.len(), self.len_bytes)?;
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.outdate(offset, wide(bytes.len()));
        self.batch.write(offset, bytes);
        self.is_unflushed = true;
        if self.batch.len_bytes() >= BATCH_BYTES {
            self.send_batch();
        }
        Ok(())
    }

    /// As [`crate::BlockDevice::discard`].
    pub fn discard(&mut self, offset: u64, len: u64) {
        if self.broken.is_none() {
            self.outdate(offset, len);
            self.batch.discard(offset, len);
            self.is_unflushed = true;
        }
    }

    /// What is here, and what was asked for earlier, is no longer so.
    fn outdate(&mut self, offset: u64, len: u64) {
        for extent in &mut self.flying {
            extent.is_stale |= extent.overlaps(offset, len);
        }
        self.landed.retain(|extent| {
            let is_kept = !extent.overlaps(offset, len);
            if !is_kept {
                self.landed_bytes = self.landed_bytes.saturating_sub(extent.bytes.len());
            }
            is_kept
        });
    }

    fn send_batch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let (nr_rows, bytes) = self.batch.take();
        let sequence = self.next_sequence();
        self.transport.change(sequence, nr_rows, &bytes);
        self.sent_bytes = self.sent_bytes.saturating_add(bytes.len());
        self.sent.push_back((sequence, bytes));
    }

    /// Starts to make all changes durable: the number to ask [`Self::is_flushed`] for, or `None` when they are.
    ///
    /// # Errors
    /// Why changes were lost.
    pub fn start_flush(&mut self) -> Result<Option<u64>, BlockError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.is_unflushed {
            self.send_batch();
            self.last_flush = self.next_sequence();
            self.is_unflushed = false;
            self.transport.flush(self.last_flush);
        }
        Ok((self.last_flush > self.last_flushed).then_some(self.last_flush))
    }

    /// Whether a flush is complete.
    ///
    /// # Errors
    /// Why it failed.
    pub fn is_flushed(&self, flush: u64) -> Result<bool, BlockError> {
        match (self.broken, self.failed_flush) {
            _ if flush <= self.last_flushed => Ok(true),
            (Some(error), _) => Err(error),
            (None, (failed, error)) if flush <= failed => Err(error),
            _ => Ok(false),
        }
    }

    /// A request was answered: with 0, or with why not.
    pub fn complete(&mut self, sequence: u64, result: Result<(), BlockError>, is_full: bool) {
        self.is_full = is_full;
        if let Some(at) = self.flying.iter().position(|one| one.sequence == sequence) {
            let extent = self.flying.swap_remove(at);
            match result {
                Ok(()) if !extent.is_stale => self.land(extent),
                Ok(()) => {}
                Err(_) => {
                    self.ahead.forget(extent.offset);
                    self.failures
                        .push_back((extent.offset, wide(extent.bytes.len())));
                    if self.failures.len() > MAX_FAILURES {
                        self.failures.pop_front();
                    }
                }
            }
        } else if let Some(at) = self.sent.iter().position(|(sent, _)| *sent == sequence) {
            if let Some((_, bytes)) = self.sent.remove(at) {
                self.sent_bytes = self.sent_bytes.saturating_sub(bytes.len());
            }
            if let Err(error) = result {
                self.broken = Some(error);
            }
        } else {
            match result {
                Ok(()) => self.last_flushed = self.last_flushed.max(sequence),
                Err(error) => {
                    self.failed_flush = (sequence, error);
                    // The next one tries it again.
                    self.is_unflushed = true;
                }
            }
        }
    }

    fn land(&mut self, extent: Extent) {
        self.landed_bytes = self.landed_bytes.saturating_add(extent.bytes.len());
        self.landed.push_back(extent);
        while self.landed_bytes > LANDED_BYTES && self.landed.len() > 1 {
            if let Some(oldest) = self.landed.pop_front() {
                self.landed_bytes = self.landed_bytes.saturating_sub(oldest.bytes.len());
            }
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.last_sequence = self.last_sequence.saturating_add(1);
        self.last_sequence
    }

    /// As [`crate::BlockDevice::is_full`].
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// As [`crate::BlockDevice::is_congested`].
    pub const fn is_congested(&self) -> bool {
        self.sent_bytes > CONGESTED_BYTES
    }

    /// Whether changes were lost, so that there will be no more.
    pub const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }
}

impl<T> fmt::Debug for RemoteDisk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDisk")
            .field("len_bytes", &self.len_bytes)
            .field("last_sequence", &self.last_sequence)
            .finish_non_exhaustive()
    }
}

/// A length as a number of bytes of a disk.
fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
