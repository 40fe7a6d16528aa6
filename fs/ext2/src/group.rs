//! Block groups: their descriptors, and which blocks hold metadata.
//!
//! Places are checked once, at mount; a file can then never be led to a bitmap or inode table.
//! Counts are kept here and written to the descriptor table by `sync`.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "block numbers below `blocks_count`"
)]

use crate::BlockNo;
use crate::codec::{le16, le32, low16, put16};
use crate::error::{CorruptKind, Error, Result};
use crate::superblock::Superblock;

/// One block group (`struct ext2_group_desc`), and hints for finding free bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Block of the block bitmap.
    pub(crate) block_bitmap: u32,
    /// Block of the inode bitmap.
    pub(crate) inode_bitmap: u32,
    /// First block of the inode table.
    pub(crate) inode_table: u32,
    /// Free blocks.
    pub(crate) free_blocks: u32,
    /// Free inodes.
    pub(crate) free_inodes: u32,
    /// Directories among the inodes.
    pub(crate) used_dirs: u32,
    /// All bits of the block bitmap below this one are set.
    pub(crate) first_free_block: u32,
    /// All bits of the inode bitmap below this one are set.
    pub(crate) first_free_inode: u32,
    /// Differs from the descriptor table.
    pub(crate) is_dirty: bool,
}

impl Group {
    /// Decodes and checks the descriptor of group `number`.
    pub(crate) fn from_bytes(bytes: &[u8], number: u32, superblock: &Superblock) -> Result<Self> {
        let group = Self {
            block_bitmap: le32(bytes, 0),
            inode_bitmap: le32(bytes, 4),
            inode_table: le32(bytes, 8),
            free_blocks: u32::from(le16(bytes, 12)),
            free_inodes: u32::from(le16(bytes, 14)),
            used_dirs: u32::from(le16(bytes, 16)),
            first_free_block: 0,
            first_free_inode: 0,
            is_dirty: false,
        };
        let corrupt = |what| Err(Error::Corrupt(CorruptKind::Group(number, what)));
        let len = superblock.group_len(number);
        if !superblock.ext4.is_descriptor_right(number, bytes) {
            return corrupt("a descriptor that nobody wrote so");
        }
        let (from, end) = if superblock.ext4.is_flexible() {
            (superblock.first_data_block + 1, superblock.blocks_count)
        } else {
            let start = superblock.group_start(number);
            (start + superblock.head_blocks(number).min(len), start + len)
        };
        let table_end = group
            .inode_table
            .checked_add(superblock.inode_table_blocks());
        let holds = |block: u32| (from..end).contains(&block);
        if !holds(group.block_bitmap) {
            return corrupt("block bitmap outside its group");
        }
        if !holds(group.inode_bitmap) || group.inode_bitmap == group.block_bitmap {
            return corrupt("inode bitmap outside its group");
        }
        let Some(table_end) = table_end.filter(|table_end| *table_end <= end) else {
            return corrupt("inode table outside its group");
        };
        let table = group.inode_table..table_end;
        if !holds(group.inode_table)
            || table.contains(&group.block_bitmap)
            || table.contains(&group.inode_bitmap)
        {
            return corrupt("inode table outside its group");
        }
        if group.free_blocks > len || group.free_inodes > superblock.inodes_per_group {
            return corrupt("more free than there is");
        }
        Ok(group)
    }

    /// Stores the counts.
    pub(crate) fn write_to(&self, bytes: &mut [u8]) {
        put16(bytes, 12, low16(self.free_blocks));
        put16(bytes, 14, low16(self.free_inodes));
        put16(bytes, 16, low16(self.used_dirs));
    }
}

/// The group of `block`, which is not before the first data block, and its bit there.
pub(crate) const fn place_of_block(superblock: &Superblock, block: u32) -> (u32, u32) {
    let relative = block - superblock.first_data_block;
    (
        relative / superblock.blocks_per_group,
        relative % superblock.blocks_per_group,
    )
}

/// Refuses a block number that no file may own.
pub(crate) fn check_data_block(
    superblock: &Superblock,
    groups: &[Group],
    block: u32,
) -> Result<BlockNo> {
    let bad = Error::Corrupt(CorruptKind::BlockPointer(BlockNo(block)));
    if block < superblock.first_data_block || block >= superblock.blocks_count {
        return Err(bad);
    }
    if superblock.ext4.is_flexible() {
        // Nothing is written there, and whoever reads metadata as data does no harm.
        return Ok(BlockNo(block));
    }
    let (number, bit) = place_of_block(superblock, block);
    let group = groups.get(crate::codec::index(number)).ok_or(bad)?;
    let table_end = group.inode_table + superblock.inode_table_blocks();
    if block == group.block_bitmap
        || block == group.inode_bitmap
        || (group.inode_table..table_end).contains(&block)
        || bit < superblock.head_blocks(number)
    {
        return Err(bad);
    }
    Ok(BlockNo(block))
}

/// How many blocks from data block `block` on are data blocks of the same group.
pub(crate) fn data_blocks_from(superblock: &Superblock, groups: &[Group], block: u32) -> u32 {
    let (number, _) = place_of_block(superblock, block);
    let Some(group) = groups.get(crate::codec::index(number)) else {
        return 0;
    };
    let end = superblock.group_start(number) + superblock.group_len(number);
    [group.block_bitmap, group.inode_bitmap, group.inode_table]
        .into_iter()
        .filter(|metadata| *metadata > block)
        .fold(end, u32::min)
        - block
}
