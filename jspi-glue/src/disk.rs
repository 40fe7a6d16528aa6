//! The disk of the root file system: memory that the host may take a copy of.

use std::sync::Arc;

use executor::sync::Lock;
use fs_block::{BlockDevice, BlockError, MemDisk};

/// A disk in memory with several owners: the file system, and the host's snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SharedDisk(Arc<Lock<MemDisk>>);

impl SharedDisk {
    /// A disk that starts as `image`.
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self(Arc::new(Lock::new(MemDisk::new(image))))
    }

    /// Its contents now; sync the file system before.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.0.lock().snapshot()
    }
}

impl BlockDevice for SharedDisk {
    fn len_bytes(&self) -> u64 {
        self.0.lock().len_bytes()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().read(offset, buffer)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.lock().write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.lock().flush()
    }
}
