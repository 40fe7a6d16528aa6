//! How much a socket has sent that nobody has received yet (`sk_wmem_alloc` of Linux).

use std::sync::Arc;

use executor::sync::Lock;
use executor::wait_queue::WaitQueue;

use crate::options::Options;

/// The bytes of one sender in all inboxes.
#[derive(Debug)]
pub(super) struct Account {
    bytes: Lock<usize>,
    /// The sender's, woken when there is room again.
    queue: WaitQueue,
    options: Arc<Options>,
}

impl Account {
    pub(super) fn new(queue: &WaitQueue, options: &Arc<Options>) -> Arc<Self> {
        Arc::new(Self {
            bytes: Lock::new(0),
            queue: queue.clone(),
            options: Arc::clone(options),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        *self.bytes.lock()
    }

    /// How many bytes may be sent now; what is begun may exceed it.
    pub(super) fn room(&self) -> usize {
        self.options.send_buffer().saturating_sub(self.bytes())
    }

    /// Whether poll(2) says so: three quarters of the buffer are free, as in Linux.
    pub(super) fn is_writable(&self) -> bool {
        is_low(self.bytes(), self.options.send_buffer())
    }

    pub(super) fn add(&self, count: usize) {
        let mut bytes = self.bytes.lock();
        *bytes = bytes.saturating_add(count);
    }

    /// Gives bytes back. Wakes: call it without a lock.
    pub(super) fn give_back(&self, count: usize) {
        let limit = self.options.send_buffer();
        let is_room_new = {
            let mut bytes = self.bytes.lock();
            let before = *bytes;
            *bytes = before.saturating_sub(count);
            !is_low(before, limit) && is_low(*bytes, limit)
        };
        if is_room_new {
            self.queue.wake_all();
        }
    }
}

const fn is_low(bytes: usize, limit: usize) -> bool {
    bytes <= limit / 4
}
