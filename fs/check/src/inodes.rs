//! Every inode: what it is, how long, and which blocks are its own.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "counts of what was found on the disk, file blocks below 2^31"
)]

use std::collections::BTreeMap;

use fs_block::{BlockDevice, BlockError};

use crate::bits::{Bits, index, le16, le32};
use crate::geometry::Geometry;
use crate::{Finding, Orphans, Report, attributes};

/// The root directory.
pub(crate) const ROOT: u32 = 2;
/// The inode that names blocks of the medium that are broken.
const BAD_BLOCKS: u32 = 1;
/// The inode that holds the blocks kept for more descriptors.
const RESIZE: u32 = 7;

/// Types of files as directories number them; 0 is none.
pub(crate) const REGULAR: u8 = 1;
pub(crate) const DIRECTORY: u8 = 2;
const SYMLINK: u8 = 7;

/// `i_flags` that need features which were refused: encryption, extents, inline data.
const FLAGS_FOREIGN: u32 = 0x800 | 0x8_0000 | 0x1000_0000;
/// `i_flags`: an inode of AFS.
const FLAG_IMAGIC: u32 = 0x2000;
/// `i_flags`: the directory has a hash tree.
const FLAG_INDEX: u32 = 0x1000;

/// What is known about all inodes and blocks.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Blocks in use.
    pub(crate) used: Bits,
    /// By inode number: its type, 0 when it is free; and the links that it says it has.
    pub(crate) inodes: Vec<(u8, u16)>,
    /// Inodes in use that directories may not name: the reserved ones.
    pub(crate) nr_inodes: u32,
    /// The directories by number.
    pub(crate) dirs: BTreeMap<u32, Dir>,
    /// Names of each inode; `.` and `..` count.
    pub(crate) names: Vec<u32>,
    /// Blocks of attributes: who had it first, users that it says, users that there are.
    pub(crate) attributes: BTreeMap<u32, (u32, u32, u32)>,
    /// Inodes on the list of orphans.
    pub(crate) orphans: Vec<u32>,
}

/// A directory.
#[derive(Debug, Default)]
pub(crate) struct Dir {
    /// Its blocks in order.
    pub(crate) blocks: Vec<u32>,
    /// Who has an entry for it; 0: nobody.
    pub(crate) parent: u32,
    /// Who its `..` names.
    pub(crate) dot_dot: u32,
}

/// The blocks of one inode.
struct Walk<'a> {
    device: &'a dyn BlockDevice,
    geometry: &'a Geometry,
    metadata: &'a Bits,
    used: &'a mut Bits,
    report: &'a mut Report,
    ino: u32,
    /// Blocks that it owns, tables among them.
    nr_blocks: u32,
    /// The last file block that is no hole, plus one.
    end: u64,
    /// Disk blocks of the file in order, for directories and symbolic links.
    blocks: Option<Vec<u32>>,
    has_hole: bool,
    next: u64,
}

/// Reads all inodes.
pub(crate) fn scan(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    orphans: Orphans,
    report: &mut Report,
) -> Result<Scan, BlockError> {
    let metadata = metadata(geometry);
    let nr_inodes = index(geometry.inodes_count) + 1;
    let mut scan = Scan {
        used: metadata.clone(),
        inodes: vec![(0, 0); nr_inodes],
        nr_inodes: 0,
        dirs: BTreeMap::new(),
        names: vec![0; nr_inodes],
        attributes: BTreeMap::new(),
        orphans: read_orphans(device, geometry, report)?,
    };
    let nameless: Vec<u32> = match orphans {
        Orphans::Alive => scan.orphans.clone(),
        Orphans::Gone => Vec::new(),
    };
    let size = index(geometry.inode_size);
    for (number, group) in geometry.groups.iter().enumerate() {
        let mut within = 0;
        for block in group.inode_table..group.inode_table + geometry.table_blocks() {
            let table = geometry.block(device, block)?;
            for bytes in table.chunks_exact(size) {
                if within == geometry.inodes_per_group {
                    break;
                }
                let ino = geometry.ino(number, within);
                within += 1;
                if orphans == Orphans::Gone && scan.orphans.contains(&ino) {
                    continue;
                }
                if ino == BAD_BLOCKS || le16(bytes, 26) > 0 || nameless.contains(&ino) {
                    read_inode(device, geometry, &metadata, &mut scan, report, ino, bytes)?;
                }
            }
        }
    }
    for (block, (ino, stored, counted)) in &scan.attributes {
        if stored != counted {
            let (block, stored, counted) = (*block, *stored, *counted);
            report.add(Finding::AttributeUsers {
                block,
                stored,
                counted,
            });
        }
        let bytes = geometry.block(device, *block)?;
        if let Err(what) = attributes::check_block(&bytes) {
            report.add(Finding::Attributes { ino: *ino, what });
        }
    }
    Ok(scan)
}

