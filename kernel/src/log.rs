//! The kernel's log: shown to the host at once, and kept for syslog(2) up to a number of bytes.

use std::collections::VecDeque;

use executor::sync::Lock;

use crate::platform::Level;

/// Bytes that are kept, as Linux's default `CONFIG_LOG_BUF_SHIFT` has it at least.
pub const CAPACITY: usize = 1 << 17;

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Vec<u8>>,
    len: usize,
}

/// The last messages, as dmesg(1) prints them.
#[derive(Debug, Default)]
pub struct LogBuffer(Lock<Lines>);

impl LogBuffer {
    /// Keeps a message; the oldest ones make room.
    pub fn push(&self, level: Level, since_boot_ns: u64, message: &str) {
        let priority = match level {
            Level::Error => 3,
            Level::Warning => 4,
            Level::Info => 6,
        };
        let micros = since_boot_ns.checked_div(1000).unwrap_or(0);
        let (sec, micros) = (
            micros.checked_div(1_000_000).unwrap_or(0),
            micros.checked_rem(1_000_000).unwrap_or(0),
        );
        let line = format!("<{priority}>[{sec:5}.{micros:06}] {message}\n").into_bytes();
        let mut kept = self.0.lock();
        kept.len = kept.len.saturating_add(line.len());
        kept.lines.push_back(line);
        while kept.len > CAPACITY {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.len = kept.len.saturating_sub(oldest.len());
        }
    }

    /// The last whole lines that fit into `max` bytes.
    pub fn tail(&self, max: usize) -> Vec<u8> {
        let kept = self.0.lock();
        let mut room = max;
        let mut first = kept.lines.len();
        for line in kept.lines.iter().rev() {
            let Some(rest) = room.checked_sub(line.len()) else {
                break;
            };
            room = rest;
            first = first.saturating_sub(1);
        }
        kept.lines.iter().skip(first).flatten().copied().collect()
    }

    /// Bytes kept.
    pub fn len(&self) -> usize {
        self.0.lock().len
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.0.lock() = Lines::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_come_back_and_old_ones_go() {
        let log = LogBuffer::default();
        log.push(Level::Warning, 1_500_000_000, "one");
        log.push(Level::Error, 2_000_001_000, "two");
        assert_eq!(
            log.tail(1000),
            b"<4>[    1.500000] one\n<3>[    2.000001] two\n"
        );
        assert_eq!(log.tail(30), b"<3>[    2.000001] two\n");
        let long = "x".repeat(CAPACITY - 10);
        log.push(Level::Info, 0, &long);
        assert!(log.len() <= CAPACITY);
        log.clear();
        assert!(log.is_empty());
    }
}
