//! File descriptors: close(2), dup(2), close_range(2); fcntl(2), flock(2) and ioctl(2)
//! are in `fcntl`, `lock` and `ioctl`.

mod fcntl;
mod ioctl;
mod lock;

use abi::flags::{CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE, O_CLOEXEC};
use abi::types::{Fd, OpenFlags};
use abi::{Errno, Result};
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::process::{Process, Resource};

pub(crate) use fcntl::fcntl64;
pub(crate) use ioctl::ioctl;
pub(crate) use lock::flock;

use crate::context::Cx;
use crate::mqueue;

/// `RLIMIT_NOFILE`: one more than the highest descriptor.
pub(crate) fn limit(process: &Process) -> u64 {
    process.limits.lock().soft(Resource::OpenFiles)
}

/// What `O_CLOEXEC` among `flags` says.
pub(crate) const fn on_exec(flags: u32) -> OnExec {
    if flags & O_CLOEXEC == 0 {
        OnExec::Keep
    } else {
        OnExec::Close
    }
}

/// close(2): the descriptor is free even when something fails.
pub(crate) fn close(cx: Cx<'_>, fd: Fd) -> Result<()> {
    let process = cx.process();
    let file = process.files().close(fd)?;
    let_go(cx, &file);
    Ok(())
}

/// The caller has closed a descriptor of `file`: what it held through the file in itself ends.
fn let_go(cx: Cx<'_>, file: &OpenFile) {
    cx.kernel.file_locks.closed(file, cx.process().pid);
    mqueue::closed(cx, file);
}

/// dup(2).
pub(crate) fn dup(cx: Cx<'_>, fd: Fd) -> Result<Fd> {
    let process = cx.process();
    let limit = limit(&process);
    process.files().duplicate(fd, limit)
}

/// dup2(2): equal numbers change nothing.
pub(crate) fn dup2(cx: Cx<'_>, old_fd: Fd, new_fd: Fd) -> Result<Fd> {
    duplicate_to(cx, old_fd, new_fd, OnExec::Keep)
}

/// dup3(2).
pub(crate) fn dup3(cx: Cx<'_>, old_fd: Fd, new_fd: Fd, flags: OpenFlags) -> Result<Fd> {
    if flags.0 & !O_CLOEXEC != 0 || old_fd == new_fd {
        return Err(Errno::EINVAL.into());
    }
    duplicate_to(cx, old_fd, new_fd, on_exec(flags.0))
}

fn duplicate_to(cx: Cx<'_>, old_fd: Fd, new_fd: Fd, on_exec: OnExec) -> Result<Fd> {
    let process = cx.process();
    let limit = limit(&process);
    let replaced = process
        .files()
        .duplicate_to(old_fd, new_fd, on_exec, limit)?;
    if let Some(file) = replaced {
        let_go(cx, &file);
    }
    Ok(new_fd)
}

/// close_range(2): no other process shares the table, so `CLOSE_RANGE_UNSHARE` has nothing to do.
pub(crate) fn close_range(cx: Cx<'_>, first: u32, last: u32, flags: u32) -> Result<()> {
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    let process = cx.process();
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        process.files().set_on_exec_range(first..=last);
        return Ok(());
    }
    let closed = process.files().close_range(first..=last);
    for file in closed {
        let_go(cx, &file);
    }
    Ok(())
}
