//! How much memory the guests of a pod have: sysinfo(2), `/proc/meminfo`.

use std::sync::Arc;

use crate::kernel::Kernel;

/// Bytes that count as the memory of a pod: what 32-bit addresses reach. The host may have less.
const TOTAL_BYTES: u64 = 4 << 30;

/// Memory of a pod, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUsage {
    /// What there is.
    pub total_bytes: u64,
    /// What the memory maps of all processes have in use.
    pub used_bytes: u64,
}

impl MemoryUsage {
    /// What is not in use.
    pub const fn free_bytes(self) -> u64 {
        self.total_bytes.saturating_sub(self.used_bytes)
    }
}

impl Kernel {
    /// Adds up the memory maps of all processes that have not ended.
    pub fn memory_usage(&self) -> MemoryUsage {
        let processes = self.processes.living().into_iter();
        let mut spaces: Vec<_> = processes.map(|process| process.address_space()).collect();
        // Between `vfork` and `exec`, a child has its parent's.
        spaces.sort_unstable_by_key(Arc::as_ptr);
        spaces.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let used = spaces.iter().map(|space| space.lock().used_bytes());
        MemoryUsage {
            total_bytes: TOTAL_BYTES,
            used_bytes: used.fold(0, u64::saturating_add),
        }
    }
}
