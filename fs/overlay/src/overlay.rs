//! [`Overlay`]: opening, transactions, checkpoints.

use core::fmt;
use core::ops::Range;

use fs_block::{BlockDevice, BlockError, NumberMap};

use crate::batch::Batch;
use crate::codec::wide;
use crate::header::{Header, Identity, RECORDS_AT};
use crate::index::{Entry, Index};
use crate::log::Log;
use crate::recover::{OpenError, Recovered, recover};
use crate::store::{Store, StoreError};

/// How to keep changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a block of a new overlay: the file system's is best. One that exists keeps its own.
    pub block_size: u32,
    /// A store never grows beyond this many bytes; while it is compacted there are two.
    pub limit_bytes: u64,
    /// The most bytes of the base that [`Overlay::keep`] stores.
    pub keep_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_size: 4096,
            limit_bytes: 1 << 40,
            keep_bytes: 64 << 20,
        }
    }
}

/// Sizes, for decisions and for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes of blocks that were changed.
    pub changed_bytes: u64,
    /// Bytes of blocks that are copies of the base.
    pub kept_bytes: u64,
    /// Bytes of the store in use.
    pub log_bytes: u64,
    /// Bytes of it that compaction would free, about.
    pub garbage_bytes: u64,
    /// Bytes that callers wrote since it was opened.
    pub written_bytes: u64,
    /// Bytes that went to the stores for that.
    pub appended_bytes: u64,
    /// Compactions since it was opened.
    pub nr_compactions: u64,
    /// Bytes of memory that the index takes, about.
    pub index_bytes: usize,
}

/// A device that is `base` with the changes of a log.
///
/// Of the two stores one is in use, `active`; the other is empty, or being written by compaction.
pub struct Overlay<B, S> {
    pub(crate) base: B,
    pub(crate) stores: [S; 2],
    pub(crate) active: usize,
    pub(crate) log: Log,
    pub(crate) index: Index,
    /// The last commit's places of the blocks that were appended since.
    pub(crate) before: NumberMap<u64, Entry>,
    /// Whether changes were appended since the last commit.
    pub(crate) is_uncommitted: bool,
    /// What is not appended yet.
    pub(crate) batch: Batch,
    /// Whether `batch` has changes, not only copies of the base.
    pub(crate) is_changed: bool,
    pub(crate) options: Options,
    pub(crate) nr_compactions: u64,
    pub(crate) written_bytes: u64,
    /// What earlier logs appended.
    pub(crate) appended_bytes: u64,
}

impl<B: BlockDevice, S: Store> Overlay<B, S> {
    /// Opens the overlay of `base` that `stores` hold, or makes one in them if both are empty.
    ///
    /// # Errors
    /// `BaseChanged` when it was made for another base, `Corrupt`, `Version`, `BlockSize`, `Store`.
    /// The stores are as they were then, unless writing failed.
    pub fn open(
        base: B,
        identity: Identity,
        mut stores: [S; 2],
        options: Options,
    ) -> Result<Self, OpenError> {
        if base.len_bytes() != identity.len_bytes() {
            return Err(OpenError::BaseChanged(identity));
        }
        let (active, Recovered { log, index }) = match newest(&stores, options.limit_bytes)? {
            Some(found) => found,
            None => (0, create(&mut stores, identity.clone(), options)?),
        };
        if log.header.identity != identity {
            return Err(OpenError::BaseChanged(log.header.identity));
        }
        let [first, second] = &mut stores;
        let (used, other) = if active == 0 {
            (first, second)
        } else {
            (second, first)
        };
        if used.len_bytes() > log.end {
            // On the medium before anything is appended there: what was cut must not come back.
            used.truncate(log.end)?;
            used.sync()?;
        }
        let len = used.len_bytes();
        if len < log.end {
            // A crash while it was made: a header, and no room for the other one.
            let missing = usize::try_from(log.end.saturating_sub(len)).unwrap_or(0);
            used.write_at(len, &vec![0; missing])?;
        }
        if other.len_bytes() > 0 {
            other.truncate(0)?;
        }
        Ok(Self {
            base,
            stores,
            active,
            batch: Batch::new(log.block_size()),
            log,
            index,
            before: NumberMap::default(),
            is_uncommitted: false,
            is_changed: false,
            options,
            nr_compactions: 0,
            written_bytes: 0,
            appended_bytes: 0,
        })
    }

