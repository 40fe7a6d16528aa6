//! From a file's block to the disk's: 12 direct pointers, then tables one, two and three deep.
//!
//! ```text
//!   i_block[0..12]  file blocks 0..12            with p = block size / 4:
//!   i_block[12] ──> p pointers                   the next p file blocks
//!   i_block[13] ──> p tables of p pointers       the next p^2
//!   i_block[14] ──> p tables of p tables         the next p^3
//! ```
//! Pointer 0 is a hole. Every pointer is checked before it is followed. Depth and file size bound
//! each walk, so pointers that form a loop cannot.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "file blocks below `max_file_blocks`"
)]

use core::ops::Range;

use fs_block::BlockDevice;

use crate::codec::{index, low32, pointer, put32};
use crate::error::{CorruptKind, Error, Result};
use crate::inode::{Inode, NR_POINTERS, Run};
use crate::{BlockNo, Ext2, group};

/// Pointers in the inode that lead to data at once.
const NR_DIRECT: u64 = 12;
/// The most blocks of a run that is looked for: enough to make the search cheap per block.
pub(crate) const MAX_RUN: u32 = 64;

/// The way to a file block: a pointer in the inode, then an index into each table.
struct Path {
    /// Which of `i_block`.
    root: usize,
    /// Tables to pass: 0 to 3.
    depth: usize,
    /// The index in each table, outermost first; `depth` are used.
    indexes: [u32; 3],
}

impl<D: BlockDevice> Ext2<D> {
    /// Binary logarithm of the pointers in a table.
    const fn table_shift(&self) -> u32 {
        self.superblock.block_shift - 2
    }

    /// Blocks that the pointers of an inode can reach.
    const fn max_file_blocks(&self) -> u64 {
        let shift = self.table_shift();
        NR_DIRECT + (1 << shift) + (1 << (2 * shift)) + (1 << (3 * shift))
    }

    /// Largest file in bytes: what the pointers reach and `i_blocks` can count.
    pub(crate) const fn max_file_size(&self) -> u64 {
        let shift = self.superblock.block_shift;
        if self.superblock.rev_level == 0 {
            return 0x7FFF_FFFF;
        }
        // 2^32 - 1 sectors hold the tables too: at most one per 2^table_shift blocks and a few.
        let countable = 0xFFFF_FFFF_u64 >> (shift - 9);
        let data = countable - (countable >> self.table_shift()) - (1 << self.table_shift()) - 3;
        let blocks = if data < self.max_file_blocks() {
            data
        } else {
            self.max_file_blocks()
        };
        blocks << shift
    }

    fn path(&self, logical: u64) -> Option<Path> {
        let shift = self.table_shift();
        let mask = (1_u64 << shift) - 1;
        if logical < NR_DIRECT {
            return Some(Path {
                root: usize::try_from(logical).ok()?,
                depth: 0,
                indexes: [0; 3],
            });
        }
        let mut rest = logical - NR_DIRECT;
        for depth in 1..=3 {
            let span = 1_u64 << (shift * depth);
            if rest < span {
                let depth = usize::try_from(depth).ok()?;
                let mut indexes = [0; 3];
                for entry in indexes.iter_mut().take(depth).rev() {
                    *entry = low32(rest & mask);
                    rest >>= shift;
                }
                return Some(Path {
                    root: 11 + depth,
                    depth,
                    indexes,
                });
            }
            rest -= span;
        }
        None
    }

    /// The disk block of a file block; `None` is a hole.
    pub(crate) fn map(&mut self, inode: &Inode, logical: u64) -> Result<Option<BlockNo>> {
        if self.superblock.ext4.has_extents(inode.flags) {
            let run = self.extent_run(inode, logical)?;
            return Ok((run.physical != 0).then_some(BlockNo(run.physical)));
        }
        let Some(path) = self.path(logical) else {
            return Ok(None);
        };
        let mut block = inode.block.get(path.root).copied().unwrap_or(0);
        for number in path.indexes.into_iter().take(path.depth) {
            if block == 0 {
                return Ok(None);
            }
            self.check_data_block(block)?;
            block = pointer(self.cache.block(u64::from(block))?, number);
        }
        if block == 0 {
            Ok(None)
        } else {
            self.check_data_block(block).map(Some)
        }
    }

    /// The disk block of a file block and how many follow it likewise; in a table it looks at no more than `wanted`
    /// pointers.
    pub(crate) fn map_run(&mut self, inode: &Inode, logical: u64, wanted: u32) -> Result<Run> {
        if self.superblock.ext4.has_extents(inode.flags) {
            return self.extent_run(inode, logical);
        }
        let hole = |len| Run {
            logical,
            physical: 0,
            len,
        };
        let Some(path) = self.path(logical) else {
            return Ok(hole(1));
        };
        let shift = self.table_shift();
        let mut block = inode.block.get(path.root).copied().unwrap_or(0);
        let mut left = 1 << shift;
        let mut leaf: Option<(u32, u32)> = None;
        for number in path.indexes.into_iter().take(path.depth) {
            if block == 0 {
                // All that this missing table would map from here on; at least its leaf's rest.
                let last = path.indexes.get(path.depth - 1).copied().unwrap_or(0);
                return Ok(hole((1 << shift) - last));
            }
            self.check_data_block(block)?;
            leaf = Some((block, number));
            left = (1 << shift) - number;
            block = pointer(self.cache.block(u64::from(block))?, number);
        }
        let follows = |next: u32, len: u32| {
            if block == 0 {
                next == 0
            } else {
                next == block + len
            }
        };
        let mut len = 1;
        if let Some((table, number)) = leaf {
            let table = self.cache.block(u64::from(table))?;
            while len < left.min(wanted) && follows(pointer(table, number + len), len) {
                len += 1;
            }
        } else {
            let rest = inode
                .block
                .get(path.root + 1..index(low32(NR_DIRECT)))
                .unwrap_or_default();
            for next in rest {
                if !follows(*next, len) {
                    break;
                }
                len += 1;
            }
        }
        if block != 0 {
            self.check_data_block(block)?;
            // A run that enters metadata ends before it; the next lookup then says what is wrong.
            len = len.min(group::data_blocks_from(
                &self.superblock,
                &self.groups,
                block,
            ));
        }
        Ok(Run {
            logical,
            physical: block,
            len,
        })
    }

