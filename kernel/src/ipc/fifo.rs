//! Named pipes (`fifo(7)`): a pipe that processes find through the file system.
//!
//! An inode of type FIFO has at most one [`Pipe`] at a time, which lives while an end is open.
//! `open(2)` waits for the other side, as edge counts so that a peer that came and went in
//! between is not missed:
//!
//! | opened for | other side there | not there | not there, `O_NONBLOCK` |
//! |---|---|---|---|
//! | reading | at once | waits for a writer | at once |
//! | writing | at once | waits for a reader | `ENXIO` |
//! | both | at once | at once | at once |

use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::budget::Budget;
use fs::io::{Stall, Try};

use super::pipe::{Direction, Pipe, PipeEnd};

/// What identifies a FIFO: the device and the number of its inode.
pub type FifoKey = (u64, u64);

/// The named pipes that are open now.
#[derive(Debug)]
pub struct Fifos {
    pipes: Lock<SortedMap<FifoKey, Weak<Pipe>>>,
    budget: Arc<Budget>,
}

/// An `open(2)` of a FIFO under way. Dropping it takes the opening back.
#[derive(Debug)]
pub struct FifoOpening {
    end: Arc<PipeEnd>,
    /// `opens()` of the other side when this one came; `None`: nothing to wait for.
    peer_opens: Option<u64>,
}

/// Whether an open waits for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FifoWait {
    /// It does.
    Block,
    /// `O_NONBLOCK`: it does not.
    NonBlock,
}

impl Fifos {
    /// No open FIFO. What they will hold is taken from `budget`.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            pipes: Lock::new(SortedMap::new()),
        }
    }

    /// Starts to open the FIFO `key`; [`FifoOpening::try_finish`] says when it is done.
    ///
    /// # Errors
    /// `ENXIO` when opened for writing with `O_NONBLOCK` and nobody reads.
    pub fn open(&self, key: FifoKey, direction: Direction, wait: FifoWait) -> Result<FifoOpening> {
        let pipe = {
            let mut pipes = self.pipes.lock();
            match pipes.get(&key).and_then(Weak::upgrade) {
                Some(pipe) => pipe,
                None => {
                    pipes.retain(|_, pipe| pipe.strong_count() > 0);
                    let pipe = Pipe::new(&self.budget);
                    pipes.insert(key, Arc::downgrade(&pipe));
                    pipe
                }
            }
        };
        let peer = match direction {
            Direction::Read => Direction::Write,
            Direction::Write => Direction::Read,
            Direction::Both => Direction::Both,
        };
        if direction == Direction::Write && wait == FifoWait::NonBlock && !pipe.has(peer) {
            return Err(Errno::ENXIO.into());
        }
        // In this order, a peer that comes meanwhile shows in the count, in `has`, or in both.
        let (reader_opens, writer_opens) = pipe.opens();
        let end = PipeEnd::open(&pipe, direction);
        let has_peer = pipe.has(peer);
        let peer_opens = match (has_peer || wait == FifoWait::NonBlock, direction) {
            (true, _) | (false, Direction::Both) => None,
            (false, Direction::Read) => Some(writer_opens),
            (false, Direction::Write) => Some(reader_opens),
        };
        Ok(FifoOpening { end, peer_opens })
    }
}

impl FifoOpening {
    /// The end, once the other side is or was there.
    ///
    /// # Errors
    /// `WouldBlock` until then: wait on [`FifoOpening::wait_queue`].
    pub fn try_finish(&self) -> Try<Arc<PipeEnd>> {
        if let Some(before) = self.peer_opens {
            let (reader_opens, writer_opens) = self.end.pipe().opens();
            let now = match self.end.direction() {
                Direction::Write => reader_opens,
                Direction::Read | Direction::Both => writer_opens,
            };
            if now == before {
                return Err(Stall::WouldBlock);
            }
        }
        Ok(Arc::clone(&self.end))
    }

    /// Woken when the other side comes.
    pub fn wait_queue(&self) -> &WaitQueue {
        self.end.pipe().queue_of(self.end.direction())
    }
}

#[cfg(test)]
mod tests {
    use fs::io::VecSink;
    use fs::vfs::file::{Events, FileOps};

    use super::*;

    const KEY: FifoKey = (1, 2);

    #[test]
    fn open_waits_for_the_other_side() {
        let fifos = Fifos::new(&Budget::unlimited());
        let reading = fifos.open(KEY, Direction::Read, FifoWait::Block).unwrap();
        assert!(matches!(reading.try_finish(), Err(Stall::WouldBlock)));
        let writing = fifos.open(KEY, Direction::Write, FifoWait::Block).unwrap();
        let (reader, writer) = (reading.try_finish().unwrap(), writing.try_finish().unwrap());
        drop((reading, writing));
        assert_eq!(writer.try_write(&mut b"hello".as_slice()), Ok(5));
        drop(writer);
        let mut sink = VecSink::new(10);
        assert_eq!(reader.try_read(&mut sink), Ok(5));
        assert_eq!(reader.try_read(&mut sink), Ok(0));
    }

    #[test]
    fn writer_that_came_and_went_lets_the_reader_in() {
        let fifos = Fifos::new(&Budget::unlimited());
        let reading = fifos.open(KEY, Direction::Read, FifoWait::Block).unwrap();
        drop(fifos.open(KEY, Direction::Write, FifoWait::Block).unwrap());
        assert!(reading.try_finish().is_ok());
    }

    #[test]
    fn nonblocking_open_succeeds_for_reading_only() {
        let fifos = Fifos::new(&Budget::unlimited());
        let error = fifos
            .open(KEY, Direction::Write, FifoWait::NonBlock)
            .unwrap_err();
        assert_eq!(error.errno, Errno::ENXIO);
        let reading = fifos
            .open(KEY, Direction::Read, FifoWait::NonBlock)
            .unwrap();
        let reader = reading.try_finish().unwrap();
        assert_eq!(reader.events(), Events::empty());
        let writing = fifos
            .open(KEY, Direction::Write, FifoWait::NonBlock)
            .unwrap();
        assert!(writing.try_finish().is_ok());
        drop(writing);
        assert_eq!(reader.events(), Events::HUP);
    }

    #[test]
    fn both_directions_open_at_once_and_see_neither_end_nor_error() {
        let fifos = Fifos::new(&Budget::unlimited());
        let end = fifos
            .open(KEY, Direction::Both, FifoWait::Block)
            .unwrap()
            .try_finish()
            .unwrap();
        assert_eq!(end.events(), Events::OUT);
        assert_eq!(end.try_read(&mut VecSink::new(1)), Err(Stall::WouldBlock));
        assert_eq!(end.try_write(&mut b"x".as_slice()), Ok(1));
        assert_eq!(end.events(), Events::IN | Events::OUT);
    }

    #[test]
    fn contents_go_with_the_last_end() {
        let fifos = Fifos::new(&Budget::unlimited());
        let end = fifos
            .open(KEY, Direction::Both, FifoWait::Block)
            .unwrap()
            .try_finish()
            .unwrap();
        assert_eq!(end.try_write(&mut b"lost".as_slice()), Ok(4));
        drop(end);
        let end = fifos
            .open(KEY, Direction::Both, FifoWait::Block)
            .unwrap()
            .try_finish()
            .unwrap();
        assert_eq!(end.events(), Events::OUT);
    }
}
