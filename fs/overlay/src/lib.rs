//! Local changes over a read-only image, kept in a log that survives a crash (ADR 0032).
//!
//! Key type: [`Overlay`], a `BlockDevice` over another one, the base. What is written goes to the
//! end of a log in a [`Store`]; what was not written is read from the base. A flush ends a
//! transaction: after a crash the device is exactly as it was at the last completed flush.
//!
//! # A store
//! ```text
//!  byte 0      4096       8192
//!  ├ header A ─┼ header B ┼ record ┬ record ┬ record ┬ ...
//!  │ which base, newest checkpoint │        │        │
//!
//!  batch:      ┌ header, table: block number and CRC of each ┐┌ data ┬ data ┬ ...
//!              └ CRC of this, CRC of the record before ──────┘└ those that are not all zeros
//!  checkpoint: ┌ header ┐┌ where every block is: the index, packed
//! ```
//! All numbers are little-endian, all records begin at multiples of 512. Each record holds the
//! checksum of the one before, so that what an earlier life of the log left behind never counts.
//! A batch with the commit flag ends a transaction; batches after the last one are cut off at open.
//!
//! There are two stores. One is in use; compaction writes what is alive into the other, whose
//! header comes last and has a higher generation.
//!
//! # The files
//! | file | what |
//! |---|---|
//! | `store.rs` | [`Store`], a file of bytes with a barrier; [`MemStore`] |
//! | `codec.rs`, `header.rs`, `record.rs` | the format |
//! | `index.rs`, `batch.rs` | where each block is; blocks that wait for being appended |
//! | `log.rs`, `recover.rs` | appending to one store; reading it back after anything |
//! | `overlay.rs`, `device.rs` | [`Overlay`]; its `BlockDevice` |
//! | `compact.rs` | compaction, export, import |

#![forbid(unsafe_code)]

mod batch;
mod codec;
mod compact;
mod device;
mod header;
mod index;
mod log;
mod overlay;
mod record;
mod recover;
mod store;

pub use header::{Identity, MAX_TAG_BYTES};
pub use overlay::{Options, Overlay, Statistics};
pub use recover::OpenError;
pub use store::{MemStore, Store, StoreError};
