//! The async executor of one Worker: tasks, wakers, timers, wait queues.
//!
//! A fixed pool of Workers shares one memory. Each Worker owns one [`Executor`]; a task lives on
//! the executor that spawned it until it ends, and may be woken from every Worker.
//!
//! ```text
//!   wake on the own thread ──────────────> local queue ──┐
//!                                              ^         ├─> run() polls, first in first out
//!   wake on another thread ──> inbox ──(batch)─┘         │
//!                                │                       │
//!                                └─ idle? notify(worker) │
//!   timers (in order) ── run() expires ──> wake ─────────┘
//! ```
//!
//! - [`Executor`], [`JoinHandle`], [`Slice`], [`RunState`]: tasks and the loop that polls them
//! - [`Sleep`]: a deadline on the executor's clock
//! - [`wait_queue::WaitQueue`]: who waits for an object to change
//! - [`CancelToken`]: one way to end every wait
//! - [`sync::Lock`]: the lock of the project
//! - [`Clock`], [`Pender`]: what the host provides; a browser and a native test are two hosts
//!
//! # Lock order
//! Every lock here is a leaf for the crates above: no waker is called, dropped or cloned from a
//! foreign type while one is held, with the one exception that a wait queue clones wakers, which
//! only counts a reference. Inside: `RunQueue::local` before `RunQueue::inbox`; nothing else nests.

#![forbid(unsafe_code)]

pub mod cancel;
pub mod clock;
mod executor;
mod loom;
mod pender;
pub mod run_queue;
pub mod sorted;
pub mod sync;
mod task;
mod timer;
pub mod wait_queue;

pub use cancel::CancelToken;
pub use clock::Clock;
pub use executor::{Entered, Executor, RunState, Slice};
pub use pender::{CountingPender, Pender, WorkerId};
pub use task::JoinHandle;
pub use timer::Sleep;
