//! The superblock: geometry, features and state of the whole file system.
//!
//! [`Superblock::from_bytes`] proves what the rest relies on: sizes are powers of two in range,
//! the groups cover the disk, and the disk is not longer than the device. Field names are those
//! of `struct ext2_super_block`.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "fields are range-checked in `from_bytes`"
)]

use crate::Timestamp;
use crate::codec::{index, le16, le32, low32, put16, put32};
use crate::error::{CorruptKind, Error, Feature, Result};
use crate::ext4::{self, Ext4};

/// Byte offset of the superblock on the device.
pub(crate) const OFFSET_BYTES: u64 = 1024;
/// Bytes of the superblock.
pub(crate) const LEN_BYTES: usize = 1024;
/// The smallest device that has room for one, in bytes.
pub(crate) const END_BYTES: u64 = 2048;

/// `s_magic`.
pub(crate) const MAGIC: u16 = 0xEF53;

/// `s_state`: unmounted cleanly.
pub(crate) const STATE_VALID: u16 = 1;
/// `s_state`: errors were found.
pub(crate) const STATE_ERROR: u16 = 2;

/// `s_feature_compat`: there are attribute blocks.
pub(crate) const COMPAT_EXT_ATTR: u32 = 0x8;
/// `s_feature_compat`: blocks are reserved for a larger descriptor table.
const COMPAT_RESIZE_INODE: u32 = 0x10;

/// `s_feature_incompat`: directory entries carry the file type.
pub(crate) const INCOMPAT_FILETYPE: u32 = 0x2;
/// `s_feature_incompat`: descriptors are spread over the disk.
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_KNOWN: u32 = INCOMPAT_FILETYPE | INCOMPAT_META_BG | ext4::INCOMPAT;

/// `s_feature_ro_compat`: superblock copies only in some groups.
pub(crate) const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
/// `s_feature_ro_compat`: there is a file of 2 GiB or more.
pub(crate) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
/// `s_feature_ro_compat`: never used, but Linux knows it.
const RO_COMPAT_BTREE_DIR: u32 = 0x4;
/// `s_feature_ro_compat`: large inodes reserve room for extra fields.
const RO_COMPAT_EXTRA_ISIZE: u32 = 0x40;
const RO_COMPAT_KNOWN: u32 =
    RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE | RO_COMPAT_BTREE_DIR | RO_COMPAT_EXTRA_ISIZE;

/// What the superblock says; only `state`, counts and times change after mount.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    pub(crate) inodes_count: u32,
    pub(crate) blocks_count: u32,
    pub(crate) r_blocks_count: u32,
    /// User and group that the reserved blocks are for.
    pub(crate) def_resuid: u16,
    pub(crate) def_resgid: u16,
    pub(crate) first_data_block: u32,
    /// Binary logarithm of the block size: 10, 11 or 12.
    pub(crate) block_shift: u32,
    pub(crate) blocks_per_group: u32,
    pub(crate) inodes_per_group: u32,
    pub(crate) inode_size: u32,
    pub(crate) first_ino: u32,
    pub(crate) rev_level: u32,
    pub(crate) state: u16,
    pub(crate) mnt_count: u16,
    pub(crate) mtime: u32,
    pub(crate) wtime: u32,
    /// The first of the inodes to be freed at the next mount, or 0 (`s_last_orphan`).
    pub(crate) last_orphan: u32,
    pub(crate) feature_compat: u32,
    pub(crate) feature_incompat: u32,
    pub(crate) feature_ro_compat: u32,
    reserved_gdt_blocks: u32,
    first_meta_bg: u32,
    /// Bytes of a large inode that a new one uses beyond 128.
    pub(crate) want_extra_isize: u16,
    /// What it has of ext4.
    pub(crate) ext4: Ext4,
}

impl Superblock {
    /// Decodes and checks a superblock found on a device of `device_len` bytes.
    pub(crate) fn from_bytes(bytes: &[u8], device_len: u64) -> Result<Self> {
        let corrupt = |what| Err(Error::Corrupt(CorruptKind::Superblock(what)));
        if le16(bytes, 56) != MAGIC {
            return corrupt("no Ext2 superblock");
        }
        let log_block_size = le32(bytes, 24);
        if log_block_size > 2 {
            let bytes = 1024_u32.checked_shl(log_block_size).unwrap_or(u32::MAX);
            return Err(Error::Unsupported(Feature::BlockSize(bytes)));
        }
        let rev_level = le32(bytes, 76);
        if rev_level > 1 {
            return Err(Error::Unsupported(Feature::Revision(rev_level)));
        }
        let dynamic = |at, original| {
            if rev_level == 0 {
                original
            } else {
                le32(bytes, at)
            }
        };
        let inode_size = if rev_level == 0 {
            128
        } else {
            u32::from(le16(bytes, 88))
        };
        let feature_incompat = dynamic(96, 0);
        if feature_incompat & !INCOMPAT_KNOWN != 0 {
            let unknown = feature_incompat & !INCOMPAT_KNOWN;
            return Err(Error::Unsupported(Feature::Incompatible(unknown)));
        }
        let feature_compat = dynamic(92, 0);
        let feature_ro_compat = dynamic(100, 0);
        let has_reserved = feature_compat & COMPAT_RESIZE_INODE != 0;
        let superblock = Self {
            inodes_count: le32(bytes, 0),
            blocks_count: le32(bytes, 4),
            r_blocks_count: le32(bytes, 8),
            def_resuid: le16(bytes, 80),
            def_resgid: le16(bytes, 82),
            first_data_block: le32(bytes, 20),
            block_shift: log_block_size + 10,
            blocks_per_group: le32(bytes, 32),
            inodes_per_group: le32(bytes, 40),
            inode_size,
            first_ino: dynamic(84, 11),
            rev_level,
            state: le16(bytes, 58),
            mnt_count: le16(bytes, 52),
            mtime: le32(bytes, 44),
            wtime: le32(bytes, 48),
            last_orphan: dynamic(232, 0),
            feature_compat,
            feature_incompat,
            feature_ro_compat,
            reserved_gdt_blocks: if has_reserved {
                u32::from(le16(bytes, 206))
            } else {
                0
            },
            first_meta_bg: le32(bytes, 260),
            want_extra_isize: le16(bytes, 350),
            ext4: Ext4::from_superblock(bytes, feature_incompat, feature_ro_compat)?,
        };
        superblock.check(device_len)?;
        Ok(superblock)
    }

