//! Moving names within a tmpfs.

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sync::LockGuard;

use super::inode::TmpInode;
use super::state::State;
use crate::vfs::inode::{RenameMode, Timestamp};

impl TmpInode {
    /// `Inode::rename`, to a directory of the same file system, with what the old name stands for then.
    pub(super) fn move_name(
        &self,
        old_name: &[u8],
        target: &Self,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<Arc<Self>>,
        time: Timestamp,
    ) -> Result<()> {
        let _structure = self.shared.structure.lock();
        let mut pair = Pair::lock(self, target);
        let moved = Arc::clone(pair.from().names()?.find(old_name).ok_or(Errno::ENOENT)?);
        let names = pair.to().names()?;
        if names.is_dead {
            return Err(Errno::ENOENT.because("the directory was removed"));
        }
        let replaced = names.find(new_name).cloned();
        match (&replaced, mode) {
            (Some(_), RenameMode::NoReplace) => return Err(Errno::EEXIST.into()),
            (None, RenameMode::Exchange) => return Err(Errno::ENOENT.into()),
            (Some(replaced), _) if Arc::ptr_eq(replaced, &moved) => return Ok(()),
            (Some(replaced), RenameMode::Exchange) => {
                pair.to().names()?.replace(new_name, Arc::clone(&moved));
                pair.from().names()?.replace(old_name, Arc::clone(replaced));
                pair.move_link(&moved, replaced);
                replaced.state.lock().ctime = time;
            }
            (Some(replaced), RenameMode::Replace) => {
                match (moved.is_directory(), replaced.is_directory()) {
                    (true, true) => replaced.kill_if_empty(time)?,
                    (true, false) => return Err(Errno::ENOTDIR.into()),
                    (false, true) => return Err(Errno::EISDIR.into()),
                    (false, false) => replaced.state.lock().unlinked(time),
                }
                // A new cookie: who reads the directory now may not have seen the new name.
                pair.to().names()?.remove(new_name);
                pair.from().names()?.remove(old_name);
                pair.to().names()?.insert(new_name, Arc::clone(&moved));
                if moved.is_directory() {
                    let old = pair.from();
                    old.nr_links = old.nr_links.saturating_sub(1);
                }
            }
            (None, _) => {
                pair.from().names()?.remove(old_name);
                pair.to().names()?.insert(new_name, Arc::clone(&moved));
                if moved.is_directory() {
                    let old = pair.from();
                    old.nr_links = old.nr_links.saturating_sub(1);
                    let new = pair.to();
                    new.nr_links = new.nr_links.saturating_add(1);
                }
            }
        }
        if let Some(whiteout) = whiteout {
            pair.from().names()?.insert(old_name, whiteout);
        }
        pair.from().touch(time);
        pair.to().touch(time);
        moved.state.lock().ctime = time;
        drop(pair);
        drop((moved, replaced));
        Ok(())
    }
}

/// The locked directories of a rename: one or two.
struct Pair<'a> {
    old: LockGuard<'a, State>,
    /// `None` when both are the same.
    new: Option<LockGuard<'a, State>>,
}

impl<'a> Pair<'a> {
    /// Locks both in the order of their numbers.
    fn lock(old: &'a TmpInode, new: &'a TmpInode) -> Self {
        if std::ptr::eq(old, new) {
            return Self {
                old: old.state.lock(),
                new: None,
            };
        }
        if old.number < new.number {
            let old = old.state.lock();
            Self {
                old,
                new: Some(new.state.lock()),
            }
        } else {
            let new = new.state.lock();
            Self {
                old: old.state.lock(),
                new: Some(new),
            }
        }
    }

    fn from(&mut self) -> &mut State {
        &mut self.old
    }

    fn to(&mut self) -> &mut State {
        self.new.as_mut().unwrap_or(&mut self.old)
    }

    /// Counts the links of both directories after `a` went to the new one and `b` to the old one.
    fn move_link(&mut self, a: &TmpInode, b: &TmpInode) {
        let (gains, loses) = match (a.is_directory(), b.is_directory()) {
            (true, false) => (self.to().nr_links, self.from().nr_links),
            (false, true) => (self.from().nr_links, self.to().nr_links),
            _ => return,
        };
        if self.new.is_none() {
            return;
        }
        let (gains, loses) = (gains.saturating_add(1), loses.saturating_sub(1));
        let (new, old) = if a.is_directory() {
            (gains, loses)
        } else {
            (loses, gains)
        };
        self.to().nr_links = new;
        self.from().nr_links = old;
    }
}
