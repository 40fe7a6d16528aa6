//! The inode of a tmpfs: attributes and a body under one lock.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::sync::Lock;

use super::content::Content;
use super::directory::Names;
use super::state::{Body, State};
use super::xattr::Xattrs;
use super::{Shared, inode_bytes, type_of};
use crate::io::{Sink, Source};
use crate::vfs::inode::{
    DirEntry, Extent, FileType, Inode, Metadata, Naming, NewAttributes, NewNode, RenameMode, Seek,
    SetAttributes, Timestamp,
};
use crate::vfs::xattr::XattrMode;

/// Bytes that a name adds to the size of a directory, as Linux's tmpfs counts.
const BYTES_PER_NAME: u64 = 20;
/// Names that `read_dir` takes out under the lock at once.
const BATCH: usize = 64;

/// One file.
pub(super) struct TmpInode {
    this: Weak<Self>,
    pub(super) shared: Arc<Shared>,
    pub(super) number: u64,
    file_type: FileType,
    rdev: u64,
    version: AtomicU64,
    pub(super) state: Lock<State>,
}

impl fmt::Debug for TmpInode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TmpInode")
            .field("number", &self.number)
            .field("file_type", &self.file_type)
            .finish_non_exhaustive()
    }
}

impl TmpInode {
    /// A new file with one link (a directory: two).
    pub(super) fn new(
        shared: &Arc<Shared>,
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<Self>> {
        let body = match node {
            NewNode::Regular => Body::Regular(Content::default()),
            NewNode::Directory => Body::Directory(Names::default()),
            NewNode::Symlink(target) => Body::Symlink((*target).into()),
            _ => Body::Nothing,
        };
        let rdev = match node {
            NewNode::CharDevice(number) | NewNode::BlockDevice(number) => *number,
            _ => 0,
        };
        let file_type = type_of(node);
        let number = shared.new_inode(node)?;
        Ok(Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            number,
            shared: Arc::clone(shared),
            file_type,
            rdev,
            version: AtomicU64::new(0),
            state: Lock::new(State {
                permissions: attributes.permissions,
                uid: attributes.uid,
                gid: attributes.gid,
                nr_links: if file_type == FileType::Directory {
                    2
                } else {
                    1
                },
                may_get_name: false,
                atime: attributes.time,
                mtime: attributes.time,
                ctime: attributes.time,
                xattrs: Xattrs::default(),
                body,
            }),
        }))
    }

    /// Takes all names out and returns the directories among them.
    pub(super) fn take_directories(&self) -> Vec<Arc<Self>> {
        let mut state = self.state.lock();
        let Ok(names) = state.names() else {
            return Vec::new();
        };
        let all = names.take_all();
        drop(state);
        all.filter(|inode| inode.file_type == FileType::Directory)
            .collect()
    }

    pub(super) fn is_directory(&self) -> bool {
        self.file_type == FileType::Directory
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    /// `inode` as one of this file system.
    fn own<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a Self> {
        inode
            .as_any()
            .downcast_ref::<Self>()
            .filter(|inode| Arc::ptr_eq(&inode.shared, &self.shared))
            .ok_or(Errno::EXDEV.into())
    }

    /// Fails unless this, a directory that loses its name, is empty; no name may come any more.
    pub(super) fn kill_if_empty(&self, time: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        let names = state.names()?;
        if !names.is_empty() {
            return Err(Errno::ENOTEMPTY.into());
        }
        names.is_dead = true;
        state.nr_links = 0;
        state.ctime = time;
        Ok(())
    }

    /// Writes at byte `offset`, or at the end; returns where, and bytes moved.
    fn write(
        &self,
        offset: Option<u64>,
        source: &mut dyn Source,
        time: Timestamp,
    ) -> Result<(u64, usize)> {
        let mut state = self.state.lock();
        let content = match &mut state.body {
            Body::Regular(content) => content,
            Body::Directory(_) => return Err(Errno::EISDIR.into()),
            Body::Symlink(_) | Body::Nothing => return Err(Errno::EINVAL.into()),
        };
        let start = offset.unwrap_or(content.size());
        let moved = content.write(start, source, &|bytes| self.shared.charge(bytes))?;
        state.touch(time);
        self.changed();
        Ok((start, moved))
    }

    fn add_link(&self, time: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        if state.nr_links == 0 && !state.may_get_name {
            return Err(Errno::ENOENT.because("the file has no name any more"));
        }
        state.may_get_name = false;
        state.nr_links = state.nr_links.saturating_add(1);
        state.ctime = time;
        Ok(())
    }
}

