//! Character devices: one file for each, one row in [`DEVICES`].
//!
//! A device node names its driver by number; [`Devices`] finds it. To add a device, write its
//! [`FileOps`] in a file of its own and add a row: devfs then shows it.

pub mod full;
pub mod null;
pub mod random;
pub mod zero;

use std::fmt;
use std::sync::Arc;

use abi::{Errno, Result};
use fs::vfs::device::{DeviceKind, DeviceRegistry, make_device};
use fs::vfs::file::FileOps;

use self::full::Full;
use self::null::Null;
use self::random::Random;
use self::zero::Zero;
use crate::tty::Terminals;

/// Fills a buffer with random bytes fit for keys.
pub type RandomSource = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// A row of the device table.
#[derive(Clone, Copy)]
pub struct Device {
    /// Major number: the driver.
    pub major: u32,
    /// Minor number: the device of the driver.
    pub minor: u32,
    /// Name in `/dev`.
    pub name: &'static str,
    /// Permission bits of the node.
    pub mode: u32,
    open: fn(&Devices, u64) -> Result<Arc<dyn FileOps>>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.major, self.minor)
    }
}

impl Device {
    const fn new(
        major: u32,
        minor: u32,
        name: &'static str,
        mode: u32,
        open: fn(&Devices, u64) -> Result<Arc<dyn FileOps>>,
    ) -> Self {
        Self {
            major,
            minor,
            name,
            mode,
            open,
        }
    }

    /// The number as `st_rdev` has it.
    pub const fn number(&self) -> u64 {
        make_device(self.major, self.minor)
    }
}

/// `/dev/tty`, the controlling terminal of whoever opens it. A driver does not know the caller, so
/// this one only says that number, and [`crate::open`] puts the terminal in its place.
pub const CONTROLLING_TERMINAL: u64 = make_device(5, 0);
/// `/dev/ptmx`: each open makes a pseudo-terminal, which [`crate::open`] does too.
pub const PTY_MULTIPLEXER: u64 = make_device(5, 2);

/// `/dev/console`: the first terminal, which never becomes a controlling one by being opened so.
pub const CONSOLE: u64 = make_device(5, 1);

/// All devices with a fixed name (Linux's `Documentation/admin-guide/devices.txt`).
pub const DEVICES: &[Device] = &[
    Device::new(1, 3, "null", 0o666, |_, _| Ok(Arc::new(Null))),
    Device::new(1, 5, "zero", 0o666, |_, _| Ok(Arc::new(Zero))),
    Device::new(1, 7, "full", 0o666, |_, _| Ok(Arc::new(Full))),
    Device::new(1, 8, "random", 0o666, Devices::open_random),
    Device::new(1, 9, "urandom", 0o666, Devices::open_random),
    Device::new(5, 0, "tty", 0o666, |_, _| {
        Ok(Arc::new(Placeholder(CONTROLLING_TERMINAL)))
    }),
    Device::new(5, 1, "console", 0o600, Devices::open_console),
    Device::new(5, 2, "ptmx", 0o666, |_, _| {
        Ok(Arc::new(Placeholder(PTY_MULTIPLEXER)))
    }),
];

/// What stands for a terminal that depends on the caller until `open(2)` has found it.
#[derive(Debug)]
struct Placeholder(u64);

impl FileOps for Placeholder {
    fn terminal(&self) -> Option<u64> {
        Some(self.0)
    }
}

/// Finds drivers by device number.
pub struct Devices {
    random: RandomSource,
    terminals: Terminals,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices")
            .field("rows", &DEVICES)
            .finish_non_exhaustive()
    }
}

impl Devices {
    /// The devices of a pod.
    pub const fn new(random: RandomSource, terminals: Terminals) -> Self {
        Self { random, terminals }
    }

    /// The behaviour of the character device `number` (`st_rdev`).
    ///
    /// # Errors
    /// `ENXIO` when there is no such device.
    pub fn open_char(&self, number: u64) -> Result<Arc<dyn FileOps>> {
        match DEVICES.iter().find(|device| device.number() == number) {
            Some(device) => (device.open)(self, number),
            None => self.open_terminal(number),
        }
    }

    fn open_random(&self, _number: u64) -> Result<Arc<dyn FileOps>> {
        Ok(Arc::new(Random::new(Arc::clone(&self.random))))
    }

    fn open_terminal(&self, number: u64) -> Result<Arc<dyn FileOps>> {
        match self.terminals.find(number) {
            Some(tty) => tty.open(),
            None => Err(Errno::ENXIO.because("no such device")),
        }
    }

    fn open_console(&self, _number: u64) -> Result<Arc<dyn FileOps>> {
        match self.terminals.console() {
            Some(tty) => tty.open(),
            None => Err(Errno::ENXIO.because("no terminal is there")),
        }
    }
}

impl DeviceRegistry for Devices {
    fn open(&self, kind: DeviceKind, number: u64) -> Result<Arc<dyn FileOps>> {
        match kind {
            DeviceKind::Char => self.open_char(number),
            DeviceKind::Block => Err(Errno::ENXIO.because("no driver for block devices")),
        }
    }
}

#[cfg(test)]
mod tests {
    use fs::io::VecSink;
    use fs::vfs::file::Events;

    use super::*;

    fn devices() -> Devices {
        Devices::new(
            Arc::new(|bytes: &mut [u8]| bytes.fill(4)),
            Terminals::default(),
        )
    }

    fn open(name: &str) -> Result<Arc<dyn FileOps>> {
        let device = DEVICES.iter().find(|device| device.name == name).unwrap();
        devices().open_char(device.number())
    }

    #[test]
    fn device_numbers_and_names_are_unique() {
        for (index, device) in DEVICES.iter().enumerate() {
            let mut others = DEVICES.iter().skip(index + 1);
            assert!(others.all(|o| o.number() != device.number() && o.name != device.name));
        }
    }

    #[test]
    fn null_swallows_writes_and_is_empty() {
        let null = open("null").unwrap();
        assert_eq!(null.try_write(&mut b"abc".as_slice()), Ok(3));
        assert_eq!(null.try_read(&mut VecSink::new(5)), Ok(0));
        assert_eq!(null.events(), Events::IN | Events::OUT);
        assert!(!null.is_stream());
    }

    #[test]
    fn zero_and_full_give_zeros_and_full_takes_nothing() {
        for name in ["zero", "full"] {
            let mut sink = VecSink::new(10_000);
            assert_eq!(open(name).unwrap().try_read(&mut sink), Ok(10_000));
            assert!(sink.bytes.iter().all(|&byte| byte == 0));
        }
        assert_eq!(
            open("zero").unwrap().try_write(&mut b"abc".as_slice()),
            Ok(3)
        );
        let full = open("full").unwrap().try_write(&mut b"abc".as_slice());
        assert_eq!(full, Err(Errno::ENOSPC.into()));
    }

    #[test]
    fn random_fills_what_is_asked() {
        let mut sink = VecSink::new(1000);
        assert_eq!(open("urandom").unwrap().try_read(&mut sink), Ok(1000));
        assert_eq!(sink.bytes, [4; 1000]);
    }

    #[test]
    fn missing_terminals_and_unknown_numbers_say_enxio() {
        for number in [make_device(4, 1), make_device(5, 1), make_device(9, 9)] {
            assert_eq!(devices().open_char(number).unwrap_err().errno, Errno::ENXIO);
        }
    }
}
