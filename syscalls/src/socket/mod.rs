//! Sockets: socket(2), bind(2), listen(2), accept(2), connect(2), shutdown(2) and their addresses.
//!
//! - `send`, `receive`: moving messages; `control`: what they carry besides bytes
//! - `batch`: sendmmsg(2) and recvmmsg(2); `option`: getsockopt(2) and setsockopt(2)

mod batch;
mod control;
mod option;
mod receive;
mod send;

use std::sync::Arc;

use abi::flags::{
    O_NONBLOCK, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_TYPE_MASK,
};
use abi::layout::MsgHdr;
use abi::limits::IOV_MAX;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use kernel::Kernel;
use kernel::call::Outcome;
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::platform::UserMemory;
use kernel::process::Process;
use kernel::socket::{Patience, SocketUser, open_socket, socket_of};
use net::socket::{Caller as _, Shutdown, Socket};

pub(crate) use batch::{recvmmsg_time64, sendmmsg};
pub(crate) use option::{getsockopt, setsockopt};
pub(crate) use receive::{read, receive_into, recvfrom, recvmsg};
pub(crate) use send::{sendmsg, sendto, write};

use crate::buffer::UserBuffer;
use crate::context::Cx;
use crate::fd::limit;

/// Bytes of the longest address, `struct sockaddr_storage`.
const ADDRESS_MAX: i32 = 128;
/// Bytes of the kernel's memory that an open file takes, about.
const OPEN_FILE_BYTES: u64 = 1 << 10;

/// The open file and the socket behind a descriptor.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
fn socket_at(cx: Cx<'_>, fd: Fd) -> Result<(Arc<OpenFile>, Arc<dyn Socket>)> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.because("opened with O_PATH"));
    }
    let socket = socket_of(&file).map(Arc::clone);
    let socket = socket.ok_or_else(|| Errno::ENOTSOCK.because("no socket"))?;
    Ok((file, socket))
}

/// The bytes of an address that a guest gives.
///
/// # Errors
/// `EINVAL` for a length that no address has, `EFAULT`.
fn address_at(cx: Cx<'_>, address: UserAddr, len: i32) -> Result<Vec<u8>> {
    if !(0..=ADDRESS_MAX).contains(&len) {
        return Err(Errno::EINVAL.because("no length of an address"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::EINVAL)?];
    if !bytes.is_empty() {
        crate::context::not_null(address)?;
        cx.memory().copy_in(address.0, &mut bytes)?;
    }
    Ok(bytes)
}

/// The buffers of a message.
///
/// # Errors
/// `EMSGSIZE` when there are too many, `EINVAL`, `EFAULT`.
fn buffer_of(cx: Cx<'_>, header: &MsgHdr) -> Result<UserBuffer> {
    if header.nr_iov > IOV_MAX {
        return Err(Errno::EMSGSIZE.because("over 1024 buffers"));
    }
    UserBuffer::from_iovec(cx, UserAddr(header.iov), header.nr_iov)
}

/// Writes an address, cut to the room that the guest has for it, and its whole length.
///
/// # Errors
/// `EFAULT`, `EINVAL` for a negative length.
fn put_address(
    memory: &dyn UserMemory,
    address: UserAddr,
    len: UserAddr,
    bytes: &[u8],
) -> Result<()> {
    crate::context::not_null(len)?;
    let mut room = [0; 4];
    memory.copy_in(len.0, &mut room)?;
    let room = usize::try_from(i32::from_le_bytes(room))
        .map_err(|_| Errno::EINVAL.because("a negative length"))?;
    let cut = bytes.get(..room).unwrap_or(bytes);
    if !cut.is_empty() {
        crate::context::not_null(address)?;
        memory.copy_out(address.0, cut)?;
    }
    let full = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    memory.copy_out(len.0, &full.to_le_bytes())
}

/// The flags of a new socket's open file and descriptor.
///
/// # Errors
/// `EINVAL` for others.
fn flags_of(flags: i32) -> Result<(u32, OnExec)> {
    if flags & !(SOCK_CLOEXEC | SOCK_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.because("sockets know SOCK_CLOEXEC and SOCK_NONBLOCK"));
    }
    let file_flags = if flags & SOCK_NONBLOCK == 0 {
        0
    } else {
        O_NONBLOCK
    };
    let on_exec = if flags & SOCK_CLOEXEC == 0 {
        OnExec::Keep
    } else {
        OnExec::Close
    };
    Ok((file_flags, on_exec))
}

/// An open file of `socket` that belongs to `process`. From here on the socket is closed with it.
fn file_of(
    kernel: &Kernel,
    process: &Process,
    socket: Arc<dyn Socket>,
    flags: u32,
) -> Arc<OpenFile> {
    let credentials = process.credentials();
    let owner = (credentials.user.files, credentials.group.files);
    open_socket(socket, flags, owner, kernel.now())
}

/// socket(2).
pub(crate) fn socket(cx: Cx<'_>, domain: i32, kind: i32, protocol: i32) -> Result<Fd> {
    let (flags, on_exec) = flags_of(kind & !SOCK_TYPE_MASK)?;
    cx.kernel.budget().admit(OPEN_FILE_BYTES)?;
    let network = &cx.kernel.network;
    let socket = network.socket(domain, kind & SOCK_TYPE_MASK, protocol)?;
    let process = cx.process();
    let file = file_of(cx.kernel, &process, socket, flags);
    let limit = limit(&process);
    process.files().install(file, on_exec, limit)
}

