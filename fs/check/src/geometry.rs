//! The superblock and the group descriptors: what the other passes rely on.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "fields are range-checked in `parse`; the rest are blocks below `blocks_count`"
)]

use fs_block::{BlockDevice, BlockError};

use crate::bits::{index, le16, le32, low32};
use crate::{Finding, Report};

/// Where the superblock lies, in bytes; its length, too.
pub(crate) const SUPERBLOCK: u64 = 1024;

/// `s_feature_compat` with something that takes blocks of its own we do not know: none of them.
const INCOMPAT_KNOWN: u32 = 0x2 | 0x10;
/// sparse_super, large_file, btree_dir, extra_isize.
const RO_COMPAT_KNOWN: u32 = 0x1 | 0x2 | 0x4 | 0x40;

/// What the superblock says.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) inodes_count: u32,
    pub(crate) blocks_count: u32,
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) first_data_block: u32,
    pub(crate) block_size: u32,
    pub(crate) blocks_per_group: u32,
    pub(crate) inodes_per_group: u32,
    pub(crate) inode_size: u32,
    pub(crate) first_ino: u32,
    pub(crate) last_orphan: u32,
    pub(crate) was_left_clean: bool,
    pub(crate) has_file_type: bool,
    pub(crate) has_large_file: bool,
    pub(crate) has_dir_index: bool,
    has_sparse_super: bool,
    /// First block of descriptors that lies in its own groups.
    first_meta_bg: u32,
    reserved_gdt_blocks: u32,
    pub(crate) groups: Vec<Group>,
}

/// What a descriptor says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) block_bitmap: u32,
    pub(crate) inode_bitmap: u32,
    pub(crate) inode_table: u32,
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) used_dirs: u32,
}

impl Geometry {
    /// Reads and checks superblock and descriptors; `None` when there is no going on.
    pub(crate) fn read(
        device: &dyn BlockDevice,
        report: &mut Report,
    ) -> Result<Option<Self>, BlockError> {
        let mut bytes = vec![0; 1024];
        if device.len_bytes() >= SUPERBLOCK + 1024 {
            device.read(SUPERBLOCK, &mut bytes)?;
        }
        let mut geometry = match Self::parse(&bytes, device.len_bytes()) {
            Ok(geometry) => geometry,
            Err(finding) => {
                report.add(finding);
                return Ok(None);
            }
        };
        for number in 0..geometry.nr_groups() {
            let (block, at) = geometry.descriptor_place(number);
            let bytes = geometry.block(device, block)?;
            let group = Group::parse(bytes.get(at..).unwrap_or_default());
            if let Some(what) = geometry.complaint(number, &group) {
                let group = number;
                report.add(Finding::Group { group, what });
            }
            geometry.groups.push(group);
        }
        Ok(report.is_clean().then_some(geometry))
    }

