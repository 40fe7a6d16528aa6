//! Directories: finding, adding, removing and listing names.
//!
//! A directory is a file of whole blocks without holes. Entries never move, so the byte of an
//! entry is a stable cookie. A change clears the hash tree's flag: Linux and `e2fsck` then read
//! the directory as the plain list that it also is.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes bounded by `Ext2::directory`"
)]

use fs_block::BlockDevice;

use crate::codec::wide;
use crate::dir_block::{self, BadEntry, NewEntry, bytes_for, entries, entries_from};
use crate::error::{CorruptKind, Error, Result};
use crate::inode::{FLAG_INDEX, Inode};
use crate::name_index::{Known, NameIndex, SMALL_BLOCKS};
use crate::{BlockNo, Ext2, FileType, InodeNo, Timestamp};

/// An entry that [`Ext2::read_dir`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Name; `.` and `..` are reported too.
    pub name: &'a [u8],
    /// Inode number.
    pub ino: InodeNo,
    /// Type; `None` on disks whose directories do not tell, where `stat` does.
    pub kind: Option<FileType>,
    /// Where the next call goes on after this entry.
    pub next_cookie: u64,
}

/// Where a name was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Byte of its entry in the directory.
    place: u64,
    /// The inode it names.
    pub(crate) ino: InodeNo,
}

impl<D: BlockDevice> Ext2<D> {
    /// Finds `name` in directory `dir`; `.` and `..` too.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `NameTooLong`, `Stale`, `Corrupt`, `Io`, `NotResident`.
    pub fn lookup(&mut self, dir: InodeNo, name: &[u8]) -> Result<InodeNo> {
        if name.len() > 255 {
            return Err(Error::NameTooLong);
        }
        match self.find(dir, name) {
            Ok(Some(found)) => Ok(found.ino),
            Ok(None) => Err(Error::NotFound),
            Err(error) => Err(self.noted(error)),
        }
    }

    /// Reports the entries of directory `dir` from `cookie` on (0: the start) until `report`
    /// returns `false`; that entry counts as not reported.
    ///
    /// Entries made or removed meanwhile may or may not appear; all others appear exactly once.
    ///
    /// # Errors
    /// `NotDirectory`, `Stale`, `Corrupt`, `Io`, `NotResident`; entries before it were reported.
    pub fn read_dir(
        &mut self,
        dir: InodeNo,
        cookie: u64,
        report: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let listed = self.list(dir, cookie, report);
        listed.map_err(|error| self.noted(error))
    }

    fn list(
        &mut self,
        dir: InodeNo,
        cookie: u64,
        report: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let inode = self.directory(dir)?;
        let block_size = wide(self.cache.block_size());
        let has_file_type = self.superblock.has_file_type();
        let inodes_count = self.superblock.inodes_count;
        let mut logical = cookie / block_size;
        while logical < inode.size / block_size {
            let block = self.dir_block(&inode, logical)?;
            let start = logical * block_size;
            for entry in entries(self.cache.block(u64::from(block.0))?, has_file_type) {
                let entry = entry.map_err(|bad| bad_entry(dir, start, bad))?;
                let place = start + wide(entry.at);
                if entry.inode == 0 || place < cookie {
                    continue;
                }
                let ino = InodeNo(entry.inode);
                if entry.inode > inodes_count {
                    return Err(CorruptKind::InodeNumber(ino).into());
                }
                if entry.name.iter().any(|byte| matches!(byte, 0 | b'/')) {
                    let what = "directory entry: a byte that no name has";
                    return Err(CorruptKind::DirEntry(dir, place, what).into());
                }
                let next_cookie = place + wide(entry.rec_len);
                let kind = crate::from_entry_type(entry.file_type);
                if !report(DirEntry {
                    name: entry.name,
                    ino,
                    kind,
                    next_cookie,
                }) {
                    return Ok(());
                }
            }
            logical += 1;
        }
        Ok(())
    }

    /// The disk block of a directory's block; a hole is corruption.
    fn dir_block(&mut self, inode: &Inode, logical: u64) -> Result<BlockNo> {
        let bad = CorruptKind::Inode(inode.ino, "hole in a directory");
        let block = self.map(inode, logical)?.ok_or(Error::Corrupt(bad))?;
        self.check_dir_block(inode, block)?;
        Ok(block)
    }

