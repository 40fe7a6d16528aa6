//! The life of a socket that has a name: listen, connect, accept, shutdown, close.
//!
//! ```text
//!            (1) listen                      (2) connect            (3) shutdown, peer closes
//!  Closed ───────────────> Listening   Closed ─────────> Connected ────> ended: Receive, Send, both
//!            one more Connected socket waits in `pending` of the listener until it is accepted
//! ```
//!
//! # References
//! unix(7); Linux v6.6 `net/unix/af_unix.c`.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::{Errno, Result};
use fs::io::{Stall, Try};
use fs::vfs::file::Events;

use super::inbox::Inbox;
use super::state::{Ended, Phase, State, wake};
use super::{Kind, UnixSocket};
use crate::message::Credentials;
use crate::socket::{Peer, Shutdown, Socket};

/// Connections that may wait to be accepted: `net.core.somaxconn`.
const BACKLOG_MAX: usize = 4096;

/// The socket behind a peer.
pub(super) fn unix_peer(peer: &Peer) -> Result<&Arc<UnixSocket>> {
    match peer {
        Peer::Unix(socket) => Ok(socket),
        Peer::Nobody => Err(Errno::EINVAL.because("no address of AF_UNIX")),
    }
}

impl UnixSocket {
    /// `listen(2)`: edge 1.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EINVAL`.
    pub(super) fn start_listening(&self, owner: Credentials, backlog: i32) -> Result<()> {
        if !self.kind.has_connections() {
            return Err(Errno::EOPNOTSUPP.because("datagrams have no connections"));
        }
        let wanted = usize::try_from(backlog).map_or(BACKLOG_MAX, |n| n.min(BACKLOG_MAX));
        let waiting = {
            let mut state = self.state.lock();
            if state.name.is_none() {
                return Err(Errno::EINVAL.because("it has no address"));
            }
            match &mut state.phase {
                Phase::Closed => {
                    state.phase = Phase::Listening {
                        backlog: wanted,
                        pending: VecDeque::new(),
                    };
                }
                Phase::Listening { backlog, .. } => *backlog = wanted,
                Phase::Connected => return Err(Errno::EINVAL.because("it is connected")),
            }
            state.peer_credentials = owner;
            state.take_waiting()
        };
        wake(waiting);
        self.queue.wake_all();
        Ok(())
    }

    /// `connect(2)` of a stream: edge 2. The connection holds before anybody has accepted it.
    ///
    /// # Errors
    /// `WouldBlock` while the listener's queue is full; `ECONNREFUSED`, `EISCONN`, `EINVAL`.
    pub(super) fn connect_to(&self, client: Credentials, peer: &Peer) -> Try<()> {
        let listener = unix_peer(peer)?;
        self.prepare_to_send();
        self.check_room(listener)?;
        let (name, owner) = {
            let state = listener.state.lock();
            (state.name.clone(), state.peer_credentials)
        };
        let this = self.me.upgrade().ok_or(Errno::EINVAL)?;
        let accepted = self.network.make(
            self.kind,
            State {
                name,
                phase: Phase::Connected,
                peer: Some(this),
                peer_credentials: client,
                ..State::default()
            },
        )?;
        accepted.is_owned.store(false, Ordering::Relaxed);
        if listener.options.passes_credentials() {
            accepted.options.set_switch(abi::flags::SO_PASSCRED, true);
        }
        let result = self.occupy(&accepted, owner);
        let result = result.and_then(|()| {
            self.enqueue(listener, &accepted)
                .inspect_err(|_| self.vacate())
        });
        if result.is_err() {
            // Nobody has seen it: its peer is none of its business.
            accepted.state.lock().peer = None;
            accepted.close();
            return result;
        }
        listener.queue.wake_all();
        self.queue.wake_all();
        Ok(())
    }

    /// Fails unless `listener` would take one more connection.
    fn check_room(&self, listener: &Self) -> Try<()> {
        self.check_room_locked(&mut listener.state.lock())
    }

    fn check_room_locked(&self, state: &mut State) -> Try<()> {
        let refused = Errno::ECONNREFUSED.because("nobody listens");
        let Phase::Listening { backlog, pending } = &state.phase else {
            return Err(refused.into());
        };
        if state.ended.receive {
            return Err(refused.into());
        }
        if pending.len() > *backlog {
            state.add_waiting(self);
            return Err(Stall::WouldBlock);
        }
        Ok(())
    }

    /// Lets `accepted` wait at `listener`, which may have changed since it was looked at.
    fn enqueue(&self, listener: &Self, accepted: &Arc<Self>) -> Try<()> {
        let mut state = listener.state.lock();
        self.check_room_locked(&mut state)?;
        if let Phase::Listening { pending, .. } = &mut state.phase {
            pending.push_back(Arc::clone(accepted));
        }
        Ok(())
    }

