//! `ioctl(2)`, and what a terminal allows to whom (job control: credentials(7), tty_ioctl(4)).

use std::sync::Arc;

use abi::flags::{
    FIGETBSZ, FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIOQSIZE, O_ASYNC, O_NONBLOCK, TCFLSH, TCSBRK,
    TCSBRKP, TCSETS, TCSETS2, TCSETSF, TCSETSF2, TCSETSW, TCSETSW2, TCXONC, TIOCSPGRP, TIOCVHANGUP,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::call::{Answer, Fault, Restart};
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::signal;
use kernel::tty::{Caller, Effect, Tty};

use crate::context::Cx;

/// ioctl(2): the requests that concern a descriptor or any file are served here, those of job
/// control with the caller's place in the process tree, all others by the file.
pub(crate) fn ioctl(cx: Cx<'_>, fd: Fd, request: u32, argument: u32) -> Answer<i32> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.into());
    }
    let address = UserAddr(argument);
    match request {
        FIOCLEX => cx.process().files().set_on_exec(fd, OnExec::Close)?,
        FIONCLEX => cx.process().files().set_on_exec(fd, OnExec::Keep)?,
        FIONBIO => set_flag(cx, &file, O_NONBLOCK, address)?,
        FIOASYNC if file.wait_queue().is_some() => set_flag(cx, &file, O_ASYNC, address)?,
        FIOASYNC => return Err(Errno::ENOTTY.into()),
        FIOQSIZE => cx.copy_out(address, &size_of(&file)?.to_le_bytes())?,
        FIGETBSZ => cx.copy_out(address, &file.metadata()?.block_size.to_le_bytes())?,
        _ => {
            let tty = file.terminal().and_then(|id| cx.kernel.terminals.find(id));
            return match tty {
                Some(tty) => terminal_ioctl(cx, &tty, &file, request, argument),
                None => Ok(file.ioctl(request, argument, &**cx.memory())?),
            };
        }
    }
    Ok(0)
}

/// Sets a status flag to the truth of the word at `address`.
fn set_flag(cx: Cx<'_>, file: &OpenFile, flag: u32, address: UserAddr) -> Result<()> {
    let is_set = u32::from_le_bytes(cx.copy_in(address)?) != 0;
    let flags = file.flags() & !flag;
    file.set_flags(if is_set { flags | flag } else { flags })
}

fn size_of(file: &OpenFile) -> Result<u64> {
    match file.file_type() {
        FileType::Regular | FileType::Directory | FileType::Symlink => Ok(file.metadata()?.size),
        _ => Err(Errno::ENOTTY.into()),
    }
}

/// Whether a request changes the terminal, which only its foreground group may.
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
            | TIOCSPGRP
    )
}

fn terminal_ioctl(
    cx: Cx<'_>,
    tty: &Arc<Tty>,
    file: &OpenFile,
    request: u32,
    argument: u32,
) -> Answer<i32> {
    let caller = caller(cx);
    if is_change(request) && tty.is_background_read(&caller) {
        check_foreground(cx, signal::TTOU).map_err(|fault| match fault {
            // An orphan's terminal is as good as none (tcsetpgrp(3)).
            Fault::Error(_) if request == TIOCSPGRP => Errno::ENOTTY.into(),
            fault => fault,
        })?;
    }
    if request == TIOCVHANGUP {
        return hang_up(cx, tty, &caller);
    }
    let is_group = |group| cx.kernel.processes.is_group_in_session(group, caller.session);
    let memory = &**cx.memory();
    match tty.job_control_ioctl(&caller, request, argument, memory, &is_group) {
        None => Ok(file.ioctl(request, argument, memory)?),
        Some(effect) => {
            apply(cx, tty, &caller, effect?);
            Ok(0)
        }
    }
}

/// Does to the process tree what a request of job control leaves to do.
fn apply(cx: Cx<'_>, tty: &Tty, caller: &Caller, effect: Effect) {
    let processes = &cx.kernel.processes;
    match effect {
        Effect::None => {}
        Effect::Acquired { stolen_from } => {
            if let Some(session) = stolen_from {
                processes.set_terminal(session, None);
            }
            processes.set_terminal(caller.session, Some(tty.id()));
        }
        Effect::Released { hung_up } if caller.pid == caller.session => {
            processes.set_terminal(caller.session, None);
            if let Some(group) = hung_up {
                cx.kernel.signal_group(group, signal::HUP);
                cx.kernel.signal_group(group, signal::CONT);
            }
        }
        Effect::Released { .. } => processes.drop_terminal(caller.pid),
    }
}

/// `TIOCVHANGUP`: vhangup(2) of this terminal.
fn hang_up(cx: Cx<'_>, tty: &Tty, caller: &Caller) -> Answer<i32> {
    if !caller.is_privileged {
        return Err(Errno::EPERM.because("only the superuser hangs up").into());
    }
    let group = tty.session().1;
    if let Some(session) = tty.hang_up() {
        cx.kernel.processes.set_terminal(session, None);
        for group in [Some(session), group.filter(|&group| group != session)].into_iter().flatten()
        {
            cx.kernel.signal_group(group, signal::HUP);
            cx.kernel.signal_group(group, signal::CONT);
        }
    }
    Ok(0)
}

/// The calling process as terminals see it.
pub(crate) fn caller(cx: Cx<'_>) -> Caller {
    let process = cx.process();
    let relations = cx.kernel.processes.relations(process.pid);
    Caller {
        pid: process.pid,
        group: relations.map_or(process.pid, |relations| relations.group),
        session: relations.map_or(process.pid, |relations| relations.session),
        terminal: relations.and_then(|relations| relations.terminal),
        is_privileged: process.credentials().is_privileged(),
    }
}

/// Lets a background process go on at its terminal, or stops its group.
///
/// - `number`: `SIGTTIN` for a read, `SIGTTOU` for a write or a change
///
/// # Errors
/// `EIO` in an orphaned group, and for a read when the signal is blocked or ignored; otherwise an
/// interruption, after which the call is made again.
///
/// # References
/// Linux v6.12 `drivers/tty/tty_jobctrl.c` `__tty_check_change`.
pub(crate) fn check_foreground(cx: Cx<'_>, number: u8) -> Answer<()> {
    let process = cx.process();
    let is_ignored = {
        let signals = process.signals.lock();
        signals.mask().contains(number) || signals.action(number).handler == signal::SIG_IGN
    };
    if is_ignored {
        return match number {
            signal::TTIN => Err(Errno::EIO.because("SIGTTIN is blocked or ignored").into()),
            _ => Ok(()),
        };
    }
    let group = caller(cx).group;
    if cx.kernel.processes.is_orphaned(group) {
        return Err(Errno::EIO.because("an orphaned process group").into());
    }
    cx.kernel.signal_group(group, number);
    Err(Fault::Interrupted(Restart::Sys))
}
