//! `epoll(7)`: which of many files are ready, at a cost that depends on those that are.
//!
//! ```text
//!   file's wait queue ──wake──> Item ──> ready list ──> epoll_wait looks at the files in it
//!                                 └────> queue: who waits in epoll_wait, polls it, or watches it
//! ```
//! An [`Item`] is the waker that stands in the wait queue of a watched file for as long as it is
//! watched; being woken puts it on the ready list. [`Epoll::wait`] takes items off the list, asks
//! their files, and puts those that are watched by level back at the end: they leave the list when
//! they are found not ready. So the list holds what may be ready, and files that are not are never
//! asked.
//!
//! # Locks
//! `scan` (an outer epoll's before that of one that it watches), then a file's. `items` and `ready`
//! are leaves, and nothing is dropped or woken under them: the last reference to a file may be ours.
//!
//! # References
//! epoll(7), epoll_ctl(2), epoll_wait(2); Linux v6.12 fs/eventpoll.c. Deviates: `EPOLLEXCLUSIVE`
//! wakes all, which its description ("one or more") allows.

mod nesting;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use abi::flags::{
    EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLWAKEUP,
};
use abi::layout::EpollEvent;
use abi::limits::EPOLL_MAX_USER_WATCHES;
use abi::types::Fd;
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::{Interest, Registration, Turn, WaitQueue};
use fs::io::{Stall, Try};
use fs::vfs::file::{Events, FileOps};

use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::open_file::OpenFile;
use crate::poll::{Attempt, wait_on};

/// What `/proc/PID/fd` shows.
pub const NAME: &str = "anon_inode:[eventpoll]";

/// The bits of an event that say how to watch, not for what.
const HOW: u32 = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
/// What `EPOLLEXCLUSIVE` may be combined with.
const WITH_EXCLUSIVE: u32 =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// A watched file: the descriptor's number when it was added, and the description's.
type Key = (Fd, u64);

/// The object behind an epoll descriptor.
#[derive(Debug, Default)]
pub struct Epoll {
    core: Arc<Core>,
}

/// What items and waiting calls refer to.
#[derive(Debug, Default)]
struct Core {
    /// Held while the ready list is gone through, so that each call sees each item once.
    scan: Lock<()>,
    items: Lock<SortedMap<Key, Entry>>,
    ready: Lock<VecDeque<Arc<Item>>>,
    queue: WaitQueue,
    /// The epolls that watch this one.
    parents: Lock<Vec<Weak<Self>>>,
}

#[derive(Debug)]
struct Entry {
    item: Arc<Item>,
    /// In the file's wait queue; `None` for a file that is always ready.
    registration: Option<Registration>,
}

/// One file that is watched.
#[derive(Debug)]
struct Item {
    key: Key,
    core: Weak<Core>,
    file: Weak<OpenFile>,
    /// `EPOLL*`; without a bit of `poll(2)` it is off: after a one-shot, or because it was removed.
    events: AtomicU32,
    data: AtomicU64,
    /// Whether it is on the ready list; changes under its lock.
    is_queued: AtomicBool,
}

impl Wake for Item {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_off() {
            return;
        }
        if let Some(core) = self.core.upgrade() {
            core.push(self);
            core.queue.wake_for(Events::IN.wakes());
        }
    }
}

impl Item {
    fn is_off(&self) -> bool {
        self.events.load(Ordering::Relaxed) & !HOW == 0
    }

    /// What holds of what it watches for.
    fn check(&self, file: &OpenFile) -> u32 {
        let wanted = self.events.load(Ordering::Relaxed);
        if wanted & !HOW == 0 {
            return 0;
        }
        u32::from(file.events().with_norms().0) & (wanted | EPOLLERR | EPOLLHUP)
    }
}

/// The bits of a wait queue that an event waits for.
const fn interest(events: u32) -> Interest {
    Interest(events & !HOW | EPOLLERR | EPOLLHUP)
}

