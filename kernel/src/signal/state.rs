//! The signals of a process: its actions, what is pending, and what each of its threads blocks.

use abi::flags::{SA_RESETHAND, SIG_DFL, SIG_IGN, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK};
use abi::layout::{SigInfo, SigStack};
use abi::limits::MINSIGSTKSZ;
use abi::{Errno, Result};
use executor::sorted::SortedMap;

use super::pending::Pending;
use super::thread::ThreadSignals;
use super::{CONT, COUNT, Disposition, KILL, SignalSet, default_disposition};
use crate::process::Pid;

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
    /// `si_utime` and `si_stime` of `SIGCHLD`, in clock ticks; of a queued one what its sender put
    /// there.
    pub rest: [u32; 2],
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
            rest: rest_of(info.rest),
            ..Self::default()
        }
    }
}

/// The rest of the union, of which the first words are `words`.
fn rest_of(words: [u32; 2]) -> [u32; 26] {
    let mut rest = [0; 26];
    rest.iter_mut().zip(words).for_each(|(to, from)| *to = from);
    rest
}

/// `stack_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address.
    pub base: u32,
    /// Bytes; 0: none.
    pub size: u32,
    /// Whether it is not there while a handler runs on it (`SS_AUTODISARM`).
    pub disarms: bool,
}

impl AltStack {
    /// Whether `stack_pointer` lies on it.
    pub const fn contains(self, stack_pointer: u32) -> bool {
        self.size != 0 && stack_pointer.wrapping_sub(self.base) <= self.size
    }

    /// As sigaltstack(2) shows it to who runs at `stack_pointer`.
    pub const fn to_stack(self, stack_pointer: Option<u32>) -> SigStack {
        let mut flags = match stack_pointer {
            _ if self.size == 0 => SS_DISABLE,
            Some(stack_pointer) if self.contains(stack_pointer) => SS_ONSTACK,
            _ => 0,
        };
        if self.disarms {
            flags |= SS_AUTODISARM;
        }
        SigStack {
            sp: self.base,
            flags,
            size: self.size,
        }
    }

