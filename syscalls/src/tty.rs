//! Terminals that hang up, and slaves of pseudo-terminals by their master: vhangup(2), and the two
//! requests of ioctl(2) that need more than the terminal.

use abi::flags::CAP_SYS_TTY_CONFIG;
use abi::types::Fd;
use abi::{Errno, Result};
use kernel::open_file::OpenFile;
use kernel::tty::pty::PtyMaster;

use crate::context::Cx;
use crate::fd::{limit, on_exec};

/// `TIOCVHANGUP`: vhangup(2) of this terminal.
pub(crate) fn hang_up(cx: Cx<'_>, file: &OpenFile) -> Result<()> {
    if !cx.process().credentials().has(CAP_SYS_TTY_CONFIG) {
        return Err(Errno::EPERM.because("only the superuser hangs up"));
    }
    let Some(tty) = file.terminal().and_then(|id| cx.kernel.terminals.find(id)) else {
        return Err(Errno::EIO.into());
    };
    cx.kernel.end_session_terminal(tty.hang_up());
    Ok(())
}

/// The master that a file is.
pub(crate) fn master_of(file: &OpenFile) -> Option<&PtyMaster> {
    file.ops()?.as_any()?.downcast_ref()
}

/// vhangup(2).
pub(crate) fn vhangup(cx: Cx<'_>) -> Result<()> {
    cx.kernel.hang_up_own_terminal(&cx.process())
}

/// `TIOCGPTPEER`: a descriptor of the slave of a pair.
pub(crate) fn open_peer(cx: Cx<'_>, master: &PtyMaster, flags: u32) -> Result<i32> {
    let process = cx.process();
    let limit = limit(&process);
    if !process.files().has_room(limit) {
        return Err(Errno::EMFILE.into());
    }
    let file = cx.kernel.open_peer(&process, master, flags)?;
    let Fd(number) = process.files().install(file, on_exec(flags), limit)?;
    Ok(number)
}
