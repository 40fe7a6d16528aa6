//! Standard input and output that are no terminal: bytes to and from the host.
//!
//! Input is a queue that the host fills; it learns how much was read and so paces itself. Output
//! goes to the host at once; a writer waits while [`MAX_UNSEEN`] bytes have not been seen there.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::Errno;
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::file::{Events, FileOps};

use crate::{imports, platform};

/// Bytes that may be on their way to the host.
const MAX_UNSEEN: u32 = 1 << 20;
/// Bytes of one output message.
const CHUNK: usize = 1 << 16;

/// What the host writes and a guest reads.
#[derive(Debug)]
pub(crate) struct HostInput {
    stream: u32,
    state: Lock<Input>,
    changed: WaitQueue,
}

#[derive(Debug, Default)]
struct Input {
    bytes: VecDeque<u8>,
    is_ended: bool,
}

impl HostInput {
    /// Appends bytes; none: the end of the input.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        state.bytes.extend(bytes);
        state.is_ended |= bytes.is_empty();
        drop(state);
        self.changed.wake_all();
    }
}

impl FileOps for HostInput {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        let mut state = self.state.lock();
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut total = 0_usize;
        loop {
            let (front, _) = state.bytes.as_slices();
            let len = front.len().min(sink.remaining());
            if len == 0 {
                break;
            }
            match sink.put(front.get(..len).unwrap_or_default()) {
                Ok(()) => drop(state.bytes.drain(..len)),
                Err(error) if total == 0 => return Err(error.into()),
                Err(_) => break,
            }
            total = total.saturating_add(len);
        }
        if total == 0 {
            return if state.is_ended {
                Ok(0)
            } else {
                Err(Stall::WouldBlock)
            };
        }
        drop(state);
        imports::input_taken(self.stream, u32::try_from(total).unwrap_or(u32::MAX));
        Ok(total)
    }

    fn events(&self) -> Events {
        let state = self.state.lock();
        match (state.bytes.is_empty(), state.is_ended) {
            (false, _) => Events::IN,
            (true, true) => Events::IN | Events::HUP,
            (true, false) => Events::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

/// What a guest writes and the host reads.
#[derive(Debug)]
pub(crate) struct HostOutput {
    stream: u32,
    state: Lock<Output>,
    seen: WaitQueue,
}

#[derive(Debug, Default)]
struct Output {
    /// Bytes that the host has not passed on.
    unseen: u32,
    /// The host wants no more: a pipe without readers.
    is_closed: bool,
}

impl HostOutput {
    /// The host has passed `len` bytes on.
    pub(crate) fn seen(&self, len: u32) {
        let mut state = self.state.lock();
        state.unseen = state.unseen.saturating_sub(len);
        drop(state);
        self.seen.wake_all();
    }

    /// The host takes no more: writers get `EPIPE`.
    fn close(&self) {
        self.state.lock().is_closed = true;
        self.seen.wake_all();
    }
}

impl FileOps for HostOutput {
    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Stall::Failed(Errno::EPIPE.into()));
        }
        if state.unseen >= MAX_UNSEEN {
            return Err(Stall::WouldBlock);
        }
        let mut chunk = vec![0; source.remaining().min(CHUNK)];
        source.take(&mut chunk)?;
        platform::output(self.stream, &chunk);
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        state.unseen = state.unseen.saturating_add(len);
        Ok(chunk.len())
    }

    fn events(&self) -> Events {
        let state = self.state.lock();
        if state.is_closed {
            Events::OUT | Events::ERR
        } else if state.unseen < MAX_UNSEEN {
            Events::OUT
        } else {
            Events::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.seen)
    }
}

/// A stream by its number.
#[derive(Clone, Debug)]
pub(crate) enum Stream {
    /// From the host.
    Input(Arc<HostInput>),
    /// To the host.
    Output(Arc<HostOutput>),
}

/// The streams of a pod.
#[derive(Debug, Default)]
pub(crate) struct Streams(Lock<SortedMap<u32, Stream>>);

impl Streams {
    /// Makes input stream `stream`.
    pub(crate) fn open_input(&self, stream: u32) -> Arc<HostInput> {
        let input = Arc::new(HostInput {
            stream,
            state: Lock::new(Input::default()),
            changed: WaitQueue::new(),
        });
        self.0
            .lock()
            .insert(stream, Stream::Input(Arc::clone(&input)));
        input
    }

    /// Makes output stream `stream`.
    pub(crate) fn open_output(&self, stream: u32) -> Arc<HostOutput> {
        let output = Arc::new(HostOutput {
            stream,
            state: Lock::new(Output::default()),
            seen: WaitQueue::new(),
        });
        self.0
            .lock()
            .insert(stream, Stream::Output(Arc::clone(&output)));
        output
    }

    /// The stream with this number.
    pub(crate) fn find(&self, stream: u32) -> Result<Stream, Errno> {
        self.0.lock().get(&stream).cloned().ok_or(Errno::EBADF)
    }

    /// Forgets a stream; files that refer to it stay open, but what is written is refused.
    pub(crate) fn close(&self, stream: u32) {
        let closed = self.0.lock().remove(&stream);
        if let Some(Stream::Output(output)) = closed {
            output.close();
        }
    }
}
