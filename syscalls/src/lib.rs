//! The system calls of Linux: decodes and checks arguments, copies guest memory, calls the kernel
//! (layer 5).
//!
//! [`enter`] is the door: a number and six words come in, one word goes out. Rows of
//! `abi::table` name the handlers; each family has a file here, and a handler reads like its
//! manual page. `wasi` is the other interface, on the same objects. Everything from a guest is an allegation until it was checked here.

#![forbid(unsafe_code)]

mod arg;
mod buffer;
mod context;
mod credentials;
mod dir;
mod dispatch;
mod event;
mod fd;
mod file;
mod futex;
mod inotify;
mod memory;
mod mqueue;
mod pidfd;
mod pipe;
mod poll;
mod process;
mod signal;
mod socket;
mod system;
mod sysv;
mod time;
mod timer;
mod tty;
mod wasi;
mod xattr;

pub use context::Cx;
pub use dispatch::enter;
pub use memory::memory_grow;
