//! The file descriptors of a process: small numbers for open file descriptions.
//!
//! A new fd is always the lowest free one (POSIX), so the table is a dense vector with a hint
//! where the first hole may be. Operations that close return what they took out: the caller
//! drops it after releasing its locks, because closing may wake, unlock and free.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use abi::limits::NR_OPEN;
use abi::{Errno, Fd, Result};

use crate::open_file::OpenFile;

/// Whether `execve(2)` closes an fd (`FD_CLOEXEC`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnExec {
    /// It stays open.
    #[default]
    Keep,
    /// It is closed.
    Close,
}

#[derive(Clone, Debug)]
struct Entry {
    file: Arc<OpenFile>,
    on_exec: OnExec,
}

/// A table of file descriptors. `Clone` is what `fork(2)` does to it.
///
/// Invariant: no slot below `first_hole` is free.
#[derive(Clone, Debug, Default)]
pub struct FdTable {
    slots: Vec<Option<Entry>>,
    first_hole: usize,
}

impl FdTable {
    /// No fd.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            first_hole: 0,
        }
    }

    /// The description behind `fd`, to be held for the time of a call.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        self.entry(fd).map(|entry| Arc::clone(&entry.file))
    }

    /// Whether `execve` closes `fd` (`F_GETFD`).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn on_exec(&self, fd: Fd) -> Result<OnExec> {
        self.entry(fd).map(|entry| entry.on_exec)
    }

    /// `F_SETFD`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_on_exec(&mut self, fd: Fd, on_exec: OnExec) -> Result<()> {
        let slot = fd
            .index()
            .and_then(|index| self.slots.get_mut(index))
            .and_then(Option::as_mut);
        slot.ok_or(Errno::EBADF)?.on_exec = on_exec;
        Ok(())
    }

    fn entry(&self, fd: Fd) -> Result<&Entry> {
        let slot = fd
            .index()
            .and_then(|index| self.slots.get(index))
            .and_then(Option::as_ref);
        Ok(slot.ok_or(Errno::EBADF)?)
    }

    /// Whether [`FdTable::install`] would succeed.
    pub fn has_room(&self, limit: u64) -> bool {
        let (limit, used) = (cut(limit), self.slots.iter().skip(self.first_hole));
        let free = self
            .first_hole
            .saturating_add(used.take_while(|slot| slot.is_some()).count());
        free < limit
    }

    /// Gives `file` the lowest free fd.
    ///
    /// - `limit`: `RLIMIT_NOFILE`, one more than the highest fd
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install(&mut self, file: Arc<OpenFile>, on_exec: OnExec, limit: u64) -> Result<Fd> {
        self.install_from(Fd(0), file, on_exec, limit)
    }

    /// Gives `file` the lowest free fd that is not below `minimum` (`F_DUPFD`).
    ///
    /// # Errors
    /// `EINVAL` for a minimum that is negative or not below `limit`, `EMFILE`.
    pub fn install_from(
        &mut self,
        minimum: Fd,
        file: Arc<OpenFile>,
        on_exec: OnExec,
        limit: u64,
    ) -> Result<Fd> {
        let minimum = minimum.index().ok_or(Errno::EINVAL)?;
        let limit = cut(limit);
        if minimum >= limit && minimum > 0 {
            return Err(Errno::EINVAL.into());
        }
        let start = minimum.max(self.first_hole);
        let free = self.slots.iter().skip(start).position(Option::is_none);
        let index = free.map_or(self.slots.len().max(start), |distance| {
            start.saturating_add(distance)
        });
        if index >= limit {
            return Err(Errno::EMFILE.into());
        }
        if minimum <= self.first_hole {
            self.first_hole = index.saturating_add(1);
        }
        self.put(index, Entry { file, on_exec });
        fd_at(index).ok_or_else(|| Errno::EMFILE.into())
    }

    /// Fills a slot; returns what was in it.
    fn put(&mut self, index: usize, entry: Entry) -> Option<Entry> {
        if index >= self.slots.len() {
            self.slots.resize_with(index.saturating_add(1), || None);
        }
        self.slots
            .get_mut(index)
            .and_then(|slot| slot.replace(entry))
    }

    /// `dup(2)`: the lowest free fd for the description of `fd`.
    ///
    /// # Errors
    /// `EBADF`, `EMFILE`.
    pub fn duplicate(&mut self, fd: Fd, limit: u64) -> Result<Fd> {
        let file = self.get(fd)?;
        self.install(file, OnExec::Keep, limit)
    }

    /// `dup2(2)`, `dup3(2)`: makes `target` refer to the description of `fd`; returns the one that
    /// it referred to. With equal numbers nothing changes (`dup3` refuses that before).
    ///
    /// # Errors
    /// `EBADF` when `fd` is not open or `target` is not below `limit`.
    pub fn duplicate_to(
        &mut self,
        fd: Fd,
        target: Fd,
        on_exec: OnExec,
        limit: u64,
    ) -> Result<Option<Arc<OpenFile>>> {
        let file = self.get(fd)?;
        let limit = cut(limit);
        let target_index = target
            .index()
            .filter(|&index| index < limit)
            .ok_or(Errno::EBADF)?;
        if fd == target {
            return Ok(None);
        }
        Ok(self
            .put(target_index, Entry { file, on_exec })
            .map(|entry| entry.file))
    }

    /// `close(2)`: takes the description out.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, fd: Fd) -> Result<Arc<OpenFile>> {
        let index = fd.index().ok_or(Errno::EBADF)?;
        let entry = self
            .slots
            .get_mut(index)
            .and_then(Option::take)
            .ok_or(Errno::EBADF)?;
        self.first_hole = self.first_hole.min(index);
        Ok(entry.file)
    }

    /// `close_range(2)` without `CLOSE_RANGE_CLOEXEC`: closes the fds of `range` that are open.
    pub fn close_range(&mut self, range: RangeInclusive<u32>) -> Vec<Arc<OpenFile>> {
        self.take_where(range, |_| true)
    }

    /// `close_range(2)` with `CLOSE_RANGE_CLOEXEC`.
    pub fn set_on_exec_range(&mut self, range: RangeInclusive<u32>) {
        let (start, count) = span(&range);
        for entry in self.slots.iter_mut().skip(start).take(count).flatten() {
            entry.on_exec = OnExec::Close;
        }
    }

    /// What `execve(2)` does.
    pub fn close_on_exec(&mut self) -> Vec<Arc<OpenFile>> {
        self.take_where(0..=u32::MAX, |entry| entry.on_exec == OnExec::Close)
    }

    /// What the end of the process does.
    pub fn close_all(&mut self) -> Vec<Arc<OpenFile>> {
        let slots = mem::take(self).slots;
        slots
            .into_iter()
            .flatten()
            .map(|entry| entry.file)
            .collect()
    }

    fn take_where(
        &mut self,
        range: RangeInclusive<u32>,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<OpenFile>> {
        let (start, count) = span(&range);
        let mut taken = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate().skip(start).take(count) {
            if let Some(entry) = slot.take_if(|entry| is_wanted(entry)) {
                self.first_hole = self.first_hole.min(index);
                taken.push(entry.file);
            }
        }
        taken
    }

    /// The open fds in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (Fd, &Arc<OpenFile>, OnExec)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let entry = slot.as_ref()?;
            Some((fd_at(index)?, &entry.file, entry.on_exec))
        })
    }
}

