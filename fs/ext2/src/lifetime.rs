//! The end of inodes: they go with their last name, or later with their last holder.
//!
//! ```text
//!             retain                 unlink (last name)
//!   linked ──────────> linked, held ────────────────────> unlinked, held
//!     │  <──────────                                            │
//!     │    release                                              │ release (last)
//!     └── unlink (last name) ──> freed <────────────────────────┘
//! ```
//! An inode without a name that is held is on the list of orphans (`orphan.rs`).

use fs_block::BlockDevice;

use crate::error::{Error, Result};
use crate::inode::Inode;
use crate::superblock::seconds32;
use crate::{Ext2, FileType, InodeNo, Timestamp};

/// Who holds an inode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holders {
    count: u32,
    /// It was made without a name and may get one.
    pub(crate) may_get_name: bool,
}

impl Holders {
    /// One, of an inode that had a name.
    pub(crate) const ONE: Self = Self {
        count: 1,
        may_get_name: false,
    };
    /// One, of an inode that may still get a name.
    pub(crate) const NAMELESS: Self = Self {
        count: 1,
        may_get_name: true,
    };
}

impl<D: BlockDevice> Ext2<D> {
    /// Holds an inode: it stays usable without a name until released as often as retained.
    pub fn retain(&mut self, ino: InodeNo) {
        self.retained
            .entry(ino.0)
            .and_modify(|held| held.count = held.count.saturating_add(1))
            .or_insert(Holders::ONE);
    }

    /// Undoes one [`Ext2::retain`]; the last one frees an inode without names.
    ///
    /// # Errors
    /// Those of the disk; then it is still held.
    pub fn release(&mut self, ino: InodeNo, now: Timestamp) -> Result<()> {
        match self.retained.get_mut(&ino.0) {
            None => return Ok(()),
            Some(held) if held.count > 1 => {
                held.count = held.count.saturating_sub(1);
                return Ok(());
            }
            Some(_) => {}
        }
        match self.inode(ino) {
            Ok(mut inode) if inode.links_count == 0 && !self.is_read_only() => {
                self.change(|fs| {
                    fs.leave_orphans(&mut inode)?;
                    fs.bury(inode, now)
                })?;
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
        if inode.links_count == 0 {
            if !self.retained.contains_key(&ino.0) {
                return self.bury(inode, now);
            }
            self.join_orphans(&mut inode);
        }
        self.store(&inode)
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
            self.join_orphans(&mut inode);
            self.store(&inode)
        } else {
            self.bury(inode, now)
        }
    }

    /// Frees an inode, its blocks and its attributes.
    pub(crate) fn bury(&mut self, mut inode: Inode, now: Timestamp) -> Result<()> {
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
