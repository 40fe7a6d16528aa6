//! Broken disks: random bytes of the metadata change, and everything is read and written.
//! Errors are fine; panics, endless loops and writes outside the file's blocks are not.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use common::{NOW, PLAIN, Random, fuzz_count, fuzz_seed, list, mke2fs, mount, read_some, unmount};
use fs_block::{BlockDevice, BlockError, MemDisk};
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
fn read_everything<D: BlockDevice>(fs: &mut Ext2<D>, dir: InodeNo, depth: u32, budget: &mut u32) {
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
fn write_everything<D: BlockDevice>(fs: &mut Ext2<D>, dir: InodeNo, depth: u32, budget: &mut u32) {
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

/// A disk that notes where it is written.
#[derive(Debug)]
struct Guard {
    disk: MemDisk,
    /// Bytes in which `written` counts.
    block_size: u64,
    written: Vec<u64>,
}

impl BlockDevice for Guard {
    fn len_bytes(&self) -> u64 {
        self.disk.len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.disk.read(offset, buf)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.written.push(offset / self.block_size);
        self.disk.write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.disk.flush()
    }
}

/// Reads and writes everything, twice; returns whether it could be mounted.
///
/// Once corruption was met and nothing more may be written, nothing is.
fn exercise(image: Vec<u8>, on_error: OnError) -> bool {
    let options = MountOptions {
        now: NOW,
        on_error,
        ..MountOptions::default()
    };
    let disk = Guard {
        disk: MemDisk::new(image),
        block_size: 1024,
        written: Vec::new(),
    };
    let Ok(mut fs) = Ext2::mount(disk, options) else {
        return false;
    };
    read_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    write_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    let nr_writes = fs.is_read_only().then(|| fs.device().written.len());
    read_everything(&mut fs, InodeNo::ROOT, 0, &mut 300);
    let refused = fs.create(InodeNo::ROOT, b"last", NewNode::Fifo, PLAIN);
    let _ = fs.unmount(NOW);
    if let Some(nr_writes) = nr_writes {
        assert_eq!(refused, Err(Error::ReadOnly));
        assert_eq!(fs.device().written.len(), nr_writes, "written on");
    }
    // The superblock's place is before every group's blocks, and no file has the boot block.
    let is_boot = |block: &u64| *block == 0 && fs.block_size() == 1024;
    assert!(!fs.device().written.iter().any(is_boot));
    true
}

/// Names the seed of a failure.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

/// Breaks a disk again and again; every third goes on when it finds out.
fn mutate(options: &[&str], nr_rounds: u64) {
    let image = sample(options);
    // Metadata is what is not the files' fill; flipping a byte of that would prove nothing.
    let places: Vec<usize> = (1024..image.len())
        .filter(|at| image[*at] != b'x' && (image[*at] != 0 || *at < 400_000))
        .collect();
    let (first, nr_rounds) = (fuzz_seed(1), fuzz_count(nr_rounds));
    let mut nr_mounted = 0;
    for seed in first..first + nr_rounds {
        let mut random = Random::new(seed);
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
        let on_error = if random.below(3) == 0 {
            OnError::Continue
        } else {
            OnError::RemountReadOnly
        };
        let _named = Named(seed);
        nr_mounted += u64::from(exercise(broken, on_error));
    }
    assert!(
        nr_mounted > nr_rounds / 4,
        "most broken disks still mount: {nr_mounted}"
    );
}

#[test]
fn broken_disks_with_1_kib_blocks_never_panic() {
    mutate(&["-b", "1024"], 250);
}

#[test]
fn broken_disks_with_4_kib_blocks_never_panic() {
    mutate(&["-b", "4096", "-I", "128"], 150);
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
