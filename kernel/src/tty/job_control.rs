//! Job control: which process group may read, write and change its terminal (POSIX, "General
//! Terminal Interface"; Linux v6.12 `drivers/tty/tty_jobctrl.c`).
//!
//! A process in the background that uses its controlling terminal gets `SIGTTIN` or `SIGTTOU`,
//! which stops its group, and makes the call again when it goes on.

use std::sync::Arc;

use abi::flags::{
    CAP_SYS_ADMIN, TCFLSH, TCSBRK, TCSBRKP, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2,
    TCXONC, TIOCCBRK, TIOCSBRK, TIOCSCTTY, TIOCSETD, TIOCSPGRP,
};
use abi::{Errno, Result};
use fs::vfs::file::GuestMemory;

use super::{Caller, Effect, Tty};
use crate::call::{Answer, Fault, Restart};
use crate::kernel::Kernel;
use crate::open_file::OpenFile;
use crate::process::{Pid, Process};
use crate::signal;

/// What a process is about to do with a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalUse {
    /// Reads.
    Read,
    /// Writes: stopped with the setting `TOSTOP` only.
    Write,
    /// Changes the settings or the foreground group.
    Change,
}

impl Kernel {
    /// Who `process` is to a terminal.
    fn tty_caller(&self, process: &Process) -> Result<Caller> {
        let relations = self.processes.relations(process.pid).ok_or(Errno::ESRCH)?;
        Ok(Caller {
            pid: process.pid,
            group: relations.group,
            session: relations.session,
            terminal: relations.terminal,
            is_privileged: process.credentials().has(CAP_SYS_ADMIN),
        })
    }

    fn tty_of(&self, file: &OpenFile) -> Option<Arc<Tty>> {
        self.terminals.find(file.terminal()?)
    }

    /// Checks that `process` may use `file` now, if that is its controlling terminal; any other
    /// file passes at once. Called before each read, write and change.
    ///
    /// # Errors
    /// Interrupted (restartable) after the signal went to the group of a background process; `EIO`
    /// when the signal could not stop it: blocked or ignored while reading, or nobody is left to
    /// continue its group.
    pub fn check_terminal_use(
        &self,
        process: &Process,
        file: &OpenFile,
        terminal_use: TerminalUse,
    ) -> Answer<()> {
        match self.tty_of(file) {
            Some(tty) => {
                let caller = self.tty_caller(process)?;
                self.check_use_of(process, &tty, &caller, terminal_use)
            }
            None => Ok(()),
        }
    }

    fn check_use_of(
        &self,
        process: &Process,
        tty: &Tty,
        caller: &Caller,
        terminal_use: TerminalUse,
    ) -> Answer<()> {
        let (is_background, number) = match terminal_use {
            TerminalUse::Read => (tty.is_background(caller), signal::TTIN),
            TerminalUse::Write => (tty.is_background_write(caller), signal::TTOU),
            TerminalUse::Change => (tty.is_background(caller), signal::TTOU),
        };
        if !is_background {
            return Ok(());
        }
        let is_deaf = {
            let signals = process.signals.lock();
            !signals.has_listener(number) || signals.is_ignored(number)
        };
        if is_deaf && terminal_use != TerminalUse::Read {
            return Ok(());
        }
        if is_deaf || self.processes.is_orphaned_group(caller.group) {
            return Err(Errno::EIO
                .because("a background process on its terminal")
                .into());
        }
        self.signal_group(caller.group, number);
        Err(Fault::Interrupted(Restart::Sys))
    }

    /// `ioctl(2)` on an open file, with what job control adds for terminals.
    ///
    /// # Errors
    /// As [`OpenFile::ioctl`], [`Tty::job_control_ioctl`] and [`Kernel::check_terminal_use`].
    pub fn ioctl(
        &self,
        process: &Process,
        file: &OpenFile,
        request: u32,
        argument: u32,
        memory: &dyn GuestMemory,
    ) -> Answer<i32> {
        let Some(tty) = self.tty_of(file) else {
            return Ok(file.ioctl(request, argument, memory)?);
        };
        let caller = self.tty_caller(process)?;
        if is_change(request) {
            let checked = self.check_use_of(process, &tty, &caller, TerminalUse::Change);
            match checked {
                Err(Fault::Error(error)) if request == TIOCSPGRP && error.errno == Errno::EIO => {
                    return Err(Errno::ENOTTY.because(error.why).into());
                }
                checked => checked?,
            }
        }
        if request == TIOCSCTTY && !file.is_readable() && !caller.is_privileged {
            return Err(Errno::EPERM.because("open for writing only").into());
        }
        let is_group = |group: Pid| match self.processes.session_of_group(group) {
            Some(session) => Ok(session == caller.session),
            None => Err(Errno::ESRCH.because("no such group")),
        };
        match tty.job_control_ioctl(&caller, request, argument, memory, &is_group) {
            Some(effect) => {
                self.apply_effect(&tty, &caller, effect?);
                Ok(0)
            }
            None => Ok(file.ioctl(request, argument, memory)?),
        }
    }

    /// Makes a terminal that `process` just opened its controlling one, if it leads a session that
    /// has none and nobody has the terminal. Not called with `O_NOCTTY`.
    pub fn adopt_terminal(&self, process: &Process, file: &OpenFile) {
        let Some(tty) = self.tty_of(file) else { return };
        let Ok(caller) = self.tty_caller(process) else {
            return;
        };
        if caller.is_session_leader()
            && caller.terminal.is_none()
            && tty.session().0.is_none()
            && let Ok(effect) = tty.acquire(&caller, 0)
        {
            self.apply_effect(&tty, &caller, effect);
        }
    }

    fn apply_effect(&self, tty: &Tty, caller: &Caller, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Acquired { stolen_from } => {
                if let Some(session) = stolen_from {
                    self.processes.lose_terminal(session, None);
                }
                // Those that the leader started before have none.
                self.processes.set_terminal(caller.pid, Some(tty.id()));
            }
            Effect::Released { hung_up } => {
                if let Some(group) = hung_up {
                    self.signal_group(group, signal::HUP);
                    self.signal_group(group, signal::CONT);
                }
                if caller.is_session_leader() {
                    self.processes.lose_terminal(caller.session, None);
                } else {
                    self.processes.set_terminal(caller.pid, None);
                }
            }
        }
    }
}

/// Whether a request changes what the foreground sees.
const fn is_change(request: u32) -> bool {
    matches!(
        request,
        TCSETS
            | TCSETSW
            | TCSETSF
            | TCSETS2
            | TCSETSW2
            | TCSETSF2
            | TCFLSH
            | TCXONC
            | TCSBRK
            | TCSBRKP
            | TIOCSBRK
            | TIOCCBRK
            | TIOCSETD
            | TIOCSPGRP
    )
}
