//! Bytes in order: sending and receiving on `SOCK_STREAM`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::Errno;
use abi::flags::{MSG_PEEK, MSG_WAITALL};
use fs::io::{Stall, Try};

use super::in_flight::Rights;
use super::inbox::{Message, Taken};
use super::state::{Phase, State};
use super::{UnixSocket, address};
use crate::message::{Credentials, Incoming, Outgoing, Received};
use crate::socket::Socket;

/// Bytes of the largest message that is made of a part of a stream.
const PART_MAX: usize = 64 << 10;

impl UnixSocket {
    /// Sends what there is room for.
    ///
    /// # Errors
    /// `WouldBlock`; `EISCONN` or `EOPNOTSUPP` with an address, `ENOTCONN`, `EPIPE`, `ENOMEM`.
    pub(super) fn send_bytes(&self, outgoing: &mut Outgoing<'_>) -> Try<usize> {
        let peer = {
            let mut state = self.state.lock();
            if outgoing.to.is_some() {
                return Err(match state.phase {
                    Phase::Connected => Errno::EISCONN.into(),
                    _ => Errno::EOPNOTSUPP.into(),
                });
            }
            let peer = state.peer.clone().ok_or(Errno::ENOTCONN)?;
            if state.ended.send {
                return Err(Errno::EPIPE.into());
            }
            if let Some(error) = state.error.take() {
                return Err(error.into());
            }
            peer
        };
        let wanted = outgoing.source.remaining();
        if wanted == 0 {
            return Ok(0);
        }
        let len = wanted.min(self.account.room()).min(PART_MAX);
        if len == 0 {
            return Err(Stall::WouldBlock);
        }
        let mut message = Message::new(&self.network.budget, len, &self.account)?;
        outgoing.source.take(message.bytes_mut())?;
        self.finish(&mut message, &peer, outgoing);
        let has_rights = message.rights.is_some();
        let left = {
            let mut state = peer.state.lock();
            if state.is_dead || state.ended.receive {
                drop(state);
                return Err(Errno::EPIPE.into());
            }
            state.inbox.push_joined(message)
        };
        drop(left);
        peer.queue.wake_all();
        if has_rights {
            self.network.collect_after_send();
        }
        Ok(len)
    }

    /// Adds to a message what it carries besides its bytes.
    pub(super) fn finish(
        &self,
        message: &mut Message,
        receiver: &Self,
        outgoing: &mut Outgoing<'_>,
    ) {
        let is_asked = self.options.passes_credentials()
            || receiver.options.passes_credentials()
            || !receiver.is_owned.load(Ordering::Relaxed);
        message.credentials = outgoing.claimed.or(outgoing.sender.filter(|_| is_asked));
        message.from.clone_from(&self.state.lock().name);
        let files = std::mem::take(outgoing.files);
        message.rights = Rights::new(&self.network, files);
    }

    /// Receives what there is, up to a file or, if senders are told, another sender.
    ///
    /// # Errors
    /// `WouldBlock`; `EINVAL` without a connection, `ECONNRESET`.
    pub(super) fn receive_bytes(&self, incoming: &mut Incoming<'_>) -> Try<Received> {
        let mut spent = Vec::new();
        let mut taken: Option<Taken> = None;
        let result = {
            let mut state = self.state.lock();
            if !matches!(state.phase, Phase::Connected) {
                return Err(Errno::EINVAL.because("no connection").into());
            }
            if state.inbox.is_empty() {
                if let Some(error) = state.error.take() {
                    return Err(error.into());
                }
                return end_or_wait(&state);
            }
            if incoming.flags & MSG_PEEK != 0 {
                self.peek_bytes(&state, incoming)
            } else {
                self.take_bytes(&mut state, incoming, &mut spent, &mut taken)
            }
        };
        drop(spent);
        if let Some(taken) = taken {
            taken.settle();
        }
        result
    }

    fn take_bytes(
        &self,
        state: &mut State,
        incoming: &mut Incoming<'_>,
        spent: &mut Vec<Message>,
        taken: &mut Option<Taken>,
    ) -> Try<Received> {
        let mut glue = Glue::new(self, incoming);
        let mut received = Received::default();
        while incoming.sink.remaining() > 0
            && let Some(message) = state.inbox.front_mut()
        {
            if !glue.joins(message, &mut received) {
                break;
            }
            let rest = message.rest();
            let part = rest.get(..incoming.sink.remaining()).unwrap_or(rest);
            let (len, is_all) = (part.len(), part.len() == rest.len());
            if let Err(error) = incoming.sink.put(part) {
                if received.len > 0 {
                    break;
                }
                return Err(error.into());
            }
            received.len = received.len.saturating_add(len);
            if let Some(rights) = message.rights.take() {
                received.files = rights.into_files();
                received.is_complete = true;
            }
            if is_all {
                spent.extend(state.inbox.pop());
            } else {
                *taken = state.inbox.consume(len);
            }
            if received.is_complete {
                break;
            }
        }
        received.full_len = received.len;
        Ok(received)
    }

    fn peek_bytes(&self, state: &State, incoming: &mut Incoming<'_>) -> Try<Received> {
        let mut messages = state.inbox.iter();
        let is_bounded = messages.any(|message| message.rights.is_some());
        let wants_all = incoming.flags & MSG_WAITALL != 0;
        let is_short = state.inbox.nr_bytes() < incoming.sink.remaining();
        if wants_all && is_short && !is_bounded && !state.ended.receive {
            return Err(Stall::WouldBlock);
        }
        let mut glue = Glue::new(self, incoming);
        let mut received = Received {
            is_complete: true,
            ..Received::default()
        };
        for message in state.inbox.iter() {
            if incoming.sink.remaining() == 0 || !glue.joins(message, &mut received) {
                break;
            }
            let rest = message.rest();
            let part = rest.get(..incoming.sink.remaining()).unwrap_or(rest);
            incoming.sink.put(part)?;
            received.len = received.len.saturating_add(part.len());
            if let Some(rights) = &message.rights {
                received.files = rights.files().iter().map(Arc::clone).collect();
                break;
            }
        }
        received.full_len = received.len;
        Ok(received)
    }
}

/// The end of the stream, or nothing yet.
fn end_or_wait(state: &State) -> Try<Received> {
    if state.ended.receive {
        Ok(Received {
            is_complete: true,
            ..Received::default()
        })
    } else {
        Err(Stall::WouldBlock)
    }
}

/// Which messages one call may put together.
struct Glue {
    tells_senders: bool,
    only_from: Option<Credentials>,
    is_first: bool,
}

impl Glue {
    fn new(socket: &UnixSocket, incoming: &Incoming<'_>) -> Self {
        Self {
            tells_senders: socket.options().passes_credentials(),
            only_from: incoming.only_from,
            is_first: true,
        }
    }

    /// Whether `message` goes together with what came before; if not, the call is complete.
    fn joins(&mut self, message: &Message, received: &mut Received) -> bool {
        let sender = message.sender();
        if self.tells_senders && self.only_from.is_some_and(|only| only != sender) {
            received.is_complete = true;
            return false;
        }
        if std::mem::take(&mut self.is_first) {
            self.only_from = self.only_from.or(Some(sender));
            received.credentials = Some(sender);
            received.from = message
                .from
                .as_deref()
                .map(|name| address::to_bytes(Some(name)));
        }
        true
    }
}
