//! Signals that wait to be taken: of a thread, or of a process for whichever thread is first.

use std::collections::VecDeque;

use abi::flags::SI_TIMER;
use abi::limits::SIGPENDING_MAX;

use super::{KILL, RT_MIN, SignalInfo, SignalSet};

/// `DELAYTIMER_MAX`: more expirations than this are not counted.
const MAX_OVERRUN: u32 = i32::MAX.unsigned_abs();

/// Whether a signal is that of timer `id`: it has the id in the place of a sender.
fn is_of_timer(info: &SignalInfo, id: i32) -> bool {
    info.code == SI_TIMER && info.pid == id
}

/// A queue of signals, and which numbers are in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    queue: VecDeque<SignalInfo>,
    set: SignalSet,
}

impl Pending {
    /// The numbers that wait.
    pub(super) const fn set(&self) -> SignalSet {
        self.set
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is room for one more `number`, or it is one that merges.
    pub(super) fn has_room(&self, number: u8) -> bool {
        number < RT_MIN || !self.set.contains(number) || self.queue.len() < SIGPENDING_MAX
    }

    /// Adds a signal; `false` if nothing has changed.
    ///
    /// A standard signal that waits already is not queued twice, unless it is a timer's: each has
    /// one of its own (timer_create(2)). A real-time one is, as long as there is room (signal(7),
    /// "Queueing").
    pub(super) fn push(&mut self, info: SignalInfo) -> bool {
        let merges = info.number < RT_MIN && info.code != SI_TIMER;
        let is_merged = merges && self.set.contains(info.number);
        if is_merged || !self.has_room(info.number) {
            return false;
        }
        self.queue.push_back(info);
        self.set = self.set.with(SignalSet::of(info.number));
        true
    }

    /// The one of `set` that is to be taken next: `SIGKILL`, then the lowest number.
    pub(super) fn first(&self, set: SignalSet) -> Option<SignalInfo> {
        self.queue.get(self.index(set)?).copied()
    }

    /// Takes that one.
    pub(super) fn take(&mut self, set: SignalSet) -> Option<SignalInfo> {
        let info = self.queue.remove(self.index(set)?)?;
        if !self.queue.iter().any(|other| other.number == info.number) {
            self.set = self.set.without(SignalSet::of(info.number));
        }
        Some(info)
    }

    /// Forgets all of `set`.
    pub(super) fn drop_all(&mut self, set: SignalSet) {
        self.queue.retain(|info| !set.contains(info.number));
        self.set = self.set.without(set);
    }

    /// Adds `count` expirations to the signal of timer `id`; false when it is not here.
    pub(super) fn add_overrun(&mut self, id: i32, count: u32) -> bool {
        let Some(info) = self.queue.iter_mut().find(|info| is_of_timer(info, id)) else {
            return false;
        };
        info.uid = info.uid.saturating_add(count).min(MAX_OVERRUN);
        true
    }

    /// Forgets the signal of timer `id`.
    pub(super) fn drop_timer(&mut self, id: i32) {
        let Some(index) = self.queue.iter().position(|info| is_of_timer(info, id)) else {
            return;
        };
        if let Some(gone) = self.queue.remove(index)
            && !self.queue.iter().any(|other| other.number == gone.number)
        {
            self.set = self.set.without(SignalSet::of(gone.number));
        }
    }

    fn index(&self, set: SignalSet) -> Option<usize> {
        let ready = SignalSet(self.set.0 & set.0);
        let number = if ready.contains(KILL) {
            Some(KILL)
        } else {
            ready.iter().next()
        }?;
        self.queue.iter().position(|info| info.number == number)
    }
}
