//! poll and select, with and without a signal mask.

use std::sync::Arc;

use abi::flags::{POLLIN, POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM};
use abi::layout::{PollFd, SigsetArg, Timespec64, Timeval32};
use abi::limits::SIGSET_SIZE;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::file::Events;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::event::signalfd::as_seen_by;
use kernel::platform::UserMemory;
use kernel::poll::{PollItem, poll_files};
use kernel::process::Resource;
use kernel::signal::SignalSet;

use crate::context::Cx;
use crate::signal::borrow_mask;
use crate::time::deadline_after;

/// Bytes of the kernel's memory that one descriptor takes during a call, about.
const ENTRY_BYTES: u64 = 128;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: u64 = 1_000_000;

/// What `select(2)` counts as readable, writable and exceptional.
const READABLE: Events = Events(POLLIN | POLLRDNORM | POLLRDBAND);
const WRITABLE: Events = Events(POLLOUT | POLLWRNORM | POLLWRBAND);
const EXCEPTIONAL: Events = Events(POLLPRI);

/// The descriptor's file, asked for `interest`; without a file for one that is not open.
fn item(cx: Cx<'_>, fd: i32, interest: Events) -> PollItem {
    if fd < 0 {
        return PollItem::default();
    }
    match cx.file(Fd(fd)) {
        Ok(file) => PollItem {
            file: Some(as_seen_by(file, cx.task)),
            interest,
            ready: Events::empty(),
        },
        Err(_) => PollItem {
            ready: Events::NVAL,
            ..PollItem::default()
        },
    }
}

/// Waits; a call that is made again after a signal ends when it would have ended at first.
pub(crate) fn wait(
    cx: Cx<'_>,
    items: Vec<PollItem>,
    deadline_ns: Option<u64>,
) -> Outcome<Vec<PollItem>> {
    let kept_ns = cx.task.take_kept_deadline();
    let deadline_ns = deadline_ns.map(|deadline_ns| kept_ns.unwrap_or(deadline_ns));
    let task = Arc::clone(cx.task);
    poll_files(cx.task, items, deadline_ns, Restart::NoHandler).then(move |answer| {
        if let (Err(Fault::Interrupted(_)), Some(deadline_ns)) = (&answer, deadline_ns) {
            task.keep_deadline(deadline_ns);
        }
        answer
    })
}

/// poll(2): a negative timeout waits for ever.
pub(crate) fn poll(cx: Cx<'_>, fds: UserAddr, nr_fds: u32, timeout_ms: i32) -> Outcome<u32> {
    poll_until(cx, fds, nr_fds, after_ms(cx, timeout_ms))
}

/// The monotonic moment when `timeout_ms` have passed; `None` for a negative timeout.
pub(crate) fn after_ms(cx: Cx<'_>, timeout_ms: i32) -> Option<u64> {
    u64::try_from(timeout_ms).ok().map(|timeout_ms| {
        let now_ns = cx.kernel.platform.monotonic_ns();
        now_ns.saturating_add(timeout_ms.saturating_mul(MILLISECOND_NS))
    })
}

