//! [`SharedRemote`]: a disk that answers later, as a block device with several owners.
//!
//! `fs_block::remote` has the disk, and knows no locks: here it gets one, and its file system, the one that brings
//! the answers, and whoever else asks for its state share it.

use core::fmt;
use std::sync::Arc;

use executor::sync::Lock;
use fs_block::remote::{RemoteDisk, Transport};
use fs_block::{BlockDevice, BlockError};

/// A [`RemoteDisk`]; clones are the same one.
pub struct SharedRemote<T>(Arc<Lock<RemoteDisk<T>>>);

impl<T: Transport> SharedRemote<T> {
    /// A disk of `len_bytes` behind `transport`.
    pub fn new(transport: T, len_bytes: u64) -> Self {
        Self(Arc::new(Lock::new(RemoteDisk::new(transport, len_bytes))))
    }

    /// A request was answered; see [`RemoteDisk::complete`].
    pub fn complete(&self, sequence: u64, result: Result<(), BlockError>, is_full: bool) {
        self.0.lock().complete(sequence, result, is_full);
    }
}

impl<T: Transport + Send> BlockDevice for SharedRemote<T> {
    fn len_bytes(&self) -> u64 {
        self.0.lock().len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().read(offset, buf)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.lock().write(offset, bytes)
    }

    /// Repeat until it is complete; see [`BlockDevice::start_flush`].
    fn flush(&mut self) -> Result<(), BlockError> {
        match self.start_flush()? {
            None => Ok(()),
            Some(_) => Err(BlockError::NotResident(0)),
        }
    }

    fn start_flush(&mut self) -> Result<Option<u64>, BlockError> {
        self.0.lock().start_flush()
    }

    fn is_flushed(&self, flush: u64) -> Result<bool, BlockError> {
        self.0.lock().is_flushed(flush)
    }

    fn is_congested(&self) -> bool {
        self.0.lock().is_congested()
    }

    fn is_read_only(&self) -> bool {
        self.0.lock().is_broken()
    }

    fn discard(&mut self, offset: u64, len: u64) {
        self.0.lock().discard(offset, len);
    }

    fn is_full(&self) -> bool {
        self.0.lock().is_full()
    }
}

impl<T> Clone for SharedRemote<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for SharedRemote<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedRemote").field(&self.0).finish()
    }
}
