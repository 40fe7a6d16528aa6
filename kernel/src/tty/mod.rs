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

mod ioctl;
mod job_control;
mod ldisc;
mod output;
pub mod pty;
mod terminals;
pub mod termios;

use std::fmt;
use std::sync::Arc;

use abi::flags::{ICANON, IXON, OPOST, TAB3, TABDLY, TOSTOP, VMIN, VTIME};
use abi::{Errno, Result, Signal};
use executor::sync::{Lock, LockGuard};
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::file::{Events, FileOps, GuestMemory};

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
/// Bytes of a write that are processed at a time.
const CHUNK: usize = 512;
/// Nanoseconds in a tenth of a second, the unit of `VTIME`.
const DECISECOND_NS: u64 = 100_000_000;

/// The other side of a terminal.
pub trait TtyHost: Send + Sync + fmt::Debug {
    /// Takes bytes for the screen; returns how many. When it takes fewer than all, it calls
    /// [`Tty::output_ready`] once it takes more. Called with the terminal locked: do not call back.
    fn write(&self, bytes: &[u8]) -> usize;

    /// Bytes were written since it was called last. Called with the terminal unlocked.
    fn has_written(&self) {}

    /// There is room again for input after [`Tty::input`] took fewer bytes than it was given.
    fn input_ready(&self) {}

    /// For a pseudo-terminal: what a description of the slave asks.
    fn open_slave(&self, tty: &Arc<Tty>) -> Option<Arc<dyn FileOps>> {
        let _ = tty;
        None
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
    is_stopped: bool,
    is_exclusive: bool,
    is_hung_up: bool,
    /// The host took output and has not been told that this was all.
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
    /// Its other side, when it is the slave of a pseudo-terminal.
    pty: pty::PtyCell,
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
        Arc::new(Self {
            id,
            host,
            state: Lock::new(State {
                termios: Termios::new(),
                input: LineDiscipline::default(),
                output: Output::default(),
                pending: Ring::new(OUTPUT_CAPACITY),
                window: WindowSize::default(),
                session: None,
                foreground: None,
                last_input_ns: 0,
                is_stopped: false,
                is_exclusive: false,
                is_hung_up: false,
                has_shown: false,
                is_input_cut: false,
            }),
            changed: WaitQueue::new(),
            pty: pty::PtyCell::default(),
        })
    }

    /// What a new description of it asks: the terminal, or for a pseudo-terminal a slave that
    /// counts.
    pub fn open(self: &Arc<Self>) -> Arc<dyn FileOps> {
        match self.host.open_slave(self) {
            Some(slave) => slave,
            None => Arc::<Self>::clone(self),
        }
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
                if state.is_hung_up {
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
                    }
                    if let Some(is_stopped) = effects.stop_output {
                        wakes |= state.is_stopped && !is_stopped;
                        state.is_stopped = is_stopped;
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
        let old = std::mem::replace(&mut state.termios, termios);
        state.input.settings_changed(&old, &state.termios);
        if old.has_input(IXON) && !termios.has_input(IXON) {
            state.is_stopped = false;
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

    /// The other side is gone: reads end, writes fail. Returns the session, whose leader gets
    /// `SIGHUP` and `SIGCONT`.
    pub fn hang_up(&self) -> Option<Pid> {
        let session = {
            let mut state = self.lock();
            state.is_hung_up = true;
            state.pending.clear();
            state.input.flush();
            state.session
        };
        self.changed.wake_all();
        session
    }

    /// Whether the other side is gone.
    pub fn is_hung_up(&self) -> bool {
        self.lock().is_hung_up
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

impl FileOps for Tty {
    /// Reads a line, or with `ICANON` off what `VMIN` asks for.
    ///
    /// Deviates: bytes stay in the buffer until `VMIN` of them are there, so an interrupted read
    /// restarts where Linux returns the bytes so far.
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_hung_up {
            return Ok(0);
        }
        if !state.termios.has_local(ICANON) {
            let nr_bytes = state.input.nr_readable(&state.termios);
            if nr_bytes < state.least().min(sink.remaining()) {
                let timeout_ns = u64::from(state.termios.cc(VTIME)).saturating_mul(DECISECOND_NS);
                let is_late = timeout_ns > 0
                    && nr_bytes > 0
                    && self.host.now_ns() >= state.last_input_ns.saturating_add(timeout_ns);
                if !is_late {
                    return Err(Stall::WouldBlock);
                }
            }
            if nr_bytes == 0 && state.is_polling_read() {
                return Ok(0);
            }
        }
        let result = state.input.try_read(&state.termios, sink);
        self.unlock(guard);
        result
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_hung_up {
            return Err(Errno::EIO.into());
        }
        let mut moved = 0_usize;
        let mut refused = None;
        let mut chunk = [0; CHUNK];
        loop {
            let wanted = source.remaining().min(CHUNK).min(state.write_room());
            let Some(bytes) = chunk.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if let Err(error) = source.take(bytes) {
                refused = Some(error);
                break;
            }
            for &byte in &*bytes {
                state.output.put(&state.termios, byte);
            }
            moved = moved.saturating_add(wanted);
            self.show(state);
        }
        self.unlock(guard);
        match refused {
            _ if moved > 0 => Ok(moved),
            Some(error) => Err(error.into()),
            None if source.remaining() > 0 => Err(Stall::WouldBlock),
            None => Ok(0),
        }
    }

    fn events(&self) -> Events {
        let state = self.lock();
        if state.is_hung_up {
            return Events::IN | Events::OUT | Events::ERR | Events::HUP;
        }
        let mut events = Events::empty();
        let least = if state.termios.cc(VTIME) == 0 {
            state.least()
        } else {
            1
        };
        if state.input.is_readable(&state.termios, least) {
            events |= Events::IN;
        }
        if state.write_room() > 0 {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }

    /// When a read that began at `started_ns` has to be tried again although nothing was typed:
    /// `VTIME`. At that time [`FileOps::try_read`] gives what is there, or the caller answers 0.
    fn read_deadline_ns(&self, started_ns: u64) -> Option<u64> {
        let state = self.lock();
        if state.termios.has_local(ICANON) {
            return None;
        }
        let timeout_ns = u64::from(state.termios.cc(VTIME)).saturating_mul(DECISECOND_NS);
        if timeout_ns == 0 {
            None
        } else if state.termios.cc(VMIN) == 0 {
            Some(started_ns.saturating_add(timeout_ns))
        } else if state.input.nr_readable(&state.termios) > 0 {
            Some(
                state
                    .last_input_ns
                    .max(started_ns)
                    .saturating_add(timeout_ns),
            )
        } else {
            None
        }
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        self.plain_ioctl(request, argument, memory)
    }

    fn terminal(&self) -> Option<u64> {
        Some(self.id)
    }
}

#[cfg(test)]
mod tests;
