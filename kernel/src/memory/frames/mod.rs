//! Frames: the memories that guests take turns in, and swapping.
//!
//! A *frame* is one `WebAssembly.Memory`. A host gives a pod few of them (Chromium: 125 in a tab),
//! and an instance is bound to its memory for life. So each Worker has a budget of frames. While
//! there are enough, each guest has one of its own; then guests share: all *occupants* of a frame
//! have instances that import the same memory, and one of them at a time is *resident*, which means
//! that the memory holds what is its. What the others have lies in the kernel's memory.
//!
//! ```text
//!   frame 1  resident: A   occupants: A, D     swapped out: D
//!   frame 2  resident: B   occupants: B
//!   frame 3  resident: -   occupants: E        E was swapped out for a guest that has ended
//!   frame 4  idle: all zero, waits for a guest
//! ```
//! Invariants: outside of what its resident uses, a frame is zero (but see [`STACK_WINDOW`]). Only
//! the Worker of a frame touches it, and those on which threads of its resident live (ADR 0029). The guest
//! whose code runs is resident and is never moved out, nor is one with threads on several Workers.
//!
//! - `table`: which frame a guest gets and who leaves for it; knows no memory
//! - [`stored`](Stored): a guest's pages without a frame; [`InitialImage`]: what need not be stored
//! - [`FramePool`]: does it, for all Workers; `guests`: their guests and threads; `seats`: frames for
//!   those that start; `swap`: memories out and in; `copy`: one for fork(2); `spread`: threads on
//!   other Workers than their frame's
//! - `residency`: what a task knows of its frame
//! - `report`: the numbers of `/proc/shoal/pool`

mod copy;
mod guests;
mod image;
mod pool;
mod report;
mod residency;
mod seats;
mod spread;
mod stored;
mod swap;
mod table;

#[cfg(test)]
mod tests;

pub use image::InitialImage;
pub use pool::{DEFAULT_FRAMES, DEFAULT_STACKS, FramePool};
pub use report::{WorkerReport, text};
pub use residency::Residency;
pub use stored::{Origin, Stored};

/// Bytes of a page: what is stored or left out as a whole.
const PAGE_LEN: usize = 4096;
/// The same for addresses.
const PAGE_BYTES: u64 = 4096;
/// The contents of a page.
type Page = [u8; PAGE_LEN];

/// How far below the lowest used byte of a stack is looked for more that returned calls have left,
/// in bytes. A program that leaves a gap of zeroes as long as this leaves what lies below it to the
/// next guest of the frame.
const STACK_WINDOW: u32 = 1 << 20;
/// Bytes below the stack pointer that a function without calls may use (ADR 0009).
const RED_ZONE: u32 = 128;

/// Names a frame among those of its Worker; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(pub u32);
