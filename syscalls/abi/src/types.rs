//! Ids and addresses of the guest's world, each a type of its own.
//!
//! Holding one proves nothing but the kind: a [`Fd`] may be closed, a [`UserAddr`] may be
//! anywhere. Only [`Signal`] is checked: it is always 1 to 64.

use core::fmt;

use crate::errno::{Errno, Result};
use crate::flags::open as o;

/// A process id as in `pid_t`: also a process group or session; as an argument, 0 and negative
/// values mean what the call's manual page says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

/// A thread id; the first thread of a process has the process's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub i32);

/// A file descriptor as the guest gave it; negative ones are not open, [`Fd::CWD`] is special.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fd(pub i32);

/// An address in the guest's linear memory, unchecked; 0 is the null pointer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserAddr(pub u32);

/// The flags of `open(2)`, also of `pipe2(2)` and `dup3(2)`; unknown bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenFlags(pub u32);

/// A signal number from 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// A set of signals: signal `n` is bit `n - 1`, as in the kernel's `sigset_t`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SignalSet(pub u64);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Fd {
    /// `AT_FDCWD`: paths start at the working directory.
    pub const CWD: Self = Self(-100);

    /// The number as an index into a table; `None` when negative.
    pub fn index(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CWD {
            f.write_str("AT_FDCWD")
        } else {
            self.0.fmt(f)
        }
    }
}

impl UserAddr {
    /// The null pointer.
    pub const NULL: Self = Self(0);

    /// Whether this is the null pointer.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further up.
    ///
    /// # Errors
    /// `EFAULT` past the end of the address space.
    pub const fn offset(self, bytes: u32) -> Result<Self> {
        match self.0.checked_add(bytes) {
            Some(address) => Ok(Self(address)),
            None => Err(Errno::EFAULT.because("address wraps")),
        }
    }

    /// This address, or `None` for the null pointer: how optional arguments are given.
    pub const fn non_null(self) -> Option<Self> {
        if self.is_null() { None } else { Some(self) }
    }
}

impl fmt::Debug for UserAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() {
            f.write_str("NULL")
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

impl OpenFlags {
    /// Whether all bits of `flags` are set.
    pub const fn contains(self, flags: u32) -> bool {
        self.0 & flags == flags
    }

    /// Whether the access mode lets the file be read.
    pub const fn can_read(self) -> bool {
        matches!(self.0 & o::O_ACCMODE, o::O_RDONLY | o::O_RDWR)
    }

    /// Whether the access mode lets the file be written.
    pub const fn can_write(self) -> bool {
        matches!(self.0 & o::O_ACCMODE, o::O_WRONLY | o::O_RDWR)
    }

    /// `O_CLOEXEC`: the descriptor goes away at exec.
    pub const fn close_on_exec(self) -> bool {
        self.contains(o::O_CLOEXEC)
    }

    /// `O_NONBLOCK`: calls say `EAGAIN` instead of waiting.
    pub const fn is_nonblocking(self) -> bool {
        self.contains(o::O_NONBLOCK)
    }
}

macro_rules! signals {
    ($(($number:literal, $name:ident, $what:literal),)*) => {
        impl Signal {
            $(#[doc = $what] pub const $name: Self = Self($number);)*

            /// The name, e.g. `"SIGTERM"`; real-time signals have none of their own.
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => stringify!($name),)* _ => "SIGRT" }
            }
        }
    };
}

signals! {
    (1, SIGHUP, "The terminal hung up or the session leader died."),
    (2, SIGINT, "The interrupt key was typed."),
    (3, SIGQUIT, "The quit key was typed."),
    (4, SIGILL, "An instruction that cannot be executed."),
    (5, SIGTRAP, "A trace or breakpoint trap."),
    (6, SIGABRT, "The process gave up: `abort(3)`."),
    (7, SIGBUS, "A memory access that the object behind it cannot serve."),
    (8, SIGFPE, "An arithmetic error."),
    (9, SIGKILL, "Ends the process; cannot be caught."),
    (10, SIGUSR1, "The program's own, first."),
    (11, SIGSEGV, "An access to memory that is not there."),
    (12, SIGUSR2, "The program's own, second."),
    (13, SIGPIPE, "A write to a pipe that nobody reads."),
    (14, SIGALRM, "The real-time interval timer ran out."),
    (15, SIGTERM, "Please end."),
    (16, SIGSTKFLT, "Unused by Linux."),
    (17, SIGCHLD, "A child stopped, went on, or ended."),
    (18, SIGCONT, "Go on if stopped."),
    (19, SIGSTOP, "Stops the process; cannot be caught."),
    (20, SIGTSTP, "The suspend key was typed."),
    (21, SIGTTIN, "A background process read from its terminal."),
    (22, SIGTTOU, "A background process wrote to its terminal."),
    (23, SIGURG, "Urgent data at a socket."),
    (24, SIGXCPU, "The limit of CPU time was passed."),
    (25, SIGXFSZ, "The limit of the file size was passed."),
    (26, SIGVTALRM, "The timer of user time ran out."),
    (27, SIGPROF, "The timer of CPU time ran out."),
    (28, SIGWINCH, "The terminal's size changed."),
    (29, SIGIO, "A descriptor is ready."),
    (30, SIGPWR, "The power fails."),
    (31, SIGSYS, "A system call that is not allowed."),
}

