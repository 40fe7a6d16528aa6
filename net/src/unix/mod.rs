//! AF_UNIX (unix(7)): sockets between the processes of a pod.
//!
//! - [`UnixNetwork`]: all sockets of a pod, by number and by name
//! - [`UnixSocket`]: one socket; `state`: what changes of it; `name`: bind and finding it again
//! - `connection`: listen, connect, accept, shutdown, close
//! - `stream`, `datagram`: sending and receiving; `inbox`: what waits to be received
//! - `address`: names as bytes; `account`: how much a socket has sent that nobody has received
//! - `in_flight`: open files in messages; `collect`: sockets that are only in messages to each other
//!
//! ```text
//!  UnixSocket A ── try_send ──> [ inbox of B: messages, files, credentials ] ── try_receive ──> B
//!     │ account: bytes of A in any inbox             <── a message that ends gives them back ──┘
//!     └ queue: A's poll, senders and receivers wait here
//! ```

mod account;
mod address;
mod collect;
mod connection;
mod datagram;
mod in_flight;
mod inbox;
mod name;
mod proc;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use abi::flags::{AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM};
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::budget::Budget;
use fs::io::Try;
use fs::vfs::file::Events;

use self::account::Account;
use self::address::Name;
use self::in_flight::InFlight;
use self::state::{Phase, State};
use crate::message::{Credentials, Incoming, Outgoing, Received};
use crate::options::Options;
use crate::socket::{Caller, Peer, Shutdown, Socket};

/// Bytes of the kernel's memory that a socket takes, about.
const SOCKET_BYTES: u64 = 2 << 10;

/// The types of sockets there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes in order.
    Stream,
    /// Messages to anybody.
    Datagram,
    /// Messages in order over a connection.
    SeqPacket,
}

impl Kind {
    /// The type that a guest asks for; `SOCK_RAW` is the same as `SOCK_DGRAM`.
    fn from_number(kind: i32) -> Option<Self> {
        match kind {
            SOCK_STREAM => Some(Self::Stream),
            SOCK_DGRAM | SOCK_RAW => Some(Self::Datagram),
            SOCK_SEQPACKET => Some(Self::SeqPacket),
            _ => None,
        }
    }

    const fn number(self) -> i32 {
        match self {
            Self::Stream => SOCK_STREAM,
            Self::Datagram => SOCK_DGRAM,
            Self::SeqPacket => SOCK_SEQPACKET,
        }
    }

    /// Whether it listens and accepts.
    const fn has_connections(self) -> bool {
        matches!(self, Self::Stream | Self::SeqPacket)
    }
}

/// Sockets by their type and a name that is no path.
type AbstractNames = HashMap<(Kind, Box<[u8]>), Weak<UnixSocket>>;

/// The sockets of a pod.
pub struct UnixNetwork {
    budget: Arc<Budget>,
    /// All of them, by number.
    sockets: Lock<SortedMap<u64, Weak<UnixSocket>>>,
    /// Those with a name that is no path; each type has names of its own.
    abstract_names: Lock<AbstractNames>,
    /// Those with a path, by device and inode.
    inodes: Lock<HashMap<(u64, u64), Weak<UnixSocket>>>,
    in_flight: InFlight,
    next_number: AtomicU64,
    /// Where the search for a name that nobody has asked for goes on.
    next_name: AtomicU64,
}

impl fmt::Debug for UnixNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixNetwork")
            .field("nr_sockets", &self.sockets.lock().len())
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

impl UnixNetwork {
    /// Without sockets.
    pub fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            sockets: Lock::default(),
            abstract_names: Lock::default(),
            inodes: Lock::default(),
            in_flight: InFlight::default(),
            next_number: AtomicU64::new(1),
            next_name: AtomicU64::new(0),
        })
    }

    /// A socket of the type `kind`.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`, `ENOMEM`.
    pub fn socket(self: &Arc<Self>, kind: i32, protocol: i32) -> Result<Arc<UnixSocket>> {
        if protocol != 0 && protocol != AF_UNIX {
            return Err(Errno::EPROTONOSUPPORT.into());
        }
        let kind = Kind::from_number(kind).ok_or(Errno::ESOCKTNOSUPPORT)?;
        self.make(kind, State::default())
    }

    /// Two sockets that `owner` made, connected to each other.
    ///
    /// # Errors
    /// As [`UnixNetwork::socket`].
    pub fn pair(
        self: &Arc<Self>,
        kind: i32,
        protocol: i32,
        owner: Credentials,
    ) -> Result<(Arc<UnixSocket>, Arc<UnixSocket>)> {
        let one = self.socket(kind, protocol)?;
        let other = self.socket(kind, protocol).inspect_err(|_| one.close())?;
        for (socket, peer) in [(&one, &other), (&other, &one)] {
            let mut state = socket.state.lock();
            state.phase = Phase::Connected;
            state.peer = Some(Arc::clone(peer));
            state.peer_credentials = owner;
        }
        Ok((one, other))
    }

    /// How many open files are in messages that nobody has received.
    pub fn nr_in_flight(&self) -> usize {
        self.in_flight.nr_files()
    }

    fn make(self: &Arc<Self>, kind: Kind, state: State) -> Result<Arc<UnixSocket>> {
        self.budget.admit(SOCKET_BYTES)?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let options = Arc::new(Options::default());
        let queue = WaitQueue::new();
        let socket = Arc::new_cyclic(|me| UnixSocket {
            me: Weak::clone(me),
            kind,
            number,
            network: Arc::clone(self),
            account: Account::new(&queue, &options),
            queue,
            options,
            is_owned: AtomicBool::new(true),
            state: Lock::new(state),
        });
        self.sockets.lock().insert(number, Arc::downgrade(&socket));
        Ok(socket)
    }

    fn find_number(&self, number: u64) -> Option<Arc<UnixSocket>> {
        self.sockets.lock().get(&number)?.upgrade()
    }

    fn forget(&self, socket: &UnixSocket, name: Option<&Name>) {
        self.sockets.lock().remove(&socket.number);
        match name {
            Some(Name::Abstract(bytes)) => {
                let key = (socket.kind, bytes.clone());
                remove_own(&mut self.abstract_names.lock(), &key, socket);
            }
            Some(Name::Path { inode, .. }) => {
                remove_own(&mut self.inodes.lock(), inode, socket);
            }
            None => {}
        }
    }
}

