//! Appending to one store: [`Log`].

use crate::batch::Batch;
use crate::codec::wide;
use crate::header::{Header, RECORDS_AT};
use crate::index::{Entry, Index};
use crate::record::{Encoded, Link, encode_batch, encode_checkpoint};
use crate::store::{Store, StoreError};

/// A checkpoint is due when this many bytes were appended since the last one, so that opening
/// reads no more than that, ...
const CHECKPOINT_BYTES: u64 = 16 << 20;
/// ... and this many times its own size, so that checkpoints are a small part of what is written.
const CHECKPOINT_FACTOR: u64 = 8;

/// The end of a log, and what happened there.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) header: Header,
    /// Where the next record goes, in bytes.
    pub(crate) end: u64,
    /// What the next record says of the one before.
    pub(crate) link: Link,
    /// Where the newest checkpoint ends.
    pub(crate) checkpoint_end: u64,
    /// A checkpoint that is not named by a header yet.
    unpublished: Option<u64>,
    needs_sync: bool,
    /// A barrier failed: what was written before it may be lost, and everything after is then
    /// unreachable. Nothing more is promised until the log is opened again.
    is_broken: bool,
    /// The most bytes that the store may have.
    limit_bytes: u64,
    /// Bytes appended since the log was opened or made.
    pub(crate) nr_appended: u64,
}

impl Log {
    /// A log that goes on after `end`.
    pub(crate) const fn new(
        header: Header,
        (end, link): (u64, Link),
        checkpoint_end: u64,
        limit_bytes: u64,
    ) -> Self {
        Self {
            header,
            end,
            link,
            checkpoint_end,
            unpublished: None,
            needs_sync: false,
            is_broken: false,
            limit_bytes,
            nr_appended: 0,
        }
    }

    /// A log without records in an emptied store. It has no header until [`Self::publish`].
    pub(crate) fn start<S: Store>(
        header: Header,
        store: &mut S,
        limit_bytes: u64,
    ) -> Result<Self, StoreError> {
        store.truncate(0)?;
        store.write_at(0, &[0; 8192])?;
        let link = Link::first(header.generation);
        let mut log = Self::new(header, (RECORDS_AT, link), RECORDS_AT, limit_bytes);
        log.needs_sync = true;
        Ok(log)
    }

    /// Bytes of a block.
    pub(crate) const fn block_size(&self) -> usize {
        1 << self.header.block_shift
    }

    fn append<S: Store>(&mut self, store: &mut S, record: &Encoded) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::Io);
        }
        let len = wide(record.bytes.len());
        let end = self.end.checked_add(len).ok_or(StoreError::Full)?;
        if end > self.limit_bytes {
            return Err(StoreError::Full);
        }
        self.needs_sync = true;
        store.write_at(self.end, &record.bytes)?;
        self.end = end;
        self.link = self.link.next(record.crc);
        self.nr_appended = self.nr_appended.saturating_add(len);
        Ok(())
    }

    /// Appends a batch; returns where its blocks are now.
    pub(crate) fn append_batch<S: Store>(
        &mut self,
        store: &mut S,
        batch: &Batch,
        is_commit: bool,
    ) -> Result<Vec<(u64, Entry)>, StoreError> {
        let record = encode_batch(batch, self.link, is_commit, self.end).ok_or(StoreError::Full)?;
        self.append(store, &record)?;
        Ok(record.places)
    }

    /// The barrier.
    pub(crate) fn sync<S: Store>(&mut self, store: &mut S) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::Io);
        }
        if self.needs_sync {
            let result = store.sync();
            self.is_broken = result == Err(StoreError::Io);
            result?;
            self.needs_sync = false;
        }
        Ok(())
    }

    /// Whether the next open would read too much without a checkpoint.
    pub(crate) fn is_checkpoint_due(&self, index: &Index) -> bool {
        let packed = index.nr_stored().saturating_mul(9);
        let tail = self.end.saturating_sub(self.checkpoint_end);
        tail > CHECKPOINT_BYTES.max(packed.saturating_mul(CHECKPOINT_FACTOR))
    }

    /// Appends `index`, which holds nothing uncommitted.
    pub(crate) fn append_checkpoint<S: Store>(
        &mut self,
        store: &mut S,
        index: &Index,
    ) -> Result<(), StoreError> {
        let record = encode_checkpoint(&index.pack(), self.link).ok_or(StoreError::Full)?;
        let at = self.end;
        self.append(store, &record)?;
        self.unpublished = Some(at);
        self.checkpoint_end = self.end;
        Ok(())
    }

    /// Lets the header name the newest checkpoint, when that is on the medium.
    pub(crate) fn publish<S: Store>(&mut self, store: &mut S) -> Result<(), StoreError> {
        let Some(at) = self.unpublished else {
            return Ok(());
        };
        self.sync(store)?;
        let mut header = self.header.clone();
        header.checkpoint_at = at;
        header.version_number = header.version_number.saturating_add(1);
        self.needs_sync = true;
        header.write(store)?;
        self.header = header;
        self.unpublished = None;
        self.sync(store)
    }

    /// Reads a block of data that `entry` says is at `at`, and checks it.
    pub(crate) fn read_block<S: Store>(
        store: &S,
        at: u64,
        entry: Entry,
        buf: &mut [u8],
    ) -> Result<(), StoreError> {
        Self::read_blocks(store, at, &[entry], buf)
    }

    /// The same with blocks whose data follow each other from `at` on; `buf` has as many.
    pub(crate) fn read_blocks<S: Store>(
        store: &S,
        at: u64,
        entries: &[Entry],
        buf: &mut [u8],
    ) -> Result<(), StoreError> {
        store.read_at(at, buf)?;
        let size = buf.len().checked_div(entries.len()).unwrap_or(0).max(1);
        for (entry, block) in entries.iter().zip(buf.chunks_exact(size)) {
            if crc32c::crc32c(block) != entry.crc {
                return Err(StoreError::Io);
            }
        }
        Ok(())
    }
}