    /// What sigaltstack(2) makes of `new`.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags, `ENOMEM` for too small a stack.
    pub fn from_stack(new: SigStack) -> Result<Self> {
        match new.flags & !SS_AUTODISARM {
            SS_DISABLE => Ok(Self::default()),
            0 | SS_ONSTACK if new.size < MINSIGSTKSZ => {
                Err(Errno::ENOMEM.because("too small a stack"))
            }
            0 | SS_ONSTACK => Ok(Self {
                base: new.sp,
                size: new.size,
                disarms: new.flags & SS_AUTODISARM != 0,
            }),
            _ => Err(Errno::EINVAL.into()),
        }
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

/// The signals of one process: what its threads share, and what each has for itself.
///
/// Threads are named by their ids. A process that is being made has one thread, [`FIRST`], until
/// its id is known.
#[derive(Clone, Debug)]
pub struct SignalState {
    actions: [Action; COUNT],
    /// For whichever thread takes them.
    shared: Pending,
    threads: SortedMap<Pid, ThreadSignals>,
    /// What a thread that has ended may still change to no effect.
    nobody: ThreadSignals,
    /// Counts the signals that end a stop.
    nr_continues: u32,
}

/// The thread of a process that has no id yet.
const FIRST: Pid = 0;

impl Default for SignalState {
    fn default() -> Self {
        Self {
            actions: [Action::default(); COUNT],
            shared: Pending::default(),
            threads: SortedMap::from_iter([(FIRST, ThreadSignals::default())]),
            nobody: ThreadSignals::default(),
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

    /// What thread `tid` has for itself; when it has ended, something that means nothing.
    pub fn thread(&mut self, tid: Pid) -> &mut ThreadSignals {
        match self.threads.get_mut(&tid) {
            Some(own) => own,
            None => {
                self.nobody = ThreadSignals::default();
                &mut self.nobody
            }
        }
    }

    /// The signals that `tid` blocks.
    pub fn mask(&self, tid: Pid) -> SignalSet {
        self.threads.get(&tid).map_or(SignalSet(0), |own| own.mask)
    }

    /// What is pending for `tid`, blocked signals too.
    pub fn pending(&self, tid: Pid) -> SignalSet {
        let own = self.threads.get(&tid).map(|own| own.pending.set());
        self.shared.set().with(own.unwrap_or_default())
    }

    /// What is pending for the whole process.
    pub const fn shared_pending(&self) -> SignalSet {
        self.shared.set()
    }

    /// How many wait, each of a queue counted.
    pub fn nr_pending(&self) -> usize {
        let own = self.threads.values().map(|own| own.pending.len());
        own.fold(self.shared.len(), usize::saturating_add)
    }

    /// Whether `number` would be thrown away if it arrived: ignored, and not blocked.
    pub fn discards(&self, number: u8, to: Option<Pid>) -> bool {
        let is_blocked = |(_, own): (&Pid, &ThreadSignals)| own.mask.contains(number);
        let blocked = match to {
            Some(tid) => self.mask(tid).contains(number),
            None => self.threads.iter().next().is_some_and(is_blocked),
        };
        self.is_ignored(number) && !blocked
    }

    /// Whether `number` would find room, or is one that merges.
    pub fn has_room(&self, number: u8, to: Option<Pid>) -> bool {
        match to {
            Some(tid) => (self.threads.get(&tid)).is_none_or(|own| own.pending.has_room(number)),
            None => self.shared.has_room(number),
        }
    }

    /// How many signals came that end a stop: one that comes between the taking of a stop signal
    /// and the stop shows in it.
    pub const fn nr_continues(&self) -> u32 {
        self.nr_continues
    }

    /// Whether a signal waits that `tid` does not block, or that it waits for.
    pub fn needs_attention(&self, tid: Pid) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|own| !self.pending(tid).without(own.deaf_to()).is_empty())
    }

    /// Makes a signal pending for the process, or for the thread `to` alone; returns the thread
    /// that is to look at it, if one takes notice.
    ///
    /// # References
    /// Linux v6.12 `kernel/signal.c` `__send_signal_locked`, `complete_signal`. Deviates: the first
    /// thread that does not block a signal gets it, not the one after the last that got one.
    pub fn post(&mut self, info: SignalInfo, to: Option<Pid>) -> Option<Pid> {
        let number = info.number;
        if number == CONT || number == KILL {
            self.nr_continues = self.nr_continues.wrapping_add(1);
        }
        if number == CONT {
            self.drop_pending(super::STOP_SIGNALS);
        } else if super::STOP_SIGNALS.contains(number) {
            self.drop_pending(SignalSet::of(CONT));
        }
        if self.discards(number, to) {
            return None;
        }
        match to {
            Some(tid) => {
                let own = self.threads.get_mut(&tid)?;
                let is_new = own.pending.push(info);
                (is_new && !own.deaf_to().contains(number)).then_some(tid)
            }
            None if self.shared.push(info) => self.listener(SignalSet::of(number)),
            None => None,
        }
    }

    /// Whether any thread takes notice of `number`.
    pub fn has_listener(&self, number: u8) -> bool {
        self.listener(SignalSet::of(number)).is_some()
    }

    /// A thread that takes notice of a signal of `set`, the first before the others.
    fn listener(&self, set: SignalSet) -> Option<Pid> {
        let listens = |own: &ThreadSignals| !set.without(own.deaf_to()).is_empty();
        let found = self.threads.iter().find(|(_, own)| listens(own));
        found.map(|(&tid, _)| tid)
    }

    /// Who else is to look at what waits for the process, after `tid` has blocked signals that it
    /// was told of, or has ended.
    pub fn listener_instead_of(&self, tid: Pid) -> Option<Pid> {
        if self.shared.set().is_empty() {
            return None;
        }
        let other = self.listener(self.shared.set())?;
        (other != tid).then_some(other)
    }

    /// Takes the next signal that asks `tid` for something; `SIGKILL` before all, then by number,
    /// its own before those of the process.
    pub fn take(&mut self, tid: Pid) -> Option<Taken> {
        let listened = SignalSet(u64::MAX).without(self.mask(tid));
        loop {
            let info = self.take_from(tid, listened)?;
            let Some(taken) = self.consequence(info) else {
                continue;
            };
            if let Taken::Handle(_, action) = taken
                && action.flags & SA_RESETHAND != 0
            {
                let index = usize::from(info.number).wrapping_sub(1);
                if let Some(slot) = self.actions.get_mut(index) {
                    slot.handler = SIG_DFL;
                }
            }
            return Some(taken);
        }
    }

    /// What [`SignalState::take`] would return, without taking it.
    pub fn peek(&self, tid: Pid) -> Option<Taken> {
        let own = self.threads.get(&tid)?;
        let mut listened = SignalSet(u64::MAX).without(own.mask);
        loop {
            let first = own.pending.first(listened);
            let info = first.or_else(|| self.shared.first(listened))?;
            if let Some(taken) = self.consequence(info) {
                return Some(taken);
            }
            listened = listened.without(SignalSet::of(info.number));
        }
    }

    /// What a signal asks for; `None`: nothing.
    fn consequence(&self, info: SignalInfo) -> Option<Taken> {
        let action = self.action(info.number);
        match action.handler {
            SIG_IGN => None,
            SIG_DFL => match default_disposition(info.number) {
                Disposition::Terminate => Some(Taken::Terminate(info)),
                Disposition::Stop => Some(Taken::Stop(info)),
                Disposition::Ignore | Disposition::Continue => None,
            },
            _ => Some(Taken::Handle(info, action)),
        }
    }

    /// Takes a signal of `set` that is pending for `tid`, as `sigtimedwait(2)` does.
    pub fn take_from(&mut self, tid: Pid, set: SignalSet) -> Option<SignalInfo> {
        let own = self.threads.get_mut(&tid);
        own.and_then(|own| own.pending.take(set))
            .or_else(|| self.shared.take(set))
    }

    /// The queues, that of the process first.
    fn queues(&mut self) -> impl Iterator<Item = &mut Pending> {
        let own = self.threads.values_mut().map(|own| &mut own.pending);
        std::iter::once(&mut self.shared).chain(own)
    }

    /// Adds `count` expirations to the pending signal of timer `id`; false when it has none.
    pub fn add_overrun(&mut self, id: i32, count: u32) -> bool {
        self.queues().any(|queue| queue.add_overrun(id, count))
    }

    /// Takes back the pending signal of timer `id`, which is deleted or set anew.
    pub fn drop_timer_signal(&mut self, id: i32) {
        self.queues().for_each(|queue| queue.drop_timer(id));
    }

    /// What `execve(2)` in `tid` keeps: ignored signals, the mask, what is pending. The thread is
    /// the only one from now on, and has the process's id, `pid`.
    pub fn reset_for_exec(&mut self, tid: Pid, pid: Pid) {
        for action in &mut self.actions {
            if action.handler != SIG_IGN {
                *action = Action::default();
            }
        }
        let mut own = self.threads.remove(&tid).unwrap_or_default();
        own.alt_stack = AltStack::default();
        own.saved_mask = None;
        self.threads = SortedMap::from_iter([(pid, own)]);
    }

    /// What a child that `tid` makes starts with: everything but what is pending.
    #[must_use]
    pub fn for_child(&self, tid: Pid) -> Self {
        let parent = self.threads.get(&tid);
        let own = parent.map(|own| ThreadSignals {
            alt_stack: own.alt_stack,
            saved_mask: own.saved_mask,
            ..own.inherited()
        });
        Self {
            actions: self.actions,
            shared: Pending::default(),
            threads: SortedMap::from_iter([(FIRST, own.unwrap_or_default())]),
            nobody: ThreadSignals::default(),
            nr_continues: self.nr_continues,
        }
    }

    /// The process that this is for has the id `pid`, and so has its thread.
    #[must_use]
    pub fn named(mut self, pid: Pid) -> Self {
        let own = self.threads.remove(&FIRST).unwrap_or_default();
        self.threads.insert(pid, own);
        self
    }

    /// A thread that `parent` makes: it has the same mask, and nothing else (clone(2)).
    pub fn add_thread(&mut self, parent: Pid, tid: Pid) {
        let own = self.thread(parent).inherited();
        self.threads.insert(tid, own);
    }

    /// A thread has ended; what was sent to it alone is lost.
    pub fn remove_thread(&mut self, tid: Pid) {
        self.threads.remove(&tid);
    }

    fn drop_pending(&mut self, set: SignalSet) {
        self.shared.drop_all(set);
        for own in self.threads.values_mut() {
            own.pending.drop_all(set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CHLD, INT, STOP, TERM, USR1_FOR_TESTS as USR1};
    use super::*;

    /// The first thread of the process, and another.
    const ONE: Pid = 7;
    const OTHER: Pid = 8;

    fn state() -> SignalState {
        SignalState::default().named(ONE)
    }

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
        let mut state = state();
        assert_eq!(state.post(info(CHLD), None), None);
        let ignore = Action {
            handler: SIG_IGN,
            ..Action::default()
        };
        state.set_action(INT, ignore).unwrap();
        assert_eq!(state.post(info(INT), None), None);
        assert!(state.pending(ONE).is_empty());
    }

    #[test]
    fn a_blocked_signal_waits_until_it_is_unblocked() {
        let mut state = state();
        state.thread(ONE).set_mask(SignalSet::of(TERM));
        assert_eq!(state.post(info(TERM), None), None);
        assert_eq!(state.take(ONE), None);
        state.thread(ONE).set_mask(SignalSet::default());
        assert_eq!(state.take(ONE), Some(Taken::Terminate(info(TERM))));
    }

    #[test]
    fn standard_signals_merge_and_real_time_ones_queue() {
        let mut state = state();
        state.set_action(USR1, handler(0)).unwrap();
        state.set_action(40, handler(0)).unwrap();
        for _ in 0..3 {
            state.post(info(USR1), None);
            state.post(info(40), None);
        }
        let mut taken = Vec::new();
        while let Some(Taken::Handle(info, _)) = state.take(ONE) {
            taken.push(info.number);
        }
        assert_eq!(taken, [USR1, 40, 40, 40]);
    }

    #[test]
    fn kill_and_stop_cannot_be_blocked_or_handled() {
        let mut state = state();
        state.thread(ONE).set_mask(SignalSet(u64::MAX));
        assert!(state.set_action(KILL, handler(0)).is_err());
        assert_eq!(state.post(info(KILL), None), Some(ONE));
        assert_eq!(state.take(ONE), Some(Taken::Terminate(info(KILL))));
    }

    #[test]
    fn a_one_shot_handler_is_reset_when_taken() {
        let mut state = state();
        state.set_action(INT, handler(SA_RESETHAND)).unwrap();
        state.post(info(INT), None);
        assert!(matches!(state.peek(ONE), Some(Taken::Handle(..))));
        assert!(matches!(state.take(ONE), Some(Taken::Handle(..))));
        assert_eq!(state.action(INT).handler, SIG_DFL);
    }

    #[test]
    fn continue_and_stop_cancel_each_other() {
        let mut state = state();
        state.post(info(STOP), None);
        state.post(info(CONT), None);
        assert!(!state.pending(ONE).contains(STOP));
    }

    #[test]
    fn a_signal_of_the_process_goes_to_a_thread_that_does_not_block_it() {
        let mut state = state();
        state.set_action(USR1, handler(0)).unwrap();
        state.thread(ONE).set_mask(SignalSet::of(USR1));
        state.add_thread(ONE, OTHER);
        assert_eq!(state.post(info(USR1), None), None);
        state.thread(OTHER).set_mask(SignalSet::default());
        assert_eq!(state.listener_instead_of(ONE), Some(OTHER));
        assert_eq!(state.take(ONE), None);
        assert!(matches!(state.take(OTHER), Some(Taken::Handle(..))));
        assert_eq!(state.post(info(USR1), None), Some(OTHER));
    }

    #[test]
    fn a_signal_of_a_thread_is_its_own() {
        let mut state = state();
        state.set_action(USR1, handler(0)).unwrap();
        state.add_thread(ONE, OTHER);
        assert_eq!(state.post(info(USR1), Some(OTHER)), Some(OTHER));
        assert!(!state.needs_attention(ONE));
        assert!(state.pending(OTHER).contains(USR1) && state.shared_pending().is_empty());
        state.remove_thread(OTHER);
        assert_eq!(state.post(info(USR1), Some(OTHER)), None);
        assert!(!state.needs_attention(OTHER));
    }

    #[test]
    fn exec_leaves_the_thread_that_made_it_under_the_process_s_id() {
        let mut state = state();
        state.add_thread(ONE, OTHER);
        state.thread(OTHER).set_mask(SignalSet::of(TERM));
        state.reset_for_exec(OTHER, ONE);
        assert_eq!(state.mask(ONE), SignalSet::of(TERM));
        assert_eq!(state.mask(OTHER), SignalSet::default());
    }
}
