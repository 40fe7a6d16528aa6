//! Inodes that live without a name because somebody holds them: a list on the disk, so that they go
//! after a crash.
//!
//! ```text
//!   s_last_orphan ──> inode, i_dtime ──> inode, i_dtime ──> 0
//! ```
//! The list is ext4's; `e2fsck` knows it on every disk of revision 1. Linux's ext2 leaves such
//! inodes to `e2fsck`, which then finds them without the list.
//!
//! # References
//! Linux v6.12 `fs/ext4/orphan.c`; e2fsprogs `e2fsck/super.c` `release_orphan_inodes`.

use fs_block::BlockDevice;

use crate::error::{CorruptKind, Error, Result};
use crate::inode::Inode;
use crate::lifetime::Holders;
use crate::superblock::STATE_ERROR;
use crate::{Ext2, InodeNo, Timestamp};

impl<D: BlockDevice> Ext2<D> {
    /// Puts an inode that lost its last name on the list; the caller stores it.
    pub(crate) const fn join_orphans(&mut self, inode: &mut Inode) {
        if self.superblock.rev_level > 0 {
            inode.dtime = self.superblock.last_orphan;
            self.superblock.last_orphan = inode.ino.0;
        }
    }

    /// Takes an inode from the list; the caller stores it.
    pub(crate) fn leave_orphans(&mut self, inode: &mut Inode) -> Result<()> {
        let next = core::mem::take(&mut inode.dtime);
        let mut at = self.superblock.last_orphan;
        if at == inode.ino.0 {
            self.superblock.last_orphan = next;
            return Ok(());
        }
        // All on the list are held: it is as short as the list of open files.
        for _ in 0..self.retained.len() {
            if at == 0 {
                break;
            }
            let mut before = self.inode(InodeNo(at))?;
            at = before.dtime;
            if at == inode.ino.0 {
                before.dtime = next;
                return self.store(&before);
            }
        }
        Ok(())
    }

    /// Frees what a crash left on the list. A list that makes no sense is dropped.
    pub(crate) fn bury_orphans(&mut self, now: Timestamp) -> Result<()> {
        if self.superblock.state & STATE_ERROR != 0 {
            // Only a checker knows what they are worth.
            return Ok(());
        }
        // It ends: what is freed cannot be freed again.
        while self.superblock.last_orphan != 0 && !self.read_only {
            let ino = InodeNo(self.superblock.last_orphan);
            self.retained.insert(ino.0, Holders::ONE);
            let buried = self.change(|fs| {
                let mut inode = fs.inode(ino)?;
                fs.superblock.last_orphan = core::mem::take(&mut inode.dtime);
                if inode.links_count > 0 {
                    return Err(CorruptKind::Inode(ino, "an orphan with names").into());
                }
                fs.bury(inode, now)
            });
            self.retained.remove(&ino.0);
            match buried {
                Err(error @ (Error::Io | Error::NotResident(_))) => return Err(error),
                Err(_) => self.superblock.last_orphan = 0,
                Ok(()) => {}
            }
        }
        Ok(())
    }
}
