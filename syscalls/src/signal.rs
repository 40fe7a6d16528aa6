//! Signals: actions, masks, sending, waiting.

use abi::flags::{SI_TKILL, SI_USER, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK};
use abi::layout::{SigAction, SigInfo, SigStack};
use abi::limits::SIGSET_SIZE;
use abi::types::{Pid, Signal, UserAddr};
use abi::{Errno, Result};
use kernel::call::{Fault, Outcome, Restart};
use kernel::poll::wait_for;
use kernel::process::Target;
use kernel::signal::{Action, AltStack, SignalInfo, SignalSet};

use crate::context::Cx;

fn check_size(size: usize) -> Result<()> {
    if size == SIGSET_SIZE {
        Ok(())
    } else {
        Err(Errno::EINVAL.because("not the size of a set"))
    }
}

fn set_at(cx: Cx<'_>, address: UserAddr) -> Result<SignalSet> {
    cx.copy_in(address)
        .map(|bytes| SignalSet(u64::from_le_bytes(bytes)))
}

/// rt_sigaction(2).
pub(crate) fn rt_sigaction(
    cx: Cx<'_>,
    signal: i32,
    action: UserAddr,
    old_action: UserAddr,
    set_size: usize,
) -> Result<()> {
    check_size(set_size)?;
    let number = Signal::new(signal)?.number();
    let new = if action.is_null() {
        None
    } else {
        let new = SigAction::from_bytes(&cx.copy_in(action)?);
        Some(Action {
            handler: new.handler,
            flags: new.flags,
            restorer: new.restorer,
            mask: SignalSet(new.mask),
        })
    };
    let process = cx.process();
    let mut signals = process.signals.lock();
    let old = signals.action(number);
    if let Some(new) = new {
        signals.set_action(number, new)?;
    }
    drop(signals);
    let old = SigAction {
        handler: old.handler,
        flags: old.flags,
        restorer: old.restorer,
        mask: old.mask.0,
    };
    cx.copy_out_optional(old_action, &old.to_bytes())
}

