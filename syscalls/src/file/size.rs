//! The length of files and the space they take: truncate(2), fallocate(2).

use abi::flags::{
    FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_ZERO_RANGE, IN_MODIFY,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::{Extent, FileType};

use super::{drop_set_id, limit, not_negative};
use crate::context::Cx;

/// truncate(2): `len` in bytes.
pub(crate) fn truncate64(cx: Cx<'_>, path: UserAddr, len: i64) -> Result<()> {
    let len = not_negative(len)?;
    let path = cx.path(path)?;
    let context = cx.process().path_context(cx.kernel);
    limit::check(cx, len)?;
    cx.kernel.vfs.truncate(&context.vfs(), &path, len)
}

/// ftruncate(2): `len` in bytes.
pub(crate) fn ftruncate64(cx: Cx<'_>, fd: Fd, len: i64) -> Result<()> {
    let len = not_negative(len)?;
    let file = cx.file(fd)?;
    if file.is_writable() && file.file_type() == FileType::Regular {
        limit::check(cx, len)?;
        drop_set_id(cx, &file)?;
    }
    file.truncate(len, cx.kernel.now())
}

/// fallocate(2): `offset` and `len` in bytes.
///
/// # References
/// Linux v6.12 `fs/open.c` `vfs_fallocate`.
pub(crate) fn fallocate(cx: Cx<'_>, fd: Fd, mode: u32, offset: i64, len: i64) -> Result<()> {
    let file = cx.file(fd)?;
    let offset = not_negative(offset)?;
    let len = match not_negative(len)? {
        0 => return Err(Errno::EINVAL.because("an empty range")),
        len => len,
    };
    let shape = mode & !FALLOC_FL_KEEP_SIZE;
    let is_known = match shape {
        0 | FALLOC_FL_ZERO_RANGE | FALLOC_FL_UNSHARE_RANGE => true,
        FALLOC_FL_PUNCH_HOLE => mode != shape,
        FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE => mode == shape,
        _ => false,
    };
    if !is_known {
        return Err(Errno::EOPNOTSUPP.because("no such mode of fallocate"));
    }
    if !file.is_writable() {
        return Err(Errno::EBADF.because("not open for writing"));
    }
    let inode = match (file.file_type(), file.location()) {
        (FileType::Regular, Some(location)) => &location.inode,
        (FileType::Fifo, _) => return Err(Errno::ESPIPE.into()),
        (FileType::Directory, _) => return Err(Errno::EISDIR.into()),
        _ => return Err(Errno::ENODEV.into()),
    };
    let end = offset.saturating_add(len);
    if i64::try_from(end).is_err() {
        return Err(Errno::EFBIG.into());
    }
    if !matches!(shape, 0 | FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE) {
        return Err(Errno::EOPNOTSUPP.because("no file system moves or unshares bytes"));
    }
    drop_set_id(cx, &file)?;
    if shape == FALLOC_FL_PUNCH_HOLE {
        inode.punch(offset, end, cx.kernel.now())?;
        file.notify(IN_MODIFY);
        return Ok(());
    }
    let mut extent = Extent::Keep;
    if mode & FALLOC_FL_KEEP_SIZE == 0 {
        limit::check(cx, end)?;
        extent = Extent::Grow;
    }
    if shape == FALLOC_FL_ZERO_RANGE {
        inode.zero((offset, end), extent, cx.kernel.now())?;
    } else {
        inode.allocate((offset, end), extent, cx.kernel.now())?;
    }
    file.notify(IN_MODIFY);
    Ok(())
}
