//! Moving names: `renameat2(2)` within one file system.

use fs_block::BlockDevice;

use crate::dir::Found;
use crate::error::{Error, Result};
use crate::inode::Inode;
use crate::names::{LINK_MAX, check_name};
use crate::{Ext2, FileType, InodeNo, NewAttributes, NewNode, Timestamp};

/// The three ways of `renameat2(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replace what is there.
    Replace,
    /// Fail with `Exists` when something is there (`RENAME_NOREPLACE`).
    NoReplace,
    /// Swap the two names (`RENAME_EXCHANGE`).
    Exchange,
}

/// A name with its place and inode.
struct Named<'a> {
    dir: InodeNo,
    name: &'a [u8],
    found: Found,
    inode: Inode,
    /// What the name stands for once it has been moved away: a whiteout with these attributes, or nothing.
    whiteout: Option<NewAttributes>,
}

impl Named<'_> {
    fn is_directory(&self) -> bool {
        self.inode.kind == FileType::Directory
    }
}

impl<D: BlockDevice> Ext2<D> {
    /// Moves `old_name` in `old_dir` to `new_name` in `new_dir`.
    ///
    /// Two names of one inode are left as they are, as POSIX wants.
    ///
    /// # Errors
    /// `NotFound`, `Exists`, `IsDirectory`, `NotDirectory`, `NotEmpty` (what is replaced),
    /// `Invalid` (a directory into itself), `Busy` (`.`, `..`), `TooManyLinks`, `NameTooLong`,
    /// `NoSpace`, `ReadOnly`, `NotPermitted`, and those of the disk.
    pub fn rename(
        &mut self,
        old_dir: InodeNo,
        old_name: &[u8],
        new_dir: InodeNo,
        new_name: &[u8],
        mode: RenameMode,
        now: Timestamp,
    ) -> Result<()> {
        self.rename_and_leave((old_dir, old_name), (new_dir, new_name), mode, None, now)
    }

    /// The same; a `whiteout`, a character device 0/0, stands at the old name afterwards (`RENAME_WHITEOUT`).
    ///
    /// # Errors
    /// As [`Ext2::rename`]; `Invalid` for a whiteout of an exchange.
    pub fn rename_and_leave(
        &mut self,
        (old_dir, old_name): (InodeNo, &[u8]),
        (new_dir, new_name): (InodeNo, &[u8]),
        mode: RenameMode,
        whiteout: Option<NewAttributes>,
        now: Timestamp,
    ) -> Result<()> {
        check_name(old_name, Error::Busy)?;
        check_name(new_name, Error::Busy)?;
        if whiteout.is_some() && mode == RenameMode::Exchange {
            return Err(Error::Invalid);
        }
        self.change(|fs| {
            fs.living_directory(old_dir)?;
            fs.living_directory(new_dir)?;
            let mut old = fs.named(old_dir, old_name)?.ok_or(Error::NotFound)?;
            old.whiteout = whiteout;
            let new = fs.named(new_dir, new_name)?;
            match (mode, new) {
                (RenameMode::NoReplace, Some(_)) => Err(Error::Exists),
                (RenameMode::Exchange, None) => Err(Error::NotFound),
                (_, Some(new)) if new.inode.ino == old.inode.ino => Ok(()),
                (RenameMode::Exchange, Some(new)) => fs.exchange(&old, &new, now),
                (_, Some(new)) => fs.replace(&old, &new, now),
                (_, None) => fs.move_to(&old, new_dir, new_name, now),
            }
        })
    }

