//! The disk Worker's disk: requests go out through the import `disk_request`, answers come in as
//! [`complete`]. `sdk/src/worker/disk.ts` is the other side.

use executor::sync::Lock;
use fs::remote_disk::SharedRemote;
use fs_block::BlockError;
use fs_block::remote::Transport;

use crate::imports::{self, DiskOperation};

/// A disk that the disk Worker keeps.
pub(crate) type WorkerDisk = SharedRemote<ToHost>;

/// The one that the host has opened for this pod.
static ATTACHED: Lock<Option<WorkerDisk>> = Lock::new(None);

/// Says that the pod's disk is the disk Worker's, with this length in bytes.
pub(crate) fn attach(len_bytes: u64) {
    *ATTACHED.lock() = Some(SharedRemote::new(ToHost, len_bytes));
}

/// The disk Worker's disk, if the pod has one.
pub(crate) fn attached() -> Option<WorkerDisk> {
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
        disk.complete(sequence, result, is_full);
    }
}

/// Posts requests to the disk Worker.
pub(crate) struct ToHost;

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
