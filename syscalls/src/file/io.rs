//! Reading and writing: read(2), readv(2), pread(2), and their counterparts.

use std::sync::Arc;

use abi::Result;
use abi::types::{Fd, UserAddr};
use fs::io::{Stall, Try};
use fs::vfs::inode::Timestamp;
use kernel::call::{Outcome, Restart};
use kernel::open_file::OpenFile;
use kernel::poll::{Attempt, wait_on};

use super::{at_once, limit, not_negative, terminal, write};
use crate::buffer::UserBuffer;
use crate::context::Cx;

/// The time for a read or write of `file`; what is no inode keeps none.
fn now(cx: Cx<'_>, file: &OpenFile) -> Timestamp {
    if file.ops().is_some() { Timestamp::default() } else { cx.kernel.now() }
}

/// read(2): may give less than `count` bytes; 0 is the end of the file.
pub(crate) fn read(cx: Cx<'_>, fd: Fd, buf: UserAddr, count: usize) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::new(cx, buf, count);
    Ok(read_into(cx, file, buffer))
}

/// readv(2).
pub(crate) fn readv(cx: Cx<'_>, fd: Fd, iov: UserAddr, nr_iov: u32) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    Ok(read_into(cx, file, buffer))
}

/// write(2): a pipe or terminal takes all bytes, unless a signal comes or it may not wait.
pub(crate) fn write(cx: Cx<'_>, fd: Fd, buf: UserAddr, count: usize) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::new(cx, buf, count);
    write_from(cx, file, buffer)
}

/// writev(2).
pub(crate) fn writev(cx: Cx<'_>, fd: Fd, iov: UserAddr, nr_iov: u32) -> Result<Outcome<usize>> {
    let file = cx.file(fd)?;
    let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    write_from(cx, file, buffer)
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
pub(crate) fn preadv(
    cx: Cx<'_>,
    fd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    offset: i64,
) -> Result<usize> {
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
    at_once(file.read_at(offset, &mut buffer, now(cx, file)))
}

fn write_at(cx: Cx<'_>, file: &OpenFile, mut buffer: UserBuffer, offset: u64) -> Result<usize> {
    if file.is_writable() {
        limit::cut(cx, file, Some(offset), &mut buffer)?;
    }
    at_once(file.write_at(offset, &mut buffer, now(cx, file)))
}

/// A read that may have to wait.
struct Read {
    file: Arc<OpenFile>,
    buffer: UserBuffer,
    now: Timestamp,
}

impl Attempt for Read {
    type Output = usize;

    fn attempt(&mut self) -> Try<usize> {
        match self.file.try_read(&mut self.buffer, self.now) {
            Err(Stall::WouldBlock) if self.file.is_nonblocking() => {
                Err(abi::Errno::EAGAIN.into())
            }
            result => result,
        }
    }
}

fn read_into(cx: Cx<'_>, file: Arc<OpenFile>, buffer: UserBuffer) -> Outcome<usize> {
    if let Some(id) = file.terminal() {
        return terminal::read(cx, id, file, buffer);
    }
    let queue = file.wait_queue().cloned();
    let now = now(cx, &file);
    wait_on(cx.task, queue.as_ref(), None, Restart::Sys, Read { file, buffer, now })
}

fn write_from(
    cx: Cx<'_>,
    file: Arc<OpenFile>,
    mut buffer: UserBuffer,
) -> Result<Outcome<usize>> {
    if let Some(id) = file.terminal()
        && let Err(fault) = terminal::check_write(cx, id)
    {
        return Ok(Outcome::Ready(Err(fault)));
    }
    if file.is_writable() {
        limit::cut(cx, &file, None, &mut buffer)?;
    }
    let now = now(cx, &file);
    Ok(write::all(cx, file, buffer, now))
}
