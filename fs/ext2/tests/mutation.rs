//! Broken disks: random bytes of the metadata change, and everything is read and written.
//! Errors are fine; panics, endless loops and writes outside the file's blocks are not.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use common::{NOW, PLAIN, Random, list, mke2fs, mount, read_some, unmount};
use fs_block::MemDisk;
use fs_ext2::{
    Error, Ext2, FileType, InodeNo, MountOptions, NewNode, OnError, RenameMode, SetAttributes,
};

/// A small disk with some of everything.
fn sample(options: &[&str]) -> Vec<u8> {
    let mut fs = mount(mke2fs(options, 2048, None));
    let root = InodeNo::ROOT;
    let a = fs.create(root, b"a", NewNode::Directory, PLAIN).unwrap();
    let b = fs.create(a, b"b", NewNode::Directory, PLAIN).unwrap();
    for number in 0..60 {
        let name = format!("a name that takes some room {number}");
        let ino = fs
            .create(b, name.as_bytes(), NewNode::Regular, PLAIN)
            .unwrap();
        fs.write(ino, number * 7000, &[b'x'; 5000], NOW).unwrap();
    }
    fs.create(a, b"link", NewNode::Symlink(&[b'y'; 100]), PLAIN)
        .unwrap();
    fs.create(a, b"short", NewNode::Symlink(b"y"), PLAIN)
        .unwrap();
    fs.create(a, b"tty", NewNode::CharDevice(5), PLAIN).unwrap();
    unmount(fs).into_image()
}

/// Reads all that can be reached, with bounds on depth and on what one file takes.
fn read_everything(fs: &mut Ext2<MemDisk>, dir: InodeNo, depth: u32, budget: &mut u32) {
    let Ok(names) = list(fs, dir) else { return };
    for (name, ino, _) in names {
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        let _ = fs.lookup(dir, &name);
        let Ok(attributes) = fs.stat(ino) else {
            continue;
        };
        match attributes.kind {
            FileType::Directory if depth < 8 => read_everything(fs, ino, depth + 1, budget),
            FileType::Symlink => drop(fs.readlink(ino)),
            FileType::Regular => {
                for at in [0, 60_000, attributes.size.saturating_sub(5000)] {
                    let _ = read_some(fs, ino, at, 5000);
                }
            }
            _ => {}
        }
    }
}

/// Changes all that can be reached; results do not matter.
fn write_everything(fs: &mut Ext2<MemDisk>, dir: InodeNo, depth: u32, budget: &mut u32) {
    let Ok(names) = list(fs, dir) else { return };
    let _ = fs.create(dir, b"new file", NewNode::Regular, PLAIN);
    let _ = fs.create(dir, b"new directory", NewNode::Directory, PLAIN);
    for (number, (name, ino, _)) in names.into_iter().enumerate() {
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        match fs.stat(ino).map(|attributes| attributes.kind) {
            Ok(FileType::Directory) if depth < 8 => write_everything(fs, ino, depth + 1, budget),
            Ok(FileType::Regular) => {
                let _ = fs.write(ino, 3000, &[b'z'; 20_000], NOW);
                let size = Some(100);
                let _ = fs.set_attributes(
                    ino,
                    &SetAttributes {
                        size,
                        ..Default::default()
                    },
                );
            }
            _ => {}
        }
        let mode = if number % 2 == 0 {
            RenameMode::Replace
        } else {
            RenameMode::Exchange
        };
        let _ = fs.rename(dir, &name, InodeNo::ROOT, b"moved", mode, NOW);
        let _ = fs.link(dir, b"linked", ino, NOW);
        let _ = fs.unlink(dir, &name, NOW);
        let _ = fs.rmdir(dir, &name, NOW);
    }
}

fn exercise(image: Vec<u8>) -> Result<(), Error> {
    let options = MountOptions {
        now: NOW,
        on_error: OnError::Continue,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(MemDisk::new(image), options)?;
    read_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    write_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    read_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    fs.unmount(NOW)
}

fn mutate(options: &[&str], seed: u64, nr_rounds: u32) {
    let image = sample(options);
    let mut random = Random::new(seed);
    // Metadata is what is not the files' fill; flipping a byte of that would prove nothing.
    let places: Vec<usize> = (1024..image.len())
        .filter(|at| image[*at] != b'x' && (image[*at] != 0 || *at < 400_000))
        .collect();
    let mut nr_mounted = 0;
    for _ in 0..nr_rounds {
        let mut broken = image.clone();
        for _ in 0..=random.below(12) {
            let at = *random.pick(&places);
            broken[at] = match random.below(4) {
                0 => 0,
                1 => 0xFF,
                2 => broken[at] ^ (1 << random.below(8)),
                _ => random.bytes(1)[0],
            };
        }
        nr_mounted += u32::from(exercise(broken).is_ok());
    }
    assert!(
        nr_mounted > nr_rounds / 4,
        "most broken disks still mount: {nr_mounted}"
    );
}

#[test]
fn broken_disks_with_1_kib_blocks_never_panic() {
    mutate(&["-b", "1024"], 21, 250);
}

#[test]
fn broken_disks_with_4_kib_blocks_never_panic() {
    mutate(&["-b", "4096", "-I", "128"], 22, 150);
}

#[test]
fn each_byte_of_superblock_and_descriptors_may_be_anything() {
    let image = sample(&["-b", "1024"]);
    let mut random = Random::new(23);
    for at in (1024..1024 + 264).chain(2048..2048 + 32) {
        for value in [0, 0xFF, random.bytes(1)[0]] {
            let mut broken = image.clone();
            broken[at] = value;
            let options = MountOptions {
                now: NOW,
                ..MountOptions::default()
            };
            if let Ok(mut fs) = Ext2::mount(MemDisk::new(broken), options) {
                read_everything(&mut fs, InodeNo::ROOT, 0, &mut 20);
                let _ = fs.create(InodeNo::ROOT, b"x", NewNode::Directory, PLAIN);
                let _ = fs.unmount(NOW);
            }
        }
    }
}

#[test]
fn pointers_in_a_circle_end_in_an_error() {
    let image = sample(&["-b", "1024"]);
    let mut fs = mount(image);
    let a = fs.lookup(InodeNo::ROOT, b"a").unwrap();
    let b = fs.lookup(a, b"b").unwrap();
    let file = fs.lookup(b, b"a name that takes some room 59").unwrap();
    fs.write(file, 1 << 26, b"triple", NOW).unwrap();
    let image = unmount(fs).into_image();
    // Every table of pointers points to itself: any block with no text and some small numbers.
    let mut broken = image;
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for block in 300..2048 {
        let bytes = &mut broken[block * 1024..(block + 1) * 1024];
        let is_table = bytes.chunks(4).all(|place| word(place) < 2048)
            && bytes.chunks(4).any(|place| word(place) > 300);
        if is_table {
            for place in bytes.chunks_mut(4) {
                place.copy_from_slice(&u32::try_from(block).unwrap().to_le_bytes());
            }
        }
    }
    let mut fs = mount(broken);
    assert!(matches!(
        fs.unlink(b, b"a name that takes some room 59", NOW),
        Err(Error::Corrupt(_))
    ));
    let size = Some(0);
    let change = SetAttributes {
        size,
        ..SetAttributes::default()
    };
    assert!(fs.is_read_only());
    assert_eq!(fs.set_attributes(file, &change), Err(Error::ReadOnly));
    let _ = read_some(&mut fs, file, 1 << 25, 100_000);
    fs.unmount(NOW).unwrap();
}
