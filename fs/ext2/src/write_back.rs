//! What was changed gets to the device: when it is much, and when somebody asks for it (sync).

use fs_block::BlockDevice;

use crate::codec::{index, wide};
use crate::error::{Error, Result};
use crate::superblock::{self, seconds32};
use crate::{Ext2, Timestamp};

/// Dirty bytes more than there were before a device that refused is tried again.
const RETRY_BYTES: usize = 1 << 20;

/// What is known of what the device has not seen.
#[derive(Debug)]
pub(crate) struct WriteBack {
    /// Fields of the superblock, or group descriptors, changed since they were put into their blocks.
    pub(crate) is_superblock_changed: bool,
    /// As the mount has it.
    max_dirty_bytes: usize,
    /// Dirty bytes above which all is written: those, or more after a device has refused.
    above_bytes: usize,
}

impl WriteBack {
    pub(crate) const fn new(max_dirty_bytes: usize) -> Self {
        Self {
            is_superblock_changed: false,
            max_dirty_bytes,
            above_bytes: max_dirty_bytes,
        }
    }
}

impl<D: BlockDevice> Ext2<D> {
    /// Keeps what an operation has changed.
    // Out of line: there is a copy of `change` for each operation.
    #[inline(never)]
    pub(crate) fn commit(&mut self) {
        self.cache.commit();
        self.write_back.is_superblock_changed = true;
        if self.cache.dirty_bytes() > self.write_back.above_bytes && self.write_changes().is_err() {
            // It stays dirty: whoever wants it durable learns why.
            self.write_back.above_bytes = self.cache.dirty_bytes().saturating_add(RETRY_BYTES);
        }
    }

    /// Writes everything that changed to the device and makes it durable.
    ///
    /// # Errors
    /// `Io`; what could not be written is tried again next time. `NotResident` from a device that needs time for
    /// it: see [`Self::start_sync`].
    pub fn sync(&mut self, now: Timestamp) -> Result<()> {
        match self.start_sync(now)? {
            Some(flush) if !self.is_synced(flush)? => Err(Error::NotResident(0)),
            _ => Ok(()),
        }
    }

    /// Writes everything that changed to the device, and starts to make it durable: the number to ask
    /// [`Self::is_synced`] for, or `None` when it is.
    ///
    /// # Errors
    /// `Io`; what could not be written is tried again next time.
    pub fn start_sync(&mut self, now: Timestamp) -> Result<Option<u64>> {
        // What was written before the disk became read-only may be on its way.
        let is_changed = self.write_back.is_superblock_changed || self.cache.is_dirty();
        if is_changed && !self.read_only {
            self.write_all(now)?;
        }
        Ok(self.cache.device_mut().start_flush()?)
    }

    /// Whether what [`Self::start_sync`] gave a number for is durable.
    ///
    /// # Errors
    /// Why it is not, and will not be.
    pub fn is_synced(&self, flush: u64) -> Result<bool> {
        Ok(self.cache.device().is_flushed(flush)?)
    }

    /// Writes everything to the device, with the time of that.
    pub(crate) fn write_all(&mut self, now: Timestamp) -> Result<()> {
        self.superblock.wtime = seconds32(now);
        self.write_changes()
    }

    fn write_changes(&mut self) -> Result<()> {
        for number in 0..self.superblock.nr_groups() {
            let Some(group) = self.groups.get(index(number)).copied() else {
                continue;
            };
            if group.is_dirty {
                let (block, at) = self.superblock.descriptor_place(number);
                let block = self.cache.block_mut(u64::from(block))?;
                group.write_to(block.get_mut(at..).unwrap_or_default());
                if let Some(group) = self.groups.get_mut(index(number)) {
                    group.is_dirty = false;
                }
            }
        }
        self.store_superblock()?;
        self.cache.write_out()?;
        self.write_back = WriteBack::new(self.write_back.max_dirty_bytes);
        Ok(())
    }

    fn store_superblock(&mut self) -> Result<()> {
        let block_size = wide(self.cache.block_size());
        let block = superblock::OFFSET_BYTES
            .checked_div(block_size)
            .unwrap_or(0);
        let at = superblock::OFFSET_BYTES
            .checked_rem(block_size)
            .unwrap_or(0);
        let at = usize::try_from(at).unwrap_or(0);
        let bytes = self
            .cache
            .block_mut(block)?
            .get_mut(at..)
            .unwrap_or_default();
        self.superblock
            .write_to(bytes, self.free_blocks, self.free_inodes);
        Ok(())
    }
}
