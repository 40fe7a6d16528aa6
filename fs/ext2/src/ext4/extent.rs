//! A file's blocks as a tree of runs: its root in the inode, its nodes in blocks.
//!
//! ```text
//!   i_block: ┌ header: magic, entries, max, depth ┐┌ first file block, len, disk block ┐┌ ... ┐
//!   depth > 0:                                     ┌ first file block, block of a node ┐
//! ```
//! Entries are in order of the file's blocks. Depth falls by one with each node, so that nodes that
//! lead to each other cannot be a loop.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "file blocks are below 2^32, entries within a block"
)]

use fs_block::BlockDevice;

use crate::Ext2;
use crate::codec::{le16, le32, low32, put32};
use crate::error::{CorruptKind, Error, Result};
use crate::inode::{Inode, NR_POINTERS, Run};

/// `eh_magic`.
const MAGIC: u16 = 0xF30A;
/// Bytes of the header, and of each entry.
const ENTRY: usize = 12;
/// Nodes between root and leaf at most: what 2^32 blocks need.
const MAX_DEPTH: u16 = 5;
/// A run of this many blocks or more was taken but not written, and reads as zeros: its length is
/// this much less.
const UNWRITTEN: u32 = 0x8000;

/// What the entries of a node say about a file block.
enum Step {
    /// It is here.
    Run(Run),
    /// It is below this block.
    Node(u32),
}

impl<D: BlockDevice> Ext2<D> {
    /// Where file block `logical` is, and how many follow it likewise.
    pub(crate) fn extent_run(&mut self, inode: &Inode, logical: u64) -> Result<Run> {
        let bad = |what| Error::Corrupt(CorruptKind::Inode(inode.ino, what));
        let mut root = [0; NR_POINTERS * 4];
        for (place, number) in root.chunks_exact_mut(4).zip(inode.block) {
            put32(place, 0, number);
        }
        let Ok(at) = u32::try_from(logical) else {
            return Ok(hole(logical, 1));
        };
        let mut depth = le16(&root, 6);
        if depth > MAX_DEPTH {
            return Err(bad("a tree of extents that is too deep"));
        }
        let mut step = step(&root, depth, at, u32::MAX);
        loop {
            match step.ok_or_else(|| bad("bad node of the tree of extents"))? {
                (Step::Run(run), _) => {
                    let end = u64::from(run.physical) + u64::from(run.len);
                    if run.physical != 0 {
                        self.check_data_block(run.physical)?;
                        if end > u64::from(self.superblock.blocks_count) {
                            return Err(bad("an extent behind the disk's end"));
                        }
                    }
                    return Ok(run);
                }
                (Step::Node(node), end) => {
                    let node = self.check_data_block(node)?;
                    let bytes = self.cache.block(u64::from(node.0))?;
                    let checksums = self.superblock.ext4.checksums;
                    if !checksums.is_extent_block_right(inode, bytes) {
                        return Err(bad("the checksum of a node of extents is wrong"));
                    }
                    depth = depth.saturating_sub(1);
                    step = self::step(bytes, depth, at, end);
                }
            }
        }
    }
}

const fn hole(logical: u64, len: u32) -> Run {
    Run {
        logical,
        physical: 0,
        len,
    }
}

/// Looks file block `at` up in a node, whose blocks end before `end`; with the end of what the found
/// entry covers. `None` when the node makes no sense.
fn step(node: &[u8], depth: u16, at: u32, end: u32) -> Option<(Step, u32)> {
    let (nr_entries, max) = (le16(node, 2), le16(node, 4));
    if le16(node, 0) != MAGIC || nr_entries > max || le16(node, 6) != depth {
        return None;
    }
    let area = node.get(ENTRY..ENTRY + ENTRY * usize::from(nr_entries))?;
    let starts_after = |entry: &&[u8]| le32(entry, 0) > at;
    let next = area.chunks_exact(ENTRY).find(starts_after);
    let end = next.map_or(end, |entry| le32(entry, 0)).min(end);
    let here = hole(at.into(), end.saturating_sub(at).max(1));
    let Some(entry) = area
        .chunks_exact(ENTRY)
        .take_while(|entry| !starts_after(entry))
        .last()
    else {
        // Before the first, which only a leaf may leave out.
        return Some((Step::Run(here), end));
    };
    if depth > 0 {
        let high = le16(entry, 8);
        return (high == 0).then(|| (Step::Node(le32(entry, 4)), end));
    }
    let (first, len, high) = (le32(entry, 0), u32::from(le16(entry, 4)), le16(entry, 6));
    if len == 0 || high != 0 {
        return None;
    }
    let (written, len) = if len > UNWRITTEN {
        (false, len - UNWRITTEN)
    } else {
        (true, len)
    };
    let distance = at - first;
    if distance >= len {
        return Some((Step::Run(here), end));
    }
    let physical = u64::from(le32(entry, 8)) + u64::from(distance);
    // Blocks 0 and above 2^32 are no file's.
    if physical == 0 || physical > u64::from(u32::MAX) {
        return None;
    }
    Some((
        Step::Run(Run {
            logical: at.into(),
            physical: if written { low32(physical) } else { 0 },
            len: len - distance,
        }),
        end,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::put16;

    /// A leaf with runs of (file block, length, disk block).
    fn leaf(runs: &[(u32, u16, u32)]) -> Vec<u8> {
        let mut node = vec![0; 60];
        put16(&mut node, 0, MAGIC);
        put16(&mut node, 2, u16::try_from(runs.len()).unwrap());
        put16(&mut node, 4, 4);
        for (number, (first, len, block)) in runs.iter().enumerate() {
            let at = ENTRY * (number + 1);
            put32(&mut node, at, *first);
            put16(&mut node, at + 4, *len);
            put32(&mut node, at + 8, *block);
        }
        node
    }

    fn run(node: &[u8], at: u32) -> Option<(u32, u32)> {
        match step(node, 0, at, u32::MAX)? {
            (Step::Run(run), _) => Some((run.physical, run.len)),
            (Step::Node(_), _) => None,
        }
    }

    #[test]
    fn runs_and_the_holes_between_them_are_found() {
        let node = leaf(&[(2, 3, 100), (10, 0x8004, 200), (20, 1, 300)]);
        assert_eq!(run(&node, 0), Some((0, 2)));
        assert_eq!(run(&node, 2), Some((100, 3)));
        assert_eq!(run(&node, 4), Some((102, 1)));
        assert_eq!(run(&node, 5), Some((0, 5)));
        assert_eq!(run(&node, 11), Some((0, 3)));
        assert_eq!(run(&node, 20), Some((300, 1)));
        assert_eq!(run(&node, 21), Some((0, u32::MAX - 21)));
    }

    #[test]
    fn nodes_that_make_no_sense_are_refused() {
        assert_eq!(run(&[0; 60], 0), None);
        assert_eq!(run(&leaf(&[(0, 0, 100)]), 0), None);
        assert_eq!(run(&leaf(&[(0, 5, u32::MAX)]), 1), None);
        let mut node = leaf(&[(0, 1, 100)]);
        put16(&mut node, 6, 1);
        assert_eq!(run(&node, 0), None);
        put16(&mut node, 6, 0);
        put16(&mut node, 2, 5);
        assert_eq!(run(&node, 0), None);
    }
}
