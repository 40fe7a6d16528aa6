//! The names of a directory, in the order in which they were made.
//!
//! Each name has a number of its own that is never used again: it is the cookie of `read_dir`, so
//! a reader that comes back sees each name that stayed exactly once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::inode::TmpInode;

/// The names of one directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: HashMap<Arc<[u8]>, u64>,
    by_number: BTreeMap<u64, Name>,
    last_number: u64,
    /// The directory was removed: nothing may be made in it.
    pub(super) is_dead: bool,
}

/// One name.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) name: Arc<[u8]>,
    pub(super) inode: Arc<TmpInode>,
}

impl Names {
    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether there is no name.
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// What `name` stands for.
    pub(super) fn find(&self, name: &[u8]) -> Option<&Arc<TmpInode>> {
        let number = self.by_name.get(name)?;
        self.by_number.get(number).map(|name| &name.inode)
    }

    /// Adds a name that is not there yet.
    pub(super) fn insert(&mut self, name: &[u8], inode: Arc<TmpInode>) {
        let name: Arc<[u8]> = name.into();
        self.last_number = self.last_number.saturating_add(1);
        self.by_name.insert(Arc::clone(&name), self.last_number);
        self.by_number
            .insert(self.last_number, Name { name, inode });
    }

    /// Takes a name out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<TmpInode>> {
        let number = self.by_name.remove(name)?;
        self.by_number.remove(&number).map(|name| name.inode)
    }

    /// Lets a name stand for another inode; returns the one before.
    pub(super) fn replace(&mut self, name: &[u8], inode: Arc<TmpInode>) -> Option<Arc<TmpInode>> {
        let number = self.by_name.get(name)?;
        let name = self.by_number.get_mut(number)?;
        Some(std::mem::replace(&mut name.inode, inode))
    }

    /// Up to `max` names after `cookie`, each with its own cookie.
    pub(super) fn after(&self, cookie: u64, max: usize) -> Vec<(u64, Name)> {
        let Some(start) = cookie.checked_add(1) else {
            return Vec::new();
        };
        let names = self.by_number.range(start..).take(max);
        names
            .map(|(&number, name)| (number, name.clone()))
            .collect()
    }

    /// Takes all inodes out.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Arc<TmpInode>> + use<> {
        self.by_name.clear();
        std::mem::take(&mut self.by_number)
            .into_values()
            .map(|name| name.inode)
    }
}
