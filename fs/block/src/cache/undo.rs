//! Undo: what an operation has changed since it began is kept, or put back as it was.

#![expect(
    clippy::indexing_slicing,
    reason = "slot numbers come from `index` and the log, which name slots that exist"
)]

use super::BlockCache;
use crate::BlockDevice;

/// Buffers that the log keeps for the next operation.
const SPARE_BUFFERS: usize = 32;

/// How to undo the changes of one slot.
#[derive(Debug)]
pub(super) enum Undo {
    /// It held these bytes.
    Restore {
        slot: usize,
        bytes: Box<[u8]>,
        was_dirty: bool,
    },
    /// It was not in the cache.
    Drop { slot: usize },
}

impl<D: BlockDevice> BlockCache<D> {
    /// Starts an operation whose changes may be undone.
    pub fn begin(&mut self) {
        self.commit();
        self.is_recording = true;
    }

    /// Keeps the changes since [`Self::begin`].
    pub fn commit(&mut self) {
        self.is_recording = false;
        while let Some((first, last)) = self.forgotten.pop() {
            self.discard_run(first, last);
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
                    self.set_dirty(number, was_dirty);
                    let slot = &mut self.slots[number];
                    slot.is_pinned = false;
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

    /// Notes that `block` was freed: at commit its contents need not reach the device any more, and
    /// the device need not keep what it has. The operation must not [`Self::overwrite`] it after that.
    pub fn forget(&mut self, block: u64) {
        match self.forgotten.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(block) => *last = block,
            Some((first, _)) if block.checked_add(1) == Some(*first) => *first = block,
            _ => self.forgotten.push((block, block)),
        }
    }

    /// Drops a run of freed blocks.
    fn discard_run(&mut self, first: u64, last: u64) {
        let size = u64::try_from(self.block_size).unwrap_or(0);
        let mut start = first;
        for block in first..=last {
            let Some(slot) = self.index.get(&block).copied() else {
                continue;
            };
            // A pinned one was changed after it was freed: it may be in use again.
            if self.slots[slot].is_pinned {
                self.device.discard(
                    start.saturating_mul(size),
                    block.saturating_sub(start).saturating_mul(size),
                );
                start = block.saturating_add(1);
            } else {
                self.discard(slot);
            }
        }
        let len = last
            .saturating_add(1)
            .saturating_sub(start)
            .saturating_mul(size);
        self.device.discard(start.saturating_mul(size), len);
    }

    /// Keeps the former contents of a slot that is about to change, once per operation.
    pub(super) fn record(&mut self, number: usize) {
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

    fn keep_spare(&mut self, bytes: Box<[u8]>) {
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(bytes);
        }
    }
}