/// rt_sigprocmask(2).
pub(crate) fn rt_sigprocmask(
    cx: Cx<'_>,
    how: i32,
    set: UserAddr,
    old_set: UserAddr,
    set_size: usize,
) -> Result<()> {
    check_size(set_size)?;
    let old = cx.task.signal_mask();
    if !set.is_null() {
        let set = set_at(cx, set)?;
        let new = match how {
            SIG_BLOCK => old.with(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        cx.task.set_signal_mask(new);
    }
    cx.copy_out_optional(old_set, &old.0.to_le_bytes())
}

/// rt_sigpending(2).
pub(crate) fn rt_sigpending(cx: Cx<'_>, set: UserAddr, set_size: usize) -> Result<()> {
    if set_size > SIGSET_SIZE {
        return Err(Errno::EINVAL.into());
    }
    let process = cx.process();
    let signals = process.signals.lock();
    let tid = cx.task.tid();
    let pending = signals.pending(tid).0 & signals.mask(tid).0;
    drop(signals);
    let bytes = pending.to_le_bytes();
    cx.copy_out(set, bytes.get(..set_size).unwrap_or(&bytes))
}

/// Puts the mask aside for `mask` until a handler has run (`sigsuspend`, `ppoll`, `pselect`).
pub(crate) fn borrow_mask(cx: Cx<'_>, mask: SignalSet) {
    let process = cx.process();
    let old = cx.task.set_signal_mask(mask);
    let tid = cx.task.tid();
    process.signals.lock().thread(tid).saved_mask = Some(old);
}

fn wait_for_signal(cx: Cx<'_>) -> Outcome<u32> {
    wait_for(cx.task, None, None, Restart::NoHandler, || {
        Err(fs::io::Stall::WouldBlock)
    })
}

/// rt_sigsuspend(2).
pub(crate) fn rt_sigsuspend(cx: Cx<'_>, mask: UserAddr, set_size: usize) -> Outcome<u32> {
    match check_size(set_size).and_then(|()| set_at(cx, mask)) {
        Err(error) => Outcome::Ready(Err(error.into())),
        Ok(mask) => {
            borrow_mask(cx, mask);
            wait_for_signal(cx)
        }
    }
}

/// pause(2).
pub(crate) fn pause(cx: Cx<'_>) -> Outcome<u32> {
    wait_for_signal(cx)
}

/// rt_sigtimedwait(2).
pub(crate) fn rt_sigtimedwait_time64(
    cx: Cx<'_>,
    set: UserAddr,
    info: UserAddr,
    timeout: UserAddr,
    set_size: usize,
) -> Outcome<u32> {
    let prepared = check_size(set_size).and_then(|()| {
        let deadline = crate::time::deadline_after(cx, timeout)?;
        Ok((set_at(cx, set)?.without(SignalSet::UNBLOCKABLE), deadline))
    });
    let (set, deadline) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let process = cx.process();
    let memory = std::sync::Arc::clone(cx.memory());
    let tid = cx.task.tid();
    process.signals.lock().thread(tid).waited_for = set;
    let waiter = std::sync::Arc::clone(&process);
    wait_for(cx.task, None, deadline, Restart::NoHandler, move || {
        let Some(taken) = waiter.signals.lock().take_from(tid, set) else {
            return Err(fs::io::Stall::WouldBlock);
        };
        if !info.is_null() {
            memory.copy_out(info.0, &SigInfo::from(taken).to_bytes())?;
        }
        Ok(u32::from(taken.number))
    })
    .then(move |answer| {
        process.signals.lock().thread(tid).waited_for = SignalSet::default();
        match answer {
            Err(Fault::TimedOut) => Err(Errno::EAGAIN.into()),
            Err(Fault::Interrupted(_)) => Err(Errno::EINTR.into()),
            other => other,
        }
    })
}

pub(crate) fn own_info(cx: Cx<'_>, number: u8, code: i32) -> SignalInfo {
    let uid = cx.process().credentials().user.real;
    SignalInfo {
        number,
        code,
        pid: cx.task.pid(),
        uid,
        ..SignalInfo::default()
    }
}

/// A signal number, or 0 for a probe.
pub(crate) fn number_or_probe(signal: i32) -> Result<u8> {
    Ok(Signal::or_probe(signal)?.map_or(0, Signal::number))
}

/// kill(2).
pub(crate) fn kill(cx: Cx<'_>, pid: Pid, signal: i32) -> Result<()> {
    let number = number_or_probe(signal)?;
    let process = cx.process();
    let target = match pid.0 {
        0 => Target::Group(
            cx.kernel
                .processes
                .relations(process.pid)
                .map_or(0, |r| r.group),
        ),
        -1 => Target::All,
        i32::MIN => return Err(Errno::ESRCH.into()),
        _ if pid.0 < -1 => Target::Group(pid.0.wrapping_neg()),
        _ => Target::Process(pid.0),
    };
    cx.kernel
        .send_signal(&process, target, own_info(cx, number, SI_USER))
}

/// tkill(2).
pub(crate) fn tkill(cx: Cx<'_>, thread: Pid, signal: i32) -> Result<()> {
    if thread.0 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    send_to_thread(cx, None, thread, signal)
}

/// Signals one thread; `group`: only if it belongs to that process.
fn send_to_thread(cx: Cx<'_>, group: Option<Pid>, thread: Pid, signal: i32) -> Result<()> {
    let info = own_info(cx, number_or_probe(signal)?, SI_TKILL);
    let target = Target::Thread {
        group: group.map(|group| group.0),
        tid: thread.0,
    };
    cx.kernel.send_signal(&cx.process(), target, info)
}

/// tgkill(2).
pub(crate) fn tgkill(cx: Cx<'_>, group: Pid, thread: Pid, signal: i32) -> Result<()> {
    if group.0 <= 0 || thread.0 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    send_to_thread(cx, Some(group), thread, signal)
}

/// The `siginfo_t` at `address`, to be sent as signal `number`.
pub(crate) fn info_at(cx: Cx<'_>, address: UserAddr, number: u8) -> Result<SignalInfo> {
    let info = SigInfo::from_bytes(&cx.copy_in(address)?);
    let [first, second, ..] = info.rest;
    Ok(SignalInfo {
        number,
        code: info.code,
        pid: info.pid,
        uid: info.uid,
        value: info.value,
        rest: [first, second],
    })
}

/// Fails when `info` pretends to come from the kernel or from tgkill(2), unless the caller sends it
/// to itself.
pub(crate) fn check_code(cx: Cx<'_>, info: &SignalInfo, pid: i32) -> Result<()> {
    if (info.code >= SI_USER || info.code == SI_TKILL) && pid != cx.task.pid() {
        return Err(Errno::EPERM.because("a code of the kernel's own"));
    }
    Ok(())
}

/// rt_sigqueueinfo(2).
pub(crate) fn rt_sigqueueinfo(cx: Cx<'_>, pid: Pid, signal: i32, info: UserAddr) -> Result<()> {
    let info = info_at(cx, info, 0)?;
    check_code(cx, &info, pid.0)?;
    let number = number_or_probe(signal)?;
    let info = SignalInfo { number, ..info };
    cx.kernel
        .send_signal(&cx.process(), Target::Process(pid.0), info)
}

/// rt_tgsigqueueinfo(2).
pub(crate) fn rt_tgsigqueueinfo(
    cx: Cx<'_>,
    group: Pid,
    thread: Pid,
    signal: i32,
    info: UserAddr,
) -> Result<()> {
    let info = info_at(cx, info, 0)?;
    if group.0 <= 0 || thread.0 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    check_code(cx, &info, thread.0)?;
    let number = number_or_probe(signal)?;
    let info = SignalInfo { number, ..info };
    let target = Target::Thread {
        group: Some(group.0),
        tid: thread.0,
    };
    cx.kernel.send_signal(&cx.process(), target, info)
}

/// sigaltstack(2).
pub(crate) fn sigaltstack(cx: Cx<'_>, stack: UserAddr, old_stack: UserAddr) -> Result<()> {
    let new = if stack.is_null() {
        None
    } else {
        Some(SigStack::from_bytes(&cx.copy_in(stack)?))
    };
    let stack_pointer = cx.kernel.platform.stack_pointer(cx.task.slot);
    let process = cx.process();
    let mut signals = process.signals.lock();
    let own = signals.thread(cx.task.tid());
    let old = own.alt_stack;
    if let Some(new) = new {
        if stack_pointer.is_some_and(|stack_pointer| old.contains(stack_pointer)) {
            return Err(Errno::EPERM.because("the caller runs on it"));
        }
        own.alt_stack = AltStack::from_stack(new)?;
    }
    drop(signals);
    cx.copy_out_optional(old_stack, &old.to_stack(stack_pointer).to_bytes())
}

/// rt_sigreturn(2): handlers return to the shim, which needs no call.
pub(crate) fn rt_sigreturn(cx: Cx<'_>, frame: UserAddr) -> Result<()> {
    cx.task.return_from_signal(frame.0);
    Ok(())
}
