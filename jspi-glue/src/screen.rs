//! The host's end of a terminal: a keyboard that waits for readers, a screen that takes its time.
//!
//! What is typed while the terminal has no room is kept and typed later, so that a paste of any
//! length arrives whole. Output waits in the terminal, and its writers with it, while the host has
//! [`MAX_UNSEEN`] bytes that it did not show yet: so a key that interrupts a flood ends it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use abi::Signal;
use executor::sync::Lock;
use fs::vfs::device::make_device;
use kernel::Kernel;
use kernel::process::Pid;
use kernel::tty::{Tty, TtyHost};

use crate::platform::{self, WebPlatform};
use crate::pod::TTY_MAJOR;

/// Bytes that may be on their way to the screen.
const MAX_UNSEEN: usize = 1 << 16;
/// Bytes that are typed at a time.
const CHUNK: usize = 4096;

/// The host's end of a terminal.
#[derive(Debug)]
pub(crate) struct Screen {
    stream: u32,
    kernel: Weak<Kernel>,
    shown: Lock<Shown>,
    typed: Lock<Typed>,
}

#[derive(Debug, Default)]
struct Shown {
    /// Bytes that the host has not shown.
    unseen: usize,
    /// Output was refused: the terminal wants to hear when there is room.
    is_cut: bool,
}

#[derive(Debug, Default)]
struct Typed {
    /// What the terminal has not taken.
    bytes: VecDeque<u8>,
    /// Somebody types these right now, maybe on another Worker.
    is_busy: bool,
    /// There may be room again since that began.
    has_room: bool,
}

impl Screen {
    /// The host's end of the terminal with this stream number.
    pub(crate) fn new(stream: u32, kernel: &Arc<Kernel>) -> Arc<Self> {
        Arc::new(Self {
            stream,
            kernel: Arc::downgrade(kernel),
            shown: Lock::new(Shown::default()),
            typed: Lock::new(Typed::default()),
        })
    }

    fn tty(&self) -> Option<Arc<Tty>> {
        let kernel = self.kernel.upgrade()?;
        kernel.terminals.find(make_device(TTY_MAJOR, self.stream))
    }

    /// Types `bytes`, behind what waits to be typed.
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.typed.lock().bytes.extend(bytes);
        self.feed();
    }

    /// The host has shown `len` bytes.
    pub(crate) fn seen(&self, len: usize) {
        let was_cut = {
            let mut shown = self.shown.lock();
            shown.unseen = shown.unseen.saturating_sub(len);
            std::mem::take(&mut shown.is_cut)
        };
        if let Some(tty) = self.tty().filter(|_| was_cut) {
            tty.output_ready();
        }
    }

    /// Types what waits, as far as the terminal takes it. Whoever comes while this goes on leaves
    /// the rest to the one who does it: bytes keep their order.
    fn feed(&self) {
        let Some(tty) = self.tty() else { return };
        let mut chunk = Vec::new();
        let mut nr_taken = 0_usize;
        {
            let mut typed = self.typed.lock();
            if typed.is_busy {
                typed.has_room = true;
                return;
            }
            typed.is_busy = true;
        }
        loop {
            {
                let mut typed = self.typed.lock();
                typed.bytes.drain(..nr_taken);
                let is_stuck = nr_taken < chunk.len() && !typed.has_room;
                typed.has_room = false;
                if is_stuck || typed.bytes.is_empty() {
                    typed.is_busy = false;
                    return;
                }
                chunk.clear();
                chunk.extend(typed.bytes.iter().take(CHUNK));
            }
            nr_taken = tty.input(&chunk).min(chunk.len());
        }
    }
}

impl TtyHost for Screen {
    fn write(&self, bytes: &[u8]) -> usize {
        let mut shown = self.shown.lock();
        let nr_taken = MAX_UNSEEN.saturating_sub(shown.unseen).min(bytes.len());
        shown.is_cut |= nr_taken < bytes.len();
        shown.unseen = shown.unseen.saturating_add(nr_taken);
        if let Some(taken) = bytes.get(..nr_taken).filter(|taken| !taken.is_empty()) {
            platform::output(self.stream, taken);
        }
        nr_taken
    }

    fn input_ready(&self) {
        self.feed();
    }

    fn signal_group(&self, group: Pid, signal: Signal) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.signal_group(group, signal.number());
        }
    }

    fn now_ns(&self) -> u64 {
        kernel::platform::Platform::monotonic_ns(&WebPlatform)
    }
}
