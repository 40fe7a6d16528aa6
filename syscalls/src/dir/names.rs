//! Making, moving and removing names; reading symbolic links.

use abi::flags::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, CAP_DAC_READ_SEARCH,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::Follow;
use fs::vfs::device::make_device;

use super::{at, locate};
use crate::context::Cx;

/// mkdir(2).
pub(crate) fn mkdir(cx: Cx<'_>, path: UserAddr, mode: u32) -> Result<()> {
    mkdirat(cx, Fd::CWD, path, mode)
}

/// mkdirat(2).
pub(crate) fn mkdirat(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32) -> Result<()> {
    let path = cx.path(path)?;
    let context = at(cx, dir, &path)?;
    // As Linux: of the upper bits only the sticky one.
    cx.kernel
        .vfs
        .mkdir(&context.vfs(), &path, mode & 0o1777)
        .map(drop)
}

/// mknod(2).
pub(crate) fn mknod(cx: Cx<'_>, path: UserAddr, mode: u32, device: u32) -> Result<()> {
    mknodat(cx, Fd::CWD, path, mode, device)
}

/// mknodat(2): `device` in the 32-bit form, `0xmmmMMMmm`.
pub(crate) fn mknodat(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32, device: u32) -> Result<()> {
    let path = cx.path(path)?;
    let context = at(cx, dir, &path)?;
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    cx.kernel
        .vfs
        .mknod(&context.vfs(), &path, mode, make_device(major, minor))
        .map(drop)
}

/// symlink(2).
pub(crate) fn symlink(cx: Cx<'_>, target: UserAddr, link_path: UserAddr) -> Result<()> {
    symlinkat(cx, target, Fd::CWD, link_path)
}

/// symlinkat(2).
pub(crate) fn symlinkat(cx: Cx<'_>, target: UserAddr, dir: Fd, link_path: UserAddr) -> Result<()> {
    let target = cx.path(target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT.because("the target is empty"));
    }
    let path = cx.path(link_path)?;
    let context = at(cx, dir, &path)?;
    cx.kernel
        .vfs
        .symlink(&context.vfs(), &target, &path)
        .map(drop)
}

/// link(2): a symbolic link gets the new name itself.
pub(crate) fn link(cx: Cx<'_>, old_path: UserAddr, new_path: UserAddr) -> Result<()> {
    linkat(cx, Fd::CWD, old_path, Fd::CWD, new_path, 0)
}

/// linkat(2).
pub(crate) fn linkat(
    cx: Cx<'_>,
    old_dir: Fd,
    old_path: UserAddr,
    new_dir: Fd,
    new_path: UserAddr,
    flags: u32,
) -> Result<()> {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let old_path = cx.path(old_path)?;
    if flags & AT_EMPTY_PATH != 0 && !cx.process().credentials().has(CAP_DAC_READ_SEARCH) {
        return Err(Errno::ENOENT.because("only the superuser links a descriptor"));
    }
    let new_path = cx.path(new_path)?;
    let nofollow = if flags & AT_SYMLINK_FOLLOW == 0 {
        AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    let target = locate(cx, old_dir, &old_path, flags & AT_EMPTY_PATH | nofollow)?;
    let context = at(cx, new_dir, &new_path)?;
    cx.kernel
        .vfs
        .link_location(&target, &context.vfs(), &new_path)
}

/// unlink(2).
pub(crate) fn unlink(cx: Cx<'_>, path: UserAddr) -> Result<()> {
    unlinkat(cx, Fd::CWD, path, 0)
}

/// rmdir(2).
pub(crate) fn rmdir(cx: Cx<'_>, path: UserAddr) -> Result<()> {
    unlinkat(cx, Fd::CWD, path, AT_REMOVEDIR)
}

/// unlinkat(2).
pub(crate) fn unlinkat(cx: Cx<'_>, dir: Fd, path: UserAddr, flags: u32) -> Result<()> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.path(path)?;
    let context = at(cx, dir, &path)?;
    if flags & AT_REMOVEDIR == 0 {
        cx.kernel.vfs.unlink(&context.vfs(), &path)
    } else {
        cx.kernel.vfs.rmdir(&context.vfs(), &path)
    }
}

/// rename(2).
pub(crate) fn rename(cx: Cx<'_>, old_path: UserAddr, new_path: UserAddr) -> Result<()> {
    renameat2(cx, Fd::CWD, old_path, Fd::CWD, new_path, 0)
}

/// renameat(2).
pub(crate) fn renameat(
    cx: Cx<'_>,
    old_dir: Fd,
    old_path: UserAddr,
    new_dir: Fd,
    new_path: UserAddr,
) -> Result<()> {
    renameat2(cx, old_dir, old_path, new_dir, new_path, 0)
}

/// renameat2(2).
pub(crate) fn renameat2(
    cx: Cx<'_>,
    old_dir: Fd,
    old_path: UserAddr,
    new_dir: Fd,
    new_path: UserAddr,
    flags: u32,
) -> Result<()> {
    let old_path = cx.path(old_path)?;
    let new_path = cx.path(new_path)?;
    let old = at(cx, old_dir, &old_path)?;
    let new = at(cx, new_dir, &new_path)?;
    cx.kernel
        .vfs
        .rename((&old.vfs(), &old_path), (&new.vfs(), &new_path), flags)
}

/// readlink(2): the target without a NUL, cut to `size` bytes; its length.
pub(crate) fn readlink(cx: Cx<'_>, path: UserAddr, buf: UserAddr, size: usize) -> Result<usize> {
    readlinkat(cx, Fd::CWD, path, buf, size)
}

/// readlinkat(2): the empty path means the symbolic link that `dir` was opened as.
pub(crate) fn readlinkat(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    buf: UserAddr,
    size: usize,
) -> Result<usize> {
    if i32::try_from(size).is_err() || size == 0 {
        return Err(Errno::EINVAL.because("no room for a single byte"));
    }
    let path = cx.path(path)?;
    let target = if path.is_empty() {
        let location = match dir {
            Fd::CWD => return Err(Errno::ENOENT.into()),
            fd => cx.file(fd)?.place()?,
        };
        location
            .inode
            .read_link()
            .map_err(|error| match error.errno {
                Errno::EINVAL => Errno::ENOENT.because("the descriptor is no symbolic link"),
                _ => error,
            })?
    } else {
        let context = at(cx, dir, &path)?;
        cx.kernel
            .vfs
            .walk(&context.vfs(), &path, Follow::No)?
            .inode
            .read_link()?
    };
    let bytes = target.get(..size.min(target.len())).unwrap_or_default();
    cx.copy_out(buf, bytes)?;
    Ok(bytes.len())
}
