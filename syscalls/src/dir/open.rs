//! open(2), openat(2), creat(2).

use std::sync::Arc;

use abi::flags::{O_ACCMODE, O_CREAT, O_NOCTTY, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY};
use abi::types::{Fd, OpenFlags, UserAddr};
use abi::{Errno, Result};
use kernel::call::Outcome;
use kernel::device::CONSOLE;
use kernel::fd_table::OnExec;
use kernel::open::Opener;
use kernel::open_file::OpenFile;
use kernel::process::Process;

use super::at;
use crate::context::Cx;
use crate::fd::{limit, on_exec};

/// open(2).
pub(crate) fn open(cx: Cx<'_>, path: UserAddr, flags: OpenFlags, mode: u32) -> Result<Outcome<Fd>> {
    openat(cx, Fd::CWD, path, flags, mode)
}

/// creat(2).
pub(crate) fn creat(cx: Cx<'_>, path: UserAddr, mode: u32) -> Result<Outcome<Fd>> {
    openat(
        cx,
        Fd::CWD,
        path,
        OpenFlags(O_CREAT | O_WRONLY | O_TRUNC),
        mode,
    )
}

/// openat(2): unknown flags are ignored; opening a named pipe waits for its other side.
pub(crate) fn openat(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    flags: OpenFlags,
    mode: u32,
) -> Result<Outcome<Fd>> {
    let close = on_exec(flags.0);
    let flags = flags.0;
    let makes_unnamed = flags & O_TMPFILE == O_TMPFILE && flags & O_PATH == 0;
    if makes_unnamed && flags & O_ACCMODE == O_RDONLY {
        return Err(Errno::EINVAL.because("an unnamed file that cannot be written"));
    }
    let path = cx.path(path)?;
    let process = cx.process();
    // Before a file is made for which there is no descriptor.
    let limit = limit(&process);
    if !process.files().has_room(limit) {
        return Err(Errno::EMFILE.into());
    }
    let context = at(cx, dir, &path)?;
    let opened = cx.kernel.vfs.open(&context.vfs(), &path, flags, mode)?;
    let opener = Opener {
        fifos: &cx.kernel.fifos,
        terminals: &cx.kernel.terminals,
        controlling_terminal: cx
            .kernel
            .processes
            .relations(process.pid)
            .and_then(|relations| relations.terminal),
    };
    Ok(match opener.open(cx.task, opened, flags) {
        Outcome::Ready(answer) => Outcome::Ready(answer.and_then(|file| {
            if flags & O_NOCTTY == 0 {
                adopt_terminal(cx, &file);
            }
            Ok(install(&process, file, close, limit)?)
        })),
        pending @ Outcome::Pending(_) => pending
            .then(move |answer| answer.and_then(|file| Ok(install(&process, file, close, limit)?))),
    })
}

fn install(process: &Process, file: Arc<OpenFile>, on_exec: OnExec, limit: u64) -> Result<Fd> {
    process.files().install(file, on_exec, limit)
}

/// Makes a terminal the controlling one of a session's leader that has none; never
/// `/dev/console` (tty(4)).
fn adopt_terminal(cx: Cx<'_>, file: &OpenFile) {
    let is_console = || {
        file.metadata()
            .is_ok_and(|metadata| metadata.rdev == CONSOLE)
    };
    if file.terminal().is_some() && file.is_readable() && !is_console() {
        cx.kernel.adopt_terminal(&cx.process(), file);
    }
}
