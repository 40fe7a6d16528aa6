//! Sockets that exist only in messages to each other.
//!
//! A socket can be sent through a socket, even through itself. When the last descriptor goes, a
//! circle of sockets in each other's inboxes would stay for ever. As Linux's `unix_gc`, this finds
//! sockets that are referred to by messages alone, takes off those that can be reached from a socket
//! that somebody has, and empties the inboxes of the rest.
//!
//! # References
//! unix(7), "Ancillary messages"; Linux v6.6 `net/unix/garbage.c`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::inbox::Message;
use super::state::Phase;
use super::{UnixNetwork, UnixSocket};

/// With fewer sockets in messages, each close looks for circles.
const FEW: usize = 256;
/// The first time that sending looks for them: with so many sockets in messages.
const FIRST: usize = 1024;

/// A socket that only messages refer to, as far as it is known.
struct Suspect {
    socket: Arc<UnixSocket>,
    /// How many messages refer to it that are not in the inbox of a suspect.
    nr_outside: usize,
    /// The suspects that its inbox refers to.
    refers_to: Vec<usize>,
    is_alive: bool,
}

impl UnixNetwork {
    /// A socket was closed: whatever can be reached no more has lost its last descriptor by that.
    pub(super) fn collect_after_close(&self) {
        let nr = self.in_flight.sockets.lock().len();
        if nr == 0 {
            return;
        }
        let nr_closed = self.in_flight.nr_closed.fetch_add(1, Ordering::Relaxed);
        // Where many are on their way, not every close looks at all of them.
        if nr <= FEW || nr_closed >= nr / 2 {
            self.collect();
        }
    }

    /// A socket was sent: circles may be made faster than sockets are closed.
    pub(super) fn collect_after_send(&self) {
        let nr = self.in_flight.sockets.lock().len();
        let limit = self.in_flight.collect_at.load(Ordering::Relaxed).max(FIRST);
        if nr >= limit {
            self.collect();
            let left = self.in_flight.sockets.lock().len();
            let next = left.saturating_mul(2);
            self.in_flight.collect_at.store(next, Ordering::Relaxed);
        }
    }

    fn collect(&self) {
        self.in_flight.nr_closed.store(0, Ordering::Relaxed);
        let (mut suspects, index_of) = self.suspects();
        for index in 0..suspects.len() {
            let Some(socket) = suspects
                .get(index)
                .map(|suspect| Arc::clone(&suspect.socket))
            else {
                continue;
            };
            let mut refers_to = Vec::new();
            socket.for_each_file_within(&mut |file| {
                refers_to.extend(index_of.get(&file).copied());
            });
            for &target in &refers_to {
                if let Some(target) = suspects.get_mut(target) {
                    target.nr_outside = target.nr_outside.saturating_sub(1);
                }
            }
            if let Some(suspect) = suspects.get_mut(index) {
                suspect.refers_to = refers_to;
            }
        }
        let mut alive: Vec<usize> = (0..suspects.len())
            .filter(|&index| suspects.get(index).is_some_and(|s| s.nr_outside > 0))
            .collect();
        while let Some(index) = alive.pop() {
            if let Some(suspect) = suspects.get_mut(index)
                && !std::mem::replace(&mut suspect.is_alive, true)
            {
                alive.extend_from_slice(&suspect.refers_to);
            }
        }
        let dead = suspects.iter().filter(|suspect| !suspect.is_alive);
        let messages: Vec<Message> = dead.flat_map(|s| s.socket.take_messages()).collect();
        drop(messages);
    }

    /// The sockets whose open files only messages hold. The count of messages is taken under the
    /// lock that changes it, and is never larger than the number of references.
    fn suspects(&self) -> (Vec<Suspect>, HashMap<u64, usize>) {
        let mut suspects = Vec::new();
        let mut index_of = HashMap::new();
        let sockets = self.in_flight.sockets.lock();
        for (&file, flight) in sockets.iter() {
            if flight.file.strong_count() != flight.count {
                continue;
            }
            if let Some(socket) = self.find_number(flight.socket) {
                index_of.insert(file, suspects.len());
                suspects.push(Suspect {
                    socket,
                    nr_outside: flight.count,
                    refers_to: Vec::new(),
                    is_alive: false,
                });
            }
        }
        (suspects, index_of)
    }
}

impl UnixSocket {
    /// Calls `visit` with the number of each open file in its inbox, and in those of connections
    /// that wait to be accepted.
    fn for_each_file_within(&self, visit: &mut dyn FnMut(u64)) {
        let mut visit_inbox = |socket: &Self| {
            let state = socket.state.lock();
            for rights in state
                .inbox
                .iter()
                .filter_map(|message| message.rights.as_ref())
            {
                rights.files().iter().for_each(|file| visit(file.id()));
            }
        };
        visit_inbox(self);
        self.pending().iter().for_each(|socket| visit_inbox(socket));
    }

    /// Takes out all messages, also those of connections that wait to be accepted.
    fn take_messages(&self) -> Vec<Message> {
        let take = |socket: &Self| std::mem::take(&mut socket.state.lock().inbox);
        let mut inboxes = vec![take(self)];
        inboxes.extend(self.pending().iter().map(|socket| take(socket)));
        let mut messages = Vec::new();
        for mut inbox in inboxes {
            while let Some(message) = inbox.pop() {
                messages.push(message);
            }
        }
        messages
    }

    fn pending(&self) -> Vec<Arc<Self>> {
        match &self.state.lock().phase {
            Phase::Listening { pending, .. } => pending.iter().map(Arc::clone).collect(),
            _ => Vec::new(),
        }
    }
}
