//! Terminals: what a program reads keystrokes from and writes its screen to.
//!
//! ```text
//!   host ──Tty::input──> ldisc (lines, editing, signals) ──try_read──> program
//!     ^                     │ echo
//!     └─ TtyHost::write <── output (OPOST, flow control) <──try_write── program
//! ```
//!
//! A [`Tty`] is one lock round the settings, the line discipline and the output; the host side
//! ([`TtyHost`]) is the page, the command line, or the master of a pseudo-terminal ([`pty`]). Signals
//! go out after the lock is released; `TtyHost::write` is called with it held, which keeps the
//! order of the output, and must not call back.

mod file;
mod hang_up;
mod ioctl;
mod job_control;
mod ldisc;
mod output;
mod packet;
pub mod pty;
mod terminals;
pub mod termios;

use std::fmt;
use std::sync::Arc;

use abi::Signal;
use abi::flags::{
    ICANON, IXON, OPOST, TAB3, TABDLY, TIOCPKT_DOSTOP, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE,
    TIOCPKT_NOSTOP, TIOCPKT_START, TIOCPKT_STOP, TOSTOP, VMIN, VTIME,
};
use executor::sync::{Lock, LockGuard};
use executor::wait_queue::WaitQueue;

pub use hang_up::HungUp;
pub use ioctl::{Caller, Effect};
pub use job_control::TerminalUse;
pub use terminals::Terminals;

use self::ldisc::LineDiscipline;
use self::output::Output;
use self::termios::Termios;
use crate::ipc::ring::Ring;
use crate::process::Pid;

/// Bytes of output that wait for a slow host before writers wait too.
const OUTPUT_CAPACITY: usize = 16_384;

/// The other side of a terminal.
pub trait TtyHost: Send + Sync + fmt::Debug {
    /// Takes bytes for the screen; returns how many. When it takes fewer than all, it calls
    /// [`Tty::output_ready`] once it takes more. Called with the terminal locked: do not call back.
    fn write(&self, bytes: &[u8]) -> usize;

    /// Bytes were written, or something was reported, since it was called last. Called with the
    /// terminal unlocked.
    fn has_written(&self) {}

    /// Bits of [`packet::report`] tell what happened, for packet mode. Called with the terminal
    /// locked: do not call back.
    fn report(&self, bits: u8) {
        let _ = bits;
    }

    /// The settings that the terminal has at first, and again after a hang-up.
    fn default_settings(&self) -> Termios {
        Termios::new()
    }

    /// What becomes of `new` settings that a program asks for. Called with the terminal locked.
    fn adapt_settings(&self, new: Termios) -> Termios {
        new
    }

    /// There is room again for input after [`Tty::input`] took fewer bytes than it was given.
    fn input_ready(&self) {}

    /// A description of the terminal was opened.
    fn opened(&self) {}

    /// A description of the terminal was closed.
    fn closed(&self) {}

    /// Whether nobody may open it yet: the slave of a pseudo-terminal under `TIOCSPTLCK`.
    fn is_locked(&self) -> bool {
        false
    }

    /// Sends `signal` to a process group.
    fn signal_group(&self, group: Pid, signal: Signal);

    /// The monotonic clock in nanoseconds, for `VTIME`.
    fn now_ns(&self) -> u64;
}

/// The size of a terminal's window (`struct winsize`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines of text.
    pub rows: u16,
    /// Columns of text.
    pub columns: u16,
    /// Width in pixels, or 0.
    pub width_pixels: u16,
    /// Height in pixels, or 0.
    pub height_pixels: u16,
}

#[derive(Debug)]
struct State {
    termios: Termios,
    input: LineDiscipline,
    output: Output,
    /// Output that the host has not taken.
    pending: Ring,
    window: WindowSize,
    /// The session whose controlling terminal it is.
    session: Option<Pid>,
    /// The group that reads, writes and gets the signals of keys.
    foreground: Option<Pid>,
    /// Time of the last keystroke, for `VTIME`.
    last_input_ns: u64,
    /// Output waits: `VSTOP` was typed, or `TCXONC` said so.
    is_stopped: bool,
    /// `TCXONC` said so, and no key lets it go on.
    is_held: bool,
    is_exclusive: bool,
    /// The other side is gone for good.
    is_gone: bool,
    /// How often it hung up: descriptions of an earlier generation are dead.
    generation: u32,
    /// The host took output, or a report, and has not been told that this was all.
    has_shown: bool,
    /// Input was refused for want of room.
    is_input_cut: bool,
}

