//! Pipes (`pipe(7)`): a ring of bytes between read ends and write ends.
//!
//! [`Pipe`] is the shared state, [`PipeEnd`] what an open file description holds. Named pipes
//! ([`super::fifo`]) are the same with ends that come and go.
//!
//! ```text
//!   PipeEnd(Write) --try_write--> [ Ring, 64 KiB at most ] --try_read--> PipeEnd(Read)
//!        waits on `writable`          one Lock                 waits on `readable`
//! ```
//!
//! A write of at most `PIPE_BUF` bytes goes in whole or not at all, a larger one in parts.
//! Readers are woken by each write (an edge-triggered poller counts them); writers only when
//! there is room for what the least demanding of them wants, so that a reader of single bytes
//! does not cause a switch for each.

mod splice;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::flags::FIONREAD;
use abi::limits::{PIPE_BUF, PIPE_MAX_SIZE, PIPE_SIZE};
use abi::{Errno, Result};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::budget::Budget;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::file::{Events, FileOps, GuestMemory};

pub use self::splice::Take;
use super::ring::Ring;

/// No stalled writer.
const NOBODY: usize = usize::MAX;

/// Numbers pipes for `st_ino` and `/proc/PID/fd`.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// Which way an end moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Out of the pipe.
    Read,
    /// Into the pipe.
    Write,
    /// Both: a named pipe opened with `O_RDWR`.
    Both,
}

impl Direction {
    const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

#[derive(Debug)]
struct State {
    ring: Ring,
    nr_readers: u32,
    nr_writers: u32,
    /// Ends of [`Direction::Both`], which wait on `readable` for room too.
    nr_both: u32,
    /// Openings of either side since the pipe was made: an `open` waits for a change.
    reader_opens: u64,
    writer_opens: u64,
    /// The least room that a stalled writer waits for, in bytes, or [`NOBODY`].
    room_wanted: usize,
}

/// The shared state of a pipe.
pub struct Pipe {
    state: Lock<State>,
    /// Woken when bytes or the end of file come.
    readable: WaitQueue,
    /// Woken when room comes or the last reader goes.
    writable: WaitQueue,
    number: u64,
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipe:[{}]", self.number)
    }
}

/// Makes a pipe; returns its read end and its write end. Storage comes with the first write, from
/// the memory of `budget`.
pub fn pipe(budget: &Arc<Budget>) -> (Arc<PipeEnd>, Arc<PipeEnd>) {
    let pipe = Pipe::new(budget);
    (
        PipeEnd::open(&pipe, Direction::Read),
        PipeEnd::open(&pipe, Direction::Write),
    )
}

impl Pipe {
    /// A pipe without ends.
    pub(super) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            state: Lock::new(State {
                ring: Ring::charged(PIPE_SIZE, budget),
                nr_readers: 0,
                nr_writers: 0,
                nr_both: 0,
                reader_opens: 0,
                writer_opens: 0,
                room_wanted: NOBODY,
            }),
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The number in `pipe:[N]`.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// `F_GETPIPE_SZ`: the capacity in bytes.
    pub fn capacity(&self) -> usize {
        self.state.lock().ring.capacity()
    }

    /// `F_SETPIPE_SZ`: changes the capacity; returns what it became, in bytes.
    ///
    /// # Errors
    /// `EPERM` over [`PIPE_MAX_SIZE`], `EBUSY` when the contents do not fit.
    pub fn set_capacity(&self, capacity: usize) -> Result<usize> {
        if capacity > PIPE_MAX_SIZE {
            return Err(Errno::EPERM.into());
        }
        let capacity = {
            let mut state = self.state.lock();
            if !state.ring.set_capacity(capacity) {
                return Err(Errno::EBUSY.into());
            }
            state.room_wanted = NOBODY;
            state.ring.capacity()
        };
        self.writable.wake_all();
        self.readable.wake_all();
        Ok(capacity)
    }

    /// Whether an end of the given kind is open.
    pub(super) fn has(&self, direction: Direction) -> bool {
        let state = self.state.lock();
        match direction {
            Direction::Read => state.nr_readers > 0,
            Direction::Write => state.nr_writers > 0,
            Direction::Both => state.nr_both > 0,
        }
    }

