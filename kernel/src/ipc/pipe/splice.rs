//! What `splice(2)` and `tee(2)` do with pipes: bytes from one to another, and bytes that go back.
//!
//! Two pipes are locked in the order of their numbers.

use abi::{Errno, Result};

use super::super::ring::Place;
use super::{NOBODY, Pipe};

/// Whether the bytes leave the pipe that they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// They do: `splice(2)`.
    Move,
    /// They stay: `tee(2)`.
    Copy,
}

impl Pipe {
    /// Whether bytes may still come: there are some, or somebody who writes them.
    pub fn is_at_end(&self) -> bool {
        let state = self.state.lock();
        state.ring.is_empty() && state.nr_writers == 0
    }

    /// Bytes that fit now.
    pub fn room(&self) -> usize {
        self.state.lock().ring.free()
    }

    /// Gives up to `limit` of the oldest bytes to `to`, another pipe, as far as they fit; returns
    /// how many.
    ///
    /// # Errors
    /// `EPIPE` when nobody reads `to`; `ENOMEM` when it gets no storage at all.
    pub fn give(&self, to: &Self, limit: usize, take: Take) -> Result<usize> {
        let mut moved = 0_usize;
        {
            let first = self.number < to.number;
            let early = first.then(|| self.state.lock());
            let mut target = to.state.lock();
            let mut source = early.unwrap_or_else(|| self.state.lock());
            if target.nr_readers == 0 {
                return Err(Errno::EPIPE.into());
            }
            let (head, tail) = source.ring.filled();
            for mut piece in [head, tail] {
                let wanted = piece.len().min(limit.saturating_sub(moved));
                match target.ring.push_from(wanted, &mut piece) {
                    Err(error) if moved == 0 => return Err(error),
                    result => moved = moved.saturating_add(result.unwrap_or(0)),
                }
            }
            if take == Take::Move {
                source.ring.consume(moved);
                source.room_wanted = NOBODY;
            }
        }
        to.readable.wake_all();
        if take == Take::Move {
            self.writable.wake_all();
            self.readable.wake_all();
        }
        Ok(moved)
    }

    /// Puts back what a splice took and could not place, before all other bytes.
    ///
    /// # Errors
    /// `ENOMEM` when others have filled the pipe, and it gets no more storage.
    pub fn unread(&self, bytes: &[u8]) -> Result<()> {
        self.force(bytes, Place::Front)
    }

    /// Puts in what a splice has taken elsewhere, although others may have filled the pipe since it
    /// looked for room.
    ///
    /// # Errors
    /// `EPIPE` when nobody reads it; `ENOMEM`.
    pub fn push(&self, bytes: &[u8]) -> Result<()> {
        if self.state.lock().nr_readers == 0 {
            return Err(Errno::EPIPE.into());
        }
        self.force(bytes, Place::Back)
    }

    fn force(&self, bytes: &[u8], place: Place) -> Result<()> {
        self.state.lock().ring.force(bytes, place)?;
        self.readable.wake_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fs::budget::Budget;
    use fs::io::VecSink;
    use fs::vfs::file::FileOps as _;

    use super::super::pipe;
    use super::*;

    #[test]
    fn bytes_are_copied_moved_and_put_back() {
        let (a, mut to_a) = pipe(&Budget::unlimited());
        let (b, to_b) = pipe(&Budget::unlimited());
        to_a.try_write(&mut b"abcdef".as_slice()).unwrap();
        assert_eq!(a.pipe().give(b.pipe(), 2, Take::Copy), Ok(2));
        assert_eq!(a.pipe().give(b.pipe(), 3, Take::Move), Ok(3));
        assert_eq!(b.pipe().give(a.pipe(), 1, Take::Move), Ok(1));
        let read = |end: &super::super::PipeEnd| {
            let mut sink = VecSink::new(9);
            end.try_read(&mut sink).unwrap();
            sink.bytes
        };
        assert_eq!((read(&a), read(&b)), (b"defa".to_vec(), b"babc".to_vec()));
        a.pipe().push(b"23").unwrap();
        a.pipe().unread(b"1").unwrap();
        assert_eq!(read(&a), b"123");
        to_a = to_b;
        assert!(a.pipe().is_at_end() && !b.pipe().is_at_end());
        drop((b, a));
        assert_eq!(to_a.pipe().push(b"x"), Err(Errno::EPIPE.into()));
    }
}