impl Drop for TmpInode {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        state.xattrs.clear(&self.shared);
        let extra = match &state.body {
            Body::Regular(content) => {
                self.shared.discharge(content.charged());
                0
            }
            Body::Symlink(target) => target.len(),
            _ => 0,
        };
        self.shared.drop_inode(inode_bytes(extra));
    }
}

impl Inode for TmpInode {
    fn metadata(&self) -> Result<Metadata> {
        let state = self.state.lock();
        let (size, charged) = match &state.body {
            Body::Regular(content) => (content.size(), content.charged()),
            Body::Directory(names) => {
                let nr_names = u64::try_from(names.len()).unwrap_or(u64::MAX);
                (nr_names.saturating_add(2).saturating_mul(BYTES_PER_NAME), 0)
            }
            Body::Symlink(target) => (u64::try_from(target.len()).unwrap_or(u64::MAX), 0),
            Body::Nothing => (0, 0),
        };
        Ok(Metadata {
            device: self.shared.device,
            inode: self.number,
            file_type: self.file_type,
            permissions: state.permissions,
            nr_links: state.nr_links,
            uid: state.uid,
            gid: state.gid,
            rdev: self.rdev,
            size,
            block_size: 4096,
            nr_blocks: charged / 512,
            atime: state.atime,
            mtime: state.mtime,
            ctime: state.ctime,
        })
    }

    fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(size) = change.size {
            let Body::Regular(content) = &mut state.body else {
                return Err(Errno::EINVAL.because("only regular files have a size to set"));
            };
            let freed = content.resize(size)?;
            self.shared.discharge(freed);
            self.changed();
        }
        let set = |field: &mut u32, value: Option<u32>| *field = value.unwrap_or(*field);
        set(&mut state.permissions, change.permissions);
        set(&mut state.uid, change.uid);
        set(&mut state.gid, change.gid);
        let set = |field: &mut Timestamp, value: Option<Timestamp>| {
            *field = value.unwrap_or(*field);
        };
        set(&mut state.atime, change.atime);
        set(&mut state.mtime, change.mtime);
        set(&mut state.ctime, change.ctime);
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let mut state = self.state.lock();
        let found = state.names()?.find(name).ok_or(Errno::ENOENT)?;
        Ok(Arc::<Self>::clone(found))
    }

    fn create(
        &self,
        name: &[u8],
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<dyn Inode>> {
        let mut state = self.state.lock();
        let names = state.names()?;
        if names.is_dead {
            return Err(Errno::ENOENT.because("the directory was removed"));
        }
        if names.find(name).is_some() {
            return Err(Errno::EEXIST.into());
        }
        let inode = Self::new(&self.shared, node, attributes)?;
        names.insert(name, Arc::clone(&inode));
        if inode.is_directory() {
            state.nr_links = state.nr_links.saturating_add(1);
        }
        state.touch(attributes.time);
        Ok(inode)
    }

    fn create_unnamed(&self, naming: Naming, attributes: &NewAttributes) -> Result<Arc<dyn Inode>> {
        if self.state.lock().names()?.is_dead {
            return Err(Errno::ENOENT.because("the directory was removed"));
        }
        let inode = Self::new(&self.shared, &NewNode::Regular, attributes)?;
        let mut state = inode.state.lock();
        state.nr_links = 0;
        state.may_get_name = naming == Naming::Later;
        drop(state);
        Ok(inode)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>, time: Timestamp) -> Result<()> {
        let own = self.own(target)?;
        if own.is_directory() {
            return Err(Errno::EPERM.into());
        }
        let mut state = self.state.lock();
        let names = state.names()?;
        if names.is_dead {
            return Err(Errno::ENOENT.because("the directory was removed"));
        }
        if names.find(name).is_some() {
            return Err(Errno::EEXIST.into());
        }
        let inode = own.this.upgrade().ok_or(Errno::ENOENT)?;
        own.add_link(time)?;
        names.insert(name, inode);
        state.touch(time);
        Ok(())
    }

    fn unlink(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        let names = state.names()?;
        let victim = names.find(name).ok_or(Errno::ENOENT)?;
        if victim.is_directory() {
            return Err(Errno::EISDIR.into());
        }
        let victim = names.remove(name);
        state.touch(time);
        if let Some(victim) = &victim {
            victim.state.lock().unlinked(time);
        }
        drop(state);
        drop(victim);
        Ok(())
    }

    fn rmdir(&self, name: &[u8], time: Timestamp) -> Result<()> {
        let _structure = self.shared.structure.lock();
        let mut state = self.state.lock();
        let names = state.names()?;
        let victim = names.find(name).ok_or(Errno::ENOENT)?;
        victim.kill_if_empty(time)?;
        let victim = names.remove(name);
        state.nr_links = state.nr_links.saturating_sub(1);
        state.touch(time);
        drop(state);
        drop(victim);
        Ok(())
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
        let node = NewNode::CharDevice(0);
        let whiteout = whiteout
            .map(|attributes| Self::new(&self.shared, &node, attributes))
            .transpose()?;
        self.move_name(old_name, target, new_name, mode, whiteout, time)
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        match &self.state.lock().body {
            Body::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn read_dir(
        &self,
        mut cookie: u64,
        report: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        loop {
            // The lock is not held while `report` runs.
            let batch = self.state.lock().names()?.after(cookie, BATCH);
            if batch.is_empty() {
                return Ok(());
            }
            for (number, name) in &batch {
                cookie = *number;
                let entry = DirEntry {
                    name: &name.name,
                    inode: name.inode.number,
                    file_type: Some(name.inode.file_type),
                    next_cookie: cookie,
                };
                if !report(entry) {
                    return Ok(());
                }
            }
        }
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        match &self.state.lock().body {
            Body::Regular(content) => content.read(offset, sink),
            Body::Directory(_) => Err(Errno::EISDIR.into()),
            Body::Symlink(_) | Body::Nothing => Err(Errno::EINVAL.into()),
        }
    }

    fn write_at(&self, offset: u64, source: &mut dyn Source, time: Timestamp) -> Result<usize> {
        let (_, moved) = self.write(Some(offset), source, time)?;
        Ok(moved)
    }

    fn punch(&self, start: u64, end: u64, time: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        let Body::Regular(content) = &mut state.body else {
            return Err(Errno::EINVAL.into());
        };
        let freed = content.punch(start, end);
        self.shared.discharge(freed);
        state.touch(time);
        self.changed();
        Ok(())
    }

    fn allocate(&self, range: (u64, u64), extent: Extent, time: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        let Body::Regular(content) = &mut state.body else {
            return Err(Errno::EINVAL.into());
        };
        content.allocate(range, extent, &|bytes| self.shared.charge(bytes))?;
        state.touch(time);
        self.changed();
        Ok(())
    }

    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        match &self.state.lock().body {
            Body::Regular(content) => content.seek(offset, what),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.state.lock().xattrs.value(name)
    }

    fn set_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
        time: Timestamp,
    ) -> Result<()> {
        let mut state = self.state.lock();
        state.xattrs.set(&self.shared, name, value, mode)?;
        state.ctime = time;
        Ok(())
    }

    fn xattr_names(&self, report: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.state.lock().xattrs.names(report);
        Ok(())
    }

    fn append(&self, source: &mut dyn Source, time: Timestamp) -> Result<(u64, usize)> {
        self.write(None, source, time)
    }

    fn version(&self) -> Option<u64> {
        Some(self.version.load(Ordering::Relaxed))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
