//! A mounted file system: [`Ext2`], its beginning, its end, and all-or-nothing operations.
//!
//! ```text
//!          mount (rw)              Corrupt found                unmount
//!   clean ───────────> in use ──────────────────> in use, error ───────> error
//!   (VALID)            (not VALID)                 (ERROR)
//!     ^                    │ unmount
//!     └────────────────────┘
//! A remount read-only is like `unmount` there, one for writing like `mount`.
//! ```

use core::fmt;

use fs_block::{BlockCache, BlockDevice, NumberMap};

use crate::codec::index;
use crate::error::{Error, Result};
use crate::group::{Group, check_data_block};
use crate::inode::InodeCache;
use crate::lifetime::Holders;
use crate::name_index::NameIndexes;
use crate::superblock::{self, STATE_ERROR, STATE_VALID, Superblock};
use crate::write_back::WriteBack;
use crate::{BlockNo, InodeNo, Timestamp};

/// How to mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Never write to the device.
    pub read_only: bool,
    /// Who may use the blocks reserved for root at first; see [`Ext2::set_reserved_blocks`].
    pub reserved_blocks: ReservedBlocks,
    /// What follows when the disk turns out to contradict itself.
    pub on_error: OnError,
    /// Whether the directories of the root get a group each, as far from each other as they can: good for a disk that
    /// will be filled. Together they take fewer requests from far away.
    pub spread_directories: bool,
    /// Memory for the block cache, in bytes.
    pub cache_bytes: usize,
    /// Bytes that may differ from the device when an operation is over; more, and all of it is written.
    pub dirty_bytes: usize,
    /// The time of the mount, for the superblock.
    pub now: Timestamp,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            reserved_blocks: ReservedBlocks::Usable,
            on_error: OnError::RemountReadOnly,
            spread_directories: true,
            cache_bytes: 8 << 20,
            dirty_bytes: 4 << 20,
            now: Timestamp::default(),
        }
    }
}

/// What follows when the disk turns out to contradict itself (`errors=` of mount(8)). The operation
/// answers `Corrupt` in any case, and the disk is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// No more changes, so that nothing gets worse.
    RemountReadOnly,
    /// Go on.
    Continue,
}

/// Whether allocations may take the last `s_r_blocks_count` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedBlocks {
    /// The caller acts for root.
    Usable,
    /// The caller acts for someone else: `NoSpace` comes earlier.
    Kept,
}

/// What `statfs(2)` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemStatus {
    /// Bytes per block.
    pub block_size: u32,
    /// Blocks that files may use, in all.
    pub nr_blocks: u64,
    /// Free blocks.
    pub nr_free: u64,
    /// Free blocks that are not reserved for root.
    pub nr_available: u64,
    /// Inodes in all.
    pub nr_inodes: u64,
    /// Free inodes.
    pub nr_free_inodes: u64,
    /// Longest name in bytes.
    pub name_max: u32,
}

/// A mounted file system on device `D`.
///
/// Whoever holds it is its only user. Fields change only within this crate.
pub struct Ext2<D> {
    pub(crate) cache: BlockCache<D>,
    pub(crate) superblock: Superblock,
    pub(crate) groups: Vec<Group>,
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) read_only: bool,
    pub(crate) reserved_blocks: ReservedBlocks,
    /// Inodes seen lately; always as in the block cache.
    pub(crate) inodes: InodeCache,
    /// Where the names of large directories are; always as in the block cache.
    pub(crate) names: NameIndexes,
    /// The inodes that are held open.
    pub(crate) retained: NumberMap<u32, Holders>,
    /// Former groups, counts and first orphan, to undo the running operation.
    undo: Vec<(u32, Group)>,
    undo_counts: (u32, u32, u32),
    on_error: OnError,
    pub(crate) write_back: WriteBack,
    pub(crate) spread_directories: bool,
    /// `s_state` at mount; goes back at unmount.
    state_at_mount: u16,
}

