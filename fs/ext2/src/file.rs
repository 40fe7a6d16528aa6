//! The contents of regular files: read, write, resize.
//!
//! A write happens in parts of up to 64 blocks. Each part first takes its blocks and readies the
//! two that it changes only partly; all that can be undone. Then it copies, which cannot fail for
//! want of a block.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets below `max_file_size`"
)]

use fs_block::{BlockDevice, BlockError};

use crate::block_map::MAX_RUN;
use crate::codec::{low32, wide};
use crate::error::{Error, Result};
use crate::inode::{FLAG_APPEND, Inode};
use crate::superblock::RO_COMPAT_LARGE_FILE;
use crate::{BlockNo, Ext2, FileType, InodeNo, Timestamp};

/// What a hole reads as; the largest block.
static ZEROS: [u8; 4096] = [0; 4096];

/// Blocks that one part of a write takes.
const BLOCKS_PER_PART: u64 = 64;

impl<D: BlockDevice> Ext2<D> {
    /// Hands up to `len` bytes of file `ino` from byte `offset` on to `sink`, block by block.
    ///
    /// Returns bytes read, 0 at the end of the file. After some bytes, an error ends the read
    /// short instead; the next call meets it again. Only a block that is not resident fails the read in any
    /// case: what the sink took before it tells where to go on.
    ///
    /// # Errors
    /// `IsDirectory`, `Invalid` (not a regular file), `Stale`, those of the disk, and the sink's.
    pub fn read<E: From<Error>>(
        &mut self,
        ino: InodeNo,
        offset: u64,
        len: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let cached = self.cached(ino)?;
        check_regular(&cached.inode)?;
        let mut run = cached.run;
        let size = cached.inode.size;
        let count = usize::try_from(size.saturating_sub(offset))
            .unwrap_or(usize::MAX)
            .min(len);
        let mut done = 0;
        while done < count {
            let mut is_missing = false;
            let at = offset + wide(done);
            match self.read_block(ino, at, count - done, &mut run, &mut is_missing, sink) {
                Ok(part) => done += part,
                Err(_) if done > 0 && !is_missing => break,
                Err(error) => return Err(error),
            }
        }
        if let Some(cached) = self.inodes.find(ino) {
            cached.run = run;
        }
        Ok(done)
    }

    /// Hands over up to `len` bytes within one block; `run` is used, and replaced if it ended. `is_missing` says
    /// whether it failed for a block that is not resident.
    #[inline]
    fn read_block<E: From<Error>>(
        &mut self,
        ino: InodeNo,
        at: u64,
        len: usize,
        run: &mut crate::inode::Run,
        is_missing: &mut bool,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let logical = at >> self.superblock.block_shift;
        let block_size = self.cache.block_size();
        let within = usize::try_from(at & (wide(block_size) - 1)).unwrap_or(0);
        let part = (block_size - within).min(len);
        let physical = match run.find(logical) {
            Some(physical) => physical,
            None => {
                let inode = self.inode(ino)?;
                // Whoever reads on will want what follows; whoever reads here and there, only this.
                let wanted = if run.ends_before(logical) {
                    MAX_RUN
                } else {
                    let blocks = wide((within + len).div_ceil(block_size));
                    low32(blocks.min(MAX_RUN.into()))
                };
                *run = self.map_run(&inode, logical, wanted).map_err(|error| {
                    *is_missing = matches!(error, Error::NotResident(_));
                    self.noted(error)
                })?;
                run.physical
            }
        };
        if physical == 0 {
            sink(ZEROS.get(..part).ok_or(Error::Io)?)?;
            return Ok(part);
        }
        let mut taken = Err(Error::Io.into());
        self.cache
            .with_block(u64::from(physical), &mut |block| {
                taken = match block.get(within..within + part) {
                    Some(bytes) => sink(bytes),
                    None => Err(Error::Io.into()),
                };
            })
            .map_err(|error| {
                *is_missing = matches!(error, BlockError::NotResident(_));
                Error::from(error)
            })?;
        taken.map(|()| part)
    }

