//! Pseudo-terminals (pty(7)): a terminal whose host is a program with the master side.
//!
//! ```text
//!   terminal emulator, script, tmux          shell and its children
//!        PtyMaster ── write ──> Tty::input ── line discipline ──> TtyFile::try_read
//!        PtyMaster <── read ─── Screen (ring) <── output ─────── TtyFile::try_write
//! ```
//!
//! A pair (`nodes`: opening `/dev/ptmx`) has a slave `/dev/pts/N` until the master is closed, which
//! hangs the slave up. When the last slave is closed, the master reads the rest and then `EIO`.
//! `screen` is what lies between the two.

mod nodes;
mod screen;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use abi::flags::{
    FIONREAD, TCFLSH, TCIFLUSH, TCIOFLUSH, TCOFLUSH, TIOCGPGRP, TIOCGPKT, TIOCGPTLCK, TIOCGPTN,
    TIOCGSID, TIOCPKT, TIOCSIG, TIOCSPTLCK,
};
use abi::{Errno, Result, Signal};
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Source, Stall, Try};
use fs::vfs::device::make_device;
use fs::vfs::file::{Events, FileOps, GuestMemory};

use self::screen::Screen;
use super::hang_up::HungUp;
use super::{Tty, TtyHost, packet};
use crate::process::Pid;

/// Major number of slaves.
pub(super) const SLAVE_MAJOR: u32 = 136;

/// What a pair needs from the kernel around it.
pub trait PtyOwner: Send + Sync {
    /// Sends `signal` to a process group.
    fn signal_group(&self, group: Pid, signal: Signal);

    /// The monotonic clock in nanoseconds.
    fn now_ns(&self) -> u64;

    /// The master of pair `number` was closed; `hung_up` had the slave as their terminal.
    fn master_closed(&self, number: u32, hung_up: HungUp);
}

/// The master of a pair.
pub struct PtyMaster {
    tty: Arc<Tty>,
    screen: Arc<Screen>,
}

impl fmt::Debug for PtyMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ptmx({})", self.screen.number)
    }
}

impl PtyMaster {
    /// Makes pair `number`, its slave locked.
    pub fn new(number: u32, owner: Arc<dyn PtyOwner>) -> Arc<Self> {
        let screen = Screen::new(number, owner);
        let host: Arc<dyn TtyHost> = screen.clone();
        let tty = Tty::new(make_device(SLAVE_MAJOR, number), host);
        Arc::new(Self { tty, screen })
    }

    /// The slave's terminal.
    pub const fn tty(&self) -> &Arc<Tty> {
        &self.tty
    }

    /// The number in `/dev/pts/N`.
    pub fn number(&self) -> u32 {
        self.screen.number
    }

    /// `TCFLSH` of a master: output that it has not read is its input.
    fn flush(&self, which: u32) -> Result<i32> {
        match which {
            TCIFLUSH | TCIOFLUSH => {
                {
                    let mut state = self.screen.state.lock();
                    state.output.clear();
                    state.is_cut = false;
                }
                self.tty.output_ready();
                Ok(0)
            }
            // What it wrote went to the slave at once.
            TCOFLUSH => Ok(0),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

impl Drop for PtyMaster {
    fn drop(&mut self) {
        let hung_up = self.tty.disconnect();
        self.screen.owner.master_closed(self.screen.number, hung_up);
    }
}

impl FileOps for PtyMaster {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let (moved, was_cut) = {
            let mut state = self.screen.state.lock();
            if let Some(news) = state.packet.take() {
                sink.put(&[news])?;
                return Ok(1);
            }
            if state.output.is_empty() {
                let is_deserted = state.is_deserted;
                return Err(if is_deserted {
                    Errno::EIO.into()
                } else {
                    Stall::WouldBlock
                });
            }
            let header = usize::from(state.packet.is_on());
            if header > 0 {
                sink.put(&[packet::DATA])?;
            }
            let moved = match sink.remaining() {
                0 => 0,
                _ => state.output.pop_into(usize::MAX, sink)?,
            };
            let moved = moved.saturating_add(header);
            (moved, std::mem::take(&mut state.is_cut))
        };
        if was_cut {
            self.tty.output_ready();
        }
        Ok(moved)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        let mut moved = 0_usize;
        let mut chunk = [0; 256];
        while source.remaining() > 0 {
            // Ask for room before taking: what was taken has to go in.
            let wanted = source
                .remaining()
                .min(chunk.len())
                .min(self.tty.input_room());
            let Some(bytes) = chunk.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            if let Err(error) = source.take(bytes) {
                if moved == 0 {
                    return Err(error.into());
                }
                break;
            }
            self.tty.input(bytes);
            moved = moved.saturating_add(wanted);
        }
        if moved == 0 && source.remaining() > 0 {
            Err(Stall::WouldBlock)
        } else {
            Ok(moved)
        }
    }

    fn events(&self) -> Events {
        let mut events = Events::empty();
        {
            let state = self.screen.state.lock();
            if !state.output.is_empty() {
                events |= Events::IN;
            }
            if state.packet.has_news() {
                events |= Events::IN | Events::PRI;
            }
            if state.is_deserted {
                events |= Events::HUP;
            }
        }
        if self.tty.has_room() {
            events |= Events::OUT;
        }
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.screen.changed)
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        let put = |value: u32| memory.copy_out(argument, &value.to_le_bytes()).map(|()| 0);
        let id = |pid: Option<Pid>| {
            let pid = pid.unwrap_or_default();
            memory.copy_out(argument, &pid.to_le_bytes()).map(|()| 0)
        };
        match request {
            TIOCGPTN => put(self.screen.number),
            TIOCSPTLCK => {
                let mut value = [0; 4];
                memory.copy_in(argument, &mut value)?;
                self.screen.state.lock().is_locked = value != [0; 4];
                Ok(0)
            }
            TIOCGPTLCK => {
                let is_locked = self.screen.state.lock().is_locked;
                put(u32::from(is_locked))
            }
            FIONREAD => {
                let count = self.screen.state.lock().output.len();
                put(u32::try_from(count).unwrap_or(u32::MAX))
            }
            TIOCGPGRP => id(self.tty.session().1),
            TIOCGSID => match self.tty.session().0 {
                Some(session) => id(Some(session)),
                None => Err(Errno::ENOTTY.into()),
            },
            TIOCSIG => {
                let number = i32::try_from(argument).map_err(|_| Errno::EINVAL)?;
                let signal = Signal::new(number)?;
                let is_typed = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP].contains(&signal);
                if !is_typed {
                    return Err(Errno::EINVAL.because("not a signal that a key sends"));
                }
                if let Some(group) = self.tty.session().1 {
                    self.screen.owner.signal_group(group, signal);
                }
                Ok(0)
            }
            TIOCPKT => {
                let mut value = [0; 4];
                memory.copy_in(argument, &mut value)?;
                self.screen.state.lock().packet.set(value != [0; 4]);
                Ok(0)
            }
            TIOCGPKT => {
                let is_on = self.screen.state.lock().packet.is_on();
                put(u32::from(is_on))
            }
            TCFLSH => self.flush(argument),
            _ => self.tty.plain_ioctl(request, argument, memory),
        }
    }
}

#[cfg(test)]
mod tests;
