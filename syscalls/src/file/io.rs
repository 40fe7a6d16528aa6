//! Reading and writing: read(2), readv(2), pread(2), and their counterparts.

use std::sync::Arc;

use abi::Result;
use abi::flags::{MS_SYNCHRONOUS, O_DSYNC};
use abi::types::{Fd, UserAddr};
use fs::io::Source;
use fs::vfs::inode::{FileType, Timestamp};
use kernel::call::Outcome;
use kernel::event::signalfd::as_seen_by;
use kernel::open_file::OpenFile;
use kernel::process::Way;
use kernel::socket::socket_of;
use kernel::transfer;
use kernel::tty::TerminalUse;

use super::copy::widen;
use super::sigpipe::with_sigpipe;
use super::{at_once, drop_set_id, limit, not_negative};
use crate::buffer::UserBuffer;
use crate::context::Cx;
use crate::socket;

/// The time for a read or write of `file`; what is no inode keeps none.
fn now(cx: Cx<'_>, file: &OpenFile) -> Timestamp {
    if file.ops().is_some() {
        Timestamp::default()
    } else {
        cx.kernel.now()
    }
}

/// As in Linux, pipes, terminals and devices take a bad buffer in other ways, which are theirs.
fn cut_at_fault(file: &OpenFile, buffer: &mut UserBuffer) {
    if file.ops().is_none() {
        buffer.cut_at_fault();
    }
}

