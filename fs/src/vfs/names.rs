//! Making and removing names: `mkdir(2)`, `mknod(2)`, `symlink(2)`, `link(2)`, `unlink(2)`,
//! `rmdir(2)`.

use std::sync::Arc;

use abi::flags::{CAP_MKNOD, IN_ATTRIB, IN_CREATE, IN_DELETE};
use abi::{Errno, Result};

use super::dentry::Removal;
use super::inode::{FileType, NewNode};
use super::path::Location;
use super::walk::{Last, Slashes, Walker};
use super::{Context, Follow, Vfs};

impl Vfs {
    /// `mkdir(2)`: an empty directory with the permissions `mode`, before the umask.
    ///
    /// # Errors
    /// `EEXIST`, `EACCES`, `ENOENT`, `ENOTDIR`, `ENOSPC`, `EROFS`, `EMLINK`, `EIO`…
    pub fn mkdir(&self, cx: &Context<'_>, path: &[u8], mode: u32) -> Result<Location> {
        self.make_at(cx, path, &NewNode::Directory, mode)
    }

    /// `mknod(2)`: the type is in `mode`, 0 means a regular file. Also makes the name of a socket
    /// for `bind(2)`.
    ///
    /// # Errors
    /// As `mkdir`; `EPERM` for a device and an ordinary user, or a directory; `EINVAL` for a type
    /// that does not exist.
    pub fn mknod(&self, cx: &Context<'_>, path: &[u8], mode: u32, device: u64) -> Result<Location> {
        let node = match FileType::from_mode(mode) {
            Some(FileType::Regular) => NewNode::Regular,
            Some(FileType::Fifo) => NewNode::Fifo,
            Some(FileType::Socket) => NewNode::Socket,
            Some(FileType::CharDevice) => NewNode::CharDevice(device),
            Some(FileType::BlockDevice) => NewNode::BlockDevice(device),
            Some(FileType::Directory) => return Err(Errno::EPERM.into()),
            None if mode & abi::flags::S_IFMT == 0 => NewNode::Regular,
            Some(FileType::Symlink) | None => return Err(Errno::EINVAL.into()),
        };
        // A whiteout is no device.
        let is_device = matches!(node, NewNode::CharDevice(1..) | NewNode::BlockDevice(_));
        if is_device && !cx.caller.has(CAP_MKNOD) {
            return Err(Errno::EPERM.because("only the superuser makes devices"));
        }
        self.make_at(cx, path, &node, mode)
    }

    /// `symlink(2)`: `path` becomes a symbolic link to `target`.
    ///
    /// # Errors
    /// As `mkdir`; `ENOENT` for an empty target, `ENAMETOOLONG`.
    pub fn symlink(&self, cx: &Context<'_>, target: &[u8], path: &[u8]) -> Result<Location> {
        if target.is_empty() {
            return Err(Errno::ENOENT.because("the target is empty"));
        }
        if target.len() >= abi::limits::PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        self.make_at(cx, path, &NewNode::Symlink(target), 0o777)
    }

