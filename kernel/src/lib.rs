//! Processes, signals, file descriptors, pipes, terminals: the kernel without its system calls.
//!
//! State is shared by all Workers; each object has its own [`executor::sync::Lock`]. The order in
//! which locks may nest (ADR 0002), outermost first:
//!
//! 1. the process tree, 2. a part of a [`process::Process`], 3. a task's identities, then its call,
//! 4. an open file's offset, 5. an inode or file system, 6. a pipe or terminal, 7. a wait queue,
//! 8. a Worker's turns, 9. the executor.
//!
//! No lock is held across an `.await` or while a waker is called.

#![forbid(unsafe_code)]

pub mod arrivals;
mod boot;
pub mod call;
pub mod device;
pub mod event;
pub mod exec;
pub mod fd_table;
pub mod file_lock;
pub mod ipc;
pub mod kernel;
pub mod log;
pub mod memory;
pub mod open;
pub mod open_file;
pub mod platform;
pub mod poll;
pub mod proc;
pub mod process;
pub mod scheduler;
pub mod signal;
pub mod socket;
pub mod testing;
pub mod transfer;
pub mod tty;
pub mod version;
pub mod whole_file;
pub mod write_back;

pub use crate::kernel::{Kernel, Parts};
