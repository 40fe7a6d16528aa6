//! The Ext2 of `fs-ext2` as a file system of the VFS.
//!
//! [`Ext2Fs`] puts one lock round the whole file system; [`request`] is how `mount(2)` makes one.
//! [`inode::Ext2Inode`] stands for an inode number
//! that somebody holds: there is one for each number at a time, and it keeps the inode alive when
//! its last name goes, as open files want.
//!
//! A block that is still on its way (an image that streams) answers [`NOT_RESIDENT`]; nothing has
//! changed then, and the kernel repeats the call when the block is there.

mod inode;
mod request;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use abi::Result;
use abi::flags::{EXT2_SUPER_MAGIC, MS_RDONLY};
use executor::sync::{Lock, LockGuard};
use fs_block::BlockDevice;
use fs_ext2::{Ext2, InodeNo, MountOptions, ReservedBlocks};

use self::inode::Ext2Inode;
use crate::budget::{Budget, Reclaim};
use crate::io::NOT_RESIDENT;
use crate::vfs::device::unnamed_device;
use crate::vfs::flush::{Flush, Flushing};
use crate::vfs::inode::{FileSystem, FileSystemStatus, Inode, Timestamp};
use crate::vfs::permission::uses_reserve_of;
use crate::vfs::registry::MountRequest;

/// The most bytes that the block cache of a disk outside the kernel's memory takes: all that is read comes there.
const FAR_CACHE_BYTES: usize = 64 << 20;
/// A block cache grows by this part of the free memory, and of what the kernel's heap may still grow by, at most.
const CACHE_SHARE: u64 = 4;

/// A disk that any thread may use.
type Disk = Box<dyn BlockDevice>;

/// A mounted Ext2.
#[derive(Debug)]
pub struct Ext2Fs {
    shared: Arc<Shared>,
    root: Arc<Ext2Inode>,
    type_name: &'static str,
}

/// What the inodes of one mount share.
struct Shared {
    device: u64,
    state: Lock<State>,
    /// The most bytes of the block cache.
    max_cache_bytes: usize,
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
    /// Inodes that nobody holds, and that could not be freed when they were let go.
    unreleased: Vec<InodeNo>,
    /// The latest time that a call gave, for what happens on its own: the last close of a file
    /// without a name, and sync.
    now: Timestamp,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ext2")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// The most bytes that the block cache of `disk` takes. One in memory needs it for metadata and changes only.
pub fn cache_bytes_for(disk: &dyn BlockDevice) -> usize {
    if disk.is_in_memory() {
        MountOptions::default().cache_bytes
    } else {
        FAR_CACHE_BYTES
    }
}

impl Ext2Fs {
    /// Mounts the Ext2 on `disk`, or the ext4, which can only be read.
    ///
    /// # Errors
    /// `EUCLEAN` or `EINVAL` when it holds no Ext2 that can be mounted so, `EROFS`, `EIO`,
    /// [`NOT_RESIDENT`].
    pub fn mount(disk: Disk, options: MountOptions) -> Result<Self> {
        let now = options.now;
        let ext2 = Ext2::mount(disk, options)?;
        let type_name = if ext2.is_ext4() { "ext4" } else { "ext2" };
        let shared = Arc::new(Shared {
            device: unnamed_device(),
            state: Lock::new(State {
                ext2,
                inodes: HashMap::new(),
                versions: HashMap::new(),
                last_version: 0,
                unreleased: Vec::new(),
                now,
            }),
            max_cache_bytes: options.cache_bytes,
            budget: OnceLock::new(),
        });
        let root = shared.inode(&mut shared.state(), InodeNo::ROOT)?;
        Ok(Self {
            shared,
            root,
            type_name,
        })
    }

    /// The block cache gives back what the pod needs for something else, and grows only while there
    /// is room. The first call counts.
    pub fn share_memory(&self, budget: &Arc<Budget>) {
        if self.shared.budget.set(Arc::clone(budget)).is_ok() {
            budget.add_cache(&self.shared);
        }
    }
}

impl FileSystem for Ext2Fs {
    fn type_name(&self) -> &'static str {
        self.type_name
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

