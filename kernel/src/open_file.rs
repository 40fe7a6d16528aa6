//! Open file descriptions (`open(2)`): what an fd refers to and `dup`, `fork` share.
//!
//! An [`OpenFile`] serves its bytes from an inode at an offset of its own, or hands everything to
//! a [`FileOps`] (pipes, terminals, devices, sockets). It holds the access mode, which never
//! changes, and the status flags, which `F_SETFL` changes. Nothing here waits: `try_*` say
//! `WouldBlock`, and [`crate::poll`] waits on [`OpenFile::wait_queue`].
//!
//! The offset lock is held over the copy, so that two readers of one description never get the
//! same bytes. Lock order: offset, then whatever the inode or the ops lock.

mod position;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use abi::flags::{
    FIONREAD, IN_ACCESS, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY, IN_OPEN, O_ACCMODE, O_APPEND,
    O_DIRECT, O_DIRECTORY, O_DSYNC, O_LARGEFILE, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDWR,
    O_SETTABLE, O_SYNC, O_WRONLY,
};
use abi::{Errno, Result};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Try};
use fs::notify::Notify;
use fs::vfs::Opened;
use fs::vfs::file::{Events, FileOps, GuestMemory};
use fs::vfs::inode::{FileType, Inode, Metadata, SetAttributes, Timestamp};
use fs::vfs::path::Location;

pub use self::position::Whence;
use crate::event::epoll::Watches;
use crate::file_lock::FlockHold;
use crate::ipc::pipe::{Pipe, PipeEnd};

/// What `F_GETFL` shows, besides the access mode.
const VISIBLE: u32 =
    O_SETTABLE | O_DSYNC | O_SYNC | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_PATH;

/// Numbers descriptions, for lock ownership and `kcmp(2)`.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

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
    /// The last field: it looks after the file was let go.
    _reaper: Reaper,
}

