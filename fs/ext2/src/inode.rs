//! Inodes: their layout on the disk, and a cache of those in use.
//!
//! [`Ext2::inode`] hands out copies; [`Ext2::store`] writes one through to the block cache. So an
//! undone operation needs to undo nothing here but the cache of copies.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "inode numbers checked by `locate`"
)]

use fs_block::{BlockDevice, NumberMap};

use crate::codec::{index, le16, le32, low16, low32, put16, put32, wide};
use crate::error::{CorruptKind, Error, Result};
use crate::{Ext2, FileType, InodeNo, Timestamp};

/// `i_flags`: the contents may not change.
pub(crate) const FLAG_IMMUTABLE: u32 = 0x10;
/// `i_flags`: the contents may only grow.
pub(crate) const FLAG_APPEND: u32 = 0x20;
/// `i_flags`: the directory has a hash tree.
pub(crate) const FLAG_INDEX: u32 = 0x1000;
/// `i_flags`: `i_blocks` counts file system blocks.
const FLAG_HUGE_FILE: u32 = 0x4_0000;
/// `i_flags` that change what `i_block` means, which our features exclude: compressed, encrypted,
/// extents, inline data.
const FLAGS_FOREIGN: u32 = 0x4 | 0x800 | 0x8_0000 | 0x1000_0000;
/// `i_flags` that a new inode takes from its directory: sync, nodump, noatime.
pub(crate) const FLAGS_INHERITED: u32 = 0x8 | 0x40 | 0x80;

/// Pointers in the inode: 12 direct, then one each to a single, double and triple table.
pub(crate) const NR_POINTERS: usize = 15;
/// Bytes of the original inode; larger ones have extra fields.
const ORIGINAL_BYTES: usize = 128;

/// An inode in memory; fields as in `struct ext2_inode`.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) ino: InodeNo,
    pub(crate) mode: u16,
    pub(crate) kind: FileType,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) atime: Timestamp,
    pub(crate) ctime: Timestamp,
    pub(crate) mtime: Timestamp,
    /// Time of birth; `None` in inodes without that field.
    pub(crate) crtime: Option<Timestamp>,
    /// Seconds; 0 while it has a name. Without one but held, the next such inode (`orphan.rs`).
    pub(crate) dtime: u32,
    pub(crate) links_count: u16,
    /// Allocated 512-byte units, tables and attribute block included.
    pub(crate) blocks: u32,
    pub(crate) flags: u32,
    pub(crate) block: [u32; NR_POINTERS],
    pub(crate) generation: u32,
    /// Extended attribute block, or 0.
    pub(crate) file_acl: u32,
}

impl Inode {
    /// Decodes an inode that is in use; `known_flags` are foreign ones that may be set.
    fn from_bytes(ino: InodeNo, bytes: &[u8], known_flags: u32) -> Result<Self> {
        let corrupt = |what| Error::Corrupt(CorruptKind::Inode(ino, what));
        let mode = le16(bytes, 0);
        let extra = extra_bytes(bytes);
        let time = |at, extra_at| decode_time(le32(bytes, at), extra_field(bytes, extra, extra_at));
        let mut inode = Self {
            ino,
            mode,
            kind: FileType::from_mode(mode.into()).ok_or_else(|| corrupt("unknown file type"))?,
            uid: u32::from(le16(bytes, 2)) | u32::from(le16(bytes, 120)) << 16,
            gid: u32::from(le16(bytes, 24)) | u32::from(le16(bytes, 122)) << 16,
            size: u64::from(le32(bytes, 4)),
            atime: time(8, 140),
            ctime: time(12, 132),
            mtime: time(16, 136),
            crtime: extra_field(bytes, extra, 144)
                .map(|seconds| decode_time(seconds, extra_field(bytes, extra, 148))),
            dtime: le32(bytes, 20),
            links_count: le16(bytes, 26),
            blocks: le32(bytes, 28),
            flags: le32(bytes, 32),
            block: core::array::from_fn(|number| le32(bytes, 40 + number * 4)),
            generation: le32(bytes, 100),
            file_acl: le32(bytes, 104),
        };
        if inode.kind == FileType::Regular {
            inode.size |= u64::from(le32(bytes, 108)) << 32;
        }
        if inode.flags & FLAGS_FOREIGN & !known_flags != 0 {
            return Err(corrupt("flags that this disk's features exclude"));
        }
        Ok(inode)
    }

