//! Names: opening, making, moving and removing them, and where a process stands among them.
//!
//! - `open`: open(2) and its forms; `read`: getdents64(2)
//! - `names`: mkdir(2), mknod(2), link(2), symlink(2), unlink(2), rmdir(2), rename(2), readlink(2)
//! - `place`: working directory, root, umask; `access`: what the real user may
//! - `mount`: mount(2), umount2(2)
//!
//! All `*at` calls get their view of the tree from [`at`], or the file itself from [`locate`].

mod access;
mod mount;
mod names;
mod open;
mod place;
mod read;

use abi::flags::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use abi::types::Fd;
use abi::{Errno, Result};
use fs::vfs::Follow;
use fs::vfs::path::Location;
use kernel::process::PathContext;

pub(crate) use access::{access, faccessat, faccessat2};
pub(crate) use mount::{mount, umount2};
pub(crate) use names::{
    link, linkat, mkdir, mkdirat, mknod, mknodat, readlink, readlinkat, rename, renameat,
    renameat2, rmdir, symlink, symlinkat, unlink, unlinkat,
};
pub(crate) use open::{creat, open, openat};
pub(crate) use place::{chdir, chroot, fchdir, getcwd, umask};
pub(crate) use read::getdents64;

use crate::context::Cx;

/// The caller's view of the tree, in which a relative `path` starts at `dir`.
///
/// # Errors
/// `ENOENT` for the empty path; for a relative one `EBADF`, `ENOTDIR`.
pub(crate) fn at(cx: Cx<'_>, dir: Fd, path: &[u8]) -> Result<PathContext> {
    let context = cx.process().path_context(cx.kernel);
    match path.first() {
        None => Err(Errno::ENOENT.because("the path is empty")),
        Some(b'/') => Ok(context),
        Some(_) if dir == Fd::CWD => Ok(context),
        Some(_) => match cx.file(dir)?.location() {
            Some(location) if location.is_directory() => Ok(context.starting_at(location.clone())),
            _ => Err(Errno::ENOTDIR.because("the descriptor is no directory")),
        },
    }
}

/// The file that an `*at` call means.
///
/// - `flags`: of `AT_*`, `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH` count
///
/// # Errors
/// `EBADF`, `ENOTDIR`, and what walking says.
pub(crate) fn locate(cx: Cx<'_>, dir: Fd, path: &[u8], flags: u32) -> Result<Location> {
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return match dir {
            Fd::CWD => Ok(cx.process().fs.lock().cwd.clone()),
            fd => cx.file(fd)?.place(),
        };
    }
    let context = at(cx, dir, path)?;
    cx.kernel.vfs.walk(&context.vfs(), path, follow(flags))
}

/// Whether the last symbolic link is followed, as `AT_SYMLINK_NOFOLLOW` has it.
const fn follow(flags: u32) -> Follow {
    if flags & AT_SYMLINK_NOFOLLOW == 0 {
        Follow::Yes
    } else {
        Follow::No
    }
}
