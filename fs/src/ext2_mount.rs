//! The Ext2 of `fs-ext2` as a file system of the VFS.
//!
//! [`Ext2Fs`] puts one lock round the whole file system. [`Ext2Inode`] stands for an inode number
//! that somebody holds: there is one for each number at a time, and it keeps the inode alive when
//! its last name goes, as open files want.
//!
//! A block that is still on its way (an image that streams) answers [`NOT_RESIDENT`]; nothing has
//! changed then, and the kernel repeats the call when the block is there.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use abi::flags::{EXT2_SUPER_MAGIC, MS_RDONLY};
use abi::{Errno, Error, Result};
use executor::sync::{Lock, LockGuard};
use fs_block::BlockDevice;
use fs_ext2::{Ext2, InodeNo, MountOptions, OnError};

use crate::budget::{Budget, Reclaim};
use crate::io::{Sink, Source};
use crate::vfs::Follow;
use crate::vfs::device::unnamed_device;
use crate::vfs::inode::{
    DirEntry, Extent, FileSystem, FileSystemStatus, FileType, Inode, Metadata, Naming,
    NewAttributes, NewNode, RenameMode, Seek, SetAttributes, Timestamp,
};
use crate::vfs::registry::MountRequest;
use crate::vfs::xattr::{Namespace, XattrMode};

/// A block of the disk is not here yet: wait for the device, then repeat the whole call.
pub const NOT_RESIDENT: Error = Errno::EAGAIN.because("a block of the disk is not here yet");

/// The most bytes that a block cache uses, as a mount gives it without a limit of memory.
const MAX_CACHE_BYTES: usize = 8 << 20;
/// A block cache grows by this part of the free memory at most.
const CACHE_SHARE: u64 = 4;

/// Names that `read_dir` takes out under the lock at once.
const BATCH: usize = 64;

/// A disk that any thread may use.
type Disk = Box<dyn BlockDevice>;

/// A mounted Ext2.
#[derive(Debug)]
pub struct Ext2Fs {
    shared: Arc<Shared>,
    root: Arc<Ext2Inode>,
}

/// What the inodes of one mount share.
struct Shared {
    device: u64,
    state: Lock<State>,
    /// The memory that the block cache is a part of.
    budget: OnceLock<Arc<Budget>>,
}

struct State {
    ext2: Ext2<Disk>,
    /// The inodes that somebody holds.
    inodes: HashMap<u32, Weak<Ext2Inode>>,
    /// Versions of the inodes whose contents changed since the mount; all others have 0.
    versions: HashMap<u32, u64>,
    last_version: u64,
    /// The latest time that a call gave, for what happens on its own: the last close of a file
    /// without a name, and sync.
    now: Timestamp,
}

/// An inode number that somebody holds.
struct Ext2Inode {
    shared: Arc<Shared>,
    number: InodeNo,
    file_type: FileType,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ext2")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Ext2Inode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ext2Inode").field(&self.number).finish()
    }
}

impl Ext2Fs {
    /// Mounts the Ext2 on `disk`.
    ///
    /// # Errors
    /// `EUCLEAN` or `EINVAL` when it holds no Ext2 that can be mounted so, `EROFS`, `EIO`,
    /// [`NOT_RESIDENT`].
    pub fn mount(disk: Disk, options: MountOptions) -> Result<Self> {
        let now = options.now;
        let shared = Arc::new(Shared {
            device: unnamed_device(),
            state: Lock::new(State {
                ext2: Ext2::mount(disk, options)?,
                inodes: HashMap::new(),
                versions: HashMap::new(),
                last_version: 0,
                now,
            }),
            budget: OnceLock::new(),
        });
        let root = shared.inode(&mut shared.state(), InodeNo::ROOT)?;
        Ok(Self { shared, root })
    }

    /// The block cache gives back what the pod needs for something else, and grows only while there
    /// is room. The first call counts.
    pub fn share_memory(&self, budget: &Arc<Budget>) {
        if self.shared.budget.set(Arc::clone(budget)).is_ok() {
            budget.add_cache(&self.shared);
        }
    }