    /// Writes `bytes` at byte `offset` of file `ino`, which grows as needed.
    ///
    /// Returns bytes written, fewer than all when the rest met an error: call again with the
    /// rest to learn which one. Set-id bits are the VFS's.
    ///
    /// # Errors
    /// As [`Ext2::write_from`].
    pub fn write(
        &mut self,
        ino: InodeNo,
        offset: u64,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<usize> {
        let mut rest = bytes;
        self.write_from::<Error>(ino, offset, bytes.len(), now, &mut |place| {
            let (part, tail) = rest.split_at_checked(place.len()).ok_or(Error::Io)?;
            place.copy_from_slice(part);
            rest = tail;
            Ok(())
        })
    }

    /// Writes `len` bytes at byte `offset` of file `ino`; `source` fills slices of the block cache
    /// in order, so that they are copied once.
    ///
    /// Returns bytes written, fewer than `len` when the rest met an error. `source` is asked only
    /// when there is a place for what it gives; when it fails, the blocks it was asked for since
    /// the last whole part may hold some of its bytes.
    ///
    /// # Errors
    /// `NoSpace`, `FileTooBig`, `ReadOnly`, `NotPermitted`, `IsDirectory`, `Invalid`, `Stale`,
    /// those of the disk, and the source's.
    pub fn write_from<E: From<Error>>(
        &mut self,
        ino: InodeNo,
        offset: u64,
        len: usize,
        now: Timestamp,
        source: &mut dyn FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut done = 0;
        let mut blocks_per_part = BLOCKS_PER_PART;
        let mut failure = None;
        while done < len {
            let at = offset.checked_add(wide(done)).ok_or(Error::FileTooBig)?;
            let block_size = wide(self.cache.block_size());
            let part_end = (at / block_size)
                .saturating_add(blocks_per_part)
                .saturating_mul(block_size);
            let part = usize::try_from(part_end - at)
                .unwrap_or(usize::MAX)
                .min(len - done);
            let mut take = |place: &mut [u8]| {
                source(place).map_err(|error| {
                    failure = Some(error);
                    Error::Invalid
                })
            };
            let result = self.change(|fs| fs.write_part(ino, at, part, now, &mut take));
            let error = match (result, failure.take()) {
                (Ok(()), _) => {
                    done += part;
                    continue;
                }
                // A smaller part may still fit.
                (Err(Error::NoSpace | Error::FileTooBig), None) if blocks_per_part > 1 => {
                    blocks_per_part /= 2;
                    continue;
                }
                (Err(_), Some(failure)) => failure,
                (Err(error), None) => error.into(),
            };
            if done > 0 {
                break;
            }
            return Err(error);
        }
        Ok(done)
    }

    fn write_part(
        &mut self,
        ino: InodeNo,
        at: u64,
        len: usize,
        now: Timestamp,
        source: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let mut inode = self.inode(ino)?;
        check_regular(&inode)?;
        inode.check_can_grow()?;
        if inode.flags & FLAG_APPEND != 0 && at < inode.size {
            return Err(Error::NotPermitted);
        }
        let end = at.checked_add(wide(len)).ok_or(Error::FileTooBig)?;
        self.check_size(&inode, end)?;

        let block_size = self.cache.block_size();
        let first = at / wide(block_size);
        let last = (end - 1) / wide(block_size);
        let head = usize::try_from(at % wide(block_size)).unwrap_or(0);
        let mut goal = None;
        let mut places: Vec<BlockNo> = Vec::new();
        for logical in first..=last {
            let (block, is_fresh) = match (self.known(ino, logical), goal) {
                (Some(block), _) => (block, false),
                (None, Some(goal)) => self.map_or_allocate(&mut inode, logical, goal)?,
                (None, None) => match self.map(&inode, logical)? {
                    Some(block) => (block, false),
                    None => {
                        let goal = self.goal_for(&inode, logical)?;
                        self.map_or_allocate(&mut inode, logical, goal)?
                    }
                },
            };
            let is_partial =
                logical == first && head != 0 || logical == last && end % wide(block_size) != 0;
            if is_partial {
                // Ready, pinned and undoable before anything is overwritten for good.
                if is_fresh {
                    self.cache.zeroed(u64::from(block.0))?;
                } else {
                    self.cache.block_mut(u64::from(block.0))?;
                }
            }
            if is_fresh {
                self.forget_run(ino);
            }
            places.push(block);
            goal = Some(block.0 + 1);
        }
        inode.size = inode.size.max(end);
        inode.touch(now);
        self.store(&inode)?;

        let mut left = len;
        let mut within = head;
        for block in places {
            let count = (block_size - within).min(left);
            if count == block_size {
                self.cache.overwrite(u64::from(block.0), &mut *source)?;
            } else {
                let place = self.cache.block_mut(u64::from(block.0))?;
                source(place.get_mut(within..within + count).ok_or(Error::Io)?)?;
            }
            left -= count;
            within = 0;
        }
        Ok(())
    }

    /// The disk block of a file block, if the cached run has it.
    fn known(&mut self, ino: InodeNo, logical: u64) -> Option<BlockNo> {
        let physical = self.inodes.find(ino)?.run.find(logical)?;
        (physical != 0).then_some(BlockNo(physical))
    }

    /// Changes the size of a regular file; the caller stores `inode`.
    pub(crate) fn resize(&mut self, inode: &mut Inode, size: u64) -> Result<()> {
        self.check_size(inode, size)?;
        if size < inode.size {
            self.cut(inode, size)?;
        }
        inode.size = size;
        Ok(())
    }

    /// Frees what lies behind byte `size`; the caller sets the size.
    fn cut(&mut self, inode: &mut Inode, size: u64) -> Result<()> {
        let block_size = wide(self.cache.block_size());
        self.free_range(inode, size.div_ceil(block_size)..u64::MAX)?;
        let within = usize::try_from(size % block_size).unwrap_or(0);
        // What lies behind the end must read as zeros when the file grows again.
        if within != 0
            && let Some(block) = self.map(inode, size / block_size)?
        {
            let block = self.cache.block_mut(u64::from(block.0))?;
            block.get_mut(within..).unwrap_or_default().fill(0);
        }
        Ok(())
    }

    /// Refuses sizes that the format cannot hold, and notes the first large file.
    pub(crate) fn check_size(&mut self, inode: &Inode, size: u64) -> Result<()> {
        if size > self.max_file_size() && size > inode.size {
            return Err(Error::FileTooBig);
        }
        if size > 0x7FFF_FFFF {
            // Staying set if the operation is undone does no harm.
            self.superblock.feature_ro_compat |= RO_COMPAT_LARGE_FILE;
        }
        Ok(())
    }
}

pub(crate) fn check_regular(inode: &Inode) -> Result<()> {
    match inode.kind {
        FileType::Regular => Ok(()),
        FileType::Directory => Err(Error::IsDirectory),
        _ => Err(Error::Invalid),
    }
}
