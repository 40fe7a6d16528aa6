//! What waits to be received: messages in the order of their arrival.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::Result;
use fs::budget::{Budget, Charge, Class};

use super::account::Account;
use super::address::Name;
use super::in_flight::Rights;
use crate::message::Credentials;

/// Bytes of the kernel's memory that a message takes besides its own, about.
const MESSAGE_BYTES: usize = 256;
/// Bytes up to which what follows is put to the same message of a stream.
const JOIN_MAX: usize = 4096;

/// Bytes on their way. Dropping it gives the sender its room back and wakes it: not under a lock.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    /// How many of them were received.
    start: usize,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Option<Arc<Name>>,
    pub(super) rights: Option<Rights>,
    account: Arc<Account>,
    /// What it has of the account.
    counted: usize,
    charge: Charge,
}

impl Message {
    /// A message of `bytes`, whose memory is charged.
    ///
    /// # Errors
    /// `ENOMEM`
    pub(super) fn new(budget: &Arc<Budget>, len: usize, account: &Arc<Account>) -> Result<Self> {
        let counted = len.saturating_add(MESSAGE_BYTES);
        let size = u64::try_from(counted).unwrap_or(u64::MAX);
        let charge = Charge::take(budget, Class::Pipes, size)?;
        account.add(counted);
        Ok(Self {
            bytes: vec![0; len],
            start: 0,
            credentials: None,
            from: None,
            rights: None,
            account: Arc::clone(account),
            counted,
            charge,
        })
    }

    /// Where its bytes go.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// What was not received yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Who sent it, as `SO_PASSCRED` tells.
    pub(super) fn sender(&self) -> Credentials {
        self.credentials.unwrap_or(Credentials::UNKNOWN)
    }

    /// Takes `more` in behind its own bytes if both look the same to a receiver.
    fn join(&mut self, more: &mut Self) -> bool {
        let len = self.bytes.len().saturating_add(more.bytes.len());
        let is_alike = self.credentials == more.credentials
            && self.rights.is_none()
            && more.rights.is_none()
            && Arc::ptr_eq(&self.account, &more.account);
        if len > JOIN_MAX || !is_alike {
            return false;
        }
        let added = u64::try_from(more.bytes.len()).unwrap_or(u64::MAX);
        let size = self.charge.bytes().saturating_add(added);
        if self.charge.resize(size).is_err() {
            return false;
        }
        self.bytes.extend_from_slice(&more.bytes);
        // The account's share moves along; only the overhead of `more` goes back.
        self.counted = self.counted.saturating_add(more.bytes.len());
        more.counted = more.counted.saturating_sub(more.bytes.len());
        true
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.account.give_back(self.counted);
    }
}

/// Bytes that a receiver has taken out of a message that goes on: [`Taken::settle`] tells the
/// sender, without a lock.
#[derive(Debug)]
#[must_use = "the sender waits for it"]
pub(super) struct Taken {
    account: Arc<Account>,
    count: usize,
}

impl Taken {
    /// Gives the sender its room back.
    pub(super) fn settle(self) {
        self.account.give_back(self.count);
    }
}

/// The messages of one receiver.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    messages: VecDeque<Message>,
    /// Of all messages, unread.
    nr_bytes: usize,
}

impl Inbox {
    pub(super) const fn nr_bytes(&self) -> usize {
        self.nr_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn front(&self) -> Option<&Message> {
        self.messages.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Message> {
        self.messages.front_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    /// Adds a message at the end.
    pub(super) fn push(&mut self, message: Message) {
        self.nr_bytes = self.nr_bytes.saturating_add(message.rest().len());
        self.messages.push_back(message);
    }

    /// Adds bytes of a stream; returns what is left of a message that was joined to the last one,
    /// to be dropped without a lock.
    pub(super) fn push_joined(&mut self, mut message: Message) -> Option<Message> {
        let len = message.rest().len();
        if let Some(last) = self.messages.back_mut()
            && last.join(&mut message)
        {
            self.nr_bytes = self.nr_bytes.saturating_add(len);
            return Some(message);
        }
        self.push(message);
        None
    }

    /// Takes the oldest message out.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.nr_bytes = self.nr_bytes.saturating_sub(message.rest().len());
        Some(message)
    }

    /// Takes `count` bytes off the oldest message, which has more.
    pub(super) fn consume(&mut self, count: usize) -> Option<Taken> {
        let message = self.messages.front_mut()?;
        message.start = message.start.saturating_add(count).min(message.bytes.len());
        message.counted = message.counted.saturating_sub(count);
        self.nr_bytes = self.nr_bytes.saturating_sub(count);
        Some(Taken {
            account: Arc::clone(&message.account),
            count,
        })
    }
}
