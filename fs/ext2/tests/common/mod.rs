//! What the tests share: images by `mke2fs`, verdicts by `e2fsck`, a seeded random number.

#![allow(
    dead_code,
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

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use fs_block::{BlockDevice, MemDisk};
use fs_ext2::{Error, Ext2, FileType, InodeNo, MountOptions, NewAttributes, Result, Timestamp};

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

/// A folder that goes when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fs-ext2-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a tool of e2fsprogs; returns whether it succeeded, and what it said.
pub fn tool(name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(format!("/usr/sbin/{name}"))
        .args(arguments)
        .env("MKE2FS_DETERMINISTIC", "1")
        .output()
        .unwrap_or_else(|error| panic!("{name} of e2fsprogs is needed: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// An image of `size_kib` KiB made by `mke2fs` with these options, from `folder` if given.
pub fn mke2fs(options: &[&str], size_kib: u32, folder: Option<&Path>) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path("image");
    let path = path.to_str().unwrap();
    let size = format!("{size_kib}k");
    let mut arguments = vec!["-t", "ext2", "-q", "-F"];
    arguments.extend(options);
    if let Some(folder) = folder {
        arguments.extend(["-d", folder.to_str().unwrap()]);
    }
    arguments.extend([path, &size]);
    let (is_ok, text) = tool("mke2fs", &arguments);
    assert!(is_ok, "mke2fs {arguments:?}: {text}");
    std::fs::read(path).unwrap()
}

/// Panics unless `e2fsck -fn` finds nothing at all.
pub fn assert_clean(image: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.path("image");
    std::fs::write(&path, image).unwrap();
    let (is_ok, text) = tool("e2fsck", &["-fn", path.to_str().unwrap()]);
    if !is_ok {
        let kept = std::env::temp_dir().join("fs-ext2-last-bad-image");
        let _ = std::fs::write(&kept, image);
        panic!(
            "e2fsck is not content (image kept as {}):\n{text}",
            kept.display()
        );
    }
}

pub fn mount(image: Vec<u8>) -> Ext2<MemDisk> {
    mount_with_cache(image, MountOptions::default().cache_bytes)
}

pub fn mount_with_cache(image: Vec<u8>, cache_bytes: usize) -> Ext2<MemDisk> {
    let options = MountOptions {
        now: NOW,
        cache_bytes,
        ..MountOptions::default()
    };
    Ext2::mount(MemDisk::new(image), options).unwrap()
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

/// xorshift64*: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
