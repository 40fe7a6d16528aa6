//! Messages: sending and receiving on `SOCK_DGRAM` and `SOCK_SEQPACKET`.

use std::sync::Arc;

use abi::flags::{MSG_DONTWAIT, MSG_PEEK};
use abi::{Errno, Result};
use fs::io::{Stall, Try};

use super::connection::unix_peer;
use super::inbox::Message;
use super::state::{Phase, State, wake};
use super::{Kind, UnixSocket, address};
use crate::message::{Incoming, Outgoing, Received};

/// What Linux keeps of a send buffer for itself, in bytes.
const BUFFER_RESERVE: usize = 32;

impl UnixSocket {
    /// Sends one message, whole.
    ///
    /// # Errors
    /// `WouldBlock`; `ENOTCONN`, `ECONNREFUSED`, `EMSGSIZE`, `EPERM`, `EPIPE`, `ENOMEM`.
    pub(super) fn send_datagram(&self, outgoing: &mut Outgoing<'_>) -> Try<usize> {
        let receiver = self.receiver(outgoing)?;
        let len = outgoing.source.remaining();
        if len > self.options.send_buffer().saturating_sub(BUFFER_RESERVE) {
            return Err(Errno::EMSGSIZE.into());
        }
        {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error.into());
            }
            if state.ended.send {
                return Err(Errno::EPIPE.into());
            }
        }
        if self.account.room() == 0 {
            return Err(Stall::WouldBlock);
        }
        self.check_receiver(&receiver, outgoing.to.is_none())?;
        let mut message = Message::new(&self.network.budget, len, &self.account)?;
        outgoing.source.take(message.bytes_mut())?;
        self.finish(&mut message, &receiver, outgoing);
        let has_rights = message.rights.is_some();
        let refused = {
            let mut state = receiver.state.lock();
            if state.is_dead {
                Some(message)
            } else {
                state.inbox.push(message);
                None
            }
        };
        if refused.is_some() {
            return Err(self.gone(outgoing.to.is_none(), &receiver).into());
        }
        receiver.queue.wake_all();
        if has_rights {
            self.network.collect_after_send();
        }
        Ok(len)
    }

    /// Where a message goes.
    fn receiver(&self, outgoing: &Outgoing<'_>) -> Result<Arc<Self>> {
        let mut state = self.state.lock();
        if self.kind == Kind::SeqPacket {
            if let Some(error) = state.error.take() {
                return Err(error.into());
            }
            if !matches!(state.phase, Phase::Connected) {
                return Err(Errno::ENOTCONN.into());
            }
        } else if let Some(to) = outgoing.to {
            return unix_peer(to).map(Arc::clone);
        }
        Ok(state.peer.clone().ok_or(Errno::ENOTCONN)?)
    }

    /// Fails unless `receiver` takes a message of this socket now.
    fn check_receiver(&self, receiver: &Arc<Self>, is_peer: bool) -> Try<()> {
        let is_dead = {
            let mut state = receiver.state.lock();
            let is_mutual = state.is_peer(self);
            if !state.is_dead {
                if state.peer.is_some() && !is_mutual && self.kind == Kind::Datagram {
                    return Err(Errno::EPERM.because("it has another peer").into());
                }
                if state.ended.receive {
                    return Err(Errno::EPIPE.into());
                }
                let is_self = std::ptr::eq(self, &**receiver);
                if !is_mutual && !is_self && state.is_full() {
                    state.add_waiting(self);
                    return Err(Stall::WouldBlock);
                }
            }
            state.is_dead
        };
        if is_dead {
            return Err(self.gone(is_peer, receiver).into());
        }
        Ok(())
    }

    /// The receiver was closed: a datagram socket loses its association with it.
    fn gone(&self, is_peer: bool, receiver: &Arc<Self>) -> Errno {
        if self.kind == Kind::SeqPacket {
            return Errno::EPIPE;
        }
        if is_peer {
            let mut state = self.state.lock();
            if state.is_peer(receiver) {
                state.phase = Phase::Closed;
                let peer = state.peer.take();
                drop(state);
                drop(peer);
            }
        }
        Errno::ECONNREFUSED
    }

    /// Receives one message; what the sink has no room for is lost.
    ///
    /// # Errors
    /// `WouldBlock`; `ENOTCONN`, `ECONNRESET`.
    pub(super) fn receive_datagram(&self, incoming: &mut Incoming<'_>) -> Try<Received> {
        let is_peek = incoming.flags & MSG_PEEK != 0;
        let mut spent = None;
        let (result, waiting) = {
            let mut state = self.state.lock();
            if self.kind == Kind::SeqPacket && !matches!(state.phase, Phase::Connected) {
                return Err(Errno::ENOTCONN.into());
            }
            if let Some(error) = state.error.take() {
                return Err(error.into());
            }
            if state.inbox.is_empty() {
                return self.no_datagram(&state, incoming.flags);
            }
            if is_peek {
                let result = state.inbox.front().map(|message| copy(message, incoming));
                (result, Vec::new())
            } else {
                let was_full = state.is_full();
                spent = state.inbox.pop();
                let waiting = if was_full {
                    state.take_waiting()
                } else {
                    Vec::new()
                };
                let result = spent.as_ref().map(|message| copy(message, incoming));
                (result, waiting)
            }
        };
        wake(waiting);
        let mut received = result.ok_or(Stall::WouldBlock)??;
        if let Some(mut message) = spent {
            let rights = message.rights.take();
            received.files = rights.map_or_else(Vec::new, |rights| rights.into_files());
        }
        Ok(received)
    }

    fn no_datagram(&self, state: &State, flags: u32) -> Try<Received> {
        let may_end = self.kind == Kind::SeqPacket || flags & MSG_DONTWAIT == 0;
        if state.ended.receive && may_end {
            return Ok(Received {
                is_complete: true,
                ..Received::default()
            });
        }
        Err(Stall::WouldBlock)
    }
}

/// Copies what fits, and what comes with it but the files of a message that is taken out.
fn copy(message: &Message, incoming: &mut Incoming<'_>) -> Result<Received> {
    let rest = message.rest();
    let part = rest.get(..incoming.sink.remaining()).unwrap_or(rest);
    if !part.is_empty() {
        incoming.sink.put(part)?;
    }
    let files = message
        .rights
        .as_ref()
        .map_or(&[][..], |rights| rights.files());
    Ok(Received {
        len: part.len(),
        full_len: rest.len(),
        from: message
            .from
            .as_deref()
            .map(|name| address::to_bytes(Some(name))),
        credentials: Some(message.sender()),
        files: files.iter().map(Arc::clone).collect(),
        is_complete: true,
    })
}
