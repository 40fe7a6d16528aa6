//! What `stat(2)` tells, and changing it.

use fs_block::BlockDevice;

use crate::codec::low16;
use crate::error::{Error, Result};
use crate::inode::Inode;
use crate::{Ext2, FileType, InodeNo, Timestamp};

/// The attributes of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Inode number.
    pub ino: InodeNo,
    /// Type.
    pub kind: FileType,
    /// Permission, set-id and sticky bits: 12 bits.
    pub permissions: u16,
    /// Hard links; 0 once it is unlinked.
    pub nr_links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number as [`crate::NewNode`] has it; 0 for other types.
    pub device: u32,
    /// Bytes.
    pub size: u64,
    /// Allocated 512-byte units.
    pub nr_sectors: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
    /// Birth, where inodes are large enough to have it.
    pub crtime: Option<Timestamp>,
    /// Changes whenever the number is used for a new file.
    pub generation: u32,
    /// `i_flags`, as `lsattr(1)` shows them.
    pub flags: u32,
}

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// New permission bits (12 bits).
    pub permissions: Option<u16>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New size in bytes, of a regular file; growing leaves a hole.
    pub size: Option<u64>,
    /// New access time.
    pub atime: Option<Timestamp>,
    /// New modification time.
    pub mtime: Option<Timestamp>,
    /// New change time.
    pub ctime: Option<Timestamp>,
}

impl<D: BlockDevice> Ext2<D> {
    /// The attributes of an inode.
    ///
    /// # Errors
    /// `Stale` when it was freed, `Corrupt`, `Io`, `NotResident`.
    pub fn stat(&mut self, ino: InodeNo) -> Result<Attributes> {
        let block_shift = self.superblock.block_shift;
        let inode = match self.cached(ino) {
            Ok(cached) => &cached.inode,
            Err(error) => return Err(self.noted(error)),
        };
        Ok(Attributes {
            ino,
            kind: inode.kind,
            permissions: inode.permissions(),
            nr_links: u32::from(inode.links_count),
            uid: inode.uid,
            gid: inode.gid,
            device: inode.device(),
            size: inode.size,
            nr_sectors: inode.nr_sectors(block_shift),
            atime: inode.atime,
            mtime: inode.mtime,
            ctime: inode.ctime,
            crtime: inode.crtime,
            generation: inode.generation,
            flags: inode.flags,
        })
    }

    /// Changes attributes, all of them or none.
    ///
    /// # Errors
    /// `IsDirectory` or `Invalid` (size of something else than a regular file), `FileTooBig`,
    /// `NotPermitted` (immutable), `ReadOnly`, `Stale`, and those of the disk.
    pub fn set_attributes(&mut self, ino: InodeNo, change: &SetAttributes) -> Result<()> {
        self.change(|fs| {
            let mut inode = fs.inode(ino)?;
            inode.check_changeable()?;
            if let Some(size) = change.size {
                match inode.kind {
                    FileType::Regular => fs.resize(&mut inode, size)?,
                    FileType::Directory => return Err(Error::IsDirectory),
                    _ => return Err(Error::Invalid),
                }
            }
            if let Some(permissions) = change.permissions {
                inode.mode = low16(inode.kind.mode_bits()) | permissions & 0o7777;
            }
            inode.uid = change.uid.unwrap_or(inode.uid);
            inode.gid = change.gid.unwrap_or(inode.gid);
            inode.atime = change.atime.unwrap_or(inode.atime);
            inode.mtime = change.mtime.unwrap_or(inode.mtime);
            inode.ctime = change.ctime.unwrap_or(inode.ctime);
            fs.store(&inode)
        })
    }
}

impl Inode {
    /// The device number: 16 bits in the first pointer, or 32 in the second.
    fn device(&self) -> u32 {
        match (self.kind, self.block) {
            (FileType::CharDevice | FileType::BlockDevice, [0, new, ..]) => new,
            (FileType::CharDevice | FileType::BlockDevice, [old, ..]) => old & 0xFFFF,
            _ => 0,
        }
    }

    /// Stores a device number, in the old form if it fits.
    pub(crate) fn set_device(&mut self, number: u32) {
        let [old, new, ..] = &mut self.block;
        (*old, *new) = if number <= 0xFFFF {
            (number, 0)
        } else {
            (0, number)
        };
    }

    /// Refuses to grow what is immutable.
    pub(crate) const fn check_can_grow(&self) -> Result<()> {
        if self.flags & crate::inode::FLAG_IMMUTABLE != 0 {
            return Err(Error::NotPermitted);
        }
        Ok(())
    }
}