    /// Stores all fields; those that are not in [`Inode`] stay as they are.
    fn write_to(&self, bytes: &mut [u8]) {
        put16(bytes, 0, self.mode);
        put16(bytes, 2, low16(self.uid));
        put16(bytes, 120, low16(self.uid >> 16));
        put16(bytes, 24, low16(self.gid));
        put16(bytes, 122, low16(self.gid >> 16));
        put32(bytes, 4, low32(self.size));
        if self.kind == FileType::Regular {
            put32(bytes, 108, low32(self.size >> 32));
        }
        put32(bytes, 20, self.dtime);
        put16(bytes, 26, self.links_count);
        put32(bytes, 28, self.blocks);
        put32(bytes, 32, self.flags);
        for (number, block) in self.block.iter().enumerate() {
            put32(bytes, 40 + number * 4, *block);
        }
        put32(bytes, 100, self.generation);
        put32(bytes, 104, self.file_acl);
        let extra = extra_bytes(bytes);
        let times = [
            (self.atime, 8, 140),
            (self.ctime, 12, 132),
            (self.mtime, 16, 136),
        ];
        let birth = self
            .crtime
            .filter(|_| extra >= 24)
            .map(|time| (time, 144, 148));
        for (time, at, extra_at) in times.into_iter().chain(birth) {
            let has_extra = extra + ORIGINAL_BYTES >= extra_at + 4;
            let (seconds, high) = encode_time(time, has_extra);
            put32(bytes, at, seconds);
            if has_extra {
                put32(bytes, extra_at, high);
            }
        }
    }

    /// The permission, set-id and sticky bits.
    pub(crate) const fn permissions(&self) -> u16 {
        self.mode & 0o7777
    }

    /// Allocated 512-byte units, given the block size.
    pub(crate) fn nr_sectors(&self, block_shift: u32) -> u64 {
        if self.flags & FLAG_HUGE_FILE == 0 {
            u64::from(self.blocks)
        } else {
            u64::from(self.blocks) << (block_shift - 9)
        }
    }

    /// Refuses changes of an inode that is marked immutable or append-only.
    pub(crate) const fn check_changeable(&self) -> Result<()> {
        if self.flags & (FLAG_IMMUTABLE | FLAG_APPEND) != 0 {
            return Err(Error::NotPermitted);
        }
        Ok(())
    }

    /// Sets modification and change time.
    pub(crate) const fn touch(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }
}

/// Bytes of extra fields in use: `i_extra_isize`, or 0 when it is impossible.
fn extra_bytes(bytes: &[u8]) -> usize {
    let extra = usize::from(le16(bytes, ORIGINAL_BYTES));
    if extra.is_multiple_of(4) && extra + ORIGINAL_BYTES <= bytes.len() {
        extra
    } else {
        0
    }
}

/// The field at byte `at`, if the extra fields reach that far.
fn extra_field(bytes: &[u8], extra: usize, at: usize) -> Option<u32> {
    (extra + ORIGINAL_BYTES >= at + 4).then(|| le32(bytes, at))
}

/// Inodes of 128 bytes keep whole seconds until 2038, larger ones nanoseconds until 2446.
///
/// Seconds are signed; the extra field has 2 bits of epoch below 30 bits of nanoseconds.
fn decode_time(seconds: u32, extra: Option<u32>) -> Timestamp {
    let extra = extra.unwrap_or(0);
    let seconds = i64::from(seconds.cast_signed()) + (i64::from(extra & 3) << 32);
    Timestamp {
        seconds,
        nanoseconds: (extra >> 2).min(999_999_999),
    }
}

/// The inverse of [`decode_time`]; times out of range become the nearest possible one.
fn encode_time(time: Timestamp, has_extra: bool) -> (u32, u32) {
    let latest = if has_extra {
        i64::from(i32::MAX) + (3 << 32)
    } else {
        i64::from(i32::MAX)
    };
    let seconds = time.seconds.clamp(i64::from(i32::MIN), latest);
    let low = low32(seconds.cast_unsigned());
    let epoch = (seconds - i64::from(low.cast_signed())) >> 32;
    let epoch = low32(epoch.cast_unsigned()) & 3;
    (low, epoch | time.nanoseconds.min(999_999_999) << 2)
}

