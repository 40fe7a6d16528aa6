//! Hang-ups: what is open of a terminal is over, and the session that had it loses it (vhangup(2);
//! Linux v6.12 `drivers/tty/tty_io.c` `__tty_hangup`, `tty_jobctrl.c` `disassociate_ctty`).

use abi::flags::CAP_SYS_TTY_CONFIG;
use abi::{Errno, Result};

use super::Tty;
use crate::kernel::Kernel;
use crate::process::{Pid, Process};
use crate::signal;

/// Who had a terminal that hung up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HungUp {
    /// The session, whose leader gets `SIGHUP` and `SIGCONT`.
    pub session: Option<Pid>,
    /// The group in the foreground, which gets them when the leader ends.
    pub foreground: Option<Pid>,
}

impl Tty {
    /// Ends all descriptions: reads of them end, writes fail. What is opened later works, with
    /// settings as at first.
    pub fn hang_up(&self) -> HungUp {
        let settings = self.host.default_settings();
        let hung_up = {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.generation = state.generation.wrapping_add(1);
            state.pending.clear();
            state.input.flush();
            state.termios = settings;
            state.is_held = false;
            state.is_stopped = false;
            state.is_exclusive = false;
            HungUp {
                session: state.session.take(),
                foreground: state.foreground.take(),
            }
        };
        self.changed.wake_all();
        hung_up
    }

    /// The other side is gone: a hang-up after which nobody opens it again.
    pub fn disconnect(&self) -> HungUp {
        self.lock().is_gone = true;
        self.hang_up()
    }

    /// Whether the other side is gone.
    pub fn is_gone(&self) -> bool {
        self.lock().is_gone
    }
}

impl Kernel {
    /// Takes a terminal that hung up from its session, and tells the leader. The group in the
    /// foreground hears of it when the leader ends.
    pub fn end_session_terminal(&self, hung_up: HungUp) {
        let Some(leader) = hung_up.session else {
            return;
        };
        self.processes.lose_terminal(leader, hung_up.foreground);
        // Nobody leads the session any more: nobody is told.
        let _ = self.kill(leader, i32::from(signal::HUP));
        let _ = self.kill(leader, i32::from(signal::CONT));
    }

    /// Hangs up the controlling terminal of `process`, if it has one (vhangup(2)).
    ///
    /// # Errors
    /// `EPERM` for others than the superuser.
    pub fn hang_up_own_terminal(&self, process: &Process) -> Result<()> {
        if !process.credentials().has(CAP_SYS_TTY_CONFIG) {
            return Err(Errno::EPERM.because("only the superuser hangs up"));
        }
        let relations = self.processes.relations(process.pid);
        let terminal = relations.and_then(|relations| relations.terminal);
        if let Some(tty) = terminal.and_then(|id| self.terminals.find(id)) {
            self.end_session_terminal(tty.hang_up());
        }
        Ok(())
    }

    /// The end of a session's leader: the group in the foreground of its terminal gets `SIGHUP`,
    /// and the session has no terminal any more (setsid(2)).
    ///
    /// Deviates: a terminal that is no pseudo-terminal does not hang up; the host shows what is
    /// still on its way, and may start another session there.
    pub(crate) fn session_leader_left(&self, pid: Pid) {
        let Some(relations) = self.processes.relations(pid) else {
            return;
        };
        if relations.session != pid {
            return;
        }
        match relations.terminal {
            Some(terminal) => {
                if let Some(group) = self.terminals.detach(terminal, pid) {
                    self.signal_group(group, signal::HUP);
                }
                self.processes.lose_terminal(pid, None);
            }
            None => {
                if let Some(group) = self.processes.take_lost_foreground(pid) {
                    self.signal_group(group, signal::HUP);
                    self.signal_group(group, signal::CONT);
                }
            }
        }
    }
}
