//! Receiving: recvfrom(2), recvmsg(2), and read(2) from a socket.

use std::sync::Arc;

use abi::flags::{MSG_DONTWAIT, MSG_ERRQUEUE, MSG_OOB, MSG_TRUNC};
use abi::layout::MsgHdr;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::Sink;
use kernel::call::Outcome;
use kernel::open_file::OpenFile;
use kernel::platform::UserMemory;
use kernel::process::Process;
use kernel::socket::Patience;
use net::message::Received;
use net::socket::Socket;

use super::control::Room;
use super::{buffer_of, put_address, socket_at};
use crate::buffer::UserBuffer;
use crate::context::Cx;

/// What is received into `buffer`.
///
/// # Errors
/// `EOPNOTSUPP` for urgent data, `EAGAIN` for the queue of errors, which is empty.
fn receive(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    buffer: UserBuffer,
    flags: u32,
) -> Result<Outcome<Received>> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP.because("no urgent data"));
    }
    if flags & MSG_ERRQUEUE != 0 {
        return Err(Errno::EAGAIN.because("no errors are queued"));
    }
    let patience = Patience {
        is_nonblocking: file.is_nonblocking() || flags & MSG_DONTWAIT != 0,
        timeout_ns: socket.options().receive_timeout.nanoseconds(),
    };
    Ok(kernel::socket::receive(
        cx.task, socket, buffer, flags, patience,
    ))
}

/// What the call answers: with `MSG_TRUNC`, a datagram's whole length.
const fn answer_of(received: &Received, flags: u32) -> usize {
    if flags & MSG_TRUNC == 0 {
        received.len
    } else {
        received.full_len
    }
}

/// recvfrom(2): without an address it is recv(2).
pub(crate) fn recvfrom(
    cx: Cx<'_>,
    fd: Fd,
    buf: UserAddr,
    len: usize,
    flags: u32,
    address: UserAddr,
    address_len: UserAddr,
) -> Result<Outcome<usize>> {
    let (file, socket) = socket_at(cx, fd)?;
    let buffer = UserBuffer::new(cx, buf, len);
    let memory = Arc::clone(cx.memory());
    let outcome = receive(cx, &file, &socket, buffer, flags)?;
    Ok(outcome.then(move |answer| {
        let received = answer?;
        if !address.is_null() {
            let from = received.from.as_deref().unwrap_or_default();
            put_address(&*memory, address, address_len, from)?;
        }
        Ok(answer_of(&received, flags))
    }))
}

/// As recv(2) into buffers that were looked at: how many bytes came, and whether more were cut off.
pub(crate) fn receive_into(
    cx: Cx<'_>,
    fd: Fd,
    buffer: UserBuffer,
    flags: u32,
) -> Result<Outcome<(usize, bool)>> {
    let (file, socket) = socket_at(cx, fd)?;
    let outcome = receive(cx, &file, &socket, buffer, flags)?;
    Ok(outcome.map(|received| (received.len, received.full_len > received.len)))
}

/// recvmsg(2).
pub(crate) fn recvmsg(cx: Cx<'_>, fd: Fd, message: UserAddr, flags: u32) -> Result<Outcome<usize>> {
    let (file, socket) = socket_at(cx, fd)?;
    receive_message(cx, &file, &socket, message, flags)
}

/// recvmsg(2) from a socket that was found.
pub(super) fn receive_message(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    message: UserAddr,
    flags: u32,
) -> Result<Outcome<usize>> {
    let header = MsgHdr::from_bytes(&cx.copy_in(message)?);
    if header.name != 0 && header.name_len < 0 {
        return Err(Errno::EINVAL.because("a negative length"));
    }
    let buffer = buffer_of(cx, &header)?;
    let delivery = Delivery {
        memory: Arc::clone(cx.memory()),
        process: cx.process(),
        socket: Arc::clone(socket),
        header,
        message,
        flags,
    };
    let outcome = receive(cx, file, socket, buffer, flags)?;
    Ok(outcome.then(move |answer| Ok(delivery.finish(answer?)?)))
}

/// Where the parts of a message go.
struct Delivery {
    memory: Arc<dyn UserMemory>,
    process: Arc<Process>,
    socket: Arc<dyn Socket>,
    header: MsgHdr,
    message: UserAddr,
    flags: u32,
}

impl Delivery {
    fn finish(self, mut received: Received) -> Result<usize> {
        let tells_sender = self.socket.options().passes_credentials();
        let mut room = Room::new(&*self.memory, &self.process, &self.header, self.flags);
        room.put_all(&mut received, tells_sender)?;
        let mut header = self.header;
        header.flags = room.flags;
        if received.full_len > received.len {
            header.flags |= MSG_TRUNC;
        }
        header.control_len = room.used;
        if header.name != 0 {
            let from = received.from.as_deref().unwrap_or_default();
            let wanted = usize::try_from(header.name_len).unwrap_or(0);
            let cut = from.get(..wanted).unwrap_or(from);
            self.memory.copy_out(header.name, cut)?;
            header.name_len = i32::try_from(from.len()).unwrap_or(0);
        }
        self.memory.copy_out(self.message.0, &header.to_bytes())?;
        Ok(answer_of(&received, self.flags))
    }
}

/// read(2) and readv(2).
pub(crate) fn read(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    buffer: UserBuffer,
) -> Outcome<u32> {
    // As System V: nothing wanted, nothing taken, not even an empty datagram.
    if Sink::remaining(&buffer) == 0 {
        return Outcome::Ready(Ok(0));
    }
    match receive(cx, file, socket, buffer, 0) {
        Ok(outcome) => outcome.map(|received| u32::try_from(received.len).unwrap_or(0)),
        Err(error) => Outcome::from(Err(error)),
    }
}