    /// How often the read side and the write side were opened.
    pub(super) fn opens(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.reader_opens, state.writer_opens)
    }

    /// The queue that a new end of either side wakes.
    pub(super) const fn queue_of(&self, direction: Direction) -> &WaitQueue {
        match direction {
            Direction::Write => &self.writable,
            Direction::Read | Direction::Both => &self.readable,
        }
    }

    fn read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let (moved, wakes_writers, wakes_both) = {
            let mut state = self.state.lock();
            if state.ring.is_empty() {
                return if state.nr_writers == 0 {
                    Ok(0)
                } else {
                    Err(Stall::WouldBlock)
                };
            }
            let free_before = state.ring.free();
            let moved = state.ring.pop_into(usize::MAX, sink)?;
            let free = state.ring.free();
            let wakes = free >= state.room_wanted || (free_before < PIPE_BUF && free >= PIPE_BUF);
            if wakes {
                state.room_wanted = NOBODY;
            }
            (moved, wakes, state.nr_both > 0)
        };
        if wakes_writers {
            self.writable.wake_all();
            if wakes_both {
                self.readable.wake_all();
            }
        }
        Ok(moved)
    }

    fn write(&self, source: &mut dyn Source) -> Try<usize> {
        let wanted = source.remaining();
        if wanted == 0 {
            return Ok(0);
        }
        let moved = {
            let mut state = self.state.lock();
            if state.nr_readers == 0 {
                return Err(Errno::EPIPE.into());
            }
            // Where memory is short, this makes the pipe smaller.
            state.ring.reserve(wanted)?;
            let free = state.ring.free();
            let least = if wanted <= PIPE_BUF { wanted } else { 1 };
            if free < least {
                // A large writer that found no room at all waits for a page, not for one byte.
                let room = wanted.min(PIPE_BUF);
                state.room_wanted = state.room_wanted.min(room);
                return Err(Stall::WouldBlock);
            }
            state.ring.push_from(wanted, source)?
        };
        self.readable.wake_all();
        Ok(moved)
    }

    fn events(&self, direction: Direction, quiet_at: Option<u64>) -> Events {
        let state = self.state.lock();
        let mut events = Events::empty();
        if direction.reads() {
            if !state.ring.is_empty() {
                events |= Events::IN;
            }
            // A named pipe that no writer has opened since is quiet, not hung up.
            if state.nr_writers == 0 && quiet_at != Some(state.writer_opens) {
                events |= Events::HUP;
            }
        }
        if direction.writes() {
            if state.ring.free() >= PIPE_BUF {
                events |= Events::OUT;
            }
            if state.nr_readers == 0 {
                events |= Events::ERR;
            }
        }
        events
    }

    /// Counts a new end; returns `writer_opens` when it is a read end without a writer.
    fn attach(&self, direction: Direction) -> Option<u64> {
        let quiet_at = {
            let mut state = self.state.lock();
            if direction.reads() {
                state.nr_readers = state.nr_readers.saturating_add(1);
                state.reader_opens = state.reader_opens.wrapping_add(1);
            }
            if direction.writes() {
                state.nr_writers = state.nr_writers.saturating_add(1);
                state.writer_opens = state.writer_opens.wrapping_add(1);
            }
            if direction == Direction::Both {
                state.nr_both = state.nr_both.saturating_add(1);
            }
            (state.nr_writers == 0).then_some(state.writer_opens)
        };
        self.readable.wake_all();
        self.writable.wake_all();
        quiet_at
    }

    fn detach(&self, direction: Direction) {
        let is_last = {
            let mut state = self.state.lock();
            if direction.reads() {
                state.nr_readers = state.nr_readers.saturating_sub(1);
            }
            if direction.writes() {
                state.nr_writers = state.nr_writers.saturating_sub(1);
            }
            if direction == Direction::Both {
                state.nr_both = state.nr_both.saturating_sub(1);
            }
            if state.nr_readers == 0 && state.nr_writers == 0 {
                state.ring.clear();
            }
            state.nr_readers == 0 || state.nr_writers == 0
        };
        if is_last {
            self.readable.wake_all();
            self.writable.wake_all();
        }
    }
}

/// One end of a pipe. Closing it (`release` or drop) tells the other side.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    direction: Direction,
    /// For a read end opened while no writer was there: `writer_opens` then.
    quiet_at: Option<u64>,
    is_open: AtomicBool,
}

impl PipeEnd {
    /// Adds an end to `pipe`.
    pub(crate) fn open(pipe: &Arc<Pipe>, direction: Direction) -> Arc<Self> {
        let quiet_at = pipe.attach(direction);
        Arc::new(Self {
            pipe: Arc::clone(pipe),
            direction,
            quiet_at,
            is_open: AtomicBool::new(true),
        })
    }

    /// The pipe it belongs to.
    pub const fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Which way it moves bytes.
    pub const fn direction(&self) -> Direction {
        self.direction
    }
}

