//! Changing attributes: chmod(2), chown(2), utimensat(2).

use abi::flags::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, UTIME_NOW, UTIME_OMIT};
use abi::layout::Timespec64;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::NewTime;
use fs::vfs::inode::Timestamp;
use fs::vfs::path::Location;

use crate::context::Cx;
use crate::dir::locate;

/// chmod(2).
pub(crate) fn chmod(cx: Cx<'_>, path: UserAddr, mode: u32) -> Result<()> {
    fchmodat(cx, Fd::CWD, path, mode)
}

/// fchmodat(2): symbolic links are followed.
pub(crate) fn fchmodat(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32) -> Result<()> {
    let path = cx.path(path)?;
    change_mode(cx, &locate(cx, dir, &path, 0)?, mode)
}

/// fchmodat2(2): as fchmodat(2) with flags; symbolic links have no mode.
pub(crate) fn fchmodat2(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32, flags: u32) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.path(path)?;
    change_mode(cx, &locate(cx, dir, &path, flags)?, mode)
}

/// fchmod(2).
pub(crate) fn fchmod(cx: Cx<'_>, fd: Fd, mode: u32) -> Result<()> {
    change_mode(cx, &open_place(cx, fd)?, mode)
}

fn change_mode(cx: Cx<'_>, location: &Location, mode: u32) -> Result<()> {
    let credentials = cx.process().credentials();
    cx.kernel
        .vfs
        .chmod_location(&credentials.caller(), location, mode, cx.kernel.now())
}

/// The place of a file that is open for more than its path.
///
/// # Errors
/// `EBADF`, also for `O_PATH`.
pub(crate) fn open_place(cx: Cx<'_>, fd: Fd) -> Result<Location> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.because("opened with O_PATH"));
    }
    file.place()
}

/// chown(2).
pub(crate) fn chown(cx: Cx<'_>, path: UserAddr, owner: u32, group: u32) -> Result<()> {
    fchownat(cx, Fd::CWD, path, owner, group, 0)
}

/// lchown(2).
pub(crate) fn lchown(cx: Cx<'_>, path: UserAddr, owner: u32, group: u32) -> Result<()> {
    fchownat(cx, Fd::CWD, path, owner, group, AT_SYMLINK_NOFOLLOW)
}

/// fchown(2).
pub(crate) fn fchown(cx: Cx<'_>, fd: Fd, owner: u32, group: u32) -> Result<()> {
    change_owner(cx, &open_place(cx, fd)?, owner, group)
}

/// fchownat(2).
pub(crate) fn fchownat(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    owner: u32,
    group: u32,
    flags: u32,
) -> Result<()> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.path(path)?;
    change_owner(cx, &locate(cx, dir, &path, flags)?, owner, group)
}

/// -1 keeps an id.
fn change_owner(cx: Cx<'_>, location: &Location, owner: u32, group: u32) -> Result<()> {
    let new = |id: u32| (id != u32::MAX).then_some(id);
    let credentials = cx.process().credentials();
    let now = cx.kernel.now();
    cx.kernel
        .vfs
        .chown_location(&credentials.caller(), location, new(owner), new(group), now)
}

/// utimensat(2), and futimens(3) when `path` is null.
pub(crate) fn utimensat_time64(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    times: UserAddr,
    flags: u32,
) -> Result<()> {
    let (atime, mtime) = if times.is_null() {
        (NewTime::Now, NewTime::Now)
    } else {
        let bytes: [u8; 32] = cx.copy_in(times)?;
        let [atime, mtime]: [Timespec64; 2] = abi::layout::Field::read(&bytes);
        // Nothing to do, so nothing is looked at.
        if [atime, mtime]
            .iter()
            .all(|time| i64::from(time.nsec) == UTIME_OMIT)
        {
            return Ok(());
        }
        (new_time(atime)?, new_time(mtime)?)
    };
    let location = if path.is_null() && dir != Fd::CWD {
        if flags != 0 {
            return Err(Errno::EINVAL.because("flags need a path"));
        }
        open_place(cx, dir)?
    } else {
        if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL.into());
        }
        let path = cx.path(path)?;
        locate(cx, dir, &path, flags)?
    };
    let credentials = cx.process().credentials();
    let now = cx.kernel.now();
    cx.kernel
        .vfs
        .set_times_location(&credentials.caller(), &location, atime, mtime, now)
}

fn new_time(time: Timespec64) -> Result<NewTime> {
    match i64::from(time.nsec) {
        UTIME_NOW => Ok(NewTime::Now),
        UTIME_OMIT => Ok(NewTime::Keep),
        0..1_000_000_000 => Ok(NewTime::At(Timestamp {
            seconds: time.sec,
            nanoseconds: time.nsec.cast_unsigned(),
        })),
        _ => Err(Errno::EINVAL.because("nanoseconds out of range")),
    }
}