/// Removes `socket`'s entry: accepted sockets have the name of another.
fn remove_own<K: Eq + std::hash::Hash>(
    map: &mut HashMap<K, Weak<UnixSocket>>,
    key: &K,
    socket: &UnixSocket,
) {
    if map
        .get(key)
        .is_some_and(|entry| std::ptr::eq(entry.as_ptr(), socket))
    {
        map.remove(key);
    }
}

/// A socket of AF_UNIX.
pub struct UnixSocket {
    me: Weak<Self>,
    kind: Kind,
    number: u64,
    network: Arc<UnixNetwork>,
    /// Woken when anything changes: messages, room, connections, ends.
    queue: WaitQueue,
    options: Arc<Options>,
    account: Arc<Account>,
    /// Whether somebody has it, or it waits to be accepted.
    is_owned: AtomicBool,
    state: Lock<State>,
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket:[{}]", self.number)
    }
}

impl Socket for UnixSocket {
    fn domain(&self) -> i32 {
        AF_UNIX
    }

    fn kind(&self) -> i32 {
        self.kind.number()
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn options(&self) -> &Options {
        &self.options
    }

    fn bind(&self, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        self.bind_to(caller, address)
    }

    fn listen(&self, caller: &dyn Caller, backlog: i32) -> Result<()> {
        self.start_listening(caller.credentials(), backlog)
    }

    fn try_accept(&self) -> Try<Arc<dyn Socket>> {
        let accepted: Arc<dyn Socket> = self.accept_one()?;
        Ok(accepted)
    }

    fn find(&self, caller: &dyn Caller, address: &[u8]) -> Result<Peer> {
        self.find_peer(caller, address)
    }

    fn try_connect(&self, caller: Credentials, peer: &Peer) -> Try<()> {
        match self.kind {
            Kind::Datagram => self.associate(peer).map_err(Into::into),
            Kind::Stream | Kind::SeqPacket => self.connect_to(caller, peer),
        }
    }

    fn prepare_to_send(&self) {
        if self.options.passes_credentials() {
            self.bind_to_any();
        }
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.end(how);
        Ok(())
    }

    fn local_address(&self) -> Vec<u8> {
        address::to_bytes(self.state.lock().name.as_deref())
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        let peer = self.state.lock().peer.clone().ok_or(Errno::ENOTCONN)?;
        Ok(peer.local_address())
    }

    fn peer_credentials(&self) -> Credentials {
        self.state.lock().peer_credentials
    }

    fn is_listening(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Listening { .. })
    }

    fn take_error(&self) -> i32 {
        let error = self.state.lock().error.take();
        error.map_or(0, Errno::number)
    }

    fn try_send(&self, message: &mut Outgoing<'_>) -> Try<usize> {
        match self.kind {
            Kind::Stream => self.send_bytes(message),
            Kind::Datagram | Kind::SeqPacket => self.send_datagram(message),
        }
    }

    fn try_receive(&self, incoming: &mut Incoming<'_>) -> Try<Received> {
        match self.kind {
            Kind::Stream => self.receive_bytes(incoming),
            Kind::Datagram | Kind::SeqPacket => self.receive_datagram(incoming),
        }
    }

    fn readable_bytes(&self) -> Result<usize> {
        let state = self.state.lock();
        if matches!(state.phase, Phase::Listening { .. }) {
            return Err(Errno::EINVAL.into());
        }
        Ok(match self.kind {
            Kind::Stream | Kind::SeqPacket => state.inbox.nr_bytes(),
            Kind::Datagram => state
                .inbox
                .front()
                .map_or(0, |message| message.rest().len()),
        })
    }

    fn unread_bytes(&self) -> Result<usize> {
        if self.is_listening() {
            return Err(Errno::EINVAL.into());
        }
        Ok(self.account.bytes())
    }

    fn events(&self) -> Events {
        self.ready_events()
    }

    fn wait_queue(&self) -> &WaitQueue {
        &self.queue
    }

    fn release(&self) {
        self.close();
    }
}
