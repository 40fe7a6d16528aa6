//! The block and inode bitmaps: who gets which block and inode.
//!
//! - A block is taken at the goal, usually right after the file's previous block. When that one is
//!   taken, the next run of eight free blocks is preferred, so that files that grow by turns do
//!   not interleave; then any free block of the group, then of the other groups.
//! - A new file's inode lies in its directory's group; a new directory of the root in the group
//!   with the most free blocks, deeper ones near their parent while there is room.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "bits and groups below the superblock's counts"
)]

use fs_block::BlockDevice;

use crate::codec::{index, low32, wide};
use crate::error::{CorruptKind, Error, Result};
use crate::group::place_of_block;
use crate::mount::ReservedBlocks;
use crate::{BlockNo, Ext2, InodeNo};

impl<D: BlockDevice> Ext2<D> {
    /// Takes a free block, `goal` or one close after it. Its contents are unspecified.
    pub(crate) fn allocate_block(&mut self, goal: u32) -> Result<BlockNo> {
        let kept = match self.reserved_blocks {
            ReservedBlocks::Usable => 0,
            ReservedBlocks::Kept => self.superblock.r_blocks_count,
        };
        if self.free_blocks <= kept || self.cache.device().is_full() {
            return Err(Error::NoSpace);
        }
        let in_range =
            (self.superblock.first_data_block..self.superblock.blocks_count).contains(&goal);
        let goal = if in_range {
            goal
        } else {
            self.superblock.first_data_block
        };
        let (goal_group, goal_bit) = place_of_block(&self.superblock, goal);
        let nr_groups = self.superblock.nr_groups();
        for step in 0..nr_groups {
            let number = low32((u64::from(goal_group) + u64::from(step)) % u64::from(nr_groups));
            let bit = if step == 0 { goal_bit } else { 0 };
            if let Some(block) = self.allocate_in_group(number, bit)? {
                return Ok(block);
            }
        }
        Err(Error::NoSpace)
    }

    fn allocate_in_group(&mut self, number: u32, goal: u32) -> Result<Option<BlockNo>> {
        let Some(group) = self.groups.get(index(number)).copied() else {
            return Ok(None);
        };
        if group.free_blocks == 0 {
            return Ok(None);
        }
        let len = self.superblock.group_len(number);
        let from = group.first_free_block;
        let bitmap = self.cache.block(u64::from(group.block_bitmap))?;
        let bit = if goal > from {
            next_zero(bitmap, goal, goal + 1)
                .or_else(|| next_zero_byte(bitmap, goal, len))
                .or_else(|| next_zero(bitmap, goal, len))
                .or_else(|| next_zero(bitmap, from, len))
        } else {
            next_zero(bitmap, from, len)
        };
        let Some(bit) = bit else { return Ok(None) };
        let block = self.superblock.group_start(number) + bit;
        if self.check_data_block(block).is_err() {
            return Err(CorruptKind::BlockBitmap(BlockNo(block)).into());
        }
        set_bit(self.cache.block_mut(u64::from(group.block_bitmap))?, bit);
        self.free_blocks = self.free_blocks.saturating_sub(1);
        if let Some(group) = self.group_mut(number) {
            group.free_blocks -= 1;
            if bit == from {
                group.first_free_block = bit + 1;
            }
        }
        Ok(Some(BlockNo(block)))
    }

    /// Gives a block of a file back.
    ///
    /// # Errors
    /// `Corrupt` when it is metadata or free already.
    pub(crate) fn free_block(&mut self, block: u32) -> Result<()> {
        self.check_data_block(block)?;
        let (number, bit) = place_of_block(&self.superblock, block);
        let bad = Error::Corrupt(CorruptKind::BlockBitmap(BlockNo(block)));
        let group = self.groups.get(index(number)).copied().ok_or(bad)?;
        if group.free_blocks >= self.superblock.group_len(number) {
            return Err(bad);
        }
        if !clear_bit(self.cache.block_mut(u64::from(group.block_bitmap))?, bit) {
            return Err(bad);
        }
        self.free_blocks = self.free_blocks.saturating_add(1);
        if let Some(group) = self.group_mut(number) {
            group.free_blocks += 1;
            group.first_free_block = group.first_free_block.min(bit);
        }
        self.cache.forget(u64::from(block));
        Ok(())
    }

    /// Takes a free inode for a file in directory `parent`.
    pub(crate) fn allocate_inode(
        &mut self,
        parent: InodeNo,
        is_directory: bool,
    ) -> Result<InodeNo> {
        if self.free_inodes == 0 {
            return Err(Error::NoSpace);
        }
        let first = if is_directory {
            self.group_for_directory(parent)
        } else {
            self.group_of_inode(parent)
        };
        let nr_groups = self.superblock.nr_groups();
        for step in 0..nr_groups {
            let number = low32((u64::from(first) + u64::from(step)) % u64::from(nr_groups));
            if let Some(ino) = self.allocate_inode_in_group(number, is_directory)? {
                return Ok(ino);
            }
        }
        Err(Error::NoSpace)
    }

