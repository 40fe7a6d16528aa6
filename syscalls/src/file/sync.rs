//! Making what was written durable: fsync(2), sync(2), syncfs(2), sync_file_range(2).

use abi::flags::{SYNC_FILE_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE};
use abi::types::Fd;
use abi::{Errno, Result};
use fs::io::NOT_RESIDENT;
use fs::vfs::inode::FileType;

use super::not_negative;
use crate::context::Cx;

/// fsync(2).
pub(crate) fn fsync(cx: Cx<'_>, fd: Fd) -> Result<()> {
    cx.task.until_durable(cx.file(fd)?.sync()?);
    Ok(())
}

/// fdatasync(2): file systems here keep size and times with the contents.
pub(crate) fn fdatasync(cx: Cx<'_>, fd: Fd) -> Result<()> {
    fsync(cx, fd)
}

/// sync(2): an error of a disk shows in the next fsync(2), not here.
pub(crate) fn sync(cx: Cx<'_>) -> Result<()> {
    match cx.kernel.vfs.sync() {
        Err(NOT_RESIDENT) => return Err(NOT_RESIDENT),
        flushes => cx.task.until_durable(flushes.unwrap_or_default()),
    }
    Ok(())
}

/// syncfs(2).
pub(crate) fn syncfs(cx: Cx<'_>, fd: Fd) -> Result<()> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.into());
    }
    match file.location() {
        Some(location) => {
            cx.task.until_durable(location.mount.file_system().sync()?);
            Ok(())
        }
        None => Ok(()),
    }
}

/// sync_file_range(2): writes the whole file.
pub(crate) fn sync_file_range(cx: Cx<'_>, fd: Fd, offset: i64, len: i64, flags: u32) -> Result<()> {
    let file = cx.file(fd)?;
    let known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if flags & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    let end = not_negative(offset)?.saturating_add(not_negative(len)?);
    if i64::try_from(end).is_err() {
        return Err(Errno::EINVAL.because("the range ends past the largest offset"));
    }
    match file.file_type() {
        FileType::Regular | FileType::BlockDevice | FileType::Directory | FileType::Symlink => {
            cx.task.until_durable(file.sync()?);
            Ok(())
        }
        _ => Err(Errno::ESPIPE.into()),
    }
}
