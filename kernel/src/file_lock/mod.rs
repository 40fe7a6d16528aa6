//! Locks on files: of whole files by description (`flock(2)`), of ranges of bytes by process or
//! description (`fcntl_locking(2)`). Both are advisory, and do not see each other.
//!
//! - [`FileLocks`]: all locks of the pod, by the identity of the inode
//! - [`record`]: the ranges of one file, and who waits for whom
//!
//! A flock belongs to its description and ends with it; a record lock of a process ends when the
//! process closes *any* descriptor of the file ([`FileLocks::closed`]), as POSIX demands.

pub mod record;

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Stall, Try};

use self::record::{Conflict, Owner, Range, Records, Waiters};
use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::open_file::OpenFile;
use crate::poll::{Attempt, wait_for, wait_on};
use crate::process::Pid;

/// What identifies a file: the device and the number of its inode.
type FileKey = (u64, u64);

/// How a lock excludes others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Others may share it (`LOCK_SH`, `F_RDLCK`).
    Shared,
    /// Nobody else has it (`LOCK_EX`, `F_WRLCK`).
    Exclusive,
}

impl LockKind {
    /// Whether two owners cannot have these at once.
    pub(crate) const fn excludes(self, other: Self) -> bool {
        matches!((self, other), (Self::Exclusive, _) | (_, Self::Exclusive))
    }
}

/// Whether a request waits for others to unlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// It does.
    Block,
    /// It fails instead.
    Fail,
}

/// The locks of one file.
#[derive(Debug, Default)]
struct FileEntry {
    /// Locks of descriptions, by their ids.
    flocks: Vec<(u64, LockKind)>,
    records: Records,
}

#[derive(Debug, Default)]
struct State {
    files: SortedMap<FileKey, FileEntry>,
    waiters: Waiters,
}

/// All locks on files; clones share them.
#[derive(Clone, Debug, Default)]
pub struct FileLocks {
    state: Arc<Lock<State>>,
    /// Woken by each unlock.
    changed: WaitQueue,
}

/// The flock that a description has; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct FlockHold {
    locks: FileLocks,
    key: FileKey,
    id: u64,
}

impl Drop for FlockHold {
    fn drop(&mut self) {
        self.locks.unlock_flock(self.key, self.id);
        self.locks
            .drop_records(Owner::Description(self.id), |key| key == self.key);
    }
}

impl FileLocks {
    /// No locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// `flock(2)`: gives the description a lock of `kind`, or with `None` takes it away.
    ///
    /// As in Linux, changing the kind first gives the old lock up. Interrupted: restartable.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `EAGAIN` when it would have to wait and may not.
    pub fn flock<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        file: &Arc<OpenFile>,
        kind: Option<LockKind>,
        wait: LockWait,
    ) -> Outcome<()> {
        let key = match key_of(file) {
            Ok(key) => key,
            Err(error) => return Outcome::from(Err(error)),
        };
        let Some(kind) = kind else {
            self.unlock_flock(key, file.id());
            return Outcome::Ready(Ok(()));
        };
        file.hold_flock(|id| FlockHold {
            locks: self.clone(),
            key,
            id,
        });
        match (self.try_flock(key, file.id(), kind), wait) {
            (Ok(()), _) => Outcome::Ready(Ok(())),
            (Err(_), LockWait::Fail) => Outcome::from(Err(Errno::EAGAIN)),
            (Err(_), LockWait::Block) => {
                let (locks, file) = (self.clone(), Arc::clone(file));
                wait_for(
                    sleeper,
                    Some(&self.changed),
                    None,
                    Restart::Sys,
                    move || locks.try_flock(key, file.id(), kind),
                )
            }
        }
    }

    fn try_flock(&self, key: FileKey, id: u64, kind: LockKind) -> Try<()> {
        let (result, gave_up) = {
            let mut state = self.state.lock();
            let flocks = &mut state
                .files
                .get_or_insert_with(key, FileEntry::default)
                .flocks;
            if flocks.contains(&(id, kind)) {
                return Ok(());
            }
            let nr_before = flocks.len();
            flocks.retain(|&(other, _)| other != id);
            let gave_up = flocks.len() < nr_before;
            if flocks.iter().any(|&(_, other)| other.excludes(kind)) {
                (Err(Stall::WouldBlock), gave_up)
            } else {
                flocks.push((id, kind));
                (Ok(()), gave_up)
            }
        };
        if gave_up {
            self.changed.wake_all();
        }
        result
    }

    fn unlock_flock(&self, key: FileKey, id: u64) {
        let has_changed = {
            let mut state = self.state.lock();
            state.files.get_mut(&key).is_some_and(|entry| {
                let nr_before = entry.flocks.len();
                entry.flocks.retain(|&(other, _)| other != id);
                entry.flocks.len() < nr_before
            }) && {
                state.forget_if_unlocked(key);
                true
            }
        };
        if has_changed {
            self.changed.wake_all();
        }
    }

    /// `F_SETLK`, `F_SETLKW` and their `F_OFD_` forms: locks `range` for `owner`, or with `None`
    /// unlocks it. What the owner had there before changes. Interrupted: restartable.
    ///
    /// # Errors
    /// `EBADF` when the file is not open the way the lock needs; `EAGAIN` when it would have to
    /// wait and may not; `EDEADLK` when another process waits for this one already.
    pub fn set_record<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        file: &Arc<OpenFile>,
        owner: Owner,
        kind: Option<LockKind>,
        range: Range,
        wait: LockWait,
    ) -> Outcome<()> {
        let is_open_for = match kind {
            Some(LockKind::Shared) => file.is_readable(),
            Some(LockKind::Exclusive) => file.is_writable(),
            None => true,
        };
        let key = match key_of(file) {
            Ok(key) if is_open_for => key,
            Ok(_) => return Outcome::from(Err(Errno::EBADF)),
            Err(error) => return Outcome::from(Err(error)),
        };
        if let Owner::Description(_) = owner {
            file.hold_flock(|id| FlockHold {
                locks: self.clone(),
                key,
                id,
            });
        }
        let request = RecordRequest {
            locks: self.clone(),
            key,
            owner,
            kind,
            range,
        };
        match wait {
            LockWait::Block => wait_on(sleeper, Some(&self.changed), None, Restart::Sys, request),
            LockWait::Fail => match request.try_set() {
                Err(Stall::WouldBlock) => Outcome::from(Err(Errno::EAGAIN)),
                Err(Stall::Failed(error)) => Outcome::from(Err(error)),
                Ok(()) => Outcome::Ready(Ok(())),
            },
        }
    }

    /// `F_GETLK`: the first lock that keeps `owner` from locking `range`.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `EIO`.
    pub fn find_conflict(
        &self,
        file: &OpenFile,
        owner: Owner,
        kind: LockKind,
        range: Range,
    ) -> Result<Option<Conflict>> {
        let key = key_of(file)?;
        let state = self.state.lock();
        Ok(state
            .files
            .get(&key)
            .and_then(|entry| entry.records.conflict(owner, kind, range)))
    }

    /// Process `pid` closed a descriptor of `file`: its record locks on the file are gone.
    pub fn closed(&self, file: &OpenFile, pid: Pid) {
        // Nearly always nobody has any lock.
        if self.state.lock().files.is_empty() {
            return;
        }
        if let Ok(key) = key_of(file) {
            self.drop_records(Owner::Process(pid), |other| other == key);
        }
    }

    /// Process `pid` ended: all its record locks are gone.
    pub fn forget_process(&self, pid: Pid) {
        self.drop_records(Owner::Process(pid), |_| true);
    }

    fn drop_records(&self, owner: Owner, is_meant: impl Fn(FileKey) -> bool) {
        let has_changed = {
            let mut state = self.state.lock();
            let mut has_changed = false;
            for (&key, entry) in state.files.iter_mut() {
                if is_meant(key) {
                    has_changed |= entry.records.drop_all(owner);
                }
            }
            state.files.retain(|_, entry| !entry.is_unlocked());
            has_changed
        };
        if has_changed {
            self.changed.wake_all();
        }
    }
}

