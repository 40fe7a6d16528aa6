//! The disk of the root file system: in the kernel's memory, or kept by the disk Worker.

mod memory;
mod remote;

use fs_block::BlockDevice;

pub(crate) use self::memory::{allocate_image, take_image};
pub(crate) use self::remote::{attach, attached, complete};

use self::memory::SharedDisk;
use self::remote::WorkerDisk;

/// A disk with several owners: the file system, and the host's exports.
#[derive(Clone, Debug)]
pub(crate) enum RootDisk {
    /// All of it is here.
    Memory(SharedDisk),
    /// The disk Worker has it.
    Remote(WorkerDisk),
}

impl RootDisk {
    /// The disk Worker's, if one is attached, or one that starts as `image`.
    pub(crate) fn new(image: Vec<u8>) -> Self {
        match attached() {
            Some(remote) => Self::Remote(remote),
            None => Self::Memory(SharedDisk::new(image)),
        }
    }

    /// The device of a file system.
    pub(crate) fn device(&self) -> Box<dyn BlockDevice> {
        match self {
            Self::Memory(disk) => Box::new(disk.clone()),
            Self::Remote(disk) => Box::new(disk.clone()),
        }
    }

    /// Its contents now, if they are here; sync the file system before.
    pub(crate) fn snapshot(&self) -> Option<Vec<u8>> {
        match self {
            Self::Memory(disk) => Some(disk.snapshot()),
            Self::Remote(_) => None,
        }
    }
}
