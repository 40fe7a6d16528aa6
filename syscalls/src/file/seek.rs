//! The offset of a description, and advice about what comes next.

use abi::flags::{POSIX_FADV_NOREUSE, POSIX_FADV_NORMAL};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::open_file::Whence;

use crate::context::Cx;

/// lseek(2), in the form of 32-bit Linux: the new offset goes to memory.
pub(crate) fn llseek(
    cx: Cx<'_>,
    fd: Fd,
    offset_high: u32,
    offset_low: u32,
    result: UserAddr,
    whence: u32,
) -> Result<()> {
    let file = cx.file(fd)?;
    let whence = Whence::try_from(whence)?;
    let distance = (u64::from(offset_high) << 32 | u64::from(offset_low)).cast_signed();
    let offset = file.seek(distance, whence)?;
    cx.copy_out(result, &offset.to_le_bytes())
}

/// posix_fadvise(2): everything is in memory already, so there is nothing to prepare.
pub(crate) fn fadvise64_64(cx: Cx<'_>, fd: Fd, _offset: i64, len: i64, advice: i32) -> Result<()> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.into());
    }
    if file.file_type() == FileType::Fifo {
        return Err(Errno::ESPIPE.into());
    }
    if len < 0 || !(POSIX_FADV_NORMAL..=POSIX_FADV_NOREUSE).contains(&advice) {
        return Err(Errno::EINVAL.into());
    }
    Ok(())
}
