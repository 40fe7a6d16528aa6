//! From file to file, through a buffer of the kernel: sendfile(2), copy_file_range(2).

use std::sync::Arc;

use abi::flags::O_APPEND;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::{Source, Stall, Try, VecSink};
use fs::vfs::inode::{FileType, Timestamp};
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::open_file::{OpenFile, Whence};
use kernel::poll::{Attempt, wait_on};

use super::sigpipe::with_sigpipe;
use super::{at_once, drop_set_id, limit, not_negative};
use crate::context::Cx;

/// Bytes of the buffer.
pub(super) const CHUNK: usize = 64 << 10;
/// The most that one call copies: the guest calls again, and others get their turn.
const MAX_COPY: u64 = 8 << 20;

/// An offset that the guest keeps in its memory.
///
/// # Errors
/// `EFAULT`, `EINVAL` when negative.
pub(super) fn offset_at(cx: Cx<'_>, address: UserAddr) -> Result<Option<u64>> {
    match address.non_null() {
        Some(address) => not_negative(i64::from_le_bytes(cx.copy_in(address)?)).map(Some),
        None => Ok(None),
    }
}

/// sendfile(2): `offset` is null to use and move the offset of `in_fd`.
pub(crate) fn sendfile64(
    cx: Cx<'_>,
    out_fd: Fd,
    in_fd: Fd,
    offset: UserAddr,
    count: usize,
) -> Result<Outcome<usize>> {
    let start = offset_at(cx, offset)?;
    let input = cx.file(in_fd)?;
    if !input.is_readable() {
        return Err(Errno::EBADF.because("the input is not open for reading"));
    }
    if input.is_stream() {
        let errno = if start.is_some() {
            Errno::ESPIPE
        } else {
            Errno::EINVAL
        };
        return Err(errno.because("the input has no offset"));
    }
    let output = cx.file(out_fd)?;
    if !output.is_writable() {
        return Err(Errno::EBADF.because("the output is not open for writing"));
    }
    if output.flags() & O_APPEND != 0 {
        return Err(Errno::EINVAL.because("the output has O_APPEND"));
    }
    if input.file_type() == FileType::Directory {
        return Err(Errno::EINVAL.because("the input is a directory"));
    }
    let position = match start {
        Some(position) => position,
        None => input.seek(0, Whence::Current)?,
    };
    let mut count = u64::try_from(count).unwrap_or(u64::MAX).min(MAX_COPY);
    if let Some(to) = output.write_offset()? {
        count = limit::room(cx, to, count)?;
    }
    drop_set_id(cx, &output)?;
    let queue = output.wait_queue().cloned();
    let transfer = Transfer {
        input: Arc::clone(&input),
        output,
        position,
        left: count,
        chunk: Vec::new(),
        taken: 0,
        moved: 0,
        now: cx.kernel.now(),
    };
    let outcome = wait_on(cx.task, queue.as_ref(), None, Restart::Sys, transfer);
    let memory = Arc::clone(cx.memory());
    let outcome = outcome.then(move |answer| {
        let moved = answer?;
        let end = position.saturating_add(widen(moved));
        if start.is_none() {
            input.seek(end.cast_signed(), Whence::Start)?;
        } else {
            memory.copy_out(offset.0, &end.to_le_bytes())?;
        }
        Ok(moved)
    });
    Ok(with_sigpipe(cx, outcome))
}

/// A copy to a file that may have to wait.
struct Transfer {
    input: Arc<OpenFile>,
    output: Arc<OpenFile>,
    /// Where the input goes on behind `chunk`.
    position: u64,
    /// Bytes still to be read.
    left: u64,
    chunk: Vec<u8>,
    /// Bytes of `chunk` that were written.
    taken: usize,
    moved: usize,
    now: Timestamp,
}

impl Transfer {
    /// Reads the next piece; says whether there is one.
    fn fill(&mut self) -> Result<bool> {
        let len = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if len == 0 {
            return Ok(false);
        }
        let mut sink = VecSink::new(len);
        let moved = at_once(self.input.read_at(self.position, &mut sink, self.now))?;
        self.position = self.position.saturating_add(widen(moved));
        self.left = self.left.saturating_sub(widen(moved));
        self.chunk = sink.bytes;
        self.taken = 0;
        Ok(moved > 0)
    }

    fn step(&mut self) -> Try<usize> {
        loop {
            let mut piece = self.chunk.get(self.taken..).unwrap_or_default();
            if piece.is_empty() {
                if self.fill()? {
                    continue;
                }
                return Ok(self.moved);
            }
            let wanted = piece.remaining();
            let moved = self.output.try_write(&mut piece, self.now)?;
            self.taken = self.taken.saturating_add(moved);
            self.moved = self.moved.saturating_add(moved);
            if moved == 0 || moved < wanted && !self.output.is_stream() {
                return Ok(self.moved);
            }
        }
    }
}

