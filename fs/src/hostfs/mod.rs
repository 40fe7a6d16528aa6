//! A folder of the host as a file system.
//!
//! [`HostFiles`] is the host: Node's `fs`, or a folder that a page was given. [`HostFs`] is the
//! file system over it, [`inode::HostInode`] one file. A file is known by the host's device and
//! inode number, and reached by the path under which it was found last; a file that is open keeps
//! a handle, so it can lose its name; a directory that lost it is reached no more. Names are not cached: the host may change them at any time.
//!
//! A host that answers later (a page) says [`NOT_YET`], which is [`NOT_RESIDENT`] for the caller: the whole call is
//! made again, and the host gives the same answers to what it asks again (ADR 0039).
//!
//! Device files, fifos and sockets of the host are shown, but cannot be made.

mod inode;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use abi::flags::MS_RDONLY;
use abi::{Errno, Error, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;

use self::inode::HostInode;
use crate::io::NOT_RESIDENT;
use crate::vfs::device::unnamed_device;
use crate::vfs::inode::{FileSystem, FileSystemStatus, FileType, Inode, Timestamp};
use crate::vfs::registry::MountRequest;

/// What the host answers: the error is a number of Linux's errno(3).
pub type HostResult<T> = core::result::Result<T, i32>;

/// The host has been asked, and answers later: no errno has this number.
pub const NOT_YET: i32 = 4096;

/// The attributes of a file, as the host has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStat {
    /// `st_dev` of the host.
    pub device: u64,
    /// `st_ino` of the host.
    pub inode: u64,
    /// `st_mode`: type and permissions.
    pub mode: u32,
    /// Hard links.
    pub nr_links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device file, in Linux's coding.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Allocated 512-byte units.
    pub nr_blocks: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the contents.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
}

/// An entry of a host directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// Name; never `.` or `..`.
    pub name: Vec<u8>,
    /// Type, as far as the host tells.
    pub file_type: Option<FileType>,
    /// Inode number, as far as the host tells.
    pub inode: Option<u64>,
}

/// For what a host file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAccess {
    /// `O_RDONLY`
    Read,
    /// `O_RDWR`
    ReadWrite,
}

/// The files of the host, synchronously. Paths are absolute paths of the host; no call follows a
/// symbolic link at the end of a path.
pub trait HostFiles: Send + Sync + fmt::Debug {
    /// Attributes of what `path` names.
    ///
    /// # Errors
    /// As `lstat(2)`; all methods fail with the number of Linux's errno.
    fn lstat(&self, path: &[u8]) -> HostResult<HostStat>;
    /// Opens a regular file; the number is for the other calls.
    ///
    /// # Errors
    /// As `open(2)`.
    fn open(&self, path: &[u8], access: HostAccess) -> HostResult<u64>;
    /// Makes an empty regular file with these permissions.
    ///
    /// # Errors
    /// As `open(2)` with `O_CREAT` and `O_EXCL`.
    fn create(&self, path: &[u8], permissions: u32) -> HostResult<()>;
    /// Ends the use of a handle.
    fn close(&self, handle: u64);
    /// Attributes of an open file.
    ///
    /// # Errors
    /// As `fstat(2)`.
    fn fstat(&self, handle: u64) -> HostResult<HostStat>;
    /// Reads from byte `offset`; 0 is the end.
    ///
    /// # Errors
    /// As `pread(2)`.
    fn read(&self, handle: u64, offset: u64, bytes: &mut [u8]) -> HostResult<usize>;
    /// Writes at byte `offset`.
    ///
    /// # Errors
    /// As `pwrite(2)`.
    fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> HostResult<usize>;
    /// Writes all of `bytes` at the end, wherever it is by then; the byte offset of the first.
    ///
    /// # Errors
    /// As `write(2)` with `O_APPEND`.
    fn append(&self, handle: u64, bytes: &[u8]) -> HostResult<u64>;
    /// Sets the size in bytes.
    ///
    /// # Errors
    /// As `ftruncate(2)`.
    fn truncate(&self, handle: u64, size: u64) -> HostResult<()>;
    /// Makes what was written durable.
    ///
    /// # Errors
    /// As `fsync(2)`.
    fn sync(&self, handle: u64) -> HostResult<()>;
    /// All entries of a directory.
    ///
    /// # Errors
    /// As `opendir(3)`.
    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<HostEntry>>;
    /// Makes a directory.
    ///
    /// # Errors
    /// As `mkdir(2)`.
    fn mkdir(&self, path: &[u8], permissions: u32) -> HostResult<()>;
    /// Removes a name that is no directory's.
    ///
    /// # Errors
    /// As `unlink(2)`.
    fn unlink(&self, path: &[u8]) -> HostResult<()>;
    /// Removes an empty directory.
    ///
    /// # Errors
    /// As `rmdir(2)`.
    fn rmdir(&self, path: &[u8]) -> HostResult<()>;
    /// Moves a name over another.
    ///
    /// # Errors
    /// As `rename(2)`.
    fn rename(&self, old: &[u8], new: &[u8]) -> HostResult<()>;
    /// Gives a file one more name.
    ///
    /// # Errors
    /// As `link(2)`.
    fn link(&self, old: &[u8], new: &[u8]) -> HostResult<()>;
    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As `symlink(2)`.
    fn symlink(&self, target: &[u8], path: &[u8]) -> HostResult<()>;
    /// Reads a symbolic link.
    ///
    /// # Errors
    /// As `readlink(2)`.
    fn read_link(&self, path: &[u8]) -> HostResult<Vec<u8>>;
    /// Sets the 12 permission bits.
    ///
    /// # Errors
    /// As `chmod(2)`.
    fn chmod(&self, path: &[u8], permissions: u32) -> HostResult<()>;
    /// Sets both times.
    ///
    /// # Errors
    /// As `utimensat(2)`.
    fn utimes(&self, path: &[u8], atime: Timestamp, mtime: Timestamp) -> HostResult<()>;
}

