//! Files that tell of events: epoll(7), eventfd(2), signalfd(2). Timers are in `timer`.

use std::sync::Arc;

use abi::flags::{
    EFD_SEMAPHORE, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, O_CLOEXEC, O_NONBLOCK, O_RDWR,
};
use abi::layout::EpollEvent;
use abi::limits::SIGSET_SIZE;
use abi::types::{Fd, OpenFlags, UserAddr};
use abi::{Errno, Result};
use fs::vfs::file::FileOps;
use kernel::call::Outcome;
use kernel::event::epoll::{self, Epoll};
use kernel::event::eventfd::{self, EventFd, Mode};
use kernel::event::signalfd::{self, SignalFd};
use kernel::open_file::OpenFile;
use kernel::signal::SignalSet;

use crate::context::{Cx, not_null};
use crate::fd::{limit, on_exec};
use crate::poll::{after_ms, mask_at, masked, with_mask};

/// Bytes of the kernel's memory that such a file takes, about.
const FILE_BYTES: u64 = 1 << 10;
/// Bytes of the kernel's memory that one watched file takes, about.
const WATCH_BYTES: u64 = 512;
/// Bytes of `struct epoll_event`.
const EVENT_BYTES: u32 = 16;
/// The most events of one call (Linux v6.12 `EP_MAX_EVENTS`).
const MAX_EVENTS: u32 = i32::MAX.unsigned_abs() / EVENT_BYTES;

/// Gives a new file of this kind a descriptor.
///
/// - `mode`: how it is open, `O_RDWR` for most
///
/// # Errors
/// `EINVAL` for a flag besides `O_CLOEXEC` and `O_NONBLOCK`, `EMFILE`, `ENOMEM`.
pub(crate) fn install(
    cx: Cx<'_>,
    ops: Arc<dyn FileOps>,
    name: &'static str,
    mode: u32,
    flags: OpenFlags,
) -> Result<Fd> {
    check_flags(flags)?;
    cx.kernel.budget().admit(FILE_BYTES)?;
    let file = kernel::event::open(ops, name, mode | flags.0);
    let process = cx.process();
    let limit = limit(&process);
    process.files().install(file, on_exec(flags.0), limit)
}

pub(crate) fn check_flags(flags: OpenFlags) -> Result<()> {
    if flags.0 & !(O_CLOEXEC | O_NONBLOCK) == 0 {
        Ok(())
    } else {
        Err(Errno::EINVAL.because("only O_CLOEXEC and O_NONBLOCK"))
    }
}

/// epoll_create(2): the size means nothing any more.
pub(crate) fn epoll_create(cx: Cx<'_>, size: i32) -> Result<Fd> {
    if size <= 0 {
        return Err(Errno::EINVAL.because("a size that is not positive"));
    }
    epoll_create1(cx, OpenFlags(0))
}

/// epoll_create1(2).
pub(crate) fn epoll_create1(cx: Cx<'_>, flags: OpenFlags) -> Result<Fd> {
    if flags.0 & O_NONBLOCK != 0 {
        return Err(Errno::EINVAL.because("an epoll knows O_CLOEXEC only"));
    }
    install(cx, Arc::new(Epoll::new()), epoll::NAME, O_RDWR, flags)
}

/// The epoll behind `file`.
///
/// # Errors
/// `EINVAL` when it is something else.
fn epoll_of(file: &OpenFile) -> Result<&Epoll> {
    Epoll::of(file).ok_or_else(|| Errno::EINVAL.because("not an epoll"))
}

/// epoll_ctl(2).
pub(crate) fn epoll_ctl(
    cx: Cx<'_>,
    epoll: Fd,
    operation: i32,
    fd: Fd,
    event: UserAddr,
) -> Result<()> {
    let event = if operation == EPOLL_CTL_DEL {
        EpollEvent::default()
    } else {
        EpollEvent::from_bytes(&cx.copy_in(event)?)
    };
    let own = cx.file(epoll)?;
    let file = cx.file(fd)?;
    epoll::check_pollable(&file)?;
    let set = epoll_of(&own)?;
    if Arc::ptr_eq(&own, &file) {
        return Err(Errno::EINVAL.because("an epoll does not watch itself"));
    }
    match operation {
        EPOLL_CTL_ADD => {
            cx.kernel.budget().admit(WATCH_BYTES)?;
            set.add(fd, &file, event)
        }
        EPOLL_CTL_DEL => set.delete(fd, &file),
        EPOLL_CTL_MOD => set.modify(fd, &file, event),
        _ => Err(Errno::EINVAL.because("no such operation")),
    }
}

