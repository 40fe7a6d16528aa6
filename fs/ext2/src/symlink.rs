//! Symbolic links: up to 59 bytes in the inode's block pointers, longer ones in a block.

use fs_block::BlockDevice;

use crate::codec::{index, le32, put, put32, wide};
use crate::error::{CorruptKind, Error, Result};
use crate::inode::{Inode, NR_POINTERS};
use crate::{Ext2, FileType, InodeNo};

/// Bytes of `i_block`; a target there ends with a NUL.
const INLINE_BYTES: usize = NR_POINTERS * 4;

impl<D: BlockDevice> Ext2<D> {
    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `Invalid` when it is not one, `Stale`, `Corrupt`, `Io`, `NotResident`.
    pub fn readlink(&mut self, ino: InodeNo) -> Result<Vec<u8>> {
        let target = self.target(ino);
        target.map_err(|error| self.noted(error))
    }

    fn target(&mut self, ino: InodeNo) -> Result<Vec<u8>> {
        let inode = self.inode(ino)?;
        if inode.kind != FileType::Symlink {
            return Err(Error::Invalid);
        }
        let len = usize::try_from(inode.size).unwrap_or(usize::MAX);
        let bad = Error::Corrupt(CorruptKind::Inode(ino, "bad length of a symbolic link"));
        let mut pointers = [0; INLINE_BYTES];
        let target = if self.is_inline_symlink(&inode) {
            if len >= INLINE_BYTES {
                return Err(bad);
            }
            for (place, number) in pointers.chunks_exact_mut(4).zip(inode.block) {
                put32(place, 0, number);
            }
            pointers.get(..len)
        } else {
            let block = self.map(&inode, 0)?.ok_or(bad)?;
            self.cache.block(u64::from(block.0))?.get(..len)
        };
        match target {
            Some(target) if !target.is_empty() => Ok(target.to_vec()),
            _ => Err(bad),
        }
    }

    /// Whether the target lies in the inode: no block is counted besides the attributes'.
    pub(crate) fn is_inline_symlink(&self, inode: &Inode) -> bool {
        let attributes = if inode.file_acl == 0 {
            0
        } else {
            self.superblock.block_size() / 512
        };
        inode.kind == FileType::Symlink && inode.blocks == attributes
    }

    /// Stores the target of a new link.
    pub(crate) fn start_symlink(&mut self, inode: &mut Inode, target: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(Error::NotFound);
        }
        if target.len() >= index(self.superblock.block_size()) {
            return Err(Error::NameTooLong);
        }
        if target.len() < INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            put(&mut bytes, 0, target);
            for (place, number) in inode.block.iter_mut().zip(bytes.chunks_exact(4)) {
                *place = le32(number, 0);
            }
        } else {
            let goal = self.goal_of_inode(inode.ino);
            let (block, _) = self.map_or_allocate(inode, 0, goal)?;
            put(self.cache.zeroed(u64::from(block.0))?, 0, target);
        }
        inode.size = wide(target.len());
        Ok(())
    }
}
