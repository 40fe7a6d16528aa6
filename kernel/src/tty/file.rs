//! Terminals as open files: a [`Tty`] reads and writes, a [`TtyFile`] is one description of it.
//!
//! A hang-up ends the descriptions of a terminal and not the terminal: what is opened later works
//! (vhangup(2)). Each description remembers the generation that it was opened in.

use std::sync::Arc;

use abi::flags::{ICANON, TIOCSPGRP, VMIN, VTIME};
use abi::{Errno, Result};
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::file::{Events, FileOps, GuestMemory};

use super::Tty;

/// Bytes of a write that are processed at a time.
const CHUNK: usize = 512;
/// Nanoseconds in a tenth of a second, the unit of `VTIME`.
const DECISECOND_NS: u64 = 100_000_000;

impl Tty {
    /// What a new description of it asks.
    ///
    /// # Errors
    /// `EIO` when the other side is gone, and for a slave that `TIOCSPTLCK` keeps closed.
    pub fn open(self: &Arc<Self>) -> Result<Arc<dyn FileOps>> {
        if self.is_gone() {
            return Err(Errno::EIO.because("the terminal hung up"));
        }
        if self.host.is_locked() {
            return Err(Errno::EIO.because("the slave is locked"));
        }
        self.host.opened();
        Ok(Arc::new(TtyFile {
            tty: Arc::clone(self),
            generation: self.lock().generation,
        }))
    }
}

/// One description of a terminal.
#[derive(Debug)]
struct TtyFile {
    tty: Arc<Tty>,
    /// Of the terminal when it was opened.
    generation: u32,
}

impl TtyFile {
    fn is_hung_up(&self) -> bool {
        self.tty.lock().generation != self.generation
    }
}

impl Drop for TtyFile {
    fn drop(&mut self) {
        self.tty.host.closed();
    }
}

impl FileOps for TtyFile {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if self.is_hung_up() {
            return Ok(0);
        }
        self.tty.try_read(sink)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        if self.is_hung_up() {
            return Err(Errno::EIO.into());
        }
        self.tty.try_write(source)
    }

    fn try_read_part(&self, sink: &mut dyn Sink) -> Try<usize> {
        if self.is_hung_up() {
            return Err(Stall::WouldBlock);
        }
        self.tty.try_read_part(sink)
    }

    fn events(&self) -> Events {
        if self.is_hung_up() {
            return Events::IN | Events::OUT | Events::ERR | Events::HUP;
        }
        self.tty.events()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.tty.wait_queue()
    }

    fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        self.tty.read_deadline_ns(started_ns)
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        if self.is_hung_up() {
            return Err(if request == TIOCSPGRP {
                Errno::ENOTTY.into()
            } else {
                Errno::EIO.because("the terminal hung up")
            });
        }
        self.tty.ioctl(request, argument, memory)
    }

    /// `None` after a hang-up: job control has nothing to say about it any more.
    fn terminal(&self) -> Option<u64> {
        (!self.is_hung_up()).then_some(self.tty.id)
    }
}

impl FileOps for Tty {
    /// Reads a line, or with `ICANON` off what `VMIN` asks for: bytes stay in the buffer until that
    /// many are there.
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_gone {
            return Ok(0);
        }
        if !state.termios.has_local(ICANON) {
            let nr_bytes = state.input.nr_readable(&state.termios);
            if nr_bytes < state.least().min(sink.remaining()) {
                let timeout_ns = u64::from(state.termios.cc(VTIME)).saturating_mul(DECISECOND_NS);
                let is_late = timeout_ns > 0
                    && nr_bytes > 0
                    && self.host.now_ns() >= state.last_input_ns.saturating_add(timeout_ns);
                if !is_late {
                    return Err(Stall::WouldBlock);
                }
            }
            if nr_bytes == 0 && state.is_polling_read() {
                return Ok(0);
            }
        }
        let result = state.input.try_read(&state.termios, sink);
        self.unlock(guard);
        result
    }

    fn try_read_part(&self, sink: &mut dyn Sink) -> Try<usize> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_gone || state.termios.has_local(ICANON) || sink.remaining() == 0 {
            return Err(Stall::WouldBlock);
        }
        let result = state.input.try_read(&state.termios, sink);
        self.unlock(guard);
        result
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_gone {
            return Err(Errno::EIO.into());
        }
        let mut moved = 0_usize;
        let mut refused = None;
        let mut chunk = [0; CHUNK];
        loop {
            let wanted = source.remaining().min(CHUNK).min(state.write_room());
            let Some(bytes) = chunk.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if let Err(error) = source.take(bytes) {
                refused = Some(error);
                break;
            }
            for &byte in &*bytes {
                state.output.put(&state.termios, byte);
            }
            moved = moved.saturating_add(wanted);
            self.show(state);
        }
        self.unlock(guard);
        match refused {
            _ if moved > 0 => Ok(moved),
            Some(error) => Err(error.into()),
            None if source.remaining() > 0 => Err(Stall::WouldBlock),
            None => Ok(0),
        }
    }

    fn events(&self) -> Events {
        let state = self.lock();
        if state.is_gone {
            return Events::IN | Events::OUT | Events::ERR | Events::HUP;
        }
        let mut events = Events::empty();
        let least = if state.termios.cc(VTIME) == 0 {
            state.least()
        } else {
            1
        };
        if state.input.is_readable(&state.termios, least) {
            events |= Events::IN;
        }
        if state.write_room() > 0 {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }

    /// When a read that began at `started_ns` has to be tried again although nothing was typed:
    /// `VTIME`. At that time [`FileOps::try_read`] gives what is there, or the caller answers 0.
    fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        let state = self.lock();
        if state.termios.has_local(ICANON) {
            return None;
        }
        let timeout_ns = u64::from(state.termios.cc(VTIME)).saturating_mul(DECISECOND_NS);
        if timeout_ns == 0 {
            None
        } else if state.termios.cc(VMIN) == 0 {
            Some(started_ns.saturating_add(timeout_ns))
        } else if state.input.nr_readable(&state.termios) > 0 {
            Some(
                state
                    .last_input_ns
                    .max(started_ns)
                    .saturating_add(timeout_ns),
            )
        } else {
            None
        }
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        self.plain_ioctl(request, argument, memory)
    }

    fn terminal(&self) -> Option<u64> {
        Some(self.id)
    }
}