    /// `link(2)`: `new` becomes one more name of the file `old`, each with its own context.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM` for a directory, `EXDEV` across mounts, `EMLINK`, `ENOENT`…
    pub fn link(
        &self,
        old: (&Context<'_>, &[u8]),
        new: (&Context<'_>, &[u8]),
        follow: Follow,
    ) -> Result<()> {
        let target = self.walk(old.0, old.1, follow)?;
        self.link_location(&target, new.0, new.1)
    }

    /// [`Vfs::link`] of a file that was found before (`AT_EMPTY_PATH`).
    ///
    /// # Errors
    /// As [`Vfs::link`].
    pub fn link_location(&self, target: &Location, cx: &Context<'_>, path: &[u8]) -> Result<()> {
        let mut walker = Walker::new(self, cx, path)?;
        let name = self.vacant(&mut walker, SlashesMean::MissingDirectory)?;
        let directory = &walker.here;
        if !Arc::ptr_eq(&target.mount, &directory.mount) {
            return Err(Errno::EXDEV.into());
        }
        cx.caller.check_change_of(directory)?;
        let metadata = target.metadata()?;
        if metadata.file_type == FileType::Directory {
            return Err(Errno::EPERM.because("directories have one name"));
        }
        if metadata.nr_links >= abi::limits::LINK_MAX {
            return Err(Errno::EMLINK.into());
        }
        directory
            .dentry
            .link(walker.name(&name), &target.inode, cx.now)?;
        target.notify_self(IN_ATTRIB);
        directory.notify_name(walker.name(&name), target.file_type(), IN_CREATE, 0);
        Ok(())
    }

    /// `unlink(2)`: removes a name that is not a directory's.
    ///
    /// # Errors
    /// `EISDIR`, `ENOENT`, `EACCES`, `EPERM` in a sticky directory, `EBUSY` for a mount point,
    /// `EROFS`, `EIO`…
    pub fn unlink(&self, cx: &Context<'_>, path: &[u8]) -> Result<()> {
        let mut walker = Walker::new(self, cx, path)?;
        let Last::Name(range, slashes) = walker.find_last()? else {
            return Err(Errno::EISDIR.into());
        };
        let victim = Location::child_of(&walker.here, walker.name(&range))?;
        if slashes == Slashes::Follow {
            let errno = if victim.is_directory() {
                Errno::EISDIR
            } else {
                Errno::ENOTDIR
            };
            return Err(errno.into());
        }
        cx.caller.check_removal(&walker.here, &victim)?;
        if victim.is_directory() {
            return Err(Errno::EISDIR.into());
        }
        let name = walker.name(&range);
        walker.here.dentry.remove(name, Removal::Other, cx.now)?;
        victim.notify_self(IN_ATTRIB);
        self.removed(&walker.here, name, victim);
        Ok(())
    }

    /// `rmdir(2)`: removes an empty directory.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOTEMPTY`, `EINVAL` for `.`, `EBUSY` for a mount point or the root, `ENOENT`,
    /// `EACCES`, `EPERM` in a sticky directory, `EROFS`, `EIO`…
    pub fn rmdir(&self, cx: &Context<'_>, path: &[u8]) -> Result<()> {
        let mut walker = Walker::new(self, cx, path)?;
        let range = match walker.find_last()? {
            Last::Name(range, _) => range,
            Last::Dot => return Err(Errno::EINVAL.because("the last component is .")),
            Last::DotDot => return Err(Errno::ENOTEMPTY.because("the last component is ..")),
            Last::Root => return Err(Errno::EBUSY.because("the root directory")),
        };
        let victim = Location::child_of(&walker.here, walker.name(&range))?;
        cx.caller.check_removal(&walker.here, &victim)?;
        if !victim.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        let name = walker.name(&range);
        walker
            .here
            .dentry
            .remove(name, Removal::Directory, cx.now)?;
        self.removed(&walker.here, name, victim);
        Ok(())
    }

    /// Tells who watches that `victim` is no longer called `name` in `directory`.
    fn removed(&self, directory: &Location, name: &[u8], victim: Location) {
        directory.notify_name(name, victim.file_type(), IN_DELETE, 0);
        self.let_go(victim);
    }

    /// A file has lost a name: its watches end if nobody else holds it.
    pub(super) fn let_go(&self, victim: Location) {
        self.notify().lost_name(&victim.inode);
        drop(victim);
        self.notify().reap();
    }

    fn make_at(
        &self,
        cx: &Context<'_>,
        path: &[u8],
        node: &NewNode<'_>,
        mode: u32,
    ) -> Result<Location> {
        let mut walker = Walker::new(self, cx, path)?;
        let slashes_mean = if *node == NewNode::Directory {
            SlashesMean::Nothing
        } else {
            SlashesMean::MissingDirectory
        };
        let name = self.vacant(&mut walker, slashes_mean)?;
        cx.caller.check_change_of(&walker.here)?;
        self.make(cx, &walker.here, walker.name(&name), node, mode)
    }

    /// Walks to a name that does not exist yet.
    fn vacant(
        &self,
        walker: &mut Walker<'_>,
        slashes_mean: SlashesMean,
    ) -> Result<std::ops::Range<usize>> {
        let Last::Name(range, slashes) = walker.find_last()? else {
            return Err(Errno::EEXIST.into());
        };
        match self.child(&walker.here, walker.name(&range)) {
            Ok(_) => Err(Errno::EEXIST.into()),
            Err(error) if error.errno == Errno::ENOENT => {
                if slashes == Slashes::Follow && slashes_mean == SlashesMean::MissingDirectory {
                    return Err(Errno::ENOENT.because("a slash stands behind the new name"));
                }
                Ok(range)
            }
            Err(error) => Err(error),
        }
    }
}

/// What slashes behind a new name say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SlashesMean {
    /// It will be a directory.
    Nothing,
    /// It should be one and is not there.
    MissingDirectory,
}

impl Location {
    /// The name `name` itself in `directory`, not what is mounted on it.
    pub(super) fn child_of(directory: &Self, name: &[u8]) -> Result<Self> {
        if name.len() > abi::limits::NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let dentry = directory.dentry.child(name)?;
        Ok(Self::new(Arc::clone(&directory.mount), dentry))
    }
}