/// Counts what a call moved, now or when it has ended.
fn counted<T: Copy>(cx: Cx<'_>, way: Way, outcome: Outcome<T>) -> Outcome<T>
where
    u64: TryFrom<T>,
{
    match &outcome {
        Outcome::Ready(Ok(moved)) => cx.task.io.note(way, u64::try_from(*moved).unwrap_or(0)),
        Outcome::Ready(Err(_)) => cx.task.io.note(way, 0),
        Outcome::Pending(_) => cx.task.io.begin(way),
    }
    outcome
}

/// The same for a call that never waits.
fn counted_at_once(cx: Cx<'_>, way: Way, result: Result<usize>) -> Result<usize> {
    let moved = result.as_ref().map_or(0, |moved| widen(*moved));
    cx.task.io.note(way, moved);
    result
}

/// What a read of `fd` reads.
fn readable(cx: Cx<'_>, fd: Fd) -> Result<Arc<OpenFile>> {
    let file = cx.file(fd)?;
    if file.location().is_none() && file.pipe().is_none() {
        return Ok(as_seen_by(file, cx.task));
    }
    Ok(file)
}

/// read(2): may give less than `count` bytes; 0 is the end of the file.
pub(crate) fn read(cx: Cx<'_>, fd: Fd, buf: UserAddr, count: usize) -> Result<Outcome<u32>> {
    let file = readable(cx, fd)?;
    let buffer = UserBuffer::new(cx, buf, count);
    Ok(counted(cx, Way::Read, read_into(cx, &file, buffer)))
}

/// readv(2).
pub(crate) fn readv(cx: Cx<'_>, fd: Fd, iov: UserAddr, nr_iov: u32) -> Result<Outcome<u32>> {
    let file = readable(cx, fd)?;
    let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    Ok(counted(cx, Way::Read, read_into(cx, &file, buffer)))
}

/// write(2): a pipe or terminal takes all bytes, unless a signal comes or it may not wait.
pub(crate) fn write(cx: Cx<'_>, fd: Fd, buf: UserAddr, count: usize) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::new(cx, buf, count);
    write_from(cx, &file, buffer).map(|outcome| counted(cx, Way::Write, outcome))
}

/// writev(2).
pub(crate) fn writev(cx: Cx<'_>, fd: Fd, iov: UserAddr, nr_iov: u32) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    write_from(cx, &file, buffer).map(|outcome| counted(cx, Way::Write, outcome))
}

/// pread(2).
pub(crate) fn pread64(
    cx: Cx<'_>,
    fd: Fd,
    buf: UserAddr,
    count: usize,
    offset: i64,
) -> Result<usize> {
    let offset = not_negative(offset)?;
    let file = cx.file(fd)?;
    read_at(cx, &file, UserBuffer::new(cx, buf, count), offset)
}

/// preadv(2).
pub(crate) fn preadv(cx: Cx<'_>, fd: Fd, iov: UserAddr, nr_iov: u32, offset: i64) -> Result<usize> {
    let offset = not_negative(offset)?;
    let file = cx.file(fd)?;
    read_at(cx, &file, UserBuffer::from_iovec(cx, iov, nr_iov)?, offset)
}

/// pwrite(2): with `O_APPEND` the bytes go to the end, as in Linux.
pub(crate) fn pwrite64(
    cx: Cx<'_>,
    fd: Fd,
    buf: UserAddr,
    count: usize,
    offset: i64,
) -> Result<usize> {
    let offset = not_negative(offset)?;
    let file = cx.file(fd)?;
    write_at(cx, &file, UserBuffer::new(cx, buf, count), offset)
}

/// pwritev(2).
pub(crate) fn pwritev(
    cx: Cx<'_>,
    fd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    offset: i64,
) -> Result<usize> {
    let offset = not_negative(offset)?;
    let file = cx.file(fd)?;
    write_at(cx, &file, UserBuffer::from_iovec(cx, iov, nr_iov)?, offset)
}

fn read_at(cx: Cx<'_>, file: &OpenFile, mut buffer: UserBuffer, offset: u64) -> Result<usize> {
    cut_at_fault(file, &mut buffer);
    let result = at_once(file.read_at(offset, &mut buffer, now(cx, file)));
    counted_at_once(cx, Way::Read, result)
}

fn write_at(cx: Cx<'_>, file: &OpenFile, mut buffer: UserBuffer, offset: u64) -> Result<usize> {
    cut_at_fault(file, &mut buffer);
    if file.is_writable() && Source::remaining(&buffer) > 0 {
        limit::cut(cx, file, Some(offset), &mut buffer)?;
        drop_set_id(cx, file)?;
    }
    let result = at_once(file.write_at(offset, &mut buffer, now(cx, file)));
    if result.is_ok() && is_synchronous(file) {
        cx.task.until_durable(file.sync()?);
    }
    counted_at_once(cx, Way::Write, result)
}

/// Whether writes are over when their bytes are durable: open with `O_DSYNC`, whose bit `O_SYNC` has too, or on a
/// file system that is mounted so.
fn is_synchronous(file: &OpenFile) -> bool {
    let is_mounted_so = || {
        let location = file.location();
        location.is_some_and(|location| location.mount.flags() & MS_SYNCHRONOUS != 0)
    };
    file.file_type() == FileType::Regular && (file.flags() & O_DSYNC != 0 || is_mounted_so())
}

fn read_into(cx: Cx<'_>, file: &Arc<OpenFile>, mut buffer: UserBuffer) -> Outcome<u32> {
    cut_at_fault(file, &mut buffer);
    if file.terminal().is_some()
        && let Err(fault) = cx
            .kernel
            .check_terminal_use(&cx.process(), file, TerminalUse::Read)
    {
        return Outcome::Ready(Err(fault));
    }
    if file.file_type() == FileType::Socket
        && let Some(socket) = socket_of(file)
    {
        return socket::read(cx, file, socket, buffer);
    }
    transfer::read(cx.task, file, buffer, now(cx, file))
}

fn write_from(cx: Cx<'_>, file: &Arc<OpenFile>, mut buffer: UserBuffer) -> Result<Outcome<usize>> {
    if file.terminal().is_some()
        && let Err(fault) = cx
            .kernel
            .check_terminal_use(&cx.process(), file, TerminalUse::Write)
    {
        return Ok(Outcome::Ready(Err(fault)));
    }
    if file.file_type() == FileType::Socket
        && let Some(socket) = socket_of(file)
    {
        return socket::write(cx, file, socket, buffer);
    }
    cut_at_fault(file, &mut buffer);
    if file.is_writable() && file.ops().is_none() && Source::remaining(&buffer) > 0 {
        limit::cut(cx, file, None, &mut buffer)?;
        drop_set_id(cx, file)?;
    }
    let written = transfer::write(cx.task, file, buffer, now(cx, file));
    // A regular file is written at once.
    if matches!(written, Outcome::Ready(Ok(_))) && is_synchronous(file) {
        cx.task.until_durable(file.sync()?);
    }
    Ok(with_sigpipe(cx, written))
}
