//! Writing back without being asked: what nobody syncs is durable a few seconds later all the same.

use std::sync::Arc;

use fs::io::NOT_RESIDENT;
use fs::vfs::flush::Flush;

use crate::kernel::Kernel;
use crate::platform::Level;

/// As Linux's `dirty_writeback_centisecs`: 5 s.
const PERIOD_NS: u64 = 5_000_000_000;

impl Kernel {
    /// Starts to write all file systems back from time to time, on the first Worker.
    pub fn start_write_back(self: &Arc<Self>) {
        let Some(executor) = self.executors().first() else {
            return;
        };
        let (kernel, executor) = (Arc::clone(self), Arc::clone(executor));
        let sleeping = Arc::clone(&executor);
        let writing = executor.spawn_boxed(Box::pin(async move {
            loop {
                let now_ns = kernel.platform.monotonic_ns();
                sleeping.sleep_until(now_ns.saturating_add(PERIOD_NS)).await;
                let mut synced = Err(NOT_RESIDENT);
                let mut is_here = || {
                    synced = kernel.vfs.sync();
                    !matches!(synced, Err(NOT_RESIDENT))
                };
                kernel.arrivals.until(&mut is_here).await;
                match synced {
                    Ok(flushes) => {
                        // An error is for whoever syncs.
                        let is_complete = |flush: &Flush| flush.is_complete().unwrap_or(true);
                        let mut is_over = || flushes.iter().all(is_complete);
                        kernel.arrivals.until(&mut is_over).await;
                    }
                    Err(error) => kernel.log(Level::Warning, &format!("writing back: {error}")),
                }
            }
        }));
        writing.detach();
    }
}
