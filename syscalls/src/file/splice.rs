//! Through pipes without the guest's memory: splice(2), tee(2), vmsplice(2).
//!
//! All three are a [`Job`] between two [`End`]s of which at least one is a pipe. Bytes are copied by
//! way of a buffer of the kernel's; what could not be placed goes back to its pipe, so that
//! none is lost or seen twice.

use std::sync::Arc;

use abi::flags::{O_APPEND, O_NONBLOCK, SPLICE_F_ALL, SPLICE_F_NONBLOCK};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::{Sink, Source, Stall, Try, VecSink};
use fs::vfs::file::Events;
use fs::vfs::inode::{FileType, Timestamp};
use kernel::call::{Answer, Outcome, Restart};
use kernel::ipc::pipe::{Pipe, Take};
use kernel::open_file::{OpenFile, Whence};
use kernel::poll::{PollItem, poll_files};
use kernel::process::Task;
use kernel::socket::socket_of;

use super::copy::{CHUNK, offset_at, widen};
use super::sigpipe::raise_sigpipe;
use super::{at_once, drop_set_id, limit};
use crate::buffer::UserBuffer;
use crate::context::Cx;

/// Where bytes come from or go to.
enum End {
    /// A pipe, as this open file.
    Pipe(Arc<OpenFile>, Arc<Pipe>),
    /// Anything else that is open, at this byte; a stream has no offset.
    File(Arc<OpenFile>, u64),
    /// The guest's memory.
    User(UserBuffer),
}

/// What a job does next.
enum Step {
    /// It is at its end.
    Done,
    /// It waits for the file to have one of the events.
    Wait(Arc<OpenFile>, Events),
}

/// A call on its way.
struct Job {
    from: End,
    to: End,
    take: Take,
    /// Bytes still to be moved.
    left: usize,
    moved: usize,
    /// Whether pipes are not waited for.
    is_nonblocking: bool,
    now: Timestamp,
    /// Where the two ends go on: the file, where it began, and whose offset that is.
    starts: [Option<Start>; 2],
}

/// The file of an end, its offset at first, and where the guest keeps that; null: nowhere.
type Start = (Arc<OpenFile>, u64, UserAddr);

/// The pipe of an open file.
fn end_of(file: &Arc<OpenFile>) -> Option<End> {
    let pipe = Arc::clone(file.pipe()?);
    Some(End::Pipe(Arc::clone(file), pipe))
}

/// The files of splice(2) and tee(2).
///
/// # Errors
/// `EINVAL` for unknown flags, `EBADF`.
fn files(cx: Cx<'_>, input: Fd, output: Fd, flags: u32) -> Result<(Arc<OpenFile>, Arc<OpenFile>)> {
    if flags & !SPLICE_F_ALL != 0 {
        return Err(Errno::EINVAL.because("no such flag of splice"));
    }
    Ok((cx.file(input)?, cx.file(output)?))
}

fn check_modes(input: &OpenFile, output: &OpenFile) -> Result<()> {
    if input.is_readable() && output.is_writable() {
        Ok(())
    } else {
        Err(Errno::EBADF.because("not open for this"))
    }
}

/// Whether bytes can be spliced from or to what is no pipe.
///
/// # Errors
/// `EINVAL` for directories, event files, and an offset in a stream.
fn check_file(file: &OpenFile, offset: Option<u64>) -> Result<()> {
    let is_event = file.ops().is_some() && file.location().is_none() && socket_of(file).is_none();
    let is_strange = is_event || file.file_type() == FileType::Directory;
    if is_strange || offset.is_some() && file.is_stream() {
        return Err(Errno::EINVAL.because("nothing to splice with"));
    }
    Ok(())
}

