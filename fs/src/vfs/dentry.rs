//! Names in directories, cached: each [`Dentry`] is one name of one inode, and knows its parent.
//!
//! The chain of parents answers `..` and `getcwd(2)`, also after a rename. Each directory's
//! `children` remembers names that were found (and names that were not), so that a walk over a
//! known path calls no file system. The lock of `children` is held while the directory's inode
//! looks up or changes a name: what is remembered is what is there, as long as changes come
//! through the VFS. Directories that change on their own say so ([`Inode::is_cacheable`]); their
//! names are looked up each time, and the cache only keeps one dentry for a name while it is held.
//! So every dentry that somebody holds and that was not removed is in its parent's `children`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::sync::{Lock, LockGuard};

use super::inode::{
    FileSystem, FileType, Inode, Naming, NewAttributes, NewNode, RenameMode, Timestamp,
};

/// Names that a file system's cache holds before the first sweep.
const CACHE_LIMIT: usize = 16_384;

/// One name of one inode; the root of a file system has an empty name.
pub struct Dentry {
    inode: Arc<dyn Inode>,
    file_type: FileType,
    is_cacheable: bool,
    /// How many file systems are mounted here.
    nr_mounts: AtomicU32,
    /// Found since the last sweep.
    is_recent: AtomicBool,
    place: Lock<Place>,
    children: Lock<Children>,
    usage: Arc<Usage>,
}

/// Where a dentry hangs. Changed by rename and removal.
#[derive(Clone)]
pub(super) struct Place {
    /// `None` for the root of a file system.
    pub(super) parent: Option<Arc<Dentry>>,
    /// Empty for the root of a file system.
    pub(super) name: Box<[u8]>,
    /// The name was removed; it stays here for `/proc/PID/fd`.
    pub(super) is_deleted: bool,
}

type Children = HashMap<Box<[u8]>, Child>;

/// What is known of a name.
enum Child {
    Present(Arc<Dentry>),
    /// The same in a directory that is not cacheable: valid if it is still the same inode.
    Held(Weak<Dentry>),
    /// The directory has no such name.
    Absent,
}

impl Child {
    /// The dentry, if there is one.
    fn dentry(&self) -> Option<Arc<Dentry>> {
        match self {
            Self::Present(child) => Some(Arc::clone(child)),
            Self::Held(child) => child.upgrade(),
            Self::Absent => None,
        }
    }
}

/// How many names a file system's cache holds.
#[derive(Debug, Default)]
struct Usage {
    nr_names: AtomicUsize,
}

/// A mounted file system with its dentries; all mounts of one file system share it.
#[derive(Debug)]
pub struct Tree {
    pub(super) file_system: Arc<dyn FileSystem>,
    pub(super) root: Arc<Dentry>,
    /// Held while directories move, and while names are swept.
    structure: Lock<()>,
    limit: AtomicUsize,
    /// Whether no mount of it may change anything.
    pub(super) is_read_only: AtomicBool,
    /// Files that are open for writing, in all its mounts.
    pub(super) nr_writers: AtomicU32,
    /// Held while one of its mounts takes other options.
    pub(super) remounting: Lock<()>,
}

impl fmt::Debug for Dentry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.place.lock().name.clone();
        f.debug_struct("Dentry")
            .field("name", &String::from_utf8_lossy(&name))
            .field("file_type", &self.file_type)
            .finish_non_exhaustive()
    }
}

impl Drop for Dentry {
    /// Frees a chain of parents one by one: a guest can nest directories deeper than our stack.
    fn drop(&mut self) {
        let mut parent = self.place.get_mut().parent.take();
        while let Some(mut dentry) = parent.and_then(Arc::into_inner) {
            parent = dentry.place.get_mut().parent.take();
        }
    }
}

impl Dentry {
    /// A dentry of `inode` that is in no directory's cache.
    pub(super) fn detached(
        parent: Option<Arc<Self>>,
        name: &[u8],
        inode: Arc<dyn Inode>,
    ) -> Result<Arc<Self>> {
        let usage = parent
            .as_ref()
            .map(|parent| Arc::clone(&parent.usage))
            .unwrap_or_default();
        let file_type = inode.metadata()?.file_type;
        Ok(Arc::new(Self {
            file_type,
            is_cacheable: inode.is_cacheable(),
            inode,
            nr_mounts: AtomicU32::new(0),
            is_recent: AtomicBool::new(true),
            place: Lock::new(Place {
                parent,
                name: name.into(),
                is_deleted: false,
            }),
            children: Lock::new(Children::new()),
            usage,
        }))
    }

