//! A disk with some of everything, and what `e2fsck` says about disks.

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
    clippy::allow_attributes,
    reason = "shared by tests, each of which uses its part"
)]

#[path = "../../../ext2/tests/common/images.rs"]
mod images;

use core::ops::Range;

use fs_block::MemDisk;
use fs_ext2::{Ext2, InodeNo, MountOptions, NewAttributes, NewNode, Timestamp, XattrMode};

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
    let options = MountOptions {
        now: NOW,
        ..MountOptions::default()
    };
    Ext2::mount(MemDisk::new(image), options).unwrap()
}

/// A disk and where its metadata lies.
pub struct Sample {
    pub image: Vec<u8>,
    pub block_size: usize,
    /// Inodes in use, bitmaps, descriptors, blocks of directories, tables and attributes.
    pub places: Vec<Range<usize>>,
    pub dir: InodeNo,
    pub file: InodeNo,
    pub other: InodeNo,
}

/// A disk with some of everything.
pub fn sample(options: &[&str]) -> Sample {
    let mut fs = mount(mke2fs(options, 4096, None));
    let root = InodeNo::ROOT;
    let dir = fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    let below = fs.create(dir, b"below", NewNode::Directory, PLAIN).unwrap();
    fs.create(below, b"deep", NewNode::Directory, PLAIN)
        .unwrap();
    for number in 0..20 {
        let name = format!("a name that takes some room {number}");
        let ino = fs
            .create(dir, name.as_bytes(), NewNode::Regular, PLAIN)
            .unwrap();
        fs.write(ino, number * 3000, &[b'x'; 5000], NOW).unwrap();
    }
    let file = fs.create(root, b"file", NewNode::Regular, PLAIN).unwrap();
    fs.write(file, 0, &[b'x'; 600_000], NOW).unwrap();
    let other = fs.create(root, b"other", NewNode::Regular, PLAIN).unwrap();
    fs.write(other, 0, &[b'x'; 30_000], NOW).unwrap();
    fs.link(dir, b"again", other, NOW).unwrap();
    for (name, len) in [(b"user", 30), (b"more", 200)] {
        let value: Vec<u8> = (1..=len).collect();
        fs.set_xattr(other, (1, name), Some(&value), XattrMode::Any, NOW)
            .unwrap();
    }
    let target = vec![b'y'; 100];
    fs.create(root, b"slow", NewNode::Symlink(&target), PLAIN)
        .unwrap();
    fs.create(root, b"fast", NewNode::Symlink(b"y"), PLAIN)
        .unwrap();
    fs.create(root, b"tty", NewNode::CharDevice(5), PLAIN)
        .unwrap();
    fs.create(root, b"fifo", NewNode::Fifo, PLAIN).unwrap();
    fs.unmount(NOW).unwrap();
    let block_size = usize::try_from(fs.block_size()).unwrap();
    let image = fs.into_device().into_image();
    assert_clean(&image);
    let places = places(&image, block_size);
    Sample {
        image,
        block_size,
        places,
        dir,
        file,
        other,
    }
}

/// What is not the files' fill: whole blocks before them, and blocks that have other bytes.
fn places(image: &[u8], block_size: usize) -> Vec<Range<usize>> {
    let is_metadata = |bytes: &[u8]| bytes.iter().any(|byte| !matches!(byte, 0 | b'x'));
    let mut places = Vec::new();
    for (number, block) in image.chunks(block_size).enumerate() {
        if number * block_size >= 2048 && is_metadata(block) {
            // 64 bytes with something in them.
            for (part, bytes) in block.chunks(64).enumerate() {
                if is_metadata(bytes) {
                    let start = number * block_size + part * 64;
                    places.push(start..start + 64);
                }
            }
        }
    }
    places
}

/// Whether `e2fsck -fn` finds nothing, and what it says.
pub fn e2fsck(image: &[u8]) -> (bool, String) {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    let (is_clean, text) = tool("e2fsck", &["-fn", path.to_str().unwrap()]);
    // It ends well after what it only finds wrong with the inode that keeps blocks for descriptors.
    (is_clean && !text.contains("? no"), text)
}

/// The disk after these commands of `debugfs -w`.
pub fn debugfs(image: &[u8], commands: &[&str]) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    for command in commands {
        let (is_ok, text) = tool("debugfs", &["-w", "-R", command, path.to_str().unwrap()]);
        let complains = text
            .lines()
            .any(|line| line.contains(": ") && !line.starts_with("debugfs "));
        assert!(is_ok && !complains, "{command}: {text}");
    }
    let changed = std::fs::read(&path).unwrap();
    assert!(changed != image, "{commands:?} change nothing");
    changed
}