/// splice(2): a null offset stands for the file's own.
pub(crate) fn splice(
    cx: Cx<'_>,
    in_fd: Fd,
    in_offset: UserAddr,
    out_fd: Fd,
    out_offset: UserAddr,
    len: usize,
    flags: u32,
) -> Result<Outcome<usize>> {
    if len == 0 {
        return Ok(Outcome::Ready(Ok(0)));
    }
    let (input, output) = files(cx, in_fd, out_fd, flags)?;
    let ends = (end_of(&input), end_of(&output));
    if ends.0.is_some() && !in_offset.is_null() || ends.1.is_some() && !out_offset.is_null() {
        return Err(Errno::ESPIPE.because("an offset in a pipe"));
    }
    let (in_start, out_start) = (offset_at(cx, in_offset)?, offset_at(cx, out_offset)?);
    check_modes(&input, &output)?;
    let mut left = len;
    let mut is_nonblocking = flags & SPLICE_F_NONBLOCK != 0;
    for file in [&input, &output] {
        is_nonblocking |= file.pipe().is_some() && file.flags() & O_NONBLOCK != 0;
    }
    let (from, to) = match ends {
        (Some(End::Pipe(_, a)), Some(End::Pipe(_, b))) if Arc::ptr_eq(&a, &b) => {
            return Err(Errno::EINVAL.because("a pipe into itself"));
        }
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => {
            check_file(&output, out_start)?;
            if output.message_len().is_some() || output.flags() & O_APPEND != 0 {
                return Err(Errno::EINVAL.because("the output takes no splice"));
            }
            let at = start_of(&output, out_start)?;
            if output.write_offset()?.is_some() {
                let room = limit::room(cx, at, widen(left))?;
                left = usize::try_from(room).unwrap_or(left);
            }
            drop_set_id(cx, &output)?;
            (from, End::File(Arc::clone(&output), at))
        }
        (None, Some(to)) => {
            check_file(&input, in_start)?;
            let at = start_of(&input, in_start)?;
            (End::File(Arc::clone(&input), at), to)
        }
        (None, None) => return Err(Errno::EINVAL.because("neither is a pipe")),
    };
    let start = |end: &End, address| match end {
        End::File(file, at) => Some((Arc::clone(file), *at, address)),
        _ => None,
    };
    let starts = [start(&from, in_offset), start(&to, out_offset)];
    let job = Job {
        starts,
        ..Job::new(cx, Take::Move, (from, to), left, is_nonblocking)
    };
    Ok(job.run(cx))
}

/// Where a file that is no pipe starts; a stream starts nowhere.
fn start_of(file: &OpenFile, offset: Option<u64>) -> Result<u64> {
    match offset {
        Some(offset) => Ok(offset),
        None if file.is_stream() => Ok(0),
        None => file.seek(0, Whence::Current),
    }
}

/// tee(2): copies bytes from pipe to pipe that stay to be read.
pub(crate) fn tee(
    cx: Cx<'_>,
    in_fd: Fd,
    out_fd: Fd,
    len: usize,
    flags: u32,
) -> Result<Outcome<usize>> {
    if flags & !SPLICE_F_ALL == 0 && len == 0 {
        return Ok(Outcome::Ready(Ok(0)));
    }
    let (input, output) = files(cx, in_fd, out_fd, flags)?;
    check_modes(&input, &output)?;
    let (Some(from), Some(to)) = (end_of(&input), end_of(&output)) else {
        return Err(Errno::EINVAL.because("not two pipes"));
    };
    if let (End::Pipe(_, a), End::Pipe(_, b)) = (&from, &to)
        && Arc::ptr_eq(a, b)
    {
        return Err(Errno::EINVAL.because("a pipe into itself"));
    }
    let both = input.flags() | output.flags();
    let is_nonblocking = flags & SPLICE_F_NONBLOCK != 0 || both & O_NONBLOCK != 0;
    Ok(Job::new(cx, Take::Copy, (from, to), len, is_nonblocking).run(cx))
}

/// vmsplice(2): between the guest's memory and a pipe, in the direction that the descriptor has.
///
/// Deviates: the memory is copied, so that the guest may use it again at once.
pub(crate) fn vmsplice(
    cx: Cx<'_>,
    fd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    flags: u32,
) -> Result<Outcome<usize>> {
    let (file, _) = files(cx, fd, fd, flags)?;
    let is_writer = file.is_writable();
    if !is_writer && !file.is_readable() {
        return Err(Errno::EBADF.into());
    }
    let buffer = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    let left = Sink::remaining(&buffer);
    if left == 0 {
        return Ok(Outcome::Ready(Ok(0)));
    }
    let pipe = end_of(&file).ok_or_else(|| Errno::EBADF.because("not a pipe"))?;
    let ends = if is_writer {
        (End::User(buffer), pipe)
    } else {
        (pipe, End::User(buffer))
    };
    let is_nonblocking = flags & SPLICE_F_NONBLOCK != 0;
    Ok(Job::new(cx, Take::Move, ends, left, is_nonblocking).run(cx))
}

