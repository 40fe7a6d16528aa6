//! The numbers, layouts and names that a guest of Shoal sees (layer 0).
//!
//! Everything here is append-only: a number that was published never changes its meaning.

#![no_std]
#![forbid(unsafe_code)]

pub mod errno;

pub use errno::{Errno, Error, Result};
