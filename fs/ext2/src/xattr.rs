//! Extended attribute blocks: kept as they are, counted, and freed with their last inode.

use fs_block::BlockDevice;

use crate::codec::{le32, put32};
use crate::error::{CorruptKind, Result};
use crate::inode::Inode;
use crate::{BlockNo, Ext2};

/// `h_magic`.
const MAGIC: u32 = 0xEA02_0000;
/// Byte of `h_refcount`.
const REFCOUNT: usize = 4;

impl<D: BlockDevice> Ext2<D> {
    /// Takes the attribute block from an inode that is about to be freed.
    pub(crate) fn release_attributes(&mut self, inode: &mut Inode) -> Result<()> {
        let block = core::mem::take(&mut inode.file_acl);
        if block == 0 {
            return Ok(());
        }
        self.check_data_block(block)?;
        let bytes = self.cache.block(u64::from(block))?;
        if le32(bytes, 0) != MAGIC {
            return Err(CorruptKind::AttributeBlock(BlockNo(block)).into());
        }
        match le32(bytes, REFCOUNT) {
            0 => return Err(CorruptKind::AttributeBlock(BlockNo(block)).into()),
            1 => self.free_block(block)?,
            shared => {
                let bytes = self.cache.block_mut(u64::from(block))?;
                put32(bytes, REFCOUNT, shared.saturating_sub(1));
            }
        }
        inode.blocks = inode
            .blocks
            .saturating_sub(self.superblock.block_size() / 512);
        Ok(())
    }
}
