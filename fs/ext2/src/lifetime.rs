//! The end of inodes: they go with their last name, or later with their last holder.
//!
//! ```text
//!             retain                 unlink (last name)
//!   linked ──────────> linked, held ────────────────────> unlinked, held
//!     │  <──────────                                            │
//!     │    release                                              │ release (last)
//!     └── unlink (last name) ──> freed <────────────────────────┘
//! ```

use fs_block::BlockDevice;

use crate::error::{Error, Result};
use crate::inode::Inode;
use crate::superblock::seconds32;
use crate::{Ext2, FileType, InodeNo, Timestamp};

impl<D: BlockDevice> Ext2<D> {
    /// Holds an inode: it stays usable without a name until released as often as retained.
    pub fn retain(&mut self, ino: InodeNo) {
        let count = self.retained.entry(ino.0).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Undoes one [`Ext2::retain`]; the last one frees an inode without names.
    ///
    /// # Errors
    /// Those of the disk; then it is still held.
    pub fn release(&mut self, ino: InodeNo, now: Timestamp) -> Result<()> {
        match self.retained.get_mut(&ino.0) {
            None => return Ok(()),
            Some(count) if *count > 1 => {
                *count = count.saturating_sub(1);
                return Ok(());
            }
            Some(_) => {}
        }
        match self.inode(ino) {
            Ok(inode) if inode.links_count == 0 && !self.read_only => {
                self.change(|fs| fs.bury(inode, now))?;
            }
            Err(error @ (Error::NotResident(_) | Error::Io)) => return Err(error),
            _ => {}
        }
        self.retained.remove(&ino.0);
        Ok(())
    }

    /// Takes one name from an inode that is not a directory.
    pub(crate) fn drop_link(&mut self, ino: InodeNo, now: Timestamp) -> Result<()> {
        let mut inode = self.inode(ino)?;
        inode.links_count = inode.links_count.saturating_sub(1);
        inode.ctime = now;
        if inode.links_count == 0 && !self.retained.contains_key(&ino.0) {
            self.bury(inode, now)
        } else {
            self.store(&inode)
        }
    }

    /// Takes the only name from an empty directory.
    pub(crate) fn drop_directory(&mut self, ino: InodeNo, now: Timestamp) -> Result<()> {
        let mut inode = self.inode(ino)?;
        inode.links_count = 0;
        inode.ctime = now;
        if self.retained.contains_key(&ino.0) {
            // Whoever holds it sees an empty directory, without `.` and `..`, as on Linux.
            self.free_range(&mut inode, 0..u64::MAX)?;
            inode.size = 0;
            self.names.remove(ino);
            self.store(&inode)
        } else {
            self.bury(inode, now)
        }
    }

    /// Frees an inode, its blocks and its attributes.
    fn bury(&mut self, mut inode: Inode, now: Timestamp) -> Result<()> {
        let has_blocks = match inode.kind {
            FileType::Regular | FileType::Directory => true,
            FileType::Symlink => !self.is_inline_symlink(&inode),
            _ => false,
        };
        if has_blocks {
            self.free_range(&mut inode, 0..u64::MAX)?;
        }
        self.release_attributes(&mut inode)?;
        inode.links_count = 0;
        inode.size = 0;
        // 0 would mean that it lives.
        inode.dtime = seconds32(now).max(1);
        self.store(&inode)?;
        self.free_inode(inode.ino, inode.kind == FileType::Directory)?;
        self.names.remove(inode.ino);
        self.forget_inode(inode.ino);
        Ok(())
    }
}