    /// Which base the changes in `stores` were made to; `None` when there are none.
    ///
    /// # Errors
    /// As [`Self::open`], without `BaseChanged`.
    pub fn identity_of(stores: &[S; 2]) -> Result<Option<Identity>, OpenError> {
        let found = newest(stores, u64::MAX)?;
        Ok(found.map(|(_, recovered)| recovered.log.header.identity))
    }

    /// Appends a checkpoint, so that the next open is fast, and what [`Self::keep`] was given. It is
    /// no flush: what was written since the last one stays uncommitted, and then there is no
    /// checkpoint if some of it was appended already.
    ///
    /// # Errors
    /// As `flush`. The overlay can be used on.
    pub fn checkpoint(&mut self) -> Result<(), BlockError> {
        let is_committed = !self.is_uncommitted && !self.is_changed;
        if is_committed && !(self.batch.is_empty() && self.before.is_empty()) {
            self.append_batch(Commit::Yes)?;
        }
        if !self.before.is_empty() {
            return Ok(());
        }
        let store = self.stores.get_mut(self.active).ok_or(BlockError::Io)?;
        self.log.sync(store).map_err(block_error)?;
        if self.log.checkpoint_end < self.log.end {
            self.log
                .append_checkpoint(store, &self.index)
                .map_err(block_error)?;
        }
        self.log.publish(store).map_err(block_error)
    }

    /// Keeps a copy of bytes of the base that were fetched from far away, so that they are here
    /// at the next boot. Only whole blocks that nobody changed are kept, and only while there is
    /// room. It is on the medium after some later flush.
    ///
    /// # Errors
    /// `Io` of the store.
    pub fn keep(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let size = self.log.block_size();
        let first = offset.div_ceil(wide(size));
        let skip = first.saturating_mul(wide(size)).saturating_sub(offset);
        let whole = usize::try_from(skip)
            .ok()
            .and_then(|skip| bytes.get(skip..))
            .unwrap_or_default();
        for (block, contents) in (first..).zip(whole.chunks_exact(size)) {
            let kept = self.index.nr_clean().saturating_mul(wide(size));
            if kept >= self.options.keep_bytes
                || block.saturating_mul(wide(size)) >= self.base.len_bytes()
            {
                break;
            }
            if self.batch.find(block).is_some() || !self.index.entry(block).is_absent() {
                continue;
            }
            if self.batch.is_full() {
                match self.append_batch(Commit::No) {
                    Err(BlockError::NoSpace) => break,
                    result => result?,
                }
            }
            self.batch.put(block, contents, true);
        }
        Ok(())
    }

