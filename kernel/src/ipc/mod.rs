//! Communication between processes that lives in the kernel: pipes, named pipes, futexes,
//! and the objects of System V.

pub mod fifo;
pub mod futex;
pub mod pipe;
pub(crate) mod ring;
pub mod sysv;
