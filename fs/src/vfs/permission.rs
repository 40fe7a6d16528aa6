//! Who may do what: the rules of path_resolution(7) and `fs/namei.c`.

use std::cell::Cell;

use abi::flags::{
    CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SYS_RESOURCE, S_ISGID,
    S_ISVTX,
};
use abi::{Errno, Result};

use super::inode::{FileType, Metadata};
use super::path::Location;

/// Whose permissions count for access to files.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// User for file access (`fsuid`).
    pub uid: u32,
    /// Group for file access.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: &'a [u32],
    /// Privileges that are in force: bit `n` is capability `n` of capabilities(7).
    pub capabilities: u64,
}

thread_local! {
    /// For whom this thread changes files: user and group, none with `CAP_SYS_RESOURCE`.
    static ACTING: Cell<Option<(u32, u32)>> = const { Cell::new(None) };
}

/// Whether changes on this thread may take space that is reserved for this user and group, as Linux
/// asks `current`. Supplementary groups do not count.
pub(crate) fn uses_reserve_of((uid, gid): (u32, u32)) -> bool {
    ACTING.get().is_none_or(|acting| {
        // The superuser's group is no one's by membership.
        acting.0 == uid || (gid != 0 && acting.1 == gid)
    })
}

/// What is asked for: the bits of `access(2)`.
pub(super) const READ: u32 = 4;
/// Writing.
pub(super) const WRITE: u32 = 2;
/// Executing a file, searching a directory.
pub(super) const EXECUTE: u32 = 1;

impl Caller<'_> {
    /// The superuser without supplementary groups.
    pub const ROOT: Caller<'static> = Caller {
        uid: 0,
        gid: 0,
        groups: &[],
        capabilities: u64::MAX,
    };

    /// Whether they have the privilege `capability` (`CAP_*`).
    pub const fn has(&self, capability: u32) -> bool {
        match self.capabilities.checked_shr(capability) {
            Some(rest) => rest & 1 == 1,
            None => false,
        }
    }

    /// From now on this thread changes files for them: a file system may keep its last space for
    /// others. It is set before each such change, by whoever knows the caller.
    pub fn act(&self) {
        let is_ordinary = !self.has(CAP_SYS_RESOURCE);
        ACTING.set(is_ordinary.then_some((self.uid, self.gid)));
    }

    /// Whether `gid` is the group or a supplementary one.
    pub fn is_in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the file is theirs to change attributes of.
    pub fn owns(&self, metadata: &Metadata) -> bool {
        self.uid == metadata.uid || self.has(CAP_FOWNER)
    }

    /// Whether all of `mask` (4 read, 2 write, 1 execute or search) is allowed.
    pub fn may(&self, metadata: &Metadata, mask: u32) -> bool {
        let is_directory = metadata.file_type == FileType::Directory;
        if self.has(CAP_DAC_OVERRIDE) {
            return mask & EXECUTE == 0 || is_directory || metadata.permissions & 0o111 != 0;
        }
        let looks_only = mask & WRITE == 0 && (is_directory || mask & EXECUTE == 0);
        if looks_only && self.has(CAP_DAC_READ_SEARCH) {
            return true;
        }
        let granted = if self.uid == metadata.uid {
            metadata.permissions >> 6
        } else if self.is_in_group(metadata.gid) {
            metadata.permissions >> 3
        } else {
            metadata.permissions
        };
        mask & !granted & 0o7 == 0
    }

    /// Fails unless all of `mask` is allowed.
    ///
    /// # Errors
    /// `EACCES`
    pub fn check(&self, metadata: &Metadata, mask: u32) -> Result<()> {
        if self.may(metadata, mask) {
            Ok(())
        } else {
            Err(Errno::EACCES.because("the permission bits do not allow it"))
        }
    }

    /// Fails unless names in `directory` may be searched; asks nothing for the superuser.
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`.
    pub(super) fn check_search(&self, directory: &Location) -> Result<()> {
        if !directory.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        if self.has(CAP_DAC_OVERRIDE) {
            return Ok(());
        }
        self.check(&directory.metadata()?, EXECUTE)
    }

    /// Fails unless names in `directory` may be changed.
    ///
    /// # Errors
    /// `EROFS`, `EACCES`, `ENOENT` when the directory was removed.
    pub(super) fn check_change_of(&self, directory: &Location) -> Result<()> {
        if directory.is_deleted() {
            return Err(Errno::ENOENT.because("the directory was removed"));
        }
        directory.mount.check_writable()?;
        if self.has(CAP_DAC_OVERRIDE) {
            return Ok(());
        }
        self.check(&directory.metadata()?, WRITE | EXECUTE)
    }

    /// Fails unless `victim`, a name in `directory`, may be removed or moved away.
    ///
    /// # Errors
    /// As [`Caller::check_change_of`]; `EPERM` for another's file in a sticky directory.
    pub(super) fn check_removal(&self, directory: &Location, victim: &Location) -> Result<()> {
        self.check_change_of(directory)?;
        if self.has(CAP_FOWNER) {
            return Ok(());
        }
        let parent = directory.metadata()?;
        if parent.permissions & S_ISVTX != 0
            && parent.uid != self.uid
            && victim.metadata()?.uid != self.uid
        {
            return Err(Errno::EPERM.because("another's file in a sticky directory"));
        }
        Ok(())
    }

    /// The set-group-id bit that is left in `permissions` of a file of group `gid`.
    pub(super) fn without_foreign_set_gid(&self, permissions: u32, gid: u32) -> u32 {
        if self.has(CAP_FSETID) || self.is_in_group(gid) {
            permissions
        } else {
            permissions & !S_ISGID
        }
    }
}
