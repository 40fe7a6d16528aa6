//! access(2) and its forms: what the real user may do.

use abi::flags::{AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::Access;

use super::{at, follow};
use crate::context::Cx;

/// access(2).
pub(crate) fn access(cx: Cx<'_>, path: UserAddr, mode: u32) -> Result<()> {
    faccessat2(cx, Fd::CWD, path, mode, 0)
}

/// faccessat(2) of the kernel: it has no flags.
pub(crate) fn faccessat(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32) -> Result<()> {
    faccessat2(cx, dir, path, mode, 0)
}

/// faccessat2(2): the whole walk has the permissions of the real user, or with `AT_EACCESS` those
/// of the effective one.
pub(crate) fn faccessat2(cx: Cx<'_>, dir: Fd, path: UserAddr, mode: u32, flags: u32) -> Result<()> {
    let access = Access::from_mode(mode)?;
    if flags & !(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.path(path)?;
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let location = super::locate(cx, dir, &path, flags)?;
        let context = cx.process().path_context(cx.kernel);
        let context = if flags & AT_EACCESS == 0 {
            context.vfs_as_real_user()
        } else {
            context.vfs()
        };
        return cx
            .kernel
            .vfs
            .access_location(&context.caller, &location, access);
    }
    let context = at(cx, dir, &path)?;
    let context = if flags & AT_EACCESS == 0 {
        context.vfs_as_real_user()
    } else {
        context.vfs()
    };
    cx.kernel.vfs.access(&context, &path, access, follow(flags))
}
