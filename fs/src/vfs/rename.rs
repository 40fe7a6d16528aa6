//! `renameat2(2)`: moving and swapping names.

use std::sync::Arc;

use abi::flags::{
    CAP_DAC_OVERRIDE, IN_ATTRIB, IN_MOVE_SELF, IN_MOVED_FROM, IN_MOVED_TO, RENAME_EXCHANGE,
    RENAME_NOREPLACE, RENAME_WHITEOUT,
};
use abi::{Errno, Result};

use super::dentry::Slot;
use super::inode::{NewNode, RenameMode};
use super::open::new_attributes;
use super::path::Location;
use super::permission::WRITE;
use super::walk::{Last, Slashes, Walker};
use super::{Caller, Context, Vfs};

impl Vfs {
    /// Moves the name `old` to `new`, each with its own context; the flags are `renameat2`'s.
    ///
    /// # Errors
    /// As `rename(2)`: `EXDEV` across mounts, `EINVAL` for a directory into itself or flags that
    /// do not exist, `EBUSY` for `.`, `..`, the root and mount points, `EEXIST`, `EISDIR`,
    /// `ENOTDIR`, `ENOTEMPTY`, `EACCES`, `EPERM` in a sticky directory, `EROFS`…
    ///
    /// # References
    /// rename(2); Linux v6.12 `fs/namei.c` `do_renameat2`. Deviates: none; whiteouts need no privilege since Linux 5.8,
    /// other than rename(2) says.
    pub fn rename(
        &self,
        old: (&Context<'_>, &[u8]),
        new: (&Context<'_>, &[u8]),
        flags: u32,
    ) -> Result<()> {
        let mode = match flags & !RENAME_WHITEOUT {
            0 => RenameMode::Replace,
            RENAME_NOREPLACE => RenameMode::NoReplace,
            RENAME_EXCHANGE if flags == RENAME_EXCHANGE => RenameMode::Exchange,
            _ => return Err(Errno::EINVAL.because("no such way to rename")),
        };
        let mut old_walker = Walker::new(self, old.0, old.1)?;
        let old_last = old_walker.find_last()?;
        let mut new_walker = Walker::new(self, new.0, new.1)?;
        let new_last = new_walker.find_last()?;
        if !Arc::ptr_eq(&old_walker.here.mount, &new_walker.here.mount) {
            return Err(Errno::EXDEV.into());
        }
        let (Last::Name(old_range, old_slashes), Last::Name(new_range, new_slashes)) =
            (&old_last, &new_last)
        else {
            let errno = match (&old_last, mode) {
                (Last::Name(..), RenameMode::NoReplace) => Errno::EEXIST,
                _ => Errno::EBUSY,
            };
            return Err(errno.because("., .. and / cannot be renamed"));
        };
        let from = &old_walker.here;
        let to = &new_walker.here;
        let (old_name, new_name) = (old_walker.name(old_range), new_walker.name(new_range));
        from.mount.check_writable()?;

        let source = Location::child_of(from, old_name)?;
        let target = match Location::child_of(to, new_name) {
            Ok(_) if mode == RenameMode::NoReplace => return Err(Errno::EEXIST.into()),
            Ok(target) => Some(target),
            Err(error) if error.errno == Errno::ENOENT && mode != RenameMode::Exchange => None,
            Err(error) => return Err(error),
        };
        if !source.is_directory() {
            let is_new_bad = *new_slashes == Slashes::Follow && mode != RenameMode::Exchange;
            if *old_slashes == Slashes::Follow || is_new_bad {
                return Err(Errno::ENOTDIR.because("slashes behind the name of a file"));
            }
        }
        if let Some(target) = &target
            && mode == RenameMode::Exchange
            && *new_slashes == Slashes::Follow
            && !target.is_directory()
        {
            return Err(Errno::ENOTDIR.because("slashes behind the name of a file"));
        }
        check_relations(from, &source, to, target.as_ref(), mode)?;
        if let Some(target) = &target
            && is_same_file(&source, target)?
        {
            return Ok(());
        }
        // Until the directories are locked, somebody else may give the names to other files.
        let check = || {
            let source = Location::child_of(from, old_name)?;
            let target = match Location::child_of(to, new_name) {
                Err(error) if error.errno == Errno::ENOENT => None,
                found => Some(found?),
            };
            check_relations(from, &source, to, target.as_ref(), mode)?;
            check_permissions(&old.0.caller, (from, &source), (to, target.as_ref()), mode)?;
            check_not_mounted(&source, target.as_ref())
        };
        let whiteout = if flags & RENAME_WHITEOUT == 0 {
            None
        } else {
            let node = NewNode::CharDevice(0);
            Some(new_attributes(old.0, &from.metadata()?, &node, 0))
        };
        from.mount.tree().rename(
            Slot {
                directory: &from.dentry,
                name: old_name,
            },
            Slot {
                directory: &to.dentry,
                name: new_name,
            },
            mode,
            whiteout.as_ref(),
            new.0.now,
            &check,
        )?;
        if !self.notify().is_idle() {
            let (from, to) = ((from, old_name), (to, new_name));
            match target {
                Some(target) if mode == RenameMode::Exchange => {
                    moved(from, to, &source, None);
                    moved(to, from, &target, None);
                }
                target => {
                    moved(from, to, &source, target.as_ref());
                    if let Some(target) = target {
                        self.let_go(target);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Tells who watches that `file` has another name, and that `replaced` has lost it.
fn moved(
    (from, old_name): (&Location, &[u8]),
    (to, new_name): (&Location, &[u8]),
    file: &Location,
    replaced: Option<&Location>,
) {
    let cookie = from.mount.notify().next_cookie();
    from.notify_name(old_name, file.file_type(), IN_MOVED_FROM, cookie);
    to.notify_name(new_name, file.file_type(), IN_MOVED_TO, cookie);
    if let Some(replaced) = replaced {
        replaced.notify_self(IN_ATTRIB);
    }
    file.notify_self(IN_MOVE_SELF);
}

/// Neither name may be a mount point.
fn check_not_mounted(source: &Location, target: Option<&Location>) -> Result<()> {
    let is_mounted_on = |location: &Location| location.dentry.is_mount_point();
    if is_mounted_on(source) || target.is_some_and(is_mounted_on) {
        return Err(Errno::EBUSY.because("a file system is mounted there"));
    }
    Ok(())
}

/// Neither end may lie inside the other.
fn check_relations(
    from: &Location,
    source: &Location,
    to: &Location,
    target: Option<&Location>,
    mode: RenameMode,
) -> Result<()> {
    if source.is_directory() && source.dentry.is_at_or_above(&to.dentry) {
        return Err(Errno::EINVAL.because("a directory cannot move into itself"));
    }
    if let Some(target) = target
        && target.is_directory()
        && target.dentry.is_at_or_above(&from.dentry)
    {
        let errno = if mode == RenameMode::Exchange {
            Errno::EINVAL
        } else {
            Errno::ENOTEMPTY
        };
        return Err(errno.because("the new name holds the old one"));
    }
    Ok(())
}

/// Two names of one file: renaming one to the other does nothing.
fn is_same_file(a: &Location, b: &Location) -> Result<bool> {
    if Arc::ptr_eq(&a.dentry, &b.dentry) {
        return Ok(true);
    }
    let (a, b) = (a.metadata()?, b.metadata()?);
    Ok((a.device, a.inode) == (b.device, b.inode))
}

fn check_permissions(
    caller: &Caller<'_>,
    (from, source): (&Location, &Location),
    (to, target): (&Location, Option<&Location>),
    mode: RenameMode,
) -> Result<()> {
    caller.check_removal(from, source)?;
    match target {
        Some(target) => {
            caller.check_removal(to, target)?;
            if mode != RenameMode::Exchange {
                match (source.is_directory(), target.is_directory()) {
                    (true, false) => return Err(Errno::ENOTDIR.into()),
                    (false, true) => return Err(Errno::EISDIR.into()),
                    _ => {}
                }
            }
        }
        None => caller.check_change_of(to)?,
    }
    // A directory that changes its parent is written itself: its `..` changes.
    if !Arc::ptr_eq(&from.dentry, &to.dentry) && !caller.has(CAP_DAC_OVERRIDE) {
        if source.is_directory() {
            caller.check(&source.metadata()?, WRITE)?;
        }
        if let Some(target) = target
            && mode == RenameMode::Exchange
            && target.is_directory()
        {
            caller.check(&target.metadata()?, WRITE)?;
        }
    }
    Ok(())
}