/// A file's blocks that follow one another on the disk, or a hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// First file block.
    pub(crate) logical: u64,
    /// Its disk block; 0 for a hole.
    pub(crate) physical: u32,
    /// Blocks; 0: nothing is known.
    pub(crate) len: u32,
}

impl Run {
    /// Whether `logical` is the block right behind this run.
    pub(crate) fn ends_before(&self, logical: u64) -> bool {
        self.logical + u64::from(self.len) == logical
    }

    /// The disk block of `logical` (0: hole), if this run has it.
    #[inline]
    pub(crate) fn find(&self, logical: u64) -> Option<u32> {
        let distance = logical.checked_sub(self.logical)?;
        if distance >= u64::from(self.len) {
            return None;
        }
        Some(if self.physical == 0 {
            0
        } else {
            self.physical + low32(distance)
        })
    }
}

/// An inode and the part of its block map that was used last.
#[derive(Clone, Debug)]
pub(crate) struct CachedInode {
    pub(crate) inode: Inode,
    pub(crate) run: Run,
}

/// Two generations of inodes: when the young ones are many, they become the old ones.
#[derive(Debug, Default)]
pub(crate) struct InodeCache {
    young: NumberMap<u32, CachedInode>,
    old: NumberMap<u32, CachedInode>,
}

impl InodeCache {
    /// Inodes per generation.
    const GENERATION: usize = 2048;

    /// The cached inode, which becomes young.
    #[inline]
    pub(crate) fn find(&mut self, ino: InodeNo) -> Option<&mut CachedInode> {
        if !self.young.contains_key(&ino.0) {
            let old = self.old.remove(&ino.0)?;
            self.insert(old);
        }
        self.young.get_mut(&ino.0)
    }

