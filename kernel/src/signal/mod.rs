//! Signals: what a process does on each, what is pending, what is blocked (signal(7)).
//!
//! ```text
//! send ──1──> pending ──2──> taken ──3──> handler runs in the guest ──4──> mask restored
//!                  └───────────2'──> default: terminate, stop, or nothing
//! ```
//! 1. [`SignalState::post`]; an ignored signal goes no further. 2. At the end of a system call,
//!    [`SignalState::take`] picks the lowest that is not blocked. 3. [`frame`] writes the frame;
//!    the shim calls the handler. 4. `signal_return` reads the mask back from the frame.

mod frame;
mod pending;
mod state;
mod thread;

use abi::types::Signal;
pub use abi::types::SignalSet;

pub use frame::{Frame, restore_mask, write_frame};
pub use state::{Action, AltStack, SignalInfo, SignalState, Taken};
pub use thread::ThreadSignals;

/// What a signal does when the process has not said (signal(7), "Standard signals").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Ends the process.
    Terminate,
    /// Nothing.
    Ignore,
    /// Stops the process.
    Stop,
    /// Continues a stopped process.
    Continue,
}

/// The default disposition of signal `number`.
pub const fn default_disposition(number: u8) -> Disposition {
    match number {
        CHLD | URG | WINCH => Disposition::Ignore,
        CONT => Disposition::Continue,
        STOP | TSTP | TTIN | TTOU => Disposition::Stop,
        _ => Disposition::Terminate,
    }
}

/// `SIGHUP`.
pub const HUP: u8 = Signal::SIGHUP.number();
/// `SIGINT`.
pub const INT: u8 = Signal::SIGINT.number();
/// `SIGABRT`.
pub const ABRT: u8 = Signal::SIGABRT.number();
/// `SIGFPE`.
pub const FPE: u8 = Signal::SIGFPE.number();
/// `SIGKILL`.
pub const KILL: u8 = Signal::SIGKILL.number();
#[cfg(test)]
const USR1_FOR_TESTS: u8 = Signal::SIGUSR1.number();
/// `SIGSEGV`.
pub const SEGV: u8 = Signal::SIGSEGV.number();
/// `SIGPIPE`.
pub const PIPE: u8 = Signal::SIGPIPE.number();
/// `SIGALRM`.
pub const ALRM: u8 = Signal::SIGALRM.number();
/// `SIGXCPU`.
pub const XCPU: u8 = Signal::SIGXCPU.number();
/// `SIGVTALRM`.
pub const VTALRM: u8 = Signal::SIGVTALRM.number();
/// `SIGPROF`.
pub const PROF: u8 = Signal::SIGPROF.number();
/// `SIGTERM`.
pub const TERM: u8 = Signal::SIGTERM.number();
/// `SIGCHLD`.
pub const CHLD: u8 = Signal::SIGCHLD.number();
/// `SIGCONT`.
pub const CONT: u8 = Signal::SIGCONT.number();
/// `SIGSTOP`.
pub const STOP: u8 = Signal::SIGSTOP.number();
/// `SIGTSTP`.
pub const TSTP: u8 = Signal::SIGTSTP.number();
/// `SIGTTIN`.
pub const TTIN: u8 = Signal::SIGTTIN.number();
/// `SIGTTOU`.
pub const TTOU: u8 = Signal::SIGTTOU.number();
/// `SIGURG`.
pub const URG: u8 = Signal::SIGURG.number();
/// `SIGXFSZ`.
pub const XFSZ: u8 = Signal::SIGXFSZ.number();
/// `SIGWINCH`.
pub const WINCH: u8 = Signal::SIGWINCH.number();
/// The highest signal number.
pub const MAX: u8 = Signal::COUNT;
/// How many there are, as a length.
pub(crate) const COUNT: usize = 64;
/// The lowest real-time signal as the kernel counts them.
pub const RT_MIN: u8 = Signal::SIGRTMIN.number();

/// The signals that stop a process by default.
pub const STOP_SIGNALS: SignalSet = SignalSet::of(STOP)
    .with(SignalSet::of(TSTP))
    .with(SignalSet::of(TTIN))
    .with(SignalSet::of(TTOU));
