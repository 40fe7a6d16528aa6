//! Signals that wait to be taken: of a thread, or of a process for whichever thread is first.

use std::collections::VecDeque;

use abi::limits::SIGPENDING_MAX;

use super::{KILL, RT_MIN, SignalInfo, SignalSet};

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
    /// A standard signal that waits already is not queued twice; a real-time one is, as long as
    /// there is room (signal(7), "Queueing").
    pub(super) fn push(&mut self, info: SignalInfo) -> bool {
        let is_merged = info.number < RT_MIN && self.set.contains(info.number);
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
