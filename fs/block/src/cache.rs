//! The write-back block cache, with undo.
//!
//! Key type: [`BlockCache`]. Blocks live in slots; `index` names the slot of a block. A changed
//! slot is dirty until it is evicted or [`BlockCache::flush`]ed. Eviction is the clock algorithm.
//!
//! Between [`BlockCache::begin`] and [`BlockCache::commit`] the first change of a block keeps its
//! former contents; [`BlockCache::roll_back`] puts them back. So an operation that meets a block
//! that is not resident, or a full disk, leaves nothing half done. Slots in that log are pinned.
//!
//! ```text
//!            load            block_mut             write (evict, flush)
//!   (absent) ────> clean ──────────────> dirty ───────────────────────> clean
//!      ^             │ evict               │ roll_back: as it was before `begin`
//!      └─────────────┴─────────────────────┘ forget (at commit): the block was freed
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "slot numbers come from `index`, `free` and the log, which name slots that exist"
)]

use crate::{BlockDevice, BlockError, NumberMap, checked_end};

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

/// One block in memory.
#[derive(Debug)]
struct Slot {
    block: u64,
    bytes: Box<[u8]>,
    is_dirty: bool,
    /// Used since the clock's hand last passed.
    is_referenced: bool,
    /// In the log of the running operation: must stay.
    is_pinned: bool,
}

/// How to undo the changes of one slot.
#[derive(Debug)]
enum Undo {
    /// It held these bytes.
    Restore {
        slot: usize,
        bytes: Box<[u8]>,
        was_dirty: bool,
    },
    /// It was not in the cache.
    Drop { slot: usize },
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
    hand: usize,
    is_recording: bool,
    log: Vec<Undo>,
    /// Blocks freed by the running operation.
    forgotten: Vec<u64>,
    /// Buffers for the log, to be used again.
    spare: Vec<Box<[u8]>>,
    statistics: CacheStatistics,
}

