//! Open file descriptions (`open(2)`): what an fd refers to and `dup`, `fork` share.
//!
//! An [`OpenFile`] serves its bytes from an inode at an offset of its own, or hands everything to
//! a [`FileOps`] (pipes, terminals, devices, sockets). It holds the access mode, which never
//! changes, and the status flags, which `F_SETFL` changes. Nothing here waits: `try_*` say
//! `WouldBlock`, and [`crate::poll`] waits on [`OpenFile::wait_queue`].
//!
//! The offset lock is held over the copy, so that two readers of one description never get the
//! same bytes. Lock order: offset, then whatever the inode or the ops lock.
//!
//! Here is what a description is; `life`: how it begins and ends; `read_write`: its bytes;
//! `position`: its offset.

mod life;
mod position;
mod read_write;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use abi::flags::{FIONREAD, O_ACCMODE, O_DIRECT, O_NONBLOCK, O_RDWR, O_SETTABLE, O_WRONLY};
use abi::{Errno, Result};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::vfs::file::{Events, FileOps, GuestMemory};
use fs::vfs::flush::Flush;
use fs::vfs::inode::{FileType, Inode, Metadata};
use fs::vfs::mount::Writer;
use fs::vfs::path::Location;

use self::life::Reaper;
pub use self::position::Whence;
use crate::event::epoll::Watches;
use crate::file_lock::FlockHold;
use crate::ipc::pipe::{Pipe, PipeEnd};

/// What a description without a place in the tree is.
#[derive(Clone, Debug)]
pub struct Anonymous {
    /// What `fstat(2)` tells.
    pub metadata: Metadata,
    /// What `/proc/PID/fd/N` shows, e.g. `anon_inode:[eventfd]`.
    pub name: Cow<'static, str>,
}

/// What a description stands for.
#[derive(Debug)]
enum Identity {
    Located(Location),
    Anonymous(Box<Anonymous>),
}

/// Who serves reads and writes.
#[derive(Debug)]
enum Backing {
    /// The inode, at the description's offset.
    Inode(Arc<dyn Inode>),
    /// An object with its own behaviour.
    Ops(Arc<dyn FileOps>),
    /// One end of a pipe.
    Pipe(Arc<PipeEnd>),
    /// Nothing: `O_PATH`.
    Path,
}

/// An open file description.
pub struct OpenFile {
    id: u64,
    identity: Identity,
    backing: Backing,
    file_type: FileType,
    flags: AtomicU32,
    /// Byte offset, or the cookie of a directory plus 2.
    offset: Lock<u64>,
    /// The lock of `flock(2)` and `F_OFD_SETLK`; there since the first request, ends with it.
    flock: OnceLock<FlockHold>,
    /// The epolls that watch it; there since the first one does.
    watches: OnceLock<Watches>,
    /// The second in which the access time was last looked at.
    atime_checked: AtomicI64,
    /// Keeps its mount writable, if it is open for writing.
    writer: Option<Arc<Writer>>,
    /// The last field: it looks after the file was let go.
    _reaper: Reaper,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile")
            .field("id", &self.id)
            .field("file_type", &self.file_type)
            .field("flags", &format_args!("{:#o}", self.flags()))
            .field("backing", &self.backing)
            .finish_non_exhaustive()
    }
}

impl OpenFile {
    /// Tells who watches the file, or its directory, that `mask` (`IN_*`) happened.
    pub fn notify(&self, mask: u32) {
        if let (Identity::Located(location), false) = (&self.identity, self.is_path()) {
            location.notify(mask);
        }
    }

    /// A number that no other description ever has.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Where it was opened; `None` for an anonymous one.
    pub const fn location(&self) -> Option<&Location> {
        match &self.identity {
            Identity::Located(location) => Some(location),
            Identity::Anonymous(_) => None,
        }
    }

    /// Its place in the tree; for an anonymous one a place that no path leads to, which is what
    /// the links in `/proc/PID/fd` follow.
    ///
    /// # Errors
    /// `EIO`.
    pub fn place(&self) -> Result<Location> {
        match &self.identity {
            Identity::Located(location) => Ok(location.clone()),
            Identity::Anonymous(anonymous) => {
                let ops = self.shared_ops();
                Location::anonymous(anonymous.name.as_bytes(), anonymous.metadata, ops)
            }
        }
    }

    /// The type of the file.
    pub const fn file_type(&self) -> FileType {
        self.file_type
    }

    /// The object that serves it, when it is not an inode's bytes.
    pub fn ops(&self) -> Option<&dyn FileOps> {
        match &self.backing {
            Backing::Ops(ops) => Some(&**ops),
            Backing::Pipe(end) => Some(&**end),
            Backing::Inode(_) | Backing::Path => None,
        }
    }

    /// The same for what is no pipe: of a pipe some questions need no call to be answered.
    fn other_ops(&self) -> Option<&dyn FileOps> {
        match &self.backing {
            Backing::Ops(ops) => Some(&**ops),
            _ => None,
        }
    }

    /// The same object, to be kept.
    pub fn shared_ops(&self) -> Option<Arc<dyn FileOps>> {
        match &self.backing {
            Backing::Ops(ops) => Some(Arc::clone(ops)),
            Backing::Pipe(end) => {
                let ops: Arc<dyn FileOps> = end.clone();
                Some(ops)
            }
            Backing::Inode(_) | Backing::Path => None,
        }
    }

