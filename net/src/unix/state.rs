//! What a socket is, was and waits for.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Weak};

use abi::Errno;

use super::UnixSocket;
use super::address::Name;
use super::inbox::Inbox;
use crate::message::Credentials;

/// Datagrams that may wait at a socket whose sender is not its peer: `net.unix.max_dgram_qlen`.
const QUEUE_MAX: usize = 10;

/// What a socket is connected to.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// Nothing.
    #[default]
    Closed,
    /// `State::peer`.
    Connected,
    /// It takes connections.
    Listening {
        backlog: usize,
        pending: VecDeque<Arc<UnixSocket>>,
    },
}

/// Which halves have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) receive: bool,
    pub(super) send: bool,
}

/// What changes of a socket.
#[derive(Debug)]
pub(super) struct State {
    pub(super) name: Option<Arc<Name>>,
    pub(super) phase: Phase,
    /// Kept after its end, for its name. The circle that two peers make ends with `close`.
    pub(super) peer: Option<Arc<UnixSocket>>,
    pub(super) peer_credentials: Credentials,
    pub(super) inbox: Inbox,
    pub(super) ended: Ended,
    pub(super) error: Option<Errno>,
    /// Sockets that wait until this one takes a datagram or a connection.
    pub(super) waiting: Vec<Weak<UnixSocket>>,
    pub(super) is_dead: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            name: None,
            phase: Phase::Closed,
            peer: None,
            peer_credentials: Credentials::NOBODY,
            inbox: Inbox::default(),
            ended: Ended::default(),
            error: None,
            waiting: Vec::new(),
            is_dead: false,
        }
    }
}

impl State {
    /// `socket` is woken at the next [`State::take_waiting`].
    pub(super) fn add_waiting(&mut self, socket: &UnixSocket) {
        let is_there = |entry: &Weak<UnixSocket>| std::ptr::eq(entry.as_ptr(), socket);
        if !self.waiting.iter().any(is_there) {
            self.waiting.push(Weak::clone(&socket.me));
        }
    }

    /// Who waits; to be woken without the lock.
    pub(super) fn take_waiting(&mut self) -> Vec<Weak<UnixSocket>> {
        mem::take(&mut self.waiting)
    }

    /// Whether datagrams of anybody but the peer have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.inbox.len() > QUEUE_MAX
    }

    /// Whether `socket` is its peer.
    pub(super) fn is_peer(&self, socket: &UnixSocket) -> bool {
        let peer = self.peer.as_deref();
        peer.is_some_and(|peer| std::ptr::eq(peer, socket))
    }
}

/// Wakes sockets that wait for another.
pub(super) fn wake(waiting: Vec<Weak<UnixSocket>>) {
    for socket in waiting.iter().filter_map(Weak::upgrade) {
        socket.queue.wake_all();
    }
}
