//! A pod's disk as a WebAssembly module of its own: an image from anywhere, and the changes to it (layer 6, ADR 0036).
//!
//! The disk Worker has one instance. It never waits: what is not there yet is `Pending`, and the host, in
//! `sdk/src/disk`, asks again when something has arrived. The modules are safe and natively tested; only
//! the last two know JavaScript.
//!
//! ```text
//!   Worker's request ─> exports ─> Disk ─> Overlay ─┬─> Store 0, 1: the log (imports)
//!                                   │               └─> Base: the host's bytes (imports), or what was fetched
//!                                   └─> Far: what to fetch ─> the host's fetch ─> answer
//! ```
//!
//! | file | what |
//! |---|---|
//! | `disk.rs` | [`Disk`]: opening, reads, changes, flushes, fetched bytes |
//! | `whole.rs` | tasks for the whole disk: export, import, compaction, sizes |
//! | `base.rs`, `fetched.rs` | [`Base`]: the image; the bytes of it that were fetched |
//! | `far.rs` | [`Far`]: which requests to send, and what their answers are |
//! | `identity.rs` | what tells an image from another |
//! | `status.rs` | [`Status`]: how a call has ended |
//! | `imports.rs`, `exports.rs` | the host's functions, and those for it |

mod base;
mod disk;
#[expect(unsafe_code, reason = "exports have names that must be unique")]
pub mod exports;
mod far;
mod fetched;
mod identity;
#[cfg_attr(
    target_family = "wasm",
    expect(unsafe_code, reason = "imports are declared in an unsafe block")
)]
mod imports;
mod status;
mod whole;

pub use base::{Base, Source};
pub use disk::{Disk, Layout, Opening};
pub use far::{Far, Fetch, Outcome};
pub use fetched::Fetched;
pub use identity::{of_contents, of_text};
pub use status::Status;