    fn check(&self, device_len: u64) -> Result<()> {
        let corrupt = |what| Err(Error::Corrupt(CorruptKind::Superblock(what)));
        let bits_per_block = self.block_size() * 8;
        if !self.inode_size.is_power_of_two()
            || self.inode_size < 128
            || self.inode_size > self.block_size()
        {
            return corrupt("bad inode size");
        }
        if self.first_data_block != u32::from(self.block_shift == 10) {
            return corrupt("bad first data block");
        }
        if self.blocks_count <= self.first_data_block
            || u64::from(self.blocks_count) << self.block_shift > device_len
        {
            return corrupt("bad block count: longer than the device, or empty");
        }
        if !(256..=bits_per_block).contains(&self.blocks_per_group) {
            return corrupt("bad number of blocks per group");
        }
        if self.inodes_per_group == 0
            || self.inodes_per_group > bits_per_block
            || self.inode_table_blocks() >= self.blocks_per_group
        {
            return corrupt("bad number of inodes per group");
        }
        let inodes = u64::from(self.nr_groups()) * u64::from(self.inodes_per_group);
        if u64::from(self.inodes_count) != inodes {
            return corrupt("inode count does not match the groups");
        }
        if self.first_ino < 11 || self.first_ino > self.inodes_count {
            return corrupt("bad first inode");
        }
        if self.descriptor_blocks() + 1 >= self.blocks_per_group
            || self.reserved_gdt_blocks > self.block_size() / 4
        {
            return corrupt("group descriptors do not fit the first group");
        }
        Ok(())
    }

    /// The incompatible features that only ext4 has.
    pub(crate) const fn ext4_features(&self) -> u32 {
        self.feature_incompat & ext4::INCOMPAT
    }