impl<D: BlockDevice> Ext2<D> {
    /// Whether the disk is an ext4 by its features: it can only be read.
    pub const fn is_ext4(&self) -> bool {
        self.superblock.ext4_features() != 0
    }

    /// Reads the superblock and all group descriptors of `device`, and marks it as in use.
    ///
    /// # Errors
    /// `Corrupt` or `Unsupported` when this is not an Ext2 that can be mounted so, `ReadOnly` when
    /// the device takes no writes, `NotResident`, `Io`. Repeating needs the device again, so give
    /// a cheap handle (`&`-like) where `NotResident` can happen.
    pub fn mount(device: D, options: MountOptions) -> Result<Self> {
        let mut bytes = vec![0; superblock::LEN_BYTES];
        if device.len_bytes() >= superblock::END_BYTES {
            device.read(superblock::OFFSET_BYTES, &mut bytes)?;
        }
        let superblock = Superblock::from_bytes(&bytes, device.len_bytes())?;
        if !options.read_only {
            superblock.check_writable()?;
            if device.is_read_only() {
                return Err(Error::ReadOnly);
            }
        }
        let block_size = index(superblock.block_size());
        let mut cache = BlockCache::new(device, block_size, options.cache_bytes);
        let mut groups = Vec::with_capacity(index(superblock.nr_groups()));
        for number in 0..superblock.nr_groups() {
            let (block, at) = superblock.descriptor_place(number);
            let bytes = cache.block(u64::from(block))?.get(at..).unwrap_or_default();
            groups.push(Group::from_bytes(bytes, number, &superblock)?);
        }
        let sum =
            |count: fn(&Group) -> u32| groups.iter().map(count).fold(0_u32, u32::saturating_add);
        let free_blocks = sum(|group| group.free_blocks);
        let free_inodes = sum(|group| group.free_inodes);
        let mut mounted = Self {
            cache,
            state_at_mount: superblock.state,
            superblock,
            groups,
            free_blocks,
            free_inodes,
            read_only: options.read_only,
            reserved_blocks: options.reserved_blocks,
            inodes: InodeCache::default(),
            names: NameIndexes::default(),
            retained: NumberMap::default(),
            undo: Vec::new(),
            undo_counts: (0, 0, 0),
            on_error: options.on_error,
            write_back: WriteBack::new(options.dirty_bytes),
            spread_directories: options.spread_directories,
        };
        mounted.directory(InodeNo::ROOT)?;
        if !options.read_only {
            mounted.begin_use(options.now)?;
        }
        Ok(mounted)
    }

    /// Marks the disk as in use.
    fn begin_use(&mut self, now: Timestamp) -> Result<()> {
        self.bury_orphans(now)?;
        self.superblock.note_mount(now);
        // With the descriptors: freeing orphans has changed counts. Nothing waits for that to be durable.
        self.write_all(now)?;
        let _flush = self.cache.device_mut().start_flush()?;
        Ok(())
    }

    /// Allows changes where none were (`MS_REMOUNT` without `MS_RDONLY`): the disk is in use again.
    ///
    /// # Errors
    /// `ReadOnly` for a disk that is only read, and when the device takes no writes; `NotResident`, `Io`.
    pub fn remount_writable(&mut self, now: Timestamp) -> Result<()> {
        if !self.read_only {
            return Ok(());
        }
        if self.superblock.check_writable().is_err() || self.cache.device().is_read_only() {
            return Err(Error::ReadOnly);
        }
        let Superblock {
            state,
            mnt_count,
            mtime,
            ..
        } = self.superblock;
        self.state_at_mount = state;
        self.read_only = false;
        let begun = self.begin_use(now);
        if begun.is_err() {
            self.superblock.state |= state;
            self.superblock.mnt_count = mnt_count;
            self.superblock.mtime = mtime;
            self.read_only = true;
        }
        begun
    }

