//! The length of files and the space they take: truncate(2), fallocate(2).

use abi::flags::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::Source;
use fs::vfs::inode::{FileType, Inode};

use super::{limit, not_negative};
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
    }
    file.truncate(len, cx.kernel.now())
}

/// fallocate(2): `offset` and `len` in bytes. Space is found when it is written, so that the
/// default mode only extends the file; a punched hole reads as zeros.
pub(crate) fn fallocate(cx: Cx<'_>, fd: Fd, mode: u32, offset: i64, len: i64) -> Result<()> {
    let file = cx.file(fd)?;
    let offset = not_negative(offset)?;
    let len = match not_negative(len)? {
        0 => return Err(Errno::EINVAL.because("an empty range")),
        len => len,
    };
    const PUNCH: u32 = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    const ZERO_KEEP: u32 = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    if !matches!(
        mode,
        0 | FALLOC_FL_KEEP_SIZE | PUNCH | FALLOC_FL_ZERO_RANGE | ZERO_KEEP
    ) {
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
    let size = inode.metadata()?.size;
    let grows = mode & FALLOC_FL_KEEP_SIZE == 0 && end > size;
    if grows {
        limit::check(cx, end)?;
    }
    if mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) != 0 {
        clear(cx, &**inode, offset, end.min(size))?;
    }
    if grows {
        file.truncate(end, cx.kernel.now())?;
    }
    Ok(())
}

/// Writes zeros from `start` to `end`.
fn clear(cx: Cx<'_>, inode: &dyn Inode, start: u64, end: u64) -> Result<()> {
    let len = usize::try_from(end.saturating_sub(start)).map_err(|_| Errno::EFBIG)?;
    if len > 0 {
        inode.write_at(start, &mut Zeros(len), cx.kernel.now())?;
    }
    Ok(())
}

/// So many zeros.
struct Zeros(usize);

impl Source for Zeros {
    fn remaining(&self) -> usize {
        self.0
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(0);
        self.0 = self.0.saturating_sub(bytes.len());
        Ok(())
    }
}
