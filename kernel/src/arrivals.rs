//! What has arrived from devices that answer later, and who waits for it.
//!
//! A call that meets bytes that are not here yet fails with [`fs::io::NOT_RESIDENT`], with nothing changed; it is
//! made again when something has arrived (ADR 0003). The first time it is made again at once: what it wants
//! may have arrived between its failure and the look at the count.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use executor::wait_queue::{Registration, WaitQueue};

/// A count of arrivals, and a queue.
#[derive(Debug, Default)]
pub struct Arrivals {
    queue: WaitQueue,
    count: AtomicU32,
}

impl Arrivals {
    /// Something has arrived: bytes, or the end of a flush.
    pub fn arrived(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.queue.wake_all();
    }

    /// How much has arrived so far.
    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until `is_over` says so, which is asked again whenever something has arrived.
    pub async fn until(&self, is_over: &mut (dyn FnMut() -> bool + Send)) {
        let mut registration: Option<Registration> = None;
        poll_fn(|context| {
            match &mut registration {
                Some(registration) => registration.update(context.waker()),
                None => registration = Some(self.queue.register(context.waker())),
            }
            if is_over() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
