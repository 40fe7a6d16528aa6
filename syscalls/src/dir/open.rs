//! open(2), openat(2), creat(2).

use std::sync::Arc;

use abi::flags::{O_ACCMODE, O_CREAT, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY};
use abi::types::{Fd, OpenFlags, UserAddr};
use abi::{Errno, Result};
use kernel::call::{Answer, Outcome};
use kernel::open_file::OpenFile;

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
    let install = move |answer: Answer<Arc<OpenFile>>| {
        answer.and_then(|file| Ok(process.files().install(file, close, limit)?))
    };
    Ok(
        match cx.kernel.finish_open(cx.task, &cx.process(), opened, flags) {
            Outcome::Ready(answer) => Outcome::Ready(install(answer)),
            pending @ Outcome::Pending(_) => pending.then(install),
        },
    )
}
