//! One file of an Ext2.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use abi::{Errno, Result};
use fs_ext2::InodeNo;

use super::{Shared, State};
use crate::io::{Sink, Source};
use crate::vfs::flush::Flush;
use crate::vfs::inode::{
    DirEntry, Extent, FileType, Inode, Metadata, Naming, NewAttributes, NewNode, RenameMode, Seek,
    SetAttributes, Timestamp,
};
use crate::vfs::xattr::{Namespace, XattrMode};

/// Names that `read_dir` takes out under the lock at once.
const BATCH: usize = 64;

/// An inode number that somebody holds.
pub(super) struct Ext2Inode {
    shared: Arc<Shared>,
    number: InodeNo,
    file_type: FileType,
}

impl fmt::Debug for Ext2Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ext2Inode").field(&self.number).finish()
    }
}

impl Ext2Inode {
    pub(super) const fn new(shared: Arc<Shared>, number: InodeNo, file_type: FileType) -> Self {
        Self {
            shared,
            number,
            file_type,
        }
    }

    /// The number of another inode of this file system.
    fn own(&self, inode: &Arc<dyn Inode>) -> Result<InodeNo> {
        inode
            .as_any()
            .downcast_ref::<Self>()
            .filter(|inode| Arc::ptr_eq(&inode.shared, &self.shared))
            .map(|inode| inode.number)
            .ok_or(Errno::EXDEV.into())
    }

    fn write(
        &self,
        state: &mut State,
        offset: u64,
        source: &mut dyn Source,
        time: Timestamp,
    ) -> Result<usize> {
        let len = source.remaining();
        let mut take = |place: &mut [u8]| source.take(place);
        let written = state
            .ext2
            .write_from(self.number, offset, len, time, &mut take);
        // A write that failed may have changed a part.
        state.changed(self.number, time);
        written
    }
}

impl Drop for Ext2Inode {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // Meanwhile another one of the same number may have come.
        let is_listed = state
            .inodes
            .get(&self.number.0)
            .is_some_and(|listed| std::ptr::eq(listed.as_ptr(), self));
        if is_listed {
            state.inodes.remove(&self.number.0);
        }
        state.release(self.number);
    }
}

impl Inode for Ext2Inode {
    fn metadata(&self) -> Result<Metadata> {
        let mut state = self.shared.state();
        let block_size = state.ext2.block_size();
        let attributes = state.ext2.stat(self.number)?;
        Ok(Metadata {
            device: self.shared.device,
            inode: u64::from(self.number.0),
            file_type: self.file_type,
            permissions: u32::from(attributes.permissions),
            nr_links: attributes.nr_links,
            uid: attributes.uid,
            gid: attributes.gid,
            rdev: u64::from(attributes.device),
            size: attributes.size,
            block_size,
            nr_blocks: attributes.nr_sectors,
            atime: attributes.atime,
            mtime: attributes.mtime,
            ctime: attributes.ctime,
        })
    }

    fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let mut state = self.shared.state();
        state.ext2.set_attributes(
            self.number,
            &fs_ext2::SetAttributes {
                permissions: change.permissions.map(permissions),
                uid: change.uid,
                gid: change.gid,
                size: change.size,
                atime: change.atime,
                mtime: change.mtime,
                ctime: change.ctime,
            },
        )?;
        if change.size.is_some() {
            state.changed(self.number, change.ctime.unwrap_or_default());
        }
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let mut state = self.shared.state();
        let number = state.ext2.lookup(self.number, name)?;
        Ok(self.shared.inode(&mut state, number)?)
    }

    fn create(
        &self,
        name: &[u8],
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<dyn Inode>> {
        let node = match *node {
            NewNode::Regular => fs_ext2::NewNode::Regular,
            NewNode::Directory => fs_ext2::NewNode::Directory,
            NewNode::Symlink(target) => fs_ext2::NewNode::Symlink(target),
            NewNode::Fifo => fs_ext2::NewNode::Fifo,
            NewNode::Socket => fs_ext2::NewNode::Socket,
            NewNode::CharDevice(number) => fs_ext2::NewNode::CharDevice(device(number)?),
            NewNode::BlockDevice(number) => fs_ext2::NewNode::BlockDevice(device(number)?),
        };
        let new = new_attributes(attributes);
        let mut state = self.shared.state_to_write()?;
        let number = state.ext2.create(self.number, name, node, new)?;
        state.changed(number, attributes.time);
        Ok(self.shared.inode(&mut state, number)?)
    }

    fn create_unnamed(&self, naming: Naming, attributes: &NewAttributes) -> Result<Arc<dyn Inode>> {
        let naming = match naming {
            Naming::Later => fs_ext2::Naming::Later,
            Naming::Never => fs_ext2::Naming::Never,
        };
        let new = new_attributes(attributes);
        let mut state = self.shared.state();
        let number = state.ext2.create_unnamed(self.number, naming, new)?;
        state.changed(number, attributes.time);
        let inode = self.shared.inode(&mut state, number);
        state.ext2.release(number, attributes.time)?;
        Ok(inode?)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>, time: Timestamp) -> Result<()> {
        let target = self.own(target)?;
        let mut state = self.shared.state();
        Ok(state.ext2.link(self.number, name, target, time)?)
    }

    fn unlink(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let mut state = self.shared.state();
        state.now = state.now.max(time);
        Ok(state.ext2.unlink(self.number, name, time)?)
    }

    fn rmdir(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let mut state = self.shared.state();
        state.now = state.now.max(time);
        Ok(state.ext2.rmdir(self.number, name, time)?)
    }

    fn rename(
        &self,
        old_name: &[u8],
        new_directory: &Arc<dyn Inode>,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<&NewAttributes>,
        time: Timestamp,
    ) -> Result<()> {
        let target = self.own(new_directory)?;
        let mode = match mode {
            RenameMode::Replace => fs_ext2::RenameMode::Replace,
            RenameMode::NoReplace => fs_ext2::RenameMode::NoReplace,
            RenameMode::Exchange => fs_ext2::RenameMode::Exchange,
        };
        let mut state = self.shared.state();
        state.now = state.now.max(time);
        let (old, new) = ((self.number, old_name), (target, new_name));
        let whiteout = whiteout.map(new_attributes);
        Ok(state
            .ext2
            .rename_and_leave(old, new, mode, whiteout, time)?)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        if self.file_type != FileType::Symlink {
            return Err(Errno::EINVAL.into());
        }
        Ok(self.shared.state().ext2.readlink(self.number)?)
    }

    fn read_dir(
        &self,
        mut cookie: u64,
        report: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        loop {
            // The lock is not held while `report` runs.
            let mut batch: Vec<(Vec<u8>, u32, Option<FileType>, u64)> = Vec::new();
            let mut is_end = true;
            self.shared
                .state
                .lock()
                .ext2
                .read_dir(self.number, cookie, &mut |entry| {
                    if batch.len() == BATCH {
                        is_end = false;
                        return false;
                    }
                    if entry.name != b"." && entry.name != b".." {
                        batch.push((
                            entry.name.to_vec(),
                            entry.ino.0,
                            entry.kind,
                            entry.next_cookie,
                        ));
                    }
                    true
                })?;
            for (name, number, kind, next_cookie) in &batch {
                cookie = *next_cookie;
                let entry = DirEntry {
                    name,
                    inode: u64::from(*number),
                    file_type: *kind,
                    next_cookie: cookie,
                };
                if !report(entry) {
                    return Ok(());
                }
            }
            if is_end {
                return Ok(());
            }
        }
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let len = sink.remaining();
        let mut state = self.shared.state();
        state
            .ext2
            .read(self.number, offset, len, &mut |bytes| sink.put(bytes))
    }

    fn write_at(&self, offset: u64, source: &mut dyn Source, time: Timestamp) -> Result<usize> {
        self.write(&mut *self.shared.state_to_write()?, offset, source, time)
    }

    fn append(&self, source: &mut dyn Source, time: Timestamp) -> Result<(u64, usize)> {
        let mut state = self.shared.state_to_write()?;
        let start = state.ext2.stat(self.number)?.size;
        Ok((start, self.write(&mut state, start, source, time)?))
    }

    fn punch(&self, start: u64, end: u64, time: Timestamp) -> Result<()> {
        let mut state = self.shared.state();
        state.changed(self.number, time);
        Ok(state.ext2.punch(self.number, (start, end), time)?)
    }

    fn allocate(&self, range: (u64, u64), extent: Extent, time: Timestamp) -> Result<()> {
        let mut state = self.shared.state();
        let extent = match extent {
            Extent::Grow => fs_ext2::Extent::Grow,
            Extent::Keep => {
                let size = state.ext2.stat(self.number)?.size;
                if range.1 > size.next_multiple_of(state.ext2.block_size().into()) {
                    return Err(Errno::EOPNOTSUPP.because("no blocks behind the end of a file"));
                }
                fs_ext2::Extent::Keep
            }
        };
        state.changed(self.number, time);
        Ok(state.ext2.allocate(self.number, range, extent, time)?)
    }

    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        let what = match what {
            Seek::Data => fs_ext2::Seek::Data,
            Seek::Hole => fs_ext2::Seek::Hole,
        };
        let found = self.shared.state().ext2.seek(self.number, offset, what)?;
        found.ok_or_else(|| Errno::ENXIO.because("no data follows"))
    }

    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let (space, name) = stored_name(name)?;
        let all = self.shared.state().ext2.xattrs(self.number)?;
        let found = all
            .into_iter()
            .find(|one| one.space == space && one.name == name);
        found.map(|one| one.value).ok_or(Errno::ENODATA.into())
    }

    fn set_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
        time: Timestamp,
    ) -> Result<()> {
        let mode = match mode {
            XattrMode::Any => fs_ext2::XattrMode::Any,
            XattrMode::Create => fs_ext2::XattrMode::Create,
            XattrMode::Replace => fs_ext2::XattrMode::Replace,
        };
        let mut state = self.shared.state();
        state.now = state.now.max(time);
        let name = stored_name(name)?;
        Ok(state.ext2.set_xattr(self.number, name, value, mode, time)?)
    }

    fn xattr_names(&self, report: &mut dyn FnMut(&[u8])) -> Result<()> {
        let all = self.shared.state().ext2.xattrs(self.number)?;
        for one in all {
            if let Some(space) = Namespace::from_number(one.space) {
                report(&[space.prefix(), &one.name].concat());
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<Option<Flush>> {
        self.shared.sync()
    }

    fn version(&self) -> Option<u64> {
        Some(
            self.shared
                .state
                .lock()
                .versions
                .get(&self.number.0)
                .copied()
                .unwrap_or(0),
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The number of an attribute's namespace and the rest of its name, as the disk has them.
fn stored_name(name: &[u8]) -> Result<(u8, &[u8])> {
    let (space, name) = Namespace::of(name).ok_or(Errno::EOPNOTSUPP)?;
    #[expect(clippy::as_conversions, reason = "the discriminant")]
    Ok((space as u8, name))
}

fn new_attributes(attributes: &NewAttributes) -> fs_ext2::NewAttributes {
    fs_ext2::NewAttributes {
        permissions: permissions(attributes.permissions),
        uid: attributes.uid,
        gid: attributes.gid,
        time: attributes.time,
    }
}

/// The 12 bits that the disk keeps.
fn permissions(permissions: u32) -> u16 {
    u16::try_from(permissions & 0o7777).unwrap_or(0)
}

/// A device number as the disk keeps it: 32 bits.
fn device(number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| Errno::EINVAL.because("the disk keeps 32 bits of a device"))
}
