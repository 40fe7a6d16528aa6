//! Process file descriptors: pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).

use std::sync::Arc;

use abi::flags::{
    CAP_SYS_PTRACE, O_RDWR, PIDFD_NONBLOCK, PIDFD_SIGNAL_PROCESS_GROUP, PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP, PIDFD_THREAD, SI_TKILL, SI_USER,
};
use abi::types::{Fd, Pid, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::process::pidfd::PidFd;
use kernel::process::{Process, Stage, Target};

use crate::context::Cx;
use crate::fd::limit;
use crate::signal::{check_code, info_at, number_or_probe, own_info};

/// Bytes of the kernel's memory that one takes, about.
const PIDFD_BYTES: u64 = 1 << 10;

/// pidfd_open(2): closed by `exec`.
pub(crate) fn pidfd_open(cx: Cx<'_>, pid: Pid, flags: u32) -> Result<Fd> {
    if flags & !(PIDFD_NONBLOCK | PIDFD_THREAD) != 0 || pid.0 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let process = cx.kernel.processes.find(pid.0).ok_or(Errno::ESRCH)?;
    install(cx, process, flags)
}

/// A descriptor of `process` for the caller.
///
/// - `flags`: `PIDFD_NONBLOCK`
///
/// # Errors
/// `EMFILE`, `ENOMEM`.
pub(crate) fn install(cx: Cx<'_>, process: Arc<Process>, flags: u32) -> Result<Fd> {
    cx.kernel.budget().admit(PIDFD_BYTES)?;
    let name = String::from("anon_inode:[pidfd]");
    let anonymous = cx.kernel.anonymous(FileType::Regular, name);
    let file = OpenFile::anonymous(
        Arc::new(PidFd { process }),
        anonymous,
        O_RDWR | flags & PIDFD_NONBLOCK,
    );
    let caller = cx.process();
    let limit = limit(&caller);
    caller.files().install(file, OnExec::Close, limit)
}

/// The process of a descriptor, and whether waiting through it fails instead (`PIDFD_NONBLOCK`).
///
/// # Errors
/// `EBADF` when it is not open or no process file descriptor.
pub(crate) fn of(cx: Cx<'_>, fd: Fd) -> Result<(Arc<Process>, bool)> {
    let file = cx.file(fd)?;
    let pidfd = file.ops().and_then(|ops| ops.as_any()?.downcast_ref());
    let PidFd { process } = pidfd.ok_or_else(|| Errno::EBADF.because("not a pidfd"))?;
    Ok((Arc::clone(process), file.is_nonblocking()))
}

/// pidfd_send_signal(2).
pub(crate) fn pidfd_send_signal(
    cx: Cx<'_>,
    fd: Fd,
    signal: i32,
    info: UserAddr,
    flags: u32,
) -> Result<()> {
    const KINDS: u32 = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;
    if flags & !KINDS != 0 || flags.count_ones() > 1 {
        return Err(Errno::EINVAL.into());
    }
    let (process, _) = of(cx, fd)?;
    let info = if info.is_null() {
        let code = if flags == PIDFD_SIGNAL_THREAD {
            SI_TKILL
        } else {
            SI_USER
        };
        own_info(cx, number_or_probe(signal)?, code)
    } else {
        let own_number = i32::from_le_bytes(cx.copy_in(info)?);
        if own_number != signal {
            return Err(Errno::EINVAL.because("the siginfo_t is of another signal"));
        }
        let info = info_at(cx, info, number_or_probe(signal)?)?;
        check_code(cx, &info, process.pid)?;
        info
    };
    if process.stage() == Stage::Reaped {
        return Err(Errno::ESRCH.because("it was waited for"));
    }
    let sender = cx.process();
    if flags == PIDFD_SIGNAL_PROCESS_GROUP {
        return cx
            .kernel
            .send_signal(&sender, Target::Group(process.pid), info);
    }
    cx.kernel.send_signal_to(&sender, &process, info)
}

/// pidfd_getfd(2): another process's open file, closed by `exec`.
pub(crate) fn pidfd_getfd(cx: Cx<'_>, pidfd: Fd, fd: Fd, flags: u32) -> Result<Fd> {
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (process, _) = of(cx, pidfd)?;
    if process.stage() != Stage::Alive {
        return Err(Errno::ESRCH.because("the process has ended"));
    }
    check_may_trace(cx, &process)?;
    let file = process.files().get(fd)?;
    let caller = cx.process();
    let limit = limit(&caller);
    caller.files().install(file, OnExec::Close, limit)
}

/// Whether the caller may reach into `target` (ptrace(2), `PTRACE_MODE_ATTACH_REALCREDS`).
///
/// # Errors
/// `EPERM`
pub(crate) fn check_may_trace(cx: Cx<'_>, target: &Arc<Process>) -> Result<()> {
    let caller = cx.process();
    if Arc::ptr_eq(&caller, target) {
        return Ok(());
    }
    let (own, theirs) = (caller.credentials(), target.credentials());
    if own.has(CAP_SYS_PTRACE) {
        return Ok(());
    }
    let all_are =
        |ids: kernel::process::Ids, id: u32| [ids.real, ids.effective, ids.saved] == [id; 3];
    let is_same = all_are(theirs.user, own.user.real) && all_are(theirs.group, own.group.real);
    let permits = theirs.capabilities.permitted & !own.capabilities.permitted == 0;
    if is_same && permits && target.settings.lock().is_dumpable {
        Ok(())
    } else {
        Err(Errno::EPERM.because("a process of somebody else"))
    }
}
