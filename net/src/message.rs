//! What goes through a socket besides bytes: credentials and open files.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use fs::io::{Sink, Source};

use crate::socket::{Peer, Socket};

/// Who sent something, or made a connection: `struct ucred`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Credentials {
    /// The peer of a socket that has none (`SO_PEERCRED`).
    pub const NOBODY: Self = Self {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    /// The sender of a message that carries no credentials: the overflow user.
    pub const UNKNOWN: Self = Self {
        pid: 0,
        uid: 65534,
        gid: 65534,
    };
}

/// An open file that is sent to another process (`SCM_RIGHTS`).
pub trait PassedFile: Send + Sync + fmt::Debug {
    /// A number that no other open file ever has.
    fn id(&self) -> u64;

    /// The socket that it is, if it is one: those may lie in their own queues.
    fn socket(&self) -> Option<&Arc<dyn Socket>>;

    /// The file, for whoever knows its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Something to be sent.
pub struct Outgoing<'a> {
    /// The bytes.
    pub source: &'a mut dyn Source,
    /// Where it goes; `None`: to the peer.
    pub to: Option<&'a Peer>,
    /// Who sends it; `None`: the kernel.
    pub sender: Option<Credentials>,
    /// What the sender says it is (`SCM_CREDENTIALS`), checked.
    pub claimed: Option<Credentials>,
    /// Open files to be sent along; taken with the first bytes.
    pub files: &'a mut Vec<Arc<dyn PassedFile>>,
}

/// Room for something to be received.
pub struct Incoming<'a> {
    /// Where the bytes go.
    pub sink: &'a mut dyn Sink,
    /// `MSG_PEEK`, `MSG_DONTWAIT`, `MSG_WAITALL`; the rest is the caller's business.
    pub flags: u32,
    /// The sender of what the call has got already: a stream that tells senders does not mix them.
    pub only_from: Option<Credentials>,
}

/// What was received.
#[derive(Debug, Default)]
pub struct Received {
    /// Bytes put into the sink.
    pub len: usize,
    /// Bytes of the whole datagram; of a stream as `len`.
    pub full_len: usize,
    /// The sender's address, if it has one.
    pub from: Option<Vec<u8>>,
    /// Who sent it, for `SO_PASSCRED`.
    pub credentials: Option<Credentials>,
    /// Open files that came along.
    pub files: Vec<Arc<dyn PassedFile>>,
    /// Whether the call ends here although there may be more: the end of a message or of the
    /// stream, or something that does not go together with what follows.
    pub is_complete: bool,
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("len", &self.source.remaining())
            .field("to", &self.to)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("room", &self.sink.remaining())
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
