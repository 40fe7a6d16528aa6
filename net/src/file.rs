//! A socket as an open file: read(2), write(2), poll(2), ioctl(2).

use std::any::Any;
use std::sync::Arc;

use abi::flags::{FIONREAD, TIOCOUTQ};
use abi::{Errno, Result};
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Try};
use fs::vfs::file::{Events, FileOps, GuestMemory};

use crate::message::{Incoming, Outgoing};
use crate::socket::Socket;

/// What an open file description of a socket holds.
#[derive(Debug)]
pub struct SocketFile {
    socket: Arc<dyn Socket>,
}

impl SocketFile {
    /// The file of `socket`: dropping the description releases it.
    pub fn new(socket: Arc<dyn Socket>) -> Arc<Self> {
        Arc::new(Self { socket })
    }

    /// The socket.
    pub const fn socket(&self) -> &Arc<dyn Socket> {
        &self.socket
    }
}

impl FileOps for SocketFile {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        // As System V: nothing wanted, nothing taken, not even an empty datagram.
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut incoming = Incoming {
            sink,
            flags: 0,
            only_from: None,
        };
        Ok(self.socket.try_receive(&mut incoming)?.len)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        self.socket.try_send(&mut Outgoing {
            source,
            to: None,
            sender: None,
            claimed: None,
            files: &mut Vec::new(),
        })
    }

    fn events(&self) -> Events {
        self.socket.events()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(self.socket.wait_queue())
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        let bytes = match request {
            FIONREAD => self.socket.readable_bytes()?,
            TIOCOUTQ => self.socket.unread_bytes()?,
            _ => return Err(Errno::ENOTTY.into()),
        };
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        memory.copy_out(argument, &bytes.to_le_bytes())?;
        Ok(0)
    }

    fn release(&self) {
        self.socket.release();
    }
}