/// How a folder is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostOptions {
    /// All changes fail with `EROFS`.
    pub is_read_only: bool,
    /// All files belong to this user and group, and chown does nothing; `None`: as the host says.
    pub owner: Option<(u32, u32)>,
}

/// A mounted folder of the host.
#[derive(Debug)]
pub struct HostFs {
    root: Arc<HostInode>,
}

/// What the inodes of a mount share.
#[derive(Debug)]
struct Shared {
    files: Arc<dyn HostFiles>,
    options: HostOptions,
    /// Held from the look at a path until the host has done what it names, and while names move or
    /// go: a path must not come to lead through a symbolic link that a guest puts in the place of
    /// a directory, since the host would follow it out of the folder. Locked before `inodes`.
    names: Lock<()>,
    /// The inodes that somebody holds, by the host's device and inode number.
    inodes: Lock<HashMap<(u64, u64), Weak<HostInode>>>,
    /// Our device number for each of the host's.
    devices: Lock<SortedMap<u64, u64>>,
}

impl HostFs {
    /// Shows the folder `path` of the host.
    ///
    /// # Errors
    /// `ENOTDIR` when it is none, and what the host says.
    pub fn new(files: Arc<dyn HostFiles>, path: &[u8], options: HostOptions) -> Result<Self> {
        let shared = Arc::new(Shared {
            files,
            options,
            names: Lock::new(()),
            inodes: Lock::new(HashMap::new()),
            devices: Lock::default(),
        });
        let stat = shared.files.lstat(path).map_err(from_host)?;
        let root = shared.inode(path, &stat)?;
        if root.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR.because("only folders of the host are mounted"));
        }
        Ok(Self { root })
    }
}

impl FileSystem for HostFs {
    fn type_name(&self) -> &'static str {
        "hostfs"
    }

    fn remount(&self, request: &MountRequest<'_>) -> Result<()> {
        if request.flags & MS_RDONLY == 0 {
            self.root.shared.check_writable()?;
        }
        Ok(())
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::<HostInode>::clone(&self.root)
    }

    fn status(&self) -> Result<FileSystemStatus> {
        // `HOSTFS_SUPER_MAGIC`; the host does not say how large it is.
        Ok(FileSystemStatus {
            magic: 0x00c0_ffee,
            block_size: 4096,
            nr_blocks: 1 << 28,
            nr_free: 1 << 27,
            nr_available: 1 << 27,
            nr_inodes: 1 << 28,
            nr_free_inodes: 1 << 27,
            name_max: 255,
        })
    }
}

impl Shared {
    /// The one inode of the file that `path` names, whose attributes are `stat`.
    fn inode(self: &Arc<Self>, path: &[u8], stat: &HostStat) -> Result<Arc<HostInode>> {
        let key = (stat.device, stat.inode);
        let file_type = FileType::from_mode(stat.mode)
            .ok_or(Errno::EIO.because("the host has a file of an unknown type"))?;
        let mut inodes = self.inodes.lock();
        let known = inodes.get(&key).and_then(Weak::upgrade);
        let inode = match known {
            Some(known) if known.file_type() == file_type && !known.is_lost() => {
                known.found_at(path);
                known
            }
            // The host gave the number to another file.
            other => {
                let new = Arc::new(HostInode::new(self, key, file_type, path));
                inodes.insert(key, Arc::downgrade(&new));
                drop(inodes);
                drop(other);
                return Ok(new);
            }
        };
        drop(inodes);
        Ok(inode)
    }

    /// Our number for a device of the host.
    fn device(&self, device: u64) -> u64 {
        *self
            .devices
            .lock()
            .get_or_insert_with(device, unnamed_device)
    }

    fn check_writable(&self) -> Result<()> {
        if self.options.is_read_only {
            return Err(Errno::EROFS.because("the folder is shown read-only"));
        }
        Ok(())
    }

    /// Everything below `old` is below `new` from now on.
    fn moved(&self, old: &[u8], new: &[u8]) {
        let held: Vec<_> = self
            .inodes
            .lock()
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        for inode in held {
            inode.moved(old, new);
        }
    }
}

/// An error of the host, by its number; `EIO` for a number that Linux does not know.
#[inline(never)]
fn from_host(number: i32) -> Error {
    if number == NOT_YET {
        return NOT_RESIDENT;
    }
    let errno = Errno::ALL.iter().find(|errno| errno.number() == number);
    errno
        .copied()
        .unwrap_or(Errno::EIO)
        .because("the host says so")
}
