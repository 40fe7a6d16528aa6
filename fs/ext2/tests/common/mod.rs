//! What the tests share: times and attributes, mounting, reading, walking; and [`images`].

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_errors_doc,
    clippy::allow_attributes,
    reason = "shared by tests, each of which uses its part"
)]

mod images;

use fs_block::{BlockDevice, FaultDisk, MemDisk};
use fs_ext2::{Error, Ext2, FileType, InodeNo, MountOptions, NewAttributes, Result, Timestamp};

pub use images::{Random, Scratch, assert_clean, fuzz_count, fuzz_seed, mke2fs, tool};

/// A time that is past for `e2fsck` and has all digits.
pub const NOW: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanoseconds: 123_456_789,
};

pub const PLAIN: NewAttributes = NewAttributes {
    permissions: 0o644,
    uid: 1000,
    gid: 100,
    time: NOW,
};

pub fn mount(image: Vec<u8>) -> Ext2<MemDisk> {
    mount_with_cache(image, MountOptions::default().cache_bytes)
}

pub fn mount_with_cache(image: Vec<u8>, cache_bytes: usize) -> Ext2<MemDisk> {
    mount_disk(MemDisk::new(image), cache_bytes)
}

/// Half of a small cache may be dirty.
pub fn mount_disk<D: BlockDevice>(disk: D, cache_bytes: usize) -> Ext2<D> {
    let usual = MountOptions::default();
    let options = MountOptions {
        now: NOW,
        cache_bytes,
        dirty_bytes: usual.dirty_bytes.min(cache_bytes / 2),
        ..usual
    };
    Ext2::mount(disk, options).unwrap()
}

/// A disk that takes faults later.
pub fn mount_faulty(image: Vec<u8>) -> Ext2<FaultDisk<MemDisk>> {
    let disk = FaultDisk::new(MemDisk::new(image), vec![]);
    mount_disk(disk, MountOptions::default().cache_bytes)
}

pub fn unmount<D: BlockDevice>(mut fs: Ext2<D>) -> D {
    fs.unmount(NOW).unwrap();
    fs.into_device()
}

/// All bytes of a file.
pub fn read_all<D: BlockDevice>(fs: &mut Ext2<D>, ino: InodeNo) -> Result<Vec<u8>> {
    let size = fs.stat(ino)?.size;
    read_some(fs, ino, 0, usize::try_from(size).unwrap().min(1 << 22))
}

pub fn read_some<D: BlockDevice>(
    fs: &mut Ext2<D>,
    ino: InodeNo,
    offset: u64,
    len: usize,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let at = offset + u64::try_from(bytes.len()).unwrap();
        let left = len - bytes.len();
        let mut part = Vec::new();
        let count = fs.read::<Error>(ino, at, left, &mut |slice| {
            part.extend_from_slice(slice);
            Ok(())
        })?;
        assert_eq!(count, part.len());
        bytes.extend_from_slice(&part);
        if count == 0 || bytes.len() == len {
            return Ok(bytes);
        }
    }
}

/// A name in a directory.
pub type Name = (Vec<u8>, InodeNo, Option<FileType>);

/// The names in a directory without `.` and `..`, in order of the directory.
pub fn list<D: BlockDevice>(fs: &mut Ext2<D>, dir: InodeNo) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    fs.read_dir(dir, 0, &mut |entry| {
        if entry.name != b"." && entry.name != b".." {
            names.push((entry.name.to_vec(), entry.ino, entry.kind));
        }
        true
    })?;
    Ok(names)
}

/// The inode at a path of names.
pub fn walk<D: BlockDevice>(fs: &mut Ext2<D>, path: &str) -> Result<InodeNo> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(InodeNo::ROOT, |dir, name| fs.lookup(dir, name.as_bytes()))
}
