//! The switch between the real atomics and loom's, which explore every interleaving.
//!
//! Under `--cfg loom` each type here works only inside `loom::model`. The mutex has its own switch
//! in [`crate::sync`], the one file that may name it.

#[cfg(loom)]
pub(crate) use ::loom::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    thread_local,
};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