    fn parse(bytes: &[u8], device_len: u64) -> Result<Self, Finding> {
        let refuse = |is_bad: bool, what| {
            if is_bad {
                Err(Finding::Superblock(what))
            } else {
                Ok(())
            }
        };
        refuse(le16(bytes, 56) != 0xEF53, "no magic number")?;
        let log_block_size = le32(bytes, 24);
        refuse(log_block_size > 2, "block size other than 1, 2 or 4 KiB")?;
        let revision = le32(bytes, 76);
        refuse(revision > 1, "unknown revision")?;
        let dynamic = |at, original| {
            if revision == 0 {
                original
            } else {
                le32(bytes, at)
            }
        };
        let (compat, incompat, ro_compat) = (dynamic(92, 0), dynamic(96, 0), dynamic(100, 0));
        for (word, unknown) in [
            ("incompatible", incompat & !INCOMPAT_KNOWN),
            ("read-only compatible", ro_compat & !RO_COMPAT_KNOWN),
        ] {
            if unknown != 0 {
                return Err(Finding::Unsupported(word, unknown));
            }
        }
        let has_reserved = compat & 0x10 != 0;
        let geometry = Self {
            inodes_count: le32(bytes, 0),
            blocks_count: le32(bytes, 4),
            free_blocks: le32(bytes, 12),
            free_inodes: le32(bytes, 16),
            first_data_block: le32(bytes, 20),
            block_size: 1024 << log_block_size,
            blocks_per_group: le32(bytes, 32),
            inodes_per_group: le32(bytes, 40),
            inode_size: if revision == 0 {
                128
            } else {
                le16(bytes, 88).into()
            },
            first_ino: dynamic(84, 11),
            last_orphan: dynamic(232, 0),
            was_left_clean: le16(bytes, 58) & 3 == 1,
            has_file_type: incompat & 0x2 != 0,
            has_large_file: ro_compat & 0x2 != 0,
            has_dir_index: compat & 0x20 != 0,
            has_sparse_super: ro_compat & 0x1 != 0,
            first_meta_bg: if incompat & 0x10 == 0 {
                u32::MAX
            } else {
                le32(bytes, 260)
            },
            reserved_gdt_blocks: if has_reserved {
                le16(bytes, 206).into()
            } else {
                0
            },
            groups: Vec::new(),
        };
        let bits = geometry.block_size * 8;
        refuse(
            !geometry.inode_size.is_power_of_two()
                || !(128..=geometry.block_size).contains(&geometry.inode_size),
            "impossible inode size",
        )?;
        refuse(
            geometry.first_data_block != u32::from(log_block_size == 0),
            "impossible first data block",
        )?;
        refuse(
            geometry.blocks_count <= geometry.first_data_block,
            "no blocks",
        )?;
        let len = u64::from(geometry.blocks_count) * u64::from(geometry.block_size);
        refuse(len > device_len, "longer than the device")?;
        refuse(
            !(256..=bits).contains(&geometry.blocks_per_group),
            "impossible blocks per group",
        )?;
        refuse(
            !(1..=bits).contains(&geometry.inodes_per_group)
                || geometry.table_blocks() >= geometry.blocks_per_group,
            "impossible inodes per group",
        )?;
        let inodes = u64::from(geometry.nr_groups()) * u64::from(geometry.inodes_per_group);
        refuse(
            u64::from(geometry.inodes_count) != inodes,
            "inodes that are in no group",
        )?;
        refuse(
            geometry.first_ino < 11 || geometry.first_ino > geometry.inodes_count,
            "impossible first inode",
        )?;
        refuse(
            geometry.descriptor_blocks() + 1 >= geometry.blocks_per_group
                || geometry.reserved_gdt_blocks > geometry.block_size / 4,
            "descriptors do not fit",
        )?;
        refuse(
            geometry.free_blocks > geometry.blocks_count
                || geometry.free_inodes > geometry.inodes_count
                || le32(bytes, 8) > geometry.blocks_count,
            "more free or reserved than there is",
        )?;
        Ok(geometry)
    }

