//! What there is to know about a file and its file system: stat(2), statx(2), statfs(2).

use abi::flags::{
    AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW, MS_NOATIME, MS_NODEV,
    MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_STRICTATIME, MS_SYNCHRONOUS, PIPEFS_MAGIC,
    ST_NOATIME, ST_NODEV, ST_NODIRATIME, ST_NOEXEC, ST_NOSUID, ST_RDONLY, ST_RELATIME,
    ST_SYNCHRONOUS, ST_VALID, STATX_ATTR_MOUNT_ROOT, STATX_BASIC_STATS, STATX_MNT_ID,
    STATX_RESERVED,
};
use abi::layout::{
    STATFS64_SIZE_I386, Stat64, Statfs64, Statx, StatxTimestamp, Timespec32, Timespec64, split_dev,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::{FileSystemStatus, Metadata, Timestamp};
use fs::vfs::path::Location;

use crate::context::Cx;
use crate::dir::locate;

/// stat(2).
pub(crate) fn stat64(cx: Cx<'_>, path: UserAddr, buf: UserAddr) -> Result<()> {
    fstatat64(cx, Fd::CWD, path, buf, 0)
}

/// lstat(2).
pub(crate) fn lstat64(cx: Cx<'_>, path: UserAddr, buf: UserAddr) -> Result<()> {
    fstatat64(cx, Fd::CWD, path, buf, AT_SYMLINK_NOFOLLOW)
}

/// fstat(2).
pub(crate) fn fstat64(cx: Cx<'_>, fd: Fd, buf: UserAddr) -> Result<()> {
    let metadata = cx.file(fd)?.metadata()?;
    cx.copy_out(buf, &stat_of(&metadata).to_bytes())
}

/// fstatat(2).
pub(crate) fn fstatat64(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    buf: UserAddr,
    flags: u32,
) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = path_or_empty(cx, path, flags)?;
    let metadata = match dir {
        Fd::CWD => locate(cx, dir, &path, flags)?.metadata()?,
        fd if path.is_empty() && flags & AT_EMPTY_PATH != 0 => cx.file(fd)?.metadata()?,
        _ => locate(cx, dir, &path, flags)?.metadata()?,
    };
    cx.copy_out(buf, &stat_of(&metadata).to_bytes())
}

/// statx(2): gives the basic attributes and the mount's id, whatever is asked for.
pub(crate) fn statx(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    flags: u32,
    mask: u32,
    buf: UserAddr,
) -> Result<()> {
    let known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if flags & !known != 0
        || flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE
        || mask & STATX_RESERVED != 0
    {
        return Err(Errno::EINVAL.into());
    }
    let path = path_or_empty(cx, path, flags)?;
    let location = locate(cx, dir, &path, flags & !AT_STATX_SYNC_TYPE)?;
    cx.copy_out(buf, &statx_of(&location)?.to_bytes())
}

/// The path; with `AT_EMPTY_PATH` the null pointer is the empty one (since Linux 6.11).
fn path_or_empty(cx: Cx<'_>, path: UserAddr, flags: u32) -> Result<Vec<u8>> {
    if path.is_null() && flags & AT_EMPTY_PATH != 0 {
        Ok(Vec::new())
    } else {
        cx.path(path)
    }
}

/// statfs(2).
pub(crate) fn statfs64(cx: Cx<'_>, path: UserAddr, size: usize, buf: UserAddr) -> Result<()> {
    check_statfs_size(size)?;
    let path = cx.path(path)?;
    let location = locate(cx, Fd::CWD, &path, 0)?;
    let status = location.mount.file_system().status()?;
    put_statfs(cx, buf, size, &status_of(&location, &status)?)
}

/// fstatfs(2).
pub(crate) fn fstatfs64(cx: Cx<'_>, fd: Fd, size: usize, buf: UserAddr) -> Result<()> {
    check_statfs_size(size)?;
    let file = cx.file(fd)?;
    let location = file.place()?;
    let mut status = location.mount.file_system().status()?;
    if file.pipe().is_some() && file.location().is_none() {
        status.magic = PIPEFS_MAGIC;
    }
    put_statfs(cx, buf, size, &status_of(&location, &status)?)
}

fn check_statfs_size(size: usize) -> Result<()> {
    if size == Statfs64::SIZE || size == STATFS64_SIZE_I386 {
        Ok(())
    } else {
        Err(Errno::EINVAL.because("no such struct statfs64"))
    }
}