fn poll_until(cx: Cx<'_>, fds: UserAddr, nr_fds: u32, deadline_ns: Option<u64>) -> Outcome<u32> {
    let entries = match read_entries(cx, fds, nr_fds) {
        Ok(entries) => entries,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let items = entries
        .iter()
        .map(|entry| item(cx, entry.fd, Events(entry.events)))
        .collect();
    let memory = Arc::clone(cx.memory());
    wait(cx, items, deadline_ns).then(move |answer| {
        let mut nr_ready = 0_u32;
        let mut address = fds;
        for (mut entry, item) in entries.into_iter().zip(answer?) {
            entry.revents = item.ready.0;
            nr_ready = nr_ready.saturating_add(u32::from(entry.revents != 0));
            memory.copy_out(address.0, &entry.to_bytes())?;
            address = address.offset(8)?;
        }
        Ok(nr_ready)
    })
}

fn read_entries(cx: Cx<'_>, fds: UserAddr, nr_fds: u32) -> Result<Vec<PollFd>> {
    if u64::from(nr_fds) > cx.process().limits.lock().soft(Resource::OpenFiles) {
        return Err(Errno::EINVAL.because("more entries than open files are allowed"));
    }
    let bytes = u64::from(nr_fds).saturating_mul(ENTRY_BYTES);
    cx.kernel.budget().admit(bytes)?;
    let entry = |index: u32| {
        let address = fds.offset(index.saturating_mul(8))?;
        cx.copy_in(address).map(|bytes| PollFd::from_bytes(&bytes))
    };
    (0..nr_fds).map(entry).collect()
}

/// ppoll(2).
pub(crate) fn ppoll_time64(
    cx: Cx<'_>,
    fds: UserAddr,
    nr_fds: u32,
    timeout: UserAddr,
    mask: UserAddr,
    set_size: usize,
) -> Outcome<u32> {
    let mask = || mask_at(cx, mask, set_size);
    let (outcome, deadline_ns) = masked(cx, timeout, mask, |cx, deadline_ns| {
        poll_until(cx, fds, nr_fds, deadline_ns)
    });
    report_rest(cx, outcome, timeout, deadline_ns, Width::Timespec)
}

/// Waits under a mask for as long as the `struct timespec` at `timeout` says, null for ever; also
/// gives the time, on the monotonic clock, at which that ends.
pub(crate) fn masked(
    cx: Cx<'_>,
    timeout: UserAddr,
    mask: impl FnOnce() -> Result<Option<SignalSet>>,
    wait: impl FnOnce(Cx<'_>, Option<u64>) -> Outcome<u32>,
) -> (Outcome<u32>, Option<u64>) {
    match deadline_after(cx, timeout).and_then(|deadline_ns| Ok((deadline_ns, mask()?))) {
        Err(error) => (Outcome::from(Err(error)), None),
        Ok((deadline_ns, mask)) => (with_mask(cx, mask, |cx| wait(cx, deadline_ns)), deadline_ns),
    }
}

pub(crate) fn mask_at(cx: Cx<'_>, mask: UserAddr, set_size: usize) -> Result<Option<SignalSet>> {
    if mask.is_null() {
        return Ok(None);
    }
    if set_size != SIGSET_SIZE {
        return Err(Errno::EINVAL.because("not the size of a set"));
    }
    Ok(Some(SignalSet(u64::from_le_bytes(cx.copy_in(mask)?))))
}

/// Makes a call under another signal mask; a handler that ends it runs before the old is back.
pub(crate) fn with_mask(
    cx: Cx<'_>,
    mask: Option<SignalSet>,
    call: impl FnOnce(Cx<'_>) -> Outcome<u32>,
) -> Outcome<u32> {
    let Some(mask) = mask else { return call(cx) };
    borrow_mask(cx, mask);
    let (process, task) = (cx.process(), Arc::clone(cx.task));
    call(cx).then(move |answer| {
        if !matches!(answer, Err(Fault::Interrupted(_))) {
            let tid = task.tid();
            let old = process.signals.lock().thread(tid).saved_mask.take();
            if let Some(old) = old {
                task.set_signal_mask(old);
            }
        }
        answer
    })
}

/// How a timeout lies in memory.
#[derive(Clone, Copy)]
enum Width {
    Timespec,
    Timeval,
}

/// Writes what is left of a timeout back, as Linux does; a failure to write is no failure.
fn report_rest(
    cx: Cx<'_>,
    outcome: Outcome<u32>,
    timeout: UserAddr,
    deadline_ns: Option<u64>,
    width: Width,
) -> Outcome<u32> {
    let Some(deadline_ns) = deadline_ns else {
        return outcome;
    };
    let memory = Arc::clone(cx.memory());
    let platform = Arc::clone(&cx.kernel.platform);
    outcome.then(move |answer| {
        let rest_ns = deadline_ns.saturating_sub(platform.monotonic_ns());
        let _written = match width {
            Width::Timespec => {
                memory.copy_out(timeout.0, &Timespec64::from_nanoseconds(rest_ns).to_bytes())
            }
            Width::Timeval => {
                memory.copy_out(timeout.0, &Timeval32::from_nanoseconds(rest_ns).to_bytes())
            }
        };
        answer
    })
}

/// The three sets of a `select(2)`.
#[derive(Clone, Debug)]
struct Sets {
    addresses: [UserAddr; 3],
    /// The sets that were asked for, in 32-bit words.
    words: [Vec<u32>; 3],
    /// One for each descriptor that is in a set.
    fds: Vec<i32>,
}

impl Sets {
    fn read(cx: Cx<'_>, nr_fds: i32, addresses: [UserAddr; 3]) -> Result<Self> {
        let nr_fds = usize::try_from(nr_fds).map_err(|_| Errno::EINVAL)?;
        let max = cx.process().limits.lock().soft(Resource::OpenFiles);
        let nr_fds = nr_fds.min(usize::try_from(max).unwrap_or(usize::MAX));
        let bytes = u64::try_from(nr_fds).map_err(|_| Errno::EINVAL)?;
        cx.kernel
            .budget()
            .admit(bytes.saturating_mul(ENTRY_BYTES))?;
        let nr_words = nr_fds.div_ceil(32);
        let mut sets = Self {
            addresses,
            words: [const { Vec::new() }; 3],
            fds: Vec::new(),
        };
        for (address, words) in addresses.into_iter().zip(&mut sets.words) {
            words.resize(nr_words, 0);
            if !address.is_null() {
                let mut bytes = vec![0; nr_words.saturating_mul(4)];
                cx.memory().copy_in(address.0, &mut bytes)?;
                for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
                    *word = bytes.try_into().map_or(0, u32::from_le_bytes);
                }
            }
        }
        let is_set = |fd: &i32| (0..3).any(|which| sets.has(which, *fd));
        let end = i32::try_from(nr_fds).unwrap_or(i32::MAX);
        sets.fds = (0..end).filter(is_set).collect();
        Ok(sets)
    }

    /// Word and bit of a descriptor.
    fn place(fd: i32) -> (usize, u32) {
        (
            usize::try_from(fd >> 5).unwrap_or(usize::MAX),
            1 << (fd & 31),
        )
    }

    fn has(&self, which: usize, fd: i32) -> bool {
        let (word, bit) = Self::place(fd);
        self.words
            .get(which)
            .and_then(|words| words.get(word))
            .is_some_and(|word| word & bit != 0)
    }

    fn interest(&self, fd: i32) -> Events {
        [READABLE, WRITABLE, EXCEPTIONAL]
            .into_iter()
            .enumerate()
            .filter(|&(which, _)| self.has(which, fd))
            .fold(Events::empty(), |sum, (_, events)| sum | events)
    }

    /// Leaves what is ready in the sets; returns how many bits that are.
    fn answer(&mut self, memory: &dyn UserMemory, items: &[PollItem]) -> Answer<u32> {
        let conditions = [
            READABLE | Events::HUP | Events::ERR,
            WRITABLE | Events::ERR,
            EXCEPTIONAL,
        ];
        let mut nr_ready = 0_u32;
        let asked = self.clone();
        for (which, (words, condition)) in self.words.iter_mut().zip(conditions).enumerate() {
            words.fill(0);
            for (&fd, item) in asked.fds.iter().zip(items) {
                let (word, bit) = Self::place(fd);
                if asked.has(which, fd)
                    && item.ready.intersects(condition)
                    && let Some(word) = words.get_mut(word)
                {
                    *word |= bit;
                    nr_ready = nr_ready.saturating_add(1);
                }
            }
        }
        for (address, words) in self.addresses.into_iter().zip(&self.words) {
            if !address.is_null() {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                memory.copy_out(address.0, &bytes)?;
            }
        }
        Ok(nr_ready)
    }
}

fn select_until(
    cx: Cx<'_>,
    nr_fds: i32,
    addresses: [UserAddr; 3],
    deadline_ns: Option<u64>,
) -> Outcome<u32> {
    let prepared = Sets::read(cx, nr_fds, addresses).and_then(|sets| {
        let items: Vec<_> = sets
            .fds
            .iter()
            .map(|&fd| item(cx, fd, sets.interest(fd)))
            .collect();
        if items.iter().any(|item| item.file.is_none()) {
            return Err(Errno::EBADF.into());
        }
        Ok((sets, items))
    });
    let (mut sets, items) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let memory = Arc::clone(cx.memory());
    wait(cx, items, deadline_ns).then(move |answer| sets.answer(&*memory, &answer?))
}

/// select(2): the timeout is a `struct timeval`.
pub(crate) fn select(
    cx: Cx<'_>,
    nr_fds: i32,
    read_fds: UserAddr,
    write_fds: UserAddr,
    except_fds: UserAddr,
    timeout: UserAddr,
) -> Outcome<u32> {
    let deadline_ns = if timeout.is_null() {
        None
    } else {
        let span = cx
            .copy_in(timeout)
            .and_then(|bytes| Timeval32::from_bytes(&bytes).nanoseconds());
        match span {
            Ok(span_ns) => Some(cx.kernel.platform.monotonic_ns().saturating_add(span_ns)),
            Err(error) => return Outcome::Ready(Err(error.into())),
        }
    };
    let outcome = select_until(cx, nr_fds, [read_fds, write_fds, except_fds], deadline_ns);
    report_rest(cx, outcome, timeout, deadline_ns, Width::Timeval)
}

/// pselect(2): the sixth argument leads to a mask and its size.
pub(crate) fn pselect6_time64(
    cx: Cx<'_>,
    nr_fds: i32,
    read_fds: UserAddr,
    write_fds: UserAddr,
    except_fds: UserAddr,
    timeout: UserAddr,
    mask: UserAddr,
) -> Outcome<u32> {
    let mask = || {
        let mask = if mask.is_null() {
            SigsetArg::default()
        } else {
            SigsetArg::from_bytes(&cx.copy_in(mask)?)
        };
        let size = usize::try_from(mask.size).unwrap_or(usize::MAX);
        mask_at(cx, UserAddr(mask.address), size)
    };
    let sets = [read_fds, write_fds, except_fds];
    let (outcome, deadline_ns) = masked(cx, timeout, mask, |cx, deadline_ns| {
        select_until(cx, nr_fds, sets, deadline_ns)
    });
    report_rest(cx, outcome, timeout, deadline_ns, Width::Timespec)
}
