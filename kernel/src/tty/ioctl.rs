//! The requests of `ioctl_tty(2)`.
//!
//! Most concern the terminal alone ([`Tty::plain_ioctl`], reached through `FileOps::ioctl`). The
//! ones of job control need to know who asks: the caller tries [`Tty::job_control_ioctl`] first.

use abi::flags::{
    FIONREAD, TCFLSH, TCGETS, TCGETS2, TCIFLUSH, TCIOFF, TCIOFLUSH, TCION, TCOFLUSH, TCOOFF, TCOON,
    TCSBRK, TCSBRKP, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TCXONC, TIOCCBRK,
    TIOCEXCL, TIOCGDEV, TIOCGETD, TIOCGEXCL, TIOCGPGRP, TIOCGSID, TIOCGSOFTCAR, TIOCGWINSZ,
    TIOCNOTTY, TIOCNXCL, TIOCOUTQ, TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCSBRK, TIOCSCTTY,
    TIOCSETD, TIOCSPGRP, TIOCSTI, TIOCSWINSZ, VDISABLE, VSTART, VSTOP,
};
use abi::{Errno, Result};
use fs::vfs::file::GuestMemory;

use super::termios::Termios;
use super::{State, Tty, WindowSize};
use crate::process::Pid;

/// Who makes a request of job control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its process.
    pub pid: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its session; the leader is the process with the same id.
    pub session: Pid,
    /// Its controlling terminal.
    pub terminal: Option<u64>,
    /// Whether it may take a terminal from another session (`CAP_SYS_ADMIN`).
    pub is_privileged: bool,
}

impl Caller {
    pub(super) const fn is_session_leader(&self) -> bool {
        self.pid == self.session
    }
}

/// What is left to do for the process tree after a request of job control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The terminal is now the controlling one of the caller's session. Another session that had
    /// it (`stolen_from`) has none.
    Acquired {
        /// The session that lost it.
        stolen_from: Option<Pid>,
    },
    /// The caller has no controlling terminal any more. When it leads its session, nobody in it
    /// has, and `hung_up` is the foreground group that gets `SIGHUP` and `SIGCONT`.
    Released {
        /// The group that loses its terminal.
        hung_up: Option<Pid>,
    },
}

impl Tty {
    /// Requests of job control; `None`: not one of them.
    ///
    /// - `is_group`: whether a process group is in the caller's session; `ESRCH`: in none
    ///
    /// # Errors
    /// `ENOTTY` when it is not the caller's controlling terminal, `EPERM`, `ESRCH`, `EINVAL`,
    /// `EFAULT`.
    pub fn job_control_ioctl(
        &self,
        caller: &Caller,
        request: u32,
        argument: u32,
        memory: &dyn GuestMemory,
        is_group: &dyn Fn(Pid) -> Result<bool>,
    ) -> Option<Result<Effect>> {
        Some(match request {
            TIOCGPGRP => self.check_controlling(caller).and_then(|()| {
                let group = self.lock().foreground.unwrap_or(0);
                memory.copy_out(argument, &group.to_le_bytes())?;
                Ok(Effect::None)
            }),
            TIOCSPGRP => self.check_controlling(caller).and_then(|()| {
                let group = Pid::from_le_bytes(copy_in(memory, argument)?);
                if group < 0 {
                    return Err(Errno::EINVAL.into());
                }
                if !is_group(group)? {
                    return Err(Errno::EPERM.because("a group of another session"));
                }
                self.lock().foreground = Some(group);
                Ok(Effect::None)
            }),
            TIOCGSID => self.check_controlling(caller).and_then(|()| {
                let session = self.lock().session.ok_or(Errno::ENOTTY)?;
                memory.copy_out(argument, &session.to_le_bytes())?;
                Ok(Effect::None)
            }),
            TIOCSCTTY => self.acquire(caller, argument),
            TIOCNOTTY => self.check_controlling(caller).map(|()| Effect::Released {
                hung_up: if caller.is_session_leader() {
                    self.detach(caller.session)
                } else {
                    None
                },
            }),
            // As Linux since 6.2 with `dev.tty.legacy_tiocsti` off.
            TIOCSTI if !caller.is_privileged => Err(Errno::EIO.because("TIOCSTI is off")),
            TIOCSTI => copy_in(memory, argument).map(|byte: [u8; 1]| {
                self.input(&byte);
                Effect::None
            }),
            _ => return None,
        })
    }

    fn check_controlling(&self, caller: &Caller) -> Result<()> {
        if caller.terminal == Some(self.id) && self.lock().session == Some(caller.session) {
            Ok(())
        } else {
            Err(Errno::ENOTTY.because("not the controlling terminal"))
        }
    }

    /// `TIOCSCTTY`: with `argument` 1, a privileged caller takes it from another session.
    pub(super) fn acquire(&self, caller: &Caller, argument: u32) -> Result<Effect> {
        let mut state = self.lock();
        if caller.is_session_leader() && state.session == Some(caller.session) {
            return Ok(Effect::None);
        }
        if !caller.is_session_leader() || caller.terminal.is_some() {
            return Err(Errno::EPERM.because("no session leader, or it has a terminal"));
        }
        let stolen_from = state.session;
        if stolen_from.is_some() && !(argument == 1 && caller.is_privileged) {
            return Err(Errno::EPERM.because("another session has the terminal"));
        }
        state.session = Some(caller.session);
        state.foreground = Some(caller.group);
        Ok(Effect::Acquired { stolen_from })
    }

