//! Block devices and the write-back block cache.
//!
//! A [`BlockDevice`] moves bytes at byte offsets and never waits: what is not there yet answers
//! [`BlockError::NotResident`], and the caller repeats its operation once the bytes came in
//! (ADR 0003). [`BlockCache`] sits on top: it keeps recent blocks, collects writes, and undoes
//! the changes of an operation that failed half way, so that "repeat it" is always possible.
//!
//! ```text
//!   fs-ext2 ──> BlockCache ──> BlockDevice: MemDisk | VecDisk | FaultDisk<D> | what is over a RemoteDisk
//! ```
//!
//! Neighbours: `fs-ext2` reads and writes through the cache; this crate knows no file system.

#![forbid(unsafe_code)]

mod cache;
mod fault_disk;
mod mem_disk;
mod number_map;
pub mod remote;
mod vec_disk;

use core::fmt;

pub use cache::{BlockCache, CacheStatistics};
pub use fault_disk::{Fault, FaultDisk};
pub use mem_disk::MemDisk;
pub use number_map::{NumberHasher, NumberMap};
pub use vec_disk::VecDisk;

/// Why a device did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockError {
    /// The medium or the transport failed; repeating may or may not help.
    Io,
    /// The bytes reach past the end of the device.
    OutOfRange,
    /// The device takes no writes.
    ReadOnly,
    /// The medium has no room left: a browser's quota, a limit.
    NoSpace,
    /// The bytes at this byte offset are on their way; wait for them and repeat.
    NotResident(u64),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io => f.write_str("device error"),
            Self::OutOfRange => f.write_str("past the end of the device"),
            Self::ReadOnly => f.write_str("read-only device"),
            Self::NoSpace => f.write_str("no room on the device"),
            Self::NotResident(offset) => write!(f, "byte {offset} is not resident yet"),
        }
    }
}

impl core::error::Error for BlockError {}

/// Bytes at byte offsets that outlive the mount, or pretend to.
///
/// Callers keep offsets and lengths multiples of 512; devices need not insist.
pub trait BlockDevice: Send + Sync {
    /// Size of the device in bytes; constant while it is in use.
    fn len_bytes(&self) -> u64;

    /// Fills `buf` with the bytes at byte `offset`.
    ///
    /// # Errors
    /// `OutOfRange`, `Io`, `NotResident`; `buf` is then unspecified.
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError>;

    /// Whether [`BlockDevice::lend`] has all bytes.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Calls `take`, once, with the `len` bytes at byte `offset` where they lie in memory; `false`, without a call, when
    /// they do not: then [`BlockDevice::read`] has them, or says why not.
    fn lend(&self, _offset: u64, _len: usize, _take: &mut dyn FnMut(&[u8])) -> bool {
        false
    }

    /// Stores `bytes` at byte `offset`; durable after the next [`BlockDevice::flush`].
    ///
    /// # Errors
    /// `OutOfRange`, `Io`, `ReadOnly`, `NoSpace`; after `Io` the old and new bytes may be mixed.
    /// `NotResident` where a device needs more of its own to take a part of a block.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError>;

    /// Makes all earlier writes durable.
    ///
    /// # Errors
    /// `Io`, `NoSpace`; `NotResident` when it takes a while: repeat.
    fn flush(&mut self) -> Result<(), BlockError>;

    /// Starts to make all earlier writes durable. A device that needs time for it gives a number to ask
    /// [`BlockDevice::is_flushed`] for; `None`: they are.
    ///
    /// # Errors
    /// As [`BlockDevice::flush`].
    fn start_flush(&mut self) -> Result<Option<u64>, BlockError> {
        self.flush().map(|()| None)
    }

    /// Whether this flush, or a later one, is complete.
    ///
    /// # Errors
    /// Why it failed.
    fn is_flushed(&self, _flush: u64) -> Result<bool, BlockError> {
        Ok(true)
    }

    /// Whether whoever wants to change something had better wait: much is on its way to the medium.
    fn is_congested(&self) -> bool {
        false
    }

    /// Whether every write answers `ReadOnly`.
    fn is_read_only(&self) -> bool {
        false
    }

    /// Says that nobody wants the bytes in this range any more, until they are written again; what they
    /// read as is up to the device. A hint: it may be ignored, and is undone like a write by a crash
    /// before the next flush.
    fn discard(&mut self, _offset: u64, _len: u64) {}

    /// Whether new data had better be refused: what room there is, is kept for changes of what is
    /// there, such as freeing. Writes still succeed for a while.
    fn is_full(&self) -> bool {
        false
    }
}

impl<D: BlockDevice + ?Sized> BlockDevice for Box<D> {
    fn len_bytes(&self) -> u64 {
        (**self).len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(offset, buf)
    }

    fn is_in_memory(&self) -> bool {
        (**self).is_in_memory()
    }

    fn lend(&self, offset: u64, len: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        (**self).lend(offset, len, take)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        (**self).write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        (**self).flush()
    }

    fn start_flush(&mut self) -> Result<Option<u64>, BlockError> {
        (**self).start_flush()
    }

    fn is_flushed(&self, flush: u64) -> Result<bool, BlockError> {
        (**self).is_flushed(flush)
    }

    fn is_congested(&self) -> bool {
        (**self).is_congested()
    }

    fn is_read_only(&self) -> bool {
        (**self).is_read_only()
    }

    fn discard(&mut self, offset: u64, len: u64) {
        (**self).discard(offset, len);
    }

    fn is_full(&self) -> bool {
        (**self).is_full()
    }
}

/// The end of `len` bytes at `offset`, if it lies within `device_len`.
fn checked_end(offset: u64, len: usize, device_len: u64) -> Result<u64, BlockError> {
    u64::try_from(len)
        .ok()
        .and_then(|len| offset.checked_add(len))
        .filter(|end| *end <= device_len)
        .ok_or(BlockError::OutOfRange)
}