    /// Finds a name; `None` if it does not exist.
    pub(crate) fn find(&mut self, dir: InodeNo, name: &[u8]) -> Result<Option<Found>> {
        let inode = self.directory(dir)?;
        let block_size = wide(self.cache.block_size());
        let nr_blocks = inode.size / block_size;
        if nr_blocks > SMALL_BLOCKS {
            if self.names.find(dir).is_none() {
                let index = self.read_names(&inode)?;
                self.names.insert(dir, index);
            }
            match self
                .names
                .find(dir)
                .map_or(Known::Unknown, |index| index.find(name))
            {
                Known::Absent => return Ok(None),
                Known::At(place) => {
                    // No other entry has this name, so the first one there is it, or none is.
                    let at = usize::try_from(place % block_size).unwrap_or(0);
                    return self.find_in_block(&inode, place / block_size, at, 1, name);
                }
                Known::Unknown => {}
            }
        }
        for logical in 0..nr_blocks {
            let found = self.find_in_block(&inode, logical, 0, usize::MAX, name)?;
            if let Some(found) = found {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Searches up to `limit` entries of a block from byte `at` on, where one starts.
    fn find_in_block(
        &mut self,
        inode: &Inode,
        logical: u64,
        at: usize,
        limit: usize,
        name: &[u8],
    ) -> Result<Option<Found>> {
        let block = self.dir_block(inode, logical)?;
        let start = logical * wide(self.cache.block_size());
        let has_file_type = self.superblock.has_file_type();
        let inodes_count = self.superblock.inodes_count;
        let bytes = self.cache.block(u64::from(block.0))?;
        for entry in entries_from(bytes, has_file_type, at).take(limit) {
            let entry = entry.map_err(|bad| bad_entry(inode.ino, start, bad))?;
            if entry.name == name && entry.inode != 0 {
                let ino = InodeNo(entry.inode);
                if entry.inode > inodes_count {
                    return Err(CorruptKind::InodeNumber(ino).into());
                }
                return Ok(Some(Found {
                    place: start + wide(entry.at),
                    ino,
                }));
            }
        }
        Ok(None)
    }

    /// Reads a whole directory into an index.
    fn read_names(&mut self, inode: &Inode) -> Result<NameIndex> {
        let mut index = NameIndex::default();
        let block_size = wide(self.cache.block_size());
        let has_file_type = self.superblock.has_file_type();
        for logical in 0..inode.size / block_size {
            let block = self.dir_block(inode, logical)?;
            let start = logical * block_size;
            let bytes = self.cache.block(u64::from(block.0))?;
            for entry in entries(bytes, has_file_type) {
                let entry = entry.map_err(|bad| bad_entry(inode.ino, start, bad))?;
                if entry.inode != 0 {
                    index.insert(entry.name, start + wide(entry.at));
                }
            }
            let room = dir_block::largest_room(bytes, has_file_type).unwrap_or(0);
            index.set_room(logical, room);
        }
        Ok(index)
    }

    /// The entry type of a file kind on this disk.
    fn entry_type(&self, kind: FileType) -> u8 {
        if self.superblock.has_file_type() {
            crate::entry_type(kind)
        } else {
            0
        }
    }

    /// Adds `name`, which does not exist yet, for inode `ino`.
    pub(crate) fn add_entry(
        &mut self,
        dir: InodeNo,
        name: &[u8],
        ino: InodeNo,
        kind: FileType,
        now: Timestamp,
    ) -> Result<()> {
        let mut inode = self.directory(dir)?;
        inode.check_can_grow()?;
        let block_size = wide(self.cache.block_size());
        let nr_blocks = inode.size / block_size;
        let new = NewEntry {
            name,
            inode: ino.0,
            file_type: self.entry_type(kind),
        };
        let candidates = match self.names.find(dir) {
            Some(index) => index
                .block_with_room(bytes_for(name.len()))
                .map_or(0..0, |n| n..n + 1),
            None => 0..nr_blocks,
        };
        let mut place = None;
        for logical in candidates {
            place = self.insert_in_block(&inode, logical, new)?;
            if place.is_some() {
                break;
            }
        }
        let place = match place {
            Some(place) => place,
            None => self.insert_in_new_block(&mut inode, new)?,
        };
        if let Some(index) = self.names.find(dir) {
            index.insert(name, place);
        }
        inode.flags &= !FLAG_INDEX;
        inode.touch(now);
        self.store(&inode)
    }

    /// Puts an entry into a block with room; returns its byte in the directory.
    fn insert_in_block(
        &mut self,
        inode: &Inode,
        logical: u64,
        new: NewEntry<'_>,
    ) -> Result<Option<u64>> {
        let has_file_type = self.superblock.has_file_type();
        let start = logical * wide(self.cache.block_size());
        let block = self.dir_block(inode, logical)?;
        let room = dir_block::largest_room(self.cache.block(u64::from(block.0))?, has_file_type)
            .map_err(|bad| bad_entry(inode.ino, start, bad))?;
        if room < bytes_for(new.name.len()) {
            return Ok(None);
        }
        let bytes = self.cache.block_mut(u64::from(block.0))?;
        let at = dir_block::insert(bytes, has_file_type, new)
            .map_err(|bad| bad_entry(inode.ino, start, bad))?;
        self.note_room(inode.ino, logical, block)?;
        Ok(at.map(|at| start + wide(at)))
    }

    /// Appends a block that holds one entry.
    fn insert_in_new_block(&mut self, inode: &mut Inode, new: NewEntry<'_>) -> Result<u64> {
        let block_size = self.cache.block_size();
        let start = inode.size;
        let logical = start / wide(block_size);
        if start + wide(block_size) > 0x7FFF_FFFF {
            return Err(Error::FileTooBig);
        }
        let goal = self.goal_for(inode, logical)?;
        let (block, _) = self.map_or_allocate(inode, logical, goal)?;
        let bytes = self.cache.zeroed(u64::from(block.0))?;
        dir_block::write(bytes, 0, block_size, new);
        inode.size += wide(block_size);
        self.note_room(inode.ino, logical, block)?;
        Ok(start)
    }

    fn note_room(&mut self, dir: InodeNo, logical: u64, block: BlockNo) -> Result<()> {
        if let Some(index) = self.names.find(dir) {
            let has_file_type = self.superblock.has_file_type();
            let bytes = self.cache.block(u64::from(block.0))?;
            index.set_room(
                logical,
                dir_block::largest_room(bytes, has_file_type).unwrap_or(0),
            );
        }
        Ok(())
    }

    /// Removes the entry that [`Ext2::find`] found.
    pub(crate) fn remove_entry(
        &mut self,
        dir: InodeNo,
        name: &[u8],
        found: Found,
        now: Timestamp,
    ) -> Result<()> {
        let mut inode = self.directory(dir)?;
        inode.check_changeable()?;
        let block_size = wide(self.cache.block_size());
        let (logical, at) = (found.place / block_size, found.place % block_size);
        let block = self.dir_block(&inode, logical)?;
        let has_file_type = self.superblock.has_file_type();
        let at = usize::try_from(at).unwrap_or(0);
        let bytes = self.cache.block_mut(u64::from(block.0))?;
        let was_there = dir_block::remove(bytes, has_file_type, at)
            .map_err(|bad| bad_entry(dir, logical * block_size, bad))?;
        if !was_there {
            return Err(CorruptKind::DirEntry(dir, found.place, "directory entry vanished").into());
        }
        if let Some(index) = self.names.find(dir) {
            index.remove(name);
        }
        self.note_room(dir, logical, block)?;
        inode.flags &= !FLAG_INDEX;
        inode.touch(now);
        self.store(&inode)
    }

    /// Points the entry that [`Ext2::find`] found to another inode.
    pub(crate) fn retarget_entry(
        &mut self,
        dir: InodeNo,
        found: Found,
        ino: InodeNo,
        kind: FileType,
        now: Timestamp,
    ) -> Result<()> {
        let mut inode = self.directory(dir)?;
        inode.check_changeable()?;
        let block_size = wide(self.cache.block_size());
        let block = self.dir_block(&inode, found.place / block_size)?;
        let file_type = self
            .superblock
            .has_file_type()
            .then(|| crate::entry_type(kind));
        let at = usize::try_from(found.place % block_size).unwrap_or(0);
        dir_block::retarget(
            self.cache.block_mut(u64::from(block.0))?,
            at,
            ino.0,
            file_type,
        );
        inode.flags &= !FLAG_INDEX;
        inode.touch(now);
        self.store(&inode)
    }

    /// Writes `.` and `..` into the first block of a new directory.
    pub(crate) fn start_directory(&mut self, inode: &mut Inode, parent: InodeNo) -> Result<()> {
        let block_size = self.cache.block_size();
        let file_type = self.entry_type(FileType::Directory);
        let goal = self.goal_of_inode(inode.ino);
        let (block, _) = self.map_or_allocate(inode, 0, goal)?;
        let bytes = self.cache.zeroed(u64::from(block.0))?;
        let dot = NewEntry {
            name: b".",
            inode: inode.ino.0,
            file_type,
        };
        dir_block::write(bytes, 0, bytes_for(1), dot);
        let dot_dot = NewEntry {
            name: b"..",
            inode: parent.0,
            file_type,
        };
        dir_block::write(bytes, bytes_for(1), block_size - bytes_for(1), dot_dot);
        inode.size = wide(block_size);
        Ok(())
    }

    /// Refuses a directory that has entries besides `.` and `..`.
    pub(crate) fn check_empty(&mut self, dir: InodeNo) -> Result<()> {
        let mut is_empty = true;
        self.list(dir, 0, &mut |entry| {
            is_empty = entry.name == b"." || entry.name == b"..";
            is_empty
        })?;
        if is_empty {
            Ok(())
        } else {
            Err(Error::NotEmpty)
        }
    }

    /// The directory above `dir`; the root is above itself.
    pub(crate) fn parent_of(&mut self, dir: InodeNo) -> Result<(InodeNo, Found)> {
        let found = self.find(dir, b"..")?;
        found
            .map(|found| (found.ino, found))
            .ok_or_else(|| CorruptKind::Inode(dir, "directory without `..`").into())
    }

    /// Whether `dir` is `ancestor` or lies below it.
    pub(crate) fn is_below(&mut self, dir: InodeNo, ancestor: InodeNo) -> Result<bool> {
        let mut at = dir;
        for _ in 0..self.superblock.inodes_count {
            if at == ancestor {
                return Ok(true);
            }
            if at == InodeNo::ROOT {
                return Ok(false);
            }
            (at, _) = self.parent_of(at)?;
        }
        Err(CorruptKind::DirectoryLoop(dir).into())
    }
}

/// Names the place of a bad entry in a directory.
fn bad_entry(dir: InodeNo, start: u64, bad: BadEntry) -> Error {
    CorruptKind::DirEntry(dir, start + wide(bad.at), bad.what).into()
}
