//! Making an empty file system: what `mke2fs` does, without options that we do not need.
//!
//! The same options give the same bytes: times and the UUID come from the caller. Nothing is read;
//! blocks that a fresh device holds as zeros are written all the same.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "geometry that `Superblock::from_bytes` has checked"
)]

use fs_block::BlockDevice;

use crate::codec::{index, low16, low32, put, put16, put32, wide};
use crate::dir_block::bytes_for;
use crate::error::{CorruptKind, Error, Result};
use crate::superblock::{
    COMPAT_EXT_ATTR, INCOMPAT_FILETYPE, LEN_BYTES, MAGIC, OFFSET_BYTES, RO_COMPAT_LARGE_FILE,
    RO_COMPAT_SPARSE_SUPER, STATE_VALID, Superblock, seconds32,
};
use crate::{Ext2, FileType, InodeNo, MountOptions, NewAttributes, NewNode, Timestamp, entry_type};

/// Bytes of an inode: room for nanoseconds and the time of birth.
const INODE_BYTES: u32 = 256;
/// Bytes that an inode uses beyond 128: up to `i_projid`.
const EXTRA_BYTES: u16 = 32;
/// The first inode that is no special one.
const FIRST_INODE: u32 = 11;
/// Fewer data blocks than this are not worth a group.
const MIN_DATA_BLOCKS: u32 = 50;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatOptions {
    /// Bytes per block: 1024, 2048 or 4096.
    pub block_size: u32,
    /// Inodes, at least; rounded up to whole blocks of each group.
    pub nr_inodes: u32,
    /// Blocks that only root may take.
    pub nr_reserved: u32,
    /// The identity of the file system.
    pub uuid: [u8; 16],
    /// Its name, padded with zeros.
    pub label: [u8; 16],
    /// The time of the making.
    pub now: Timestamp,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            block_size: 4096,
            nr_inodes: 16,
            nr_reserved: 0,
            uuid: [0; 16],
            label: [0; 16],
            now: Timestamp::default(),
        }
    }
}

/// Makes an empty file system, with `lost+found`, that fills `device`, and mounts it for writing.
///
/// # Errors
/// `Invalid` (block size), `NoSpace` when the device is too small for the inodes, or too large for the
/// format, and those of the device.
pub fn format<D: BlockDevice>(
    mut device: D,
    options: &FormatOptions,
    mount: MountOptions,
) -> Result<Ext2<D>> {
    let superblock = plan(device.len_bytes(), options)?;
    let groups: Vec<GroupPlan> = (0..superblock.nr_groups())
        .map(|number| GroupPlan::new(&superblock, number))
        .collect();
    let mut table = vec![0; groups.len() * 32];
    let (mut free_blocks, mut free_inodes) = (0, 0);
    for (number, (group, row)) in groups.iter().zip(table.chunks_exact_mut(32)).enumerate() {
        group.describe(row, number == 0);
        free_blocks += group.free_blocks;
        free_inodes += group.free_inodes;
        group.write(&mut device, &superblock, number == 0)?;
    }
    write_root(&mut device, &superblock, groups.first(), options.now)?;
    for number in (0..superblock.nr_groups()).rev() {
        if superblock.has_superblock(number) {
            let mut bytes = encode(&superblock, options);
            superblock.write_to(&mut bytes, free_blocks, free_inodes);
            put16(&mut bytes, 90, low16(number));
            let start = u64::from(superblock.group_start(number)) << superblock.block_shift;
            let at = if number == 0 { OFFSET_BYTES } else { start };
            device.write(at, &bytes)?;
            let block = u64::from(superblock.group_start(number) + 1);
            let mut padded = table.clone();
            padded.resize(table.len().next_multiple_of(512), 0);
            device.write(block << superblock.block_shift, &padded)?;
        }
    }
    device.flush()?;
    let mut fs = Ext2::mount(device, mount)?;
    let attributes = NewAttributes {
        permissions: 0o700,
        time: options.now,
        ..NewAttributes::default()
    };
    fs.create(InodeNo::ROOT, b"lost+found", NewNode::Directory, attributes)?;
    Ok(fs)
}

