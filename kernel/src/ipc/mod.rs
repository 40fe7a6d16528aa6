//! Communication between processes that lives in the kernel: pipes and named pipes.

pub mod fifo;
pub mod pipe;
pub(crate) mod ring;
