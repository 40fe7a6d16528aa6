//! How much memory the pod has and who has it: sysinfo(2), `/proc/meminfo`, `/proc/shoal/memory`.

use std::sync::Arc;

use fs::budget::{Budget, Class};

use crate::kernel::Kernel;
use crate::platform::Level;
use crate::process::Process;

/// Memory of a pod, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUsage {
    /// What there is.
    pub total_bytes: u64,
    /// What is in use: guests, files in memory, the kernel.
    pub used_bytes: u64,
    /// The part of it that caches give back when somebody needs it.
    pub cached_bytes: u64,
    /// Files in memory.
    pub shared_bytes: u64,
}

impl MemoryUsage {
    /// What is not in use.
    pub const fn free_bytes(self) -> u64 {
        self.total_bytes.saturating_sub(self.used_bytes)
    }
}

impl Kernel {
    /// The memory of the pod.
    pub fn budget(&self) -> &Arc<Budget> {
        self.vfs.budget()
    }

    /// How the memory of the pod is used now.
    pub fn memory_usage(&self) -> MemoryUsage {
        let budget = self.budget();
        MemoryUsage {
            total_bytes: budget.total_bytes(),
            used_bytes: budget.used_bytes(),
            cached_bytes: budget.cached_bytes(),
            shared_bytes: budget.used(Class::Files),
        }
    }

    /// Says in the log that a process was refused memory that the pod does not have, if it was:
    /// once for each program that it runs.
    pub fn report_refusal(&self, process: &Process) {
        let refused = process.address_space().lock().take_refusal();
        let Some(bytes) = refused else { return };
        let comm = String::from_utf8_lossy(&process.program.lock().comm).into_owned();
        let usage = self.memory_usage();
        let (used, total) = (usage.used_bytes >> 10, usage.total_bytes >> 10);
        let line = format!(
            "out of memory: pid {} ({comm}) asked for {} KiB, {used} of {total} KiB are in use",
            process.pid,
            bytes >> 10,
        );
        self.log(Level::Warning, &line);
    }
}