/// The geometry for a device of `len_bytes`.
fn plan(len_bytes: u64, options: &FormatOptions) -> Result<Superblock> {
    let block_size = options.block_size;
    if ![1024, 2048, 4096].contains(&block_size) {
        return Err(Error::Invalid);
    }
    let too_small = |_| Error::NoSpace;
    let mut blocks = u32::try_from(len_bytes / u64::from(block_size)).map_err(too_small)?;
    loop {
        let bytes = bare(blocks, options).ok_or(Error::NoSpace)?;
        let superblock =
            Superblock::from_bytes(&bytes, len_bytes).map_err(|error| match error {
                Error::Corrupt(CorruptKind::Superblock(_)) => Error::NoSpace,
                error => error,
            })?;
        let last = superblock.nr_groups() - 1;
        let group = superblock.group_len(last);
        if group >= GroupPlan::overhead(&superblock, last) + MIN_DATA_BLOCKS {
            return Ok(superblock);
        }
        if last == 0 {
            return Err(Error::NoSpace);
        }
        // The last group would be nothing but tables: do without it.
        blocks -= group;
    }
}

/// The fields that decide the geometry of a disk of so many blocks.
fn bare(blocks: u32, options: &FormatOptions) -> Option<Vec<u8>> {
    let block_size = options.block_size;
    let first = u32::from(block_size == 1024);
    let per_group = block_size * 8;
    let groups = blocks.checked_sub(first)?.div_ceil(per_group);
    // Whole blocks of the table, and whole bytes of the bitmap.
    let step = (block_size / INODE_BYTES).max(8);
    let inodes = options
        .nr_inodes
        .div_ceil(groups.max(1))
        // The special ones are all in the first group.
        .max(FIRST_INODE + 1);
    let inodes = inodes.checked_next_multiple_of(step)?;
    let mut bytes = vec![0; LEN_BYTES];
    let shift = block_size.trailing_zeros() - 10;
    for (at, value) in [
        (0, inodes.checked_mul(groups)?),
        (4, blocks),
        (8, options.nr_reserved),
        (20, first),
        (24, shift),
        (28, shift),
        (32, per_group),
        (36, per_group),
        (40, inodes),
        (76, 1),
        (84, FIRST_INODE),
        (92, COMPAT_EXT_ATTR),
        (96, INCOMPAT_FILETYPE),
        (100, RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE),
    ] {
        put32(&mut bytes, at, value);
    }
    put16(&mut bytes, 56, MAGIC);
    put16(&mut bytes, 58, STATE_VALID);
    put16(&mut bytes, 88, low16(INODE_BYTES));
    put16(&mut bytes, 348, EXTRA_BYTES);
    put16(&mut bytes, 350, EXTRA_BYTES);
    Some(bytes)
}

/// The whole superblock but counts of what is free.
fn encode(superblock: &Superblock, options: &FormatOptions) -> Vec<u8> {
    let mut bytes = bare(superblock.blocks_count, options).unwrap_or_default();
    let now = seconds32(options.now);
    put32(&mut bytes, 48, now);
    // Never "too many mounts", nor "too long ago".
    put16(&mut bytes, 54, u16::MAX);
    // errors=continue is `mke2fs`'s default.
    put16(&mut bytes, 60, 1);
    put32(&mut bytes, 64, now);
    put(&mut bytes, 104, &options.uuid);
    put(&mut bytes, 120, &options.label);
    put32(&mut bytes, 264, now);
    bytes
}

/// Where the parts of a group are.
struct GroupPlan {
    start: u32,
    len: u32,
    /// Blocks before the block bitmap.
    head: u32,
    overhead: u32,
    free_blocks: u32,
    free_inodes: u32,
}

impl GroupPlan {
    /// Blocks of a group that files cannot have.
    fn overhead(superblock: &Superblock, number: u32) -> u32 {
        superblock.head_blocks(number) + 2 + superblock.inode_table_blocks()
    }

