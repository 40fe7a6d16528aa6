//! Attributes: `stat(2)`, `access(2)`, `chmod(2)`, `chown(2)`, `utimensat(2)`, `truncate(2)`,
//! `statfs(2)`, `readlink(2)`.
//!
//! Each has a form for a [`Location`], which the calls on fds use, and one for a path.

use abi::flags::{
    CAP_CHOWN, IN_ACCESS, IN_ATTRIB, IN_DONT_FOLLOW, IN_MODIFY, IN_ONLYDIR, S_IALLUGO, S_ISGID,
    S_ISUID, S_IXGRP,
};
use abi::{Errno, Result};

use super::inode::{FileSystemStatus, FileType, Metadata, SetAttributes, Timestamp};
use super::open::truncate;
use super::path::Location;
use super::permission::{EXECUTE, READ, WRITE};
use super::{Caller, Context, Follow, Vfs};

/// What `access(2)` asks for: its bits, 4 read, 2 write, 1 execute; 0 asks for existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u32);

impl Access {
    /// From the `mode` of `access(2)`.
    ///
    /// # Errors
    /// `EINVAL` for other bits.
    pub fn from_mode(mode: u32) -> Result<Self> {
        if mode & !(READ | WRITE | EXECUTE) == 0 {
            Ok(Self(mode))
        } else {
            Err(Errno::EINVAL.because("access knows three bits"))
        }
    }
}

/// What `utimensat(2)` does with one of the two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// `UTIME_OMIT`
    Keep,
    /// `UTIME_NOW`
    Now,
    /// This one.
    At(Timestamp),
}

impl NewTime {
    const fn resolve(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Keep => None,
            Self::Now => Some(now),
            Self::At(time) => Some(time),
        }
    }
}

impl Vfs {
    /// `stat(2)` with [`Follow::Yes`], `lstat(2)` with [`Follow::No`].
    ///
    /// # Errors
    /// What walking says, `EIO`.
    pub fn stat(&self, cx: &Context<'_>, path: &[u8], follow: Follow) -> Result<Metadata> {
        self.walk(cx, path, follow)?.metadata()
    }

    /// `readlink(2)`: the target of the symbolic link `path`.
    ///
    /// # Errors
    /// `EINVAL` for any other type, what walking says, `EIO`.
    pub fn read_link(&self, cx: &Context<'_>, path: &[u8]) -> Result<Vec<u8>> {
        self.walk(cx, path, Follow::No)?.inode.read_link()
    }

    /// `access(2)`: `cx.caller` holds the real ids, or with `AT_EACCESS` the effective ones.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`, what walking says, `EIO`.
    pub fn access(
        &self,
        cx: &Context<'_>,
        path: &[u8],
        access: Access,
        follow: Follow,
    ) -> Result<()> {
        let location = self.walk(cx, path, follow)?;
        self.access_location(&cx.caller, &location, access)
    }

    /// [`Vfs::access`] of a file that was found before.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`, `EIO`.
    pub fn access_location(
        &self,
        caller: &Caller<'_>,
        location: &Location,
        access: Access,
    ) -> Result<()> {
        if access.0 == 0 {
            return Ok(());
        }
        let metadata = location.metadata()?;
        if access.0 & EXECUTE != 0
            && metadata.file_type == FileType::Regular
            && !location.mount.may_execute()
        {
            return Err(Errno::EACCES.because("mounted with noexec"));
        }
        caller.check(&metadata, access.0)?;
        let is_stored = matches!(
            metadata.file_type,
            FileType::Regular | FileType::Directory | FileType::Symlink
        );
        if access.0 & WRITE != 0 && is_stored {
            location.mount.check_writable()
        } else {
            Ok(())
        }
    }

    /// `chmod(2)`.
    ///
    /// # Errors
    /// `EPERM` for another's file, `EROFS`, `EOPNOTSUPP` for a symbolic link, what walking says.
    pub fn chmod(&self, cx: &Context<'_>, path: &[u8], mode: u32, follow: Follow) -> Result<()> {
        let location = self.walk(cx, path, follow)?;
        self.chmod_location(&cx.caller, &location, mode, cx.now)
    }

    /// `fchmod(2)`.
    ///
    /// # Errors
    /// `EPERM` for another's file, `EROFS`, `EOPNOTSUPP` for a symbolic link, `EIO`.
    pub fn chmod_location(
        &self,
        caller: &Caller<'_>,
        location: &Location,
        mode: u32,
        now: Timestamp,
    ) -> Result<()> {
        location.mount.check_writable()?;
        let metadata = location.metadata()?;
        if metadata.file_type == FileType::Symlink {
            return Err(Errno::EOPNOTSUPP.because("symbolic links have no mode"));
        }
        if !caller.owns(&metadata) {
            return Err(Errno::EPERM.because("not the owner"));
        }
        let permissions = caller.without_foreign_set_gid(mode & S_IALLUGO, metadata.gid);
        location.inode.set_attributes(&SetAttributes {
            permissions: Some(permissions),
            ctime: Some(now),
            ..SetAttributes::default()
        })?;
        location.notify(IN_ATTRIB);
        Ok(())
    }

    /// `chown(2)`; `None` keeps an id.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`, what walking says.
    pub fn chown(
        &self,
        cx: &Context<'_>,
        path: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
        follow: Follow,
    ) -> Result<()> {
        let location = self.walk(cx, path, follow)?;
        self.chown_location(&cx.caller, &location, uid, gid, cx.now)
    }

