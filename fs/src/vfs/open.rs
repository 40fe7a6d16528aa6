//! `open(2)`: from a path and flags to a location and, for devices, their behaviour.

use std::sync::Arc;

use abi::flags::{
    CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, IN_CREATE, MS_NODEV, O_ACCMODE, O_CREAT, O_DIRECTORY,
    O_EXCL, O_NOATIME, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY,
    S_IALLUGO, S_ISGID, S_ISUID, S_IXGRP,
};
use abi::{Errno, Result};

use super::device::DeviceKind;
use super::file::FileOps;
use super::inode::{FileType, Metadata, Naming, NewAttributes, NewNode, SetAttributes, Timestamp};
use super::mount::Writer;
use super::path::Location;
use super::permission::{READ, WRITE};
use super::walk::{Last, Slashes, Walker};
use super::{Caller, Context, Vfs};

/// An opened file, before the kernel makes a description of it.
#[derive(Debug)]
pub struct Opened {
    /// Which file. A FIFO is opened further by the kernel.
    pub location: Location,
    /// What serves it; `None`: the inode itself, by `read_at` and `write_at`.
    pub ops: Option<Arc<dyn FileOps>>,
    /// Whether `O_TRUNC` has cut it: who watches the file is told after the open.
    pub is_truncated: bool,
    /// To be held as long as it is open, if it is open for writing.
    pub writer: Option<Writer>,
}

/// Whether the call itself made the file: its permissions do not hold up its maker then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Birth {
    New,
    Old,
}