    /// Ends changes (`MS_REMOUNT | MS_RDONLY`): writes everything and marks the disk as [`Self::unmount`] does.
    ///
    /// # Errors
    /// `Busy` while something without a name is held, which is to be freed; else as [`Self::unmount`].
    pub fn remount_read_only(&mut self, now: Timestamp) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let held: Vec<u32> = self.retained.keys().copied().collect();
        for ino in held {
            if self.inode(InodeNo(ino))?.links_count == 0 {
                return Err(Error::Busy);
            }
        }
        self.end_use(now)
    }

    /// Frees what is unlinked but held open, writes everything and marks the disk clean again.
    /// Afterwards the file system is read-only.
    ///
    /// # Errors
    /// `Io`, `NotResident`, `Corrupt`; then it is still mounted. A device that needs time for a flush has been asked
    /// for it: [`Self::sync`] before, so that only the mark is on its way.
    pub fn unmount(&mut self, now: Timestamp) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let held: Vec<u32> = self.retained.keys().copied().collect();
        for ino in held {
            self.retained.insert(ino, Holders::ONE);
            self.release(InodeNo(ino), now)?;
        }
        self.end_use(now)
    }

    /// Writes everything and marks the disk as it was before it was in use.
    fn end_use(&mut self, now: Timestamp) -> Result<()> {
        let state_in_use = self.superblock.state;
        self.superblock.state |= self.state_at_mount & STATE_VALID;
        let written = self.write_all(now);
        let flushed = written.and_then(|()| Ok(self.cache.device_mut().start_flush()?));
        if let Err(error) = flushed {
            self.superblock.state = state_in_use;
            self.write_back.is_superblock_changed = true;
            return Err(error);
        }
        self.read_only = true;
        Ok(())
    }

    /// The device; what was not synced is lost.
    pub fn into_device(self) -> D {
        self.cache.into_device()
    }

    /// The device underneath.
    pub const fn device(&self) -> &D {
        self.cache.device()
    }

    /// The device underneath; writing to it goes behind the file system's back.
    pub const fn device_mut(&mut self) -> &mut D {
        self.cache.device_mut()
    }

    /// Bytes that the block cache takes.
    pub const fn cache_bytes(&self) -> usize {
        self.cache.held_bytes()
    }

    /// From now on the block cache uses about `bytes` of memory; what it has above that it gives
    /// back at once.
    ///
    /// # Errors
    /// `Io` when a block had to be written and could not; nothing is lost then.
    pub fn set_cache_bytes(&mut self, bytes: usize) -> Result<()> {
        Ok(self.cache.set_budget(bytes)?)
    }

    /// Whether changes are refused: mounted so, unmounted, errors were found (`errors=remount-ro`), or the device takes
    /// no more.
    pub fn is_read_only(&self) -> bool {
        self.read_only || self.cache.device().is_read_only()
    }

    /// Bytes per block.
    pub const fn block_size(&self) -> u32 {
        self.superblock.block_size()
    }

    /// User and group that may take the reserved blocks, besides the superuser, if there are any.
    pub fn reserve_owner(&self) -> Option<(u32, u32)> {
        let superblock = &self.superblock;
        (superblock.r_blocks_count > 0)
            .then(|| (superblock.def_resuid.into(), superblock.def_resgid.into()))
    }

    /// Decides what follows when the disk contradicts itself.
    pub const fn set_on_error(&mut self, on_error: OnError) {
        self.on_error = on_error;
    }

    /// Decides for the following operations who they act for.
    pub const fn set_reserved_blocks(&mut self, reserved_blocks: ReservedBlocks) {
        self.reserved_blocks = reserved_blocks;
    }

    /// Sizes and free space, as `statfs(2)` counts them (`minixdf` off).
    pub fn status(&self) -> FileSystemStatus {
        let superblock = &self.superblock;
        let overhead = (0..superblock.nr_groups()).fold(
            u64::from(superblock.first_data_block),
            |sum, group| {
                let tables = u64::from(superblock.inode_table_blocks()).saturating_add(2);
                sum.saturating_add(u64::from(superblock.head_blocks(group)))
                    .saturating_add(tables)
            },
        );
        let nr_free = u64::from(self.free_blocks);
        FileSystemStatus {
            block_size: superblock.block_size(),
            nr_blocks: u64::from(superblock.blocks_count).saturating_sub(overhead),
            nr_free,
            nr_available: nr_free.saturating_sub(u64::from(superblock.r_blocks_count)),
            nr_inodes: u64::from(superblock.inodes_count),
            nr_free_inodes: u64::from(self.free_inodes),
            name_max: 255,
        }
    }

    /// Runs an operation that changes the disk: all of it happens, or nothing.
    pub(crate) fn change<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.begin()?;
        match operation(self) {
            Ok(value) => {
                self.commit();
                Ok(value)
            }
            Err(error) => Err(self.roll_back(error)),
        }
    }

    // Out of line: there is a copy of `change` for each operation.
    #[inline(never)]
    fn begin(&mut self) -> Result<()> {
        if self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        self.cache.begin();
        self.undo.clear();
        self.undo_counts = self.counts();
        Ok(())
    }

    /// What an operation may change besides blocks and groups.
    const fn counts(&self) -> (u32, u32, u32) {
        let last_orphan = self.superblock.last_orphan;
        (self.free_blocks, self.free_inodes, last_orphan)
    }

    #[inline(never)]
    fn roll_back(&mut self, error: Error) -> Error {
        (
            self.free_blocks,
            self.free_inodes,
            self.superblock.last_orphan,
        ) = self.undo_counts;
        while let Some((number, former)) = self.undo.pop() {
            if let Some(group) = self.groups.get_mut(index(number)) {
                *group = former;
            }
        }
        if self.cache.roll_back() {
            self.inodes.clear();
            self.names.clear();
        }
        self.noted(error)
    }

    /// Marks the disk as having errors, once corruption was met.
    pub(crate) fn noted(&mut self, error: Error) -> Error {
        if matches!(error, Error::Corrupt(_)) && !self.read_only {
            self.superblock.state |= STATE_ERROR;
            self.write_back.is_superblock_changed = true;
            if self.on_error == OnError::RemountReadOnly {
                // The mark must reach the disk; changes made before it were consistent.
                let _ = self.sync(Timestamp {
                    seconds: i64::from(self.superblock.wtime),
                    nanoseconds: 0,
                });
                self.read_only = true;
            }
        }
        error
    }

    /// The descriptor of a group for changing; undone with the operation.
    pub(crate) fn group_mut(&mut self, number: u32) -> Option<&mut Group> {
        let group = self.groups.get_mut(index(number))?;
        if self.undo.last().is_none_or(|(last, _)| *last != number) {
            self.undo.push((number, *group));
        }
        group.is_dirty = true;
        Some(group)
    }

    /// Refuses a block number that no file may own.
    pub(crate) fn check_data_block(&self, block: u32) -> Result<BlockNo> {
        check_data_block(&self.superblock, &self.groups, block)
    }
}

impl<D> fmt::Debug for Ext2<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ext2")
            .field("superblock", &self.superblock)
            .field("free_blocks", &self.free_blocks)
            .field("free_inodes", &self.free_inodes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use fs_block::MemDisk;

    use super::*;

    #[test]
    fn a_mounted_file_system_may_move_between_workers() {
        const fn assert_send<T: Send + Sync>() {}
        assert_send::<Ext2<Box<dyn BlockDevice>>>();
    }

    #[test]
    fn a_disk_without_a_superblock_is_refused() {
        for len in [0, 512, 1536, 1 << 16] {
            let mounted = Ext2::mount(MemDisk::zeroed(len), MountOptions::default());
            assert!(matches!(mounted, Err(Error::Corrupt(_))));
        }
    }
}
