//! Files that tell of events: [`epoll`], [`eventfd`], [`signalfd`], [`timerfd`].
//!
//! Each is a [`FileOps`] behind a description without a name. Like all files they never wait: they
//! answer `WouldBlock` and wake a queue. Inotify belongs to the file systems: `fs::notify`.

pub mod epoll;
pub mod eventfd;
pub mod signalfd;
pub mod timerfd;

use std::borrow::Cow;
use std::sync::Arc;

use abi::flags::{O_ACCMODE, O_NONBLOCK};
use fs::vfs::file::FileOps;
use fs::vfs::inode::{FileType, Metadata, Timestamp};

use crate::open_file::{Anonymous, OpenFile};

/// `st_dev` of these files: minor 15 of the unnamed devices, as Linux's `anon_inodefs` often has.
const DEVICE: u64 = 15;
/// Linux has one inode for all of them.
const INODE: u64 = 1;

/// A description of `ops`.
///
/// - `name`: what `/proc/PID/fd` shows, e.g. `anon_inode:[eventfd]`
/// - `flags`: of these the access mode and `O_NONBLOCK` count
pub fn open(ops: Arc<dyn FileOps>, name: &'static str, flags: u32) -> Arc<OpenFile> {
    let time = Timestamp::default();
    let metadata = Metadata::anonymous(DEVICE, INODE, FileType::Regular, 0o600, time);
    let name = Cow::Borrowed(name);
    let anonymous = Anonymous { metadata, name };
    OpenFile::anonymous(ops, anonymous, flags & (O_ACCMODE | O_NONBLOCK))
}
