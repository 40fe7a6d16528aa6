//! Device numbers, and who serves the devices behind them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abi::Result;
use fs_block::BlockDevice;

use super::file::FileOps;

/// The number of a device as `st_rdev` and `makedev(3)` have it.
pub const fn make_device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (widen(major), widen(minor));
    (minor & 0xff)
        | ((major & 0xfff) << 8)
        | ((minor & 0xffff_ff00) << 12)
        | ((major & 0xffff_f000) << 32)
}

/// The major number in a device number.
pub const fn major(device: u64) -> u32 {
    narrow(((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000))
}

/// The minor number in a device number.
pub const fn minor(device: u64) -> u32 {
    narrow((device & 0xff) | ((device >> 12) & 0xffff_ff00))
}

#[expect(clippy::as_conversions, reason = "widening; `From` is not const")]
const fn widen(number: u32) -> u64 {
    number as u64
}

#[expect(clippy::as_conversions, reason = "the callers masked it to 32 bits")]
const fn narrow(number: u64) -> u32 {
    number as u32
}

/// A device number for a file system that has no device of its own: major 0.
pub fn unnamed_device() -> u64 {
    static NEXT: AtomicU32 = AtomicU32::new(20);
    make_device(0, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The two kinds of device files, whose numbers are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// `S_IFCHR`
    Char,
    /// `S_IFBLK`
    Block,
}

/// A device file of `/dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// Its name in `/dev`, without a slash.
    pub name: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number.
    pub number: u64,
    /// Its permission bits.
    pub permissions: u32,
}

/// Opens devices by number: the kernel implements it with its table of drivers.
pub trait DeviceRegistry: Send + Sync + fmt::Debug {
    /// A new open file description's behaviour for the device `number`.
    ///
    /// # Errors
    /// `ENXIO` without a driver, and what the driver says.
    fn open(&self, kind: DeviceKind, number: u64) -> Result<Arc<dyn FileOps>>;

    /// Device files that `/dev` shows besides the usual ones, when it is made.
    fn nodes(&self) -> Vec<DeviceNode> {
        Vec::new()
    }

    /// The disk behind the block device `number`, for mounting it.
    ///
    /// # Errors
    /// `ENXIO` when there is none, `EBUSY`.
    fn disk(&self, number: u64) -> Result<Box<dyn BlockDevice>> {
        let _ = number;
        Err(abi::Errno::ENXIO.because("no disk of this number"))
    }
}

/// No device at all: every open fails.
#[derive(Debug, Default)]
pub struct NoDevices;

impl DeviceRegistry for NoDevices {
    fn open(&self, _: DeviceKind, _: u64) -> Result<Arc<dyn FileOps>> {
        Err(abi::Errno::ENXIO.because("no driver for this device"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_linux() {
        assert_eq!(make_device(1, 3), 0x103);
        assert_eq!(make_device(5, 1), 0x501);
        let large = make_device(0x1234, 0x56789);
        assert_eq!((major(large), minor(large)), (0x1234, 0x56789));
    }
}
