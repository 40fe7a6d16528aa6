//! How a description begins, from what was opened or made, and how it ends; both are events for
//! who watches the file.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use abi::flags::{
    IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY, IN_OPEN, O_ACCMODE, O_DIRECTORY, O_DSYNC,
    O_LARGEFILE, O_NOFOLLOW, O_PATH, O_SETTABLE, O_SYNC,
};
use executor::sync::Lock;
use fs::notify::Notify;
use fs::vfs::Opened;
use fs::vfs::file::FileOps;
use fs::vfs::inode::{FileType, Metadata, Timestamp};
use fs::vfs::mount::Writer;
use fs::vfs::path::Location;

use super::{Anonymous, Backing, Identity, OpenFile};
use crate::ipc::pipe::PipeEnd;

/// What `F_GETFL` shows, besides the access mode.
const VISIBLE: u32 =
    O_SETTABLE | O_DSYNC | O_SYNC | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_PATH;

/// `st_dev` of anonymous pipes: minor 14 of the unnamed devices, as `pipefs` often has.
const PIPE_DEVICE: u64 = 14;

/// Numbers descriptions, for lock ownership and `kcmp(2)`.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Ends the watches of a file that was removed while this was the last to hold it.
pub(super) struct Reaper(Option<Arc<Notify>>);

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(notify) = &self.0 {
            notify.reap();
        }
    }
}

impl OpenFile {
    /// A description of what `Vfs::open` found. Named pipes come in by [`OpenFile::from_pipe`].
    ///
    /// - `flags`: those of `open(2)`
    pub fn from_opened(opened: Opened, flags: u32) -> Arc<Self> {
        let Opened {
            location,
            ops,
            is_truncated,
            writer,
        } = opened;
        let file_type = location.file_type();
        let (backing, flags) = match ops {
            _ if flags & O_PATH != 0 => {
                (Backing::Path, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW))
            }
            Some(ops) => (Backing::Ops(ops), flags),
            None => (Backing::Inode(Arc::clone(&location.inode)), flags),
        };
        let identity = Identity::Located(location);
        let file = Self::new(identity, backing, file_type, flags, writer);
        if is_truncated {
            file.notify(IN_MODIFY);
        }
        file
    }

    /// A description of something that has no name: a socket, an event counter.
    pub fn anonymous(ops: Arc<dyn FileOps>, anonymous: Anonymous, flags: u32) -> Arc<Self> {
        let file_type = anonymous.metadata.file_type;
        let identity = Identity::Anonymous(Box::new(anonymous));
        Self::new(identity, Backing::Ops(ops), file_type, flags, None)
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
            uid,
            gid,
            ..Metadata::anonymous(PIPE_DEVICE, number, FileType::Fifo, 0o600, now)
        };
        let name = Cow::Owned(format!("pipe:[{number}]"));
        let identity = Identity::Anonymous(Box::new(Anonymous { metadata, name }));
        Self::new(identity, Backing::Pipe(end), FileType::Fifo, flags, None)
    }

    /// A description of a named pipe's end.
    pub fn from_pipe(location: Location, end: Arc<PipeEnd>, flags: u32) -> Arc<Self> {
        Self::new(
            Identity::Located(location),
            Backing::Pipe(end),
            FileType::Fifo,
            flags,
            None,
        )
    }

    fn new(
        identity: Identity,
        backing: Backing,
        file_type: FileType,
        flags: u32,
        writer: Option<Writer>,
    ) -> Arc<Self> {
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
            writer: writer.map(Arc::new),
            _reaper: Reaper(reaper),
        });
        file.notify(IN_OPEN);
        file
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
