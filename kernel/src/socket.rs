//! Sockets as open files and as calls that wait: the kernel's side of crate `net`.
//!
//! - [`open_socket`]: an open file of a socket; [`socket_of`]: the socket of an open file
//! - [`SocketUser`]: a process, as pathname sockets ask for it
//! - [`receive`], [`send`], [`accept`], [`connect`]: calls that try at once and may wait

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use abi::flags::{MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, O_RDWR, S_IFSOCK};
use abi::{Errno, Result};
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::Follow;
use fs::vfs::file::Events;
use fs::vfs::inode::{FileType, Metadata, Timestamp};
use fs::vfs::path::Location;
use net::file::SocketFile;
use net::message::{Credentials, Incoming, Outgoing, PassedFile, Received};
use net::socket::{Caller, Peer, Socket};

use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::kernel::Kernel;
use crate::open_file::{Anonymous, OpenFile};
use crate::poll::{Attempt, wait_on};
use crate::process::{PathContext, Process};

/// `st_dev` of sockets: minor 8 of the unnamed devices, as `sockfs` often has.
const SOCKET_DEVICE: u64 = 8;
/// `W_OK`: who sends to a socket with a name may write it.
const WRITE: u32 = abi::flags::W_OK;

/// An open file description of `socket`.
///
/// - `flags`: `O_NONBLOCK` counts
/// - `uid`, `gid`: the owner that `fstat(2)` shows
pub fn open_socket(
    socket: Arc<dyn Socket>,
    flags: u32,
    (uid, gid): (u32, u32),
    now: Timestamp,
) -> Arc<OpenFile> {
    let number = socket.number();
    let metadata = Metadata {
        uid,
        gid,
        ..Metadata::anonymous(SOCKET_DEVICE, number, FileType::Socket, 0o777, now)
    };
    let name = Cow::Owned(format!("socket:[{number}]"));
    OpenFile::anonymous(
        SocketFile::new(socket),
        Anonymous { metadata, name },
        O_RDWR | flags,
    )
}

/// The socket that a description is of, if it is.
pub fn socket_of(file: &OpenFile) -> Option<&Arc<dyn Socket>> {
    let ops = file.ops()?.as_any()?.downcast_ref::<SocketFile>()?;
    Some(ops.socket())
}

impl PassedFile for OpenFile {
    fn id(&self) -> u64 {
        Self::id(self)
    }

