//! Images made by `mke2fs`: our walk equals the folder they were made from, and what we write
//! `debugfs` reads back.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use common::{
    NOW, PLAIN, Random, Scratch, assert_clean, list, mke2fs, mount, read_all, tool, unmount, walk,
};
use fs_block::{BlockDevice, MemDisk};
use fs_ext2::{
    Error, Ext2, Feature, FileType, InodeNo, MountOptions, NewNode, SetAttributes, Timestamp,
};

/// Block size, revision, inode size.
const SHAPES: [&[&str]; 6] = [
    &["-b", "1024"],
    &["-b", "2048"],
    &["-b", "4096"],
    &["-b", "1024", "-r", "0"],
    &["-b", "4096", "-I", "128", "-O", "^dir_index,^resize_inode"],
    &[
        "-b",
        "1024",
        "-g",
        "1024",
        "-O",
        "^sparse_super,^resize_inode",
    ],
];

/// A folder with all that `mke2fs -d` can copy without being root.
fn make_folder(folder: &Path) {
    let mut random = Random::new(1);
    std::fs::create_dir_all(folder.join("a/b/c")).unwrap();
    std::fs::create_dir(folder.join("many")).unwrap();
    for number in 0..300 {
        let name = format!("many/a file with a rather long name {number}");
        std::fs::write(folder.join(name), number.to_string()).unwrap();
    }
    for (name, len) in [
        ("empty", 0),
        ("a/one", 1),
        ("a/b/block", 4096),
        ("a/b/c/big", 700_000),
    ] {
        std::fs::write(folder.join(name), random.bytes(len)).unwrap();
    }
    let sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_at(&sparse, b"end", 3_000_000).unwrap();
    symlink("short", folder.join("fast")).unwrap();
    symlink("x".repeat(59), folder.join("longest fast")).unwrap();
    symlink("y".repeat(60), folder.join("shortest slow")).unwrap();
    symlink("z/".repeat(400), folder.join("slow")).unwrap();
    std::fs::hard_link(folder.join("a/one"), folder.join("a/b/same")).unwrap();
}

/// Compares a directory with a folder, all the way down; returns the number of files.
fn compare<D: BlockDevice>(fs: &mut Ext2<D>, dir: InodeNo, folder: &Path) -> usize {
    let mut names = list(fs, dir).unwrap();
    names.retain(|(name, _, _)| dir != InodeNo::ROOT || name != b"lost+found");
    let mut count = names.len();
    assert_eq!(
        count,
        std::fs::read_dir(folder).unwrap().count(),
        "{}",
        folder.display()
    );
    for (name, ino, kind) in names {
        let path = folder.join(std::str::from_utf8(&name).unwrap());
        let real = std::fs::symlink_metadata(&path).unwrap();
        let ours = fs.stat(ino).unwrap();
        assert_eq!(fs.lookup(dir, &name).unwrap(), ino);
        assert_eq!(
            ours.kind.mode_bits() | u32::from(ours.permissions),
            real.mode()
        );
        assert!(kind.is_none_or(|kind| kind == ours.kind));
        assert_eq!((ours.uid, ours.gid), (real.uid(), real.gid()));
        assert_eq!(ours.mtime.seconds, real.mtime());
        match ours.kind {
            FileType::Directory => {
                assert_eq!(u64::from(ours.nr_links), real.nlink());
                assert_eq!(fs.lookup(ino, b"..").unwrap(), dir);
                count += compare(fs, ino, &path);
            }
            FileType::Symlink => {
                let target = std::fs::read_link(&path).unwrap();
                assert_eq!(
                    fs.readlink(ino).unwrap(),
                    target.as_os_str().as_encoded_bytes()
                );
            }
            _ => assert!(read_all(fs, ino).unwrap() == std::fs::read(&path).unwrap()),
        }
    }
    count
}

