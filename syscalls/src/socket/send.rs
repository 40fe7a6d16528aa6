//! Sending: sendto(2), sendmsg(2), and write(2) to a socket.

use std::sync::Arc;

use abi::flags::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, SOCK_DGRAM, SOCK_STREAM};
use abi::layout::MsgHdr;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use kernel::call::Outcome;
use kernel::open_file::OpenFile;
use kernel::socket::{Patience, Sending, SocketUser};
use net::message::Credentials;
use net::socket::{Peer, Socket};

use super::control::{Carried, read as read_control};
use super::{address_at, buffer_of, socket_at};
use crate::buffer::UserBuffer;
use crate::context::Cx;
use crate::file::with_sigpipe;

/// What a message of sendto(2) or sendmsg(2) is made of.
struct Parts {
    buffer: UserBuffer,
    /// Empty: to the peer.
    address: Vec<u8>,
    carried: Carried,
    flags: u32,
}

/// sendto(2): without an address it is send(2).
pub(crate) fn sendto(
    cx: Cx<'_>,
    fd: Fd,
    buf: UserAddr,
    len: usize,
    flags: u32,
    address: UserAddr,
    address_len: i32,
) -> Result<Outcome<usize>> {
    let (file, socket) = socket_at(cx, fd)?;
    let address = if address.is_null() {
        Vec::new()
    } else {
        address_at(cx, address, address_len)?
    };
    let parts = Parts {
        buffer: UserBuffer::new(cx, buf, len),
        address,
        carried: Carried::default(),
        flags,
    };
    send(cx, &file, &socket, parts)
}

/// sendmsg(2).
pub(crate) fn sendmsg(cx: Cx<'_>, fd: Fd, message: UserAddr, flags: u32) -> Result<Outcome<usize>> {
    let (file, socket) = socket_at(cx, fd)?;
    send_message(cx, &file, &socket, message, flags)
}

/// sendmsg(2) to a socket that was found.
pub(super) fn send_message(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    message: UserAddr,
    flags: u32,
) -> Result<Outcome<usize>> {
    let header = MsgHdr::from_bytes(&cx.copy_in(message)?);
    let address = if header.name == 0 {
        Vec::new()
    } else {
        // As in Linux, a length over that of all addresses is cut here.
        let len = header.name_len.min(super::ADDRESS_MAX);
        address_at(cx, UserAddr(header.name), len)?
    };
    let parts = Parts {
        buffer: buffer_of(cx, &header)?,
        address,
        carried: read_control(cx, &header)?,
        flags,
    };
    send(cx, file, socket, parts)
}

fn send(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    parts: Parts,
) -> Result<Outcome<usize>> {
    if parts.flags & MSG_OOB != 0 {
        return Err(Errno::EOPNOTSUPP.because("no urgent data"));
    }
    let process = cx.process();
    let user = SocketUser::new(cx.kernel, &process);
    let to = match socket.kind() {
        _ if parts.address.is_empty() => None,
        SOCK_DGRAM => Some(socket.find(&user, &parts.address)?),
        // A stream goes to its peer: that there is an address is an error, whatever it says.
        SOCK_STREAM => Some(Peer::Nobody),
        _ => None,
    };
    socket.prepare_to_send();
    let credentials = process.credentials();
    let sending = Sending {
        source: parts.buffer,
        to,
        sender: Credentials {
            pid: process.pid,
            uid: credentials.user.real,
            gid: credentials.group.real,
        },
        claimed: parts.carried.credentials,
        files: parts.carried.files,
    };
    let patience = Patience {
        is_nonblocking: file.is_nonblocking() || parts.flags & MSG_DONTWAIT != 0,
        timeout_ns: socket.options().send_timeout.nanoseconds(),
    };
    let outcome = kernel::socket::send(cx.task, socket, sending, patience);
    Ok(if socket.is_stream() && parts.flags & MSG_NOSIGNAL == 0 {
        with_sigpipe(cx, outcome)
    } else {
        outcome
    })
}

/// write(2) and writev(2).
pub(crate) fn write(
    cx: Cx<'_>,
    file: &OpenFile,
    socket: &Arc<dyn Socket>,
    buffer: UserBuffer,
) -> Result<Outcome<usize>> {
    let parts = Parts {
        buffer,
        address: Vec::new(),
        carried: Carried::default(),
        flags: 0,
    };
    send(cx, file, socket, parts)
}
