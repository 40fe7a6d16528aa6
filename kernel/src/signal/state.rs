//! One process's actions, mask and pending signals.

use std::collections::VecDeque;

use abi::flags::{SA_RESETHAND, SIG_DFL, SIG_IGN};
use abi::layout::SigInfo;
use abi::limits::SIGPENDING_MAX;
use abi::{Errno, Result};

use super::{CONT, COUNT, Disposition, KILL, RT_MIN, SignalSet, default_disposition};

/// `struct sigaction` as the kernel keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// [`SIG_DFL`], [`SIG_IGN`], or an index into the guest's function table.
    pub handler: u32,
    /// `SA_*`.
    pub flags: u32,
    /// Kept for `sigaction` to give back; not used.
    pub restorer: u32,
    /// Blocked while the handler runs.
    pub mask: SignalSet,
}

/// Where a signal came from: the part of `siginfo_t` that is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalInfo {
    /// 1 to 64.
    pub number: u8,
    /// `si_code`: `SI_USER` 0, `SI_KERNEL` 0x80, `SI_TKILL` -6, `SI_QUEUE` -1, `CLD_*`…
    pub code: i32,
    /// `si_pid`.
    pub pid: i32,
    /// `si_uid`.
    pub uid: u32,
    /// `si_status` of `SIGCHLD`, or `si_value` of a queued one.
    pub value: i32,
}

impl From<SignalInfo> for SigInfo {
    /// As a handler gets it.
    fn from(info: SignalInfo) -> Self {
        Self {
            signal: info.number.into(),
            code: info.code,
            pid: info.pid,
            uid: info.uid,
            value: info.value,
            ..Self::default()
        }
    }
}

/// `stack_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub base: u32,
    /// Bytes; 0: none.
    pub size: u32,
}

impl AltStack {
    /// Whether `stack_pointer` lies on it.
    pub const fn contains(self, stack_pointer: u32) -> bool {
        self.size != 0 && stack_pointer.wrapping_sub(self.base) <= self.size
    }

    /// The address above its highest byte.
    pub const fn top(self) -> u32 {
        self.base.saturating_add(self.size)
    }
}

/// What a taken signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Run a handler.
    Handle(SignalInfo, Action),
    /// End the process.
    Terminate(SignalInfo),
    /// Stop the process.
    Stop(SignalInfo),
}

/// Actions, mask and pending signals of one process.
#[derive(Clone, Debug)]
pub struct SignalState {
    actions: [Action; COUNT],
    mask: SignalSet,
    pending: VecDeque<SignalInfo>,
    pending_set: SignalSet,
    /// The alternate stack.
    pub alt_stack: AltStack,
    /// The mask that `sigsuspend`, `ppoll` and `pselect` put aside until a handler has run.
    pub saved_mask: Option<SignalSet>,
    /// What `sigtimedwait(2)` waits for: it wakes the process though it is blocked.
    pub waited_for: SignalSet,
    /// Counts the signals that end a stop.
    nr_continues: u32,
}

impl Default for SignalState {
    fn default() -> Self {
        Self {
            actions: [Action::default(); COUNT],
            mask: SignalSet::default(),
            pending: VecDeque::new(),
            pending_set: SignalSet::default(),
            alt_stack: AltStack::default(),
            saved_mask: None,
            waited_for: SignalSet::default(),
            nr_continues: 0,
        }
    }
}

impl SignalState {
    /// The action for `number`.
    pub fn action(&self, number: u8) -> Action {
        let index = usize::from(number).wrapping_sub(1);
        self.actions.get(index).copied().unwrap_or_default()
    }

