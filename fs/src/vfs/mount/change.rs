//! How a mount becomes another one: `MS_MOVE`, `MS_REMOUNT`, and who stands against the latter.
//!
//! A mount is read-only by itself, or because its file system is. It becomes so only while nobody
//! has a file of it open for writing: whoever opens one counts first and then looks at the flag
//! ([`Writer`]), whoever remounts sets the flag first and then looks at the count.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::flags::{
    MS_BIND, MS_NOATIME, MS_NODIRATIME, MS_RDONLY, MS_RELATIME, MS_STRICTATIME, MS_SYNCHRONOUS,
};
use abi::{Errno, Result};

use super::{KEPT_FLAGS, Mount, key};
use crate::vfs::Vfs;
use crate::vfs::flush::Flush;
use crate::vfs::path::Location;
use crate::vfs::registry::MountRequest;

/// Flags that a remount keeps if it names none of them.
const ATIME_FLAGS: u32 = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

/// A file is open for writing: while this is held its mount stays writable.
#[derive(Debug)]
pub struct Writer(Arc<Mount>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.nr_writers.fetch_sub(1, Ordering::SeqCst);
        self.0.tree.nr_writers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Mount {
    /// Counts one more file that is open for writing.
    ///
    /// # Errors
    /// `EROFS`
    pub(in crate::vfs) fn writer(self: &Arc<Self>) -> Result<Writer> {
        self.nr_writers.fetch_add(1, Ordering::SeqCst);
        self.tree.nr_writers.fetch_add(1, Ordering::SeqCst);
        let writer = Writer(Arc::clone(self));
        self.check_writable()?;
        Ok(writer)
    }

    /// `MS_REMOUNT`: other flags for this mount, and other options for its file system; with `MS_BIND` the flags only.
    ///
    /// # Errors
    /// `EINVAL` when `at` is not its root; `EBUSY` when it is to be read-only and files are open for writing, and what
    /// the file system says.
    ///
    /// # References
    /// Linux v6.12 `fs/namespace.c` `do_remount`, `do_reconfigure_mnt`. Deviates: private mappings, which are copies,
    /// and files without a name on a tmpfs do not stand against it.
    pub(super) fn remount(
        &self,
        at: &Location,
        request: &MountRequest<'_>,
    ) -> Result<Option<Flush>> {
        if !at.is_mount_root() {
            return Err(Errno::EINVAL.because("not a mount point"));
        }
        let is_bind = request.flags & MS_BIND != 0;
        let mut kept = if is_bind { MS_SYNCHRONOUS } else { 0 };
        if request.flags & ATIME_FLAGS == 0 {
            kept |= ATIME_FLAGS;
        }
        let _one_at_a_time = self.tree.remounting.lock();
        let before = self.flags.load(Ordering::SeqCst);
        let flags = request.flags & KEPT_FLAGS & !kept | before & kept;
        let is_read_only = flags & MS_RDONLY != 0;
        let nr_writers = if is_bind {
            &self.nr_writers
        } else {
            &self.tree.nr_writers
        };
        let check = || {
            if is_read_only && nr_writers.load(Ordering::SeqCst) > 0 {
                return Err(Errno::EBUSY.because("files are open for writing"));
            }
            Ok(())
        };
        // Nobody shall meet a flag that goes back when this is known beforehand.
        check()?;
        self.flags.store(flags, Ordering::SeqCst);
        let remounted = if is_bind {
            check().map(|()| None)
        } else {
            self.remount_tree(is_read_only, check, request)
        };
        if remounted.is_err() {
            self.flags.store(before, Ordering::SeqCst);
        }
        remounted
    }

    fn remount_tree(
        &self,
        is_read_only: bool,
        check: impl Fn() -> Result<()>,
        request: &MountRequest<'_>,
    ) -> Result<Option<Flush>> {
        let tree = &self.tree;
        let before = tree.is_read_only.swap(is_read_only, Ordering::SeqCst);
        if let Err(error) = check().and_then(|()| tree.file_system.remount(request)) {
            tree.is_read_only.store(before, Ordering::SeqCst);
            return Err(error);
        }
        if is_read_only {
            tree.file_system.sync()
        } else {
            Ok(None)
        }
    }
}

impl Vfs {
    /// `MS_MOVE`: the mount whose root is `source` covers `target` from now on, with all that is mounted in it.
    ///
    /// # Errors
    /// `EINVAL` when `source` is no mount point, or one of the two is a directory; `ENOENT` when `target` was removed;
    /// `ELOOP` when it lies in that mount.
    ///
    /// # References
    /// Linux v6.12 `fs/namespace.c` `do_move_mount`.
    pub(super) fn move_mount(&self, source: Location, target: Location) -> Result<()> {
        let target = self.descend(target);
        if target.is_deleted() {
            return Err(Errno::ENOENT.because("the mount point was removed"));
        }
        if !source.is_mount_root() || source.is_directory() != target.is_directory() {
            return Err(Errno::EINVAL.because("no mount point, or no place for one"));
        }
        let mut mounts = self.mounts.lock();
        let place = key(&target.mount, &target.dentry);
        if mounts.by_point.contains_key(&place) {
            return Err(Errno::EBUSY.because("something was mounted there meanwhile"));
        }
        if !mounts.holds(&source.mount) || !mounts.holds(&target.mount) {
            return Err(Errno::EINVAL.because("unmounted meanwhile"));
        }
        let mut above = Some(Arc::clone(&target.mount));
        while let Some(mount) = above {
            if Arc::ptr_eq(&mount, &source.mount) {
                return Err(Errno::ELOOP.because("a mount cannot move into itself"));
            }
            above = mount.point().map(|(above, _)| above);
        }
        mounts.uncover(&source.mount);
        let point = (target.mount, target.dentry);
        let before = source.mount.point.lock().replace(point);
        mounts.cover(&source.mount);
        drop(mounts);
        drop(before);
        Ok(())
    }
}