impl Core {
    /// Puts `item` at the end of the ready list unless it is there.
    fn push(&self, item: &Arc<Item>) {
        let mut ready = self.ready.lock();
        if !item.is_queued.swap(true, Ordering::Relaxed) {
            ready.push_back(Arc::clone(item));
        }
    }

    /// Puts `item` back where it was taken from.
    fn put_back(&self, item: Arc<Item>) {
        let mut ready = self.ready.lock();
        if !item.is_queued.swap(true, Ordering::Relaxed) {
            ready.push_front(item);
        }
    }

    /// Takes the first item off the ready list. What happens to its file from now on puts it back.
    fn pop(&self) -> Option<Arc<Item>> {
        let mut ready = self.ready.lock();
        let item = ready.pop_front()?;
        item.is_queued.store(false, Ordering::Relaxed);
        Some(item)
    }

    /// Hands at most `max` events to `deliver`, with their places in the answer; how many.
    fn collect(
        &self,
        max: u32,
        deliver: &mut (dyn FnMut(u32, EpollEvent) -> Result<()> + Send),
    ) -> Result<u32> {
        let scan = self.scan.lock();
        let mut count = 0_u32;
        let mut result = Ok(());
        let nr_candidates = self.ready.lock().len();
        for _ in 0..nr_candidates {
            if count == max {
                break;
            }
            let Some(item) = self.pop() else { break };
            let Some(file) = item.file.upgrade() else {
                continue;
            };
            let events = item.check(&file);
            if events == 0 {
                continue;
            }
            let data = item.data.load(Ordering::Relaxed);
            result = deliver(count, EpollEvent { events, data });
            if result.is_err() {
                self.put_back(item);
                break;
            }
            count = count.saturating_add(1);
            let how = item.events.load(Ordering::Relaxed);
            if how & EPOLLONESHOT != 0 {
                // Unless somebody has just said anew what to watch for.
                let off = how & HOW;
                let _ =
                    item.events
                        .compare_exchange(how, off, Ordering::Relaxed, Ordering::Relaxed);
            } else if how & EPOLLET == 0 {
                self.push(&item);
            }
        }
        let has_more = !self.ready.lock().is_empty();
        drop(scan);
        if has_more && count > 0 {
            // Who waits besides us takes its turn: what is watched by level is still ready.
            self.queue.wake_for(Events::IN.wakes());
        }
        result.map_or_else(
            |error| if count > 0 { Ok(count) } else { Err(error) },
            |()| Ok(count),
        )
    }

    /// Whether an item on the ready list is ready; takes those off that are not.
    fn has_ready(&self) -> bool {
        let _scan = self.scan.lock();
        while let Some(item) = self.pop() {
            let Some(file) = item.file.upgrade() else {
                continue;
            };
            if item.check(&file) != 0 {
                self.put_back(item);
                return true;
            }
        }
        false
    }

    /// Takes a file off the interest list; whether it was there.
    fn remove(&self, key: Key) -> bool {
        let entry = self.items.lock().remove(&key);
        let Some(entry) = entry else { return false };
        entry.item.events.store(0, Ordering::Relaxed);
        // Off the ready list too: a program may add and remove without ever waiting.
        let gone = {
            let mut ready = self.ready.lock();
            let place = ready.iter().position(|item| Arc::ptr_eq(item, &entry.item));
            place.and_then(|place| ready.remove(place))
        };
        drop((entry, gone));
        true
    }
}

