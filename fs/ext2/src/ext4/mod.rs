//! ext4 disks, read-only: what they have beyond Ext2.
//!
//! The rest of the crate meets ext4 through [`Ext4`], a part of the superblock, and two functions of
//! [`Ext2`]: where a file with extents has its blocks, and the attributes that lie in an inode.
//! Nothing is ever written.
//!
//! | feature | what it means here |
//! |---|---|
//! | extent | `extent.rs`: a tree of runs of blocks in place of pointers |
//! | 64bit | descriptors of 64 bytes; disks of 2^32 blocks and more are refused |
//! | flex_bg | metadata of a group may lie in another |
//! | metadata_csum, csum_seed | `checksum.rs`: everything that is read is verified |
//! | uninit_bg | descriptors have a checksum, an older one |
//!
//! # References
//! Linux v6.12 `Documentation/filesystems/ext4/`, `fs/ext4/ext4.h`, `fs/ext4/ext4_extents.h`.

mod checksum;
mod extent;

use fs_block::BlockDevice;

use self::checksum::Checksums;
use crate::codec::{index, le16, le32};
use crate::error::{CorruptKind, Error, Feature, Result};
use crate::inode::Inode;
use crate::xattr::{Xattr, decode_inode};
use crate::{BlockNo, Ext2, InodeNo};

const INCOMPAT_EXTENTS: u32 = 0x40;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_FLEX_BG: u32 = 0x200;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
/// The bits of `s_feature_incompat` that are read here.
pub(crate) const INCOMPAT: u32 =
    INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG | INCOMPAT_CSUM_SEED;

/// `s_feature_ro_compat`: descriptors have a checksum of 16 bits.
const RO_COMPAT_GDT_CSUM: u32 = 0x10;
/// `s_feature_ro_compat`: everything has a checksum of 32 bits.
const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

/// `i_flags`: the inode has a tree of extents.
const FLAG_EXTENTS: u32 = 0x8_0000;

/// The bits of `s_feature_incompat`, as `mke2fs -O` names them.
const INCOMPATIBLE: [(u32, &str); 14] = [
    (0x1, "compression"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

/// The name of an unknown feature; the first of several.
pub(crate) fn feature_name(bits: u32) -> &'static str {
    let found = INCOMPATIBLE.iter().find(|(bit, _)| bits & bit != 0);
    found.map_or("an unknown feature", |(_, name)| name)
}

/// What a disk has of ext4.
#[derive(Clone, Debug)]
pub(crate) struct Ext4 {
    incompat: u32,
    descriptor_bytes: u32,
    checksums: Checksums,
}

impl Ext4 {
    /// Reads what the superblock says, and verifies its checksum.
    pub(crate) fn from_superblock(bytes: &[u8], incompat: u32, ro_compat: u32) -> Result<Self> {
        let corrupt = |what| Err(Error::Corrupt(CorruptKind::Superblock(what)));
        let has = |feature| incompat & feature != 0;
        let descriptor_bytes = if has(INCOMPAT_64BIT) {
            if le32(bytes, 336) != 0 {
                return Err(Error::Unsupported(Feature::Incompatible(INCOMPAT_64BIT)));
            }
            u32::from(le16(bytes, 254))
        } else {
            32
        };
        if !descriptor_bytes.is_power_of_two() || !(32..=1024).contains(&descriptor_bytes) {
            return corrupt("bad size of group descriptors");
        }
        let checksums = if ro_compat & RO_COMPAT_METADATA_CSUM != 0 {
            if !checksum::is_superblock_right(bytes) {
                return corrupt("the superblock's checksum is wrong");
            }
            Checksums::all(bytes, has(INCOMPAT_CSUM_SEED))
        } else if ro_compat & RO_COMPAT_GDT_CSUM != 0 {
            Checksums::descriptors(bytes)
        } else {
            Checksums::None
        };
        Ok(Self {
            incompat,
            descriptor_bytes,
            checksums,
        })
    }

    /// Bytes of a group descriptor.
    pub(crate) const fn descriptor_bytes(&self) -> u32 {
        self.descriptor_bytes
    }

    /// Whether the metadata of a group may lie in another.
    pub(crate) const fn is_flexible(&self) -> bool {
        self.incompat & INCOMPAT_FLEX_BG != 0
    }

    /// The bits of `i_flags` that only ext4 has and that are read here.
    pub(crate) const fn inode_flags(&self) -> u32 {
        if self.incompat & INCOMPAT_EXTENTS == 0 {
            0
        } else {
            FLAG_EXTENTS
        }
    }

    /// Whether an inode with these `i_flags` has extents.
    pub(crate) const fn has_extents(&self, flags: u32) -> bool {
        flags & self.inode_flags() != 0
    }

    /// Whether the descriptor of a group is what was written, and has no block beyond 2^32.
    pub(crate) fn is_descriptor_right(&self, number: u32, bytes: &[u8]) -> bool {
        let Some(bytes) = bytes.get(..index(self.descriptor_bytes)) else {
            return false;
        };
        let high = bytes.get(32..44).unwrap_or_default();
        high.iter().all(|byte| *byte == 0) && self.checksums.is_descriptor_right(number, bytes)
    }

    /// Whether an inode is what was written.
    pub(crate) fn is_inode_right(&self, ino: InodeNo, bytes: &[u8]) -> bool {
        self.checksums.is_inode_right(ino, bytes)
    }

    /// Whether a block of attributes is what was written.
    pub(crate) fn is_attribute_block_right(&self, block: BlockNo, bytes: &[u8]) -> bool {
        self.checksums.is_attribute_block_right(block, bytes)
    }
}

impl<D: BlockDevice> Ext2<D> {
    /// Refuses a block of a directory that is not what was written.
    pub(crate) fn check_dir_block(&mut self, inode: &Inode, block: BlockNo) -> Result<()> {
        let bytes = self.cache.block(u64::from(block.0))?;
        if self
            .superblock
            .ext4
            .checksums
            .is_dir_block_right(inode, bytes)
        {
            return Ok(());
        }
        let what = "the checksum of a directory's block is wrong";
        Err(CorruptKind::Inode(inode.ino, what).into())
    }

    /// Adds the attributes in a large inode.
    pub(crate) fn add_inode_xattrs(&mut self, ino: InodeNo, all: &mut Vec<Xattr>) -> Result<()> {
        let (block, range) = self.locate(ino)?;
        let bytes = self.cache.block(block)?.get(range).unwrap_or_default();
        let bad = CorruptKind::Inode(ino, "bad attributes in the inode");
        all.append(&mut decode_inode(bytes).ok_or(Error::Corrupt(bad))?);
        Ok(())
    }
}
