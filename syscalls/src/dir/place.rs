//! Where a process stands: working directory, root, umask.

use abi::flags::{CAP_SYS_CHROOT, X_OK};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::path::Location;

use super::locate;
use crate::context::Cx;

/// getcwd(2): the path with its NUL goes to `buf`; its length with the NUL.
pub(crate) fn getcwd(cx: Cx<'_>, buf: UserAddr, size: usize) -> Result<usize> {
    let fs = cx.process().fs.lock().clone();
    if fs.cwd.is_deleted() {
        return Err(Errno::ENOENT.because("the working directory was removed"));
    }
    let mut path = fs.cwd.path(&fs.root);
    path.push(0);
    if path.len() > size {
        return Err(Errno::ERANGE.into());
    }
    cx.copy_out(buf, &path)?;
    Ok(path.len())
}

/// chdir(2).
pub(crate) fn chdir(cx: Cx<'_>, path: UserAddr) -> Result<()> {
    let path = cx.path(path)?;
    let location = locate(cx, Fd::CWD, &path, 0)?;
    enter(cx, location)
}

/// fchdir(2).
pub(crate) fn fchdir(cx: Cx<'_>, fd: Fd) -> Result<()> {
    let file = cx.file(fd)?;
    match file.location() {
        Some(location) => enter(cx, location.clone()),
        None => Err(Errno::ENOTDIR.into()),
    }
}

fn enter(cx: Cx<'_>, location: Location) -> Result<()> {
    check_search(cx, &location)?;
    let process = cx.process();
    let old = std::mem::replace(&mut process.fs.lock().cwd, location);
    drop(old);
    Ok(())
}

/// Fails unless it is a directory in which the caller may look names up.
fn check_search(cx: Cx<'_>, location: &Location) -> Result<()> {
    if !location.is_directory() {
        return Err(Errno::ENOTDIR.into());
    }
    cx.process()
        .credentials()
        .caller()
        .check(&location.metadata()?, X_OK)
}

/// chroot(2).
pub(crate) fn chroot(cx: Cx<'_>, path: UserAddr) -> Result<()> {
    let path = cx.path(path)?;
    let location = locate(cx, Fd::CWD, &path, 0)?;
    check_search(cx, &location)?;
    let process = cx.process();
    if !process.credentials().has(CAP_SYS_CHROOT) {
        return Err(Errno::EPERM.because("only the superuser changes the root"));
    }
    let old = std::mem::replace(&mut process.fs.lock().root, location);
    drop(old);
    Ok(())
}

/// umask(2): returns the old one.
pub(crate) fn umask(cx: Cx<'_>, mask: u32) -> Result<u32> {
    Ok(std::mem::replace(
        &mut cx.process().fs.lock().umask,
        mask & 0o777,
    ))
}