    /// Makes one for `mount(2)`: the source is a block device.
    ///
    /// # Errors
    /// `ENOTBLK` when it is none, what walking says, and what [`Ext2Fs::mount`] says.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let source = request
            .vfs
            .walk(request.context, request.source, Follow::Yes)?;
        if source.file_type() != FileType::BlockDevice {
            return Err(Errno::ENOTBLK.because("the source is no block device"));
        }
        let disk = request.vfs.devices().disk(source.metadata()?.rdev)?;
        let options = MountOptions {
            read_only: request.flags & MS_RDONLY != 0,
            // A pod never panics for a disk.
            on_error: if request.option("errors") == Some(b"continue") {
                OnError::Continue
            } else {
                OnError::RemountReadOnly
            },
            now: request.context.now,
            ..MountOptions::default()
        };
        let made = Self::mount(disk, options)?;
        made.share_memory(request.vfs.budget());
        Ok(Arc::new(made))
    }
}

impl FileSystem for Ext2Fs {
    fn type_name(&self) -> &'static str {
        "ext2"
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::<Ext2Inode>::clone(&self.root)
    }

    fn status(&self) -> Result<FileSystemStatus> {
        let status = self.shared.state().ext2.status();
        Ok(FileSystemStatus {
            magic: EXT2_SUPER_MAGIC,
            block_size: status.block_size,
            nr_blocks: status.nr_blocks,
            nr_free: status.nr_free,
            nr_available: status.nr_available,
            nr_inodes: status.nr_inodes,
            nr_free_inodes: status.nr_free_inodes,
            name_max: status.name_max,
        })
    }

    fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    /// Frees what has no name, writes everything and marks the disk clean.
    fn unmount(&self, now: Timestamp) -> Result<()> {
        Ok(self.shared.state().ext2.unmount(now)?)
    }
}

impl Reclaim for Shared {
    fn held_bytes(&self) -> u64 {
        let held = self.state.try_lock().map(|state| state.ext2.cache_bytes());
        held.and_then(|held| u64::try_from(held).ok()).unwrap_or(0)
    }

    fn give_back(&self, bytes: u64) -> u64 {
        let Some(mut state) = self.state.try_lock() else {
            return 0;
        };
        let held = state.ext2.cache_bytes();
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
        if state
            .ext2
            .set_cache_bytes(held.saturating_sub(wanted))
            .is_err()
        {
            return 0;
        }
        let given = held.saturating_sub(state.ext2.cache_bytes());
        u64::try_from(given).unwrap_or(0)
    }
}

impl Shared {
    /// The file system, locked, with a block cache that may grow as far as the pod's memory lets it.
    fn state(&self) -> LockGuard<'_, State> {
        let mut state = self.state.lock();
        if let Some(budget) = self.budget.get()
            && budget.limit().is_some()
        {
            let held = state.ext2.cache_bytes();
            let more = usize::try_from(budget.free_bytes() / CACHE_SHARE).unwrap_or(usize::MAX);
            let bytes = held.saturating_add(more).min(MAX_CACHE_BYTES);
            // It gives nothing back here, so nothing has to be written.
            let _kept = state.ext2.set_cache_bytes(bytes.max(held));
        }
        state
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.state();
        let now = state.now;
        Ok(state.ext2.sync(now)?)
    }

    /// The one inode of this number.
    fn inode(self: &Arc<Self>, state: &mut State, number: InodeNo) -> Result<Arc<Ext2Inode>> {
        if let Some(inode) = state.inodes.get(&number.0).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        let kind = state.ext2.stat(number)?.kind;
        let inode = Arc::new(Ext2Inode {
            shared: Arc::clone(self),
            number,
            file_type: kind,
        });
        state.ext2.retain(number);
        state.inodes.insert(number.0, Arc::downgrade(&inode));
        Ok(inode)
    }
}

impl State {
    /// Notes that the contents of an inode changed at `time`.
    fn changed(&mut self, number: InodeNo, time: Timestamp) {
        self.now = self.now.max(time);
        self.last_version = self.last_version.saturating_add(1);
        self.versions.insert(number.0, self.last_version);
    }
}

impl Ext2Inode {
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
        let now = state.now;
        // On an error of the disk the inode stays held; unmounting tries again.
        let _held = state.ext2.release(self.number, now);
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
        let mut state = self.shared.state();
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
        Ok(state
            .ext2
            .rename(self.number, old_name, target, new_name, mode, time)?)
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
        self.write(&mut self.shared.state(), offset, source, time)
    }

    fn append(&self, source: &mut dyn Source, time: Timestamp) -> Result<(u64, usize)> {
        let mut state = self.shared.state();
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

    fn sync(&self) -> Result<()> {
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
