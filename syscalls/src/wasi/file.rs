//! Moving bytes, the offset, the size: what a descriptor of a file or a stream is for.

use std::sync::Arc;

use abi::types::UserAddr;
use abi::wasi::{Version, WasiFd};
use abi::{Errno, Result};
use kernel::call::{Fault, Outcome};
use kernel::open_file::Whence;

use super::{Wx, signed};
use crate::file;

/// The outcome of a call that moved bytes, whose number goes to memory.
fn report<N: Into<u64> + 'static>(wx: Wx<'_>, moved: Outcome<N>, done: UserAddr) -> Outcome<()> {
    let memory = Arc::clone(wx.memory());
    moved.then(move |answer| {
        let count = u32::try_from(answer?.into()).unwrap_or(u32::MAX);
        memory.copy_out(done.0, &count.to_le_bytes())?;
        Ok(())
    })
}

/// Bytes as a number that has no size of its own.
fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What preparing or the call itself has failed with.
pub(super) fn flat<T: 'static>(result: Result<Outcome<T>>) -> Outcome<T> {
    result.unwrap_or_else(|error| Outcome::Ready(Err(Fault::Error(error))))
}

/// Reads at the offset.
pub(super) fn fd_read(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    done: UserAddr,
) -> Outcome<()> {
    let read = wx
        .no_directory(number)
        .and_then(|descriptor| file::readv(wx.cx, descriptor.fd, iovs, count));
    report(wx, flat(read), done)
}

/// Writes at the offset, or at the end of a file that is open for that. `SIGPIPE` comes as on Linux.
pub(super) fn fd_write(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    done: UserAddr,
) -> Outcome<()> {
    let written = wx
        .no_directory(number)
        .and_then(|descriptor| file::writev(wx.cx, descriptor.fd, iovs, count));
    report(wx, flat(written).map(widen), done)
}

/// Reads at `offset`.
pub(super) fn fd_pread(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    offset: u64,
    done: UserAddr,
) -> Result<()> {
    let fd = wx.seekable(number)?.fd;
    let read = file::preadv(wx.cx, fd, iovs, count, signed(offset)?)?;
    wx.write_count(done, read)
}

/// Writes at `offset`; to a file that is open for its end, there.
pub(super) fn fd_pwrite(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    offset: u64,
    done: UserAddr,
) -> Result<()> {
    let fd = wx.seekable(number)?.fd;
    let written = file::pwritev(wx.cx, fd, iovs, count, signed(offset)?)?;
    wx.write_count(done, written)
}

/// Moves the offset.
///
/// # Errors
/// `ESPIPE` for a stream, `EBADF` for a directory, `EINVAL`.
pub(super) fn fd_seek(
    wx: Wx<'_>,
    number: WasiFd,
    distance: i64,
    whence: u32,
    offset: UserAddr,
) -> Result<()> {
    let file = wx.seekable(number)?.file;
    let whence = match (wx.version, whence) {
        (Version::Preview1, 0) | (Version::Preview0, 2) => Whence::Start,
        (Version::Preview1, 1) | (Version::Preview0, 0) => Whence::Current,
        (Version::Preview1, 2) | (Version::Preview0, 1) => Whence::End,
        _ => return Err(Errno::EINVAL.because("no such whence")),
    };
    let new = file.seek(distance, whence)?;
    wx.write(offset, &new.to_le_bytes())
}

/// Tells the offset.
pub(super) fn fd_tell(wx: Wx<'_>, number: WasiFd, offset: UserAddr) -> Result<()> {
    let file = wx.seekable(number)?.file;
    wx.write(offset, &file.position().to_le_bytes())
}

/// Takes advice, which makes no difference.
pub(super) fn fd_advise(
    wx: Wx<'_>,
    number: WasiFd,
    offset: u64,
    len: u64,
    advice: u32,
) -> Result<()> {
    // The order of WASI: normal, sequential, random, will need, do not need, once.
    let advice = match advice {
        0 => 0,
        1 => 2,
        2 => 1,
        3..=5 => i32::try_from(advice).map_err(|_| Errno::EINVAL)?,
        _ => return Err(Errno::EINVAL.because("no such advice")),
    };
    let fd = wx.no_directory(number)?.fd;
    file::fadvise64_64(wx.cx, fd, signed(offset)?, signed(len)?, advice)
}

/// Makes a file as long as `offset` and `len` say, if it is shorter.
pub(super) fn fd_allocate(wx: Wx<'_>, number: WasiFd, offset: u64, len: u64) -> Result<()> {
    let fd = wx.no_directory(number)?.fd;
    file::fallocate(wx.cx, fd, 0, signed(offset)?, signed(len)?)
}

/// Sets the size; new bytes are zero.
pub(super) fn fd_filestat_set_size(wx: Wx<'_>, number: WasiFd, len: u64) -> Result<()> {
    let fd = wx.no_directory(number)?.fd;
    file::ftruncate64(wx.cx, fd, signed(len)?)
}

/// Makes contents and attributes durable.
pub(super) fn fd_sync(wx: Wx<'_>, number: WasiFd) -> Result<()> {
    let fd = wx.no_directory(number)?.fd;
    file::fsync(wx.cx, fd)
}

/// Makes contents durable.
pub(super) fn fd_datasync(wx: Wx<'_>, number: WasiFd) -> Result<()> {
    let fd = wx.no_directory(number)?.fd;
    file::fdatasync(wx.cx, fd)
}
