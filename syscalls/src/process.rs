//! Processes: ids, groups, sessions, vfork, exec, exit, wait.

use std::sync::Arc;

use abi::flags::{
    __WALL, __WCLONE, __WNOTHREAD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CLD_CONTINUED, CLD_EXITED,
    CLD_KILLED, CLD_STOPPED, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_DETACHED, CLONE_FILES,
    CLONE_FS, CLONE_PARENT_SETTID, CLONE_PTRACE, CLONE_SETTLS, CLONE_SIGHAND, CLONE_SYSVSEM,
    CLONE_THREAD, CLONE_UNTRACED, CLONE_VM, P_ALL, P_PGID, P_PID, P_PIDFD, WCONTINUED, WEXITED,
    WNOHANG, WNOWAIT, WSTOPPED, WUNTRACED,
};
use abi::layout::SigInfo;
use abi::types::{Fd, Pid, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::call::{Outcome, Restart};
use kernel::poll::wait_for;
use kernel::process::{Task, WaitEvent, WaitFor, WaitOptions, exit_status};

use crate::context::Cx;
use crate::system::usage_of;

/// getpid(2).
pub(crate) fn getpid(cx: Cx<'_>) -> Result<i32> {
    Ok(cx.task.pid())
}

/// gettid(2).
pub(crate) fn gettid(cx: Cx<'_>) -> Result<i32> {
    Ok(cx.task.tid())
}

/// set_tid_address(2).
pub(crate) fn set_tid_address(cx: Cx<'_>, address: UserAddr) -> Result<i32> {
    cx.task.set_clear_child_tid(address.0);
    gettid(cx)
}

/// What a thread shares with the one that makes it, at least: the kernel has no threads that share
/// less, and no flag of those is left out by a libc.
const THREAD_FLAGS: u32 = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

/// What else a thread may ask for. `CLONE_SETTLS` is the business of its entry, which gets `stack`.
const THREAD_OPTIONS: u32 = THREAD_FLAGS
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_DETACHED
    | CLONE_UNTRACED
    | CLONE_PTRACE;

/// clone(2) for threads: the new one is an instance over the same memory, entered at the export
/// `__wasm_thread_start(stack)`.
pub(crate) fn clone(
    cx: Cx<'_>,
    flags: u32,
    stack: UserAddr,
    parent_tid: UserAddr,
    _tls: UserAddr,
    child_tid: UserAddr,
) -> Result<i32> {
    if flags & CLONE_THREAD == 0 {
        return Err(Errno::ENOSYS.because("a process is made by fork or vfork"));
    }
    let is_known = flags & !THREAD_OPTIONS == 0;
    if !is_known || flags & THREAD_FLAGS != THREAD_FLAGS || stack.is_null() {
        return Err(Errno::EINVAL.because("a thread that shares less, or without a stack"));
    }
    let prepare = |thread: &Task| {
        // As Linux has it, an address that cannot be written to is no error any more.
        for (flag, address) in [
            (CLONE_PARENT_SETTID, parent_tid),
            (CLONE_CHILD_SETTID, child_tid),
        ] {
            if flags & flag != 0 {
                let _written = cx.copy_out(address, &thread.tid().to_le_bytes());
            }
        }
        if flags & CLONE_CHILD_CLEARTID != 0 {
            thread.set_clear_child_tid(child_tid.0);
        }
    };
    cx.kernel
        .clone_thread(cx.task, [stack.0, 0, 0], stack.0, prepare)
}

/// getppid(2).
pub(crate) fn getppid(cx: Cx<'_>) -> Result<i32> {
    relations(cx, cx.task.pid()).map(|relations| relations.parent)
}

fn relations(cx: Cx<'_>, pid: i32) -> Result<kernel::process::table::Relations> {
    cx.kernel
        .processes
        .relations(pid)
        .ok_or_else(|| Errno::ESRCH.into())
}

/// 0 means the caller.
fn or_self(cx: Cx<'_>, pid: Pid) -> i32 {
    if pid.0 == 0 { cx.task.pid() } else { pid.0 }
}

/// getpgid(2).
pub(crate) fn getpgid(cx: Cx<'_>, pid: Pid) -> Result<i32> {
    relations(cx, or_self(cx, pid)).map(|relations| relations.group)
}

/// getpgrp(2).
pub(crate) fn getpgrp(cx: Cx<'_>) -> Result<i32> {
    getpgid(cx, Pid(0))
}

/// setpgid(2).
pub(crate) fn setpgid(cx: Cx<'_>, pid: Pid, group: Pid) -> Result<()> {
    cx.kernel
        .processes
        .set_group(cx.task.pid(), or_self(cx, pid), group.0)
}

/// getsid(2).
pub(crate) fn getsid(cx: Cx<'_>, pid: Pid) -> Result<i32> {
    relations(cx, or_self(cx, pid)).map(|relations| relations.session)
}

/// setsid(2).
pub(crate) fn setsid(cx: Cx<'_>) -> Result<i32> {
    cx.kernel.processes.new_session(cx.task.pid())
}

/// fork(2) of a program that the loader could not write for it, or by its number: the others make
/// the call through the shim (`kernel::process`, `fork`).
pub(crate) fn fork(_cx: Cx<'_>) -> Result<u32> {
    Err(Errno::ENOSYS.because("the stack of the caller cannot be saved"))
}

/// vfork(2), by lending the identity of the child to the calling instance (ADR 0007).
pub(crate) fn vfork(cx: Cx<'_>) -> Result<u32> {
    cx.kernel.vfork(cx.task)
}

/// execve(2).
pub(crate) fn execve(cx: Cx<'_>, path: UserAddr, argv: UserAddr, envp: UserAddr) -> Result<i32> {
    let path = cx.path(path)?;
    let location = cx.process().walk(cx.kernel, &path)?;
    exec(cx, location, &path, argv, envp)
}

/// execveat(2).
pub(crate) fn execveat(
    cx: Cx<'_>,
    dir: Fd,
    path: UserAddr,
    argv: UserAddr,
    envp: UserAddr,
    flags: u32,
) -> Result<i32> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = cx.path(path)?;
    let location = crate::dir::locate(cx, dir, &path, flags)?;
    if location.file_type() == FileType::Symlink {
        return Err(Errno::ELOOP.because("a symbolic link that is not followed"));
    }
    let name = if path.starts_with(b"/") || dir == Fd::CWD {
        path
    } else {
        name_beside(dir, &path)
    };
    exec(cx, location, &name, argv, envp)
}