#[test]
fn a_folder_reads_back_from_every_shape_of_image() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("folder");
    make_folder(&folder);
    for shape in SHAPES {
        let image = mke2fs(shape, 8192, Some(&folder));
        let mut fs = mount(image.clone());
        assert_eq!(compare(&mut fs, InodeNo::ROOT, &folder), 314, "{shape:?}");
        assert_clean(&unmount(fs).into_image());
        let options = MountOptions {
            read_only: true,
            ..MountOptions::default()
        };
        let mut fs = Ext2::mount(MemDisk::new(image.clone()), options).unwrap();
        compare(&mut fs, InodeNo::ROOT, &folder);
        assert_eq!(
            fs.create(InodeNo::ROOT, b"x", NewNode::Regular, PLAIN),
            Err(Error::ReadOnly)
        );
        fs.sync(NOW).unwrap();
        assert!(
            fs.into_device().into_image() == image,
            "read-only leaves no trace"
        );
    }
}

#[test]
fn what_we_write_debugfs_reads() {
    for shape in SHAPES {
        let scratch = Scratch::new();
        let mut fs = mount(mke2fs(shape, 16384, None));
        let bytes = Random::new(7).bytes(900_001);
        let dir = fs
            .create(InodeNo::ROOT, b"dir", NewNode::Directory, PLAIN)
            .unwrap();
        let file = fs.create(dir, b"file", NewNode::Regular, PLAIN).unwrap();
        assert_eq!(fs.write(file, 0, &bytes, NOW), Ok(bytes.len()));
        let hole = fs.create(dir, b"hole", NewNode::Regular, PLAIN).unwrap();
        assert_eq!(fs.write(hole, 70_000_000, b"far", NOW), Ok(3));
        for (name, target) in [(&b"fast"[..], &b"to"[..]), (b"slow", &[b'q'; 200])] {
            let link = fs
                .create(dir, name, NewNode::Symlink(target), PLAIN)
                .unwrap();
            assert_eq!(fs.readlink(link).unwrap(), target);
        }
        for (name, node) in [
            (&b"fifo"[..], NewNode::Fifo),
            (b"socket", NewNode::Socket),
            (b"tty", NewNode::CharDevice(0x0501)),
            (b"disk", NewNode::BlockDevice(0x0012_3456)),
        ] {
            let ino = fs.create(dir, name, node, PLAIN).unwrap();
            assert_eq!(fs.stat(ino).unwrap().kind, node.kind());
        }
        let number = walk(&mut fs, "dir/disk").unwrap();
        assert_eq!(fs.stat(number).unwrap().device, 0x0012_3456);
        let image = unmount(fs).into_image();
        assert_clean(&image);
        let path = scratch.path().join("image");
        std::fs::write(&path, &image).unwrap();
        let path = path.to_str().unwrap();
        let out = scratch.path().join("out");
        let request = format!("dump /dir/file {}", out.display());
        assert!(tool("debugfs", &["-R", &request, path]).0);
        assert!(std::fs::read(&out).unwrap() == bytes);
        let stat = |name: &str| tool("debugfs", &["-R", &format!("stat /dir/{name}"), path]).1;
        assert!(stat("fast").contains("Fast link dest: \"to\""));
        assert!(stat("tty").contains("05:01"), "{}", stat("tty"));
        assert!(stat("file").contains("Mode:  0644"));
        assert!(stat("hole").contains("Size: 70000003"));
        assert!(stat("socket").contains("Type: socket"));
    }
}