impl Attempt for Transfer {
    type Output = usize;

    fn attempt(&mut self) -> Try<usize> {
        match self.step() {
            Err(Stall::WouldBlock) if self.output.is_nonblocking() => match self.moved {
                0 => Err(Errno::EAGAIN.into()),
                _ => Ok(self.moved),
            },
            Err(Stall::Failed(_)) if self.moved > 0 => Ok(self.moved),
            result => result,
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<usize> {
        if self.moved > 0 {
            Ok(self.moved)
        } else {
            Err(fault)
        }
    }
}

/// copy_file_range(2): between regular files of one file system.
pub(crate) fn copy_file_range(
    cx: Cx<'_>,
    in_fd: Fd,
    in_offset: UserAddr,
    out_fd: Fd,
    out_offset: UserAddr,
    len: usize,
    flags: u32,
) -> Result<usize> {
    let (input, output) = (cx.file(in_fd)?, cx.file(out_fd)?);
    // Looked at later, as in Linux.
    let raw = |address: UserAddr| match address.non_null() {
        Some(address) => cx
            .copy_in(address)
            .map(|bytes| Some(u64::from_le_bytes(bytes))),
        None => Ok(None),
    };
    let (in_start, out_start) = (raw(in_offset)?, raw(out_offset)?);
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let types = [&input, &output].map(|file| file.file_type());
    if types.contains(&FileType::Directory) {
        return Err(Errno::EISDIR.into());
    }
    if types != [FileType::Regular; 2] {
        return Err(Errno::EINVAL.because("not a regular file"));
    }
    if !input.is_readable() || !output.is_writable() || output.flags() & O_APPEND != 0 {
        return Err(Errno::EBADF.into());
    }
    let from = start_of(&input, in_start)?;
    let to = start_of(&output, out_start)?;
    let (source, target) = (input.metadata()?, output.metadata()?);
    if source.device != target.device {
        return Err(Errno::EXDEV.because("another file system"));
    }
    let mut count = u64::try_from(len).unwrap_or(u64::MAX);
    for start in [from, to] {
        if start.checked_add(count).is_none() {
            return Err(Errno::EOVERFLOW.because("behind the largest offset"));
        }
        not_negative(start.cast_signed())?;
    }
    count = count.min(MAX_COPY).min(source.size.saturating_sub(from));
    count = limit::room(cx, to, count)?;
    let is_same = (source.device, source.inode) == (target.device, target.inode);
    if is_same && from < to.saturating_add(count) && to < from.saturating_add(count) {
        return Err(Errno::EINVAL.because("the ranges overlap"));
    }
    drop_set_id(cx, &output)?;
    let moved = copy(cx, (&input, from), (&output, to), count)?;
    finish(cx, &input, in_offset, from.saturating_add(widen(moved)))?;
    finish(cx, &output, out_offset, to.saturating_add(widen(moved)))?;
    Ok(moved)
}

fn start_of(file: &OpenFile, offset: Option<u64>) -> Result<u64> {
    match offset {
        Some(offset) => Ok(offset),
        None => file.seek(0, Whence::Current),
    }
}

/// Leaves the new offset where the old one came from.
fn finish(cx: Cx<'_>, file: &OpenFile, address: UserAddr, offset: u64) -> Result<()> {
    if address.is_null() {
        file.seek(offset.cast_signed(), Whence::Start).map(drop)
    } else {
        cx.copy_out(address, &offset.to_le_bytes())
    }
}

/// Copies `count` bytes; an error after some of them is not told.
fn copy(
    cx: Cx<'_>,
    (input, from): (&OpenFile, u64),
    (output, to): (&OpenFile, u64),
    count: u64,
) -> Result<usize> {
    let now = cx.kernel.now();
    let limit = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    let mut moved = 0_usize;
    while moved < limit {
        let mut sink = VecSink::new(CHUNK.min(limit.saturating_sub(moved)));
        let done = widen(moved);
        let piece =
            at_once(input.read_at(from.saturating_add(done), &mut sink, now)).and_then(|_| {
                let mut bytes = sink.bytes.as_slice();
                at_once(output.write_at(to.saturating_add(done), &mut bytes, now))
            });
        match piece {
            Ok(0) => break,
            Ok(piece) => moved = moved.saturating_add(piece),
            Err(error) if moved == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(moved)
}

/// `usize` is never wider than 64 bits.
pub(super) fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
