//! A disk in the kernel's memory: an image that the host writes once and may take a copy of.
//! Guests' changes go into the image itself, so that a disk never grows.

use std::sync::Arc;

use executor::sync::Lock;
use fs_block::{BlockDevice, BlockError, VecDisk};

use crate::imports::address_of;

/// The image between [`allocate_image`] and the boot.
static IMAGE: Lock<Vec<u8>> = Lock::new(Vec::new());

/// Room for an image of `len` bytes, for the host to write it to; 0 when there is none.
pub(crate) fn allocate_image(len: u32) -> u32 {
    let mut image = Vec::new();
    let Ok(len) = usize::try_from(len) else {
        return 0;
    };
    if image.try_reserve_exact(len).is_err() {
        return 0;
    }
    image.resize(len, 0);
    let address = address_of(image.as_ptr());
    *IMAGE.lock() = image;
    address
}

/// Takes the image that the host has written.
pub(crate) fn take_image() -> Vec<u8> {
    std::mem::take(&mut IMAGE.lock())
}

/// A disk in memory with several owners: the file system, and the host's snapshot.
#[derive(Clone, Debug)]
pub(crate) struct SharedDisk(Arc<Lock<VecDisk>>);

impl SharedDisk {
    /// A disk that starts as `image`.
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self(Arc::new(Lock::new(VecDisk::new(image))))
    }

    /// Its contents now; sync the file system before.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.0.lock().bytes().to_vec()
    }
}

impl BlockDevice for SharedDisk {
    fn len_bytes(&self) -> u64 {
        self.0.lock().len_bytes()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().read(offset, buffer)
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn lend(&self, offset: u64, len: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        self.0.lock().lend(offset, len, take)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.lock().write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.lock().flush()
    }
}