impl Signal {
    /// How many signals there are; the biggest number.
    pub const COUNT: u8 = 64;
    /// The first real-time signal as the kernel counts (libc takes 32 to 34 for itself).
    pub const SIGRTMIN: Self = Self(32);

    /// Checks a number that must name a signal.
    ///
    /// # Errors
    /// `EINVAL` unless 1 to 64.
    pub fn new(number: i32) -> Result<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=Self::COUNT) => Ok(Self(number)),
            _ => Err(Errno::EINVAL.because("no such signal")),
        }
    }

    /// As [`Signal::new`], but 0 is `None`: the probe of `kill(2)`.
    ///
    /// # Errors
    /// `EINVAL` unless 0 to 64.
    pub fn or_probe(number: i32) -> Result<Option<Self>> {
        if number == 0 {
            Ok(None)
        } else {
            Self::new(number).map(Some)
        }
    }

    /// The number, 1 to 64.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether instances queue up instead of merging.
    pub fn is_realtime(self) -> bool {
        self >= Self::SIGRTMIN
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_realtime() {
            write!(f, "SIGRT_{}", self.0.saturating_sub(Self::SIGRTMIN.0))
        } else {
            f.write_str(self.name())
        }
    }
}

impl SignalSet {
    /// `SIGKILL` and `SIGSTOP`, which nobody blocks, ignores or handles.
    pub const UNBLOCKABLE: Self =
        Self::of(Signal::SIGKILL.number()).with(Self::of(Signal::SIGSTOP.number()));

    /// The set of one signal; empty for a number out of range.
    pub const fn of(number: u8) -> Self {
        match number {
            1..=Signal::COUNT => Self(1 << number.wrapping_sub(1)),
            _ => Self(0),
        }
    }

    /// Whether `number` is in it.
    pub const fn contains(self, number: u8) -> bool {
        self.0 & Self::of(number).0 != 0
    }

    /// With `other`'s members.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without `other`'s members.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has no members.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..=Signal::COUNT).filter(move |&number| self.contains(number))
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals = self.iter().map(Signal);
        f.debug_set().entries(signals).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_1_to_64() {
        assert!(Signal::new(0).is_err() && Signal::new(65).is_err() && Signal::new(-1).is_err());
        assert_eq!(Signal::new(9), Ok(Signal::SIGKILL));
        assert_eq!(Signal::or_probe(0), Ok(None));
    }

    #[test]
    fn sets_are_bits_from_signal_one() {
        let set = SignalSet::of(2).with(SignalSet::of(17));
        assert_eq!(set.0, 1 << 1 | 1 << 16);
        assert!(set.iter().eq([2, 17]));
        assert!(set.contains(17) && !set.without(SignalSet::of(17)).contains(17));
        assert_eq!(SignalSet::of(64).0, 1 << 63);
        assert!(SignalSet::of(0).with(SignalSet::of(65)).is_empty());
        assert!(SignalSet::UNBLOCKABLE.iter().eq([9, 19]));
    }

    #[test]
    fn access_mode_three_is_neither() {
        assert!(OpenFlags(2).can_read() && OpenFlags(2).can_write());
        assert!(OpenFlags(0).can_read() && !OpenFlags(0).can_write());
        assert!(!OpenFlags(3).can_read() && !OpenFlags(3).can_write());
    }

    #[test]
    fn addresses_do_not_wrap() {
        assert_eq!(
            UserAddr(u32::MAX).offset(1).map_err(|e| e.errno),
            Err(Errno::EFAULT)
        );
        assert_eq!(UserAddr(0).non_null(), None);
    }
}