impl Vfs {
    /// Opens `path` with the flags of `open(2)`; `mode` is for a new file, before the umask.
    ///
    /// # Errors
    /// As `open(2)`: `EACCES`, `EEXIST`, `EINVAL`, `EISDIR`, `ELOOP`, `ENAMETOOLONG`, `ENOENT`,
    /// `ENOSPC`, `ENOTDIR`, `ENXIO`, `EOPNOTSUPP` (`O_TMPFILE` where no file may be without a name), `EPERM`, `EROFS`, `EIO`.
    ///
    /// # References
    /// open(2); Linux v6.12 `fs/namei.c` `path_openat`. Deviates: no `ETXTBSY`.
    pub fn open(&self, cx: &Context<'_>, path: &[u8], flags: u32, mode: u32) -> Result<Opened> {
        let flags = if flags & O_PATH == 0 {
            flags
        } else {
            flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)
        };
        if flags & O_CREAT != 0 && flags & O_DIRECTORY != 0 {
            return Err(Errno::EINVAL.because("O_CREAT makes no directory"));
        }
        if flags & O_TMPFILE & !O_DIRECTORY != 0 {
            return self.open_unnamed(cx, path, flags, mode);
        }
        let (location, birth) = if flags & O_CREAT == 0 {
            (find(Walker::new(self, cx, path)?, flags)?, Birth::Old)
        } else {
            self.find_or_create(cx, path, flags, mode)?
        };
        if flags & O_PATH != 0 {
            return Ok(Opened {
                location,
                ops: None,
                is_truncated: false,
                writer: None,
            });
        }
        self.open_location(&cx.caller, location, flags, birth, cx.now)
    }

    /// Makes and opens a file without a name in the file system of the directory `path`. The caller
    /// has checked that it is for writing.
    fn open_unnamed(&self, cx: &Context<'_>, path: &[u8], flags: u32, mode: u32) -> Result<Opened> {
        if flags & O_DIRECTORY == 0 {
            return Err(Errno::EINVAL.into());
        }
        let directory = Walker::new(self, cx, path)?.finish(super::Follow::Yes)?;
        if !directory.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        cx.caller.check_change_of(&directory)?;
        let parent = directory.metadata()?;
        let attributes = new_attributes(cx, &parent, &NewNode::Regular, mode);
        let naming = if flags & O_EXCL == 0 {
            Naming::Later
        } else {
            Naming::Never
        };
        let dentry = directory.dentry.create_unnamed(naming, &attributes)?;
        let location = Location::new(Arc::clone(&directory.mount), dentry);
        let flags = flags & !O_TMPFILE;
        self.open_location(&cx.caller, location, flags, Birth::New, cx.now)
    }

    /// Opens a file that was found before, as `open` does without `O_CREAT`.
    ///
    /// # Errors
    /// As [`Vfs::open`], as far as no path is concerned.
    pub fn reopen(&self, cx: &Context<'_>, location: Location, flags: u32) -> Result<Opened> {
        self.open_location(&cx.caller, location, flags, Birth::Old, cx.now)
    }

    fn find_or_create(
        &self,
        cx: &Context<'_>,
        path: &[u8],
        flags: u32,
        mode: u32,
    ) -> Result<(Location, Birth)> {
        let mut walker = Walker::new(self, cx, path)?;
        loop {
            let Last::Name(range, slashes) = walker.find_last()? else {
                return Err(Errno::EISDIR.because("O_CREAT on a directory"));
            };
            if slashes == Slashes::Follow {
                return Err(Errno::EISDIR.because("O_CREAT with a slash at the end"));
            }
            let found = match self.child(&walker.here, walker.name(&range)) {
                Ok(found) => found,
                Err(error) if error.errno == Errno::ENOENT => {
                    let directory = walker.here.clone();
                    match self.create_regular(cx, &directory, walker.name(&range), mode) {
                        Ok(made) => return Ok((made, Birth::New)),
                        // Somebody else was faster.
                        Err(error) if error.errno == Errno::EEXIST && flags & O_EXCL == 0 => {
                            self.child(&directory, walker.name(&range))?
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            };
            if flags & O_EXCL != 0 {
                return Err(Errno::EEXIST.into());
            }
            if found.file_type() != FileType::Symlink {
                return Ok((found, Birth::Old));
            }
            if flags & O_NOFOLLOW != 0 {
                return Err(Errno::ELOOP.because("a symbolic link and O_NOFOLLOW"));
            }
            walker.follow(&found)?;
            if walker.is_at_end() {
                return Ok((walker.here.clone(), Birth::Old));
            }
        }
    }

    fn create_regular(
        &self,
        cx: &Context<'_>,
        directory: &Location,
        name: &[u8],
        mode: u32,
    ) -> Result<Location> {
        cx.caller.check_change_of(directory)?;
        self.make(cx, directory, name, &NewNode::Regular, mode)
    }

    /// Makes a name in a directory that the caller may change.
    pub(super) fn make(
        &self,
        cx: &Context<'_>,
        directory: &Location,
        name: &[u8],
        node: &NewNode<'_>,
        mode: u32,
    ) -> Result<Location> {
        let parent = directory.metadata()?;
        let attributes = new_attributes(cx, &parent, node, mode);
        let dentry = directory.dentry.create(name, node, &attributes)?;
        directory.notify_name(name, dentry.file_type(), IN_CREATE, 0);
        Ok(Location::new(Arc::clone(&directory.mount), dentry))
    }

    fn open_location(
        &self,
        caller: &Caller<'_>,
        location: Location,
        flags: u32,
        birth: Birth,
        now: Timestamp,
    ) -> Result<Opened> {
        let file_type = location.file_type();
        let wants_write = flags & O_ACCMODE != O_RDONLY || flags & O_TRUNC != 0;
        match file_type {
            FileType::Symlink => return Err(Errno::ELOOP.because("a symbolic link itself")),
            FileType::Socket => return Err(Errno::ENXIO.because("sockets are not opened")),
            FileType::Directory if wants_write || flags & O_CREAT != 0 => {
                return Err(Errno::EISDIR.into());
            }
            FileType::CharDevice | FileType::BlockDevice
                if location.mount.flags() & MS_NODEV != 0 =>
            {
                return Err(Errno::EACCES.because("mounted with nodev"));
            }
            _ => {}
        }
        if flags & O_DIRECTORY != 0 && file_type != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if birth == Birth::Old {
            check_access(caller, &location, flags)?;
        }
        let is_regular = file_type == FileType::Regular;
        let writer = match flags & O_ACCMODE {
            O_WRONLY | O_RDWR if is_regular => Some(location.mount.writer()?),
            _ => None,
        };
        let is_truncated = birth == Birth::Old && flags & O_TRUNC != 0 && is_regular;
        if is_truncated {
            truncate(caller, &location, 0, now)?;
        }
        let ops = match location.inode.open()? {
            Some(ops) => Some(ops),
            None => self.open_device(&location)?,
        };
        Ok(Opened {
            location,
            ops,
            is_truncated,
            writer,
        })
    }

    fn open_device(&self, location: &Location) -> Result<Option<Arc<dyn FileOps>>> {
        let kind = match location.file_type() {
            FileType::CharDevice => DeviceKind::Char,
            FileType::BlockDevice => DeviceKind::Block,
            _ => return Ok(None),
        };
        self.devices.open(kind, location.metadata()?.rdev).map(Some)
    }
}

/// Ends the walk of an open that makes nothing.
fn find(mut walker: Walker<'_>, flags: u32) -> Result<Location> {
    let follow = if flags & O_NOFOLLOW == 0 {
        super::Follow::Yes
    } else {
        super::Follow::No
    };
    let found = walker.finish(follow)?;
    if flags & O_DIRECTORY != 0 && !found.is_directory() {
        return Err(Errno::ENOTDIR.into());
    }
    Ok(found)
}

fn check_access(caller: &Caller<'_>, location: &Location, flags: u32) -> Result<()> {
    let mut mask = match flags & O_ACCMODE {
        O_RDONLY => READ,
        O_WRONLY => WRITE,
        O_RDWR => READ | WRITE,
        _ => READ | WRITE,
    };
    if flags & O_TRUNC != 0 {
        mask |= WRITE;
    }
    let is_stored = matches!(
        location.file_type(),
        FileType::Regular | FileType::Directory
    );
    if mask & WRITE != 0 && is_stored {
        location.mount.check_writable()?;
    }
    if caller.has(CAP_DAC_OVERRIDE) && caller.has(CAP_FOWNER) {
        return Ok(());
    }
    let metadata = location.metadata()?;
    caller.check(&metadata, mask)?;
    if flags & O_NOATIME != 0 && !caller.owns(&metadata) {
        return Err(Errno::EPERM.because("O_NOATIME on another's file"));
    }
    Ok(())
}

/// Cuts or extends a regular file that the caller may write.
pub(super) fn truncate(
    caller: &Caller<'_>,
    location: &Location,
    size: u64,
    now: Timestamp,
) -> Result<()> {
    let metadata = location.metadata()?;
    location.inode.set_attributes(&SetAttributes {
        size: Some(size),
        mtime: Some(now),
        ctime: Some(now),
        permissions: permissions_after_write(caller, &metadata),
        ..SetAttributes::default()
    })
}

/// The permissions that a file gets when `caller` changes its contents: without set-id bits.
/// `None` when nothing changes.
pub fn permissions_after_write(caller: &Caller<'_>, metadata: &Metadata) -> Option<u32> {
    if caller.has(CAP_FSETID) || metadata.file_type != FileType::Regular {
        return None;
    }
    let mut dropped = S_ISUID;
    if metadata.permissions & S_IXGRP != 0 {
        dropped |= S_ISGID;
    }
    (metadata.permissions & dropped != 0).then_some(metadata.permissions & !dropped)
}

/// Owner, group and mode of a new name in the directory `parent`: a set-group-id directory hands
/// down its group, and to directories the bit.
pub(super) fn new_attributes(
    cx: &Context<'_>,
    parent: &Metadata,
    node: &NewNode<'_>,
    mode: u32,
) -> NewAttributes {
    let mut permissions = match node {
        NewNode::Symlink(_) => 0o777,
        _ => mode & S_IALLUGO & !cx.umask,
    };
    let mut gid = cx.caller.gid;
    if parent.permissions & S_ISGID != 0 {
        gid = parent.gid;
        if *node == NewNode::Directory {
            permissions |= S_ISGID;
        } else if permissions & S_IXGRP != 0 {
            permissions = cx.caller.without_foreign_set_gid(permissions, gid);
        }
    }
    NewAttributes {
        permissions,
        uid: cx.caller.uid,
        gid,
        time: cx.now,
    }
}