    /// The inode of this name.
    pub const fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// The type of the inode, which never changes.
    pub const fn file_type(&self) -> FileType {
        self.file_type
    }

    /// The directory that holds this name; `None` for a file system's root.
    pub fn parent(&self) -> Option<Arc<Self>> {
        self.place.lock().parent.clone()
    }

    /// The name now.
    pub fn name(&self) -> Box<[u8]> {
        self.place.lock().name.clone()
    }

    /// Whether the name was removed.
    pub fn is_deleted(&self) -> bool {
        self.place.lock().is_deleted
    }

    pub(super) fn place(&self) -> Place {
        self.place.lock().clone()
    }

    /// Whether a file system is mounted here, in any mount of this one.
    pub fn is_mount_point(&self) -> bool {
        self.nr_mounts.load(Ordering::Acquire) != 0
    }

    /// Counts one more mount here.
    pub(super) fn add_mount_count(&self) {
        self.nr_mounts.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts one mount less here.
    pub(super) fn remove_mount(&self) {
        self.nr_mounts.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether `self` is `other` or stands above it in the same file system.
    pub(super) fn is_at_or_above(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        let mut cursor = Some(Arc::clone(other));
        while let Some(dentry) = cursor {
            if Arc::ptr_eq(self, &dentry) {
                return true;
            }
            cursor = dentry.parent();
        }
        false
    }

    /// The path from the root of the file system.
    pub(super) fn path_in_tree(&self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut place = self.place();
        while let Some(parent) = place.parent {
            names.push(place.name);
            place = parent.place();
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        path
    }

    /// Finds `name` in this directory.
    ///
    /// # Errors
    /// `ENOENT`, and what the inode says.
    pub(super) fn child(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Self>> {
        let mut children = self.children.lock();
        match children.get(name) {
            Some(Child::Present(child)) => {
                child.is_recent.store(true, Ordering::Relaxed);
                return Ok(Arc::clone(child));
            }
            Some(Child::Held(child)) => {
                if let Some(child) = child.upgrade().filter(|child| child.is_mount_point()) {
                    return Ok(child);
                }
            }
            Some(Child::Absent) => return Err(Errno::ENOENT.into()),
            None => {}
        }
        match self.inode.lookup(name) {
            Ok(inode) => self.adopt(&mut children, name, inode),
            Err(error) => {
                if error.errno == Errno::ENOENT && self.is_cacheable {
                    self.remember(&mut children, name, Child::Absent);
                }
                Err(error)
            }
        }
    }

    /// Makes `name` in this directory.
    ///
    /// # Errors
    /// `EEXIST`, and what the inode says.
    pub(super) fn create(
        self: &Arc<Self>,
        name: &[u8],
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<Self>> {
        let mut children = self.children.lock();
        if matches!(children.get(name), Some(Child::Present(_))) {
            return Err(Errno::EEXIST.into());
        }
        let inode = self.inode.create(name, node, attributes)?;
        self.adopt(&mut children, name, inode)
    }

    /// Makes a file without a name, which `/proc` shows by its number below this directory.
    ///
    /// # Errors
    /// What the inode says.
    pub(super) fn create_unnamed(
        self: &Arc<Self>,
        naming: Naming,
        attributes: &NewAttributes,
    ) -> Result<Arc<Self>> {
        let inode = self.inode.create_unnamed(naming, attributes)?;
        let name = format!("#{}", inode.metadata()?.inode);
        let dentry = Self::detached(Some(Arc::clone(self)), name.as_bytes(), inode)?;
        dentry.place.lock().is_deleted = true;
        Ok(dentry)
    }

    /// Gives `target` the name `name` in this directory.
    ///
    /// # Errors
    /// `EEXIST`, and what the inode says.
    pub(super) fn link(&self, name: &[u8], target: &Arc<dyn Inode>, time: Timestamp) -> Result<()> {
        let mut children = self.children.lock();
        self.inode.link(name, target, time)?;
        self.forget(&mut children, name);
        Ok(())
    }

    /// Removes `name` from this directory: a directory's name or any other's.
    ///
    /// # Errors
    /// `EBUSY` for a mount point, and what the inode says.
    pub(super) fn remove(&self, name: &[u8], kind: Removal, time: Timestamp) -> Result<()> {
        let mut children = self.children.lock();
        let known = children.get(name).and_then(Child::dentry);
        if known.is_some_and(|child| child.is_mount_point()) {
            return Err(Errno::EBUSY.because("a file system is mounted there"));
        }
        match kind {
            Removal::Directory => self.inode.rmdir(name, time)?,
            Removal::Other => self.inode.unlink(name, time)?,
        }
        self.bury(&mut children, name);
        Ok(())
    }

    /// Remembers an inode under its name.
    fn adopt(
        self: &Arc<Self>,
        children: &mut Children,
        name: &[u8],
        inode: Arc<dyn Inode>,
    ) -> Result<Arc<Self>> {
        if let Some(Child::Held(held)) = children.get(name)
            && let Some(held) = held.upgrade()
            && held.is_of(&inode)?
        {
            return Ok(held);
        }
        let child = Self::detached(Some(Arc::clone(self)), name, inode)?;
        self.remember(children, name, self.entry_of(&child));
        Ok(child)
    }

    /// Whether this is a name of `inode`.
    fn is_of(&self, inode: &Arc<dyn Inode>) -> Result<bool> {
        if std::ptr::addr_eq(Arc::as_ptr(&self.inode), Arc::as_ptr(inode)) {
            return Ok(true);
        }
        // An inode that is gone has no attributes.
        let Ok(own) = self.inode.metadata() else {
            return Ok(false);
        };
        let other = inode.metadata()?;
        Ok((own.device, own.inode, own.file_type) == (other.device, other.inode, other.file_type))
    }

    /// How this directory remembers a name.
    fn entry_of(&self, child: &Arc<Self>) -> Child {
        if self.is_cacheable {
            Child::Present(Arc::clone(child))
        } else {
            Child::Held(Arc::downgrade(child))
        }
    }

    fn remember(&self, children: &mut Children, name: &[u8], child: Child) {
        if children.insert(name.into(), child).is_none() {
            self.usage.nr_names.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a name out of the cache and returns its dentry.
    fn forget(&self, children: &mut Children, name: &[u8]) -> Option<Arc<Self>> {
        let child = children.remove(name)?;
        self.usage.nr_names.fetch_sub(1, Ordering::Relaxed);
        child.dentry()
    }

    /// Marks the dentry of a removed name, and remembers that the name is gone.
    fn bury(&self, children: &mut Children, name: &[u8]) {
        if let Some(child) = self.forget(children, name) {
            child.place.lock().is_deleted = true;
        }
        if self.is_cacheable {
            self.remember(children, name, Child::Absent);
        }
    }
}

/// What [`Dentry::remove`] removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// An empty directory.
    Directory,
    /// Anything else.
    Other,
}

/// One side of a rename: a directory and a name in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    pub(super) directory: &'a Arc<Dentry>,
    pub(super) name: &'a [u8],
}

/// The locks of one or two directories.
struct Pair<'a> {
    first: LockGuard<'a, Children>,
    second: Option<LockGuard<'a, Children>>,
    /// Whether `second` is the old directory's.
    is_swapped: bool,
}

impl<'a> Pair<'a> {
    /// Locks both directories in the order of their addresses.
    fn lock(old: &'a Arc<Dentry>, new: &'a Arc<Dentry>) -> Self {
        if Arc::ptr_eq(old, new) {
            return Self {
                first: old.children.lock(),
                second: None,
                is_swapped: false,
            };
        }
        let is_swapped = Arc::as_ptr(new) < Arc::as_ptr(old);
        let (low, high) = if is_swapped { (new, old) } else { (old, new) };
        Self {
            first: low.children.lock(),
            second: Some(high.children.lock()),
            is_swapped,
        }
    }

    fn from(&mut self) -> &mut Children {
        match &mut self.second {
            Some(second) if self.is_swapped => second,
            _ => &mut self.first,
        }
    }

    fn to(&mut self) -> &mut Children {
        match &mut self.second {
            Some(second) if !self.is_swapped => second,
            _ => &mut self.first,
        }
    }
}

impl Tree {
    /// The dentries of a file system that was not mounted before.
    ///
    /// # Errors
    /// `EIO` when the root has no attributes.
    pub(super) fn new(file_system: Arc<dyn FileSystem>) -> Result<Self> {
        let root = Dentry::detached(None, b"", file_system.root())?;
        Ok(Self {
            file_system,
            root,
            structure: Lock::new(()),
            limit: AtomicUsize::new(CACHE_LIMIT),
            is_read_only: AtomicBool::new(false),
            nr_writers: AtomicU32::new(0),
            remounting: Lock::new(()),
        })
    }

    /// Moves a name, or swaps two. `check` looks once more at the relations, which stay until the
    /// end of the call: it is called with directories locked against moving.
    ///
    /// # Errors
    /// What `check` and the inode say.
    pub(super) fn rename(
        &self,
        old: Slot<'_>,
        new: Slot<'_>,
        mode: RenameMode,
        whiteout: Option<&NewAttributes>,
        time: Timestamp,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let structure = self.structure.lock();
        check()?;
        let mut pair = Pair::lock(old.directory, new.directory);
        let new_inode = new.directory.inode();
        old.directory
            .inode()
            .rename(old.name, new_inode, new.name, mode, whiteout, time)?;
        let moved = old.directory.forget(pair.from(), old.name);
        let replaced = new.directory.forget(pair.to(), new.name);
        if let Some(replaced) = &replaced {
            match mode {
                RenameMode::Exchange => {
                    old.directory.place_here(pair.from(), old.name, replaced);
                }
                RenameMode::Replace | RenameMode::NoReplace => {
                    replaced.place.lock().is_deleted = true;
                }
            }
        }
        if let Some(moved) = &moved {
            new.directory.place_here(pair.to(), new.name, moved);
        }
        drop(pair);
        drop(structure);
        Ok(())
    }

    /// Drops names that nobody uses, if there are many.
    pub(super) fn sweep_if_large(&self) {
        let nr_names = self.root.usage.nr_names.load(Ordering::Relaxed);
        if nr_names <= self.limit.load(Ordering::Relaxed) {
            return;
        }
        if let Some(_structure) = self.structure.try_lock() {
            self.sweep(Sweep::Unused);
            let left = self.root.usage.nr_names.load(Ordering::Relaxed);
            self.limit
                .store(left.saturating_mul(2).max(CACHE_LIMIT), Ordering::Relaxed);
        }
    }

    /// Empties the cache as far as nobody holds its names: at the end of the last mount.
    pub(super) fn clear(&self) {
        let _structure = self.structure.lock();
        self.sweep(Sweep::All);
    }

    /// Goes through all directories, children first.
    fn sweep(&self, what: Sweep) {
        let mut ordered = Vec::new();
        let mut to_visit = vec![Arc::clone(&self.root)];
        while let Some(directory) = to_visit.pop() {
            let children = directory.children.lock();
            let has_names = !children.is_empty();
            let known = children.values().filter_map(Child::dentry);
            to_visit.extend(known.filter(|child| child.file_type == FileType::Directory));
            drop(children);
            if has_names {
                ordered.push(directory);
            }
        }
        while let Some(directory) = ordered.pop() {
            let mut dropped = Vec::new();
            let mut children = directory.children.lock();
            children.retain(|_, child| match child {
                Child::Present(child) => {
                    let is_recent = child.is_recent.swap(false, Ordering::Relaxed);
                    let is_kept =
                        Arc::strong_count(child) > 1 || (is_recent && what == Sweep::Unused);
                    if !is_kept {
                        dropped.push(Arc::clone(child));
                    }
                    is_kept
                }
                Child::Held(child) if child.strong_count() > 0 => true,
                Child::Held(_) | Child::Absent => {
                    directory.usage.nr_names.fetch_sub(1, Ordering::Relaxed);
                    false
                }
            });
            drop(children);
            // Their inodes go here, outside of the lock: the last one of a file writes to its disk.
            directory
                .usage
                .nr_names
                .fetch_sub(dropped.len(), Ordering::Relaxed);
        }
    }
}

/// What a sweep takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    /// Names that were not found since the last sweep.
    Unused,
    /// All that nobody holds.
    All,
}

impl Dentry {
    /// Hangs `child` under `name` in this directory, whose children are `children`.
    fn place_here(self: &Arc<Self>, children: &mut Children, name: &[u8], child: &Arc<Self>) {
        let place = Place {
            parent: Some(Arc::clone(self)),
            name: name.into(),
            is_deleted: false,
        };
        let before = std::mem::replace(&mut *child.place.lock(), place);
        drop(before);
        self.remember(children, name, self.entry_of(child));
    }
}