impl Job {
    /// Moves or copies up to `left` bytes between ends whose offsets are nobody's.
    fn new(
        cx: Cx<'_>,
        take: Take,
        (from, to): (End, End),
        left: usize,
        is_nonblocking: bool,
    ) -> Self {
        Self {
            from,
            to,
            take,
            left,
            moved: 0,
            is_nonblocking,
            now: cx.kernel.now(),
            starts: [None, None],
        }
    }

    /// Does it, waiting where it has to and may.
    fn run(mut self, cx: Cx<'_>) -> Outcome<usize> {
        match self.next() {
            Ok(Some(item)) => {
                let (kernel, task) = (Arc::clone(cx.kernel), Arc::clone(cx.task));
                Outcome::from_future(async move {
                    let result = self.wait(&task, item).await;
                    self.finish(
                        Cx {
                            kernel: &kernel,
                            task: &task,
                        },
                        result,
                    )
                })
            }
            Ok(None) => Outcome::Ready(self.finish(cx, Ok(()))),
            Err(error) => Outcome::Ready(self.finish(cx, Err(error.into()))),
        }
    }

    /// Waits for `item`, goes on, and so forth.
    async fn wait(&mut self, task: &Arc<Task>, mut item: PollItem) -> Answer<()> {
        loop {
            let ready = match poll_files(task, vec![item], None, Restart::Sys) {
                Outcome::Ready(answer) => answer,
                Outcome::Pending(future) => future.await,
            };
            match ready {
                Err(_) if self.moved > 0 => return Ok(()),
                Err(fault) => return Err(fault),
                Ok(_) => {}
            }
            match self.next()? {
                None => return Ok(()),
                Some(next) => item = next,
            }
        }
    }

    /// Leaves the offsets where the bytes end; a writer that nobody reads gets its signal.
    fn finish(&self, cx: Cx<'_>, result: Answer<()>) -> Answer<usize> {
        let answer = result.map(|()| self.moved);
        raise_sigpipe(cx.kernel, cx.task, &answer);
        let moved = answer?;
        for (file, at, address) in self.starts.iter().flatten() {
            let at = at.saturating_add(widen(moved));
            if address.is_null() {
                if !file.is_stream() {
                    file.seek(at.cast_signed(), Whence::Start)?;
                }
            } else {
                cx.copy_out(*address, &at.to_le_bytes())?;
            }
        }
        Ok(moved)
    }

    /// Goes on as far as it can; returns what it waits for.
    ///
    /// # Errors
    /// `EAGAIN` instead of waiting, and what the ends say, when nothing was moved.
    fn next(&mut self) -> Result<Option<PollItem>> {
        match self.step() {
            Ok(Step::Wait(file, interest)) if self.may_wait_for(&file) => Ok(Some(PollItem {
                file: Some(file),
                interest,
                ready: Events::empty(),
            })),
            Ok(Step::Done) => Ok(None),
            _ if self.moved > 0 => Ok(None),
            Ok(Step::Wait(..)) => Err(Errno::EAGAIN.into()),
            Err(error) => Err(error),
        }
    }

