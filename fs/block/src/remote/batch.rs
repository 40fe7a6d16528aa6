//! Changes that wait for being sent together.

use super::change::{DISCARD, Entry, ROW_BYTES, WRITE};
use super::wide;

/// Rows and the bytes of their writes, in the order of the calls.
#[derive(Default)]
pub(super) struct Batch {
    rows: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Batch {
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.add(offset, wide(bytes.len()), WRITE);
    }

    pub(super) fn discard(&mut self, offset: u64, len: u64) {
        let mut at = offset;
        let end = offset.saturating_add(len);
        while at < end {
            // A row has 32 bits, and its bytes are whole sectors.
            let part = end.saturating_sub(at).min(1 << 31);
            self.add(at, part, DISCARD);
            at = at.saturating_add(part);
        }
    }

    /// Neighbours of one kind share a row.
    fn add(&mut self, offset: u64, len: u64, kind: u32) {
        let joined = self.rows.last_mut().filter(|row| {
            row.kind == kind && row.offset.saturating_add(u64::from(row.len)) == offset
        });
        let sum = joined
            .as_ref()
            .and_then(|row| u64::from(row.len).checked_add(len))
            .and_then(|sum| u32::try_from(sum).ok());
        match (joined, sum) {
            (Some(row), Some(sum)) => row.len = sum,
            _ => self.rows.push(Entry {
                offset,
                len: u32::try_from(len).unwrap_or(u32::MAX),
                kind,
            }),
        }
    }

    pub(super) fn overlaps(&self, offset: u64, len: u64) -> bool {
        self.rows.iter().any(|row| {
            row.offset < offset.saturating_add(len)
                && offset < row.offset.saturating_add(u64::from(row.len))
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What it would take to send it.
    pub(super) const fn len_bytes(&self) -> usize {
        self.bytes
            .len()
            .saturating_add(self.rows.len().saturating_mul(ROW_BYTES))
    }

    /// The number of rows, and the rows followed by the bytes; empty afterwards.
    pub(super) fn take(&mut self) -> (u32, Box<[u8]>) {
        let mut message = Vec::with_capacity(self.len_bytes());
        for row in &self.rows {
            row.write_to(&mut message);
        }
        message.append(&mut self.bytes);
        let nr_rows = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.clear();
        (nr_rows, message.into_boxed_slice())
    }
}