    fn allocate_inode_in_group(
        &mut self,
        number: u32,
        is_directory: bool,
    ) -> Result<Option<InodeNo>> {
        let Some(group) = self.groups.get(index(number)).copied() else {
            return Ok(None);
        };
        if group.free_inodes == 0 {
            return Ok(None);
        }
        let per_group = self.superblock.inodes_per_group;
        let bitmap = self.cache.block(u64::from(group.inode_bitmap))?;
        let Some(bit) = next_zero(bitmap, group.first_free_inode, per_group) else {
            return Ok(None);
        };
        let ino = InodeNo(number * per_group + bit + 1);
        if ino.0 < self.superblock.first_ino {
            return Err(CorruptKind::InodeBitmap(ino).into());
        }
        set_bit(self.cache.block_mut(u64::from(group.inode_bitmap))?, bit);
        self.free_inodes = self.free_inodes.saturating_sub(1);
        if let Some(group) = self.group_mut(number) {
            group.free_inodes -= 1;
            group.used_dirs = group.used_dirs.saturating_add(u32::from(is_directory));
            group.first_free_inode = bit + 1;
        }
        Ok(Some(ino))
    }

    /// Gives an inode back.
    ///
    /// # Errors
    /// `Corrupt` when it is free already.
    pub(crate) fn free_inode(&mut self, ino: InodeNo, is_directory: bool) -> Result<()> {
        let bad = Error::Corrupt(CorruptKind::InodeBitmap(ino));
        let number = self.group_of_inode(ino);
        let bit = (ino.0 - 1) % self.superblock.inodes_per_group;
        let group = self.groups.get(index(number)).copied().ok_or(bad)?;
        if group.free_inodes >= self.superblock.inodes_per_group {
            return Err(bad);
        }
        if !clear_bit(self.cache.block_mut(u64::from(group.inode_bitmap))?, bit) {
            return Err(bad);
        }
        self.free_inodes = self.free_inodes.saturating_add(1);
        if let Some(group) = self.group_mut(number) {
            group.free_inodes += 1;
            group.used_dirs = group.used_dirs.saturating_sub(u32::from(is_directory));
            group.first_free_inode = group.first_free_inode.min(bit);
        }
        Ok(())
    }

    /// The block to start a file at: the first of its inode's group.
    pub(crate) fn goal_of_inode(&self, ino: InodeNo) -> u32 {
        self.superblock.group_start(self.group_of_inode(ino))
    }

    const fn group_of_inode(&self, ino: InodeNo) -> u32 {
        ino.0.saturating_sub(1) / self.superblock.inodes_per_group
    }

    /// Spreads the directories of the root, if wanted, and keeps others together.
    fn group_for_directory(&self, parent: InodeNo) -> u32 {
        let nr_groups = self.superblock.nr_groups();
        let average = |total: u32| total / nr_groups.max(1);
        let has_room = |number: u32| {
            self.groups.get(index(number)).is_some_and(|group| {
                group.free_inodes > 0
                    && group.free_inodes >= average(self.free_inodes) / 2
                    && group.free_blocks >= average(self.free_blocks) / 2
            })
        };
        let near = self.group_of_inode(parent);
        let is_spread = parent == InodeNo::ROOT && self.spread_directories;
        if !is_spread && has_room(near) {
            return near;
        }
        let candidates = (0..nr_groups).filter(|number| has_room(*number));
        let free = |number: &u32| {
            self.groups
                .get(index(*number))
                .map(|group| group.free_blocks)
        };
        candidates
            .max_by_key(|number| (free(number), core::cmp::Reverse(*number)))
            .unwrap_or(near)
    }
}

/// The first clear bit in `from..end`.
fn next_zero(bitmap: &[u8], from: u32, end: u32) -> Option<u32> {
    let mut at = from;
    while at < end {
        let byte = bitmap.get(index(at / 8))?;
        if at.is_multiple_of(8) && *byte == 0xFF {
            // Skip whole words of used blocks.
            let rest = bitmap.get(index(at / 8)..)?;
            let words = rest
                .chunks_exact(8)
                .take_while(|word| **word == [0xFF; 8])
                .count();
            at = at.saturating_add(low32(wide(words) * 64).max(8));
            continue;
        }
        if byte >> (at % 8) & 1 == 0 {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The first bit in `from..end` that starts a byte of eight clear bits.
fn next_zero_byte(bitmap: &[u8], from: u32, end: u32) -> Option<u32> {
    let first = from.div_ceil(8);
    let bytes = bitmap.get(index(first)..index(end / 8))?;
    let distance = bytes.iter().position(|byte| *byte == 0)?;
    Some((first + low32(wide(distance))) * 8)
}

fn set_bit(bitmap: &mut [u8], bit: u32) {
    if let Some(byte) = bitmap.get_mut(index(bit / 8)) {
        *byte |= 1 << (bit % 8);
    }
}

/// Clears a bit; returns whether it was set.
fn clear_bit(bitmap: &mut [u8], bit: u32) -> bool {
    let mask = 1_u8 << (bit % 8);
    match bitmap.get_mut(index(bit / 8)) {
        Some(byte) if *byte & mask != 0 => {
            *byte &= !mask;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_bits_are_found_in_order() {
        let mut bitmap = vec![0xFF; 64];
        bitmap[40] = 0b1011_1111;
        bitmap[50] = 0;
        assert_eq!(next_zero(&bitmap, 0, 512), Some(326));
        assert_eq!(next_zero(&bitmap, 3, 326), None);
        assert_eq!(next_zero(&bitmap, 327, 512), Some(400));
        assert_eq!(next_zero(&bitmap, 408, 512), None);
        assert_eq!(next_zero(&bitmap, 408, 5000), None);
        assert_eq!(next_zero_byte(&bitmap, 5, 512), Some(400));
        assert_eq!(next_zero_byte(&bitmap, 401, 512), None);
        assert!(clear_bit(&mut bitmap, 0) && !clear_bit(&mut bitmap, 0));
        set_bit(&mut bitmap, 0);
        assert_eq!(bitmap[0], 0xFF);
    }
}