/// What a script's interpreter is told to open when the script was found beside `dir`.
fn name_beside(dir: Fd, path: &[u8]) -> Vec<u8> {
    let mut name = format!("/dev/fd/{}", dir.0).into_bytes();
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}

fn exec(
    cx: Cx<'_>,
    location: fs::vfs::path::Location,
    path: &[u8],
    argv: UserAddr,
    envp: UserAddr,
) -> Result<i32> {
    let argv = cx.strings(argv)?;
    let envp = cx.strings(envp)?;
    Ok(cx
        .kernel
        .exec(cx.task, location, path, argv, &envp)?
        .unwrap_or(0))
}

/// exit(2): ends the thread.
pub(crate) fn exit(cx: Cx<'_>, status: i32) -> Result<i32> {
    let status = exit_status(status);
    Ok(cx.kernel.exit_thread(cx.task, status).unwrap_or(0))
}

/// exit_group(2).
pub(crate) fn exit_group(cx: Cx<'_>, status: i32) -> Result<i32> {
    Ok(cx.kernel.leave(cx.task, exit_status(status)).unwrap_or(0))
}

/// Whether only children count that end without `SIGCHLD`, of which there are none (`__WCLONE`).
const fn is_clone(options: u32) -> bool {
    options & (__WCLONE | __WALL) == __WCLONE
}

/// wait4(2).
pub(crate) fn wait4(
    cx: Cx<'_>,
    pid: Pid,
    status: UserAddr,
    options: u32,
    usage: UserAddr,
) -> Outcome<i32> {
    let known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
    if options & !known != 0 {
        return Err::<i32, _>(Errno::EINVAL).into();
    }
    let who = match pid.0 {
        i32::MIN => return Err::<i32, _>(Errno::ESRCH).into(),
        _ if pid.0 < -1 => WaitFor::Group(pid.0.wrapping_neg()),
        -1 => WaitFor::Any,
        0 => match getpgrp(cx) {
            Ok(group) => WaitFor::Group(group),
            Err(error) => return Err::<i32, _>(error).into(),
        },
        _ => WaitFor::Pid(pid.0),
    };
    let wanted = WaitOptions {
        is_clone: is_clone(options),
        exited: true,
        stopped: options & WUNTRACED != 0,
        continued: options & WCONTINUED != 0,
        keep: false,
    };
    let memory = Arc::clone(cx.memory());
    wait(cx, who, wanted, options & WNOHANG != 0, move |event| {
        let Some(event) = event else { return Ok(0) };
        if !status.is_null() {
            memory.copy_out(status.0, &event.status.to_le_bytes())?;
        }
        if !usage.is_null() {
            memory.copy_out(usage.0, &usage_of(event.usage, event.peak_bytes).to_bytes())?;
        }
        Ok(event.pid)
    })
}

