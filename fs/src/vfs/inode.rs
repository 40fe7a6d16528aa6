//! What a file system offers: inodes, and the operations of a directory on its names.
//!
//! All operations are synchronous and never wait (ADR 0003).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub use abi::file::{FileType, Timestamp};
use abi::{Errno, Result};

use super::file::FileOps;
use super::flush::Flush;
use super::registry::MountRequest;
use super::xattr::XattrMode;
use crate::io::{Sink, Source};

/// What `stat(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Identifies the mounted file system (`st_dev`).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// File type.
    pub file_type: FileType,
    /// Permission bits, with set-id and sticky bits: 12 bits.
    pub permissions: u32,
    /// Hard links.
    pub nr_links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device file, else 0.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Preferred block size for I/O, in bytes.
    pub block_size: u32,
    /// Allocated 512-byte units.
    pub nr_blocks: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
}

impl Metadata {
    /// That of an object outside every directory: root's, empty, all its times `time`.
    pub const fn anonymous(
        device: u64,
        inode: u64,
        file_type: FileType,
        permissions: u32,
        time: Timestamp,
    ) -> Self {
        Self {
            device,
            inode,
            file_type,
            permissions,
            nr_links: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            size: 0,
            block_size: 4096,
            nr_blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
        }
    }
}

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// New permission bits (12 bits).
    pub permissions: Option<u32>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New size in bytes; growing leaves a hole.
    pub size: Option<u64>,
    /// New access time.
    pub atime: Option<Timestamp>,
    /// New modification time.
    pub mtime: Option<Timestamp>,
    /// New change time.
    pub ctime: Option<Timestamp>,
}

/// What a new name in a directory stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewNode<'a> {
    /// An empty regular file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link to a path.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device with its number.
    CharDevice(u64),
    /// A block device with its number.
    BlockDevice(u64),
}

/// Owner and mode of a new inode, and the time of its birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewAttributes {
    /// Permission bits after the umask.
    pub permissions: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Now.
    pub time: Timestamp,
}

/// One entry that `Inode::read_dir` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Name, without `/` or NUL.
    pub name: &'a [u8],
    /// Inode number.
    pub inode: u64,
    /// Type, as far as the directory knows it.
    pub file_type: Option<FileType>,
    /// Where the next call goes on after this entry.
    pub next_cookie: u64,
}

/// `renameat2(2)`'s three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replace what is there.
    Replace,
    /// Fail with `EEXIST` when something is there.
    NoReplace,
    /// Swap the two names.
    Exchange,
}

/// Whether a file that is made without a name may get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `linkat(2)` may give it one.
    Later,
    /// It goes with its last holder (`O_EXCL`).
    Never,
}

/// What `fallocate(2)` does to the size of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It grows to the end of the range.
    Grow,
    /// It stays.
    Keep,
}

/// What `lseek(2)` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// A byte that is not in a hole.
    Data,
    /// A hole; the end of the file is one.
    Hole,
}

/// What `statfs(2)` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemStatus {
    /// Magic number of the type.
    pub magic: u32,
    /// Bytes per block.
    pub block_size: u32,
    /// Blocks in all, free, and free for ordinary users.
    pub nr_blocks: u64,
    /// Free blocks.
    pub nr_free: u64,
    /// Free blocks for ordinary users.
    pub nr_available: u64,
    /// Inodes in all.
    pub nr_inodes: u64,
    /// Free inodes.
    pub nr_free_inodes: u64,
    /// Longest name in bytes.
    pub name_max: u32,
}

/// A mounted file system.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// The type's name in `/proc/mounts`.
    fn type_name(&self) -> &'static str;

    /// The root directory.
    fn root(&self) -> Arc<dyn Inode>;

    /// Sizes and free space.
    ///
    /// # Errors
    /// `EIO` when the disk fails.
    fn status(&self) -> Result<FileSystemStatus>;

    /// Writes everything back to the device. `None`: it is durable; else it is when that flush is complete.
    ///
    /// # Errors
    /// `EIO` when the disk fails.
    fn sync(&self) -> Result<Option<Flush>> {
        Ok(None)
    }

    /// Takes other options (`MS_REMOUNT`). With `MS_RDONLY` nothing changes from now on; nobody has a file open for
    /// writing then.
    ///
    /// # Errors
    /// `EROFS` when it cannot be written, `EBUSY` when something of it has to be freed yet, `EINVAL` for values that
    /// cannot be, `EIO`.
    fn remount(&self, request: &MountRequest<'_>) -> Result<()> {
        let _ = request;
        Ok(())
    }

    /// Ends its last mount: writes everything back; changes may fail with `EROFS` from now on.
    ///
    /// # Errors
    /// `EIO` when the disk fails.
    fn unmount(&self, now: Timestamp) -> Result<()> {
        let _ = now;
        self.sync().map(|_| ())
    }
}