    /// The contents of a block.
    pub(crate) fn block(
        &self,
        device: &dyn BlockDevice,
        block: u32,
    ) -> Result<Vec<u8>, BlockError> {
        let mut bytes = vec![0; index(self.block_size)];
        let at = u64::from(block) * u64::from(self.block_size);
        device.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Groups of blocks.
    pub(crate) const fn nr_groups(&self) -> u32 {
        (self.blocks_count - self.first_data_block).div_ceil(self.blocks_per_group)
    }

    /// First block of a group.
    pub(crate) const fn start(&self, group: u32) -> u32 {
        self.first_data_block + group * self.blocks_per_group
    }

    /// Blocks of a group.
    pub(crate) fn len(&self, group: u32) -> u32 {
        (self.blocks_count - self.start(group)).min(self.blocks_per_group)
    }

    /// Blocks of an inode table.
    pub(crate) const fn table_blocks(&self) -> u32 {
        self.inodes_per_group
            .div_ceil(self.block_size / self.inode_size)
    }

    const fn descriptors_per_block(&self) -> u32 {
        self.block_size / 32
    }

    const fn descriptor_blocks(&self) -> u32 {
        self.nr_groups().div_ceil(self.descriptors_per_block())
    }

    /// Where the descriptor of a group lies: block and byte.
    pub(crate) fn descriptor_place(&self, group: u32) -> (u32, usize) {
        let per_block = self.descriptors_per_block();
        let table = group / per_block;
        let at = index(group % per_block) * 32;
        if table < self.first_meta_bg {
            return (self.first_data_block + 1 + table, at);
        }
        let first = table * per_block;
        (
            self.start(first) + u32::from(self.has_superblock(first)),
            at,
        )
    }

    /// Whether a group starts with the superblock or a copy.
    fn has_superblock(&self, group: u32) -> bool {
        let is_power = |base: u32| {
            let mut rest = group;
            while rest.is_multiple_of(base) {
                rest /= base;
            }
            rest == 1
        };
        !self.has_sparse_super || group <= 1 || [3, 5, 7].into_iter().any(is_power)
    }

    /// Blocks at the start of a group that hold copies of superblock and descriptors, or are kept
    /// for them.
    pub(crate) fn head(&self, group: u32) -> u32 {
        let has_superblock = self.has_superblock(group);
        let per_block = self.descriptors_per_block();
        let descriptors = if group / per_block < self.first_meta_bg {
            let table = self.descriptor_blocks().min(self.first_meta_bg);
            u32::from(has_superblock) * (table + self.reserved_gdt_blocks)
        } else {
            u32::from([0, 1, per_block - 1].contains(&(group % per_block)))
        };
        u32::from(has_superblock) + descriptors
    }

    /// What is wrong with the descriptor of a group.
    fn complaint(&self, number: u32, group: &Group) -> Option<&'static str> {
        let end = self.start(number) + self.len(number);
        let from = self.start(number) + self.head(number);
        let holds = |block: u32, len: u32| {
            block >= from && block.checked_add(len).is_some_and(|last| last <= end)
        };
        let table = group.inode_table..group.inode_table.saturating_add(self.table_blocks());
        if !holds(group.block_bitmap, 1) || !holds(group.inode_bitmap, 1) {
            Some("a bitmap outside its group")
        } else if !holds(group.inode_table, self.table_blocks()) {
            Some("an inode table outside its group")
        } else if group.block_bitmap == group.inode_bitmap
            || table.contains(&group.block_bitmap)
            || table.contains(&group.inode_bitmap)
        {
            Some("bitmaps and inode table overlap")
        } else {
            None
        }
    }

    /// The blocks of group 0 kept for descriptors, and how many there are before them.
    pub(crate) fn reserved(&self) -> (u32, core::ops::Range<u32>) {
        let end = self.first_data_block + self.head(0);
        let kept = end.saturating_sub(self.reserved_gdt_blocks)..end;
        (self.descriptor_blocks(), kept)
    }

    /// The largest file in blocks.
    pub(crate) fn max_file_blocks(&self) -> u64 {
        let per_table = u64::from(self.block_size / 4);
        12 + per_table + per_table.pow(2) + per_table.pow(3)
    }

    /// The block of the inode table with `ino`, and its first byte there.
    pub(crate) fn inode_place(&self, ino: u32) -> (u32, usize) {
        let number = ino.saturating_sub(1);
        let (group, within) = (
            number / self.inodes_per_group,
            number % self.inodes_per_group,
        );
        let per_block = self.block_size / self.inode_size;
        let table = self
            .groups
            .get(index(group))
            .map_or(0, |group| group.inode_table);
        (
            table + within / per_block,
            index(within % per_block) * index(self.inode_size),
        )
    }

    /// The number of an inode by its group and place.
    pub(crate) fn ino(&self, group: usize, within: u32) -> u32 {
        low32(group) * self.inodes_per_group + within + 1
    }
}

impl Group {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            block_bitmap: le32(bytes, 0),
            inode_bitmap: le32(bytes, 4),
            inode_table: le32(bytes, 8),
            free_blocks: le16(bytes, 12).into(),
            free_inodes: le16(bytes, 14).into(),
            used_dirs: le16(bytes, 16).into(),
        }
    }
}
