//! Moving bytes: where a read puts them, where a write takes them, and what "not now" means.
//!
//! Guest memory, kernel buffers and the SDK all look the same to a file: a [`Sink`] or a
//! [`Source`]. A file hands out slices of its own storage, so that a read copies once.

use abi::{Errno, Error, Result};

pub use abi::NOT_RESIDENT;

/// Takes the bytes of a read.
pub trait Sink {
    /// How many more bytes it takes.
    fn remaining(&self) -> usize;

    /// Appends `bytes`, which are at most [`Sink::remaining`] long.
    ///
    /// # Errors
    /// `EFAULT` when the destination is not writable; what was put before stays put.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Gives the bytes of a write.
pub trait Source {
    /// How many more bytes it gives.
    fn remaining(&self) -> usize;

    /// Fills `bytes`, which is at most [`Source::remaining`] long.
    ///
    /// # Errors
    /// `EFAULT` when the origin is not readable.
    fn take(&mut self, bytes: &mut [u8]) -> Result<()>;
}

impl Sink for &mut [u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let (head, tail) = core::mem::take(self)
            .split_at_mut_checked(bytes.len())
            .ok_or(Errno::EFAULT)?;
        head.copy_from_slice(bytes);
        *self = tail;
        Ok(())
    }
}

impl Source for &[u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        let (head, tail) = self.split_at_checked(bytes.len()).ok_or(Errno::EFAULT)?;
        bytes.copy_from_slice(head);
        *self = tail;
        Ok(())
    }
}

/// A growing buffer that takes up to `limit` bytes.
#[derive(Debug)]
pub struct VecSink {
    /// What was put so far.
    pub bytes: Vec<u8>,
    limit: usize,
}

impl VecSink {
    /// An empty buffer that takes `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }
}

impl Sink for VecSink {
    fn remaining(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Why an attempt that never waits has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// The condition does not hold yet: wait on the object's queue and try again.
    WouldBlock,
    /// It failed.
    Failed(Error),
}

impl From<Error> for Stall {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Errno> for Stall {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno.into())
    }
}

/// The result of an attempt that never waits.
pub type Try<T> = core::result::Result<T, Stall>;
