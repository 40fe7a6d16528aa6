//! Extended attributes (xattr(7)): a block of its own for each inode that has some.
//!
//! ```text
//!  byte 0         32                                                         block size
//!  ├─ header ─────┼─ entry │ name ┬ entry │ name ┬ ... ┬ 0000 ── free ── value ┬ value ┤
//!  │ magic, count │  sorted by namespace, length of the name, name             in any order
//! ```
//! A block is decoded as a whole, changed and encoded again: there are few of them, and small. One
//! that other inodes share (`h_refcount`) is left to them. As in Linux's ext2, attributes that ext4
//! keeps in large inodes are not looked at.
//!
//! # References
//! Linux v6.12 `fs/ext2/xattr.c`, `xattr.h`; e2fsprogs `lib/ext2fs/ext2_ext_attr.h`.

use fs_block::BlockDevice;

use crate::codec::{le16, le32, low8, low16, low32, put, put16, put32, wide};
use crate::error::{CorruptKind, Error, Feature, Result};
use crate::inode::Inode;
use crate::superblock::COMPAT_EXT_ATTR;
use crate::{BlockNo, Ext2, InodeNo, Timestamp};

/// `h_magic`.
const MAGIC: u32 = 0xEA02_0000;
/// Byte of `h_refcount`.
const REFCOUNT: usize = 4;
/// Bytes of the header.
const HEADER: usize = 32;
/// Bytes of an entry without its name.
const ENTRY: usize = 16;

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// The namespace, `e_name_index`: 1 `user.`, 4 `trusted.`, 6 `security.`.
    pub space: u8,
    /// The name without the namespace, at most 255 bytes.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// What `setxattr(2)` wants to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Either.
    Any,
    /// No attribute of this name.
    Create,
    /// One to replace.
    Replace,
}

impl<D: BlockDevice> Ext2<D> {
    /// The attributes of an inode in the order of their namespaces and names.
    ///
    /// # Errors
    /// `Stale`, `Corrupt`, and those of the disk.
    pub fn xattrs(&mut self, ino: InodeNo) -> Result<Vec<Xattr>> {
        let inode = self.inode(ino)?;
        self.xattrs_of(&inode).map_err(|error| self.noted(error))
    }

    fn xattrs_of(&mut self, inode: &Inode) -> Result<Vec<Xattr>> {
        let mut all = self.block_xattrs(inode)?;
        self.add_inode_xattrs(inode.ino, &mut all)?;
        Ok(all)
    }

    fn block_xattrs(&mut self, inode: &Inode) -> Result<Vec<Xattr>> {
        if inode.file_acl == 0 {
            return Ok(Vec::new());
        }
        let block = self.check_data_block(inode.file_acl)?;
        let bytes = self.cache.block(u64::from(block.0))?;
        let corrupt = Error::from(CorruptKind::AttributeBlock(block));
        if !self.superblock.ext4.is_attribute_block_right(block, bytes) {
            return Err(corrupt);
        }
        decode(bytes).ok_or(corrupt)
    }

    /// Sets an attribute, or removes it when there is no `value`.
    ///
    /// # Errors
    /// `Exists` and `NoAttribute` as `mode` and removing say, `NoSpace` when they do not all fit a
    /// block, `NotPermitted` (immutable), `ReadOnly`, `Stale`, `Unsupported` (a disk of revision 0),
    /// and those of the disk.
    pub fn set_xattr(
        &mut self,
        ino: InodeNo,
        (space, name): (u8, &[u8]),
        value: Option<&[u8]>,
        mode: XattrMode,
        now: Timestamp,
    ) -> Result<()> {
        self.change(|fs| {
            let mut inode = fs.inode(ino)?;
            inode.check_changeable()?;
            let mut all = fs.xattrs_of(&inode)?;
            let new = (space, name.len(), name);
            // Whoever wrote the block may have sorted it another way.
            let found = all.iter().position(|known| key(known) == new);
            let place = found.ok_or_else(|| all.partition_point(|known| key(known) < new));
            match (place, mode, value) {
                (Ok(_), XattrMode::Create, _) => return Err(Error::Exists),
                (Err(_), XattrMode::Replace, _) | (Err(_), _, None) => {
                    return Err(Error::NoAttribute);
                }
                (Ok(index), _, None) => drop(all.remove(index)),
                (Ok(index), _, Some(value)) => {
                    if let Some(known) = all.get_mut(index) {
                        known.value = value.to_vec();
                    }
                }
                (Err(index), _, Some(value)) => all.insert(
                    index,
                    Xattr {
                        space,
                        name: name.to_vec(),
                        value: value.to_vec(),
                    },
                ),
            }
            fs.store_xattrs(&mut inode, &all)?;
            inode.ctime = now;
            fs.store(&inode)
        })
    }

