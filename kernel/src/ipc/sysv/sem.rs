//! System V semaphores: sets of counters that are changed together or not at all.

use abi::flags::{IPC_NOWAIT, SEM_UNDO, SEMVMX};
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Stall, Try};

use super::{Object, Permissions};

/// One operation of `semop(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which semaphore.
    pub index: u16,
    /// What is added; 0: waits for zero.
    pub change: i16,
    /// `IPC_NOWAIT`, `SEM_UNDO`.
    pub flags: u32,
}

/// A semaphore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Semaphore {
    /// 0 to `SEMVMX`.
    pub value: u16,
    /// Who changed it last.
    pub pid: i32,
}

/// What a waiting call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A larger value: `GETNCNT`.
    Increase(u16),
    /// Zero: `GETZCNT`.
    Zero(u16),
}

/// A set of semaphores.
#[derive(Debug)]
pub struct SemaphoreSet {
    permissions: Lock<Permissions>,
    state: Lock<State>,
    queue: WaitQueue,
}

/// What changes of a set.
#[derive(Debug)]
struct State {
    semaphores: Vec<Semaphore>,
    /// What is added for each process that ends, by semaphore.
    undo: SortedMap<i32, Vec<i32>>,
    waits: Vec<(u64, Wait)>,
    next_wait: u64,
    operated_at: i64,
    changed_at: i64,
    is_removed: bool,
}

impl Object for SemaphoreSet {
    fn permissions(&self) -> &Lock<Permissions> {
        &self.permissions
    }
}

impl SemaphoreSet {
    /// A set of `count` semaphores that are zero, made at second `now`.
    pub fn new(permissions: Permissions, count: usize, now: i64) -> Self {
        Self {
            permissions: Lock::new(permissions),
            state: Lock::new(State {
                semaphores: vec![Semaphore::default(); count],
                undo: SortedMap::new(),
                waits: Vec::new(),
                next_wait: 0,
                operated_at: 0,
                changed_at: now,
                is_removed: false,
            }),
            queue: WaitQueue::new(),
        }
    }

    /// Woken when a value changes, or the set goes.
    pub const fn wait_queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// All semaphores.
    pub fn semaphores(&self) -> Vec<Semaphore> {
        self.state.lock().semaphores.clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.state.lock().semaphores.len()
    }

    /// Whether there is none, which never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Seconds since 1970 of the last operation (0: none), and of the last change.
    pub fn times(&self) -> (i64, i64) {
        let state = self.state.lock();
        (state.operated_at, state.changed_at)
    }

    /// `IPC_SET` was done at second `now`.
    pub fn note_change(&self, now: i64) {
        self.state.lock().changed_at = now;
    }

    /// How many calls wait so.
    pub fn nr_waiting(&self, wait: Wait) -> usize {
        let state = self.state.lock();
        state
            .waits
            .iter()
            .filter(|(_, known)| *known == wait)
            .count()
    }

    /// Does all operations, or says which does not go. A call that waits passes `wait`, which it
    /// ends with [`SemaphoreSet::end_wait`].
    ///
    /// # Errors
    /// `WouldBlock`; `EAGAIN` with `IPC_NOWAIT`, `EFBIG`, `ERANGE`, `EIDRM`.
    pub fn try_operate(
        &self,
        pid: i32,
        operations: &[Operation],
        now: i64,
        wait: &mut Option<u64>,
    ) -> Try<()> {
        {
            let mut state = self.state.lock();
            match state.operate(pid, operations, now) {
                Ok(()) => {}
                Err((Stall::WouldBlock, Some(reason))) => {
                    state.note_wait(wait, reason);
                    return Err(Stall::WouldBlock);
                }
                Err((stall, _)) => return Err(stall),
            }
        }
        self.queue.wake_all();
        Ok(())
    }

    /// A call waits no more.
    pub fn end_wait(&self, wait: u64) {
        self.state.lock().waits.retain(|(known, _)| *known != wait);
    }

    /// `SETVAL`, `SETALL`: sets values from semaphore `first` on; what would be undone is not.
    ///
    /// # Errors
    /// `ERANGE`, `EINVAL`, `EIDRM`.
    pub fn set(&self, first: usize, values: &[u16], pid: i32, now: i64) -> Result<()> {
        if values.iter().any(|&value| value > SEMVMX) {
            return Err(Errno::ERANGE.into());
        }
        {
            let mut state = self.state.lock();
            if state.is_removed {
                return Err(Errno::EIDRM.into());
            }
            let end = first.saturating_add(values.len());
            let places = state.semaphores.get_mut(first..end);
            let places = places.ok_or_else(|| Errno::EINVAL.because("no such semaphore"))?;
            for (place, &value) in places.iter_mut().zip(values) {
                *place = Semaphore { value, pid };
            }
            for undo in state.undo.values_mut() {
                undo.get_mut(first..end).unwrap_or_default().fill(0);
            }
            state.changed_at = now;
        }
        self.queue.wake_all();
        Ok(())
    }

    /// `IPC_RMID`: who waits gets `EIDRM`.
    pub fn remove(&self) {
        self.state.lock().is_removed = true;
        self.queue.wake_all();
    }

