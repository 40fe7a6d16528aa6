//! Slots: which block is in which, and which leaves for another.

#![expect(
    clippy::indexing_slicing,
    reason = "slot numbers come from `index` and `free`, which name slots that exist"
)]

use super::BlockCache;
use crate::{BlockDevice, BlockError, checked_end};

/// The fewest slots of a cache.
const MIN_SLOTS: usize = 16;

/// One block in memory.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) block: u64,
    pub(super) bytes: Box<[u8]>,
    pub(super) is_dirty: bool,
    /// Used since the clock's hand last passed.
    pub(super) is_referenced: bool,
    /// In the log of the running operation: must stay.
    pub(super) is_pinned: bool,
}

impl<D: BlockDevice> BlockCache<D> {
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

    /// How many blocks `budget_bytes` are good for.
    pub(super) fn slots_for(budget_bytes: usize, block_size: usize) -> usize {
        let slots = budget_bytes.checked_div(block_size).unwrap_or(0);
        slots.max(MIN_SLOTS)
    }

    /// The slot of `block`, loaded if need be.
    #[inline]
    pub(super) fn resident(&mut self, block: u64) -> Result<usize, BlockError> {
        if let Some(slot) = self.index.get(&block) {
            self.slots[*slot].is_referenced = true;
            return Ok(*slot);
        }
        self.load(block)
    }

    #[cold]
    pub(super) fn load(&mut self, block: u64) -> Result<usize, BlockError> {
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
    pub(super) fn claim(&mut self, block: u64) -> Result<usize, BlockError> {
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

    /// Notes whether a slot differs from the device.
    #[inline]
    pub(super) fn set_dirty(&mut self, number: usize, is_dirty: bool) {
        let was_dirty = core::mem::replace(&mut self.slots[number].is_dirty, is_dirty);
        self.nr_dirty = self
            .nr_dirty
            .saturating_add(is_dirty.into())
            .saturating_sub(was_dirty.into());
    }

    pub(super) fn write_back(&mut self, number: usize) -> Result<(), BlockError> {
        let offset = self.offset_of(self.slots[number].block)?;
        let slot = &mut self.slots[number];
        self.device.write(offset, &slot.bytes)?;
        self.set_dirty(number, false);
        self.statistics.nr_writes = self.statistics.nr_writes.saturating_add(1);
        Ok(())
    }

    pub(super) fn discard(&mut self, number: usize) {
        self.set_dirty(number, false);
        let slot = &mut self.slots[number];
        slot.is_pinned = false;
        slot.is_referenced = false;
        self.index.remove(&slot.block);
        self.free.push(number);
    }

    /// Gives back the slots that one large operation took beyond the budget.
    pub(super) fn shrink(&mut self) {
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

    pub(super) fn offset_of(&self, block: u64) -> Result<u64, BlockError> {
        u64::try_from(self.block_size)
            .ok()
            .and_then(|size| block.checked_mul(size))
            .ok_or(BlockError::OutOfRange)
    }
}
