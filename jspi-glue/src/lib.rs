//! The kernel as a WebAssembly module: what it imports from its host, what it exports, and how it
//! reaches the memories of its guests (layer 6).
//!
//! Every Worker of the pool has an instance of this module; all share one memory, and so one
//! kernel. What belongs to a Worker alone (the seats of its guests) is in thread-locals. Built without
//! atomics, the module is for one Worker with a private memory.
//!
//! - [`imports`]: the host's functions; plain numbers only, so that no glue code is generated
//! - [`exports`]: the kernel's functions for the shim (hot) and for the host (control)
//! - [`guest_memory`]: calls through the function table into the memory helpers of a frame
//! - [`platform`]: the kernel's seam, on top of the imports
//! - [`pod`]: the one kernel of the module, made at boot
//! - [`heap`]: the allocator, counted
//! - [`disk`]: the root file system's
//! - [`screen`]: the host's end of terminals
//! - [`streams`]: standard input and output that are no terminal
//! - [`host_files`]: a folder of the machine (Node)
//!
//! All `unsafe` code of the project is in this crate, in `imports`, `exports`, `guest_memory` and
//! `heap`.

#![expect(
    unsafe_code,
    reason = "imports, exports and calls into other instances need it"
)]

mod disk;
pub mod exports;
mod guest_memory;
mod heap;
mod host_files;
mod imports;
mod limits;
mod platform;
mod pod;
mod screen;
mod streams;
mod wire;