    /// `fchown(2)`: clears the set-id bits of what is not a directory.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`, `EIO`.
    pub fn chown_location(
        &self,
        caller: &Caller<'_>,
        location: &Location,
        uid: Option<u32>,
        gid: Option<u32>,
        now: Timestamp,
    ) -> Result<()> {
        location.mount.check_writable()?;
        let metadata = location.metadata()?;
        if !caller.has(CAP_CHOWN) {
            let is_owner = caller.uid == metadata.uid;
            let may_uid = uid.is_none_or(|uid| is_owner && uid == metadata.uid);
            let may_gid =
                gid.is_none_or(|gid| is_owner && (gid == metadata.gid || caller.is_in_group(gid)));
            if !may_uid || !may_gid {
                return Err(Errno::EPERM.because("only the superuser gives files away"));
            }
        }
        let mut dropped = 0;
        if metadata.file_type != FileType::Directory {
            dropped = S_ISUID;
            if metadata.permissions & S_IXGRP != 0 {
                dropped |= S_ISGID;
            }
        }
        let permissions =
            (metadata.permissions & dropped != 0).then_some(metadata.permissions & !dropped);
        location.inode.set_attributes(&SetAttributes {
            uid,
            gid,
            permissions,
            ctime: Some(now),
            ..SetAttributes::default()
        })?;
        if uid.is_some() || gid.is_some() || permissions.is_some() {
            location.notify(IN_ATTRIB);
        }
        Ok(())
    }

    /// `utimensat(2)`.
    ///
    /// # Errors
    /// `EACCES`, `EPERM`, `EROFS`, what walking says.
    pub fn set_times(
        &self,
        cx: &Context<'_>,
        path: &[u8],
        atime: NewTime,
        mtime: NewTime,
        follow: Follow,
    ) -> Result<()> {
        let location = self.walk(cx, path, follow)?;
        self.set_times_location(&cx.caller, &location, atime, mtime, cx.now)
    }

    /// `futimens(3)`: the owner may set any time, who may write only the time now.
    ///
    /// # Errors
    /// `EACCES`, `EPERM`, `EROFS`, `EIO`.
    pub fn set_times_location(
        &self,
        caller: &Caller<'_>,
        location: &Location,
        atime: NewTime,
        mtime: NewTime,
        now: Timestamp,
    ) -> Result<()> {
        if (atime, mtime) == (NewTime::Keep, NewTime::Keep) {
            return Ok(());
        }
        location.mount.check_writable()?;
        let metadata = location.metadata()?;
        if !caller.owns(&metadata) {
            if (atime, mtime) != (NewTime::Now, NewTime::Now) {
                return Err(Errno::EPERM.because("only the owner sets other times than now"));
            }
            caller.check(&metadata, WRITE)?;
        }
        location.inode.set_attributes(&SetAttributes {
            atime: atime.resolve(now),
            mtime: mtime.resolve(now),
            ctime: Some(now),
            ..SetAttributes::default()
        })?;
        // As Linux's fsnotify_change: both times are what utime(2) sets.
        location.notify(match (atime, mtime) {
            (_, NewTime::Keep) => IN_ACCESS,
            (NewTime::Keep, _) => IN_MODIFY,
            _ => IN_ATTRIB,
        });
        Ok(())
    }

    /// Finds a file that `inotify_add_watch(2)` is to watch, and that the caller may read.
    ///
    /// # Errors
    /// `ENOTDIR` with `IN_ONLYDIR` for what is no directory, `EACCES`, what walking says, `EIO`.
    pub fn find_to_watch(&self, cx: &Context<'_>, path: &[u8], mask: u32) -> Result<Location> {
        let follow = if mask & IN_DONT_FOLLOW == 0 {
            Follow::Yes
        } else {
            Follow::No
        };
        let location = self.walk(cx, path, follow)?;
        if mask & IN_ONLYDIR != 0 && !location.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        cx.caller.check(&location.metadata()?, READ)?;
        Ok(location)
    }

    /// `truncate(2)`: `size` in bytes.
    ///
    /// # Errors
    /// As [`Vfs::truncate_location`], and what walking says.
    pub fn truncate(&self, cx: &Context<'_>, path: &[u8], size: u64) -> Result<()> {
        let location = self.walk(cx, path, Follow::Yes)?;
        self.truncate_location(&cx.caller, &location, size, cx.now)
    }

    /// [`Vfs::truncate`] of a file that was found before.
    ///
    /// # Errors
    /// `EISDIR`, `EINVAL` for what is not a regular file, `EACCES`, `EROFS`, `EFBIG`, `ENOSPC`.
    pub fn truncate_location(
        &self,
        caller: &Caller<'_>,
        location: &Location,
        size: u64,
        now: Timestamp,
    ) -> Result<()> {
        match location.file_type() {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.because("not a regular file")),
        }
        location.mount.check_writable()?;
        caller.check(&location.metadata()?, WRITE)?;
        truncate(caller, location, size, now)?;
        location.notify(IN_MODIFY);
        Ok(())
    }

    /// `statfs(2)`.
    ///
    /// # Errors
    /// What walking says, `EIO`.
    pub fn statfs(&self, cx: &Context<'_>, path: &[u8]) -> Result<FileSystemStatus> {
        self.walk(cx, path, Follow::Yes)?
            .mount
            .file_system()
            .status()
    }
}