    /// The pipe it is an end of (`F_GETPIPE_SZ`, `splice(2)`).
    pub fn pipe(&self) -> Option<&Arc<Pipe>> {
        match &self.backing {
            Backing::Pipe(end) => Some(end.pipe()),
            _ => None,
        }
    }

    /// The access mode and status flags, as `F_GETFL` gives them.
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// `F_SETFL`: changes what may be changed, ignores the rest.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`; `EINVAL` for `O_DIRECT` on a pipe.
    pub fn set_flags(&self, flags: u32) -> Result<()> {
        if self.is_path() {
            return Err(Errno::EBADF.into());
        }
        if flags & O_DIRECT != 0 && matches!(self.backing, Backing::Pipe(_)) {
            return Err(Errno::EINVAL.into());
        }
        let kept = self.flags() & !O_SETTABLE;
        self.flags
            .store(kept | (flags & O_SETTABLE), Ordering::Relaxed);
        Ok(())
    }

    /// Whether calls fail with `EAGAIN` instead of waiting.
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & O_NONBLOCK != 0
    }

    /// Whether it was opened with `O_PATH`.
    pub const fn is_path(&self) -> bool {
        matches!(self.backing, Backing::Path)
    }

    /// Whether it is open for reading.
    pub fn is_readable(&self) -> bool {
        !self.is_path() && matches!(self.flags() & O_ACCMODE, 0 | O_RDWR)
    }

    /// Whether it is open for writing.
    pub fn is_writable(&self) -> bool {
        !self.is_path() && matches!(self.flags() & O_ACCMODE, O_WRONLY | O_RDWR)
    }

    /// What keeps its mount writable, if it is open for writing.
    pub const fn writer(&self) -> Option<&Arc<Writer>> {
        self.writer.as_ref()
    }

    /// Whether it is one of those of [`crate::event`], which have neither a name nor a type.
    fn is_event_file(&self) -> bool {
        matches!(self.identity, Identity::Anonymous(_)) && self.file_type == FileType::Regular
    }

    /// Whether it has no offset.
    pub fn is_stream(&self) -> bool {
        self.ops().is_some_and(FileOps::is_stream)
    }

    /// `fstat(2)`.
    ///
    /// # Errors
    /// `EIO`.
    pub fn metadata(&self) -> Result<Metadata> {
        match &self.identity {
            Identity::Located(location) => location.inode.metadata(),
            Identity::Anonymous(anonymous) => Ok(anonymous.metadata),
        }
    }

    /// `fsync(2)`: makes what was written durable.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `EINVAL` for what has nothing to synchronize, `EIO`.
    pub fn sync(&self) -> Result<Option<Flush>> {
        match &self.backing {
            Backing::Inode(inode) => inode.sync(),
            Backing::Path => Err(Errno::EBADF.into()),
            Backing::Ops(_) | Backing::Pipe(_) => Err(Errno::EINVAL.into()),
        }
    }

    /// `ioctl(2)`, except the requests that concern the fd or the description (`FIOCLEX`,
    /// `FIONBIO`), which the caller handles.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `ENOTTY` for a request that the file does not know, `EFAULT`.
    pub fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        match &self.backing {
            Backing::Pipe(end) => end.ioctl(request, argument, memory),
            Backing::Ops(ops) => ops.ioctl(request, argument, memory),
            Backing::Inode(inode) if request == FIONREAD && self.file_type == FileType::Regular => {
                let left = inode.metadata()?.size.saturating_sub(*self.offset.lock());
                let left = i32::try_from(left).unwrap_or(i32::MAX);
                memory.copy_out(argument, &left.to_le_bytes())?;
                Ok(0)
            }
            Backing::Inode(_) => Err(Errno::ENOTTY.into()),
            Backing::Path => Err(Errno::EBADF.into()),
        }
    }

    /// Ties locks of this description to its life.
    pub(crate) fn hold_flock(&self, make: impl FnOnce(u64) -> FlockHold) {
        self.flock.get_or_init(|| make(self.id));
    }

    /// The epolls that watch it.
    pub(crate) fn watches(&self) -> &Watches {
        self.watches.get_or_init(Watches::default)
    }

    /// What could be done now without waiting.
    pub fn events(&self) -> Events {
        match &self.backing {
            Backing::Pipe(end) => end.events(),
            Backing::Ops(ops) => ops.events(),
            Backing::Inode(_) => Events::IN | Events::OUT,
            Backing::Path => Events::NVAL,
        }
    }

    /// Woken when [`OpenFile::events`] may have changed; `None`: it never does.
    pub fn wait_queue(&self) -> Option<&WaitQueue> {
        match &self.backing {
            Backing::Pipe(end) => end.wait_queue(),
            _ => self.other_ops()?.wait_queue(),
        }
    }

    /// Whether `epoll(7)` takes it.
    pub fn is_pollable(&self) -> bool {
        self.ops().is_some_and(FileOps::is_pollable)
    }

    /// How many bytes a write takes, if it takes all or nothing.
    pub fn message_len(&self) -> Option<usize> {
        self.other_ops()?.message_len()
    }

    /// When a read that began at `started_ns` ends although nothing came: `VTIME` of a terminal.
    pub fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        self.other_ops()?.read_deadline_ns(started_ns)
    }

    /// The number of the terminal behind it, if it is one.
    pub fn terminal(&self) -> Option<u64> {
        self.other_ops()?.terminal()
    }
}

#[cfg(test)]
mod tests;