/// waitid(2).
pub(crate) fn waitid(
    cx: Cx<'_>,
    kind: i32,
    id: Pid,
    info: UserAddr,
    options: u32,
    usage: UserAddr,
) -> Outcome<i32> {
    let events = WEXITED | WSTOPPED | WCONTINUED;
    let known = events | WNOHANG | WNOWAIT | __WNOTHREAD | __WCLONE | __WALL;
    if options & !known != 0 || options & events == 0 {
        return Err::<i32, _>(Errno::EINVAL).into();
    }
    // A descriptor that does not wait makes the call fail where WNOHANG makes it say 0.
    let mut never_waits = false;
    let who = match (kind, id.0) {
        (P_ALL, _) => WaitFor::Any,
        (P_PID, 1..) => WaitFor::Pid(id.0),
        (P_PGID, 0) => match getpgrp(cx) {
            Ok(group) => WaitFor::Group(group),
            Err(error) => return Err::<i32, _>(error).into(),
        },
        (P_PGID, 1..) => WaitFor::Group(id.0),
        (P_PIDFD, 0..) => match crate::pidfd::of(cx, Fd(id.0)) {
            Ok((process, is_nonblocking)) => {
                never_waits |= is_nonblocking;
                WaitFor::Pid(process.pid)
            }
            Err(error) => return Err::<i32, _>(error).into(),
        },
        _ => return Err::<i32, _>(Errno::EINVAL).into(),
    };
    let only_looks = options & WNOHANG != 0;
    let wanted = WaitOptions {
        is_clone: is_clone(options),
        exited: options & WEXITED != 0,
        stopped: options & WSTOPPED != 0,
        continued: options & WCONTINUED != 0,
        keep: options & WNOWAIT != 0,
    };
    let memory = Arc::clone(cx.memory());
    wait(cx, who, wanted, only_looks || never_waits, move |event| {
        if event.is_none() && never_waits && !only_looks {
            return Err(Errno::EAGAIN.into());
        }
        if !info.is_null() {
            memory.copy_out(info.0, &siginfo_of(event).to_bytes())?;
        }
        if let (false, Some(event)) = (usage.is_null(), event) {
            memory.copy_out(usage.0, &usage_of(event.usage, event.peak_bytes).to_bytes())?;
        }
        Ok(0)
    })
}

/// `siginfo_t` of a `SIGCHLD`, zero when there is no event.
fn siginfo_of(event: Option<WaitEvent>) -> SigInfo {
    let Some(event) = event else {
        return SigInfo::default();
    };
    let (code, value) = match event.status {
        0xffff => (CLD_CONTINUED, i32::from(kernel::signal::CONT)),
        status if status & 0xff == 0x7f => (CLD_STOPPED, status >> 8),
        status if status & 0x7f == 0 => (CLD_EXITED, status >> 8),
        status => (CLD_KILLED, status & 0x7f),
    };
    SigInfo {
        signal: kernel::signal::CHLD.into(),
        code,
        pid: event.pid,
        uid: event.uid,
        value,
        ..SigInfo::default()
    }
}

fn wait(
    cx: Cx<'_>,
    who: WaitFor,
    options: WaitOptions,
    only_look: bool,
    report: impl Fn(Option<WaitEvent>) -> Result<i32> + Send + 'static,
) -> Outcome<i32> {
    let parent = cx.process();
    let kernel = Arc::clone(cx.kernel);
    let queue = parent.children_changed.clone();
    wait_for(
        cx.task,
        Some(&queue),
        None,
        Restart::Sys,
        move || match kernel.processes.poll_children(parent.pid, who, options)? {
            Some(event) => Ok(report(Some(event))?),
            None if only_look => Ok(report(None)?),
            None => Err(fs::io::Stall::WouldBlock),
        },
    )
}