/// One terminal.
pub struct Tty {
    id: u64,
    host: Arc<dyn TtyHost>,
    state: Lock<State>,
    /// Woken when input, room for output, or a hang-up comes.
    changed: WaitQueue,
}

impl fmt::Debug for Tty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tty({:#x})", self.id)
    }
}

impl Tty {
    /// A terminal with default settings and no session.
    ///
    /// - `id`: its device number, e.g. `makedev(4, 1)`
    pub fn new(id: u64, host: Arc<dyn TtyHost>) -> Arc<Self> {
        let termios = host.default_settings();
        Arc::new(Self {
            id,
            host,
            state: Lock::new(State {
                termios,
                input: LineDiscipline::default(),
                output: Output::default(),
                pending: Ring::new(OUTPUT_CAPACITY),
                window: WindowSize::default(),
                session: None,
                foreground: None,
                last_input_ns: 0,
                is_stopped: false,
                is_held: false,
                is_exclusive: false,
                is_gone: false,
                generation: 0,
                has_shown: false,
                is_input_cut: false,
            }),
            changed: WaitQueue::new(),
        })
    }

    /// Its device number.
    pub const fn id(&self) -> u64 {
        self.id
    }

    fn lock(&self) -> LockGuard<'_, State> {
        self.state.lock()
    }

    /// Unlocks, and then tells the host what it may want to know.
    fn unlock(&self, mut state: LockGuard<'_, State>) {
        let has_shown = std::mem::take(&mut state.has_shown);
        let is_uncut = state.is_input_cut && state.input.has_room(&state.termios);
        if is_uncut {
            state.is_input_cut = false;
        }
        drop(state);
        if has_shown {
            self.host.has_written();
        }
        if is_uncut {
            self.host.input_ready();
        }
    }

    /// Types `bytes`; returns how many were taken: fewer when nobody reads what was typed before.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let now_ns = self.host.now_ns();
        let mut taken = 0_usize;
        let mut wakes = false;
        while taken < bytes.len() {
            // A signal ends a stretch: it is sent without the lock.
            let signal = {
                let mut guard = self.lock();
                let state = &mut *guard;
                if state.is_gone {
                    return bytes.len();
                }
                let mut signal = None;
                for &byte in bytes.get(taken..).unwrap_or_default() {
                    if !state.input.has_room(&state.termios) {
                        state.is_input_cut = true;
                        break;
                    }
                    taken = taken.saturating_add(1);
                    let effects = state.input.input(&state.termios, byte, &mut state.output);
                    wakes |= effects.wakes_readers;
                    if effects.flushes_output {
                        state.pending.clear();
                        self.report(state, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
                    }
                    if let Some(is_stopped) = effects.stop_output {
                        wakes |= self.stop_output(state, is_stopped);
                    }
                    if let Some(number) = effects.signal {
                        wakes = true;
                        signal = Some((state.foreground, number));
                        break;
                    }
                }
                state.last_input_ns = now_ns;
                self.show(state);
                self.unlock(guard);
                signal
            };
            match signal {
                Some((Some(group), signal)) => self.host.signal_group(group, signal),
                Some((None, _)) => {}
                None => break,
            }
        }
        if wakes {
            self.changed.wake_all();
        }
        taken
    }

    /// Whether [`Tty::input`] would take another byte.
    pub fn has_room(&self) -> bool {
        let state = self.lock();
        state.input.has_room(&state.termios)
    }

    /// How many bytes [`Tty::input`] surely takes; when 0, the host hears of room later.
    fn input_room(&self) -> usize {
        let mut state = self.lock();
        let room = state.input.room(&state.termios);
        state.is_input_cut |= room == 0;
        room
    }

    /// The host takes output again.
    pub fn output_ready(&self) {
        let mut state = self.lock();
        self.show(&mut state);
        self.unlock(state);
        self.changed.wake_all();
    }

    /// Tells the host of something that packet mode shows.
    fn report(&self, state: &mut State, bits: u32) {
        self.host.report(packet::report(bits));
        state.has_shown = true;
    }

    /// Stops output or lets it go on, unless `TCXONC` holds it; whether writers may go on now.
    fn stop_output(&self, state: &mut State, is_stopped: bool) -> bool {
        if state.is_stopped == is_stopped || (state.is_held && !is_stopped) {
            return false;
        }
        state.is_stopped = is_stopped;
        let bits = if is_stopped {
            TIOCPKT_STOP
        } else {
            TIOCPKT_START
        };
        self.report(state, bits);
        !is_stopped
    }

    /// Hands what was output to the host, as far as it takes it.
    fn show(&self, state: &mut State) {
        if !state.output.bytes.is_empty() {
            let mut bytes = state.output.bytes.as_slice();
            if state.pending.is_empty() && !state.is_stopped {
                let taken = self.host.write(bytes).min(bytes.len());
                state.has_shown |= taken > 0;
                bytes = bytes.get(taken..).unwrap_or_default();
            }
            // Writes were cut to the room before; echoes that do not fit are lost, as in Linux.
            let room = state.pending.free().min(bytes.len());
            state
                .pending
                .push_all(bytes.get(..room).unwrap_or_default());
            state.output.bytes.clear();
        }
        while !state.is_stopped && !state.pending.is_empty() {
            let taken = self.host.write(state.pending.front());
            if taken == 0 {
                break;
            }
            state.has_shown = true;
            state.pending.consume(taken);
        }
    }

    /// The size that programs see.
    pub fn window_size(&self) -> WindowSize {
        self.lock().window
    }

    /// Changes the size, and tells the foreground group when it did change.
    pub fn set_window_size(&self, window: WindowSize) {
        let group = {
            let mut state = self.lock();
            if state.window == window {
                return;
            }
            state.window = window;
            state.foreground
        };
        if let Some(group) = group {
            self.host.signal_group(group, Signal::SIGWINCH);
        }
    }

    /// The settings now.
    pub fn termios(&self) -> Termios {
        self.lock().termios
    }

    /// Changes the settings.
    pub fn set_termios(&self, termios: Termios) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let termios = self.host.adapt_settings(termios);
        let old = std::mem::replace(&mut state.termios, termios);
        state.input.settings_changed(&old, &state.termios);
        if old.has_input(IXON) && !termios.has_input(IXON) {
            self.stop_output(state, false);
        }
        if old.has_usual_flow_keys() != termios.has_usual_flow_keys() {
            let bits = if termios.has_usual_flow_keys() {
                TIOCPKT_DOSTOP
            } else {
                TIOCPKT_NOSTOP
            };
            self.report(state, bits);
        }
        self.show(state);
        self.unlock(guard);
        self.changed.wake_all();
    }

    /// The session whose controlling terminal it is, and its foreground group.
    pub fn session(&self) -> (Option<Pid>, Option<Pid>) {
        let state = self.lock();
        (state.session, state.foreground)
    }

    /// Makes it the controlling terminal of `session`, whose leader's group comes to the foreground.
    pub fn attach(&self, session: Pid) {
        let mut state = self.lock();
        state.session = Some(session);
        state.foreground = Some(session);
    }

    /// Takes it from `session`, if it has it; returns the foreground group, which then gets
    /// `SIGHUP` and `SIGCONT`.
    pub fn detach(&self, session: Pid) -> Option<Pid> {
        let mut state = self.lock();
        if state.session != Some(session) {
            return None;
        }
        state.session = None;
        state.foreground.take()
    }

    /// Whether it is the controlling terminal of `caller`, whose group is in the background.
    pub fn is_background(&self, caller: &Caller) -> bool {
        let state = self.lock();
        caller.terminal == Some(self.id) && state.is_background(caller)
    }

    /// The same, and the background may not write (`TOSTOP`).
    pub fn is_background_write(&self, caller: &Caller) -> bool {
        let state = self.lock();
        caller.terminal == Some(self.id)
            && state.termios.has_local(TOSTOP)
            && state.is_background(caller)
    }
}

impl State {
    fn is_background(&self, caller: &Caller) -> bool {
        self.session == Some(caller.session)
            && self.foreground.is_some_and(|group| group != caller.group)
    }

    /// Raw bytes that a read waits for.
    fn least(&self) -> usize {
        usize::from(self.termios.cc(VMIN))
    }

    /// Whether `VMIN` and `VTIME` let a raw read answer 0 at once.
    fn is_polling_read(&self) -> bool {
        !self.termios.has_local(ICANON) && self.least() == 0 && self.termios.cc(VTIME) == 0
    }

    /// Bytes of a write that fit, whatever they become.
    fn write_room(&self) -> usize {
        if self.is_stopped {
            return 0;
        }
        let growth = match self.termios.has_output(OPOST) {
            true if self.termios.oflag & TABDLY == TAB3 => 8,
            true => 2,
            false => 1,
        };
        self.pending.free().checked_div(growth).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