/// The fewest slots of a cache.
const MIN_SLOTS: usize = 16;
/// Buffers that the log keeps for the next operation.
const SPARE_BUFFERS: usize = 32;

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
            hand: 0,
            is_recording: false,
            log: Vec::new(),
            forgotten: Vec::new(),
            spare: Vec::new(),
            statistics: CacheStatistics::default(),
        }
    }

    /// How many blocks `budget_bytes` are good for.
    fn slots_for(budget_bytes: usize, block_size: usize) -> usize {
        let slots = budget_bytes.checked_div(block_size).unwrap_or(0);
        slots.max(MIN_SLOTS)
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> usize {
        self.block_size
    }

    /// Bytes that the blocks in the cache take.
    pub const fn held_bytes(&self) -> usize {
        self.slots.len().saturating_mul(self.block_size)
    }

    /// From now on the cache uses about `budget_bytes` of memory. When it has more it gives that back
    /// at once, unless an operation runs, which may need what it has.
    ///
    /// # Errors
    /// Those of the device for a block that had to be written; the cache is then as large as before.
    pub fn set_budget(&mut self, budget_bytes: usize) -> Result<(), BlockError> {
        let capacity = Self::slots_for(budget_bytes, self.block_size);
        if capacity < self.slots.len() && self.log.is_empty() && !self.is_recording {
            for number in capacity..self.slots.len() {
                if self.slots[number].is_dirty {
                    self.write_back(number)?;
                }
            }
            self.capacity = capacity;
            self.shrink();
            self.spare = Vec::new();
        }
        self.capacity = capacity;
        Ok(())
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

    /// The contents of `block` for changing; undone by [`Self::roll_back`].
    ///
    /// # Errors
    /// Those of the device; the block is then unchanged.
    pub fn block_mut(&mut self, block: u64) -> Result<&mut [u8], BlockError> {
        let slot = self.resident(block)?;
        self.record(slot);
        let slot = &mut self.slots[slot];
        slot.is_dirty = true;
        Ok(&mut slot.bytes)
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
        let slot = &mut self.slots[slot];
        slot.bytes.fill(0);
        slot.is_dirty = true;
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
            slot.is_dirty = true;
        } else {
            self.discard(number);
        }
        result
    }

    /// Notes that `block` was freed: at commit its contents need not reach the device any more.
    pub fn forget(&mut self, block: u64) {
        if self.index.contains_key(&block) {
            self.forgotten.push(block);
        }
    }

    /// Starts an operation whose changes may be undone.
    pub fn begin(&mut self) {
        self.commit();
        self.is_recording = true;
    }

    /// Keeps the changes since [`Self::begin`].
    pub fn commit(&mut self) {
        self.is_recording = false;
        while let Some(block) = self.forgotten.pop() {
            if let Some(slot) = self.index.get(&block).copied() {
                // A pinned one was changed after it was freed: it may be in use again.
                if !self.slots[slot].is_pinned {
                    self.discard(slot);
                }
            }
        }
        while let Some(undo) = self.log.pop() {
            match undo {
                Undo::Restore { slot, bytes, .. } => {
                    self.slots[slot].is_pinned = false;
                    self.keep_spare(bytes);
                }
                Undo::Drop { slot } => self.slots[slot].is_pinned = false,
            }
        }
    }

    /// Undoes the changes since [`Self::begin`]; returns whether there were any.
    pub fn roll_back(&mut self) -> bool {
        self.is_recording = false;
        self.forgotten.clear();
        let had_changes = !self.log.is_empty();
        while let Some(undo) = self.log.pop() {
            match undo {
                Undo::Restore {
                    slot: number,
                    bytes,
                    was_dirty,
                } => {
                    let slot = &mut self.slots[number];
                    slot.is_pinned = false;
                    slot.is_dirty = was_dirty;
                    let changed = core::mem::replace(&mut slot.bytes, bytes);
                    self.keep_spare(changed);
                }
                Undo::Drop { slot } => self.discard(slot),
            }
        }
        if had_changes {
            self.statistics.nr_roll_backs = self.statistics.nr_roll_backs.saturating_add(1);
        }
        had_changes
    }

    /// Whether a block differs from the device.
    pub fn is_dirty(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_dirty)
    }

    /// Writes all changes to the device in ascending order and makes them durable.
    ///
    /// # Errors
    /// The first error of the device; what was not written stays dirty.
    pub fn flush(&mut self) -> Result<(), BlockError> {
        let mut dirty: Vec<(u64, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_dirty)
            .map(|(number, slot)| (slot.block, number))
            .collect();
        dirty.sort_unstable();
        for (_, slot) in dirty {
            self.write_back(slot)?;
        }
        self.shrink();
        self.device.flush()
    }

    /// The slot of `block`, loaded if need be.
    #[inline]
    fn resident(&mut self, block: u64) -> Result<usize, BlockError> {
        if let Some(slot) = self.index.get(&block) {
            self.slots[*slot].is_referenced = true;
            return Ok(*slot);
        }
        self.load(block)
    }

    #[cold]
    fn load(&mut self, block: u64) -> Result<usize, BlockError> {
        let slot = self.claim(block)?;
        let offset = self.offset_of(block)?;
        if let Err(error) = self.device.read(offset, &mut self.slots[slot].bytes) {
            self.discard(slot);
            return Err(error);
        }
        self.statistics.nr_loads = self.statistics.nr_loads.saturating_add(1);
        Ok(slot)
    }

    /// Takes a slot for `block`, which has none; its bytes are unspecified.
    fn claim(&mut self, block: u64) -> Result<usize, BlockError> {
        checked_end(
            self.offset_of(block)?,
            self.block_size,
            self.device.len_bytes(),
        )?;
        let number = match self.free.pop() {
            Some(number) => number,
            None if self.slots.len() < self.capacity => self.add_slot(),
            None => match self.evict()? {
                Some(number) => number,
                None => self.add_slot(),
            },
        };
        let slot = &mut self.slots[number];
        slot.block = block;
        slot.is_dirty = false;
        slot.is_referenced = true;
        slot.is_pinned = false;
        self.index.insert(block, number);
        Ok(number)
    }

    fn add_slot(&mut self) -> usize {
        self.slots.push(Slot {
            block: 0,
            bytes: vec![0; self.block_size].into_boxed_slice(),
            is_dirty: false,
            is_referenced: false,
            is_pinned: false,
        });
        self.slots.len().saturating_sub(1)
    }

    /// Empties the first slot that the hand finds unused since its last round, if any may go.
    fn evict(&mut self) -> Result<Option<usize>, BlockError> {
        for _ in 0..self.slots.len().saturating_mul(2) {
            let number = self.hand;
            self.hand = number
                .saturating_add(1)
                .checked_rem(self.slots.len())
                .unwrap_or(0);
            let slot = &mut self.slots[number];
            if slot.is_pinned {
                continue;
            }
            if core::mem::take(&mut slot.is_referenced) {
                continue;
            }
            if slot.is_dirty {
                self.write_back(number)?;
            }
            let block = self.slots[number].block;
            self.index.remove(&block);
            self.statistics.nr_evictions = self.statistics.nr_evictions.saturating_add(1);
            return Ok(Some(number));
        }
        Ok(None)
    }

    fn write_back(&mut self, number: usize) -> Result<(), BlockError> {
        let offset = self.offset_of(self.slots[number].block)?;
        let slot = &mut self.slots[number];
        self.device.write(offset, &slot.bytes)?;
        slot.is_dirty = false;
        self.statistics.nr_writes = self.statistics.nr_writes.saturating_add(1);
        Ok(())
    }

    /// Keeps the former contents of a slot that is about to change, once per operation.
    fn record(&mut self, number: usize) {
        if !self.is_recording || self.slots[number].is_pinned {
            return;
        }
        let mut bytes = self
            .spare
            .pop()
            .unwrap_or_else(|| vec![0; self.block_size].into_boxed_slice());
        let slot = &mut self.slots[number];
        bytes.copy_from_slice(&slot.bytes);
        slot.is_pinned = true;
        self.log.push(Undo::Restore {
            slot: number,
            bytes,
            was_dirty: slot.is_dirty,
        });
    }

    fn discard(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        slot.is_dirty = false;
        slot.is_pinned = false;
        slot.is_referenced = false;
        self.index.remove(&slot.block);
        self.free.push(number);
    }

    /// Gives back the slots that one large operation took beyond the budget.
    fn shrink(&mut self) {
        if self.slots.len() <= self.capacity || !self.log.is_empty() {
            return;
        }
        for slot in self.slots.drain(self.capacity..) {
            if self
                .index
                .get(&slot.block)
                .is_some_and(|number| *number >= self.capacity)
            {
                self.index.remove(&slot.block);
            }
        }
        let capacity = self.capacity;
        self.free.retain(|number| *number < capacity);
        self.slots.shrink_to_fit();
        self.hand = 0;
    }

    fn keep_spare(&mut self, bytes: Box<[u8]>) {
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(bytes);
        }
    }

    fn offset_of(&self, block: u64) -> Result<u64, BlockError> {
        u64::try_from(self.block_size)
            .ok()
            .and_then(|size| block.checked_mul(size))
            .ok_or(BlockError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, FaultDisk, MemDisk};

    fn cache() -> BlockCache<MemDisk> {
        BlockCache::new(MemDisk::zeroed(64 * 512), 512, 16 * 512)
    }

    #[test]
    fn changes_reach_the_device_by_eviction_and_by_flush() {
        let mut cache = cache();
        for block in 0..64 {
            cache
                .block_mut(block)
                .unwrap()
                .fill(u8::try_from(block).unwrap());
        }
        assert!(cache.statistics().nr_evictions >= 48);
        for block in 0..64 {
            assert_eq!(u64::from(cache.block(block).unwrap()[511]), block);
        }
        cache.flush().unwrap();
        assert!(!cache.is_dirty());
        let image = cache.into_device().into_image();
        assert!((0..64).all(|block| usize::from(image[block * 512]) == block));
    }

    #[test]
    fn roll_back_restores_bytes_and_dirtiness() {
        let mut cache = cache();
        cache.block_mut(1).unwrap().fill(1);
        cache.flush().unwrap();
        cache.block_mut(2).unwrap().fill(2);
        cache.begin();
        cache.block_mut(1).unwrap().fill(9);
        cache.zeroed(2).unwrap();
        cache.zeroed(3).unwrap().fill(9);
        cache.forget(2);
        assert!(cache.roll_back());
        assert_eq!(cache.block(1).unwrap()[0], 1);
        assert_eq!(cache.block(2).unwrap()[0], 2);
        assert_eq!(cache.block(3).unwrap()[0], 0);
        cache.flush().unwrap();
        let image = cache.into_device().into_image();
        assert_eq!((image[512], image[1024], image[1536]), (1, 2, 0));
    }

    #[test]
    fn an_operation_larger_than_the_budget_can_still_be_undone() {
        let mut cache = cache();
        cache.begin();
        for block in 0..40 {
            cache.block_mut(block).unwrap().fill(5);
        }
        assert!(cache.roll_back());
        cache.flush().unwrap();
        assert!((0..64).all(|block| cache.block(block).unwrap()[0] == 0));
        cache.begin();
        for block in 0..40 {
            cache.block_mut(block).unwrap().fill(6);
        }
        cache.commit();
        cache.flush().unwrap();
        assert!((0..40).all(|block| cache.block(block).unwrap()[0] == 6));
    }

    #[test]
    fn a_smaller_budget_takes_effect_at_once_and_loses_nothing() {
        let mut cache = BlockCache::new(MemDisk::zeroed(64 * 512), 512, 64 * 512);
        for block in 0..64 {
            cache
                .block_mut(block)
                .unwrap()
                .fill(u8::try_from(block).unwrap());
        }
        assert_eq!(cache.held_bytes(), 64 * 512);
        cache.set_budget(20 * 512).unwrap();
        assert_eq!(cache.held_bytes(), 20 * 512);
        cache.begin();
        cache.block_mut(1).unwrap().fill(99);
        cache.set_budget(0).unwrap();
        assert!(cache.roll_back());
        cache.set_budget(0).unwrap();
        assert_eq!(cache.held_bytes(), 16 * 512);
        for block in 0..64 {
            assert_eq!(u64::from(cache.block(block).unwrap()[0]), block);
        }
        cache.set_budget(64 * 512).unwrap();
        cache.flush().unwrap();
        let image = cache.into_device().into_image();
        assert!((0..64).all(|block| usize::from(image[block * 512]) == block));
    }

    #[test]
    fn freed_blocks_are_not_written() {
        let mut cache = cache();
        cache.block_mut(5).unwrap().fill(5);
        cache.begin();
        cache.forget(5);
        cache.commit();
        cache.flush().unwrap();
        assert_eq!(cache.statistics().nr_writes, 0);
    }

    #[test]
    fn a_late_block_is_reported_and_then_found() {
        let disk = FaultDisk::new(MemDisk::new(vec![3; 8192]), vec![Fault::DelayRead(0)]);
        let mut cache = BlockCache::new(disk, 1024, 0);
        assert_eq!(cache.block(2), Err(BlockError::NotResident(2048)));
        assert_eq!(cache.block(2).unwrap()[0], 3);
        assert_eq!(cache.block(8), Err(BlockError::OutOfRange));
        assert_eq!(cache.block(u64::MAX), Err(BlockError::OutOfRange));
    }

    #[test]
    fn a_failed_write_keeps_the_block_dirty() {
        let disk = FaultDisk::new(MemDisk::zeroed(8192), vec![Fault::FailWrite(0)]);
        let mut cache = BlockCache::new(disk, 1024, 0);
        let fill = |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok::<(), BlockError>(())
        };
        cache.overwrite(1, fill).unwrap();
        assert_eq!(cache.flush(), Err(BlockError::Io));
        assert!(cache.is_dirty());
        cache.flush().unwrap();
        assert_eq!(cache.into_device().into_inner().into_image()[1024], 7);
    }

    #[test]
    fn an_overwrite_that_fails_leaves_the_device_s_bytes() {
        let mut cache = BlockCache::new(MemDisk::new(vec![3; 8192]), 1024, 0);
        let fail = |bytes: &mut [u8]| {
            bytes.fill(9);
            Err(BlockError::Io)
        };
        assert_eq!(cache.overwrite(1, fail), Err(BlockError::Io));
        assert_eq!(cache.block(1).unwrap()[0], 3);
        assert!(!cache.is_dirty());
    }
}