    /// The disk block of a file block, allocated if it is a hole; and whether it was.
    ///
    /// The contents of a fresh block are unspecified. Changes `inode`, which the caller stores.
    pub(crate) fn map_or_allocate(
        &mut self,
        inode: &mut Inode,
        logical: u64,
        goal: u32,
    ) -> Result<(BlockNo, bool)> {
        let path = self.path(logical).ok_or(Error::FileTooBig)?;
        let root = inode.block.get(path.root).copied().unwrap_or(0);
        let (mut block, mut is_fresh) = if root == 0 {
            let block = self.allocate_for(inode, goal)?;
            if let Some(place) = inode.block.get_mut(path.root) {
                *place = block.0;
            }
            (block, true)
        } else {
            (self.check_data_block(root)?, false)
        };
        for number in path.indexes.into_iter().take(path.depth) {
            if is_fresh {
                self.cache.zeroed(u64::from(block.0))?;
            }
            let next = pointer(self.cache.block(u64::from(block.0))?, number);
            if next == 0 {
                let goal = if is_fresh { block.0 + 1 } else { goal };
                let fresh = self.allocate_for(inode, goal)?;
                let table = self.cache.block_mut(u64::from(block.0))?;
                put32(table, index(number) * 4, fresh.0);
                (block, is_fresh) = (fresh, true);
            } else {
                (block, is_fresh) = (self.check_data_block(next)?, false);
            }
        }
        Ok((block, is_fresh))
    }

    /// Where the block after the file's previous one would be.
    pub(crate) fn goal_for(&mut self, inode: &Inode, logical: u64) -> Result<u32> {
        let previous = match logical.checked_sub(1) {
            Some(previous) => self.map(inode, previous)?,
            None => None,
        };
        Ok(previous.map_or_else(|| self.goal_of_inode(inode.ino), |block| block.0 + 1))
    }

    /// Takes a block and counts it in `i_blocks`.
    pub(crate) fn allocate_for(&mut self, inode: &mut Inode, goal: u32) -> Result<BlockNo> {
        let sectors = self.superblock.block_size() / 512;
        let blocks = inode.blocks.checked_add(sectors).ok_or(Error::FileTooBig)?;
        let block = self.allocate_block(goal)?;
        inode.blocks = blocks;
        Ok(block)
    }

    /// Gives a block back and counts it.
    fn free_for(&mut self, inode: &mut Inode, block: u32) -> Result<()> {
        self.free_block(block)?;
        let sectors = self.superblock.block_size() / 512;
        inode.blocks = inode.blocks.saturating_sub(sectors);
        Ok(())
    }

    /// Frees the blocks of the file blocks `range`, and the tables that then lead nowhere.
    pub(crate) fn free_range(&mut self, inode: &mut Inode, range: Range<u64>) -> Result<()> {
        let shift = self.table_shift();
        let mut start = 0;
        for root in 0..NR_POINTERS {
            let depth = u32::try_from(root.saturating_sub(11)).unwrap_or(0);
            let end = start + (1_u64 << (shift * depth));
            let block = inode.block.get(root).copied().unwrap_or(0);
            if block != 0 && start < range.end && end > range.start {
                let part = range.start.saturating_sub(start)..range.end - start;
                if self.free_tree(inode, block, depth, part)?
                    && let Some(place) = inode.block.get_mut(root)
                {
                    *place = 0;
                }
            }
            start = end;
        }
        self.forget_run(inode.ino);
        Ok(())
    }

    /// Frees what a pointer leads to within `range`, counted from there; returns whether that was
    /// all, so that the pointer is free too.
    fn free_tree(
        &mut self,
        inode: &mut Inode,
        block: u32,
        depth: u32,
        range: Range<u64>,
    ) -> Result<bool> {
        self.check_data_block(block)?;
        if depth > 0 {
            let shift = self.table_shift();
            let span = 1_u64 << (shift * (depth - 1));
            let goes_anyway = range.start == 0 && range.end >= span << shift;
            // A copy: the walk below needs the cache.
            let table = self.cache.block(u64::from(block))?.to_vec();
            let mut is_empty = true;
            for number in 0..1 << shift {
                let child = pointer(&table, number);
                if child == 0 {
                    continue;
                }
                if child == block {
                    return Err(CorruptKind::BlockPointer(BlockNo(block)).into());
                }
                let start = u64::from(number) * span;
                if start >= range.end || start + span <= range.start {
                    is_empty = false;
                    continue;
                }
                let part = range.start.saturating_sub(start)..range.end - start;
                if !self.free_tree(inode, child, depth - 1, part)? {
                    is_empty = false;
                } else if !goes_anyway {
                    let table = self.cache.block_mut(u64::from(block))?;
                    put32(table, index(number) * 4, 0);
                }
            }
            if !is_empty {
                return Ok(false);
            }
        }
        self.free_for(inode, block)?;
        Ok(true)
    }
}