#[test]
fn hash_trees_are_read_and_become_lists_when_written() {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    let mut fs = mount(mke2fs(&["-b", "1024"], 8192, None));
    let dir = fs
        .create(InodeNo::ROOT, b"dir", NewNode::Directory, PLAIN)
        .unwrap();
    for number in 0..1000 {
        fs.create(
            dir,
            format!("name {number}").as_bytes(),
            NewNode::Regular,
            PLAIN,
        )
        .unwrap();
    }
    std::fs::write(&path, unmount(fs).into_image()).unwrap();
    let (_, text) = tool("e2fsck", &["-fyD", path.to_str().unwrap()]);
    assert!(
        text.contains("rebuilt") || text.contains("Optimizing"),
        "{text}"
    );
    let image = std::fs::read(&path).unwrap();
    assert_clean(&image);

    let mut fs = mount(image);
    let dir = walk(&mut fs, "dir").unwrap();
    assert_ne!(
        fs.stat(dir).unwrap().flags & 0x1000,
        0,
        "e2fsck made a hash tree"
    );
    assert_eq!(list(&mut fs, dir).unwrap().len(), 1000);
    for number in 0..1000 {
        fs.lookup(dir, format!("name {number}").as_bytes()).unwrap();
    }
    fs.unlink(dir, b"name 500", NOW).unwrap();
    for number in 1000..1200 {
        fs.create(
            dir,
            format!("name {number}").as_bytes(),
            NewNode::Regular,
            PLAIN,
        )
        .unwrap();
    }
    assert_eq!(fs.stat(dir).unwrap().flags & 0x1000, 0);
    assert_eq!(list(&mut fs, dir).unwrap().len(), 1199);
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn unknown_features_are_refused_by_name() {
    let open = |options: &[&str], read_only| {
        let image = mke2fs(options, 4096, None);
        let options = MountOptions {
            read_only,
            ..MountOptions::default()
        };
        Ext2::mount(MemDisk::new(image), options).map(|_| ())
    };
    let inline = Err(Error::Unsupported(Feature::Incompatible(0x8000)));
    assert_eq!(open(&["-O", "inline_data"], true), inline);
    let extents = Err(Error::Unsupported(Feature::ReadOnly(0x40)));
    assert_eq!(open(&["-O", "extent"], false), extents);
    let checksums = Err(Error::Unsupported(Feature::ReadOnlyCompatible(0x400)));
    assert_eq!(open(&["-O", "metadata_csum"], false), checksums);
    assert_eq!(open(&["-O", "metadata_csum"], true), Ok(()));
    assert_eq!(open(&["-O", "has_journal", "-J", "size=1"], false), Ok(()));
    assert_eq!(
        open(
            &["-O", "meta_bg,^resize_inode", "-g", "512", "-b", "1024"],
            false
        ),
        Ok(())
    );
}

#[test]
fn nanoseconds_and_birth_are_kept_in_large_inodes() {
    let late = Timestamp {
        seconds: 5_000_000_000,
        nanoseconds: 987_654_321,
    };
    let mut fs = mount(mke2fs(&["-I", "256"], 4096, None));
    let file = fs
        .create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
        .unwrap();
    let change = SetAttributes {
        mtime: Some(late),
        ..SetAttributes::default()
    };
    fs.set_attributes(file, &change).unwrap();
    let mut fs = mount(unmount(fs).into_image());
    let attributes = fs.stat(file).unwrap();
    assert_eq!((attributes.mtime, attributes.atime), (late, NOW));
    assert_eq!(attributes.crtime, Some(NOW));
    let mut fs = mount(mke2fs(&["-I", "128"], 4096, None));
    let file = fs
        .create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
        .unwrap();
    let image = unmount(fs).into_image();
    assert_clean(&image);
    let attributes = mount(image).stat(file).unwrap();
    assert_eq!(
        attributes.mtime,
        Timestamp {
            nanoseconds: 0,
            ..NOW
        }
    );
    assert_eq!(attributes.crtime, None);
}

#[test]
fn shared_attribute_blocks_live_until_their_last_inode() {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    let mut fs = mount(mke2fs(&["-b", "1024", "-I", "128"], 4096, None));
    fs.create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
        .unwrap();
    std::fs::write(&path, unmount(fs).into_image()).unwrap();
    let path_text = path.to_str().unwrap();
    assert!(
        tool(
            "debugfs",
            &["-w", "-R", "ea_set /file user.name value", path_text]
        )
        .0
    );
    let mut fs = mount(std::fs::read(&path).unwrap());
    let file = walk(&mut fs, "file").unwrap();
    assert_eq!(fs.stat(file).unwrap().nr_sectors, 2);
    let free = fs.status().nr_free;
    fs.write(file, 0, b"contents", NOW).unwrap();
    fs.unlink(InodeNo::ROOT, b"file", NOW).unwrap();
    assert_eq!(fs.status().nr_free, free + 1);
    assert_clean(&unmount(fs).into_image());
}