/// The blocks that no file may own.
fn metadata(geometry: &Geometry) -> Bits {
    let mut metadata = Bits::new(geometry.blocks_count);
    for number in 0..geometry.nr_groups() {
        let Some(group) = geometry.groups.get(index(number)) else {
            continue;
        };
        let start = geometry.start(number);
        let table = group.inode_table..group.inode_table + geometry.table_blocks();
        let head = start..start + geometry.head(number).min(geometry.len(number));
        for block in head.chain(table) {
            metadata.add(block);
        }
        metadata.add(group.block_bitmap);
        metadata.add(group.inode_bitmap);
    }
    metadata
}

/// The inodes on the list of those to be freed.
fn read_orphans(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    report: &mut Report,
) -> Result<Vec<u32>, BlockError> {
    let mut orphans = Vec::new();
    let mut ino = geometry.last_orphan;
    while ino != 0 {
        if ino < geometry.first_ino || ino > geometry.inodes_count || orphans.contains(&ino) {
            report.add(Finding::Inode {
                ino,
                what: "cannot be on the list of orphans",
            });
            break;
        }
        let (block, at) = geometry.inode_place(ino);
        let table = geometry.block(device, block)?;
        let bytes = table.get(at..).unwrap_or_default();
        if le16(bytes, 26) > 0 {
            report.add(Finding::Inode {
                ino,
                what: "has names and is on the list of orphans",
            });
            break;
        }
        report.add(Finding::Orphan { ino });
        orphans.push(ino);
        ino = le32(bytes, 20);
    }
    Ok(orphans)
}

