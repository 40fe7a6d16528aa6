//! Disks that we make: `e2fsck` is content, `dumpe2fs` reads what was asked for, and they are filled.

#![cfg(test)]

mod common;

use common::{NOW, PLAIN, Scratch, assert_clean, read_all, tool, unmount};
use fs_block::MemDisk;
use fs_ext2::{Error, FormatOptions, InodeNo, MountOptions, NewNode, format};

fn options(block_size: u32, nr_inodes: u32) -> FormatOptions {
    FormatOptions {
        block_size,
        nr_inodes,
        uuid: *b"0123456789abcdef",
        label: *b"shoal root\0\0\0\0\0\0",
        now: NOW,
        ..FormatOptions::default()
    }
}

fn mount_options() -> MountOptions {
    MountOptions {
        now: NOW,
        ..MountOptions::default()
    }
}

#[test]
fn disks_of_all_sizes_are_clean_empty_and_filled() {
    for (block_size, kib, nr_inodes) in [
        (1024, 100, 12),
        (1024, 8192, 100),
        (1024, 8193, 3000),
        (1024, 8250, 16),
        (1024, 70_000, 10_000),
        (2048, 20_000, 500),
        (4096, 300, 16),
        (4096, 131_072 + 64, 5000),
        (4096, 400_000, 20_000),
    ] {
        let disk = MemDisk::zeroed(kib << 10);
        let mut fs = format(disk, &options(block_size, nr_inodes), mount_options()).unwrap();
        let status = fs.status();
        assert!(status.nr_inodes >= u64::from(nr_inodes));
        let bytes = vec![7; 100_000.min(kib << 8)];
        let ino = fs
            .create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
            .unwrap();
        assert_eq!(fs.write(ino, 0, &bytes, NOW), Ok(bytes.len()));
        assert_eq!(read_all(&mut fs, ino).unwrap(), bytes);
        assert_eq!(fs.stat(InodeNo::ROOT).unwrap().nr_links, 3);
        assert_eq!(fs.stat(ino).unwrap().crtime, Some(NOW));
        assert_clean(&unmount(fs).into_image());
    }
}

#[test]
fn other_tools_read_what_was_asked_for_and_the_bytes_are_always_the_same() {
    let image = || {
        let disk = MemDisk::zeroed(4 << 20);
        let fs = format(disk, &options(4096, 64), mount_options()).unwrap();
        unmount(fs).into_image()
    };
    let bytes = image();
    assert!(bytes == image());
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, &bytes).unwrap();
    let (is_ok, text) = tool("dumpe2fs", &["-h", path.to_str().unwrap()]);
    assert!(is_ok, "{text}");
    for line in [
        "Filesystem volume name:   shoal root",
        "Filesystem UUID:          30313233-3435-3637-3839-616263646566",
        "Filesystem state:         clean",
        "Block count:              1024",
        "Inode size:\t          256",
        "Filesystem features:      ext_attr filetype sparse_super large_file",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let try_with = |len, block_size, nr_inodes| {
        format(
            MemDisk::zeroed(len),
            &options(block_size, nr_inodes),
            mount_options(),
        )
        .err()
    };
    assert_eq!(try_with(0, 1024, 16), Some(Error::NoSpace));
    assert_eq!(try_with(50 << 10, 1024, 16), Some(Error::NoSpace));
    assert_eq!(try_with(1 << 20, 1024, 1 << 20), Some(Error::NoSpace));
    assert_eq!(try_with(1 << 20, 512, 16), Some(Error::Invalid));
    assert_eq!(try_with(1 << 20, 4096, u32::MAX), Some(Error::NoSpace));
}
