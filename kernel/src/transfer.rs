//! `read(2)` and `write(2)` as calls: nonblocking, waiting, and what a part of the bytes means.
//!
//! The buffers are owned by the call, so that it may wait: nothing of a guest is borrowed.

use std::sync::Arc;

use abi::Errno;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::inode::Timestamp;

use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::open_file::OpenFile;
use crate::poll::{Attempt, wait_on, wait_stalled};

/// Reads into `sink` at the offset of `file`; returns bytes moved, 0 at the end of the file. They
/// come as the word that the guest gets: a second future to convert them would cost an allocation.
///
/// Waits until something is there unless `O_NONBLOCK`; interrupted: restartable.
///
/// # Errors
/// As [`OpenFile::try_read`]; `EAGAIN` when it would have to wait and may not.
pub fn read<S: Sleeper>(
    sleeper: &Arc<S>,
    file: &Arc<OpenFile>,
    mut sink: impl Sink + Send + 'static,
    now: Timestamp,
) -> Outcome<u32> {
    match file.try_read(&mut sink, now) {
        Ok(moved) => return Outcome::Ready(Ok(word(moved))),
        Err(Stall::Failed(error)) => return Outcome::from(Err(error)),
        Err(Stall::WouldBlock) if file.is_nonblocking() => {
            let part = part(file, &mut sink);
            return Outcome::from(part.ok_or(Errno::EAGAIN));
        }
        Err(Stall::WouldBlock) => {}
    }
    // Only terminals count the time.
    let started_ns = match file.terminal() {
        Some(_) => sleeper.now_ns(),
        None => 0,
    };
    let reading = Reading {
        file: Arc::clone(file),
        sink,
        now,
        started_ns,
    };
    wait_stalled(sleeper, file.wait_queue(), None, Restart::Sys, reading)
}

/// What a read gives that waited for more and may wait no longer.
fn part(file: &OpenFile, sink: &mut dyn Sink) -> Option<u32> {
    file.ops()?.try_read_part(sink).ok().map(word)
}

/// A count of bytes as a word; no call moves more than `MAX_RW_COUNT`.
fn word(moved: usize) -> u32 {
    u32::try_from(moved).unwrap_or(u32::MAX >> 1)
}

/// A read that has to wait.
struct Reading<B> {
    file: Arc<OpenFile>,
    sink: B,
    now: Timestamp,
    started_ns: u64,
}

impl<B: Sink + Send + 'static> Attempt for Reading<B> {
    type Output = u32;

    fn attempt(&mut self) -> Try<u32> {
        self.file.try_read(&mut self.sink, self.now).map(word)
    }

    fn deadline_ns(&self) -> Option<u64> {
        self.file.read_deadline_ns(self.started_ns)
    }

    fn settle(&mut self, fault: Fault) -> Answer<u32> {
        match fault {
            // `VTIME` of a terminal: nothing was typed in time.
            Fault::TimedOut => Ok(0),
            fault => part(&self.file, &mut self.sink).ok_or(fault),
        }
    }
}

/// Writes all of `source` at the offset of `file`; returns bytes moved.
///
/// Waits for room unless `O_NONBLOCK`. When only a part was moved before an error, a signal or the
/// end of the room, the answer is the number of bytes of the part.
///
/// # Errors
/// As [`OpenFile::try_write`]; `EAGAIN` when it would have to wait and may not. `EPIPE`: the caller
/// raises `SIGPIPE`.
pub fn write<S: Sleeper>(
    sleeper: &Arc<S>,
    file: &Arc<OpenFile>,
    mut source: impl Source + Send + 'static,
    now: Timestamp,
) -> Outcome<usize> {
    if let Some(message_len) = file.message_len() {
        return write_message(sleeper, file, &mut source, message_len, now);
    }
    let mut done = 0;
    match write_some(file, &mut source, &mut done, now) {
        Ok(moved) => Outcome::Ready(Ok(moved)),
        Err(Stall::Failed(error)) => Outcome::from(Err(error)),
        Err(Stall::WouldBlock) => {
            let writing = Writing {
                file: Arc::clone(file),
                source,
                done,
                now,
            };
            wait_stalled(sleeper, file.wait_queue(), None, Restart::Sys, writing)
        }
    }
}