    /// Writes all attributes of an inode, to its own block or a new one.
    fn store_xattrs(&mut self, inode: &mut Inode, all: &[Xattr]) -> Result<()> {
        if all.is_empty() {
            return self.release_attributes(inode);
        }
        let bytes = encode(all, self.cache.block_size()).ok_or(Error::NoSpace)?;
        let is_shared = match inode.file_acl {
            0 => true,
            own => le32(self.cache.block(u64::from(own))?, REFCOUNT) != 1,
        };
        if is_shared {
            if self.superblock.rev_level == 0 {
                return Err(Error::Unsupported(Feature::Revision(0)));
            }
            self.release_attributes(inode)?;
            let goal = self.goal_of_inode(inode.ino);
            inode.file_acl = self.allocate_for(inode, goal)?.0;
            // Staying set if the operation is undone does no harm.
            self.superblock.feature_compat |= COMPAT_EXT_ATTR;
            self.cache.zeroed(u64::from(inode.file_acl))?;
        }
        put(self.cache.block_mut(u64::from(inode.file_acl))?, 0, &bytes);
        Ok(())
    }

    /// Takes the attribute block from an inode: it is about to be freed, or gets another.
    pub(crate) fn release_attributes(&mut self, inode: &mut Inode) -> Result<()> {
        let block = core::mem::take(&mut inode.file_acl);
        if block == 0 {
            return Ok(());
        }
        self.check_data_block(block)?;
        let bytes = self.cache.block(u64::from(block))?;
        if le32(bytes, 0) != MAGIC {
            return Err(CorruptKind::AttributeBlock(BlockNo(block)).into());
        }
        match le32(bytes, REFCOUNT) {
            0 => return Err(CorruptKind::AttributeBlock(BlockNo(block)).into()),
            1 => self.free_block(block)?,
            shared => {
                let bytes = self.cache.block_mut(u64::from(block))?;
                put32(bytes, REFCOUNT, shared.saturating_sub(1));
            }
        }
        inode.blocks = inode
            .blocks
            .saturating_sub(self.superblock.block_size() / 512);
        Ok(())
    }
}

