//! The bitmaps and counts beside what is in use.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of blocks and inodes below the superblock's counts"
)]

use fs_block::{BlockDevice, BlockError};

use crate::bits::index;
use crate::finding::{Bitmap, Count};
use crate::geometry::Geometry;
use crate::inodes::{DIRECTORY, Scan};
use crate::{Finding, Report};

/// What is free in a group, as the passes before found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Free {
    pub(crate) blocks: u32,
    pub(crate) inodes: u32,
    pub(crate) dirs: u32,
}

impl Scan {
    /// Whether an inode is in use; all reserved ones are.
    pub(crate) fn uses_inode(&self, geometry: &Geometry, ino: u32) -> bool {
        ino < geometry.first_ino
            || self
                .inodes
                .get(index(ino))
                .is_some_and(|(kind, _)| *kind != 0)
    }

    /// What a group has.
    pub(crate) fn free(&self, geometry: &Geometry, group: u32) -> Free {
        let start = geometry.start(group);
        let blocks = (start..start + geometry.len(group)).filter(|block| !self.used.has(*block));
        let first = geometry.ino(index(group), 0);
        let inodes = first..first + geometry.inodes_per_group;
        let is_dir = |ino: &u32| {
            let found = self.inodes.get(index(*ino));
            found.is_some_and(|(kind, _)| *kind == DIRECTORY)
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Free {
            blocks: count(blocks.count()),
            inodes: count(
                inodes
                    .clone()
                    .filter(|ino| !self.uses_inode(geometry, *ino))
                    .count(),
            ),
            dirs: count(inodes.filter(is_dir).count()),
        }
    }
}

/// Compares bitmaps and counts.
pub(crate) fn check(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    scan: &Scan,
    report: &mut Report,
) -> Result<(), BlockError> {
    let mut sum = Free::default();
    for (number, group) in (0..).zip(&geometry.groups) {
        let blocks = geometry.block(device, group.block_bitmap)?;
        let start = geometry.start(number);
        let is_used = |bit| scan.used.has(start + bit);
        let len = geometry.len(number);
        check_bitmap(
            report,
            (Bitmap::Blocks, number),
            &blocks,
            (start, len),
            &is_used,
        );

        let inodes = geometry.block(device, group.inode_bitmap)?;
        let first = geometry.ino(index(number), 0);
        let is_used = |bit| scan.uses_inode(geometry, first + bit);
        let len = geometry.inodes_per_group;
        check_bitmap(
            report,
            (Bitmap::Inodes, number),
            &inodes,
            (first, len),
            &is_used,
        );

        let free = scan.free(geometry, number);
        sum.blocks += free.blocks;
        sum.inodes += free.inodes;
        for (count, stored, counted) in [
            (Count::FreeBlocks, group.free_blocks, free.blocks),
            (Count::FreeInodes, group.free_inodes, free.inodes),
            (Count::Dirs, group.used_dirs, free.dirs),
        ] {
            compare(report, count, Some(number), stored, counted);
        }
    }
    let (blocks, inodes) = (geometry.free_blocks, geometry.free_inodes);
    compare(report, Count::FreeBlocks, None, blocks, sum.blocks);
    compare(report, Count::FreeInodes, None, inodes, sum.inodes);
    Ok(())
}

fn compare(report: &mut Report, count: Count, group: Option<u32>, stored: u32, counted: u32) {
    if stored != counted {
        report.add(Finding::Count {
            count,
            group,
            stored,
            counted,
        });
    }
}

/// Reports the runs in which a bitmap differs from `is_used`, and clear bits behind its end.
fn check_bitmap(
    report: &mut Report,
    (bitmap, group): (Bitmap, u32),
    bytes: &[u8],
    (first, len): (u32, u32),
    is_used: &dyn Fn(u32) -> bool,
) {
    let is_set = |bit: u32| {
        let byte = bytes.get(index(bit / 8)).copied().unwrap_or(0);
        byte >> (bit % 8) & 1 != 0
    };
    let mut run: Option<(u32, bool)> = None;
    for bit in 0..=len {
        let wrong = (bit < len && is_set(bit) != is_used(bit)).then(|| is_used(bit));
        match (run, wrong) {
            (Some((_, was_used)), Some(is_used)) if was_used == is_used => {}
            _ => {
                if let Some((from, is_used)) = run {
                    report.add(Finding::Bit {
                        bitmap,
                        number: first + from,
                        len: bit - from,
                        is_used,
                    });
                }
                run = wrong.map(|is_used| (bit, is_used));
            }
        }
    }
    let end = u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX);
    if (len..end).any(|bit| !is_set(bit)) {
        report.add(Finding::Padding { bitmap, group });
    }
}
