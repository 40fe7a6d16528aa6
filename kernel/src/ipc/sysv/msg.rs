//! System V message queues: messages with types, received in order or by type.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::flags::{MSG_COPY, MSG_EXCEPT, MSG_NOERROR, MSGMNB};
use abi::{Errno, Result};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::budget::{Budget, Charge, Class};
use fs::io::{Stall, Try};

use super::{Object, Permissions};

/// Bytes of the kernel's memory that a message takes besides its own, about.
const MESSAGE_BYTES: u64 = 64;

/// A message.
#[derive(Debug)]
struct Message {
    kind: i32,
    bytes: Vec<u8>,
    _charge: Charge,
}

/// A queue.
#[derive(Debug)]
pub struct Queue {
    permissions: Lock<Permissions>,
    budget: Arc<Budget>,
    state: Lock<State>,
    queue: WaitQueue,
}

/// What `msgctl(2)` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes in the queue.
    pub nr_bytes: usize,
    /// Bytes that it may have.
    pub max_bytes: usize,
    /// Messages in it.
    pub nr_messages: usize,
    /// Who sent last.
    pub last_sender: i32,
    /// Who received last.
    pub last_receiver: i32,
    /// Seconds since 1970, 0 for never.
    pub sent_at: i64,
    /// When somebody received last.
    pub received_at: i64,
    /// When it was made or changed.
    pub changed_at: i64,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Message>,
    status: Status,
    is_removed: bool,
}

impl Object for Queue {
    fn permissions(&self) -> &Lock<Permissions> {
        &self.permissions
    }
}

impl Queue {
    /// An empty queue, made at second `now`.
    pub fn new(permissions: Permissions, budget: &Arc<Budget>, now: i64) -> Self {
        Self {
            permissions: Lock::new(permissions),
            budget: Arc::clone(budget),
            state: Lock::new(State {
                messages: VecDeque::new(),
                status: Status {
                    max_bytes: MSGMNB,
                    changed_at: now,
                    ..Status::default()
                },
                is_removed: false,
            }),
            queue: WaitQueue::new(),
        }
    }

    /// Woken when a message comes or goes, or the queue goes.
    pub const fn wait_queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// What `msgctl(2)` tells.
    pub fn status(&self) -> Status {
        self.state.lock().status
    }

    /// `IPC_SET`: the bytes that it may have.
    pub fn set_max_bytes(&self, max_bytes: usize, now: i64) {
        {
            let mut state = self.state.lock();
            state.status.max_bytes = max_bytes;
            state.status.changed_at = now;
        }
        self.queue.wake_all();
    }

    /// `IPC_RMID`: who waits gets `EIDRM`.
    pub fn remove(&self) {
        let messages = {
            let mut state = self.state.lock();
            state.is_removed = true;
            std::mem::take(&mut state.messages)
        };
        drop(messages);
        self.queue.wake_all();
    }

    /// Puts a message at the end.
    ///
    /// # Errors
    /// `WouldBlock` while it is full; `EIDRM`, `ENOMEM`.
    pub fn try_send(&self, pid: i32, kind: i32, bytes: &[u8], now: i64) -> Try<()> {
        {
            let mut state = self.state.lock();
            if state.is_removed {
                return Err(Errno::EIDRM.into());
            }
            let status = &state.status;
            let is_full = status.nr_bytes.saturating_add(bytes.len()) > status.max_bytes
                || status.nr_messages >= status.max_bytes;
            if is_full {
                return Err(Stall::WouldBlock);
            }
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let size = size.saturating_add(MESSAGE_BYTES);
            let charge = Charge::take(&self.budget, Class::Pipes, size)?;
            state.messages.push_back(Message {
                kind,
                bytes: bytes.to_vec(),
                _charge: charge,
            });
            let status = &mut state.status;
            status.nr_bytes = status.nr_bytes.saturating_add(bytes.len());
            status.nr_messages = status.nr_messages.saturating_add(1);
            status.last_sender = pid;
            status.sent_at = now;
        }
        self.queue.wake_all();
        Ok(())
    }

    /// Takes the message that `kind` means: 0 the first, positive the first of that type, or with
    /// `MSG_EXCEPT` of another, negative the lowest type up to its absolute value. Returns its type
    /// and bytes.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; `E2BIG` for more than `size` bytes without `MSG_NOERROR`,
    /// `EIDRM`, `ENOMSG` for a copy.
    pub fn try_receive(
        &self,
        pid: i32,
        kind: i32,
        (size, flags): (usize, u32),
        now: i64,
    ) -> Try<(i32, Vec<u8>)> {
        let taken = {
            let mut state = self.state.lock();
            if state.is_removed {
                return Err(Errno::EIDRM.into());
            }
            let index = state.find(kind, flags).ok_or(Stall::WouldBlock)?;
            let message = state.messages.get(index).ok_or(Stall::WouldBlock)?;
            if message.bytes.len() > size && flags & MSG_NOERROR == 0 {
                return Err(Errno::E2BIG.into());
            }
            if flags & MSG_COPY != 0 {
                let bytes = message.bytes.get(..size).unwrap_or(&message.bytes);
                return Ok((message.kind, bytes.to_vec()));
            }
            let message = state.messages.remove(index).ok_or(Stall::WouldBlock)?;
            let status = &mut state.status;
            status.nr_bytes = status.nr_bytes.saturating_sub(message.bytes.len());
            status.nr_messages = status.nr_messages.saturating_sub(1);
            status.last_receiver = pid;
            status.received_at = now;
            message
        };
        self.queue.wake_all();
        let mut bytes = taken.bytes;
        bytes.truncate(size);
        Ok((taken.kind, bytes))
    }
}

impl State {
    fn find(&self, kind: i32, flags: u32) -> Option<usize> {
        let kinds = || self.messages.iter().map(|message| message.kind);
        if flags & MSG_COPY != 0 {
            let index = usize::try_from(kind).ok()?;
            return (index < self.messages.len()).then_some(index);
        }
        match kind {
            0 => (!self.messages.is_empty()).then_some(0),
            1.. if flags & MSG_EXCEPT != 0 => kinds().position(|other| other != kind),
            1.. => kinds().position(|other| other == kind),
            _ => {
                let most = kind.saturating_neg();
                let lowest = kinds().filter(|&other| other <= most).min()?;
                kinds().position(|other| other == lowest)
            }
        }
    }
}

/// Fails for a size that no message may have.
///
/// # Errors
/// `EINVAL`
pub fn check_size(size: usize) -> Result<()> {
    if size > abi::flags::MSGMAX {
        return Err(Errno::EINVAL.because("too long a message"));
    }
    Ok(())
}