    /// Refuses to write when there is a feature that only readers may ignore.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let only_read = self.ext4_features();
        if only_read != 0 {
            return Err(Error::Unsupported(Feature::ReadOnly(only_read)));
        }
        match self.feature_ro_compat & !RO_COMPAT_KNOWN {
            0 => Ok(()),
            unknown => Err(Error::Unsupported(Feature::ReadOnlyCompatible(unknown))),
        }
    }

    /// Stores the fields that change.
    pub(crate) fn write_to(&self, bytes: &mut [u8], free_blocks: u32, free_inodes: u32) {
        put32(bytes, 12, free_blocks);
        put32(bytes, 16, free_inodes);
        put32(bytes, 44, self.mtime);
        put32(bytes, 48, self.wtime);
        put16(bytes, 52, self.mnt_count);
        put16(bytes, 58, self.state);
        if self.rev_level > 0 {
            put32(bytes, 92, self.feature_compat);
            put32(bytes, 100, self.feature_ro_compat);
            put32(bytes, 232, self.last_orphan);
        }
    }

    /// Bytes of a block.
    pub(crate) const fn block_size(&self) -> u32 {
        1 << self.block_shift
    }

    /// Whether directory entries carry a file type.
    pub(crate) const fn has_file_type(&self) -> bool {
        self.feature_incompat & INCOMPAT_FILETYPE != 0
    }

    /// Number of block groups.
    pub(crate) const fn nr_groups(&self) -> u32 {
        (self.blocks_count - self.first_data_block).div_ceil(self.blocks_per_group)
    }

    /// Blocks of one group's inode table.
    pub(crate) const fn inode_table_blocks(&self) -> u32 {
        self.inodes_per_group
            .div_ceil(self.block_size() / self.inode_size)
    }

    /// First block of a group.
    pub(crate) const fn group_start(&self, group: u32) -> u32 {
        self.first_data_block + group * self.blocks_per_group
    }

    /// Blocks of a group; the last may be shorter.
    pub(crate) const fn group_len(&self, group: u32) -> u32 {
        let left = self.blocks_count - self.group_start(group);
        if left < self.blocks_per_group {
            left
        } else {
            self.blocks_per_group
        }
    }

    const fn descriptors_per_block(&self) -> u32 {
        self.block_size() / self.ext4.descriptor_bytes()
    }

    /// Blocks of the whole descriptor table.
    pub(crate) const fn descriptor_blocks(&self) -> u32 {
        self.nr_groups().div_ceil(self.descriptors_per_block())
    }

    const fn has_meta_bg(&self) -> bool {
        self.feature_incompat & INCOMPAT_META_BG != 0
    }

    /// The block with the descriptor of `group`, and the byte in it.
    pub(crate) fn descriptor_place(&self, group: u32) -> (u32, usize) {
        let number = group / self.descriptors_per_block();
        let at = index(group % self.descriptors_per_block() * self.ext4.descriptor_bytes());
        if !self.has_meta_bg() || number < self.first_meta_bg {
            return (self.first_data_block + 1 + number, at);
        }
        let first_group = number * self.descriptors_per_block();
        let block = self.group_start(first_group) + u32::from(self.has_superblock(first_group));
        (block, at)
    }

    /// Whether `group` begins with a superblock or its copy.
    pub(crate) fn has_superblock(&self, group: u32) -> bool {
        if self.feature_ro_compat & RO_COMPAT_SPARSE_SUPER == 0 || group <= 1 {
            return true;
        }
        [3, 5, 7].into_iter().any(|base| {
            let mut power = base;
            while power < u64::from(group) {
                power *= base;
            }
            power == u64::from(group)
        })
    }

    /// Blocks at the start of `group` for superblock, descriptors and their future growth.
    pub(crate) fn head_blocks(&self, group: u32) -> u32 {
        let has_superblock = self.has_superblock(group);
        let mut count = u32::from(has_superblock);
        let number = group / self.descriptors_per_block();
        if !self.has_meta_bg() || number < self.first_meta_bg {
            if has_superblock {
                let table = if self.has_meta_bg() {
                    self.first_meta_bg.min(self.descriptor_blocks())
                } else {
                    self.descriptor_blocks()
                };
                count += table + self.reserved_gdt_blocks;
            }
        } else {
            let within = group % self.descriptors_per_block();
            let is_holder = within <= 1 || within == self.descriptors_per_block() - 1;
            count += u32::from(is_holder);
        }
        count
    }

    /// Records a mount for writing.
    pub(crate) fn note_mount(&mut self, now: Timestamp) {
        self.state &= !STATE_VALID;
        self.mnt_count = self.mnt_count.saturating_add(1);
        self.mtime = seconds32(now);
        self.wtime = self.mtime;
    }
}

/// Whole seconds as the superblock keeps them.
pub(crate) fn seconds32(time: Timestamp) -> u32 {
    low32(
        u64::try_from(time.seconds)
            .unwrap_or(0)
            .min(u64::from(u32::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a 1 MiB disk with blocks of 1 KiB.
    fn sample() -> Vec<u8> {
        let mut bytes = vec![0; LEN_BYTES];
        for (at, value) in [
            (0, 128),
            (4, 1024),
            (20, 1),
            (24, 0),
            (32, 8192),
            (40, 128),
            (76, 1),
        ] {
            put32(&mut bytes, at, value);
        }
        put32(&mut bytes, 84, 11);
        put16(&mut bytes, 88, 256);
        put16(&mut bytes, 56, MAGIC);
        bytes
    }

    #[test]
    fn impossible_fields_are_refused() {
        let parse = |at: usize, value: u32| {
            let mut bytes = sample();
            put32(&mut bytes, at, value);
            Superblock::from_bytes(&bytes, 1 << 20)
        };
        assert!(Superblock::from_bytes(&sample(), 1 << 20).is_ok());
        for (at, value) in [
            (4, 1025),
            (4, 0),
            (4, u32::MAX),
            (20, 0),
            (32, 0),
            (32, 8193),
            (40, 0),
            (40, 9000),
        ] {
            let result = parse(at, value);
            assert!(
                matches!(result, Err(Error::Corrupt(CorruptKind::Superblock(_)))),
                "{at}"
            );
        }
        assert_eq!(
            parse(24, 3).unwrap_err(),
            Error::Unsupported(Feature::BlockSize(8192))
        );
        assert_eq!(
            parse(96, 0x8002).unwrap_err(),
            Error::Unsupported(Feature::Incompatible(0x8000))
        );
        let read_only = parse(100, 0x101).unwrap();
        let feature = Feature::ReadOnlyCompatible(0x100);
        assert_eq!(read_only.check_writable(), Err(Error::Unsupported(feature)));
    }

    #[test]
    fn sparse_copies_are_in_powers_of_three_five_and_seven() {
        let mut bytes = sample();
        put32(&mut bytes, 100, RO_COMPAT_SPARSE_SUPER);
        let superblock = Superblock::from_bytes(&bytes, 1 << 20).unwrap();
        let groups: Vec<u32> = (0..130)
            .filter(|group| superblock.has_superblock(*group))
            .collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }
}