impl FileEntry {
    const fn is_unlocked(&self) -> bool {
        self.flocks.is_empty() && self.records.is_empty()
    }
}

impl State {
    fn forget_if_unlocked(&mut self, key: FileKey) {
        if self.files.get(&key).is_some_and(FileEntry::is_unlocked) {
            self.files.remove(&key);
        }
    }
}

fn key_of(file: &OpenFile) -> Result<FileKey> {
    if file.is_path() {
        return Err(Errno::EBADF.into());
    }
    let metadata = file.metadata()?;
    Ok((metadata.device, metadata.inode))
}

/// A request for a record lock that may wait.
struct RecordRequest {
    locks: FileLocks,
    key: FileKey,
    owner: Owner,
    kind: Option<LockKind>,
    range: Range,
}

impl RecordRequest {
    fn try_set(&self) -> Try<()> {
        let has_changed = {
            let mut state = self.locks.state.lock();
            let records = &mut state
                .files
                .get_or_insert_with(self.key, FileEntry::default)
                .records;
            if let Some(kind) = self.kind
                && let Some(conflict) = records.conflict(self.owner, kind, self.range)
            {
                state.forget_if_unlocked(self.key);
                return match conflict.owner {
                    Owner::Process(_)
                        if state.waiters.would_deadlock(self.owner, conflict.owner) =>
                    {
                        Err(Errno::EDEADLK.into())
                    }
                    _ => Err(Stall::WouldBlock),
                };
            }
            let has_changed = records.set(self.owner, self.kind, self.range);
            state.forget_if_unlocked(self.key);
            has_changed
        };
        if has_changed {
            self.locks.changed.wake_all();
        }
        Ok(())
    }
}

impl Attempt for RecordRequest {
    type Output = ();

    fn attempt(&mut self) -> Try<()> {
        let result = self.try_set();
        let mut state = self.locks.state.lock();
        match result {
            Err(Stall::WouldBlock) => {
                let records = state.files.get(&self.key).map(|entry| &entry.records);
                let blocker = self.kind.and_then(|kind| {
                    records?
                        .conflict(self.owner, kind, self.range)
                        .map(|conflict| conflict.owner)
                });
                state.waiters.wait(self.owner, blocker);
            }
            _ => state.waiters.stop(self.owner),
        }
        result
    }

    fn settle(&mut self, fault: Fault) -> Answer<()> {
        Err(fault)
    }
}

impl Drop for RecordRequest {
    fn drop(&mut self) {
        self.locks.state.lock().waiters.stop(self.owner);
    }
}

#[cfg(test)]
mod tests;
