//! Communication between processes that lives in the kernel: pipes, named pipes,
//! and futexes.

pub mod fifo;
pub mod futex;
pub mod pipe;
pub(crate) mod ring;
