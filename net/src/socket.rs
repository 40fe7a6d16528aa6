//! What a family of sockets offers to the calls of socket(7).

use std::fmt;
use std::sync::Arc;

use abi::Result;
use executor::wait_queue::WaitQueue;
use fs::io::Try;
use fs::vfs::file::Events;
use fs::vfs::path::Location;

use crate::message::{Credentials, Incoming, Outgoing, Received};
use crate::options::Options;
use crate::unix::UnixSocket;

/// Which halves `shutdown(2)` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Receiving.
    Read,
    /// Sending.
    Write,
    /// Both.
    Both,
}

/// Another socket, found by its address.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A socket of this pod.
    Unix(Arc<UnixSocket>),
    /// `AF_UNSPEC`: connecting to it ends an association.
    Nobody,
}

/// Who makes a call, for what a family asks of the file system.
pub trait Caller {
    /// Its effective ids: what a peer is told.
    fn credentials(&self) -> Credentials;

    /// Makes the name of a socket at `path`, with all permissions but those of the umask.
    ///
    /// # Errors
    /// `EEXIST`, and as `mknod(2)`.
    fn make_socket_name(&self, path: &[u8]) -> Result<Location>;

    /// Finds what is at `path` and may be written by the caller.
    ///
    /// # Errors
    /// `EACCES`, `ENOENT`, and as any walk.
    fn find_socket_name(&self, path: &[u8]) -> Result<Location>;
}

/// A socket of any family. Addresses are as in `struct sockaddr`, with the family in front.
///
/// What cannot be done now says `WouldBlock`: wait on [`Socket::wait_queue`] and try again.
pub trait Socket: Send + Sync + fmt::Debug {
    /// `AF_*`.
    fn domain(&self) -> i32;

    /// `SOCK_*`.
    fn kind(&self) -> i32;

    /// The number in `socket:[N]`, also of the inode.
    fn number(&self) -> u64;

    /// Whether it is a stream: bytes without boundaries, and `SIGPIPE` at its end.
    fn is_stream(&self) -> bool {
        self.kind() == abi::flags::SOCK_STREAM
    }

    /// What `setsockopt(2)` has set.
    fn options(&self) -> &Options;

    /// `bind(2)`.
    ///
    /// # Errors
    /// `EADDRINUSE`, `EINVAL` when it has an address or this is none, and those of the caller.
    fn bind(&self, caller: &dyn Caller, address: &[u8]) -> Result<()>;

    /// `listen(2)`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EINVAL` without an address.
    fn listen(&self, caller: &dyn Caller, backlog: i32) -> Result<()>;

    /// The next connection of a listening socket.
    ///
    /// # Errors
    /// `WouldBlock`, `EINVAL`, `EOPNOTSUPP`.
    fn try_accept(&self) -> Try<Arc<dyn Socket>>;

    /// Finds the socket that an address means.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EINVAL`, `EPROTOTYPE`, and those of the caller.
    fn find(&self, caller: &dyn Caller, address: &[u8]) -> Result<Peer>;

    /// `connect(2)` to what [`Socket::find`] has found.
    ///
    /// # Errors
    /// `WouldBlock`, `ECONNREFUSED`, `EISCONN`, `EINVAL`, `EPERM`.
    fn try_connect(&self, caller: Credentials, peer: &Peer) -> Try<()>;

    /// Gives it an address when it needs one to be answered (`SO_PASSCRED` of AF_UNIX).
    fn prepare_to_send(&self) {}

    /// `shutdown(2)`.
    ///
    /// # Errors
    /// `ENOTCONN`
    fn shutdown(&self, how: Shutdown) -> Result<()>;

    /// Its address.
    fn local_address(&self) -> Vec<u8>;

    /// The address of its peer.
    ///
    /// # Errors
    /// `ENOTCONN`
    fn peer_address(&self) -> Result<Vec<u8>>;

    /// `SO_PEERCRED`.
    fn peer_credentials(&self) -> Credentials;

    /// `SO_ACCEPTCONN`.
    fn is_listening(&self) -> bool;

    /// `SO_ERROR`: the pending error, which is over then; 0 for none.
    fn take_error(&self) -> i32;

    /// Sends a datagram, or a part of the bytes of a stream; returns bytes taken.
    ///
    /// # Errors
    /// `WouldBlock`, `EPIPE`, `ENOTCONN`, `ECONNREFUSED`, `ECONNRESET`, `EISCONN`, `EMSGSIZE`,
    /// `EDESTADDRREQ`, `EPERM`, `ETOOMANYREFS`, `ENOMEM`, and what the source says.
    fn try_send(&self, message: &mut Outgoing<'_>) -> Try<usize>;

    /// Receives a datagram, or what a stream has.
    ///
    /// # Errors
    /// `WouldBlock`, `EINVAL`, `ENOTCONN`, `ECONNRESET`, and what the sink says.
    fn try_receive(&self, incoming: &mut Incoming<'_>) -> Try<Received>;

    /// `FIONREAD`: bytes to be read, of the next datagram if it has such.
    ///
    /// # Errors
    /// `EINVAL` when it listens.
    fn readable_bytes(&self) -> Result<usize>;

    /// `TIOCOUTQ`: bytes that were sent and not received.
    ///
    /// # Errors
    /// `EINVAL` when it listens.
    fn unread_bytes(&self) -> Result<usize>;

    /// What could be done now without waiting.
    fn events(&self) -> Events;

    /// Woken whenever anything that a caller may wait for has changed.
    fn wait_queue(&self) -> &WaitQueue;

    /// Its last open file was closed.
    fn release(&self);
}