impl Epoll {
    /// Watches nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The epoll behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&Self> {
        file.ops()?.as_any()?.downcast_ref()
    }

    /// `EPOLL_CTL_ADD`: watches the description `file`, which is behind `fd`.
    ///
    /// # Errors
    /// `EEXIST`, `ELOOP` when epolls would watch in a
    /// circle or too deep, `ENOSPC`, `EINVAL` for a bad use of `EPOLLEXCLUSIVE`.
    pub fn add(&self, fd: Fd, file: &Arc<OpenFile>, event: EpollEvent) -> Result<()> {
        let inner = Self::of(file);
        if event.events & EPOLLEXCLUSIVE != 0
            && (inner.is_some() || event.events & !WITH_EXCLUSIVE != 0)
        {
            return Err(Errno::EINVAL.because("EPOLLEXCLUSIVE does not go with this"));
        }
        match inner {
            Some(inner) => nesting::admit(&self.core, &inner.core, || self.insert(fd, file, event)),
            None => self.insert(fd, file, event),
        }
    }

    fn insert(&self, fd: Fd, file: &Arc<OpenFile>, event: EpollEvent) -> Result<()> {
        let key = (fd, file.id());
        let item = Arc::new(Item {
            key,
            core: Arc::downgrade(&self.core),
            file: Arc::downgrade(file),
            events: AtomicU32::new(event.events | EPOLLERR | EPOLLHUP),
            data: AtomicU64::new(event.data),
            is_queued: AtomicBool::new(false),
        });
        {
            let mut items = self.core.items.lock();
            if items.contains_key(&key) {
                return Err(Errno::EEXIST.into());
            }
            if items.len() >= EPOLL_MAX_USER_WATCHES {
                return Err(Errno::ENOSPC.because("fs.epoll.max_user_watches"));
            }
            let waker = Waker::from(Arc::clone(&item));
            let register = |queue: &WaitQueue| {
                queue.register_for(&waker, interest(event.events), Turn::Shared)
            };
            let entry = Entry {
                item: Arc::clone(&item),
                registration: file.wait_queue().map(register),
            };
            items.insert(key, entry);
        }
        file.watches().add(&self.core, key);
        self.queue_if_ready(&item, file);
        Ok(())
    }

    /// What is so already counts as an event.
    fn queue_if_ready(&self, item: &Arc<Item>, file: &OpenFile) {
        if item.check(file) != 0 {
            self.core.push(item);
            self.core.queue.wake_for(Events::IN.wakes());
        }
    }

    /// `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`, `EINVAL` for `EPOLLEXCLUSIVE`, new or old.
    pub fn modify(&self, fd: Fd, file: &Arc<OpenFile>, event: EpollEvent) -> Result<()> {
        if event.events & EPOLLEXCLUSIVE != 0 {
            return Err(Errno::EINVAL.because("EPOLLEXCLUSIVE is set when a file is added"));
        }
        let item = {
            let mut items = self.core.items.lock();
            let entry = items.get_mut(&(fd, file.id())).ok_or(Errno::ENOENT)?;
            if entry.item.events.load(Ordering::Relaxed) & EPOLLEXCLUSIVE != 0 {
                return Err(Errno::EINVAL.because("watched with EPOLLEXCLUSIVE"));
            }
            let events = event.events | EPOLLERR | EPOLLHUP;
            entry.item.events.store(events, Ordering::Relaxed);
            entry.item.data.store(event.data, Ordering::Relaxed);
            if let Some(registration) = &mut entry.registration {
                registration.set_interest(interest(event.events));
            }
            Arc::clone(&entry.item)
        };
        self.queue_if_ready(&item, file);
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn delete(&self, fd: Fd, file: &Arc<OpenFile>) -> Result<()> {
        let key = (fd, file.id());
        if !self.core.remove(key) {
            return Err(Errno::ENOENT.into());
        }
        file.watches().remove(&self.core, key);
        if let Some(inner) = Self::of(file) {
            nesting::forget(&self.core, &inner.core);
        }
        Ok(())
    }

    /// `epoll_wait(2)`: hands at most `max` events to `deliver`, with their places in the answer.
    ///
    /// - `file`: the description of this epoll, kept during the wait
    /// - `deadline_ns`: on the sleeper's clock; `None` waits for ever
    ///
    /// A passed deadline is an answer too: 0. Interrupted: `EINTR`, also without a handler.
    ///
    /// # Errors
    /// What `deliver` says when it fails at the first event; after others, the answer is their
    /// number, and its event is kept.
    pub fn wait<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        file: Arc<OpenFile>,
        deadline_ns: Option<u64>,
        max: u32,
        deliver: impl FnMut(u32, EpollEvent) -> Result<()> + Send + 'static,
    ) -> Outcome<u32> {
        let waiting = Waiting {
            core: Arc::clone(&self.core),
            _file: file,
            max,
            deliver,
            is_at_once: deadline_ns.is_some_and(|deadline_ns| sleeper.now_ns() >= deadline_ns),
        };
        let queue = &self.core.queue;
        wait_on(sleeper, Some(queue), deadline_ns, Restart::Never, waiting)
    }
}