    fn socket(&self) -> Option<&Arc<dyn Socket>> {
        socket_of(self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// A process that uses sockets.
#[derive(Clone, Debug)]
pub struct SocketUser {
    kernel: Arc<Kernel>,
    context: PathContext,
    credentials: Credentials,
}

impl SocketUser {
    /// `process`, now.
    pub fn new(kernel: &Arc<Kernel>, process: &Process) -> Self {
        let credentials = process.credentials();
        Self {
            kernel: Arc::clone(kernel),
            context: process.path_context(kernel),
            credentials: Credentials {
                pid: process.pid,
                uid: credentials.user.effective,
                gid: credentials.group.effective,
            },
        }
    }
}

impl Caller for SocketUser {
    fn credentials(&self) -> Credentials {
        self.credentials
    }

    fn make_socket_name(&self, path: &[u8]) -> Result<Location> {
        let mode = S_IFSOCK | 0o777;
        self.kernel.vfs.mknod(&self.context.vfs(), path, mode, 0)
    }

    fn find_socket_name(&self, path: &[u8]) -> Result<Location> {
        let context = self.context.vfs();
        let location = self.kernel.vfs.walk(&context, path, Follow::Yes)?;
        context.caller.check(&location.metadata()?, WRITE)?;
        Ok(location)
    }
}

/// How long a call waits, and what happens to it when a signal comes: with a time limit it is not
/// made again (signal(7)).
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Not at all: `O_NONBLOCK`, `MSG_DONTWAIT`.
    pub is_nonblocking: bool,
    /// Nanoseconds; `None`: for ever.
    pub timeout_ns: Option<u64>,
}

impl Patience {
    /// What cannot be done now ends the call when it may not wait.
    fn check<T>(self, result: Try<T>) -> Try<T> {
        match result {
            Err(Stall::WouldBlock) if self.is_nonblocking => Err(Errno::EAGAIN.into()),
            result => result,
        }
    }

    /// What a call that waited in vain answers.
    fn fault(self, fault: Fault) -> Fault {
        match fault {
            Fault::TimedOut => Errno::EAGAIN.into(),
            Fault::Interrupted(_) if self.timeout_ns.is_some() => Errno::EINTR.into(),
            fault => fault,
        }
    }

    fn wait<S: Sleeper, A: Attempt>(
        self,
        sleeper: &Arc<S>,
        socket: &dyn Socket,
        attempt: A,
    ) -> Outcome<A::Output>
    where
        A::Output: 'static,
    {
        let deadline_ns = self
            .timeout_ns
            .map(|timeout_ns| sleeper.now_ns().saturating_add(timeout_ns));
        let queue = Some(socket.wait_queue());
        wait_on(sleeper, queue, deadline_ns, Restart::Sys, attempt)
    }
}

/// `accept(2)`: the socket of the next connection.
pub fn accept<S: Sleeper>(
    sleeper: &Arc<S>,
    socket: &Arc<dyn Socket>,
    patience: Patience,
) -> Outcome<Arc<dyn Socket>> {
    let listener = Arc::clone(socket);
    let attempt = Simple {
        attempt: move || match listener.try_accept() {
            // Of a listener that was shut down, who may wait would wait for ever.
            Err(Stall::WouldBlock)
                if !patience.is_nonblocking && listener.events().intersects(Events::RDHUP) =>
            {
                Err(Errno::EINVAL.because("it was shut down").into())
            }
            result => result,
        },
        patience,
    };
    patience.wait(sleeper, &**socket, attempt)
}

/// `connect(2)` to a socket that was found.
pub fn connect<S: Sleeper>(
    sleeper: &Arc<S>,
    socket: &Arc<dyn Socket>,
    caller: Credentials,
    peer: Peer,
    patience: Patience,
) -> Outcome<()> {
    let client = Arc::clone(socket);
    let attempt = Simple {
        attempt: move || client.try_connect(caller, &peer),
        patience,
    };
    patience.wait(sleeper, &**socket, attempt)
}

/// An attempt that has nothing to show before it succeeds.
struct Simple<F> {
    attempt: F,
    patience: Patience,
}

impl<T, F: FnMut() -> Try<T> + Send + 'static> Attempt for Simple<F> {
    type Output = T;

    fn attempt(&mut self) -> Try<T> {
        self.patience.check((self.attempt)())
    }

    fn settle(&mut self, fault: Fault) -> Answer<T> {
        Err(self.patience.fault(fault))
    }
}

/// What is sent.
#[derive(Debug)]
pub struct Sending<B> {
    /// The bytes.
    pub source: B,
    /// Where it goes; `None`: to the peer.
    pub to: Option<Peer>,
    /// Who sends it.
    pub sender: Credentials,
    /// What the sender says it is, checked.
    pub claimed: Option<Credentials>,
    /// Open files.
    pub files: Vec<Arc<dyn PassedFile>>,
}

/// `sendmsg(2)`: sends all of it; returns bytes sent.
pub fn send<S: Sleeper, B: Source + Send + 'static>(
    sleeper: &Arc<S>,
    socket: &Arc<dyn Socket>,
    message: Sending<B>,
    patience: Patience,
) -> Outcome<usize> {
    let attempt = SendAttempt {
        socket: Arc::clone(socket),
        message,
        sent: 0,
        patience,
    };
    patience.wait(sleeper, &**socket, attempt)
}