    fn may_wait_for(&self, file: &Arc<OpenFile>) -> bool {
        if file.pipe().is_some() {
            return !self.is_nonblocking;
        }
        // As in Linux, the flag of the call counts for sockets that are read, not for those written.
        let is_input = matches!(&self.from, End::File(input, _) if Arc::ptr_eq(input, file));
        let may_not = is_input && self.is_nonblocking && socket_of(file).is_some();
        !may_not && !file.is_nonblocking()
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            if self.left == 0 {
                return Ok(Step::Done);
            }
            let result = match (&mut self.from, &mut self.to) {
                (End::Pipe(input, a), _) if !input.events().intersects(Events::IN) => {
                    return Ok(if a.is_at_end() || self.moved > 0 {
                        Step::Done
                    } else {
                        Step::Wait(Arc::clone(input), Events::IN)
                    });
                }
                (_, End::Pipe(output, _))
                    if !output.events().intersects(Events::OUT | Events::ERR) =>
                {
                    return Ok(if self.moved > 0 {
                        Step::Done
                    } else {
                        Step::Wait(Arc::clone(output), Events::OUT)
                    });
                }
                (End::Pipe(_, a), End::Pipe(_, b)) => {
                    // One look at both, as in Linux: what comes later is for the next call.
                    self.moved = a.give(b, self.left, self.take)?;
                    self.left = if self.moved == 0 { self.left } else { 0 };
                    continue;
                }
                (End::Pipe(input, pipe), to) => {
                    let mut chunk = VecSink::new(self.left.min(CHUNK));
                    match input.try_read(&mut chunk, self.now) {
                        Err(Stall::WouldBlock) => continue,
                        result => at_once(result)?,
                    };
                    let result = put(to, &chunk.bytes, self.now);
                    let placed = result.unwrap_or(0);
                    pipe.unread(chunk.bytes.get(placed..).unwrap_or_default())?;
                    result
                }
                (from, End::Pipe(_, pipe)) => {
                    let mut chunk = VecSink::new(self.left.min(CHUNK).min(pipe.room()));
                    let result = fill(from, &mut chunk, self.now);
                    if !chunk.bytes.is_empty() {
                        pipe.push(&chunk.bytes)?;
                    }
                    result
                }
                _ => return Err(Errno::EINVAL.into()),
            };
            match (result, &self.from, &self.to) {
                (Ok(0), ..) => return Ok(Step::Done),
                (Ok(moved), ..) => {
                    self.moved = self.moved.saturating_add(moved);
                    self.left = self.left.saturating_sub(moved);
                }
                (Err(Stall::Failed(error)), ..) => return Err(error),
                (Err(_), End::File(..), _) if self.moved > 0 => return Ok(Step::Done),
                (Err(_), End::File(file, _), _) => {
                    return Ok(Step::Wait(Arc::clone(file), Events::IN));
                }
                (Err(_), _, End::File(file, _)) => {
                    return Ok(Step::Wait(Arc::clone(file), Events::OUT));
                }
                (Err(_), ..) => return Err(Errno::EAGAIN.into()),
            }
        }
    }
}

/// Writes what it can of `bytes`, taken from a pipe; returns how many went.
fn put(to: &mut End, mut bytes: &[u8], now: Timestamp) -> Try<usize> {
    match to {
        End::File(file, at) => {
            let moved = if file.is_stream() {
                file.try_write(&mut bytes, now)?
            } else {
                file.write_at(*at, &mut bytes, now)?
            };
            *at = at.saturating_add(widen(moved));
            Ok(moved)
        }
        End::User(buffer) => {
            let before = Sink::remaining(buffer);
            let result = buffer.put(bytes);
            match before.saturating_sub(Sink::remaining(buffer)) {
                0 => result.map(|()| 0).map_err(Stall::Failed),
                moved => Ok(moved),
            }
        }
        End::Pipe(..) => Err(Errno::EINVAL.into()),
    }
}

/// Reads into `chunk`, which goes to a pipe; returns how many bytes came.
fn fill(from: &mut End, chunk: &mut VecSink, now: Timestamp) -> Try<usize> {
    match from {
        End::File(file, at) => {
            let moved = if file.is_stream() {
                file.try_read(chunk, now)?
            } else {
                file.read_at(*at, chunk, now)?
            };
            *at = at.saturating_add(widen(moved));
            Ok(moved)
        }
        End::User(buffer) => {
            buffer.cut_at_fault();
            let wanted = chunk.remaining().min(Source::remaining(buffer));
            let mut bytes = vec![0; wanted];
            buffer.take(&mut bytes)?;
            chunk.put(&bytes)?;
            Ok(wanted)
        }
        End::Pipe(..) => Err(Errno::EINVAL.into()),
    }
}
