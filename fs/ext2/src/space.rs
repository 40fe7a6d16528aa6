//! Holes of regular files and what is not one: taking space ahead of a write, giving it back, and
//! finding either.
//!
//! Ext2 cannot mark a block as not written yet, so that space taken ahead is written with zeros, and
//! no block may lie behind the end of the file.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets below `max_file_size`"
)]

use fs_block::BlockDevice;

use crate::block_map::MAX_RUN;
use crate::codec::wide;
use crate::error::Result;
use crate::file::check_regular;
use crate::{Ext2, InodeNo, Timestamp};

/// Blocks that one part of an allocation takes.
const BLOCKS_PER_PART: u64 = 64;

/// What an allocation does to the size of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The file grows to the end of the range.
    Grow,
    /// It stays: nothing is allocated behind its last block.
    Keep,
}

/// What [`Ext2::seek`] looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// A byte that is stored.
    Data,
    /// A byte in a hole.
    Hole,
}

impl<D: BlockDevice> Ext2<D> {
    /// Takes space for the bytes from `start` to `end` where there is none; it reads as zeros.
    ///
    /// # Errors
    /// `NoSpace`, after which a part may be there; `FileTooBig`, `ReadOnly`, `NotPermitted`,
    /// `IsDirectory`, `Invalid`, `Stale`, and those of the disk.
    pub fn allocate(
        &mut self,
        ino: InodeNo,
        (start, end): (u64, u64),
        extent: Extent,
        now: Timestamp,
    ) -> Result<()> {
        let block_size = wide(self.cache.block_size());
        let mut first = start / block_size;
        loop {
            let part_end = (first + BLOCKS_PER_PART).min(end.div_ceil(block_size));
            let is_last = self.change(|fs| {
                let mut inode = fs.inode(ino)?;
                check_regular(&inode)?;
                inode.check_can_grow()?;
                let mut part_end = part_end;
                match extent {
                    Extent::Grow => fs.check_size(&inode, end)?,
                    Extent::Keep => part_end = part_end.min(inode.size.div_ceil(block_size)),
                }
                let mut goal = None;
                for logical in first..part_end {
                    let near = match goal {
                        Some(goal) => goal,
                        None => fs.goal_for(&inode, logical)?,
                    };
                    let (block, is_fresh) = fs.map_or_allocate(&mut inode, logical, near)?;
                    if is_fresh {
                        fs.cache.zeroed(u64::from(block.0))?;
                    }
                    goal = Some(block.0 + 1);
                }
                let reached = end.min(part_end * block_size);
                if extent == Extent::Grow {
                    inode.size = inode.size.max(reached);
                }
                inode.touch(now);
                fs.store(&inode)?;
                fs.forget_run(ino);
                Ok(reached == end || part_end < first + BLOCKS_PER_PART)
            })?;
            if is_last {
                return Ok(());
            }
            first = part_end;
        }
    }

    /// Makes a hole of the bytes from `start` to `end`: whole blocks are freed, others zeroed. The
    /// size stays.
    ///
    /// # Errors
    /// `ReadOnly`, `NotPermitted`, `IsDirectory`, `Invalid`, `Stale`, and those of the disk.
    pub fn punch(&mut self, ino: InodeNo, (start, end): (u64, u64), now: Timestamp) -> Result<()> {
        let block_size = wide(self.cache.block_size());
        self.change(|fs| {
            let mut inode = fs.inode(ino)?;
            check_regular(&inode)?;
            inode.check_changeable()?;
            let (first, last) = (start.div_ceil(block_size), end / block_size);
            if first < last {
                fs.free_range(&mut inode, first..last)?;
            }
            for logical in [start / block_size, last] {
                let at = |byte: u64| {
                    let within = byte.saturating_sub(logical * block_size);
                    usize::try_from(within.min(block_size)).unwrap_or(0)
                };
                let (from, to) = (at(start), at(end));
                let is_partial = from < to && wide(to - from) < block_size;
                if is_partial && let Some(block) = fs.map(&inode, logical)? {
                    let bytes = fs.cache.block_mut(u64::from(block.0))?;
                    bytes.get_mut(from..to).unwrap_or_default().fill(0);
                }
            }
            inode.touch(now);
            fs.store(&inode)
        })
    }

    /// The first byte from `offset` on that is data or in a hole; the end of the file is a hole.
    ///
    /// `None` when there is no more of it before the end.
    ///
    /// # Errors
    /// `IsDirectory`, `Invalid`, `Stale`, and those of the disk.
    pub fn seek(&mut self, ino: InodeNo, offset: u64, what: Seek) -> Result<Option<u64>> {
        let block_size = wide(self.cache.block_size());
        let inode = self.inode(ino)?;
        check_regular(&inode)?;
        let mut at = offset;
        while at < inode.size {
            let logical = at / block_size;
            let run = self
                .map_run(&inode, logical, MAX_RUN)
                .map_err(|error| self.noted(error))?;
            if (run.physical != 0) == (what == Seek::Data) {
                return Ok(Some(at));
            }
            at = (logical + u64::from(run.len.max(1))) * block_size;
        }
        Ok((what == Seek::Hole && offset < inode.size).then_some(inode.size))
    }
}
