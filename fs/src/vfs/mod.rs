//! What all file systems share: names, mounts, permissions, and the calls on paths.
//!
//! [`Vfs`] is the entry. A call gets a [`Context`] (who asks, from where, when) and a path, and the
//! calls are spread over files by family:
//!
//! - [`path`]: [`path::Location`], a place in the tree; [`dentry`]: the names that are cached
//! - `walk`: from a path to a location
//! - `open`, `names`, `rename`, `attributes`: the system calls
//! - [`xattr`]: extended attributes of a location
//! - [`mount`]: what is mounted where; [`registry`]: which types of file systems there are
//! - [`inode`], [`mod@file`]: what a file system and an open file implement

pub mod anonymous;
mod attributes;
pub mod dentry;
pub mod device;
pub mod file;
pub mod flush;
pub mod inode;
pub mod mount;
mod names;
pub mod open;
pub mod path;
pub mod permission;
pub mod registry;
mod rename;
#[cfg(test)]
mod tests;
mod walk;
pub mod xattr;

use std::sync::{Arc, OnceLock};

use executor::sync::Lock;

use self::device::DeviceRegistry;
use self::inode::Timestamp;
use self::mount::MountTable;
use self::path::Location;
use crate::budget::Budget;
use crate::notify::Notify;
use crate::procfs::source::ProcessSource;

pub use self::attributes::{Access, NewTime};
pub use self::open::{Opened, permissions_after_write};
pub use self::permission::Caller;
pub use self::walk::{Follow, Scope};

/// Who asks, from where, and when: what a call on a path needs besides the path.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What `/` means, and where `..` ends.
    pub root: &'a Location,
    /// Where a relative path starts: the working directory, or that of the fd of an `*at` call.
    pub cwd: &'a Location,
    /// Whose permissions count.
    pub caller: Caller<'a>,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// The time that changes carry.
    pub now: Timestamp,
    /// Where a path may lead.
    pub scope: Scope,
}

/// The mounted file systems of one pod and the calls on them.
#[derive(Debug)]
pub struct Vfs {
    mounts: Lock<MountTable>,
    devices: Arc<dyn DeviceRegistry>,
    processes: OnceLock<Arc<dyn ProcessSource>>,
    budget: Arc<Budget>,
    notify: Arc<Notify>,
}

impl Vfs {
    /// Nothing mounted yet; device files are served by `devices`. Memory has no limit.
    pub fn new(devices: Arc<dyn DeviceRegistry>) -> Self {
        Self::with_budget(devices, Budget::unlimited())
    }

    /// The same with the memory of `budget`.
    pub fn with_budget(devices: Arc<dyn DeviceRegistry>, budget: Arc<Budget>) -> Self {
        Self {
            budget,
            notify: Arc::default(),
            mounts: Lock::new(MountTable::default()),
            devices,
            processes: OnceLock::new(),
        }
    }

    /// The root directory, once one is mounted.
    pub fn root(&self) -> Option<Location> {
        let root = self.mounts.lock().root()?;
        Some(self.descend(Location::of_mount(root)))
    }

    /// Says who knows the processes: from now on `proc` can be mounted. The first call counts.
    pub fn set_processes(&self, source: Arc<dyn ProcessSource>) {
        let _ = self.processes.set(source);
    }

    /// Who knows the processes.
    pub fn processes(&self) -> Option<Arc<dyn ProcessSource>> {
        self.processes.get().cloned()
    }

    /// The memory of the pod.
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Who wants to know what happens to files.
    pub const fn notify(&self) -> &Arc<Notify> {
        &self.notify
    }

    /// Who serves device files.
    pub fn devices(&self) -> &Arc<dyn DeviceRegistry> {
        &self.devices
    }
}