    fn sync(&self) -> Result<Option<Flush>> {
        self.shared.sync()
    }

    fn remount(&self, request: &MountRequest<'_>) -> Result<()> {
        let mut state = self.shared.state();
        if state.release_late() {
            return Err(NOT_RESIDENT);
        }
        let now = request.context.now;
        if request.flags & MS_RDONLY == 0 {
            state.ext2.remount_writable(now)?;
        } else {
            state.ext2.remount_read_only(now)?;
        }
        if let Some(on_error) = request::on_error(request) {
            state.ext2.set_on_error(on_error);
        }
        Ok(())
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
    /// The file system, locked, for whoever acts on this thread, with a block cache that may grow as
    /// far as the pod's memory lets it.
    fn state(&self) -> LockGuard<'_, State> {
        let mut state = self.state.lock();
        if let Some(budget) = self.budget.get() {
            let free = match budget.limit() {
                Some(_) => budget.free_bytes().min(budget.heap_room()),
                None => budget.heap_room(),
            };
            let held = state.ext2.cache_bytes();
            let more = usize::try_from(free / CACHE_SHARE).unwrap_or(usize::MAX);
            let bytes = held.saturating_add(more).min(self.max_cache_bytes);
            // It gives nothing back here, so nothing has to be written.
            let _kept = state.ext2.set_cache_bytes(bytes.max(held));
        }
        if let Some(owner) = state.ext2.reserve_owner() {
            state.ext2.set_reserved_blocks(if uses_reserve_of(owner) {
                ReservedBlocks::Usable
            } else {
                ReservedBlocks::Kept
            });
        }
        state
    }

    /// The same for a call that writes: it waits while much is on its way to the medium, and for room that was
    /// freed and is not found yet.
    fn state_to_write(&self) -> Result<LockGuard<'_, State>> {
        let mut state = self.state();
        if state.ext2.device().is_congested() || state.release_late() {
            return Err(NOT_RESIDENT);
        }
        Ok(state)
    }

    fn sync(self: &Arc<Self>) -> Result<Option<Flush>> {
        let mut state = self.state();
        let now = state.now;
        if state.release_late() {
            return Err(NOT_RESIDENT);
        }
        let number = state.ext2.start_sync(now)?;
        Ok(number.map(|number| Flush {
            device: Arc::<Self>::clone(self),
            number,
        }))
    }

    /// The one inode of this number.
    fn inode(self: &Arc<Self>, state: &mut State, number: InodeNo) -> Result<Arc<Ext2Inode>> {
        if let Some(inode) = state.inodes.get(&number.0).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        let kind = state.ext2.stat(number)?.kind;
        let inode = Arc::new(Ext2Inode::new(Arc::clone(self), number, kind));
        state.ext2.retain(number);
        state.inodes.insert(number.0, Arc::downgrade(&inode));
        Ok(inode)
    }
}

impl Flushing for Shared {
    fn is_flushed(&self, number: u64) -> Result<bool> {
        Ok(self.state.lock().ext2.is_synced(number)?)
    }
}

impl State {
    /// Frees those that could not be freed when they were let go; whether some wait for blocks on their way.
    fn release_late(&mut self) -> bool {
        let mut waits = false;
        for number in std::mem::take(&mut self.unreleased) {
            waits |= self.release(number);
        }
        waits
    }

    /// Lets go of an inode; one that has to be freed, which the disk does not allow now, is kept for later. Whether it
    /// waits for blocks on their way.
    fn release(&mut self, number: InodeNo) -> bool {
        let result = self.ext2.release(number, self.now);
        if result.is_err() {
            self.unreleased.push(number);
        }
        matches!(result, Err(fs_ext2::Error::NotResident(_)))
    }

    /// Notes that the contents of an inode changed at `time`.
    fn changed(&mut self, number: InodeNo, time: Timestamp) {
        self.now = self.now.max(time);
        self.last_version = self.last_version.saturating_add(1);
        self.versions.insert(number.0, self.last_version);
    }
}