fn put_statfs(cx: Cx<'_>, buf: UserAddr, size: usize, status: &Statfs64) -> Result<()> {
    cx.copy_out(buf, status.to_bytes().get(..size).unwrap_or_default())
}

fn status_of(location: &Location, status: &FileSystemStatus) -> Result<Statfs64> {
    let mount_flags = location.mount.flags();
    let mut flags = ST_VALID;
    let pairs = [
        (MS_RDONLY, ST_RDONLY),
        (MS_NOSUID, ST_NOSUID),
        (MS_NODEV, ST_NODEV),
        (MS_NOEXEC, ST_NOEXEC),
        (MS_SYNCHRONOUS, ST_SYNCHRONOUS),
        (MS_NOATIME, ST_NOATIME),
        (MS_NODIRATIME, ST_NODIRATIME),
    ];
    for (mount_flag, flag) in pairs {
        if mount_flags & mount_flag != 0 {
            flags |= flag;
        }
    }
    if mount_flags & (MS_NOATIME | MS_STRICTATIME) == 0 {
        flags |= ST_RELATIME;
    }
    Ok(Statfs64 {
        kind: status.magic,
        bsize: status.block_size,
        blocks: status.nr_blocks,
        bfree: status.nr_free,
        bavail: status.nr_available,
        files: status.nr_inodes,
        ffree: status.nr_free_inodes,
        fsid: [low_word(location.metadata()?.device), 0],
        namelen: status.name_max,
        frsize: status.block_size,
        flags,
    })
}

fn low_word(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn stat_of(metadata: &Metadata) -> Stat64 {
    Stat64 {
        dev: metadata.device,
        ino32: low_word(metadata.inode),
        mode: mode_of(metadata),
        nlink: metadata.nr_links,
        uid: metadata.uid,
        gid: metadata.gid,
        rdev: metadata.rdev,
        size: signed(metadata.size),
        blksize: metadata.block_size,
        blocks: signed(metadata.nr_blocks),
        atime32: narrow_time(metadata.atime),
        mtime32: narrow_time(metadata.mtime),
        ctime32: narrow_time(metadata.ctime),
        ino: metadata.inode,
        atime: wide_time(metadata.atime),
        mtime: wide_time(metadata.mtime),
        ctime: wide_time(metadata.ctime),
    }
}

const fn mode_of(metadata: &Metadata) -> u32 {
    metadata.file_type.mode_bits() | metadata.permissions
}

fn nanoseconds(time: Timestamp) -> i32 {
    i32::try_from(time.nanoseconds).unwrap_or(0)
}

fn wide_time(time: Timestamp) -> Timespec64 {
    Timespec64 {
        sec: time.seconds,
        nsec: nanoseconds(time),
    }
}

/// Seconds that do not fit show the nearest that do: old code alone reads them.
fn narrow_time(time: Timestamp) -> Timespec32 {
    let limit = if time.seconds < 0 { i32::MIN } else { i32::MAX };
    Timespec32 {
        sec: i32::try_from(time.seconds).unwrap_or(limit),
        nsec: nanoseconds(time),
    }
}

fn statx_of(location: &Location) -> Result<Statx> {
    let metadata = location.metadata()?;
    let time = |time: Timestamp| StatxTimestamp {
        sec: time.seconds,
        nsec: time.nanoseconds,
    };
    let (rdev_major, rdev_minor) = split_dev(metadata.rdev);
    let (dev_major, dev_minor) = split_dev(metadata.device);
    Ok(Statx {
        mask: STATX_BASIC_STATS | STATX_MNT_ID,
        blksize: metadata.block_size,
        attributes: if location.is_mount_root() {
            STATX_ATTR_MOUNT_ROOT
        } else {
            0
        },
        nlink: metadata.nr_links,
        uid: metadata.uid,
        gid: metadata.gid,
        mode: u16::try_from(mode_of(&metadata)).unwrap_or(0),
        ino: metadata.inode,
        size: metadata.size,
        blocks: metadata.nr_blocks,
        attributes_mask: STATX_ATTR_MOUNT_ROOT,
        atime: time(metadata.atime),
        ctime: time(metadata.ctime),
        mtime: time(metadata.mtime),
        rdev_major,
        rdev_minor,
        dev_major,
        dev_minor,
        mnt_id: location.mount.id(),
        ..Statx::default()
    })
}