fn fd_at(index: usize) -> Option<Fd> {
    i32::try_from(index).ok().map(Fd)
}

/// One more than the highest fd that `limit` allows.
fn cut(limit: u64) -> usize {
    usize::try_from(limit.min(u64::from(NR_OPEN))).unwrap_or(usize::MAX)
}

/// First index and number of slots of a range of fds.
fn span(range: &RangeInclusive<u32>) -> (usize, usize) {
    let start = usize::try_from(*range.start()).unwrap_or(usize::MAX);
    let end = usize::try_from(*range.end()).unwrap_or(usize::MAX);
    (
        start,
        end.saturating_sub(start)
            .saturating_add(usize::from(end >= start)),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LIMIT: u64 = 40;

    fn file() -> Arc<OpenFile> {
        let end = crate::ipc::pipe::pipe(&fs::budget::Budget::unlimited()).0;
        OpenFile::from_anonymous_pipe(end, 0, 0, 0, fs::vfs::inode::Timestamp::default())
    }

    /// The lowest fd from `minimum` that the model does not have.
    fn lowest(model: &BTreeMap<i32, (u64, OnExec)>, minimum: i32) -> i32 {
        (minimum..).find(|fd| !model.contains_key(fd)).unwrap()
    }

    #[test]
    fn table_behaves_like_a_map_with_lowest_free_keys() {
        let mut table = FdTable::new();
        let mut model: BTreeMap<i32, (u64, OnExec)> = BTreeMap::new();
        let mut state = 0x0123_4567_89ab_cdef_u64;
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (a, b) = ((state >> 8) % 48, (state >> 16) % 48);
            let (a, b) = (i32::try_from(a).unwrap() - 2, i32::try_from(b).unwrap() - 2);
            let on_exec = if state & 64 == 0 {
                OnExec::Keep
            } else {
                OnExec::Close
            };
            match state % 16 {
                0..5 => {
                    let file = file();
                    let id = file.id();
                    let expected = lowest(&model, 0);
                    match table.install(file, on_exec, LIMIT) {
                        Ok(Fd(fd)) => {
                            assert_eq!(fd, expected);
                            model.insert(fd, (id, on_exec));
                        }
                        Err(error) => {
                            assert_eq!(error.errno, Errno::EMFILE);
                            assert!(expected >= 40);
                        }
                    }
                }
                5..8 => {
                    let file = file();
                    let id = file.id();
                    match table.install_from(Fd(a), file, on_exec, LIMIT) {
                        Ok(Fd(fd)) => {
                            assert_eq!(fd, lowest(&model, a));
                            model.insert(fd, (id, on_exec));
                        }
                        Err(error) if !(0..40).contains(&a) => {
                            assert_eq!(error.errno, Errno::EINVAL);
                        }
                        Err(error) => {
                            assert_eq!(error.errno, Errno::EMFILE);
                            assert!(lowest(&model, a) >= 40);
                        }
                    }
                }
                8..12 => match table.close(Fd(a)) {
                    Ok(file) => assert_eq!(model.remove(&a).unwrap().0, file.id()),
                    Err(_) => assert!(!model.contains_key(&a)),
                },
                12..14 => match table.duplicate_to(Fd(a), Fd(b), on_exec, LIMIT) {
                    Ok(old) => {
                        if a != b {
                            let id = model.get(&a).unwrap().0;
                            let replaced = model.insert(b, (id, on_exec)).map(|entry| entry.0);
                            assert_eq!(replaced, old.map(|file| file.id()));
                        }
                    }
                    Err(_) => assert!(!model.contains_key(&a) || !(0..40).contains(&b)),
                },
                14 if state & 0xf00 == 0 => {
                    table.close_on_exec();
                    model.retain(|_, entry| entry.1 == OnExec::Keep);
                }
                15 if a >= 0 && b >= a => {
                    let range = u32::try_from(a).unwrap()..=u32::try_from(b).unwrap();
                    if state & 0x1000 == 0 {
                        table.set_on_exec_range(range);
                        model
                            .range_mut(a..=b)
                            .for_each(|(_, entry)| entry.1 = OnExec::Close);
                    } else {
                        table.close_range(range);
                        model.retain(|fd, _| !(a..=b).contains(fd));
                    }
                }
                _ => {}
            }
            let actual = table
                .iter()
                .map(|(fd, file, on_exec)| (fd.0, (file.id(), on_exec)));
            assert!(actual.eq(model.iter().map(|(&fd, &entry)| (fd, entry))));
        }
    }

    #[test]
    fn clone_shares_descriptions_and_nothing_else() {
        let mut table = FdTable::new();
        let fd = table.install(file(), OnExec::Close, LIMIT).unwrap();
        let mut child = table.clone();
        assert!(Arc::ptr_eq(
            &table.get(fd).unwrap(),
            &child.get(fd).unwrap()
        ));
        child.close(fd).unwrap();
        assert!(table.get(fd).is_ok());
        assert_eq!(child.get(fd).unwrap_err().errno, Errno::EBADF);
    }

    #[test]
    fn empty_range_closes_nothing() {
        let mut table = FdTable::new();
        table.install(file(), OnExec::Keep, LIMIT).unwrap();
        #[expect(clippy::reversed_empty_ranges, reason = "what a guest may ask for")]
        let closed = table.close_range(3..=0);
        assert!(closed.is_empty());
        assert_eq!(table.close_range(0..=u32::MAX).len(), 1);
    }
}
