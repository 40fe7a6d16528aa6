//! Writes what follows from the rest of the disk: the end of orphans, bitmaps and counts.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of blocks and inodes below the superblock's counts"
)]

use core::fmt;

use fs_block::{BlockDevice, BlockError};

use crate::bits::{index, low32, put};
use crate::geometry::{Geometry, SUPERBLOCK};
use crate::inodes::Scan;
use crate::{Orphans, Report, check, scan};

/// Why nothing was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FixError {
    /// The device failed; run it again.
    Device(BlockError),
    /// There are findings that nobody can decide without looking; nothing was written.
    Unsafe(Report),
}

impl From<BlockError> for FixError {
    fn from(error: BlockError) -> Self {
        Self::Device(error)
    }
}

impl fmt::Display for FixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "{error}"),
            Self::Unsafe(report) => write!(
                f,
                "{} findings, some of which are not safe to mend",
                report.findings.len()
            ),
        }
    }
}

impl core::error::Error for FixError {}

/// Mends a disk and marks it as clean; returns what was wrong. `now` is in seconds since 1970, for
/// the inodes that it frees.
///
/// # Errors
/// [`FixError`]: then the disk is as it was, or the device failed on the way.
pub fn fix(device: &mut dyn BlockDevice, now: u32) -> Result<Report, FixError> {
    let report = check(device)?;
    if !report.is_fixable() {
        return Err(FixError::Unsafe(report));
    }
    if report.is_clean() && report.was_left_clean {
        return Ok(report);
    }
    let mut without = Report::default();
    let Some(geometry) = Geometry::read(device, &mut without)? else {
        return Err(FixError::Unsafe(without));
    };
    let scan = scan(device, &geometry, Orphans::Gone, &mut without)?;
    let mut fixer = Fixer {
        device,
        geometry: &geometry,
    };
    fixer.orphans(&scan, now)?;
    for (block, (_, stored, counted)) in &scan.attributes {
        if stored != counted {
            fixer.store(*block, 4, &counted.to_le_bytes())?;
        }
    }
    fixer.bitmaps(&scan)?;
    fixer.device.flush()?;
    Ok(report)
}

struct Fixer<'a> {
    device: &'a mut dyn BlockDevice,
    geometry: &'a Geometry,
}

impl Fixer<'_> {
    /// Stores bytes at byte `at` of a block.
    fn store(&mut self, block: u32, at: usize, bytes: &[u8]) -> Result<(), BlockError> {
        let mut contents = self.geometry.block(self.device, block)?;
        put(&mut contents, at, bytes);
        self.write(block, &contents)
    }

    fn write(&mut self, block: u32, bytes: &[u8]) -> Result<(), BlockError> {
        let at = u64::from(block) * u64::from(self.geometry.block_size);
        self.device.write(at, bytes)
    }

    /// Marks the inodes on the list as freed.
    fn orphans(&mut self, scan: &Scan, now: u32) -> Result<(), BlockError> {
        for ino in &scan.orphans {
            let (block, at) = self.geometry.inode_place(*ino);
            self.store(block, at + 20, &now.max(1).to_le_bytes())?;
        }
        Ok(())
    }

    /// Writes all bitmaps, and all counts.
    fn bitmaps(&mut self, scan: &Scan) -> Result<(), BlockError> {
        let geometry = self.geometry;
        let (mut free_blocks, mut free_inodes) = (0_u32, 0_u32);
        for (number, group) in (0..).zip(&geometry.groups) {
            let start = geometry.start(number);
            let len = geometry.len(number);
            let blocks = self.bitmap(&|bit| bit >= len || scan.used.has(start + bit));
            self.write(group.block_bitmap, &blocks)?;
            let first = geometry.ino(index(number), 0);
            let inodes = self.bitmap(&|bit| {
                bit >= geometry.inodes_per_group || scan.uses_inode(geometry, first + bit)
            });
            self.write(group.inode_bitmap, &inodes)?;
            let free = scan.free(geometry, number);
            free_blocks += free.blocks;
            free_inodes += free.inodes;
            let mut counts = [0; 6];
            for (place, count) in
                counts
                    .chunks_exact_mut(2)
                    .zip([free.blocks, free.inodes, free.dirs])
            {
                put(
                    place,
                    0,
                    &u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes(),
                );
            }
            let (block, at) = geometry.descriptor_place(number);
            self.store(block, at + 12, &counts)?;
        }
        let mut superblock = vec![0; 1024];
        self.device.read(SUPERBLOCK, &mut superblock)?;
        put(&mut superblock, 12, &free_blocks.to_le_bytes());
        put(&mut superblock, 16, &free_inodes.to_le_bytes());
        put(&mut superblock, 58, &1_u16.to_le_bytes());
        if geometry.last_orphan != 0 {
            put(&mut superblock, 232, &[0; 4]);
        }
        self.device.write(SUPERBLOCK, &superblock)
    }

    /// A block with the bits for which `is_set`.
    fn bitmap(&self, is_set: &dyn Fn(u32) -> bool) -> Vec<u8> {
        let byte = |number: usize| {
            (0..8).fold(0_u8, |byte, bit| {
                byte | u8::from(is_set(low32(number) * 8 + bit)) << bit
            })
        };
        (0..index(self.geometry.block_size)).map(byte).collect()
    }
}
