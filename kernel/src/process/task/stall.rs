//! Calls that wait for a device that answers later: for bytes, or for a flush.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::Result;
use fs::vfs::flush::Flush;

use super::Task;
use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::kernel::Kernel;

impl Task {
    /// Makes a call again when what it wants may have arrived.
    pub(super) fn stall(self: &Arc<Self>, kernel: &Arc<Kernel>) -> u32 {
        let again = Err(Fault::Interrupted(Restart::Always));
        let seen = kernel.arrivals.count();
        if self.arrivals_seen.swap(seen, Ordering::Relaxed) != seen {
            return self.settle(kernel, again);
        }
        self.wait(kernel, again, move |task, kernel| {
            kernel.arrivals.count() != seen || task.is_interrupted()
        })
    }

    /// The call that runs is over when these flushes are complete, if it succeeds.
    pub fn until_durable(&self, flushes: impl IntoIterator<Item = Flush>) {
        let mut state = self.state.lock();
        state.flushes.extend(flushes);
        if !state.flushes.is_empty() {
            self.attention.store(true, Ordering::Release);
        }
    }

    /// The answer of a call once its flushes are complete; `None` when it has none. As on Linux, no signal ends
    /// that wait but the end of the task.
    pub(super) fn after_flushes(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        answer: &Answer<u32>,
    ) -> Option<u32> {
        let flushes = std::mem::take(&mut self.state.lock().flushes);
        let value = match *answer {
            Ok(value) if !self.is_over() => value,
            _ => return None,
        };
        match all_complete(&flushes) {
            Err(error) => Some(self.settle(kernel, Err(error.into()))),
            Ok(true) => None,
            Ok(false) => {
                let is_over = move |task: &Arc<Self>, _: &Arc<Kernel>| {
                    let is_over = task.is_over() || all_complete(&flushes).unwrap_or(true);
                    if is_over {
                        // An error is for the caller.
                        task.until_durable(flushes.clone());
                    }
                    is_over
                };
                Some(self.wait(kernel, Ok(value), is_over))
            }
        }
    }

    /// Parks until `is_over` says so, which is asked again whenever something has arrived.
    fn wait(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        answer: Answer<u32>,
        mut is_over: impl FnMut(&Arc<Self>, &Arc<Kernel>) -> bool + Send + 'static,
    ) -> u32 {
        let (own, pod) = (Arc::clone(self), Arc::clone(kernel));
        let waiting = Outcome::Pending(Box::pin(async move {
            pod.arrivals.until(&mut || is_over(&own, &pod)).await;
            answer
        }));
        self.finish(kernel, waiting)
    }
}

fn all_complete(flushes: &[Flush]) -> Result<bool> {
    for flush in flushes {
        if !flush.is_complete()? {
            return Ok(false);
        }
    }
    Ok(true)
}