fn read_inode(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    metadata: &Bits,
    scan: &mut Scan,
    report: &mut Report,
    ino: u32,
    bytes: &[u8],
) -> Result<(), BlockError> {
    let kind = match le16(bytes, 0) >> 12 {
        8 => REGULAR,
        4 => DIRECTORY,
        2 => 3,
        6 => 4,
        1 => 5,
        12 => 6,
        10 => SYMLINK,
        _ => 0,
    };
    let is_reserved = ino < geometry.first_ino && ino != ROOT;
    let mut complain = |is_bad: bool, what| {
        if is_bad {
            report.add(Finding::Inode { ino, what });
        }
    };
    let is_orphan = scan.orphans.contains(&ino);
    complain(kind == 0 && !is_reserved, "unknown type");
    complain(
        le32(bytes, 20) != 0 && !is_orphan && !is_reserved,
        "in use, and has a time of deletion",
    );
    let flags = le32(bytes, 32);
    complain(
        flags & FLAGS_FOREIGN != 0,
        "flags of features that the disk has not",
    );
    complain(
        !is_reserved && (le32(bytes, 112) != 0 || le32(bytes, 116) != 0),
        "fields that the disk's features leave unused",
    );
    complain(
        flags & FLAG_IMAGIC != 0,
        "flags of features that the disk has not",
    );
    let fields = [0..4, 24..28, 104..108].map(|range| bytes.get(range).unwrap_or_default());
    complain(
        ino == BAD_BLOCKS && fields.concat().iter().any(|byte| *byte != 0),
        "the inode of broken blocks has an owner, a name or attributes",
    );
    complain(
        kind != DIRECTORY && flags & FLAG_INDEX != 0,
        "a hash tree of something else than a directory",
    );
    complain(
        kind == DIRECTORY && le32(bytes, 108) != 0,
        "a directory of 4 GiB or more",
    );
    let is_resize = ino == RESIZE;
    let size = u64::from(le32(bytes, 4)) | u64::from(le32(bytes, 108)) << 32;
    let max_size = geometry.max_file_blocks() * u64::from(geometry.block_size);
    complain(
        (kind == REGULAR || is_resize) && size > max_size,
        "is larger than pointers reach",
    );
    let pointers = |range| bytes.get(range).unwrap_or_default();
    let others = [pointers(40..92), pointers(96..100)].concat();
    complain(
        is_resize && others.iter().any(|byte| *byte != 0),
        "has blocks besides those kept for descriptors",
    );
    // As e2fsck, which leaves these fields of reserved inodes alone.
    if geometry.inode_size > 128 && !is_reserved {
        let extra = le16(bytes, 128);
        complain(
            !extra.is_multiple_of(4) || u32::from(extra) > geometry.inode_size - 128,
            "impossible size of the extra fields",
        );
        if let Err(what) = attributes::check_inode(bytes) {
            report.add(Finding::Attributes { ino, what });
        }
    }
    if let Some(entry) = scan.inodes.get_mut(index(ino)) {
        // A reserved inode without a type still is in use.
        *entry = (kind.max(u8::from(is_reserved)), le16(bytes, 26));
    }
    if ino != BAD_BLOCKS {
        scan.nr_inodes += 1;
    }

    let file_acl = le32(bytes, 104);
    let mut nr_attribute_blocks = 0;
    if file_acl != 0 && !is_reserved {
        claim_attributes(geometry, metadata, scan, report, ino, file_acl, device)?;
        nr_attribute_blocks = 1;
    }
    let sectors_per_block = geometry.block_size / 512;
    let is_fast = kind == SYMLINK && le32(bytes, 28) == nr_attribute_blocks * sectors_per_block;
    let mut walk = Walk {
        device,
        geometry,
        metadata,
        used: &mut scan.used,
        report,
        ino,
        nr_blocks: nr_attribute_blocks,
        end: 0,
        blocks: (kind == DIRECTORY || kind == SYMLINK).then(Vec::new),
        has_hole: false,
        next: 0,
    };
    if ino == RESIZE {
        let nr_blocks = walk.resize_inode(le32(bytes, 40 + 13 * 4))?;
        if le32(bytes, 28) != nr_blocks.saturating_mul(sectors_per_block) {
            let what = "counts its blocks wrongly";
            report.add(Finding::Inode { ino, what });
        }
        return Ok(());
    }
    if matches!(kind, REGULAR | DIRECTORY) || kind == SYMLINK && !is_fast || is_reserved {
        let mut start = 0;
        for root in 0..15 {
            let depth = u32::saturating_sub(root, 11);
            walk.tree(le32(bytes, 40 + index(root) * 4), depth, start)?;
            start += u64::from(geometry.block_size / 4).pow(depth);
        }
    }
    let (end, nr_blocks, has_hole, blocks) = (
        walk.end,
        walk.nr_blocks,
        walk.has_hole,
        walk.blocks.unwrap_or_default(),
    );
    let mut complain = |is_bad: bool, what| {
        if is_bad {
            report.add(Finding::Inode { ino, what });
        }
    };
    complain(
        !is_reserved && le32(bytes, 28) != nr_blocks.saturating_mul(sectors_per_block),
        "counts its blocks wrongly",
    );
    let block_size = u64::from(geometry.block_size);
    let low = u64::from(le32(bytes, 4));
    match kind {
        _ if is_reserved => {}
        REGULAR => {
            complain(
                end > 0 && size < (end - 1) * block_size,
                "has blocks behind its end",
            );
            complain(
                size > 0x7FFF_FFFF && !geometry.has_large_file,
                "is larger than the disk's features allow",
            );
        }
        DIRECTORY => {
            complain(has_hole, "a directory with a hole");
            complain(
                low != end * block_size && !(is_orphan && low == 0),
                "the size is not that of its blocks",
            );
            let has_index = flags & FLAG_INDEX != 0;
            complain(
                has_index && !geometry.has_dir_index,
                "a hash tree that the disk's features exclude",
            );
            if !is_orphan {
                let dir = Dir {
                    blocks,
                    ..Dir::default()
                };
                scan.dirs.insert(ino, dir);
            }
        }
        SYMLINK => {
            let target = if is_fast {
                bytes.get(40..100).unwrap_or_default().to_vec()
            } else {
                match blocks.first() {
                    Some(block) => geometry.block(device, *block)?,
                    None => Vec::new(),
                }
            };
            let len = target.iter().position(|byte| *byte == 0);
            let is_right = len.is_some_and(|len| len > 0 && u64::try_from(len) == Ok(size));
            complain(!is_right || end > 1, "the target's length is not the size");
        }
        _ => {
            complain(size != 0, "a special file with a size");
        }
    }
    Ok(())
}