    /// Requests that concern the terminal alone.
    ///
    /// # Errors
    /// `ENOTTY` for an unknown request or one of job control, `EINVAL`, `EPERM`, `EFAULT`, `EIO`
    /// after a hang-up.
    pub(super) fn plain_ioctl(
        &self,
        request: u32,
        argument: u32,
        memory: &dyn GuestMemory,
    ) -> Result<i32> {
        if self.lock().is_gone {
            return Err(Errno::EIO.because("the terminal hung up"));
        }
        let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes();
        match request {
            TCGETS => {
                let bytes = self.termios().to_bytes();
                memory.copy_out(argument, bytes.get(..Termios::SIZE).unwrap_or_default())?;
            }
            TCGETS2 => memory.copy_out(argument, &self.termios().to_bytes())?,
            TCSETS | TCSETSW | TCSETSF => {
                let bytes: [u8; Termios::SIZE] = copy_in(memory, argument)?;
                self.change_termios(&bytes, request == TCSETSF)?;
            }
            TCSETS2 | TCSETSW2 | TCSETSF2 => {
                let bytes: [u8; Termios::SIZE2] = copy_in(memory, argument)?;
                self.change_termios(&bytes, request == TCSETSF2)?;
            }
            TIOCGWINSZ => memory.copy_out(argument, &self.window_size().to_bytes())?,
            TIOCSWINSZ => self.set_window_size(WindowSize::from_bytes(copy_in(memory, argument)?)),
            FIONREAD => {
                let state = self.lock();
                let count = state.input.nr_readable(&state.termios);
                drop(state);
                memory.copy_out(argument, &number(count))?;
            }
            TIOCOUTQ => {
                let count = self.lock().pending.len();
                memory.copy_out(argument, &number(count))?;
            }
            TCFLSH => self.flush(argument)?,
            TCXONC => self.control_flow(argument)?,
            // The host takes output as fast as it can; a break means nothing to it.
            TCSBRK | TCSBRKP | TIOCSBRK | TIOCCBRK => {}
            TIOCEXCL => self.lock().is_exclusive = true,
            TIOCNXCL => self.lock().is_exclusive = false,
            TIOCGEXCL => {
                let is_exclusive = i32::from(self.lock().is_exclusive);
                memory.copy_out(argument, &is_exclusive.to_le_bytes())?;
            }
            TIOCGETD | TIOCGSOFTCAR => memory.copy_out(argument, &0_i32.to_le_bytes())?,
            TIOCSETD if i32::from_le_bytes(copy_in(memory, argument)?) == 0 => {}
            TIOCSETD => return Err(Errno::EINVAL.because("only the line discipline N_TTY")),
            TIOCGDEV => memory.copy_out(argument, &encoded_device(self.id).to_le_bytes())?,
            _ => return Err(Errno::ENOTTY.into()),
        }
        Ok(0)
    }

    /// Whether `TIOCEXCL` keeps others from opening it.
    pub fn is_exclusive(&self) -> bool {
        self.lock().is_exclusive
    }

    fn change_termios(&self, bytes: &[u8], flushes_input: bool) -> Result<()> {
        let termios = self.termios().updated_from(bytes)?;
        if flushes_input {
            let mut state = self.lock();
            self.flush_input(&mut state);
            self.unlock(state);
        }
        self.set_termios(termios);
        Ok(())
    }

    fn flush(&self, which: u32) -> Result<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        match which {
            TCIFLUSH => self.flush_input(state),
            TCOFLUSH => self.flush_output(state),
            TCIOFLUSH => {
                self.flush_input(state);
                self.flush_output(state);
            }
            _ => return Err(Errno::EINVAL.into()),
        }
        self.unlock(guard);
        self.changed.wake_all();
        Ok(())
    }

    fn flush_input(&self, state: &mut State) {
        state.input.flush();
        self.report(state, TIOCPKT_FLUSHREAD);
    }

    fn flush_output(&self, state: &mut State) {
        state.pending.clear();
        self.report(state, TIOCPKT_FLUSHWRITE);
    }

    fn control_flow(&self, action: u32) -> Result<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let key = match action {
            TCOOFF | TCOON => {
                state.is_held = action == TCOOFF;
                self.stop_output(state, action == TCOOFF);
                VDISABLE
            }
            TCIOFF => state.termios.cc(VSTOP),
            TCION => state.termios.cc(VSTART),
            _ => return Err(Errno::EINVAL.into()),
        };
        if key != VDISABLE {
            state.output.bytes.push(key);
        }
        self.show(state);
        self.unlock(guard);
        self.changed.wake_all();
        Ok(())
    }
}

/// A device number in the 32 bits that `TIOCGDEV` has for it.
fn encoded_device(id: u64) -> u32 {
    // Our numbers have 12 bits of major and 20 of minor, which the low half of `dev_t` holds.
    u32::try_from(id & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

impl WindowSize {
    fn to_bytes(self) -> [u8; 8] {
        let [a, b] = self.rows.to_le_bytes();
        let [c, d] = self.columns.to_le_bytes();
        let [e, f] = self.width_pixels.to_le_bytes();
        let [g, h] = self.height_pixels.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    const fn from_bytes([a, b, c, d, e, f, g, h]: [u8; 8]) -> Self {
        Self {
            rows: u16::from_le_bytes([a, b]),
            columns: u16::from_le_bytes([c, d]),
            width_pixels: u16::from_le_bytes([e, f]),
            height_pixels: u16::from_le_bytes([g, h]),
        }
    }
}

fn copy_in<const N: usize>(memory: &dyn GuestMemory, address: u32) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    memory.copy_in(address, &mut bytes)?;
    Ok(bytes)
}
