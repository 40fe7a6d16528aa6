//! The operations on names: create, link, unlink, rmdir.

use fs_block::BlockDevice;

use crate::codec::low16;
use crate::error::{Error, Result};
use crate::inode::{FLAGS_INHERITED, Inode, NR_POINTERS};
use crate::lifetime::Holders;
use crate::{Ext2, FileType, InodeNo, Timestamp};

/// `EXT2_LINK_MAX`: links of an inode, and directories in a directory plus two.
pub(crate) const LINK_MAX: u16 = 32_000;

/// What a new name stands for. Device numbers are 32 bits as `stat(2)` shows them:
/// `minor & 0xFF | major << 8 | (minor & ~0xFF) << 12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewNode<'a> {
    /// An empty regular file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link to this path.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice(u32),
    /// A block device.
    BlockDevice(u32),
}

impl NewNode<'_> {
    /// Its type.
    pub const fn kind(&self) -> FileType {
        match self {
            Self::Regular => FileType::Regular,
            Self::Directory => FileType::Directory,
            Self::Symlink(_) => FileType::Symlink,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
            Self::CharDevice(_) => FileType::CharDevice,
            Self::BlockDevice(_) => FileType::BlockDevice,
        }
    }
}

/// Owner and mode of a new inode, and the time of its birth. Set-group-id inheritance is the VFS's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewAttributes {
    /// Permission, set-id and sticky bits: 12 bits.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Now.
    pub time: Timestamp,
}

/// Whether a file that is made without a name may get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It may.
    Later,
    /// It goes with its last holder (`O_EXCL`).
    Never,
}

impl<D: BlockDevice> Ext2<D> {
    /// Makes `name` in directory `dir`; returns the new inode.
    ///
    /// # Errors
    /// `Exists`, `NotFound` (`dir` was removed), `NotDirectory`, `NameTooLong`, `TooManyLinks`,
    /// `NoSpace`, `ReadOnly`, `Invalid` (name or link target), and those of the disk.
    pub fn create(
        &mut self,
        dir: InodeNo,
        name: &[u8],
        node: NewNode<'_>,
        attributes: NewAttributes,
    ) -> Result<InodeNo> {
        check_name(name, Error::Exists)?;
        self.change(|fs| {
            let mut parent = fs.living_directory(dir)?;
            if fs.find(dir, name)?.is_some() {
                return Err(Error::Exists);
            }
            let kind = node.kind();
            let is_directory = kind == FileType::Directory;
            if is_directory && parent.links_count >= LINK_MAX {
                return Err(Error::TooManyLinks);
            }
            let ino = fs.new_node(&parent, node, attributes)?;
            if is_directory {
                parent.links_count = parent.links_count.saturating_add(1);
                fs.store(&parent)?;
            }
            fs.add_entry(dir, name, ino, kind, attributes.time)?;
            Ok(ino)
        })
    }

    /// Makes an inode for a name in the directory `parent`.
    pub(crate) fn new_node(
        &mut self,
        parent: &Inode,
        node: NewNode<'_>,
        attributes: NewAttributes,
    ) -> Result<InodeNo> {
        let kind = node.kind();
        let ino = self.allocate_inode(parent.ino, kind == FileType::Directory)?;
        let mut inode = new_inode(ino, kind, parent, attributes);
        match node {
            NewNode::Directory => self.start_directory(&mut inode, parent.ino)?,
            NewNode::Symlink(target) => self.start_symlink(&mut inode, target)?,
            NewNode::CharDevice(number) | NewNode::BlockDevice(number) => inode.set_device(number),
            NewNode::Regular | NewNode::Fifo | NewNode::Socket => {}
        }
        self.store_new(&mut inode)?;
        Ok(ino)
    }

    /// Makes a regular file near directory `dir` that has no name (`O_TMPFILE`), held once.
    ///
    /// `naming` says whether [`Ext2::link`] may give it one.
    ///
    /// # Errors
    /// As [`Ext2::create`], as far as no name is concerned.
    pub fn create_unnamed(
        &mut self,
        dir: InodeNo,
        naming: Naming,
        attributes: NewAttributes,
    ) -> Result<InodeNo> {
        let ino = self.change(|fs| {
            let parent = fs.living_directory(dir)?;
            let ino = fs.allocate_inode(dir, false)?;
            let mut inode = new_inode(ino, FileType::Regular, &parent, attributes);
            inode.links_count = 0;
            fs.join_orphans(&mut inode);
            fs.store_new(&mut inode)?;
            Ok(ino)
        })?;
        let held = match naming {
            Naming::Later => Holders::NAMELESS,
            Naming::Never => Holders::ONE,
        };
        self.retained.insert(ino.0, held);
        Ok(ino)
    }

