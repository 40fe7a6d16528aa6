//! The numbers, layouts and names that a guest of Shoal sees (layer 0).
//!
//! Everything here is append-only: a number that was published never changes its meaning.
//!
//! - [`table`]: the system calls, one row each; [`mod@unimplemented`]: the ones that are not there
//! - [`linux32`]: the import names of 32-bit guests; [`wali`]: those that are made of them; [`wasi`]: the
//!   other interface, all of it
//! - [`programs`]: which calls well-known programs make
//! - [`types`]: ids and addresses; [`layout`]: structures as bytes; [`mod@file`]: types of files
//! - [`flags`], [`limits`], [`errno`]: constants; [`special`]: what only the shim and the kernel see

#![no_std]
#![forbid(unsafe_code)]

pub mod coverage;
pub mod errno;
pub mod file;
pub mod flags;
#[macro_use]
pub mod layout;
pub mod limits;
pub mod linux32;
pub mod programs;
pub mod special;
pub mod table;
pub mod types;
pub mod unimplemented;
pub mod wali;
pub mod wasi;

pub use errno::{Errno, Error, NOT_RESIDENT, Result};
pub use linux32::linux32_number;
pub use table::name_of;
pub use types::{Fd, OpenFlags, Pid, Signal, SignalSet, Tid, UserAddr};