struct SendAttempt<B> {
    socket: Arc<dyn Socket>,
    message: Sending<B>,
    sent: usize,
    patience: Patience,
}

impl<B: Source + Send + 'static> SendAttempt<B> {
    fn step(&mut self) -> Try<usize> {
        loop {
            let wanted = self.message.source.remaining();
            let result = self.socket.try_send(&mut Outgoing {
                source: &mut self.message.source,
                to: self.message.to.as_ref(),
                sender: Some(self.message.sender),
                claimed: self.message.claimed,
                files: &mut self.message.files,
            });
            let moved = self.patience.check(result)?;
            self.sent = self.sent.saturating_add(moved);
            if moved >= wanted {
                return Ok(self.sent);
            }
        }
    }
}

impl<B: Source + Send + 'static> Attempt for SendAttempt<B> {
    type Output = usize;

    fn attempt(&mut self) -> Try<usize> {
        match self.step() {
            Err(Stall::Failed(_)) if self.sent > 0 => Ok(self.sent),
            result => result,
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<usize> {
        match self.sent {
            0 => Err(self.patience.fault(fault)),
            sent => Ok(sent),
        }
    }
}

/// `recvmsg(2)`: receives into `sink`.
///
/// - `flags`: `MSG_PEEK`, `MSG_WAITALL`
pub fn receive<S: Sleeper, B: Sink + Send + 'static>(
    sleeper: &Arc<S>,
    socket: &Arc<dyn Socket>,
    sink: B,
    flags: u32,
    patience: Patience,
) -> Outcome<Received> {
    let size = sink.remaining();
    let low_water = &socket.options().receive_low_water;
    let low_water = low_water.load(std::sync::atomic::Ordering::Relaxed);
    let target = if !socket.is_stream() {
        0
    } else if flags & MSG_WAITALL != 0 {
        size
    } else {
        usize::try_from(low_water).unwrap_or(usize::MAX).min(size)
    };
    let nonblocking = if patience.is_nonblocking {
        MSG_DONTWAIT
    } else {
        0
    };
    let attempt = ReceiveAttempt {
        socket: Arc::clone(socket),
        sink,
        flags: flags & (MSG_PEEK | MSG_WAITALL) | nonblocking,
        target,
        received: Received::default(),
        patience,
    };
    patience.wait(sleeper, &**socket, attempt)
}

struct ReceiveAttempt<B> {
    socket: Arc<dyn Socket>,
    sink: B,
    flags: u32,
    /// Bytes that end the wait.
    target: usize,
    /// What was received by earlier attempts: of a stream only.
    received: Received,
    patience: Patience,
}

impl<B: Sink + Send + 'static> ReceiveAttempt<B> {
    fn step(&mut self) -> Try<()> {
        loop {
            let result = self.socket.try_receive(&mut Incoming {
                sink: &mut self.sink,
                flags: self.flags,
                only_from: self.received.credentials,
            });
            let piece = self.patience.check(result)?;
            let received = &mut self.received;
            received.len = received.len.saturating_add(piece.len);
            received.full_len = received.full_len.saturating_add(piece.full_len);
            received.from = received.from.take().or(piece.from);
            received.credentials = received.credentials.or(piece.credentials);
            received.files.extend(piece.files);
            if piece.is_complete || received.len >= self.target {
                return Ok(());
            }
        }
    }
}

impl<B: Sink + Send + 'static> Attempt for ReceiveAttempt<B> {
    type Output = Received;

    fn attempt(&mut self) -> Try<Received> {
        match self.step() {
            Ok(()) => Ok(std::mem::take(&mut self.received)),
            Err(Stall::Failed(_)) if self.received.len > 0 => {
                Ok(std::mem::take(&mut self.received))
            }
            Err(stall) => Err(stall),
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<Received> {
        if self.received.len > 0 {
            Ok(std::mem::take(&mut self.received))
        } else {
            Err(self.patience.fault(fault))
        }
    }
}
