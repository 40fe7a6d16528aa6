//! What each thread of a process has of its signals: its mask, its stack, and what was sent to it alone.

use super::pending::Pending;
use super::{AltStack, SignalSet};

/// The signals of one thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadSignals {
    pub(super) mask: SignalSet,
    pub(super) pending: Pending,
    /// The alternate stack.
    pub alt_stack: AltStack,
    /// The mask that `sigsuspend`, `ppoll` and `pselect` put aside until a handler has run.
    pub saved_mask: Option<SignalSet>,
    /// What `sigtimedwait(2)` waits for: it wakes the thread though it is blocked.
    pub waited_for: SignalSet,
}

impl ThreadSignals {
    /// Blocked signals.
    pub const fn mask(&self) -> SignalSet {
        self.mask
    }

    /// Replaces the mask; `SIGKILL` and `SIGSTOP` stay deliverable.
    pub const fn set_mask(&mut self, mask: SignalSet) {
        self.mask = mask.without(SignalSet::UNBLOCKABLE);
    }

    /// What it takes no notice of.
    pub(super) const fn deaf_to(&self) -> SignalSet {
        self.mask.without(self.waited_for)
    }

    /// What a thread or a process that this one makes starts with: nothing pending.
    pub(super) fn inherited(&self) -> Self {
        Self {
            mask: self.mask,
            ..Self::default()
        }
    }
}