/// A file of any type, as its file system sees it. Identity is (`device`, `inode`) of its metadata.
///
/// Permissions are checked above, in `vfs::path`; names are checked for length and slashes there too.
/// Default implementations say what an inode of another type answers.
pub trait Inode: Send + Sync + fmt::Debug {
    /// The attributes now.
    ///
    /// # Errors
    /// `EIO`, `EUCLEAN`.
    fn metadata(&self) -> Result<Metadata>;

    /// Changes attributes. The caller gives `ctime`.
    ///
    /// # Errors
    /// `EROFS`, `ENOSPC`, `EFBIG`, `EIO`, `EPERM` where the type has fixed attributes.
    fn set_attributes(&self, change: &SetAttributes) -> Result<()>;

    /// Finds `name` in this directory; never `.` or `..`.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EIO`.
    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let _ = name;
        Err(Errno::ENOTDIR.into())
    }

    /// Makes `name` in this directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOTDIR`, `ENOSPC`, `EROFS`, `EPERM` where the type cannot.
    fn create(
        &self,
        name: &[u8],
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<dyn Inode>> {
        let _ = (name, node, attributes);
        Err(Errno::ENOTDIR.into())
    }

    /// Makes a regular file in the file system of this directory that has no name (`O_TMPFILE`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the file system cannot; `ENOENT`, `ENOSPC`, `EROFS`.
    fn create_unnamed(&self, naming: Naming, attributes: &NewAttributes) -> Result<Arc<dyn Inode>> {
        let _ = (naming, attributes);
        Err(Errno::EOPNOTSUPP.into())
    }

    /// Gives `target`, an inode of the same file system, one more name; or its first, if it was made
    /// for that. One that lost its last name gets none.
    ///
    /// # Errors
    /// `EEXIST`, `EMLINK`, `ENOENT`, `ENOSPC`, `EROFS`, `EPERM`.
    fn link(&self, name: &[u8], target: &Arc<dyn Inode>, time: Timestamp) -> Result<()> {
        let _ = (name, target, time);
        Err(Errno::EPERM.into())
    }

    /// Removes a name that is not a directory's.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `EROFS`.
    fn unlink(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let _ = (name, time);
        Err(Errno::EPERM.into())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, `EROFS`.
    fn rmdir(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let _ = (name, time);
        Err(Errno::EPERM.into())
    }

    /// Moves `old_name` to `new_name` in `new_directory`, of the same file system. With a `whiteout`, never of an
    /// exchange, `old_name` is a character device 0/0 afterwards.
    ///
    /// # Errors
    /// As `rename(2)`; `EINVAL` for a mode or a whiteout that the file system does not have.
    fn rename(
        &self,
        old_name: &[u8],
        new_directory: &Arc<dyn Inode>,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<&NewAttributes>,
        time: Timestamp,
    ) -> Result<()> {
        let _ = (old_name, new_directory, new_name, mode, whiteout, time);
        Err(Errno::EPERM.into())
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` for any other type, `EIO`.
    fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL.into())
    }

    /// Where a magic link of procfs (`/proc/PID/fd/N`, `exe`, `cwd`) leads without a path walk.
    fn follow(&self) -> Option<Result<super::path::Location>> {
        None
    }

    /// Whether names found in this directory may be remembered: `false` where they come and go
    /// without a call of the VFS.
    fn is_cacheable(&self) -> bool {
        true
    }

    /// Reports entries from `cookie` (0: the start) until `report` says `false`. Without `.` and `..`.
    ///
    /// # Errors
    /// `ENOTDIR`, `EIO`.
    fn read_dir(&self, cookie: u64, report: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        let _ = (cookie, report);
        Err(Errno::ENOTDIR.into())
    }

    /// Reads from byte `offset` into `sink` until it is full or the file ends; returns bytes moved.
    ///
    /// # Errors
    /// `EISDIR`, `EINVAL`, `EIO`, and what the sink says.
    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let _ = (offset, sink);
        Err(Errno::EINVAL.into())
    }

    /// Writes all of `source` at byte `offset`, growing the file; returns bytes moved, fewer
    /// only when the disk is full after some.
    ///
    /// # Errors
    /// `ENOSPC`, `EFBIG`, `EROFS`, `EIO`, and what the source says.
    fn write_at(&self, offset: u64, source: &mut dyn Source, time: Timestamp) -> Result<usize> {
        let _ = (offset, source, time);
        Err(Errno::EINVAL.into())
    }

    /// Writes all of `source` behind the last byte (`O_APPEND`); returns where it went and bytes
    /// moved. A file system in which files grow makes this one step, so that nobody else's bytes
    /// come in between; the default is for those in which they do not.
    ///
    /// # Errors
    /// As [`Inode::write_at`].
    fn append(&self, source: &mut dyn Source, time: Timestamp) -> Result<(u64, usize)> {
        let start = self.metadata()?.size;
        Ok((start, self.write_at(start, source, time)?))
    }

    /// Makes a hole from byte `start` to byte `end`; the size stays.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the file system cannot, as Linux's ext2.
    fn punch(&self, start: u64, end: u64, time: Timestamp) -> Result<()> {
        let _ = (start, end, time);
        Err(Errno::EOPNOTSUPP.because("no holes are made in this file system"))
    }

    /// Takes space for the bytes from `range.0` to `range.1`, so that writes there find some. What
    /// was a hole reads as zeros.
    ///
    /// # Errors
    /// `ENOSPC`, `EFBIG`, `EROFS`, `EIO`; `EOPNOTSUPP` where the file system cannot.
    fn allocate(&self, range: (u64, u64), extent: Extent, time: Timestamp) -> Result<()> {
        let _ = (range, extent, time);
        Err(Errno::EOPNOTSUPP.because("no space is taken ahead in this file system"))
    }

    /// Gives the bytes from the first to the second offset room, and zeros (`FALLOC_FL_ZERO_RANGE`). Without room they
    /// stay as they are, unless somebody else takes it just then.
    ///
    /// # Errors
    /// As [`Self::punch`] and [`Self::allocate`].
    fn zero(&self, range: (u64, u64), extent: Extent, time: Timestamp) -> Result<()> {
        self.allocate(range, extent, time)?;
        self.punch(range.0, range.1, time)?;
        self.allocate(range, extent, time)
    }

    /// The first byte from `offset` on, which lies before the end, that is data or in a hole. The
    /// default is for file systems without holes.
    ///
    /// # Errors
    /// `ENXIO` when no data follows, `EIO`.
    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        match what {
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(self.metadata()?.size),
        }
    }

    /// The value of the extended attribute `name`, whose namespace the VFS has checked.
    ///
    /// # Errors
    /// `ENODATA`, `EIO`; `EOPNOTSUPP` where the file system has none.
    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let _ = name;
        Err(Errno::EOPNOTSUPP.because("no extended attributes in this file system"))
    }

    /// Sets the extended attribute `name`, or removes it when there is no `value`.
    ///
    /// # Errors
    /// `EEXIST`, `ENODATA`, `ENOSPC`, `EROFS`, `EIO`; `EOPNOTSUPP` where the file system has none.
    fn set_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
        time: Timestamp,
    ) -> Result<()> {
        let _ = (name, value, mode, time);
        Err(Errno::EOPNOTSUPP.because("no extended attributes in this file system"))
    }

    /// Reports the names of all extended attributes.
    ///
    /// # Errors
    /// `EIO`
    fn xattr_names(&self, report: &mut dyn FnMut(&[u8])) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// Makes what was written durable. `None`: it is; else it is when that flush is complete.
    ///
    /// # Errors
    /// `EIO`.
    fn sync(&self) -> Result<Option<Flush>> {
        Ok(None)
    }

    /// The behaviour of an open file when it is not plain bytes at offsets: devices, ttys.
    /// `None`: `read_at` and `write_at` serve. Fifos and sockets are opened by the kernel.
    ///
    /// # Errors
    /// `ENXIO` for a device without a driver.
    fn open(&self) -> Result<Option<Arc<dyn FileOps>>> {
        Ok(None)
    }

    /// Counts changes of the contents since boot; a cache of the contents is valid while
    /// (`device`, `inode`, `version`) stays. `None`: contents are made on each read.
    fn version(&self) -> Option<u64> {
        None
    }

    /// For the file system's own use: its concrete type behind an `Arc<dyn Inode>`.
    fn as_any(&self) -> &dyn Any;
}