    fn new(superblock: &Superblock, number: u32) -> Self {
        let overhead = Self::overhead(superblock, number);
        let len = superblock.group_len(number);
        // The root directory takes a block of the first group, and the special inodes are there.
        let is_first = number == 0;
        let taken = overhead + u32::from(is_first);
        let special = if is_first { FIRST_INODE - 1 } else { 0 };
        Self {
            start: superblock.group_start(number),
            len,
            head: superblock.head_blocks(number),
            overhead,
            free_blocks: len - taken,
            free_inodes: superblock.inodes_per_group - special,
        }
    }

    /// Fills in its descriptor.
    fn describe(&self, row: &mut [u8], has_root: bool) {
        let bitmap = self.start + self.head;
        put32(row, 0, bitmap);
        put32(row, 4, bitmap + 1);
        put32(row, 8, bitmap + 2);
        put16(row, 12, low16(self.free_blocks));
        put16(row, 14, low16(self.free_inodes));
        put16(row, 16, u16::from(has_root));
    }

    /// Writes its bitmaps and an empty inode table.
    fn write<D: BlockDevice>(
        &self,
        device: &mut D,
        superblock: &Superblock,
        has_root: bool,
    ) -> Result<()> {
        let block_size = index(superblock.block_size());
        let at = |block: u32| u64::from(block) << superblock.block_shift;
        let mut bitmap = vec![0; block_size];
        set_bits(&mut bitmap, 0..self.overhead + u32::from(has_root));
        set_bits(&mut bitmap, self.len..superblock.block_size() * 8);
        device.write(at(self.start + self.head), &bitmap)?;
        bitmap.fill(0);
        if has_root {
            set_bits(&mut bitmap, 0..FIRST_INODE - 1);
        }
        let unused = superblock.inodes_per_group..superblock.block_size() * 8;
        set_bits(&mut bitmap, unused);
        device.write(at(self.start + self.head + 1), &bitmap)?;
        bitmap.fill(0);
        for block in 0..superblock.inode_table_blocks() {
            device.write(at(self.start + self.head + 2 + block), &bitmap)?;
        }
        Ok(())
    }
}

fn set_bits(bitmap: &mut [u8], bits: core::ops::Range<u32>) {
    for bit in bits {
        if let Some(byte) = bitmap.get_mut(index(bit / 8)) {
            *byte |= 1 << (bit % 8);
        }
    }
}

/// Writes the root directory: its inode, and a block with its two names.
fn write_root<D: BlockDevice>(
    device: &mut D,
    superblock: &Superblock,
    group: Option<&GroupPlan>,
    now: Timestamp,
) -> Result<()> {
    let group = group.ok_or(Error::NoSpace)?;
    let at = |block: u32| u64::from(block) << superblock.block_shift;
    let block = group.start + group.overhead;
    let block_size = superblock.block_size();
    let mut bytes = vec![0; index(block_size)];
    let first = bytes_for(1);
    for (at, len, name) in [
        (0, first, &b"."[..]),
        (first, index(block_size) - first, b".."),
    ] {
        put32(&mut bytes, at, InodeNo::ROOT.0);
        put16(&mut bytes, at + 4, low16(low32(wide(len))));
        let kind = entry_type(FileType::Directory);
        let name_len = u8::try_from(name.len()).unwrap_or(0);
        put(&mut bytes, at + 6, &[name_len, kind]);
        put(&mut bytes, at + 8, name);
    }
    device.write(at(block), &bytes)?;

    // Its table's first block: special inodes of zeros, and the root.
    let mut bytes = vec![0; index(block_size)];
    let inode_at = index(INODE_BYTES);
    let inode = bytes.get_mut(inode_at..).unwrap_or_default();
    let seconds = seconds32(now);
    put16(inode, 0, low16(FileType::Directory.mode_bits()) | 0o755);
    put32(inode, 4, block_size);
    put16(inode, 26, 2);
    put32(inode, 28, block_size / 512);
    put32(inode, 40, block);
    put16(inode, 128, EXTRA_BYTES);
    let nanoseconds = now.nanoseconds << 2;
    for (at, extra_at) in [(8, 140), (12, 132), (16, 136), (144, 148)] {
        put32(inode, at, seconds);
        put32(inode, extra_at, nanoseconds);
    }
    device.write(at(group.start + group.head + 2), &bytes)?;
    Ok(())
}
