//! Compaction, export and import: copying what is alive into another store.

use fs_block::{BlockDevice, BlockError, NumberMap};

use crate::batch::Batch;
use crate::header::{Header, Identity};
use crate::index::{Entry, Index};
use crate::log::Log;
use crate::overlay::{Options, Overlay, block_error, newest};
use crate::recover::{OpenError, recover};
use crate::store::{Store, StoreError};

/// Below this many bytes of log, garbage is not worth a compaction of its own.
const SMALL_LOG_BYTES: u64 = 64 << 20;

impl<B: BlockDevice, S: Store> Overlay<B, S> {
    /// Copies what is alive into the other store and goes on there; the one in use is emptied.
    /// After a crash on the way the old one is used, and nothing is lost. What was written since
    /// the last flush stays uncommitted.
    ///
    /// # Errors
    /// `NoSpace` when both do not fit, `Io`, `NotResident` from a store that is not ready. The overlay
    /// can be used on in every case.
    pub fn compact(&mut self) -> Result<(), BlockError> {
        let mut header = self.log.header.clone();
        header.generation = header.generation.saturating_add(1);
        let [first, second] = &mut self.stores;
        let (from, to) = if self.active == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let committed = committed(&self.index, &self.before);
        let limit = self.options.limit_bytes;
        let (mut log, mut index) = match copy(from, committed, header, to, limit) {
            Ok(made) => made,
            Err(error) => {
                let _ = to.truncate(0);
                return Err(block_error(error));
            }
        };
        let mut changed: Vec<u64> = self.before.keys().copied().collect();
        changed.sort_unstable();
        let changed = changed
            .into_iter()
            .map(|block| (block, self.index.entry(block)));
        let mut before = NumberMap::default();
        let moved = move_blocks(from, changed, &mut log, to, |block, entry| {
            let former = index.set(block, entry);
            before.entry(block).or_insert(former);
        });
        if let Err(error) = moved {
            let _ = to.truncate(0);
            return Err(block_error(error));
        }
        // The new store has the higher generation: it counts from its header on.
        let _ = from.truncate(0);
        self.appended_bytes = self.appended_bytes.saturating_add(self.log.nr_appended);
        self.active = 1_usize.saturating_sub(self.active);
        self.log = log;
        self.index = index;
        self.before = before;
        self.nr_compactions = self.nr_compactions.saturating_add(1);
        Ok(())
    }

    /// Writes the state of the last flush into `to`, which becomes a store of its own.
    ///
    /// # Errors
    /// `Io` of either, `Full` of `to`, `Pending`.
    pub fn export<T: Store>(&self, to: &mut T) -> Result<(), StoreError> {
        let from = self.stores.get(self.active).ok_or(StoreError::Io)?;
        let mut header = self.log.header.clone();
        header.generation = 1;
        let committed = committed(&self.index, &self.before);
        let changes = committed.filter(|(_, entry)| !entry.is_clean());
        copy(from, changes, header, to, u64::MAX).map(|_| ())
    }

    /// Replaces what `stores` hold by an exported overlay, and opens it. After a crash on the way
    /// it is one or the other.
    ///
    /// # Errors
    /// As [`Overlay::open`], for `exported` also; the stores are then as they were.
    pub fn import<T: Store>(
        base: B,
        identity: Identity,
        mut stores: [S; 2],
        exported: &T,
        options: Options,
    ) -> Result<Self, OpenError> {
        let found = recover(exported, u64::MAX)?.ok_or(OpenError::Corrupt("no header"))?;
        let mut header = found.log.header;
        if header.identity != identity {
            return Err(OpenError::BaseChanged(header.identity));
        }
        let (generation, target) = match newest(&stores, u64::MAX) {
            Ok(Some((active, old))) => (
                old.log.header.generation.saturating_add(1),
                1_usize.saturating_sub(active),
            ),
            Ok(None) | Err(OpenError::Corrupt(_)) => (1, 0),
            Err(error) => return Err(error),
        };
        header.generation = generation;
        let [first, second] = &mut stores;
        let (to, other) = if target == 0 {
            (first, second)
        } else {
            (second, first)
        };
        copy(
            exported,
            found.index.iter(),
            header,
            to,
            options.limit_bytes,
        )?;
        other.truncate(0)?;
        Self::open(base, identity, stores, options)
    }

    /// Whether a compaction would make room for a good part of the log.
    pub(crate) fn is_worth_compacting(&self) -> bool {
        let statistics = self.statistics();
        statistics.garbage_bytes > statistics.log_bytes / 8
    }

    /// Whether it is time for a compaction even though there is room.
    pub(crate) fn is_mostly_garbage(&self) -> bool {
        let statistics = self.statistics();
        statistics.log_bytes > SMALL_LOG_BYTES
            && statistics.garbage_bytes / 3 > statistics.log_bytes / 4
    }
}

/// The places at the last commit.
fn committed<'a>(
    index: &'a Index,
    before: &'a NumberMap<u64, Entry>,
) -> impl Iterator<Item = (u64, Entry)> + 'a {
    index
        .iter()
        .map(|(block, entry)| (block, before.get(&block).copied().unwrap_or(entry)))
        .filter(|(_, entry)| !entry.is_absent())
}

/// Makes `to` a store with these blocks of `from`: records first, the header last.
fn copy<F: Store, T: Store>(
    from: &F,
    blocks: impl Iterator<Item = (u64, Entry)>,
    header: Header,
    to: &mut T,
    limit_bytes: u64,
) -> Result<(Log, Index), StoreError> {
    let mut index = Index::default();
    let header = Header {
        version_number: 0,
        checkpoint_at: 0,
        ..header
    };
    let mut log = Log::start(header, to, limit_bytes)?;
    move_blocks(from, blocks, &mut log, to, |block, entry| {
        index.set(block, entry);
    })?;
    let end = Batch::new(log.block_size());
    log.append_batch(to, &end, true)?;
    log.append_checkpoint(to, &index)?;
    log.publish(to)?;
    Ok((log, index))
}

/// Appends blocks of `from` to `log`, uncommitted, and tells where each is now.
fn move_blocks<F: Store, T: Store>(
    from: &F,
    blocks: impl Iterator<Item = (u64, Entry)>,
    log: &mut Log,
    to: &mut T,
    mut moved: impl FnMut(u64, Entry),
) -> Result<(), StoreError> {
    let mut batch = Batch::new(log.block_size());
    let mut contents = vec![0; log.block_size()];
    let mut append = |batch: &mut Batch| -> Result<(), StoreError> {
        for (block, entry) in log.append_batch(to, batch, false)? {
            moved(block, entry);
        }
        batch.clear();
        Ok(())
    };
    for (block, entry) in blocks {
        match entry.offset() {
            Some(at) => Log::read_block(from, at, entry, &mut contents)?,
            None => contents.fill(0),
        }
        batch.put(block, &contents, entry.is_clean());
        if batch.is_full() {
            append(&mut batch)?;
        }
    }
    if !batch.is_empty() {
        append(&mut batch)?;
    }
    Ok(())
}
