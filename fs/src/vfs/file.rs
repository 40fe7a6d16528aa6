//! What an open file that is not plain bytes does: pipes, terminals, devices, sockets.
//!
//! Implementations are state machines: `try_*` never wait. Whoever wants to wait registers on
//! [`FileOps::wait_queue`], tries again, and sleeps (`kernel::poll::wait_for`).

use std::any::Any;
use std::fmt;

use abi::flags::{POLLRDNORM, POLLWRNORM};
use abi::{Errno, Result};
use executor::wait_queue::{Interest, WaitQueue};

use crate::io::{Sink, Source, Stall, Try};

/// Readiness, with the bits of `poll(2)`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Events(pub u16);

impl Events {
    /// Data may be read.
    pub const IN: Self = Self(0x001);
    /// Urgent data.
    pub const PRI: Self = Self(0x002);
    /// Data may be written.
    pub const OUT: Self = Self(0x004);
    /// An error; always reported.
    pub const ERR: Self = Self(0x008);
    /// The other side is gone; always reported.
    pub const HUP: Self = Self(0x010);
    /// The fd is not open.
    pub const NVAL: Self = Self(0x020);
    /// The stream's other side will write no more.
    pub const RDHUP: Self = Self(0x2000);

    /// No event.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether any of `other` is in it.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whom to wake when these came: who waits for them, under System V's names too. For
    /// [`WaitQueue::wake_for`].
    pub const fn wakes(self) -> Interest {
        self.with_norms().interest()
    }

    /// The bits as a wait queue knows them.
    pub const fn interest(self) -> Interest {
        #[expect(clippy::as_conversions, reason = "widening; `From` is not const")]
        Interest(self.0 as u32)
    }

    /// With `POLLRDNORM` where it can be read and `POLLWRNORM` where it can be written: the names
    /// that `poll(2)` took over from System V.
    #[must_use]
    pub const fn with_norms(self) -> Self {
        let mut bits = self.0;
        if self.intersects(Self::IN) {
            bits |= POLLRDNORM;
        }
        if self.intersects(Self::OUT) {
            bits |= POLLWRNORM;
        }
        Self(bits)
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl std::ops::BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({:#x})", self.0)
    }
}

/// Guest memory, as `ioctl` implementations reach it: addresses are guest addresses, bytes.
pub trait GuestMemory {
    /// Copies guest memory at `address` into `bytes`.
    ///
    /// # Errors
    /// `EFAULT` when any byte is outside the memory; `bytes` is then unspecified.
    fn copy_in(&self, address: u32, bytes: &mut [u8]) -> Result<()>;

    /// Copies `bytes` to guest memory at `address`.
    ///
    /// # Errors
    /// `EFAULT` when any byte is outside the memory; nothing is written then.
    fn copy_out(&self, address: u32, bytes: &[u8]) -> Result<()>;
}

/// The behaviour of an open file description that has its own.
pub trait FileOps: Send + Sync + fmt::Debug {
    /// The object itself, for a kernel that opens a pipe again by its link in `/proc/PID/fd`.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Reads what is there now. `Ok(0)` is the end of file.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there yet; `EBADF`, `EIO`, and what the sink says.
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        let _ = sink;
        Err(Errno::EINVAL.into())
    }

    /// Writes as much as fits now; returns bytes taken.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; `EPIPE` (the caller raises `SIGPIPE`), and what the source says.
    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let _ = source;
        Err(Stall::from(Errno::EINVAL))
    }

    /// Reads what is there although a read would wait for more: of a read that may not wait, or was
    /// interrupted (a terminal's `VMIN`).
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, and what the sink says.
    fn try_read_part(&self, sink: &mut dyn Sink) -> Try<usize> {
        let _ = sink;
        Err(Stall::WouldBlock)
    }

    /// How many bytes a write takes, for files that take all of a message or nothing: the caller
    /// then has them at hand for each attempt, and does not go on with those behind.
    fn message_len(&self) -> Option<usize> {
        None
    }

    /// What could be done now without waiting.
    fn events(&self) -> Events {
        Events::IN | Events::OUT
    }

    /// Woken whenever [`FileOps::events`] may have changed; `None`: it never does.
    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// Whether `epoll(7)` takes it: whether it can ever be not ready.
    fn is_pollable(&self) -> bool {
        true
    }

    /// When a read that began at `started_ns` and still waits has to end although nothing came:
    /// it is tried once more then, and answers 0 if that stalls. `None`: never (`VTIME` off).
    fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        let _ = started_ns;
        None
    }

    /// `ioctl(2)`: `argument` is the third argument as the guest passed it.
    ///
    /// # Errors
    /// `ENOTTY` for a request it does not know.
    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        let _ = (request, argument, memory);
        Err(Errno::ENOTTY.into())
    }

    /// Whether `lseek(2)` fails with `ESPIPE` (true for pipes, ttys and sockets).
    fn is_stream(&self) -> bool {
        true
    }

    /// The terminal behind it, if it is one: for `isatty`, job control and `/dev/tty`.
    fn terminal(&self) -> Option<u64> {
        None
    }

    /// What `/proc/PID/fdinfo` says of it beyond what it says of every file: lines.
    fn details(&self) -> String {
        String::new()
    }

    /// The last description that refers to it was closed.
    fn release(&self) {}
}