/// epoll_wait(2): a negative timeout waits for ever.
pub(crate) fn epoll_wait(
    cx: Cx<'_>,
    epoll: Fd,
    events: UserAddr,
    max_events: i32,
    timeout_ms: i32,
) -> Outcome<u32> {
    let deadline_ns = after_ms(cx, timeout_ms);
    wait_until(cx, epoll, events, max_events, deadline_ns)
}

/// epoll_pwait(2).
pub(crate) fn epoll_pwait(
    cx: Cx<'_>,
    epoll: Fd,
    events: UserAddr,
    max_events: i32,
    timeout_ms: i32,
    mask: UserAddr,
    set_size: usize,
) -> Outcome<u32> {
    let deadline_ns = after_ms(cx, timeout_ms);
    match mask_at(cx, mask, set_size) {
        Ok(mask) => with_mask(cx, mask, |cx| {
            wait_until(cx, epoll, events, max_events, deadline_ns)
        }),
        Err(error) => Outcome::from(Err(error)),
    }
}

/// epoll_pwait2(2): the timeout is a `struct timespec`, null to wait for ever.
pub(crate) fn epoll_pwait2(
    cx: Cx<'_>,
    epoll: Fd,
    events: UserAddr,
    max_events: i32,
    timeout: UserAddr,
    mask: UserAddr,
    set_size: usize,
) -> Outcome<u32> {
    let mask = || mask_at(cx, mask, set_size);
    let wait = |cx: Cx<'_>, deadline_ns| wait_until(cx, epoll, events, max_events, deadline_ns);
    masked(cx, timeout, mask, wait).0
}

fn wait_until(
    cx: Cx<'_>,
    epoll: Fd,
    events: UserAddr,
    max_events: i32,
    deadline_ns: Option<u64>,
) -> Outcome<u32> {
    let prepared = || {
        let max = u32::try_from(max_events).unwrap_or(0);
        if max == 0 || max > MAX_EVENTS {
            return Err(Errno::EINVAL.because("a number of events that is out of range"));
        }
        events.offset(max.saturating_mul(EVENT_BYTES))?;
        let file = cx.file(epoll)?;
        epoll_of(&file)?;
        Ok((max, file))
    };
    let (max, file) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::from(Err(error)),
    };
    let memory = Arc::clone(cx.memory());
    let deliver = move |index: u32, event: EpollEvent| {
        not_null(events)?;
        let address = events.offset(index.saturating_mul(EVENT_BYTES))?;
        memory.copy_out(address.0, &event.to_bytes())
    };
    match epoll_of(&file) {
        Ok(set) => set.wait(cx.task, Arc::clone(&file), deadline_ns, max, deliver),
        Err(error) => Outcome::from(Err(error)),
    }
}

/// eventfd(2) without flags.
pub(crate) fn eventfd(cx: Cx<'_>, count: u32) -> Result<Fd> {
    eventfd2(cx, count, OpenFlags(0))
}

/// eventfd2(2).
pub(crate) fn eventfd2(cx: Cx<'_>, count: u32, flags: OpenFlags) -> Result<Fd> {
    let mode = if flags.0 & EFD_SEMAPHORE == 0 {
        Mode::Counter
    } else {
        Mode::Semaphore
    };
    let flags = OpenFlags(flags.0 & !EFD_SEMAPHORE);
    let file = Arc::new(EventFd::new(count, mode));
    install(cx, file, eventfd::NAME, O_RDWR, flags)
}

/// signalfd(2) without flags.
pub(crate) fn signalfd(cx: Cx<'_>, fd: Fd, mask: UserAddr, set_size: usize) -> Result<Fd> {
    signalfd4(cx, fd, mask, set_size, OpenFlags(0))
}

/// signalfd4(2): `fd` is -1 for a new descriptor, or one whose signals change.
pub(crate) fn signalfd4(
    cx: Cx<'_>,
    fd: Fd,
    mask: UserAddr,
    set_size: usize,
    flags: OpenFlags,
) -> Result<Fd> {
    if set_size != SIGSET_SIZE {
        return Err(Errno::EINVAL.because("not the size of a set"));
    }
    let signals = SignalSet(u64::from_le_bytes(cx.copy_in(mask)?));
    check_flags(flags)?;
    if fd == Fd(-1) {
        let file = Arc::new(SignalFd::new(cx.task, signals));
        return install(cx, file, signalfd::NAME, O_RDWR, flags);
    }
    let file = cx.file(fd)?;
    let own = SignalFd::of(&file).ok_or_else(|| Errno::EINVAL.because("not a signalfd"))?;
    own.set_signals(signals);
    Ok(fd)
}