/// socketpair(2): the descriptors go to `fds`; a failure leaves none behind.
pub(crate) fn socketpair(
    cx: Cx<'_>,
    domain: i32,
    kind: i32,
    protocol: i32,
    fds: UserAddr,
) -> Result<()> {
    let (flags, on_exec) = flags_of(kind & !SOCK_TYPE_MASK)?;
    cx.kernel.budget().admit(2 * OPEN_FILE_BYTES)?;
    let process = cx.process();
    let owner = SocketUser::new(cx.kernel, &process).credentials();
    let kind = kind & SOCK_TYPE_MASK;
    let pair = cx.kernel.network.pair(domain, kind, protocol, owner)?;
    let [one, other] = pair.map(|socket| file_of(cx.kernel, &process, socket, flags));
    let limit = limit(&process);
    let close = |fd: Fd| drop(process.files().close(fd));
    let one = process.files().install(one, on_exec, limit)?;
    let other = process.files().install(other, on_exec, limit);
    let other = other.inspect_err(|_| close(one))?;
    let words = [one, other].map(|fd| fd.0.to_le_bytes());
    cx.copy_out(fds, words.as_flattened()).inspect_err(|_| {
        close(one);
        close(other);
    })
}

/// bind(2).
pub(crate) fn bind(cx: Cx<'_>, fd: Fd, address: UserAddr, len: i32) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    let address = address_at(cx, address, len)?;
    socket.bind(&SocketUser::new(cx.kernel, &cx.process()), &address)
}

/// listen(2).
pub(crate) fn listen(cx: Cx<'_>, fd: Fd, backlog: i32) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    socket.listen(&SocketUser::new(cx.kernel, &cx.process()), backlog)
}

/// connect(2): waits while the listener's queue is full, for `SO_SNDTIMEO` at most.
pub(crate) fn connect(cx: Cx<'_>, fd: Fd, address: UserAddr, len: i32) -> Result<Outcome<()>> {
    let (file, socket) = socket_at(cx, fd)?;
    let address = address_at(cx, address, len)?;
    let user = SocketUser::new(cx.kernel, &cx.process());
    let peer = socket.find(&user, &address)?;
    let patience = Patience {
        is_nonblocking: file.is_nonblocking(),
        timeout_ns: socket.options().send_timeout.nanoseconds(),
    };
    Ok(kernel::socket::connect(
        cx.task,
        &socket,
        user.credentials(),
        peer,
        patience,
    ))
}

/// accept(2).
pub(crate) fn accept(cx: Cx<'_>, fd: Fd, address: UserAddr, len: UserAddr) -> Result<Outcome<Fd>> {
    accept4(cx, fd, address, len, 0)
}

/// accept4(2): waits for a connection, for `SO_RCVTIMEO` at most. One that comes while there is no
/// descriptor for it, or no room for its address, is lost, as in Linux.
pub(crate) fn accept4(
    cx: Cx<'_>,
    fd: Fd,
    address: UserAddr,
    len: UserAddr,
    flags: i32,
) -> Result<Outcome<Fd>> {
    let (flags, on_exec) = flags_of(flags)?;
    let (file, socket) = socket_at(cx, fd)?;
    let process = cx.process();
    let limit = limit(&process);
    if !process.files().has_room(limit) {
        return Err(Errno::EMFILE.into());
    }
    cx.kernel.budget().admit(OPEN_FILE_BYTES)?;
    let patience = Patience {
        is_nonblocking: file.is_nonblocking(),
        timeout_ns: socket.options().receive_timeout.nanoseconds(),
    };
    let kernel = Arc::clone(cx.kernel);
    let memory = Arc::clone(cx.memory());
    let outcome = kernel::socket::accept(cx.task, &socket, patience);
    Ok(outcome.then(move |answer| {
        let accepted = answer?;
        let peer = accepted.peer_address();
        let file = file_of(&kernel, &process, accepted, flags);
        if !address.is_null() {
            // A peer that has gone already has no address.
            let bytes = peer.map_err(|_| Errno::ECONNABORTED)?;
            put_address(&*memory, address, len, &bytes)?;
        }
        Ok(process.files().install(file, on_exec, limit)?)
    }))
}

/// shutdown(2).
pub(crate) fn shutdown(cx: Cx<'_>, fd: Fd, how: i32) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    socket.shutdown(match how {
        SHUT_RD => Shutdown::Read,
        SHUT_WR => Shutdown::Write,
        SHUT_RDWR => Shutdown::Both,
        _ => return Err(Errno::EINVAL.because("no such half")),
    })
}

/// getsockname(2).
pub(crate) fn getsockname(cx: Cx<'_>, fd: Fd, address: UserAddr, len: UserAddr) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    put_address(&**cx.memory(), address, len, &socket.local_address())
}

/// getpeername(2).
pub(crate) fn getpeername(cx: Cx<'_>, fd: Fd, address: UserAddr, len: UserAddr) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    put_address(&**cx.memory(), address, len, &socket.peer_address()?)
}