    /// The parts of `range`, in bytes, that only the base has: whole blocks.
    pub fn only_in_base(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let size = wide(self.log.block_size());
        let end = range.end.min(self.base.len_bytes()).div_ceil(size);
        let mut parts: Vec<Range<u64>> = Vec::new();
        for block in range.start.checked_div(size).unwrap_or(0)..end {
            if self.batch.find(block).is_some() || !self.index.entry(block).is_absent() {
                continue;
            }
            let start = block.saturating_mul(size);
            let end = start.saturating_add(size).min(self.base.len_bytes());
            match parts.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => parts.push(start..end),
            }
        }
        parts
    }

    /// Sizes.
    pub fn statistics(&self) -> Statistics {
        let size = wide(self.log.block_size());
        let live = self.index.nr_stored().saturating_mul(size);
        let used = self.log.end.saturating_sub(RECORDS_AT);
        Statistics {
            changed_bytes: self.index.nr_changed().saturating_mul(size),
            kept_bytes: self.index.nr_clean().saturating_mul(size),
            log_bytes: self.log.end,
            garbage_bytes: used.saturating_sub(live),
            written_bytes: self.written_bytes,
            appended_bytes: self.appended_bytes.saturating_add(self.log.nr_appended),
            nr_compactions: self.nr_compactions,
            index_bytes: self.index.memory_bytes(),
        }
    }

    /// The base and the stores; what was not flushed is lost.
    pub fn into_parts(self) -> (B, [S; 2]) {
        (self.base, self.stores)
    }

    /// The base.
    pub const fn base(&self) -> &B {
        &self.base
    }

    /// Appends what waits; compacts once if there is no room otherwise.
    pub(crate) fn append_batch(&mut self, commit: Commit) -> Result<(), BlockError> {
        let places = match self.try_append(commit) {
            Err(StoreError::Full) if self.is_worth_compacting() => {
                self.compact()?;
                self.try_append(commit)
            }
            result => result,
        };
        for (block, entry) in places.map_err(block_error)? {
            let former = self.index.set(block, entry);
            if commit == Commit::No {
                self.before.entry(block).or_insert(former);
            }
        }
        match commit {
            Commit::Yes => {
                self.before.clear();
                self.is_uncommitted = false;
            }
            Commit::No => self.is_uncommitted |= self.is_changed,
        }
        self.batch.clear();
        self.is_changed = false;
        Ok(())
    }

    fn try_append(&mut self, commit: Commit) -> Result<Vec<(u64, Entry)>, StoreError> {
        let store = self.stores.get_mut(self.active).ok_or(StoreError::Io)?;
        self.log
            .append_batch(store, &self.batch, commit == Commit::Yes)
    }

    /// Ends the transaction, and looks after the log.
    pub(crate) fn commit(&mut self) -> Result<(), BlockError> {
        if self.is_changed || self.is_uncommitted {
            self.append_batch(Commit::Yes)?;
        }
        let store = self.stores.get_mut(self.active).ok_or(BlockError::Io)?;
        self.log.sync(store).map_err(block_error)?;
        // The barrier is complete. What follows makes the next open faster; if it fails now, it
        // may work after a later barrier.
        let mut result = Ok(());
        if self.before.is_empty() && self.log.is_checkpoint_due(&self.index) {
            result = self.log.append_checkpoint(store, &self.index);
        }
        let _ = result.and_then(|()| self.log.publish(store));
        if self.is_mostly_garbage() {
            let _ = self.compact();
        }
        Ok(())
    }
}

/// Whether a batch ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Yes,
    No,
}

/// What callers of a device get to know of a store.
pub(crate) const fn block_error(error: StoreError) -> BlockError {
    match error {
        StoreError::Io => BlockError::Io,
        StoreError::Full => BlockError::NoSpace,
        StoreError::Pending => BlockError::NotResident(0),
    }
}

/// The store in use, read back; `None` when both are empty, or hold only the beginning of a first
/// header.
pub(crate) fn newest<S: Store>(
    stores: &[S; 2],
    limit_bytes: u64,
) -> Result<Option<(usize, Recovered)>, OpenError> {
    let mut best: Option<(usize, Recovered)> = None;
    let mut damage = None;
    for (number, store) in stores.iter().enumerate() {
        match recover(store, limit_bytes) {
            Ok(Some(found)) => {
                let generation = found.log.header.generation;
                if best
                    .as_ref()
                    .is_none_or(|(_, best)| best.log.header.generation < generation)
                {
                    best = Some((number, found));
                }
            }
            Ok(None) if store.len_bytes() > RECORDS_AT => {
                damage.get_or_insert(OpenError::Corrupt("no header"));
            }
            Ok(None) => {}
            Err(error @ OpenError::Corrupt(_)) => {
                damage.replace(error);
            }
            Err(error) => return Err(error),
        }
    }
    match (best, damage) {
        (None, Some(error)) => Err(error),
        (best, _) => Ok(best),
    }
}

/// Makes an empty overlay in the first store.
fn create<S: Store>(
    stores: &mut [S; 2],
    identity: Identity,
    options: Options,
) -> Result<Recovered, OpenError> {
    let size = options.block_size;
    if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
        return Err(OpenError::BlockSize(size));
    }
    let header = Header {
        identity,
        block_shift: size.trailing_zeros(),
        generation: 1,
        version_number: 0,
        checkpoint_at: 0,
    };
    let [store, _] = stores;
    let mut log = Log::start(header.clone(), store, options.limit_bytes)?;
    header.write(store)?;
    log.sync(store)?;
    Ok(Recovered {
        log,
        index: Index::default(),
    })
}

impl<B, S> fmt::Debug for Overlay<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("active", &self.active)
            .field("end", &self.log.end)
            .field("nr_changed", &self.index.nr_changed())
            .finish_non_exhaustive()
    }
}
