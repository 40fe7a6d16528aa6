//! `inotify(7)`: the file from which events are read.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write;
use std::sync::{Arc, Weak};

use abi::flags::{FIONREAD, IN_ALL_EVENTS, IN_MASK_ADD, IN_MASK_CREATE, IN_Q_OVERFLOW};
use abi::layout::InotifyEvent;
use abi::limits::INOTIFY_MAX_QUEUED;
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;

use super::{FileId, Notify};
use crate::budget::Budget;
use crate::io::{Sink, Stall, Try};
use crate::vfs::file::{Events, FileOps, GuestMemory};
use crate::vfs::path::Location;

/// What `/proc/PID/fd` shows.
pub const NAME: &str = "anon_inode:inotify";

/// Bytes of the kernel's memory that a queued event takes besides its name, about.
const EVENT_BYTES: u64 = 64;

/// All bits of which `inotify_add_watch` wants one at least.
const SOME_OF: u32 = IN_ALL_EVENTS | 0xf700_e000;

/// An event in the queue.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The watch descriptor.
    pub(super) watch: i32,
    /// `IN_*`.
    pub(super) mask: u32,
    /// Of a rename.
    pub(super) cookie: u32,
    /// Empty when the event is about the watched file itself.
    pub(super) name: Box<[u8]>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        write!(f, "{}: {:#x} {name}", self.watch, self.mask)
    }
}

impl Told {
    /// Bytes of the event as it is read.
    fn len(&self) -> usize {
        InotifyEvent::SIZE.saturating_add(InotifyEvent::name_space(self.name.len()))
    }

    fn put(&self, sink: &mut dyn Sink) -> Result<()> {
        let space = InotifyEvent::name_space(self.name.len());
        let event = InotifyEvent {
            watch: self.watch,
            mask: self.mask,
            cookie: self.cookie,
            len: u32::try_from(space).unwrap_or(0),
        };
        let mut bytes = event.to_bytes().to_vec();
        bytes.extend_from_slice(&self.name);
        bytes.resize(self.len(), 0);
        sink.put(&bytes)
    }
}

/// An instance.
#[derive(Debug)]
pub struct Inotify {
    /// Itself, for its watches.
    own: Weak<Self>,
    notify: Arc<Notify>,
    budget: Arc<Budget>,
    state: Lock<State>,
    queue: WaitQueue,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Told>,
    /// Files by watch descriptor.
    watches: SortedMap<i32, FileId>,
    last_number: i32,
}

impl Inotify {
    /// An instance that watches nothing. Events are kept in the memory of `budget`.
    ///
    /// # Errors
    /// `EMFILE` when there are too many.
    pub fn new(notify: &Arc<Notify>, budget: &Arc<Budget>) -> Result<Arc<Self>> {
        notify.count_instance()?;
        Ok(Arc::new_cyclic(|own| Self {
            own: Weak::clone(own),
            notify: Arc::clone(notify),
            budget: Arc::clone(budget),
            state: Lock::default(),
            queue: WaitQueue::new(),
        }))
    }

    /// `inotify_add_watch(2)`: watches a file that was found and may be read; the watch descriptor.
    ///
    /// # Errors
    /// `EINVAL` for a mask without an event, `EEXIST` with `IN_MASK_CREATE`, `ENOSPC`, `EIO`.
    pub fn add_watch(&self, location: &Location, mask: u32) -> Result<i32> {
        let own = self.own.upgrade().ok_or(Errno::EINVAL)?;
        self.notify.watch(&own, &*location.inode, mask)
    }

    /// Checks the mask of `inotify_add_watch(2)`.
    ///
    /// # Errors
    /// `EINVAL` when it asks for nothing, or to add and to make at once.
    pub fn check_mask(mask: u32) -> Result<()> {
        let both = IN_MASK_ADD | IN_MASK_CREATE;
        if mask & SOME_OF == 0 || mask & both == both {
            return Err(Errno::EINVAL.because("not a mask of inotify"));
        }
        Ok(())
    }

    /// `inotify_rm_watch(2)`.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no watch.
    pub fn remove_watch(&self, number: i32) -> Result<()> {
        let id = self.state.lock().watches.remove(&number);
        self.notify.unwatch(self, id.ok_or(Errno::EINVAL)?, number);
        self.push(Told::ignored(number));
        self.wake();
        Ok(())
    }

    /// Makes a watch descriptor, as Linux without using one again soon.
    pub(super) fn remember(&self, id: FileId) -> i32 {
        let mut state = self.state.lock();
        loop {
            state.last_number = state.last_number.wrapping_add(1).max(1);
            let number = state.last_number;
            if !state.watches.contains_key(&number) {
                state.watches.insert(number, id);
                return number;
            }
        }
    }

    pub(super) fn forget(&self, number: i32) {
        self.state.lock().watches.remove(&number);
    }

    /// Queues an event, unless it is the same as the last one, or there is no room: then that is
    /// the last event.
    pub(super) fn push(&self, told: Told) {
        let bytes = EVENT_BYTES.saturating_add(u64::try_from(told.name.len()).unwrap_or(0));
        let has_memory = self.budget.admit(bytes).is_ok();
        let mut state = self.state.lock();
        if state.events.back() == Some(&told) {
            return;
        }
        if state.events.len() < INOTIFY_MAX_QUEUED && has_memory {
            state.events.push_back(told);
            return;
        }
        let overflow = Told {
            watch: -1,
            mask: IN_Q_OVERFLOW,
            cookie: 0,
            name: Box::default(),
        };
        if state.events.back() != Some(&overflow) {
            state.events.push_back(overflow);
        }
    }

    pub(super) fn wake(&self) {
        self.queue.wake_for(Events::IN.wakes());
    }
}

impl FileOps for Inotify {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        self.notify.reap();
        let mut moved = 0_usize;
        loop {
            let told = {
                let mut state = self.state.lock();
                let Some(first) = state.events.front() else {
                    break;
                };
                if first.len() > sink.remaining() {
                    if moved == 0 {
                        return Err(Errno::EINVAL.because("no room for the next event").into());
                    }
                    break;
                }
                state.events.pop_front()
            };
            let Some(told) = told else { break };
            match told.put(sink) {
                Ok(()) => moved = moved.saturating_add(told.len()),
                Err(_) if moved > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        if moved == 0 {
            return Err(Stall::WouldBlock);
        }
        Ok(moved)
    }

    fn events(&self) -> Events {
        self.notify.reap();
        if self.state.lock().events.is_empty() {
            Events::empty()
        } else {
            Events::IN
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY.into());
        }
        let len: usize = self.state.lock().events.iter().map(Told::len).sum();
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        memory.copy_out(argument, &len.to_le_bytes())?;
        Ok(0)
    }

    fn details(&self) -> String {
        let watches = self.state.lock().watches.clone();
        let mut lines = String::new();
        for (number, (device, inode)) in watches {
            let mask = self.notify.mask_of(self, (device, inode));
            // Writing to a string does not fail.
            let _ = writeln!(
                lines,
                "inotify wd:{number:x} ino:{inode:x} sdev:{device:x} mask:{mask:x} ignored_mask:0"
            );
        }
        lines
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let watches = std::mem::take(&mut self.state.get_mut().watches);
        for (number, id) in watches {
            self.notify.unwatch(self, id, number);
        }
        self.notify.uncount_instance();
    }
}
