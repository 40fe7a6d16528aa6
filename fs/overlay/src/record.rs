//! Records: the codec of batches and checkpoints.
//!
//! ```text
//!  byte 0      4    5     6  8           16      24               28     32           36
//!  │ "SREC"    │kind│flags│0 │ generation│ number│ CRC of the one │count │ payload's  │ 0 ...
//!  │           │    │     │  │           │       │ before         │      │ CRC        │
//!  40: count × (block number and flags 8, CRC of the data 4), then the CRC of all this, zeros to
//!  the next sector, data. A checkpoint has no table; its count is the payload's bytes.
//! ```

use crate::batch::Batch;
use crate::codec::{le16, le32, le64, narrow, put, put32, put64, sectors, wide};
use crate::index::Entry;

const MAGIC: u32 = u32::from_le_bytes(*b"SREC");
/// Bytes of the fields before the table.
pub(crate) const FIXED: usize = 40;
const ROW: usize = 12;
/// Flag of a batch: it ends a transaction.
const COMMIT: u8 = 1;
/// Flags in a block number: the contents are the base's; they are zeros and not stored.
const CLEAN: u64 = 1 << 63;
const ZEROS: u64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Batch,
    Checkpoint,
}

/// The link of a record to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) generation: u64,
    /// Numbers the records of a store.
    pub(crate) number: u64,
    /// The CRC of the record before.
    pub(crate) chain: u32,
}

impl Link {
    /// The link of the first record.
    pub(crate) fn first(generation: u64) -> Self {
        Self {
            generation,
            number: 0,
            chain: crc32c::crc32c(&generation.to_le_bytes()),
        }
    }

    /// The link of the record after one with this CRC.
    pub(crate) const fn next(self, chain: u32) -> Self {
        Self {
            chain,
            number: self.number.saturating_add(1),
            ..self
        }
    }
}

/// The fixed part of a record, not checked against anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    pub(crate) kind: Kind,
    pub(crate) is_commit: bool,
    pub(crate) link: Link,
    pub(crate) count: u32,
    pub(crate) payload_crc: u32,
}

impl Fixed {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let kind = match bytes.get(4)? {
            1 => Kind::Batch,
            2 => Kind::Checkpoint,
            _ => return None,
        };
        if le32(bytes, 0) != MAGIC || le16(bytes, 6) != 0 {
            return None;
        }
        Some(Self {
            kind,
            is_commit: bytes.get(5)? & COMMIT != 0,
            link: Link {
                generation: le64(bytes, 8),
                number: le64(bytes, 16),
                chain: le32(bytes, 24),
            },
            count: le32(bytes, 28),
            payload_crc: le32(bytes, 32),
        })
    }

    fn encode(&self, bytes: &mut [u8]) {
        put32(bytes, 0, MAGIC);
        let kind = match self.kind {
            Kind::Batch => 1,
            Kind::Checkpoint => 2,
        };
        put(bytes, 4, &[kind, u8::from(self.is_commit)]);
        put64(bytes, 8, self.link.generation);
        put64(bytes, 16, self.link.number);
        put32(bytes, 24, self.link.chain);
        put32(bytes, 28, self.count);
        put32(bytes, 32, self.payload_crc);
    }

    /// Bytes of fields, table and CRC, to the end of the last sector.
    pub(crate) fn head_bytes(&self) -> usize {
        head_bytes(match self.kind {
            Kind::Batch => narrow(u64::from(self.count)),
            Kind::Checkpoint => 0,
        })
    }

    /// Whether the CRC after the table is right; if so, the CRC.
    pub(crate) fn check(&self, head: &[u8]) -> Option<u32> {
        let rows = match self.kind {
            Kind::Batch => narrow(u64::from(self.count)),
            Kind::Checkpoint => 0,
        };
        let at = rows.checked_mul(ROW)?.checked_add(FIXED)?;
        let crc = crc32c::crc32c(head.get(..at)?);
        (le32(head, at) == crc && head.len() >= at.checked_add(4)?).then_some(crc)
    }
}

fn head_bytes(rows: usize) -> usize {
    sectors(
        rows.saturating_mul(ROW)
            .saturating_add(FIXED)
            .saturating_add(4),
    )
}

/// A row of a batch's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) block: u64,
    pub(crate) is_clean: bool,
    pub(crate) is_zeros: bool,
    pub(crate) crc: u32,
}

/// The rows of a batch whose head was checked.
pub(crate) fn rows(head: &[u8], count: u32) -> impl Iterator<Item = Row> + '_ {
    let table = head.get(FIXED..).unwrap_or_default();
    table
        .chunks_exact(ROW)
        .take(narrow(u64::from(count)))
        .map(|row| {
            let block = le64(row, 0);
            Row {
                block: block & !(CLEAN | ZEROS),
                is_clean: block & CLEAN != 0,
                is_zeros: block & ZEROS != 0,
                crc: le32(row, 8),
            }
        })
}

/// A record ready for the store.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) crc: u32,
    /// Where its blocks are when it is at the offset it was encoded for.
    pub(crate) places: Vec<(u64, Entry)>,
}

/// Encodes a batch to be at byte `at` of the log; `None` when that is too far for the format.
pub(crate) fn encode_batch(batch: &Batch, link: Link, is_commit: bool, at: u64) -> Option<Encoded> {
    let count = batch.iter().count();
    let head = head_bytes(count);
    let mut bytes = vec![0; head];
    let mut places = Vec::with_capacity(count);
    let fixed = Fixed {
        kind: Kind::Batch,
        is_commit,
        link,
        count: u32::try_from(count).ok()?,
        payload_crc: 0,
    };
    fixed.encode(&mut bytes);
    let mut row_at = FIXED;
    for (block, is_clean, data) in batch.iter() {
        let clean = if is_clean { CLEAN } else { 0 };
        let (flags, crc, entry) = if let Some(data) = data {
            let crc = crc32c::crc32c(data);
            let place = at.checked_add(wide(bytes.len()))?;
            bytes.extend_from_slice(data);
            (clean, crc, Entry::stored(place, crc, is_clean)?)
        } else {
            (clean | ZEROS, 0, Entry::zeros(is_clean))
        };
        put64(&mut bytes, row_at, block | flags);
        put32(&mut bytes, row_at.saturating_add(8), crc);
        row_at = row_at.saturating_add(ROW);
        places.push((block, entry));
    }
    let crc = crc32c::crc32c(bytes.get(..row_at)?);
    put32(&mut bytes, row_at, crc);
    Some(Encoded { bytes, crc, places })
}

/// Encodes a checkpoint.
pub(crate) fn encode_checkpoint(payload: &[u8], link: Link) -> Option<Encoded> {
    let mut bytes = vec![0; head_bytes(0)];
    let fixed = Fixed {
        kind: Kind::Checkpoint,
        is_commit: false,
        link,
        count: u32::try_from(payload.len()).ok()?,
        payload_crc: crc32c::crc32c(payload),
    };
    fixed.encode(&mut bytes);
    let crc = crc32c::crc32c(bytes.get(..FIXED)?);
    put32(&mut bytes, FIXED, crc);
    bytes.extend_from_slice(payload);
    bytes.resize(sectors(bytes.len()), 0);
    Some(Encoded {
        bytes,
        crc,
        places: Vec::new(),
    })
}