    fn named<'a>(&mut self, dir: InodeNo, name: &'a [u8]) -> Result<Option<Named<'a>>> {
        let Some(found) = self.find(dir, name)? else {
            return Ok(None);
        };
        let inode = self.inode(found.ino)?;
        inode.check_changeable()?;
        Ok(Some(Named {
            dir,
            name,
            found,
            inode,
            whiteout: None,
        }))
    }

    /// Takes the old name away, or makes it a whiteout's.
    fn leave(&mut self, old: &Named<'_>, now: Timestamp) -> Result<()> {
        let Some(attributes) = old.whiteout else {
            return self.remove_entry(old.dir, old.name, old.found, now);
        };
        let parent = self.directory(old.dir)?;
        let ino = self.new_node(&parent, NewNode::CharDevice(0), attributes)?;
        self.retarget_entry(old.dir, old.found, ino, FileType::CharDevice, now)
    }

    /// To a name that does not exist yet.
    fn move_to(
        &mut self,
        old: &Named<'_>,
        dir: InodeNo,
        name: &[u8],
        now: Timestamp,
    ) -> Result<()> {
        let changes_parent = old.is_directory() && old.dir != dir;
        if changes_parent {
            self.check_not_below(dir, old.inode.ino)?;
            self.gain_subdirectory(dir)?;
        }
        self.add_entry(dir, name, old.inode.ino, old.inode.kind, now)?;
        self.leave(old, now)?;
        if changes_parent {
            self.set_parent(old.inode.ino, dir, now)?;
            self.lose_subdirectory(old.dir)?;
        }
        self.note_move(old.inode.ino, now)
    }

    /// Over a name that exists.
    fn replace(&mut self, old: &Named<'_>, new: &Named<'_>, now: Timestamp) -> Result<()> {
        match (old.is_directory(), new.is_directory()) {
            (true, false) => return Err(Error::NotDirectory),
            (false, true) => return Err(Error::IsDirectory),
            (true, true) => {
                self.check_not_below(new.dir, old.inode.ino)?;
                self.check_empty(new.inode.ino)?;
            }
            (false, false) => {}
        }
        self.retarget_entry(new.dir, new.found, old.inode.ino, old.inode.kind, now)?;
        self.leave(old, now)?;
        if old.is_directory() {
            // The new parent loses one subdirectory and gains one: only the old one changes.
            self.drop_directory(new.inode.ino, now)?;
            self.lose_subdirectory(old.dir)?;
            if old.dir != new.dir {
                self.set_parent(old.inode.ino, new.dir, now)?;
            }
        } else {
            self.drop_link(new.inode.ino, now)?;
        }
        self.note_move(old.inode.ino, now)
    }

    /// Swaps two names.
    fn exchange(&mut self, old: &Named<'_>, new: &Named<'_>, now: Timestamp) -> Result<()> {
        if old.is_directory() {
            self.check_not_below(new.dir, old.inode.ino)?;
        }
        if new.is_directory() {
            self.check_not_below(old.dir, new.inode.ino)?;
        }
        self.retarget_entry(old.dir, old.found, new.inode.ino, new.inode.kind, now)?;
        self.retarget_entry(new.dir, new.found, old.inode.ino, old.inode.kind, now)?;
        if old.dir != new.dir {
            match (old.is_directory(), new.is_directory()) {
                (true, false) => {
                    self.gain_subdirectory(new.dir)?;
                    self.lose_subdirectory(old.dir)?;
                }
                (false, true) => {
                    self.gain_subdirectory(old.dir)?;
                    self.lose_subdirectory(new.dir)?;
                }
                _ => {}
            }
            if old.is_directory() {
                self.set_parent(old.inode.ino, new.dir, now)?;
            }
            if new.is_directory() {
                self.set_parent(new.inode.ino, old.dir, now)?;
            }
        }
        self.note_move(old.inode.ino, now)?;
        self.note_move(new.inode.ino, now)
    }

    fn check_not_below(&mut self, dir: InodeNo, ancestor: InodeNo) -> Result<()> {
        if self.is_below(dir, ancestor)? {
            Err(Error::Invalid)
        } else {
            Ok(())
        }
    }

    fn gain_subdirectory(&mut self, dir: InodeNo) -> Result<()> {
        let mut inode = self.inode(dir)?;
        if inode.links_count >= LINK_MAX {
            return Err(Error::TooManyLinks);
        }
        inode.links_count = inode.links_count.saturating_add(1);
        self.store(&inode)
    }

    /// Points `..` of a moved directory to its new parent.
    fn set_parent(&mut self, dir: InodeNo, parent: InodeNo, now: Timestamp) -> Result<()> {
        let mtime = self.inode(dir)?.mtime;
        let (_, found) = self.parent_of(dir)?;
        self.retarget_entry(dir, found, parent, FileType::Directory, now)?;
        // Linux does not count this as a change of the directory's contents.
        let mut inode = self.inode(dir)?;
        inode.mtime = mtime;
        self.store(&inode)
    }

    /// A moved inode changes its ctime.
    fn note_move(&mut self, ino: InodeNo, now: Timestamp) -> Result<()> {
        let mut inode = self.inode(ino)?;
        inode.ctime = now;
        self.store(&inode)
    }
}
