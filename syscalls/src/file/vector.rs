//! Scattered reads and writes with flags: preadv2(2), pwritev2(2).

use abi::flags::{O_APPEND, RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOAPPEND, RWF_NOWAIT, RWF_SYNC};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::Source as _;
use fs::vfs::inode::FileType;
use kernel::call::Outcome;
use kernel::open_file::{OpenFile, Whence};

use super::copy::widen;
use super::io::{preadv, pwritev, readv, writev};
use super::{at_once, drop_set_id, limit, not_negative};
use crate::buffer::UserBuffer;
use crate::context::Cx;

/// The offset that stands for the description's own.
const OWN: i64 = -1;

/// Fails for flags that are not known, and for two that exclude each other.
///
/// # Errors
/// `EOPNOTSUPP`, `EINVAL`.
fn check(flags: u32) -> Result<()> {
    const KNOWN: u32 = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;
    if flags & !KNOWN != 0 {
        return Err(Errno::EOPNOTSUPP.because("no such flag of preadv2"));
    }
    if flags & RWF_APPEND != 0 && flags & RWF_NOAPPEND != 0 {
        return Err(Errno::EINVAL.because("at the end, and not there"));
    }
    Ok(())
}

/// preadv2(2): an offset of -1 stands for the description's own, as in readv(2).
pub(crate) fn preadv2(
    cx: Cx<'_>,
    fd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    offset: i64,
    flags: u32,
) -> Result<Outcome<u32>> {
    check(flags)?;
    if offset != OWN {
        let moved = preadv(cx, fd, iov, nr_iov, offset)?;
        return Ok(Outcome::Ready(Ok(u32::try_from(moved).unwrap_or(0))));
    }
    if flags & RWF_NOWAIT != 0 {
        let file = cx.file(fd)?;
        let mut buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
        let moved = at_once(file.try_read(&mut buffer, cx.kernel.now()))?;
        return Ok(Outcome::Ready(Ok(u32::try_from(moved).unwrap_or(0))));
    }
    readv(cx, fd, iov, nr_iov)
}

/// pwritev2(2): `RWF_APPEND` writes at the end, wherever the offset is.
pub(crate) fn pwritev2(
    cx: Cx<'_>,
    fd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    offset: i64,
    flags: u32,
) -> Result<Outcome<usize>> {
    check(flags)?;
    let file = cx.file(fd)?;
    let is_regular = file.file_type() == FileType::Regular && file.ops().is_none();
    let outcome = if flags & RWF_APPEND != 0 && is_regular && file.flags() & O_APPEND == 0 {
        let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
        Outcome::Ready(Ok(append(cx, &file, buffer, offset)?))
    } else if offset != OWN {
        Outcome::Ready(Ok(pwritev(cx, fd, iov, nr_iov, offset)?))
    } else if flags & RWF_NOWAIT != 0 {
        let mut buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
        limit::cut(cx, &file, None, &mut buffer)?;
        drop_set_id(cx, &file)?;
        Outcome::Ready(Ok(at_once(file.try_write(&mut buffer, cx.kernel.now()))?))
    } else {
        writev(cx, fd, iov, nr_iov)?
    };
    if flags & (RWF_DSYNC | RWF_SYNC) == 0 || !is_regular {
        return Ok(outcome);
    }
    let task = std::sync::Arc::clone(cx.task);
    Ok(outcome.then(move |answer| {
        let moved = answer?;
        task.until_durable(file.sync()?);
        Ok(moved)
    }))
}

/// Writes behind the last byte of a regular file; the description's own offset follows when it is
/// the one that counts.
fn append(cx: Cx<'_>, file: &OpenFile, mut buffer: UserBuffer, offset: i64) -> Result<usize> {
    if offset != OWN {
        not_negative(offset)?;
    }
    let inode = match file.location() {
        Some(location) if file.is_writable() => &location.inode,
        _ => return Err(Errno::EBADF.because("not open for writing")),
    };
    if buffer.remaining() == 0 {
        return Ok(0);
    }
    buffer.cut_at_fault();
    let room = limit::room(cx, inode.metadata()?.size, widen(buffer.remaining()))?;
    buffer.cut(room);
    drop_set_id(cx, file)?;
    let (start, moved) = inode.append(&mut buffer, cx.kernel.now())?;
    if offset == OWN {
        let end = start.saturating_add(widen(moved));
        file.seek(end.cast_signed(), Whence::Start)?;
    }
    file.notify(abi::flags::IN_MODIFY);
    Ok(moved)
}