/// What `epoll_ctl` looks at before all else: whether a file can be waited for.
///
/// # Errors
/// `EBADF` when it was opened with `O_PATH`, `EPERM` when it is always ready.
pub fn check_pollable(file: &OpenFile) -> Result<()> {
    if file.is_path() {
        Err(Errno::EBADF.because("opened with O_PATH"))
    } else if file.is_pollable() {
        Ok(())
    } else {
        Err(Errno::EPERM.because("always ready"))
    }
}

/// A call of `epoll_wait`.
struct Waiting<F> {
    core: Arc<Core>,
    _file: Arc<OpenFile>,
    max: u32,
    deliver: F,
    /// It looks once, whatever signals there are.
    is_at_once: bool,
}

impl<F: FnMut(u32, EpollEvent) -> Result<()> + Send + 'static> Attempt for Waiting<F> {
    type Output = u32;

    fn attempt(&mut self) -> Try<u32> {
        match self.core.collect(self.max, &mut self.deliver)? {
            0 if !self.is_at_once => Err(Stall::WouldBlock),
            count => Ok(count),
        }
    }

    fn turn(&self) -> Turn {
        Turn::Exclusive
    }

    fn settle(&mut self, fault: Fault) -> Answer<u32> {
        match fault {
            Fault::TimedOut => Ok(0),
            fault => Err(fault),
        }
    }
}

impl FileOps for Epoll {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn events(&self) -> Events {
        if self.core.has_ready() {
            Events::IN
        } else {
            Events::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.core.queue)
    }

    fn details(&self) -> String {
        let items: Vec<_> = {
            let items = self.core.items.lock();
            items
                .values()
                .map(|entry| Arc::clone(&entry.item))
                .collect()
        };
        let mut lines = String::new();
        for item in items {
            let Some(file) = item.file.upgrade() else {
                continue;
            };
            let (inode, device) = file
                .metadata()
                .map_or((0, 0), |metadata| (metadata.inode, metadata.device));
            let (Fd(fd), events) = (item.key.0, item.events.load(Ordering::Relaxed));
            let data = item.data.load(Ordering::Relaxed);
            let position = file.position();
            // Writing to a string does not fail.
            let _ = writeln!(
                lines,
                "tfd: {fd:8} events: {events:8x} data: {data:16x}  pos:{position} ino:{inode:x} \
                 sdev:{device:x}"
            );
        }
        lines
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // The registrations hold the items: who watches no more must leave the queues.
        let items = std::mem::take(&mut *self.core.items.lock());
        for (key, entry) in items {
            entry.item.events.store(0, Ordering::Relaxed);
            if let Some(file) = entry.item.file.upgrade() {
                file.watches().remove(&self.core, key);
            }
        }
        let ready = std::mem::take(&mut *self.core.ready.lock());
        drop(ready);
    }
}

/// The epolls that watch a description. Its end takes the description off their lists.
#[derive(Debug, Default)]
pub(crate) struct Watches(Lock<Vec<(Weak<Core>, Key)>>);

impl Watches {
    fn add(&self, core: &Arc<Core>, key: Key) {
        self.0.lock().push((Arc::downgrade(core), key));
    }

    fn remove(&self, core: &Arc<Core>, key: Key) {
        self.0
            .lock()
            .retain(|(other, at)| other.as_ptr() != Arc::as_ptr(core) || *at != key);
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        for (core, key) in self.0.get_mut().drain(..) {
            if let Some(core) = core.upgrade() {
                core.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
