//! The most memory that a process had: `ru_maxrss` of getrusage(2), `VmHWM` of `/proc/PID/status`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Process;

/// Peaks of resident memory, in bytes.
#[derive(Debug, Default)]
pub struct PeakMemory {
    /// Of the programs that it ran before, and at the end of the last.
    former: AtomicU64,
    /// Of the largest child that was waited for, or of one that this waited for.
    children: AtomicU64,
}

impl PeakMemory {
    /// Of the largest child that was waited for, and theirs.
    pub fn children_bytes(&self) -> u64 {
        self.children.load(Ordering::Relaxed)
    }

    /// A child has been waited for that, or a child of which, had `bytes` bytes.
    pub(super) fn add_child(&self, bytes: u64) {
        self.children.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl Process {
    /// The most resident memory of this process, all its programs considered.
    pub fn peak_resident_bytes(&self) -> u64 {
        let now = self.address_space().lock().resident_bytes();
        self.peak_memory.former.load(Ordering::Relaxed).max(now)
    }

    /// What a parent gets that waits for it: its own peak or that of its children.
    pub(super) fn family_peak_bytes(&self) -> u64 {
        let children = self.peak_memory.children_bytes();
        self.peak_resident_bytes().max(children)
    }

    /// The present program's memory is about to go.
    pub(super) fn note_peak_memory(&self) {
        let peak = self.peak_resident_bytes();
        self.peak_memory.former.fetch_max(peak, Ordering::Relaxed);
    }
}