    fn occupy(&self, accepted: &Arc<Self>, owner: Credentials) -> Try<()> {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Closed => {}
            Phase::Connected => return Err(Errno::EISCONN.into()),
            Phase::Listening { .. } => {
                return Err(Errno::EINVAL.because("it listens").into());
            }
        }
        state.phase = Phase::Connected;
        state.peer = Some(Arc::clone(accepted));
        state.peer_credentials = owner;
        Ok(())
    }

    fn vacate(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        state.peer = None;
        state.peer_credentials = Credentials::NOBODY;
    }

    /// `connect(2)` of a datagram socket: where messages without an address go, and from whom
    /// they come.
    ///
    /// # Errors
    /// `EPERM` when that one has another peer.
    pub(super) fn associate(&self, peer: &Peer) -> Result<()> {
        let new = match peer {
            Peer::Nobody => None,
            Peer::Unix(socket) => {
                if !socket.lets_in(self) {
                    return Err(Errno::EPERM.because("it has another peer"));
                }
                Some(Arc::clone(socket))
            }
        };
        self.prepare_to_send();
        let is_same = |old: &Arc<Self>| new.as_ref().is_some_and(|new| Arc::ptr_eq(old, new));
        let (old, inbox) = {
            let mut state = self.state.lock();
            let inbox = match &state.peer {
                Some(old) if !is_same(old) => mem::take(&mut state.inbox),
                _ => Inbox::default(),
            };
            state.phase = if new.is_some() {
                Phase::Connected
            } else {
                Phase::Closed
            };
            (mem::replace(&mut state.peer, new.clone()), inbox)
        };
        let had_messages = !inbox.is_empty();
        drop(inbox);
        if let Some(old) = old.filter(|old| had_messages && !is_same(old)) {
            // One direction of what was a pipe has lost its messages.
            let is_mutual = {
                let mut state = old.state.lock();
                let is_mutual = !state.is_dead && state.is_peer(self);
                if is_mutual {
                    state.error = Some(Errno::ECONNRESET);
                }
                is_mutual
            };
            if is_mutual {
                old.queue.wake_all();
            }
        }
        self.queue.wake_all();
        Ok(())
    }

    /// Whether messages of `sender` may come in: it has no other peer.
    pub(super) fn lets_in(&self, sender: &Self) -> bool {
        let state = self.state.lock();
        state.peer.is_none() || state.is_peer(sender)
    }

    /// `accept(2)`.
    ///
    /// # Errors
    /// `WouldBlock`, also after the end; `EOPNOTSUPP`, `EINVAL`.
    pub(super) fn accept_one(&self) -> Try<Arc<Self>> {
        if self.kind == Kind::Datagram {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let (accepted, waiting) = {
            let mut state = self.state.lock();
            let Phase::Listening { pending, .. } = &mut state.phase else {
                return Err(Errno::EINVAL.because("it does not listen").into());
            };
            match pending.pop_front() {
                Some(accepted) => (accepted, state.take_waiting()),
                None => return Err(Stall::WouldBlock),
            }
        };
        accepted.is_owned.store(true, Ordering::Relaxed);
        wake(waiting);
        Ok(accepted)
    }

    /// `shutdown(2)`: edge 3. What has come already can be received.
    pub(super) fn end(&self, how: Shutdown) {
        let (receive, send) = match how {
            Shutdown::Read => (true, false),
            Shutdown::Write => (false, true),
            Shutdown::Both => (true, true),
        };
        let (peer, waiting) = {
            let mut state = self.state.lock();
            state.ended.receive |= receive;
            state.ended.send |= send;
            (state.peer.clone(), state.take_waiting())
        };
        if let Some(peer) = peer.filter(|_| self.kind.has_connections()) {
            {
                let mut state = peer.state.lock();
                state.ended.receive |= send;
                state.ended.send |= receive;
            }
            peer.queue.wake_all();
        }
        wake(waiting);
        self.queue.wake_all();
    }

    /// Its last descriptor is gone, or nobody will accept it: edge 3 for the peer, which learns by
    /// `ECONNRESET` when something was not received.
    pub(super) fn close(&self) {
        let (name, phase, peer, inbox, waiting) = {
            let mut state = self.state.lock();
            if mem::replace(&mut state.is_dead, true) {
                return;
            }
            state.ended = Ended {
                receive: true,
                send: true,
            };
            (
                state.name.clone(),
                mem::take(&mut state.phase),
                state.peer.take(),
                mem::take(&mut state.inbox),
                state.take_waiting(),
            )
        };
        self.network.forget(self, name.as_deref());
        let is_unread = !inbox.is_empty() || !self.is_owned.load(Ordering::Relaxed);
        if let Some(peer) = peer.filter(|_| self.kind.has_connections()) {
            {
                let mut state = peer.state.lock();
                state.ended = Ended {
                    receive: true,
                    send: true,
                };
                if is_unread {
                    state.error = Some(Errno::ECONNRESET);
                }
            }
            peer.queue.wake_all();
        }
        drop(inbox);
        if let Phase::Listening { pending, .. } = phase {
            pending.iter().for_each(|socket| socket.close());
        }
        wake(waiting);
        self.queue.wake_all();
        self.network.collect_after_close();
    }

    /// What `poll(2)` says.
    pub(super) fn ready_events(&self) -> Events {
        let mut events = Events::empty();
        let mut set = |is_so: bool, event: Events| {
            if is_so {
                events |= event;
            }
        };
        let (peer, is_writable) = {
            let state = self.state.lock();
            let is_listening = match &state.phase {
                Phase::Listening { pending, .. } => {
                    set(!pending.is_empty(), Events::IN);
                    true
                }
                Phase::Closed => {
                    set(self.kind.has_connections(), Events::HUP);
                    false
                }
                Phase::Connected => false,
            };
            set(state.error.is_some(), Events::ERR);
            set(state.ended.receive && state.ended.send, Events::HUP);
            set(state.ended.receive, Events::RDHUP | Events::IN);
            set(!state.inbox.is_empty(), Events::IN);
            (
                state.peer.clone(),
                !is_listening && self.account.is_writable(),
            )
        };
        let has_room = |peer: Arc<Self>| {
            let mut state = peer.state.lock();
            if state.is_dead || state.is_peer(self) || !state.is_full() {
                return true;
            }
            state.add_waiting(self);
            false
        };
        let is_datagram = self.kind == Kind::Datagram;
        let peer = peer.filter(|_| is_datagram && is_writable);
        set(is_writable && peer.is_none_or(has_room), Events::OUT);
        events
    }
}