/// Notes that an inode uses a block of attributes.
fn claim_attributes(
    geometry: &Geometry,
    metadata: &Bits,
    scan: &mut Scan,
    report: &mut Report,
    ino: u32,
    block: u32,
    device: &dyn BlockDevice,
) -> Result<(), BlockError> {
    if block < geometry.first_data_block || block >= geometry.blocks_count || metadata.has(block) {
        report.add(Finding::BlockPointer { ino, block });
        return Ok(());
    }
    if let Some((_, _, counted)) = scan.attributes.get_mut(&block) {
        *counted += 1;
        return Ok(());
    }
    if !scan.used.add(block) {
        report.add(Finding::SharedBlock { ino, block });
        return Ok(());
    }
    let stored = le32(&geometry.block(device, block)?, 4);
    scan.attributes.insert(block, (ino, stored, 1));
    Ok(())
}

impl Walk<'_> {
    /// Takes a block for the inode; returns whether it may be looked at.
    fn claim(&mut self, block: u32) -> bool {
        let ino = self.ino;
        let geometry = self.geometry;
        if block < geometry.first_data_block
            || block >= geometry.blocks_count
            || self.metadata.has(block)
        {
            self.report.add(Finding::BlockPointer { ino, block });
            return false;
        }
        self.nr_blocks = self.nr_blocks.saturating_add(1);
        let is_new = self.used.add(block);
        if !is_new {
            self.report.add(Finding::SharedBlock { ino, block });
        }
        is_new
    }

    /// Claims what a pointer leads to: the file's blocks from `start` on through `depth` tables.
    fn tree(&mut self, block: u32, depth: u32, start: u64) -> Result<(), BlockError> {
        if block == 0 {
            return Ok(());
        }
        if depth == 0 {
            if self.claim(block) {
                self.has_hole |= start != self.next;
                self.next = start + 1;
                if let Some(blocks) = &mut self.blocks {
                    blocks.push(block);
                }
            }
            self.end = start + 1;
            return Ok(());
        }
        if !self.claim(block) {
            return Ok(());
        }
        let table = self.geometry.block(self.device, block)?;
        let span = u64::from(self.geometry.block_size / 4).pow(depth - 1);
        let mut start = start;
        for pointer in table.chunks_exact(4) {
            self.tree(le32(pointer, 0), depth - 1, start)?;
            start += span;
        }
        Ok(())
    }

    /// The inode that keeps blocks for descriptors owns one block, whose pointers lead to them; each of them points to
    /// its copies in other groups. Returns how many blocks that are in all.
    fn resize_inode(&mut self, block: u32) -> Result<u32, BlockError> {
        if block == 0 || !self.claim(block) {
            return Ok(0);
        }
        let ino = self.ino;
        let geometry = self.geometry;
        let table = geometry.block(self.device, block)?;
        let (first, reserved) = geometry.reserved();
        let per_block = geometry.block_size / 4;
        for (number, block) in (first..).zip(reserved) {
            if le32(&table, index(number % per_block) * 4) != block {
                self.report.add(Finding::BlockPointer { ino, block });
            }
        }
        let mut nr_blocks = 1_u32;
        for kept in table.chunks_exact(4).map(|bytes| le32(bytes, 0)) {
            for block in self.pointers(kept)? {
                nr_blocks = nr_blocks.saturating_add(1);
                if kept == block {
                    continue;
                }
                if block < geometry.first_data_block || block >= geometry.blocks_count {
                    self.report.add(Finding::BlockPointer { ino, block });
                }
            }
        }
        Ok(nr_blocks)
    }

    /// A block, if it is one of the disk, and what it points to.
    fn pointers(&mut self, block: u32) -> Result<Vec<u32>, BlockError> {
        if block == 0 {
            return Ok(Vec::new());
        }
        if block < self.geometry.first_data_block || block >= self.geometry.blocks_count {
            let ino = self.ino;
            self.report.add(Finding::BlockPointer { ino, block });
            return Ok(Vec::new());
        }
        let bytes = self.geometry.block(self.device, block)?;
        let pointers = bytes.chunks_exact(4).map(|bytes| le32(bytes, 0));
        let pointers = pointers.filter(|pointer| *pointer != 0);
        Ok(core::iter::once(block).chain(pointers).collect())
    }
}
