//! System V shared memory: segments, which are files in memory that processes map.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicUsize, Ordering};

use abi::flags::IPC_PRIVATE;
use executor::sync::Lock;
use fs::memfd::MemFile;

use super::{Object, Permissions};
use crate::kernel::Kernel;

/// A segment.
#[derive(Debug)]
pub struct Segment {
    permissions: Lock<Permissions>,
    /// Its contents.
    pub file: Arc<MemFile>,
    /// Bytes.
    pub size: u32,
    /// Who made it.
    pub creator: i32,
    /// Who attached or detached it last.
    pub last: AtomicI32,
    nr_attached: AtomicUsize,
    /// Times in seconds since 1970, 0 for never: attached, detached, changed.
    pub attached_at: AtomicI64,
    /// When it was detached last.
    pub detached_at: AtomicI64,
    /// When it was made or changed.
    pub changed_at: AtomicI64,
    /// Whether it goes with the last that has it.
    is_doomed: AtomicBool,
}

impl Object for Segment {
    fn permissions(&self) -> &Lock<Permissions> {
        &self.permissions
    }
}

impl Segment {
    /// A segment of `size` bytes in `file`, made by process `creator` at second `now`.
    pub fn new(
        permissions: Permissions,
        file: Arc<MemFile>,
        size: u32,
        creator: i32,
        now: i64,
    ) -> Self {
        Self {
            permissions: Lock::new(permissions),
            file,
            size,
            creator,
            last: AtomicI32::new(0),
            nr_attached: AtomicUsize::new(0),
            attached_at: AtomicI64::new(0),
            detached_at: AtomicI64::new(0),
            changed_at: AtomicI64::new(now),
            is_doomed: AtomicBool::new(false),
        }
    }

    /// How often it is attached.
    pub fn nr_attached(&self) -> usize {
        self.nr_attached.load(Ordering::Relaxed)
    }

    /// Whether it was removed while attached.
    pub fn is_doomed(&self) -> bool {
        self.is_doomed.load(Ordering::Relaxed)
    }
}

/// That a process has a segment in its memory: held by the mapping, so that it ends with it.
#[derive(Debug)]
pub struct Attachment {
    kernel: std::sync::Weak<Kernel>,
    segment: Arc<Segment>,
    pid: i32,
}

impl Attachment {
    /// Process `pid` attaches `segment` at second `now`.
    pub fn new(kernel: &Arc<Kernel>, segment: &Arc<Segment>, pid: i32, now: i64) -> Arc<Self> {
        segment.nr_attached.fetch_add(1, Ordering::Relaxed);
        segment.last.store(pid, Ordering::Relaxed);
        segment.attached_at.store(now, Ordering::Relaxed);
        Arc::new(Self {
            kernel: Arc::downgrade(kernel),
            segment: Arc::clone(segment),
            pid,
        })
    }

    /// The same for a child that has a copy of the mapping.
    #[must_use]
    pub fn for_child(&self) -> Arc<Self> {
        self.segment.nr_attached.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            kernel: self.kernel.clone(),
            segment: Arc::clone(&self.segment),
            pid: self.pid,
        })
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let Some(kernel) = self.kernel.upgrade() else {
            return;
        };
        let segment = &self.segment;
        segment.last.store(self.pid, Ordering::Relaxed);
        let now = kernel.now().seconds;
        segment.detached_at.store(now, Ordering::Relaxed);
        if segment.nr_attached.fetch_sub(1, Ordering::Relaxed) == 1 && segment.is_doomed() {
            kernel.sysv.segments.remove(segment);
        }
    }
}

impl Kernel {
    /// `IPC_RMID`: the segment goes once nobody has it; its key is free at once.
    pub fn remove_segment(&self, segment: &Segment) {
        segment.is_doomed.store(true, Ordering::Relaxed);
        segment.permissions.lock().key = IPC_PRIVATE;
        if segment.nr_attached() == 0 {
            self.sysv.segments.remove(segment);
        }
    }
}