    /// Gives inode `target` one more name, or its first ([`Ext2::create_unnamed`]).
    ///
    /// # Errors
    /// `Exists`, `NotFound`, `NotPermitted` (a directory), `TooManyLinks`, and as [`Ext2::create`].
    pub fn link(
        &mut self,
        dir: InodeNo,
        name: &[u8],
        target: InodeNo,
        now: Timestamp,
    ) -> Result<()> {
        check_name(name, Error::Exists)?;
        self.change(|fs| {
            fs.living_directory(dir)?;
            let mut inode = fs.inode(target)?;
            if inode.kind == FileType::Directory {
                return Err(Error::NotPermitted);
            }
            inode.check_changeable()?;
            if fs.find(dir, name)?.is_some() {
                return Err(Error::Exists);
            }
            if inode.links_count == 0 {
                if !fs
                    .retained
                    .get(&target.0)
                    .is_some_and(|held| held.may_get_name)
                {
                    return Err(Error::NotFound);
                }
                fs.leave_orphans(&mut inode)?;
            }
            if inode.links_count >= LINK_MAX {
                return Err(Error::TooManyLinks);
            }
            inode.links_count = inode.links_count.saturating_add(1);
            inode.ctime = now;
            fs.store(&inode)?;
            fs.add_entry(dir, name, target, inode.kind, now)
        })?;
        if let Some(held) = self.retained.get_mut(&target.0) {
            held.may_get_name = false;
        }
        Ok(())
    }

    /// Removes a name that is not a directory's. The inode goes with its last name and holder.
    ///
    /// # Errors
    /// `NotFound`, `IsDirectory`, `NotPermitted` (immutable), `ReadOnly`, and those of the disk.
    pub fn unlink(&mut self, dir: InodeNo, name: &[u8], now: Timestamp) -> Result<()> {
        check_name(name, Error::IsDirectory)?;
        self.change(|fs| {
            let found = fs.find(dir, name)?.ok_or(Error::NotFound)?;
            let inode = fs.inode(found.ino)?;
            if inode.kind == FileType::Directory {
                return Err(Error::IsDirectory);
            }
            inode.check_changeable()?;
            fs.remove_entry(dir, name, found, now)?;
            fs.drop_link(found.ino, now)
        })
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `NotEmpty`, `Invalid` (`.`), `ReadOnly`, and those of the disk.
    pub fn rmdir(&mut self, dir: InodeNo, name: &[u8], now: Timestamp) -> Result<()> {
        if name == b".." {
            return Err(Error::NotEmpty);
        }
        check_name(name, Error::Invalid)?;
        self.change(|fs| {
            let found = fs.find(dir, name)?.ok_or(Error::NotFound)?;
            let inode = fs.directory(found.ino)?;
            inode.check_changeable()?;
            if found.ino == InodeNo::ROOT || found.ino == dir {
                return Err(crate::CorruptKind::DirectoryLoop(found.ino).into());
            }
            fs.check_empty(found.ino)?;
            fs.remove_entry(dir, name, found, now)?;
            fs.drop_directory(found.ino, now)?;
            fs.lose_subdirectory(dir)
        })
    }

    /// A directory that may get new names: one that was not removed.
    pub(crate) fn living_directory(&mut self, dir: InodeNo) -> Result<Inode> {
        let inode = self.directory(dir)?;
        if inode.links_count == 0 {
            Err(Error::NotFound)
        } else {
            Ok(inode)
        }
    }

    /// One directory less points to `dir` with its `..`.
    pub(crate) fn lose_subdirectory(&mut self, dir: InodeNo) -> Result<()> {
        let mut inode = self.inode(dir)?;
        // 1 means "many" on disks where Linux counted past its limit.
        if inode.links_count > 2 {
            inode.links_count = inode.links_count.saturating_sub(1);
        }
        self.store(&inode)
    }
}

/// Refuses names that no directory holds; `special` is for `.` and `..`.
pub(crate) fn check_name(name: &[u8], special: Error) -> Result<()> {
    match name {
        b"" => Err(Error::NotFound),
        b"." | b".." => Err(special),
        _ if name.len() > 255 => Err(Error::NameTooLong),
        _ if name.iter().any(|byte| matches!(byte, 0 | b'/')) => Err(Error::Invalid),
        _ => Ok(()),
    }
}

fn new_inode(ino: InodeNo, kind: FileType, parent: &Inode, attributes: NewAttributes) -> Inode {
    let time = attributes.time;
    let inherited = match kind {
        FileType::Directory | FileType::Regular => FLAGS_INHERITED,
        _ => FLAGS_INHERITED & !0x8,
    };
    Inode {
        ino,
        mode: low16(kind.mode_bits()) | attributes.permissions & 0o7777,
        kind,
        uid: attributes.uid,
        gid: attributes.gid,
        size: 0,
        atime: time,
        ctime: time,
        mtime: time,
        crtime: Some(time),
        dtime: 0,
        links_count: if kind == FileType::Directory { 2 } else { 1 },
        blocks: 0,
        flags: parent.flags & inherited,
        block: [0; NR_POINTERS],
        generation: 0,
        file_acl: 0,
    }
}
