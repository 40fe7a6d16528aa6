//! What `/proc/PID/io` tells: bytes that read(2), write(2) and their relatives moved, and how often
//! they were called.
//!
//! Each task counts for itself, so that nobody else writes its numbers; a process adds those of its
//! threads up.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the guest.
    Read,
    /// From it.
    Write,
}

/// No call that counts waits.
const NONE: u8 = 0;
/// A reader waits.
const READS: u8 = 1;
/// A writer waits.
const WRITES: u8 = 2;

/// The numbers of a task.
#[derive(Debug, Default)]
pub struct IoCount {
    /// `rchar`, `wchar`, `syscr`, `syscw`.
    values: [AtomicU64; 4],
    /// Which way the call goes that waits: its bytes are known at its end.
    waiting: AtomicU8,
}

impl IoCount {
    /// `rchar`, `wchar`, `syscr` and `syscw`.
    pub fn values(&self) -> [u64; 4] {
        self.values
            .each_ref()
            .map(|value| value.load(Ordering::Relaxed))
    }

    /// A call has moved `bytes` bytes.
    pub fn note(&self, way: Way, bytes: u64) {
        let [rchar, wchar, syscr, syscw] = &self.values;
        let (sum, count) = match way {
            Way::Read => (rchar, syscr),
            Way::Write => (wchar, syscw),
        };
        // Only the Worker of the task gets here: no need to add in one step.
        for (value, more) in [(sum, bytes), (count, 1)] {
            let now = value.load(Ordering::Relaxed);
            value.store(now.wrapping_add(more), Ordering::Relaxed);
        }
    }

    /// A call waits that will have moved bytes.
    pub fn begin(&self, way: Way) {
        let way = match way {
            Way::Read => READS,
            Way::Write => WRITES,
        };
        self.waiting.store(way, Ordering::Relaxed);
    }

    /// The call that waited has ended, with `bytes` bytes if it was one that counts.
    pub(super) fn end(&self, bytes: Option<&u32>) {
        let way = match self.waiting.load(Ordering::Relaxed) {
            READS => Way::Read,
            WRITES => Way::Write,
            _ => return,
        };
        self.waiting.store(NONE, Ordering::Relaxed);
        self.note(way, bytes.copied().unwrap_or(0).into());
    }

    /// Adds the numbers of a thread that has ended; the caller holds the threads of the process.
    pub(super) fn add(&self, other: &Self) {
        for (value, more) in self.values.iter().zip(other.values()) {
            value.fetch_add(more, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_at_once_or_at_their_end() {
        let count = IoCount::default();
        count.note(Way::Read, 5);
        count.end(Some(&9));
        count.begin(Way::Write);
        count.end(Some(&7));
        count.begin(Way::Read);
        count.end(None);
        assert_eq!(count.values(), [5, 7, 2, 1]);
        let sum = IoCount::default();
        sum.add(&count);
        sum.add(&count);
        assert_eq!(sum.values(), [10, 14, 4, 2]);
    }
}
