//! `eventfd(2)`: a number that writes add to and reads take.

use std::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::file::{Events, FileOps};

/// What `/proc/PID/fd` shows.
pub const NAME: &str = "anon_inode:[eventfd]";

/// Bytes that a read gives and a write takes.
const LEN: usize = 8;
/// The largest number that it holds.
const MAX: u64 = u64::MAX - 1;

/// What a read takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All.
    Counter,
    /// One (`EFD_SEMAPHORE`).
    Semaphore,
}

/// The object.
#[derive(Debug)]
pub struct EventFd {
    id: u64,
    mode: Mode,
    count: Lock<u64>,
    queue: WaitQueue,
}

impl EventFd {
    /// A number that starts as `count`.
    pub fn new(count: u32, mode: Mode) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            mode,
            count: Lock::new(count.into()),
            queue: WaitQueue::new(),
        }
    }
}

impl FileOps for EventFd {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() < LEN {
            return Err(Errno::EINVAL.into());
        }
        let taken = {
            let mut count = self.count.lock();
            let taken = match self.mode {
                Mode::Counter => *count,
                Mode::Semaphore => (*count).min(1),
            };
            *count = count.saturating_sub(taken);
            taken
        };
        if taken == 0 {
            return Err(Stall::WouldBlock);
        }
        self.queue.wake_for(Events::OUT.wakes());
        sink.put(&taken.to_le_bytes())?;
        Ok(LEN)
    }

    /// The caller has the bytes at hand for each attempt ([`FileOps::message_len`]).
    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        if source.remaining() != LEN {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = [0; LEN];
        source.take(&mut bytes)?;
        let added = u64::from_le_bytes(bytes);
        if added == u64::MAX {
            return Err(Errno::EINVAL.into());
        }
        {
            let mut count = self.count.lock();
            let sum = count.checked_add(added).filter(|&sum| sum <= MAX);
            *count = sum.ok_or(Stall::WouldBlock)?;
        }
        self.queue.wake_for(Events::IN.wakes());
        Ok(LEN)
    }

    /// One byte more than it takes: longer writes are refused.
    fn message_len(&self) -> Option<usize> {
        Some(LEN.saturating_add(1))
    }

    fn events(&self) -> Events {
        let count = *self.count.lock();
        let mut events = Events::empty();
        if count > 0 {
            events |= Events::IN;
        }
        if count < MAX {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn details(&self) -> String {
        let count = *self.count.lock();
        let is_semaphore = u8::from(self.mode == Mode::Semaphore);
        format!(
            "eventfd-count: {count:16x}\neventfd-id: {}\neventfd-semaphore: {is_semaphore}\n",
            self.id
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use executor::wait_queue::Turn;
    use fs::io::VecSink;

    use super::*;
    use crate::poll::tests::counting_waker;

    fn read(file: &EventFd) -> Try<u64> {
        let mut sink = VecSink::new(8);
        file.try_read(&mut sink)?;
        Ok(u64::from_le_bytes(sink.bytes.try_into().unwrap()))
    }

    fn write(file: &EventFd, number: u64) -> Try<usize> {
        file.try_write(&mut number.to_le_bytes().as_slice())
    }

    #[test]
    fn counter_gives_all_and_semaphore_one_at_a_time() {
        let counter = EventFd::new(2, Mode::Counter);
        assert_eq!(write(&counter, 3), Ok(8));
        assert_eq!(
            (read(&counter), read(&counter)),
            (Ok(5), Err(Stall::WouldBlock))
        );
        let semaphore = EventFd::new(2, Mode::Semaphore);
        assert_eq!((read(&semaphore), read(&semaphore)), (Ok(1), Ok(1)));
        assert_eq!(read(&semaphore), Err(Stall::WouldBlock));
    }

    #[test]
    fn sum_that_does_not_fit_waits_and_leaves_the_number_alone() {
        let file = EventFd::new(0, Mode::Counter);
        assert_eq!(write(&file, u64::MAX), Err(Errno::EINVAL.into()));
        assert_eq!(write(&file, u64::MAX - 1), Ok(8));
        assert_eq!(file.events(), Events::IN);
        assert_eq!(write(&file, 1), Err(Stall::WouldBlock));
        assert_eq!(write(&file, 0), Ok(8));
        assert_eq!(read(&file), Ok(u64::MAX - 1));
        assert_eq!(file.events(), Events::OUT);
    }

    #[test]
    fn reads_wake_writers_and_writes_wake_readers() {
        let file = EventFd::new(1, Mode::Counter);
        let (waker, wakes) = counting_waker();
        let queue = file.wait_queue().unwrap();
        let _reader = queue.register_for(&waker, Events::IN.wakes(), Turn::Shared);
        assert_eq!(read(&file), Ok(1));
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        assert_eq!(write(&file, 1), Ok(8));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn buffers_of_other_lengths_are_refused() {
        let file = EventFd::new(1, Mode::Counter);
        assert_eq!(
            file.try_read(&mut VecSink::new(7)),
            Err(Errno::EINVAL.into())
        );
        for len in [0, 7, 9] {
            let mut bytes = &[0; 9][..len];
            assert_eq!(file.try_write(&mut bytes), Err(Errno::EINVAL.into()));
        }
    }
}
