//! The write-back block cache, with undo.
//!
//! Key type: [`BlockCache`]. Blocks live in slots; `index` names the slot of a block. A changed
//! slot is dirty until it is evicted or [`BlockCache::flush`]ed. Eviction is the clock algorithm.
//!
//! Between [`BlockCache::begin`] and [`BlockCache::commit`] the first change of a block keeps its
//! former contents; [`BlockCache::roll_back`] puts them back. So an operation that meets a block
//! that is not resident, or a full disk, leaves nothing half done. Slots in that log are pinned.
//! That is in `undo`; which block is in which slot, in `slots`.
//!
//! ```text
//!            load            block_mut             write (evict, flush)
//!   (absent) ────> clean ──────────────> dirty ───────────────────────> clean
//!      ^             │ evict               │ roll_back: as it was before `begin`
//!      └─────────────┴─────────────────────┘ forget (at commit): the block was freed
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "slot numbers come from `index` and `free`, which name slots that exist"
)]

mod slots;
mod undo;

use self::slots::Slot;
use self::undo::Undo;
use crate::{BlockDevice, BlockError, NumberMap};

/// What the cache did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Blocks read from the device.
    pub nr_loads: u64,
    /// Blocks written to the device.
    pub nr_writes: u64,
    /// Blocks that made room for others.
    pub nr_evictions: u64,
    /// Operations undone that had changed something.
    pub nr_roll_backs: u64,
}

/// Recent blocks of a device, and those whose changes it has not seen yet.
#[derive(Debug)]
pub struct BlockCache<D> {
    device: D,
    block_size: usize,
    /// Slots to keep; more exist only while an operation pins them.
    capacity: usize,
    slots: Vec<Slot>,
    index: NumberMap<u64, usize>,
    /// Slots that hold no block.
    free: Vec<usize>,
    nr_dirty: usize,
    hand: usize,
    is_recording: bool,
    log: Vec<Undo>,
    /// Blocks freed by the running operation: first and last of each run.
    forgotten: Vec<(u64, u64)>,
    /// Buffers for the log, to be used again.
    spare: Vec<Box<[u8]>>,
    statistics: CacheStatistics,
}

impl<D: BlockDevice> BlockCache<D> {
    /// A cache of blocks of `block_size` bytes that uses about `budget_bytes` of memory.
    pub fn new(device: D, block_size: usize, budget_bytes: usize) -> Self {
        Self {
            device,
            block_size,
            capacity: Self::slots_for(budget_bytes, block_size),
            slots: Vec::new(),
            index: NumberMap::default(),
            free: Vec::new(),
            nr_dirty: 0,
            hand: 0,
            is_recording: false,
            log: Vec::new(),
            forgotten: Vec::new(),
            spare: Vec::new(),
            statistics: CacheStatistics::default(),
        }
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> usize {
        self.block_size
    }

    /// Bytes that the blocks in the cache take.
    pub const fn held_bytes(&self) -> usize {
        self.slots.len().saturating_mul(self.block_size)
    }

    /// The device underneath.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// The device underneath; writing to it goes behind the cache's back.
    pub const fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The device, without the changes that were not flushed.
    pub fn into_device(self) -> D {
        self.device
    }

    /// What the cache did so far.
    pub const fn statistics(&self) -> CacheStatistics {
        self.statistics
    }

    /// The contents of `block`.
    ///
    /// # Errors
    /// Those of the device, `NotResident` among them.
    #[inline]
    pub fn block(&mut self, block: u64) -> Result<&[u8], BlockError> {
        let slot = self.resident(block)?;
        Ok(&self.slots[slot].bytes)
    }

    /// Calls `take` with the contents of `block`, once. Without room in the cache for what its device has in memory.
    ///
    /// # Errors
    /// Those of the device, `NotResident` among them; `take` was not called then.
    pub fn with_block(
        &mut self,
        block: u64,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<(), BlockError> {
        let here = self.index.get(&block);
        let slot = match here.copied() {
            Some(slot) => slot,
            None => {
                let (at, len) = (self.offset_of(block)?, self.block_size);
                if self.device.lend(at, len, take) {
                    return Ok(());
                }
                self.load(block)?
            }
        };
        let slot = &mut self.slots[slot];
        slot.is_referenced = true;
        take(&slot.bytes);
        Ok(())
    }

    /// The contents of `block` for changing; undone by [`Self::roll_back`].
    ///
    /// # Errors
    /// Those of the device; the block is then unchanged.
    pub fn block_mut(&mut self, block: u64) -> Result<&mut [u8], BlockError> {
        let slot = self.resident(block)?;
        self.record(slot);
        self.set_dirty(slot, true);
        Ok(&mut self.slots[slot].bytes)
    }

    /// Makes the contents of `block` zeros without reading it; undone by [`Self::roll_back`].
    ///
    /// # Errors
    /// `OutOfRange`, or what writing an evicted block gave.
    pub fn zeroed(&mut self, block: u64) -> Result<&mut [u8], BlockError> {
        let slot = match self.index.get(&block) {
            Some(slot) => {
                let slot = *slot;
                self.record(slot);
                slot
            }
            None => {
                let slot = self.claim(block)?;
                if self.is_recording {
                    self.slots[slot].is_pinned = true;
                    self.log.push(Undo::Drop { slot });
                }
                slot
            }
        };
        self.set_dirty(slot, true);
        let slot = &mut self.slots[slot];
        slot.bytes.fill(0);
        slot.is_referenced = true;
        Ok(&mut slot.bytes)
    }

    /// Replaces the contents of `block` without reading it: `fill` finds unspecified bytes and sets
    /// all of them. **Not** undone by [`Self::roll_back`]: for file contents, which are written
    /// when nothing else can fail any more.
    ///
    /// # Errors
    /// `OutOfRange`, what writing an evicted block gave, and those of `fill`; then the block is
    /// as it was if it was not in the cache, else it holds what `fill` left.
    pub fn overwrite<E: From<BlockError>>(
        &mut self,
        block: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (number, was_resident) = match self.index.get(&block) {
            Some(number) => (*number, true),
            None => (self.claim(block)?, false),
        };
        let slot = &mut self.slots[number];
        slot.is_referenced = true;
        let result = fill(&mut slot.bytes);
        if result.is_ok() || was_resident {
            self.set_dirty(number, true);
        } else {
            self.discard(number);
        }
        result
    }

    /// Whether a block differs from the device.
    pub const fn is_dirty(&self) -> bool {
        self.nr_dirty > 0
    }

    /// Bytes of the blocks that differ from the device.
    pub const fn dirty_bytes(&self) -> usize {
        self.nr_dirty.saturating_mul(self.block_size)
    }

    /// Writes all changes to the device in ascending order, those behind one that fails too.
    ///
    /// # Errors
    /// The first error of the device; what was not written stays dirty.
    pub fn write_out(&mut self) -> Result<(), BlockError> {
        let mut dirty: Vec<(u64, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_dirty)
            .map(|(number, slot)| (slot.block, number))
            .collect();
        dirty.sort_unstable();
        let mut written = Ok(());
        for (_, slot) in dirty {
            written = written.and(self.write_back(slot));
        }
        if written.is_ok() {
            self.shrink();
        }
        written
    }

    /// Writes all changes to the device and makes them durable.
    ///
    /// # Errors
    /// As [`Self::write_out`], and `NotResident` from a device that needs time for it: repeat.
    pub fn flush(&mut self) -> Result<(), BlockError> {
        self.write_out()?;
        self.device.flush()
    }
}

#[cfg(test)]
mod tests;
