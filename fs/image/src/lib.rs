//! Images that are far away: in chunks named by their content, and by ranges of plain files (ADR 0033).
//!
//! Everything here is logic without input and output: a host fetches what it is told, and hands
//! over what came. Files:
//!
//! | file | what |
//! |---|---|
//! | `manifest.rs` | [`Manifest`]: which chunks an image has, and which are wanted first |
//! | `chunked.rs` | [`ChunkedDisk`]: a `BlockDevice` of chunks as they come |
//! | `split.rs` | [`split()`]: an image into chunks |
//! | `hot.rs` | [`ReadRecorder`], [`HotList`]: which bytes are read first |
//! | `ranges.rs`, `planner.rs` | [`RangeSet`]; [`Planner`]: what to ask a server for, and when |
//! | `answer.rs` | what a server's answer means |

#![forbid(unsafe_code)]

mod answer;
mod chunked;
mod codec;
mod hot;
mod manifest;
mod planner;
mod ranges;
mod split;

pub use answer::{Answer, Failure, Verdict, judge};
pub use chunked::{ChunkError, ChunkedDisk};
pub use hot::{HotList, ReadRecorder};
pub use manifest::{ChunkName, ChunkNo, Manifest, ManifestError};
pub use planner::{Planner, PlannerOptions, Request, RequestId, Settled};
pub use ranges::RangeSet;
pub use split::{Chunk, split};
