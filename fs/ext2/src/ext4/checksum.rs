//! Checksums of metadata: CRC-32C from the disk's seed on, and CRC-16 of descriptors on older disks.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets within a block or an inode, from fields of 16 bits"
)]

use crate::codec::{index, le16, le32, low16, put16, put32, wide};
use crate::inode::Inode;
use crate::{BlockNo, InodeNo};

/// The `det_reserved_ft` of the entry that ends a block of a directory.
const TAIL_TYPE: u8 = 0xDE;
/// Bytes of that entry; the last four are the checksum.
const TAIL_BYTES: usize = 12;

/// What has a checksum.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checksums {
    None,
    /// Descriptors, by CRC-16 from this on.
    Descriptors(u16),
    /// Everything, by CRC-32C from this on.
    All(u32),
}

/// Whether the checksum of the superblock is right, which is of a kind we know.
pub(super) fn is_superblock_right(bytes: &[u8]) -> bool {
    let covered = bytes.get(..1020).unwrap_or_default();
    bytes.get(373) == Some(&1) && crc32c(!0, covered) == le32(bytes, 1020)
}

impl Checksums {
    /// Of everything; the seed is the superblock's own, or made from the disk's UUID.
    pub(super) fn all(superblock: &[u8], has_seed: bool) -> Self {
        Self::All(if has_seed {
            le32(superblock, 624)
        } else {
            crc32c(!0, uuid(superblock))
        })
    }

    /// Of descriptors alone.
    pub(super) fn descriptors(superblock: &[u8]) -> Self {
        Self::Descriptors(crc16(!0, uuid(superblock)))
    }

    /// The seed of what belongs to an inode.
    fn of_inode(self, ino: InodeNo, generation: u32) -> Option<u32> {
        let Self::All(seed) = self else { return None };
        let of_ino = crc32c(seed, &ino.0.to_le_bytes());
        Some(crc32c(of_ino, &generation.to_le_bytes()))
    }

    pub(super) fn is_descriptor_right(self, number: u32, bytes: &[u8]) -> bool {
        let number = number.to_le_bytes();
        let (before, after) = (bytes.get(..30), bytes.get(32..));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let stored = le16(bytes, 30);
        match self {
            Self::None => true,
            Self::Descriptors(seed) => stored == crc16(crc16(crc16(seed, &number), before), after),
            Self::All(seed) => {
                let of_start = crc32c(crc32c(crc32c(seed, &number), before), &[0; 2]);
                stored == low16(crc32c(of_start, after))
            }
        }
    }

    pub(super) fn is_inode_right(self, ino: InodeNo, bytes: &[u8]) -> bool {
        let Some(seed) = self.of_inode(ino, le32(bytes, 100)) else {
            return true;
        };
        let mut copy = bytes.to_vec();
        put16(&mut copy, 124, 0);
        let has_high = bytes.len() > 128 && le16(bytes, 128) >= 4;
        if has_high {
            put16(&mut copy, 130, 0);
        }
        let sum = crc32c(seed, &copy);
        le16(bytes, 124) == low16(sum) && (!has_high || le16(bytes, 130) == low16(sum >> 16))
    }

    /// Of a block of extents: behind the entries that it has room for.
    pub(super) fn is_extent_block_right(self, inode: &Inode, bytes: &[u8]) -> bool {
        let Some(seed) = self.of_inode(inode.ino, inode.generation) else {
            return true;
        };
        let tail = 12 + 12 * usize::from(le16(bytes, 4));
        let (covered, stored) = (bytes.get(..tail), le32(bytes, tail));
        covered.is_some_and(|covered| crc32c(seed, covered) == stored)
    }

    /// Of a block of entries in its last entry, of one of a hash tree behind its table.
    pub(super) fn is_dir_block_right(self, inode: &Inode, bytes: &[u8]) -> bool {
        let Some(seed) = self.of_inode(inode.ino, inode.generation) else {
            return true;
        };
        let at = bytes.len().saturating_sub(TAIL_BYTES);
        let (covered, tail) = bytes.split_at(at);
        if le32(tail, 0) == 0 && le16(tail, 4) == 12 && tail.get(7) == Some(&TAIL_TYPE) {
            return crc32c(seed, covered) == le32(tail, 8);
        }
        // The table follows `..` and what the root says of itself, or an empty entry.
        let is_root = wide(usize::from(le16(bytes, 4))) != wide(bytes.len());
        let table = if is_root { 32 } else { 8 };
        let (limit, count) = (le16(bytes, table), le16(bytes, table + 2));
        let tail = table + 8 * usize::from(limit);
        let (Some(covered), Some(reserved)) = (
            bytes.get(..table + 8 * usize::from(count)),
            bytes.get(tail..tail + 4),
        ) else {
            return false;
        };
        let sum = crc32c(crc32c(crc32c(seed, covered), reserved), &[0; 4]);
        sum == le32(bytes, tail + 4)
    }

    pub(super) fn is_attribute_block_right(self, block: BlockNo, bytes: &[u8]) -> bool {
        let Self::All(seed) = self else { return true };
        let mut copy = bytes.to_vec();
        put32(&mut copy, 16, 0);
        let of_place = crc32c(seed, &u64::from(block.0).to_le_bytes());
        crc32c(of_place, &copy) == le32(bytes, 16)
    }
}

fn uuid(superblock: &[u8]) -> &[u8] {
    superblock.get(104..120).unwrap_or_default()
}

/// CRC-32C (Castagnoli), reflected, without the inversions at both ends, as Linux's `crc32c`.
fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table(0x82F6_3B78);
    bytes.iter().fold(seed, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        sum >> 8 ^ entry
    })
}

/// CRC-16 (the polynomial 0x8005), reflected, as Linux's `crc16`.
fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    const TABLE: [u32; 256] = table(0xA001);
    bytes.iter().fold(seed, |sum, byte| {
        let [low, _] = sum.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        sum >> 8 ^ low16(entry)
    })
}

/// The table of a reflected polynomial.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut number = 0;
    while number < 256 {
        let mut entry = number;
        let mut bit = 0;
        while bit < 8 {
            entry = if entry & 1 == 0 {
                entry >> 1
            } else {
                entry >> 1 ^ polynomial
            };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "below its length; at compile time")]
        {
            table[index(number)] = entry;
        }
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_catalogue() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xBB3D);
    }
}