/// Writes the first `message_len` bytes of `source` or nothing; they are taken once, and kept for
/// the attempts.
fn write_message<S: Sleeper>(
    sleeper: &Arc<S>,
    file: &Arc<OpenFile>,
    source: &mut dyn Source,
    message_len: usize,
    now: Timestamp,
) -> Outcome<usize> {
    let mut message = vec![0; source.remaining().min(message_len)];
    if let Err(error) = source.take(&mut message) {
        return Outcome::from(Err(error));
    }
    let writer = Arc::clone(file);
    let is_nonblocking = file.is_nonblocking();
    wait_on(
        sleeper,
        file.wait_queue(),
        None,
        Restart::Sys,
        move || match writer.try_write(&mut message.as_slice(), now) {
            Err(Stall::WouldBlock) if is_nonblocking => Err(Errno::EAGAIN.into()),
            result => result,
        },
    )
}

/// Writes what fits; `done` counts the bytes over all attempts.
fn write_some(
    file: &OpenFile,
    source: &mut dyn Source,
    done: &mut usize,
    now: Timestamp,
) -> Try<usize> {
    loop {
        let wanted = source.remaining();
        match file.try_write(source, now) {
            Ok(moved) => {
                *done = done.saturating_add(moved);
                // A device that drops all bytes does not even take them from the source.
                if moved == 0 || moved >= wanted {
                    return Ok(*done);
                }
            }
            Err(Stall::WouldBlock) if !file.is_nonblocking() => return Err(Stall::WouldBlock),
            Err(_) if *done > 0 => return Ok(*done),
            Err(Stall::WouldBlock) => return Err(Errno::EAGAIN.into()),
            Err(failed) => return Err(failed),
        }
    }
}

/// A write that has to wait.
struct Writing<B> {
    file: Arc<OpenFile>,
    source: B,
    done: usize,
    now: Timestamp,
}

