//! Between FUSE's words and ours: errors, flags, attributes, times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use abi::Error;
use abi::flags::{
    O_ACCMODE, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOATIME, O_NOFOLLOW, O_TRUNC,
};
use fs::vfs::NewTime;
use fs::vfs::inode::{FileType, Metadata, Timestamp};
use fuser::{Errno, FileAttr, INodeNo, TimeOrNow};

/// The number of the root in FUSE.
const FUSE_ROOT: u64 = 1;
/// The number of the root in Ext2.
const EXT2_ROOT: u64 = 2;
/// Flags of `open(2)` that concern the file system.
const OPEN_FLAGS: u32 =
    O_ACCMODE | O_APPEND | O_CREAT | O_DIRECTORY | O_EXCL | O_NOATIME | O_NOFOLLOW | O_TRUNC;

/// What FUSE calls the inode `number`.
pub(crate) const fn node_of(number: u64) -> u64 {
    if number == EXT2_ROOT {
        FUSE_ROOT
    } else {
        number
    }
}

/// The numbers are Linux's on both sides.
pub(crate) fn errno(error: Error) -> Errno {
    Errno::from_i32(error.errno.number())
}

/// The flags of `open(2)` as ours; both are Linux's.
pub(crate) const fn open_flags(flags: i32) -> u32 {
    flags.cast_unsigned() & OPEN_FLAGS
}

/// What `stat(2)` tells.
pub(crate) fn attributes(metadata: &Metadata) -> FileAttr {
    FileAttr {
        ino: INodeNo(metadata.inode),
        size: metadata.size,
        blocks: metadata.nr_blocks,
        atime: system_time(metadata.atime),
        mtime: system_time(metadata.mtime),
        ctime: system_time(metadata.ctime),
        crtime: UNIX_EPOCH,
        kind: kind(metadata.file_type),
        perm: u16::try_from(metadata.permissions).unwrap_or(0),
        nlink: metadata.nr_links,
        uid: metadata.uid,
        gid: metadata.gid,
        rdev: u32::try_from(metadata.rdev).unwrap_or(0),
        blksize: metadata.block_size,
        flags: 0,
    }
}

/// The type of a file.
pub(crate) const fn kind(file_type: FileType) -> fuser::FileType {
    match file_type {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// What `utimensat(2)` asks for.
pub(crate) fn new_time(time: Option<TimeOrNow>) -> NewTime {
    match time {
        None => NewTime::Keep,
        Some(TimeOrNow::Now) => NewTime::Now,
        Some(TimeOrNow::SpecificTime(time)) => NewTime::At(timestamp(time)),
    }
}

/// The time now, by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this program is the outside world"
)]
pub(crate) fn now() -> Timestamp {
    timestamp(SystemTime::now())
}

fn timestamp(time: SystemTime) -> Timestamp {
    let signed = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Timestamp {
            seconds: signed(after),
            nanoseconds: after.subsec_nanos(),
        },
        Err(error) => {
            let before = error.duration();
            let whole = signed(before).saturating_neg();
            match before.subsec_nanos() {
                0 => Timestamp {
                    seconds: whole,
                    nanoseconds: 0,
                },
                rest => Timestamp {
                    seconds: whole.saturating_sub(1),
                    nanoseconds: 1_000_000_000_u32.saturating_sub(rest),
                },
            }
        }
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let base = if time.seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    base.and_then(|base| base.checked_add(Duration::from_nanos(time.nanoseconds.into())))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_come_back_as_they_went() {
        for (seconds, nanoseconds) in [(0, 0), (-1, 999_999_999), (-7, 0), (1 << 31, 5)] {
            let time = Timestamp {
                seconds,
                nanoseconds,
            };
            assert_eq!(timestamp(system_time(time)), time);
        }
    }
}