    /// Replaces the action for `number` (sigaction(2)).
    ///
    /// # Errors
    /// `EINVAL` for a number out of range and for `SIGKILL` and `SIGSTOP`.
    pub fn set_action(&mut self, number: u8, mut action: Action) -> Result<()> {
        if SignalSet::UNBLOCKABLE.contains(number) {
            return Err(Errno::EINVAL.because("SIGKILL and SIGSTOP keep their action"));
        }
        action.mask = action.mask.without(SignalSet::UNBLOCKABLE);
        let index = usize::from(number).wrapping_sub(1);
        *self.actions.get_mut(index).ok_or(Errno::EINVAL)? = action;
        if self.is_ignored(number) {
            self.drop_pending(SignalSet::of(number));
        }
        Ok(())
    }

    /// Whether `number` would do nothing if it arrived.
    pub fn is_ignored(&self, number: u8) -> bool {
        match self.action(number).handler {
            SIG_IGN => true,
            SIG_DFL => default_disposition(number) == Disposition::Ignore,
            _ => false,
        }
    }

    /// Blocked signals.
    pub const fn mask(&self) -> SignalSet {
        self.mask
    }

    /// Replaces the mask; `SIGKILL` and `SIGSTOP` stay deliverable.
    pub const fn set_mask(&mut self, mask: SignalSet) {
        self.mask = mask.without(SignalSet::UNBLOCKABLE);
    }

    /// Pending signals, blocked ones too.
    pub const fn pending(&self) -> SignalSet {
        self.pending_set
    }

    /// How many signals came that end a stop: one that comes between the taking of a stop signal
    /// and the stop shows in it.
    pub const fn nr_continues(&self) -> u32 {
        self.nr_continues
    }

    /// Whether a signal waits that is not blocked, or that somebody waits for.
    pub const fn needs_attention(&self) -> bool {
        !self
            .pending_set
            .without(self.mask.without(self.waited_for))
            .is_empty()
    }

    /// Makes a signal pending; returns whether the process must look at it.
    ///
    /// A standard signal that is pending already is not queued twice; a real-time one is, as long
    /// as there is room (signal(7), "Queueing").
    pub fn post(&mut self, info: SignalInfo) -> bool {
        let number = info.number;
        if number == CONT || number == KILL {
            self.nr_continues = self.nr_continues.wrapping_add(1);
        }
        if number == CONT {
            self.drop_pending(super::STOP_SIGNALS);
        } else if super::STOP_SIGNALS.contains(number) {
            self.drop_pending(SignalSet::of(CONT));
        }
        if self.is_ignored(number) && !self.mask.contains(number) {
            return false;
        }
        if number < RT_MIN && self.pending_set.contains(number) {
            return false;
        }
        if self.pending_set.contains(number) && self.pending.len() >= SIGPENDING_MAX {
            return false;
        }
        self.pending.push_back(info);
        self.pending_set = self.pending_set.with(SignalSet::of(number));
        !self.mask.without(self.waited_for).contains(number)
    }

    /// Takes the next signal that asks for something; `SIGKILL` before all, then by number.
    pub fn take(&mut self) -> Option<Taken> {
        loop {
            let info = self.take_from(SignalSet(u64::MAX).without(self.mask))?;
            let action = self.action(info.number);
            match action.handler {
                SIG_IGN => {}
                SIG_DFL => match default_disposition(info.number) {
                    Disposition::Terminate => return Some(Taken::Terminate(info)),
                    Disposition::Stop => return Some(Taken::Stop(info)),
                    Disposition::Ignore | Disposition::Continue => {}
                },
                _ => {
                    if action.flags & SA_RESETHAND != 0 {
                        let reset = Action {
                            handler: SIG_DFL,
                            ..action
                        };
                        let index = usize::from(info.number).wrapping_sub(1);
                        if let Some(slot) = self.actions.get_mut(index) {
                            *slot = reset;
                        }
                    }
                    return Some(Taken::Handle(info, action));
                }
            }
        }
    }

    /// What [`SignalState::take`] would return, without taking it.
    pub fn peek(&self) -> Option<Taken> {
        self.clone().take()
    }

