//! Inodes without a name: they live while they are held, and a crash does not keep them.

#![cfg(test)]

mod common;

use common::{NOW, PLAIN, Scratch, assert_clean, mke2fs, mount, read_all, tool, unmount};
use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, InodeNo, Naming, NewNode, RenameMode};

const ROOT: InodeNo = InodeNo::ROOT;

fn file(fs: &mut Ext2<MemDisk>, name: &[u8], bytes: &[u8]) -> InodeNo {
    let ino = fs.create(ROOT, name, NewNode::Regular, PLAIN).unwrap();
    assert_eq!(fs.write(ino, 0, bytes, NOW), Ok(bytes.len()));
    ino
}

/// The disk after a crash with four nameless inodes, and the free blocks and inodes without them.
fn crashed() -> (Vec<u8>, (u64, u64)) {
    let mut fs = mount(mke2fs(&["-b", "1024"], 8192, None));
    let status = fs.status();
    let [one, two] = [(b"one", 5_000), (b"two", 300_000)]
        .map(|(name, len)| file(&mut fs, name, &vec![b'x'; len]));
    let three = fs.create_unnamed(ROOT, Naming::Later, PLAIN).unwrap();
    fs.write(three, 0, &[1; 3000], NOW).unwrap();
    let dir = fs.create(ROOT, b"dir", NewNode::Directory, PLAIN).unwrap();
    for ino in [one, two, dir] {
        fs.retain(ino);
    }
    fs.unlink(ROOT, b"one", NOW).unwrap();
    fs.unlink(ROOT, b"two", NOW).unwrap();
    fs.rmdir(ROOT, b"dir", NOW).unwrap();
    fs.sync(NOW).unwrap();
    (
        fs.device().snapshot(),
        (status.nr_free, status.nr_free_inodes),
    )
}

#[test]
fn a_mount_frees_what_a_crash_left_without_a_name() {
    let (image, free) = crashed();
    let fs = mount(image);
    assert_eq!((fs.status().nr_free, fs.status().nr_free_inodes), free);
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn e2fsck_clears_the_list_too() {
    let (image, free) = crashed();
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    let (_, text) = tool("e2fsck", &["-p", path.to_str().unwrap()]);
    assert_eq!(text.matches("Clearing orphaned inode").count(), 4, "{text}");
    let image = std::fs::read(&path).unwrap();
    assert_clean(&image);
    let fs = mount(image);
    assert_eq!((fs.status().nr_free, fs.status().nr_free_inodes), free);
}

#[test]
fn the_list_loses_members_anywhere() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 2048, None));
    let free = fs.status();
    let inos: Vec<InodeNo> = (0..6)
        .map(|_| fs.create_unnamed(ROOT, Naming::Never, PLAIN).unwrap())
        .collect();
    for number in [2, 5, 0, 3, 4, 1] {
        fs.release(inos[number], NOW).unwrap();
        fs.sync(NOW).unwrap();
        let crashed = mount(fs.device().snapshot());
        assert_eq!(crashed.status(), free);
        assert_clean(&unmount(crashed).into_image());
    }
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn a_file_made_without_a_name_gets_one_once_it_is_linked() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 2048, None));
    let ino = fs.create_unnamed(ROOT, Naming::Later, PLAIN).unwrap();
    let kept = fs.create_unnamed(ROOT, Naming::Never, PLAIN).unwrap();
    fs.write(ino, 0, b"contents", NOW).unwrap();
    assert_eq!(fs.stat(ino).unwrap().nr_links, 0);
    assert_eq!(fs.link(ROOT, b"kept", kept, NOW), Err(Error::NotFound));
    fs.link(ROOT, b"name", ino, NOW).unwrap();
    fs.release(ino, NOW).unwrap();
    let mut fs = mount(unmount(fs).into_image());
    let found = fs.lookup(ROOT, b"name").unwrap();
    assert_eq!(read_all(&mut fs, found).unwrap(), b"contents");
    // Who lost the last name does not get another.
    fs.retain(found);
    fs.unlink(ROOT, b"name", NOW).unwrap();
    assert_eq!(fs.link(ROOT, b"again", found, NOW), Err(Error::NotFound));
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn a_name_that_is_replaced_leaves_its_inode_to_the_holder() {
    let mut fs = mount(mke2fs(&["-b", "4096"], 4096, None));
    let (_, old) = (file(&mut fs, b"new", b"new"), file(&mut fs, b"old", b"old"));
    fs.retain(old);
    fs.rename(ROOT, b"new", ROOT, b"old", RenameMode::Replace, NOW)
        .unwrap();
    assert_eq!(read_all(&mut fs, old).unwrap(), b"old");
    fs.sync(NOW).unwrap();
    assert_clean(&unmount(mount(fs.device().snapshot())).into_image());
    fs.release(old, NOW).unwrap();
    assert_eq!(fs.stat(old), Err(Error::Stale));
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn a_list_that_makes_no_sense_is_dropped() {
    let (image, _) = crashed();
    for first in [1, 5, 11, 12, 2, 4_000_000_000_u32] {
        let mut broken = image.clone();
        broken[1024 + 232..1024 + 236].copy_from_slice(&first.to_le_bytes());
        let mut fs = mount(broken);
        let _refused = fs.create(ROOT, b"new", NewNode::Regular, PLAIN);
        fs.unmount(NOW).unwrap();
    }
}
