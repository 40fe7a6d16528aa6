//! What a task knows of its frame without a lock: it asks at each resumption.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether a guest's memory is in its frame, and when the guest last ran.
#[derive(Debug, Default)]
pub struct Residency {
    is_resident: AtomicBool,
    last_ran_ns: AtomicU64,
}

impl Residency {
    /// Whether the memory of its frame holds what is its.
    pub fn is_resident(&self) -> bool {
        self.is_resident.load(Ordering::Relaxed)
    }

    pub(super) fn set_resident(&self, is_resident: bool) {
        self.is_resident.store(is_resident, Ordering::Relaxed);
    }

    /// It runs from now on.
    pub fn runs(&self, now_ns: u64) {
        // In WebAssembly a store is a barrier, a load is not.
        if self.last_ran_ns.load(Ordering::Relaxed) != now_ns {
            self.last_ran_ns.store(now_ns, Ordering::Relaxed);
        }
    }

    /// When it last got the processor.
    pub fn last_ran_ns(&self) -> u64 {
        self.last_ran_ns.load(Ordering::Relaxed)
    }
}