    /// Takes a pending signal of `set`, as `sigtimedwait(2)` does.
    pub fn take_from(&mut self, set: SignalSet) -> Option<SignalInfo> {
        let ready = SignalSet(self.pending_set.0 & set.0);
        let number = if ready.contains(KILL) {
            Some(KILL)
        } else {
            ready.iter().next()
        }?;
        let index = self.pending.iter().position(|info| info.number == number)?;
        let info = self.pending.remove(index)?;
        if !self.pending.iter().any(|other| other.number == number) {
            self.pending_set = self.pending_set.without(SignalSet::of(number));
        }
        Some(info)
    }

    /// What `execve(2)` keeps: ignored signals, the mask, what is pending.
    pub fn reset_for_exec(&mut self) {
        for action in &mut self.actions {
            if action.handler != SIG_IGN {
                *action = Action::default();
            }
        }
        self.alt_stack = AltStack::default();
        self.saved_mask = None;
    }

    /// What a child starts with: everything but what is pending.
    #[must_use]
    pub fn for_child(&self) -> Self {
        let mut child = self.clone();
        child.pending.clear();
        child.waited_for = SignalSet::default();
        child.pending_set = SignalSet::default();
        child
    }

    fn drop_pending(&mut self, set: SignalSet) {
        self.pending.retain(|info| !set.contains(info.number));
        self.pending_set = self.pending_set.without(set);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CHLD, INT, STOP, TERM, USR1_FOR_TESTS as USR1};
    use super::*;

    fn info(number: u8) -> SignalInfo {
        SignalInfo {
            number,
            ..SignalInfo::default()
        }
    }

    fn handler(flags: u32) -> Action {
        Action {
            handler: 20,
            flags,
            ..Action::default()
        }
    }

    #[test]
    fn ignored_signals_never_become_pending() {
        let mut state = SignalState::default();
        assert!(!state.post(info(CHLD)));
        state
            .set_action(
                INT,
                Action {
                    handler: SIG_IGN,
                    ..Action::default()
                },
            )
            .unwrap();
        assert!(!state.post(info(INT)));
        assert!(state.pending().is_empty());
    }

    #[test]
    fn a_blocked_signal_waits_until_it_is_unblocked() {
        let mut state = SignalState::default();
        state.set_mask(SignalSet::of(TERM));
        assert!(!state.post(info(TERM)));
        assert_eq!(state.take(), None);
        state.set_mask(SignalSet::default());
        assert_eq!(state.take(), Some(Taken::Terminate(info(TERM))));
    }

    #[test]
    fn standard_signals_merge_and_real_time_ones_queue() {
        let mut state = SignalState::default();
        state.set_action(USR1, handler(0)).unwrap();
        state.set_action(40, handler(0)).unwrap();
        for _ in 0..3 {
            state.post(info(USR1));
            state.post(info(40));
        }
        let mut taken = Vec::new();
        while let Some(Taken::Handle(info, _)) = state.take() {
            taken.push(info.number);
        }
        assert_eq!(taken, [USR1, 40, 40, 40]);
    }

    #[test]
    fn kill_and_stop_cannot_be_blocked_or_handled() {
        let mut state = SignalState::default();
        state.set_mask(SignalSet(u64::MAX));
        assert!(state.set_action(KILL, handler(0)).is_err());
        assert!(state.post(info(KILL)));
        assert_eq!(state.take(), Some(Taken::Terminate(info(KILL))));
    }

    #[test]
    fn a_one_shot_handler_is_reset_when_taken() {
        let mut state = SignalState::default();
        state.set_action(INT, handler(SA_RESETHAND)).unwrap();
        state.post(info(INT));
        assert!(matches!(state.peek(), Some(Taken::Handle(..))));
        assert!(matches!(state.take(), Some(Taken::Handle(..))));
        assert_eq!(state.action(INT).handler, SIG_DFL);
    }

    #[test]
    fn continue_and_stop_cancel_each_other() {
        let mut state = SignalState::default();
        state.post(info(STOP));
        state.post(info(CONT));
        assert!(!state.pending().contains(STOP));
    }
}