impl<B: Source + Send + 'static> Attempt for Writing<B> {
    type Output = usize;

    fn attempt(&mut self) -> Try<usize> {
        write_some(&self.file, &mut self.source, &mut self.done, self.now)
    }

    fn settle(&mut self, fault: Fault) -> Answer<usize> {
        if self.done > 0 {
            Ok(self.done)
        } else {
            Err(fault)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use abi::flags::{O_NONBLOCK, O_WRONLY};
    use abi::limits::PIPE_SIZE;
    use executor::sync::Lock;
    use fs::budget::Budget;

    use super::*;
    use crate::device::null::Null;
    use crate::ipc::pipe::pipe;
    use crate::open_file::Anonymous;
    use crate::poll::tests::{TestSleeper, counting_waker, poll};

    const NOW: Timestamp = Timestamp {
        seconds: 0,
        nanoseconds: 0,
    };

    /// Bytes that a test can look at while the call owns a clone.
    #[derive(Clone, Default)]
    struct Bytes(Arc<Lock<Vec<u8>>>);

    impl Sink for Bytes {
        fn remaining(&self) -> usize {
            10
        }

        fn put(&mut self, bytes: &[u8]) -> abi::Result<()> {
            self.0.lock().extend_from_slice(bytes);
            Ok(())
        }
    }

    impl Source for Bytes {
        fn remaining(&self) -> usize {
            self.0.lock().len()
        }

        fn take(&mut self, bytes: &mut [u8]) -> abi::Result<()> {
            let rest = self.0.lock().split_off(bytes.len());
            bytes.copy_from_slice(&std::mem::replace(&mut *self.0.lock(), rest));
            Ok(())
        }
    }

    fn bytes(count: usize) -> Bytes {
        Bytes(Arc::new(Lock::new(vec![7; count])))
    }

    fn files(flags: u32) -> (Arc<OpenFile>, Arc<OpenFile>) {
        let (reader, writer) = pipe(&Budget::unlimited());
        (
            OpenFile::from_anonymous_pipe(reader, flags, 0, 0, NOW),
            OpenFile::from_anonymous_pipe(writer, O_WRONLY | flags, 0, 0, NOW),
        )
    }

    #[test]
    fn read_waits_and_then_fills_the_buffer_it_owns() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), files(0));
        let (waker, wakes) = counting_waker();
        let buffer = Bytes::default();
        let mut outcome = read(&sleeper, &reader, buffer.clone(), NOW);
        assert_eq!(poll(&mut outcome, &waker), None);
        assert!(matches!(
            write(&sleeper, &writer, bytes(3), NOW),
            Outcome::Ready(Ok(3))
        ));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut outcome, &waker), Some(Ok(3)));
        assert_eq!(*buffer.0.lock(), [7; 3]);
    }

    #[test]
    fn write_to_a_device_that_drops_all_bytes_ends() {
        let sleeper = TestSleeper::new();
        let metadata = files(0).0.metadata().unwrap();
        let anonymous = Anonymous {
            metadata,
            name: "null".into(),
        };
        let null = OpenFile::anonymous(Arc::new(Null), anonymous, O_WRONLY);
        let outcome = write(&sleeper, &null, bytes(3), NOW);
        assert!(matches!(outcome, Outcome::Ready(Ok(3))));
    }

    #[test]
    fn large_write_goes_on_until_all_is_in() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), files(0));
        let (waker, _) = counting_waker();
        let mut outcome = write(&sleeper, &writer, bytes(PIPE_SIZE + 5000), NOW);
        assert_eq!(poll(&mut outcome, &waker), None);
        let mut sink = fs::io::VecSink::new(10_000);
        assert_eq!(reader.try_read(&mut sink, NOW), Ok(10_000));
        assert_eq!(poll(&mut outcome, &waker), Some(Ok(PIPE_SIZE + 5000)));
    }

    #[test]
    fn interrupted_write_answers_with_its_part_or_restarts() {
        let (sleeper, (_reader, writer)) = (TestSleeper::new(), files(0));
        let (waker, _) = counting_waker();
        let mut outcome = write(&sleeper, &writer, bytes(PIPE_SIZE + 1), NOW);
        assert_eq!(poll(&mut outcome, &waker), None);
        sleeper.interrupt();
        assert_eq!(poll(&mut outcome, &waker), Some(Ok(PIPE_SIZE)));
        let outcome = write(&sleeper, &writer, bytes(1), NOW);
        assert!(matches!(
            outcome,
            Outcome::Ready(Err(Fault::Interrupted(Restart::Sys)))
        ));
    }

    #[test]
    fn nonblocking_calls_say_again_or_move_a_part() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), files(O_NONBLOCK));
        let again = Fault::from(Errno::EAGAIN);
        let outcome = read(&sleeper, &reader, Bytes::default(), NOW);
        assert!(matches!(outcome, Outcome::Ready(Err(fault)) if fault == again));
        let outcome = write(&sleeper, &writer, bytes(PIPE_SIZE + 1), NOW);
        assert!(matches!(outcome, Outcome::Ready(Ok(PIPE_SIZE))));
        let outcome = write(&sleeper, &writer, bytes(1), NOW);
        assert!(matches!(outcome, Outcome::Ready(Err(fault)) if fault == again));
    }

    #[test]
    fn writer_that_loses_its_reader_answers_with_its_part_first() {
        let (sleeper, (reader, writer)) = (TestSleeper::new(), files(0));
        let (waker, _) = counting_waker();
        let mut outcome = write(&sleeper, &writer, bytes(PIPE_SIZE + 1), NOW);
        assert_eq!(poll(&mut outcome, &waker), None);
        reader.ops().unwrap().release();
        assert_eq!(poll(&mut outcome, &waker), Some(Ok(PIPE_SIZE)));
        let broken = Fault::from(Errno::EPIPE);
        let outcome = write(&sleeper, &writer, bytes(1), NOW);
        assert!(matches!(outcome, Outcome::Ready(Err(fault)) if fault == broken));
    }
}