/// Ends the watches of a file that was removed while this was the last to hold it.
struct Reaper(Option<Arc<Notify>>);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(notify) = &self.0 {
            notify.reap();
        }
    }
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
    fn new(identity: Identity, backing: Backing, file_type: FileType, flags: u32) -> Arc<Self> {
        let reaper = match &identity {
            Identity::Located(location) => Some(Arc::clone(location.mount.notify())),
            Identity::Anonymous(_) => None,
        };
        let file = Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            identity,
            backing,
            file_type,
            flags: AtomicU32::new(flags & (O_ACCMODE | VISIBLE)),
            offset: Lock::new(0),
            flock: OnceLock::new(),
            watches: OnceLock::new(),
            atime_checked: AtomicI64::new(i64::MIN),
            _reaper: Reaper(reaper),
        });
        file.notify(IN_OPEN);
        file
    }

    /// Tells who watches the file, or its directory, that `mask` (`IN_*`) happened.
    fn notify(&self, mask: u32) {
        if let (Identity::Located(location), false) = (&self.identity, self.is_path()) {
            location.notify(mask);
        }
    }

    /// [`OpenFile::notify`] when bytes were moved.
    fn notify_moved(&self, mask: u32, moved: usize) {
        if moved > 0 {
            self.notify(mask);
        }
    }

    /// A description of what `Vfs::open` found. Named pipes come in by [`OpenFile::from_pipe`].
    ///
    /// - `flags`: those of `open(2)`
    pub fn from_opened(opened: Opened, flags: u32) -> Arc<Self> {
        let Opened {
            location,
            ops,
            is_truncated,
        } = opened;
        let file_type = location.file_type();
        let (backing, flags) = match ops {
            _ if flags & O_PATH != 0 => {
                (Backing::Path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW))
            }
            Some(ops) => (Backing::Ops(ops), flags),
            None => (Backing::Inode(Arc::clone(&location.inode)), flags),
        };
        let file = Self::new(Identity::Located(location), backing, file_type, flags);
        if is_truncated {
            file.notify(IN_MODIFY);
        }
        file
    }

    /// A description of something that has no name: a socket, an event counter.
    pub fn anonymous(ops: Arc<dyn FileOps>, anonymous: Anonymous, flags: u32) -> Arc<Self> {
        let file_type = anonymous.metadata.file_type;
        let identity = Identity::Anonymous(Box::new(anonymous));
        Self::new(identity, Backing::Ops(ops), file_type, flags)
    }

    /// A description of one end of `pipe(2)`; the access mode of `flags` must match the end.
    ///
    /// - `uid`, `gid`: the owner that `fstat(2)` shows
    pub fn from_anonymous_pipe(
        end: Arc<PipeEnd>,
        flags: u32,
        uid: u32,
        gid: u32,
        now: Timestamp,
    ) -> Arc<Self> {
        let number = end.pipe().number();
        let metadata = Metadata {
            device: PIPE_DEVICE,
            inode: number,
            file_type: FileType::Fifo,
            permissions: 0o600,
            nr_links: 1,
            uid,
            gid,
            rdev: 0,
            size: 0,
            block_size: 4096,
            nr_blocks: 0,
            atime: now,
            mtime: now,
            ctime: now,
        };
        let name = Cow::Owned(format!("pipe:[{number}]"));
        let identity = Identity::Anonymous(Box::new(Anonymous { metadata, name }));
        Self::new(identity, Backing::Pipe(end), FileType::Fifo, flags)
    }

    /// A description of a named pipe's end.
    pub fn from_pipe(location: Location, end: Arc<PipeEnd>, flags: u32) -> Arc<Self> {
        Self::new(
            Identity::Located(location),
            Backing::Pipe(end),
            FileType::Fifo,
            flags,
        )
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

    /// The name of an anonymous description, as `/proc/PID/fd` shows it.
    pub fn anonymous_name(&self) -> Option<&str> {
        match &self.identity {
            Identity::Located(_) => None,
            Identity::Anonymous(anonymous) => Some(&anonymous.name),
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

    /// Whether it is one of those of [`crate::event`], which have neither a name nor a type.
    fn is_event_file(&self) -> bool {
        matches!(self.identity, Identity::Anonymous(_)) && self.file_type == FileType::Regular
    }

    /// Whether it has no offset.
    pub fn is_stream(&self) -> bool {
        self.ops().is_some_and(FileOps::is_stream)
    }

    /// Reads at the offset and moves it. `Ok(0)` is the end of file.
    ///
    /// # Errors
    /// `WouldBlock`; `EBADF` not open for reading, `EISDIR`, `EIO`, and what the sink says.
    pub fn try_read(&self, sink: &mut dyn Sink, now: Timestamp) -> Try<usize> {
        self.check_readable()?;
        let moved = match &self.backing {
            Backing::Pipe(end) => end.try_read(sink)?,
            Backing::Ops(ops) => ops.try_read(sink)?,
            Backing::Inode(inode) => {
                let mut offset = self.offset.lock();
                let moved = read_inode(&**inode, *offset, sink)?;
                *offset = offset.saturating_add(widen(moved));
                drop(offset);
                self.touch_atime(&**inode, now);
                moved
            }
            Backing::Path => return Err(Errno::EBADF.into()),
        };
        self.notify_moved(IN_ACCESS, moved);
        Ok(moved)
    }

    /// Reads at byte `offset` and leaves the description's own alone (`pread(2)`).
    ///
    /// # Errors
    /// As [`OpenFile::try_read`]; `ESPIPE` for a stream.
    pub fn read_at(&self, offset: u64, sink: &mut dyn Sink, now: Timestamp) -> Try<usize> {
        if self.is_stream() {
            return Err(Errno::ESPIPE.into());
        }
        self.check_readable()?;
        let moved = match &self.backing {
            Backing::Inode(inode) => {
                let moved = read_inode(&**inode, offset, sink)?;
                self.touch_atime(&**inode, now);
                moved
            }
            Backing::Ops(ops) => ops.try_read(sink)?,
            Backing::Pipe(_) | Backing::Path => return Err(Errno::ESPIPE.into()),
        };
        self.notify_moved(IN_ACCESS, moved);
        Ok(moved)
    }

    /// Writes at the offset, or at the end with `O_APPEND`, and moves the offset.
    ///
    /// The caller has cut the source to `RLIMIT_FSIZE` ([`OpenFile::write_offset`]).
    ///
    /// # Errors
    /// `WouldBlock`; `EBADF` not open for writing, `EPIPE`, `ENOSPC`, `EFBIG`, `EIO`, and what the
    /// source says.
    pub fn try_write(&self, source: &mut dyn Source, now: Timestamp) -> Try<usize> {
        self.check_writable()?;
        let moved = match &self.backing {
            Backing::Pipe(end) => end.try_write(source)?,
            Backing::Ops(ops) => ops.try_write(source)?,
            Backing::Inode(inode) => {
                let mut offset = self.offset.lock();
                let (start, moved) = self.write_inode(&**inode, *offset, source, now)?;
                *offset = start.saturating_add(widen(moved));
                moved
            }
            Backing::Path => return Err(Errno::EBADF.into()),
        };
        self.notify_moved(IN_MODIFY, moved);
        Ok(moved)
    }

    /// Writes at byte `offset` and leaves the description's own alone (`pwrite(2)`).
    ///
    /// As in Linux, `O_APPEND` wins over `offset`.
    ///
    /// # Errors
    /// As [`OpenFile::try_write`]; `ESPIPE` for a stream.
    pub fn write_at(&self, offset: u64, source: &mut dyn Source, now: Timestamp) -> Try<usize> {
        if self.is_stream() {
            return Err(Errno::ESPIPE.into());
        }
        self.check_writable()?;
        let moved = match &self.backing {
            Backing::Inode(inode) => {
                let (_, moved) = self.write_inode(&**inode, offset, source, now)?;
                moved
            }
            Backing::Ops(ops) => ops.try_write(source)?,
            Backing::Pipe(_) | Backing::Path => return Err(Errno::ESPIPE.into()),
        };
        self.notify_moved(IN_MODIFY, moved);
        Ok(moved)
    }

    /// Where the next write goes, for `RLIMIT_FSIZE`: `None` when the limit does not apply.
    ///
    /// # Errors
    /// `EIO`.
    pub fn write_offset(&self) -> Result<Option<u64>> {
        match &self.backing {
            Backing::Inode(inode) if self.file_type == FileType::Regular => {
                if self.flags() & O_APPEND == 0 {
                    Ok(Some(*self.offset.lock()))
                } else {
                    Ok(Some(inode.metadata()?.size))
                }
            }
            _ => Ok(None),
        }
    }

    /// Writes at byte `offset` of the inode, or with `O_APPEND` at its end; returns where it
    /// went, and bytes moved. Nothing to write changes nothing.
    fn write_inode(
        &self,
        inode: &dyn Inode,
        offset: u64,
        source: &mut dyn Source,
        now: Timestamp,
    ) -> Result<(u64, usize)> {
        if source.remaining() == 0 {
            Ok((offset, 0))
        } else if self.flags() & O_APPEND == 0 {
            Ok((offset, inode.write_at(offset, source, now)?))
        } else {
            inode.append(source, now)
        }
    }

    fn check_readable(&self) -> Result<()> {
        if !self.is_readable() {
            return Err(Errno::EBADF.into());
        }
        if self.file_type == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_writable() {
            Ok(())
        } else {
            Err(Errno::EBADF.into())
        }
    }

    /// `ftruncate(2)`: sets the size in bytes.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `EINVAL` not open for writing or not a regular file, `EFBIG`,
    /// `ENOSPC`, `EROFS`, `EIO`.
    pub fn truncate(&self, size: u64, now: Timestamp) -> Result<()> {
        if self.is_path() {
            return Err(Errno::EBADF.into());
        }
        let Backing::Inode(inode) = &self.backing else {
            return Err(Errno::EINVAL.into());
        };
        if !self.is_writable() || self.file_type != FileType::Regular {
            return Err(Errno::EINVAL.into());
        }
        inode.set_attributes(&SetAttributes {
            size: Some(size),
            mtime: Some(now),
            ctime: Some(now),
            ..SetAttributes::default()
        })?;
        self.notify(IN_MODIFY);
        Ok(())
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
    pub fn sync(&self) -> Result<()> {
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
        self.ops()?.wait_queue()
    }

    /// Whether `epoll(7)` takes it.
    pub fn is_pollable(&self) -> bool {
        self.ops().is_some_and(FileOps::is_pollable)
    }

    /// How many bytes a write takes, if it takes all or nothing.
    pub fn message_len(&self) -> Option<usize> {
        self.ops()?.message_len()
    }

    /// When a read that began at `started_ns` ends although nothing came: `VTIME` of a terminal.
    pub fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        self.ops()?.read_deadline_ns(started_ns)
    }

    /// The number of the terminal behind it, if it is one.
    pub fn terminal(&self) -> Option<u64> {
        self.ops()?.terminal()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.notify(if self.is_writable() {
            IN_CLOSE_WRITE
        } else {
            IN_CLOSE_NOWRITE
        });
        if let Some(ops) = self.ops() {
            ops.release();
        }
    }
}

/// `st_dev` of anonymous pipes: minor 14 of the unnamed devices, as `pipefs` often has.
const PIPE_DEVICE: u64 = 14;

/// Reads at byte `offset` of an inode. As in Linux, what the sink took before it failed counts.
fn read_inode(inode: &dyn Inode, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
    let wanted = sink.remaining();
    let result = inode.read_at(offset, sink);
    match wanted.saturating_sub(sink.remaining()) {
        0 => result,
        moved => result.or(Ok(moved)),
    }
}

/// `usize` is never wider than 64 bits.
fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