    /// Undoes what process `pid`, which has ended, has asked for; values stay within their range.
    pub(super) fn undo(&self, pid: i32) {
        {
            let mut state = self.state.lock();
            let Some(undo) = state.undo.remove(&pid) else {
                return;
            };
            for (semaphore, change) in state.semaphores.iter_mut().zip(undo) {
                if change != 0 {
                    let value = i32::from(semaphore.value).saturating_add(change);
                    let value = value.clamp(0, i32::from(SEMVMX));
                    semaphore.value = u16::try_from(value).unwrap_or(0);
                    semaphore.pid = pid;
                }
            }
        }
        self.queue.wake_all();
    }
}

impl State {
    fn operate(
        &mut self,
        pid: i32,
        operations: &[Operation],
        now: i64,
    ) -> core::result::Result<(), (Stall, Option<Wait>)> {
        let fail = |errno: Errno| (Stall::from(errno), None);
        if self.is_removed {
            return Err(fail(Errno::EIDRM));
        }
        let mut values: Vec<i32> = self
            .semaphores
            .iter()
            .map(|semaphore| i32::from(semaphore.value))
            .collect();
        let mut undo = self.undo.get(&pid).cloned().unwrap_or_default();
        undo.resize(values.len(), 0);
        let place = |operation: &Operation| usize::from(operation.index);
        if operations
            .iter()
            .any(|operation| place(operation) >= values.len())
        {
            return Err(fail(Errno::EFBIG));
        }
        for operation in operations {
            let index = place(operation);
            let change = i32::from(operation.change);
            let (Some(value), Some(undo)) = (values.get_mut(index), undo.get_mut(index)) else {
                return Err(fail(Errno::EFBIG));
            };
            let wait = if change == 0 {
                (*value != 0).then_some(Wait::Zero(operation.index))
            } else {
                (value.saturating_add(change) < 0).then_some(Wait::Increase(operation.index))
            };
            if let Some(wait) = wait {
                if operation.flags & IPC_NOWAIT != 0 {
                    return Err(fail(Errno::EAGAIN));
                }
                return Err((Stall::WouldBlock, Some(wait)));
            }
            *value = value.saturating_add(change);
            if *value > i32::from(SEMVMX) {
                return Err(fail(Errno::ERANGE));
            }
            if operation.flags & SEM_UNDO != 0 {
                *undo = undo.saturating_sub(change);
                if undo.abs() > i32::from(SEMVMX) {
                    return Err(fail(Errno::ERANGE));
                }
            }
        }
        for operation in operations {
            let index = place(operation);
            if let (Some(semaphore), Some(&value)) =
                (self.semaphores.get_mut(index), values.get(index))
            {
                semaphore.value = u16::try_from(value).unwrap_or(0);
                semaphore.pid = pid;
            }
        }
        if undo.iter().any(|&change| change != 0) {
            self.undo.insert(pid, undo);
        } else {
            self.undo.remove(&pid);
        }
        self.operated_at = now;
        Ok(())
    }

    fn note_wait(&mut self, wait: &mut Option<u64>, reason: Wait) {
        let number = *wait.get_or_insert(self.next_wait);
        self.next_wait = self.next_wait.max(number.wrapping_add(1));
        match self.waits.iter_mut().find(|(known, _)| *known == number) {
            Some((_, known)) => *known = reason,
            None => self.waits.push((number, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> SemaphoreSet {
        let permissions = Permissions {
            key: 0,
            uid: 0,
            gid: 0,
            creator_uid: 0,
            creator_gid: 0,
            mode: 0o600,
            sequence: 0,
        };
        SemaphoreSet::new(permissions, 2, 0)
    }

    const fn op(index: u16, change: i16, flags: u32) -> Operation {
        Operation {
            index,
            change,
            flags,
        }
    }

    fn values(set: &SemaphoreSet) -> Vec<u16> {
        set.semaphores().iter().map(|s| s.value).collect()
    }

    #[test]
    fn operations_are_done_together_or_not_at_all() {
        let (set, mut wait) = (set(), None);
        let both = [op(0, 2, 0), op(1, -1, 0)];
        assert_eq!(
            set.try_operate(1, &both, 0, &mut wait),
            Err(Stall::WouldBlock)
        );
        assert_eq!(values(&set), [0, 0]);
        assert_eq!(set.nr_waiting(Wait::Increase(1)), 1);
        set.set(1, &[1], 1, 0).unwrap();
        assert_eq!(set.try_operate(1, &both, 0, &mut wait), Ok(()));
        assert_eq!(values(&set), [2, 0]);
        set.end_wait(wait.unwrap());
        assert_eq!(set.nr_waiting(Wait::Increase(1)), 0);
        let zero = [op(0, 0, IPC_NOWAIT)];
        let result = set.try_operate(1, &zero, 0, &mut None);
        assert_eq!(result, Err(Errno::EAGAIN.into()));
    }

    #[test]
    fn what_a_process_did_is_undone_at_its_end() {
        let set = set();
        set.try_operate(7, &[op(0, 5, SEM_UNDO)], 0, &mut None)
            .unwrap();
        set.try_operate(8, &[op(0, -2, SEM_UNDO)], 0, &mut None)
            .unwrap();
        assert_eq!(values(&set), [3, 0]);
        set.undo(8);
        assert_eq!(values(&set), [5, 0]);
        set.undo(7);
        assert_eq!(values(&set), [0, 0]);
    }
}
