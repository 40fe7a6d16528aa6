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
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// WebAssembly's atomic accesses are sequentially consistent, whatever they ask for: there only the
/// compiler must keep their order. The instruction would be a good part of a wait's costs.
#[cfg(all(not(loom), target_family = "wasm"))]
pub(crate) use std::sync::atomic::compiler_fence as fence;
#[cfg(all(not(loom), not(target_family = "wasm")))]
pub(crate) use std::sync::atomic::fence;