impl FileOps for PipeEnd {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if self.direction.reads() {
            self.pipe.read(sink)
        } else {
            Err(Errno::EBADF.into())
        }
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        if self.direction.writes() {
            self.pipe.write(source)
        } else {
            Err(Errno::EBADF.into())
        }
    }

    fn events(&self) -> Events {
        self.pipe.events(self.direction, self.quiet_at)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(self.pipe.queue_of(self.direction))
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY.into());
        }
        let count = i32::try_from(self.pipe.state.lock().ring.len()).unwrap_or(i32::MAX);
        memory.copy_out(argument, &count.to_le_bytes())?;
        Ok(0)
    }

    fn release(&self) {
        if self.is_open.swap(false, Ordering::AcqRel) {
            self.pipe.detach(self.direction);
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use fs::io::VecSink;

    use super::*;

    fn read(end: &PipeEnd, limit: usize) -> Try<Vec<u8>> {
        let mut sink = VecSink::new(limit);
        end.try_read(&mut sink)?;
        Ok(sink.bytes)
    }

    fn write(end: &PipeEnd, mut bytes: &[u8]) -> Try<usize> {
        end.try_write(&mut bytes)
    }

    #[test]
    fn pipe_behaves_like_a_queue_with_atomic_small_writes() {
        let (reader, writer) = pipe(&Budget::unlimited());
        let mut model = VecDeque::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next_byte = 0_u8;
        for _ in 0..6000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let count = 1 + usize::try_from(state >> 24).unwrap() % 9000;
            let free = PIPE_SIZE - model.len();
            if state & 3 < 2 {
                let mut bytes = Vec::with_capacity(count);
                for _ in 0..count {
                    next_byte = next_byte.wrapping_add(1);
                    bytes.push(next_byte);
                }
                match write(&writer, &bytes) {
                    Ok(moved) => {
                        assert!(moved == count || (count > PIPE_BUF && moved == free));
                        model.extend(&bytes[..moved]);
                    }
                    Err(stall) => {
                        assert_eq!(stall, Stall::WouldBlock);
                        assert!(free == 0 || (count <= PIPE_BUF && free < count));
                    }
                }
            } else if model.is_empty() {
                assert_eq!(read(&reader, count), Err(Stall::WouldBlock));
            } else {
                let expected: Vec<u8> = model.drain(..count.min(model.len())).collect();
                assert_eq!(read(&reader, count), Ok(expected));
            }
            assert_eq!(reader.events().intersects(Events::IN), !model.is_empty());
            let has_room = PIPE_SIZE - model.len() >= PIPE_BUF;
            assert_eq!(writer.events().intersects(Events::OUT), has_room);
        }
    }

    #[test]
    fn closed_write_end_gives_the_rest_and_then_the_end_of_file() {
        let (reader, writer) = pipe(&Budget::unlimited());
        assert_eq!(write(&writer, b"last"), Ok(4));
        drop(writer);
        assert_eq!(reader.events(), Events::IN | Events::HUP);
        assert_eq!(read(&reader, 10), Ok(b"last".to_vec()));
        assert_eq!(read(&reader, 10), Ok(Vec::new()));
        assert_eq!(reader.events(), Events::HUP);
    }

    #[test]
    fn write_without_readers_fails_with_epipe() {
        let (reader, writer) = pipe(&Budget::unlimited());
        reader.release();
        assert_eq!(write(&writer, b"x"), Err(Errno::EPIPE.into()));
        assert_eq!(write(&writer, b""), Ok(0));
        assert_eq!(writer.events(), Events::OUT | Events::ERR);
    }

    #[test]
    fn ends_move_bytes_one_way_only() {
        let (reader, writer) = pipe(&Budget::unlimited());
        assert_eq!(write(&reader, b"x"), Err(Errno::EBADF.into()));
        assert_eq!(read(&writer, 1), Err(Errno::EBADF.into()));
    }

    #[test]
    fn capacity_changes_in_powers_of_two_and_never_below_the_contents() {
        let (reader, writer) = pipe(&Budget::unlimited());
        let pipe = Arc::clone(reader.pipe());
        assert_eq!(pipe.capacity(), 65_536);
        assert_eq!(pipe.set_capacity(5000), Ok(8192));
        assert_eq!(pipe.set_capacity(0), Ok(4096));
        assert_eq!(
            pipe.set_capacity(PIPE_MAX_SIZE + 1).unwrap_err().errno,
            Errno::EPERM
        );
        assert_eq!(pipe.set_capacity(8192), Ok(8192));
        assert_eq!(write(&writer, &[1; 5000]), Ok(5000));
        assert_eq!(pipe.set_capacity(4096).unwrap_err().errno, Errno::EBUSY);
        assert_eq!(read(&reader, 9000).map(|bytes| bytes.len()), Ok(5000));
    }

    #[test]
    fn stalled_small_writer_is_woken_only_by_enough_room() {
        let (reader, writer) = pipe(&Budget::unlimited());
        assert_eq!(write(&writer, &[0; PIPE_SIZE]), Ok(PIPE_SIZE));
        assert_eq!(write(&writer, &[1; 10]), Err(Stall::WouldBlock));
        let (waker, wakes) = crate::poll::tests::counting_waker();
        let _registration = writer.wait_queue().unwrap().register(&waker);
        for _ in 0..9 {
            assert_eq!(read(&reader, 1).map(|bytes| bytes.len()), Ok(1));
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        assert_eq!(read(&reader, 1).map(|bytes| bytes.len()), Ok(1));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(write(&writer, &[1; 10]), Ok(10));
    }
}
