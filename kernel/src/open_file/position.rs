//! The offset of a description and what moves it: `lseek(2)`, `getdents64(2)`; and the access
//! time that reading leaves behind.

use std::sync::atomic::Ordering;

use abi::flags::{
    IN_ACCESS, MS_NOATIME, MS_NODIRATIME, MS_RDONLY, MS_STRICTATIME, O_NOATIME, SEEK_CUR,
    SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET,
};
use abi::{Errno, Result};
use fs::vfs::inode::{DirEntry, FileType, Inode, Seek, SetAttributes, Timestamp};

use super::{Backing, Identity, OpenFile};

/// Relatime: an access time older than this many seconds is renewed in any case.
const ATIME_MAX_AGE_SECONDS: i64 = 24 * 60 * 60;

/// From where `lseek(2)` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// `SEEK_SET`: the start.
    Start,
    /// `SEEK_CUR`: the offset now.
    Current,
    /// `SEEK_END`: the end of the file.
    End,
    /// `SEEK_DATA`: the next byte that is not in a hole.
    Data,
    /// `SEEK_HOLE`: the next hole; the end of the file is one.
    Hole,
}

impl TryFrom<u32> for Whence {
    type Error = abi::Error;

    fn try_from(number: u32) -> Result<Self> {
        Ok(match number {
            SEEK_SET => Self::Start,
            SEEK_CUR => Self::Current,
            SEEK_END => Self::End,
            SEEK_DATA => Self::Data,
            SEEK_HOLE => Self::Hole,
            _ => return Err(Errno::EINVAL.into()),
        })
    }
}

impl OpenFile {
    /// Where the next read or write goes, in bytes; 0 for what has no position.
    pub fn position(&self) -> u64 {
        *self.offset.lock()
    }

    /// `lseek(2)`: moves the offset and returns it.
    ///
    /// # Errors
    /// `ESPIPE` for a stream, `EBADF` for `O_PATH`, `EINVAL` before the start or past the largest
    /// offset, `ENXIO` for data or a hole past the end, `EIO`.
    pub fn seek(&self, distance: i64, whence: Whence) -> Result<u64> {
        let inode = match &self.backing {
            Backing::Path => return Err(Errno::EBADF.into()),
            Backing::Pipe(_) => return Err(Errno::ESPIPE.into()),
            // As Linux's noop_llseek: epoll, eventfd and the like, which are no streams for it.
            Backing::Ops(_) if self.is_event_file() => return Ok(0),
            Backing::Ops(ops) if ops.is_stream() => return Err(Errno::ESPIPE.into()),
            // As Linux's null_lseek: devices of endless bytes have no position.
            Backing::Ops(_) => return Ok(0),
            Backing::Inode(inode) => inode,
        };
        let mut offset = self.offset.lock();
        let base = match whence {
            Whence::Start => 0,
            Whence::Current => *offset,
            Whence::End => inode.metadata()?.size,
            Whence::Data | Whence::Hole => {
                let size = inode.metadata()?.size;
                let start = u64::try_from(distance).map_err(|_| Errno::ENXIO)?;
                if start >= size {
                    return Err(Errno::ENXIO.into());
                }
                let what = match whence {
                    Whence::Hole => Seek::Hole,
                    _ => Seek::Data,
                };
                *offset = inode.seek(start, what)?;
                return Ok(*offset);
            }
        };
        let target = base.checked_add_signed(distance).ok_or(Errno::EINVAL)?;
        if i64::try_from(target).is_err() {
            return Err(Errno::EINVAL.into());
        }
        *offset = target;
        Ok(target)
    }

    /// `getdents64(2)`: reports entries from the offset on, `.` and `..` first, until `report`
    /// says `false`; the offset then is at the entry that was refused.
    ///
    /// `next_cookie` of an entry is the offset after it (`d_off`).
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `ENOTDIR`, `EIO`.
    pub fn read_dir(
        &self,
        now: Timestamp,
        report: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let location = match &self.identity {
            _ if self.is_path() => return Err(Errno::EBADF.into()),
            Identity::Located(location) if self.file_type == FileType::Directory => location,
            _ => return Err(Errno::ENOTDIR.into()),
        };
        let mut offset = self.offset.lock();
        while *offset < 2 {
            let (name, inode) = if *offset == 0 {
                (b".".as_slice(), location.inode.metadata()?.inode)
            } else {
                (b"..".as_slice(), location.parent().inode.metadata()?.inode)
            };
            let next_cookie = offset.saturating_add(1);
            let file_type = Some(FileType::Directory);
            if !report(DirEntry {
                name,
                inode,
                file_type,
                next_cookie,
            }) {
                return Ok(());
            }
            *offset = next_cookie;
        }
        let cookie = offset.saturating_sub(2);
        let result = location.inode.read_dir(cookie, &mut |mut entry| {
            entry.next_cookie = entry.next_cookie.saturating_add(2);
            let next_cookie = entry.next_cookie;
            let is_taken = report(entry);
            if is_taken {
                *offset = next_cookie;
            }
            is_taken
        });
        drop(offset);
        self.touch_atime(&*location.inode, now);
        self.notify(IN_ACCESS);
        result
    }

    /// Renews the access time as the mount option `relatime` says: when it is not later than the
    /// last change, or a day old. Looks at most once a second.
    pub(super) fn touch_atime(&self, inode: &dyn Inode, now: Timestamp) {
        if self.atime_checked.swap(now.seconds, Ordering::Relaxed) == now.seconds
            || self.flags() & O_NOATIME != 0
        {
            return;
        }
        let mount_flags = self
            .location()
            .map_or(MS_NOATIME, |location| location.mount.flags());
        let is_directory = self.file_type == FileType::Directory;
        if mount_flags & (MS_NOATIME | MS_RDONLY) != 0
            || (is_directory && mount_flags & MS_NODIRATIME != 0)
        {
            return;
        }
        let Ok(metadata) = inode.metadata() else {
            return;
        };
        let age_seconds = now.seconds.saturating_sub(metadata.atime.seconds);
        if mount_flags & MS_STRICTATIME != 0
            || metadata.atime <= metadata.mtime
            || metadata.atime <= metadata.ctime
            || age_seconds >= ATIME_MAX_AGE_SECONDS
        {
            let change = SetAttributes {
                atime: Some(now),
                ..SetAttributes::default()
            };
            // The read succeeded, whatever becomes of its time.
            let _ = inode.set_attributes(&change);
        }
    }
}
