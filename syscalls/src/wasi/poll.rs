//! `poll_oneoff`: waiting for clocks and descriptors.

use std::sync::Arc;

use abi::types::UserAddr;
use abi::wasi::flags::{
    CLOCK_MONOTONIC, CLOCK_REALTIME, EVENT_CLOCK, EVENT_FD_READ, EVENT_FD_WRITE, EVENT_HANGUP,
    SUBCLOCK_ABSTIME,
};
use abi::wasi::layout::{Event, Subscription, Subscription0};
use abi::wasi::{Version, WasiFd};
use abi::{Errno, Result};
use fs::vfs::file::Events;
use fs::vfs::inode::FileType;
use kernel::call::Outcome;
use kernel::open_file::OpenFile;
use kernel::poll::PollItem;

use super::Wx;
use crate::poll::wait;

/// Bytes of the kernel's memory that a subscription takes during a call, about.
const SUBSCRIPTION_BYTES: u64 = 256;

/// What is waited for.
struct Wanted {
    subscription: Subscription,
    /// When a clock is due, on the monotonic one.
    deadline_ns: Option<u64>,
}

/// Waits until one of `count` subscriptions has happened, and writes an event for each that has.
///
/// # Errors
/// `EINVAL` without subscriptions, or for a clock or type that does not exist; `EBADF`.
pub(super) fn poll_oneoff(
    wx: Wx<'_>,
    subscriptions: UserAddr,
    events: UserAddr,
    count: u32,
    ready: UserAddr,
) -> Outcome<()> {
    let (wanted, items) = match read_all(wx, subscriptions, count) {
        Ok(read) => read,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let earliest_ns = wanted.iter().filter_map(|wanted| wanted.deadline_ns).min();
    let memory = Arc::clone(wx.memory());
    let platform = Arc::clone(&wx.kernel.platform);
    wait(wx.cx, items, earliest_ns).then(move |answer| {
        let items = answer?;
        let is_any_ready = items.iter().any(|item| !item.ready.is_empty());
        let mut now_ns = platform.monotonic_ns();
        if !is_any_ready {
            // It ended at the first deadline, which may be that of an earlier try of this call.
            now_ns = now_ns.max(earliest_ns.unwrap_or(0));
        }
        let mut nr_events = 0_u32;
        let mut address = events;
        for (wanted, item) in wanted.iter().zip(&items) {
            if let Some(event) = event_of(wanted, item, now_ns) {
                memory.copy_out(address.0, &event.to_bytes())?;
                address = address.offset(32)?;
                nr_events = nr_events.saturating_add(1);
            }
        }
        memory.copy_out(ready.0, &nr_events.to_le_bytes())?;
        Ok(())
    })
}

fn read_all(wx: Wx<'_>, address: UserAddr, count: u32) -> Result<(Vec<Wanted>, Vec<PollItem>)> {
    if count == 0 {
        return Err(Errno::EINVAL.because("nothing to wait for"));
    }
    let bytes = u64::from(count).saturating_mul(SUBSCRIPTION_BYTES);
    wx.kernel.budget().admit(bytes)?;
    let mut all = (Vec::new(), Vec::new());
    let mut at = address;
    for _ in 0..count {
        let subscription = match wx.version {
            Version::Preview0 => Subscription0::from_bytes(&wx.read(at)?).into(),
            Version::Preview1 => Subscription::from_bytes(&wx.read(at)?),
        };
        at = at.offset(match wx.version {
            Version::Preview0 => 56,
            Version::Preview1 => 48,
        })?;
        let mut wanted = Wanted {
            subscription,
            deadline_ns: None,
        };
        let mut item = PollItem::default();
        match subscription.tag {
            EVENT_CLOCK => wanted.deadline_ns = Some(deadline(wx, &subscription)?),
            EVENT_FD_READ | EVENT_FD_WRITE => {
                let file = wx.no_directory(WasiFd(subscription.id))?.file;
                let reads = subscription.tag == EVENT_FD_READ;
                // A standard stream goes one way, however it was opened.
                if reads && !file.is_readable() || !reads && !file.is_writable() {
                    return Err(Errno::EBADF.because("not open for that"));
                }
                item.interest = if reads { Events::IN } else { Events::OUT };
                item.file = Some(file);
            }
            _ => return Err(Errno::EINVAL.because("no such type of event")),
        }
        all.0.push(wanted);
        all.1.push(item);
    }
    Ok(all)
}

/// When the clock of a subscription is due, on the monotonic one.
fn deadline(wx: Wx<'_>, subscription: &Subscription) -> Result<u64> {
    let platform = &wx.kernel.platform;
    let now_ns = match subscription.id {
        CLOCK_REALTIME => platform.realtime_ns(),
        CLOCK_MONOTONIC => platform.monotonic_ns(),
        _ => return Err(Errno::EINVAL.because("a clock that nobody can wait for")),
    };
    let span_ns = if subscription.flags & SUBCLOCK_ABSTIME == 0 {
        subscription.timeout
    } else {
        subscription.timeout.saturating_sub(now_ns)
    };
    Ok(platform.monotonic_ns().saturating_add(span_ns))
}

/// The event, if it has happened.
fn event_of(wanted: &Wanted, item: &PollItem, now_ns: u64) -> Option<Event> {
    let of = |nr_bytes, flags| Event {
        userdata: wanted.subscription.userdata,
        error: 0,
        tag: wanted.subscription.tag,
        nr_bytes,
        flags,
    };
    let Some(file) = &item.file else {
        return wanted
            .deadline_ns
            .filter(|&deadline_ns| deadline_ns <= now_ns)
            .map(|_| of(0, 0));
    };
    if item.ready.is_empty() {
        return None;
    }
    let is_over = item.ready.intersects(Events::HUP)
        || wanted.subscription.tag == EVENT_FD_READ && is_at_end(file);
    Some(of(1, if is_over { EVENT_HANGUP } else { 0 }))
}

/// Whether a file has nothing behind its offset.
fn is_at_end(file: &OpenFile) -> bool {
    file.file_type() == FileType::Regular
        && file
            .metadata()
            .is_ok_and(|metadata| metadata.size <= file.position())
}
