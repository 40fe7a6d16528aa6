//! The disk Worker's disk: requests go out through the import `disk_request`, answers come in as
//! [`complete`]. `sdk/src/worker/disk.ts` is the other side.

use std::sync::Arc;

use executor::sync::Lock;
use fs_block::remote::{RemoteDisk, Transport};
use fs_block::{BlockDevice, BlockError};

use crate::imports::{self, DiskOperation};

/// The one that the host has opened for this pod.
static ATTACHED: Lock<Option<SharedRemote>> = Lock::new(None);

/// Says that the pod's disk is the disk Worker's, with this length in bytes.
pub(crate) fn attach(len_bytes: u64) {
    let disk = RemoteDisk::new(ToHost, len_bytes);
    *ATTACHED.lock() = Some(SharedRemote(Arc::new(Lock::new(disk))));
}

/// The disk Worker's disk, if the pod has one.
pub(crate) fn attached() -> Option<SharedRemote> {
    ATTACHED.lock().clone()
}

/// A request was answered: with 0, or with `-errno`.
pub(crate) fn complete(sequence: u64, status: i32, is_full: bool) {
    let result = match status {
        0 => Ok(()),
        -28 => Err(BlockError::NoSpace),
        -30 => Err(BlockError::ReadOnly),
        _ => Err(BlockError::Io),
    };
    if let Some(disk) = attached() {
        disk.0.lock().complete(sequence, result, is_full);
    }
}

/// Posts requests to the disk Worker.
struct ToHost;

impl Transport for ToHost {
    fn read(&mut self, sequence: u64, offset: u64, bytes: &mut [u8]) {
        imports::disk_request(DiskOperation::Read, sequence, offset, bytes);
    }

    fn change(&mut self, sequence: u64, nr_rows: u32, bytes: &[u8]) {
        imports::disk_request(DiskOperation::Change, sequence, nr_rows.into(), bytes);
    }

    fn flush(&mut self, sequence: u64) {
        imports::disk_request(DiskOperation::Flush, sequence, 0, &[]);
    }
}

/// A remote disk with several owners.
#[derive(Clone, Debug)]
pub(crate) struct SharedRemote(Arc<Lock<RemoteDisk<ToHost>>>);

impl BlockDevice for SharedRemote {
    fn len_bytes(&self) -> u64 {
        self.0.lock().len_bytes()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().read(offset, buffer)
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