    fn insert(&mut self, cached: CachedInode) {
        if self.young.len() >= Self::GENERATION {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(cached.inode.ino.0, cached);
    }

    /// Forgets one inode.
    fn remove(&mut self, ino: InodeNo) {
        self.young.remove(&ino.0);
        self.old.remove(&ino.0);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

impl<D: BlockDevice> Ext2<D> {
    /// The block of the inode table with `ino`, and the bytes there.
    pub(crate) fn locate(&self, ino: InodeNo) -> Result<(u64, core::ops::Range<usize>)> {
        let superblock = &self.superblock;
        let is_usable = ino == InodeNo::ROOT || ino.0 >= superblock.first_ino;
        let bad = Error::Corrupt(CorruptKind::InodeNumber(ino));
        if !is_usable || ino.0 > superblock.inodes_count {
            return Err(bad);
        }
        let number = ino.0 - 1;
        let group = self
            .groups
            .get(index(number / superblock.inodes_per_group))
            .ok_or(bad)?;
        let within = number % superblock.inodes_per_group;
        let per_block = superblock.block_size() / superblock.inode_size;
        let block = group.inode_table + within / per_block;
        let start = index(within % per_block) * index(superblock.inode_size);
        Ok((
            u64::from(block),
            start..start + index(superblock.inode_size),
        ))
    }

    /// A copy of an inode that is in use: linked, or held open.
    ///
    /// # Errors
    /// `Stale` when it was freed, `Corrupt`, `Io`, `NotResident`.
    pub(crate) fn inode(&mut self, ino: InodeNo) -> Result<Inode> {
        Ok(self.cached(ino)?.inode.clone())
    }

    /// The cached form of an inode.
    #[inline]
    pub(crate) fn cached(&mut self, ino: InodeNo) -> Result<&mut CachedInode> {
        if self.inodes.find(ino).is_none() {
            let (block, range) = self.locate(ino)?;
            let bytes = self.cache.block(block)?.get(range).unwrap_or_default();
            if le16(bytes, 26) == 0 && !self.retained.contains_key(&ino.0) {
                return Err(Error::Stale);
            }
            let ext4 = &self.superblock.ext4;
            if !ext4.is_inode_right(ino, bytes) {
                return Err(CorruptKind::Inode(ino, "the inode's checksum is wrong").into());
            }
            let inode = Inode::from_bytes(ino, bytes, ext4.inode_flags())?;
            self.inodes.insert(CachedInode {
                inode,
                run: Run::default(),
            });
        }
        self.inodes.find(ino).ok_or(Error::Io)
    }

    /// A copy of an inode that is a directory.
    pub(crate) fn directory(&mut self, ino: InodeNo) -> Result<Inode> {
        let inode = self.inode(ino)?;
        if inode.kind != FileType::Directory {
            return Err(Error::NotDirectory);
        }
        let size_limit = u64::from(self.superblock.blocks_count) << self.superblock.block_shift;
        if inode.size % wide(self.cache.block_size()) != 0 || inode.size > size_limit {
            return Err(CorruptKind::Inode(ino, "bad size of a directory").into());
        }
        Ok(inode)
    }

    /// Writes an inode to the block cache; within [`Ext2::change`].
    pub(crate) fn store(&mut self, inode: &Inode) -> Result<()> {
        let (block, range) = self.locate(inode.ino)?;
        let bytes = self
            .cache
            .block_mut(block)?
            .get_mut(range)
            .unwrap_or_default();
        inode.write_to(bytes);
        if let Some(cached) = self.inodes.find(inode.ino) {
            if cached.inode.block != inode.block {
                cached.run = Run::default();
            }
            cached.inode.clone_from(inode);
        } else {
            self.inodes.insert(CachedInode {
                inode: inode.clone(),
                run: Run::default(),
            });
        }
        Ok(())
    }

    /// Writes a new inode over what its place held before; the generation goes up by one.
    pub(crate) fn store_new(&mut self, inode: &mut Inode) -> Result<()> {
        let (block, range) = self.locate(inode.ino)?;
        let want_extra = self.superblock.want_extra_isize;
        let bytes = self
            .cache
            .block_mut(block)?
            .get_mut(range)
            .unwrap_or_default();
        if le16(bytes, 0) != 0 && le16(bytes, 26) != 0 {
            // In use, whatever the bitmap says.
            return Err(CorruptKind::InodeBitmap(inode.ino).into());
        }
        inode.generation = le32(bytes, 100).wrapping_add(1);
        bytes.fill(0);
        if bytes.len() > ORIGINAL_BYTES {
            let is_possible =
                (24..=bytes.len() - ORIGINAL_BYTES).contains(&usize::from(want_extra));
            let extra = if is_possible && want_extra.is_multiple_of(4) {
                want_extra
            } else {
                32
            };
            put16(bytes, ORIGINAL_BYTES, extra);
        } else {
            inode.crtime = None;
        }
        self.inodes.remove(inode.ino);
        self.store(inode)
    }

    /// Forgets the block map of an inode after it changed.
    pub(crate) fn forget_run(&mut self, ino: InodeNo) {
        if let Some(cached) = self.inodes.find(ino) {
            cached.run = Run::default();
        }
    }

    /// Forgets a freed inode.
    pub(crate) fn forget_inode(&mut self, ino: InodeNo) {
        self.inodes.remove(ino);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_until_2446_with_extra_fields_and_saturate_without() {
        for seconds in [-1, 0, i64::from(i32::MIN), 1 << 31, 1 << 32, 15_032_385_535] {
            let time = Timestamp {
                seconds,
                nanoseconds: 999_999_999,
            };
            let (low, extra) = encode_time(time, true);
            assert_eq!(decode_time(low, Some(extra)), time);
        }
        let late = Timestamp {
            seconds: 1 << 33,
            nanoseconds: 5,
        };
        let (low, _) = encode_time(late, false);
        assert_eq!(decode_time(low, None).seconds, i64::from(i32::MAX));
    }

    #[test]
    fn an_inode_keeps_unknown_fields() {
        let mut bytes = vec![0xAA; 256];
        put16(&mut bytes, 0, 0o100_644);
        put32(&mut bytes, 32, 0);
        put16(&mut bytes, 128, 32);
        let mut inode = Inode::from_bytes(InodeNo(12), &bytes, 0).unwrap();
        inode.size = 0x1_2345_6789;
        inode.uid = 0x12_3456;
        inode.mtime = Timestamp {
            seconds: 1,
            nanoseconds: 2,
        };
        inode.write_to(&mut bytes);
        let again = Inode::from_bytes(InodeNo(12), &bytes, 0).unwrap();
        assert_eq!(
            (again.size, again.uid, again.mtime),
            (inode.size, inode.uid, inode.mtime)
        );
        assert!(bytes[164..].iter().all(|byte| *byte == 0xAA));
        assert_eq!(le32(&bytes, 36), 0xAAAA_AAAA);
    }
}
