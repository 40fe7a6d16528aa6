//! The screen of a pair: the ring of output between the slave's terminal and the master, and what
//! the master is told about the slave.

use std::fmt;
use std::sync::Arc;

use abi::Signal;
use abi::flags::{CREAD, CS8, CSIZE, IUTF8, PARENB};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;

use super::PtyOwner;
use crate::ipc::ring::Ring;
use crate::process::Pid;
use crate::tty::TtyHost;
use crate::tty::packet::PacketMode;
use crate::tty::termios::Termios;

/// Bytes of output that wait for the master.
pub(super) const SCREEN_CAPACITY: usize = 16_384;

#[derive(Debug)]
pub(super) struct ScreenState {
    pub(super) output: Ring,
    nr_slaves: u32,
    /// All slaves were closed after one had been opened.
    pub(super) is_deserted: bool,
    /// `TIOCSPTLCK`: slaves cannot be opened yet.
    pub(super) is_locked: bool,
    pub(super) packet: PacketMode,
    /// Output did not fit.
    pub(super) is_cut: bool,
}

/// The host side of the slave's terminal.
pub(super) struct Screen {
    pub(super) number: u32,
    pub(super) owner: Arc<dyn PtyOwner>,
    pub(super) state: Lock<ScreenState>,
    /// Woken for the master: output, room for input, slaves gone.
    pub(super) changed: WaitQueue,
}

impl Screen {
    /// The screen of pair `number`, its slave locked.
    pub(super) fn new(number: u32, owner: Arc<dyn PtyOwner>) -> Arc<Self> {
        Arc::new(Self {
            number,
            owner,
            state: Lock::new(ScreenState {
                output: Ring::new(SCREEN_CAPACITY),
                nr_slaves: 0,
                is_deserted: false,
                is_locked: true,
                packet: PacketMode::default(),
                is_cut: false,
            }),
            changed: WaitQueue::new(),
        })
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pts/{}", self.number)
    }
}

impl TtyHost for Screen {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut state = self.state.lock();
        let count = bytes.len().min(state.output.free());
        state.is_cut |= count < bytes.len();
        state
            .output
            .push_all(bytes.get(..count).unwrap_or_default());
        count
    }

    fn has_written(&self) {
        self.changed.wake_all();
    }

    fn input_ready(&self) {
        self.changed.wake_all();
    }

    fn report(&self, bits: u8) {
        self.state.lock().packet.note(bits);
    }

    /// What encodes characters is the master's business: `IUTF8` is off, as in Linux.
    fn default_settings(&self) -> Termios {
        let settings = Termios::new();
        Termios {
            iflag: settings.iflag & !IUTF8,
            ..settings
        }
    }

    /// There is no line: always eight bits, no parity, and a receiver.
    fn adapt_settings(&self, new: Termios) -> Termios {
        Termios {
            cflag: new.cflag & !(CSIZE | PARENB) | CS8 | CREAD,
            ..new
        }
    }

    fn opened(&self) {
        let mut state = self.state.lock();
        state.nr_slaves = state.nr_slaves.saturating_add(1);
        state.is_deserted = false;
    }

    fn closed(&self) {
        {
            let mut state = self.state.lock();
            state.nr_slaves = state.nr_slaves.saturating_sub(1);
            state.is_deserted = state.nr_slaves == 0;
        }
        self.changed.wake_all();
    }

    fn is_locked(&self) -> bool {
        self.state.lock().is_locked
    }

    fn signal_group(&self, group: Pid, signal: Signal) {
        self.owner.signal_group(group, signal);
    }

    fn now_ns(&self) -> u64 {
        self.owner.now_ns()
    }
}