/// A length rounded up as names and values are.
const fn padded(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// The attributes of a block; `None` when it is no attribute block.
fn decode(bytes: &[u8]) -> Option<Vec<Xattr>> {
    if le32(bytes, 0) != MAGIC || le32(bytes, 8) != 1 {
        return None;
    }
    decode_entries(bytes, HEADER)
}

/// The attributes in a large inode, as ext4 writes them; `None` when they make no sense.
pub(crate) fn decode_inode(bytes: &[u8]) -> Option<Vec<Xattr>> {
    let start = 128_usize.checked_add(usize::from(le16(bytes, 128)))?;
    match bytes.get(start..).and_then(|area| area.split_at_checked(4)) {
        Some((magic, entries)) if bytes.len() > 128 && le32(magic, 0) == MAGIC => {
            decode_entries(entries, 0)
        }
        _ => Some(Vec::new()),
    }
}

/// The attributes whose entries begin at byte `at`, and whose values are found from byte 0 on.
fn decode_entries(bytes: &[u8], mut at: usize) -> Option<Vec<Xattr>> {
    let mut all = Vec::new();
    while *bytes.get(at..at.checked_add(4)?)? != [0; 4] {
        let (entry, rest) = bytes.get(at..)?.split_at_checked(ENTRY)?;
        let name = rest.get(..usize::from(*entry.first()?))?;
        let start = usize::from(le16(entry, 2));
        let len = usize::try_from(le32(entry, 8)).ok()?;
        let value = match len {
            0 => &[],
            _ => bytes.get(start..start.checked_add(len)?)?,
        };
        // A value in another block is nothing that Ext2 has.
        if le32(entry, 4) != 0 {
            return None;
        }
        all.push(Xattr {
            space: *entry.get(1)?,
            name: name.to_vec(),
            value: value.to_vec(),
        });
        at = at.checked_add(padded(ENTRY.checked_add(name.len())?))?;
    }
    Some(all)
}

/// The order of attributes in their block.
fn key(xattr: &Xattr) -> (u8, usize, &[u8]) {
    (xattr.space, xattr.name.len(), &xattr.name)
}

/// A block with these attributes, which are sorted; `None` when they do not fit.
fn encode(all: &[Xattr], block_size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; block_size];
    let (mut at, mut values) = (HEADER, block_size);
    let mut block_hash = 0;
    for attribute in all {
        let Xattr { space, name, value } = attribute;
        let next = at.checked_add(padded(ENTRY.checked_add(name.len())?))?;
        values = values.checked_sub(padded(value.len()))?;
        // The list ends with four zeros.
        if next.checked_add(4)? > values {
            return None;
        }
        let hash = entry_hash(name, value);
        block_hash = mix(block_hash, 16, hash);
        let start = if value.is_empty() { 0 } else { values };
        let entry = bytes.get_mut(at..)?;
        put(entry, 0, &[low8(name.len()), *space]);
        put16(entry, 2, low16(low32(wide(start))));
        put32(entry, 8, low32(wide(value.len())));
        put32(entry, 12, hash);
        put(entry, ENTRY, name);
        put(&mut bytes, values, value);
        at = next;
    }
    put32(&mut bytes, 0, MAGIC);
    put32(&mut bytes, REFCOUNT, 1);
    put32(&mut bytes, 8, 1);
    put32(&mut bytes, 12, block_hash);
    Some(bytes)
}

/// `e_hash`: of the name's bytes and the value's words.
fn entry_hash(name: &[u8], value: &[u8]) -> u32 {
    let of_name = name
        .iter()
        .fold(0, |hash, byte| mix(hash, 5, u32::from(*byte)));
    value.chunks(4).fold(of_name, |hash, chunk| {
        let mut word = [0; 4];
        put(&mut word, 0, chunk);
        mix(hash, 16, u32::from_le_bytes(word))
    })
}

const fn mix(hash: u32, shift: u32, next: u32) -> u32 {
    hash.rotate_left(shift) ^ next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(space: u8, name: &str, value: &[u8]) -> Xattr {
        Xattr {
            space,
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn a_block_holds_what_was_put_in() {
        let all = [
            attribute(1, "a", &[7; 100]),
            attribute(1, "aa", b"word"),
            attribute(1, "bb", b""),
            attribute(6, "selinux", b"label"),
        ];
        assert!(all.is_sorted_by_key(key));
        assert_eq!(decode(&encode(&all, 1024).unwrap()).unwrap(), all);
    }

    #[test]
    fn the_last_byte_of_a_block_can_be_used_and_no_more() {
        let room = 1024 - HEADER - 4 - padded(ENTRY + 1);
        assert!(encode(&[attribute(1, "a", &vec![1; room])], 1024).is_some());
        assert!(encode(&[attribute(1, "a", &vec![1; room + 1])], 1024).is_none());
    }

    #[test]
    fn blocks_that_lie_are_refused() {
        let bytes = encode(&[attribute(1, "name", b"value")], 1024).unwrap();
        for (at, byte) in [
            (0, 1),
            (8, 2),
            (HEADER, 255),
            (HEADER + 3, 0xFF),
            (HEADER + 10, 1),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            bytes[HEADER + ENTRY + 4..].fill(0xEE);
            assert_eq!(decode(&bytes), None, "{at}");
        }
        assert_eq!(decode(&bytes[..HEADER]), None);
    }
}
