//! Random holes, allocations, writes and sizes of files against bytes in memory; `e2fsck -fn` is
//! content all along.

#![cfg(test)]

mod common;

use common::{NOW, PLAIN, Random, assert_clean, mke2fs, mount, read_all, unmount};
use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, Extent, InodeNo, NewNode, Seek, SetAttributes};

fn file(fs: &mut Ext2<MemDisk>, name: &[u8]) -> InodeNo {
    fs.create(InodeNo::ROOT, name, NewNode::Regular, PLAIN)
        .unwrap()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

fn resize(fs: &mut Ext2<MemDisk>, ino: InodeNo, size: u64) {
    let change = SetAttributes {
        size: Some(size),
        ..SetAttributes::default()
    };
    fs.set_attributes(ino, &change).unwrap();
}

/// Data has a byte that is not zero, or is allocated; a hole is zeros to its end.
fn check_seek(fs: &mut Ext2<MemDisk>, ino: InodeNo, model: &[u8]) {
    let mut at = 0;
    while let Some(data) = fs.seek(ino, at, Seek::Data).unwrap() {
        let hole = model.get(usize::try_from(at).unwrap()..usize::try_from(data).unwrap());
        assert!(hole.unwrap().iter().all(|byte| *byte == 0));
        at = fs.seek(ino, data, Seek::Hole).unwrap().unwrap();
        assert!(data < at && at <= wide(model.len()));
    }
    let rest = model.get(usize::try_from(at).unwrap()..).unwrap();
    assert!(rest.iter().all(|byte| *byte == 0));
}

#[test]
fn random_changes_of_space_are_those_of_bytes() {
    for (seed, block_size) in [(1, "1024"), (2, "1024"), (3, "4096")] {
        let mut fs = mount(mke2fs(&["-b", block_size], 16384, None));
        let free = fs.status().nr_free;
        let mut random = Random::new(seed);
        let (ino, other) = (file(&mut fs, b"file"), file(&mut fs, b"other"));
        let mut model: Vec<u8> = Vec::new();
        for step in 0..400 {
            let start = random.below(600_000);
            let longest = *random.pick(&[10, 5_000, 300_000]);
            let len = 1 + random.below(longest);
            let end = start + len;
            let range = (wide(start), wide(end));
            match random.below(6) {
                0 | 1 => {
                    let bytes = random.bytes(len);
                    assert_eq!(fs.write(ino, wide(start), &bytes, NOW), Ok(len));
                    model.resize(model.len().max(end), 0);
                    model[start..end].copy_from_slice(&bytes);
                }
                2 => {
                    fs.punch(ino, range, NOW).unwrap();
                    let size = model.len();
                    model[start.min(size)..end.min(size)].fill(0);
                }
                3 => {
                    fs.allocate(ino, range, Extent::Grow, NOW).unwrap();
                    model.resize(model.len().max(end), 0);
                }
                4 => {
                    fs.allocate(ino, range, Extent::Keep, NOW).unwrap();
                    fs.write(other, wide(step), b"x", NOW).unwrap();
                }
                _ => {
                    resize(&mut fs, ino, range.0);
                    model.resize(start, 0);
                }
            }
            assert!(read_all(&mut fs, ino).unwrap() == model, "step {step}");
            check_seek(&mut fs, ino, &model);
        }
        let image = unmount(fs).into_image();
        assert_clean(&image);
        let mut fs = mount(image);
        fs.punch(ino, (0, u64::MAX >> 1), NOW).unwrap();
        assert_eq!(fs.stat(ino).unwrap().nr_sectors, 0);
        fs.unlink(InodeNo::ROOT, b"file", NOW).unwrap();
        fs.unlink(InodeNo::ROOT, b"other", NOW).unwrap();
        assert_eq!(fs.status().nr_free, free);
        assert_clean(&unmount(fs).into_image());
    }
}

#[test]
fn space_taken_ahead_is_there_when_the_disk_is_full() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 2048, None));
    let (one, two) = (file(&mut fs, b"one"), file(&mut fs, b"two"));
    fs.allocate(one, (0, 500_000), Extent::Grow, NOW).unwrap();
    assert_eq!(fs.stat(one).unwrap().size, 500_000);
    let too_much = fs.allocate(two, (0, 5_000_000), Extent::Grow, NOW);
    assert_eq!(too_much, Err(Error::NoSpace));
    let mut at = fs.stat(two).unwrap().size;
    while fs.write(two, at, &[1; 1024], NOW).is_ok() {
        at += 1024;
    }
    assert_eq!(fs.write(one, 0, &[2; 500_000], NOW), Ok(500_000));
    assert!(read_all(&mut fs, one).unwrap() == [2; 500_000]);
    let largest = fs.allocate(one, (0, u64::MAX >> 1), Extent::Grow, NOW);
    assert_eq!(largest, Err(Error::FileTooBig));
    fs.allocate(one, (0, u64::MAX >> 1), Extent::Keep, NOW)
        .unwrap();
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn tables_three_deep_lose_what_is_punched_out_of_them() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 8192, None));
    let ino = file(&mut fs, b"sparse");
    let places = [
        0,
        12 << 10,
        268 << 10,
        65_804 << 10,
        70_000 << 10,
        200_000 << 10,
    ];
    for place in places {
        fs.write(ino, place, b"data", NOW).unwrap();
    }
    let sectors = fs.stat(ino).unwrap().nr_sectors;
    fs.punch(ino, (1, 65_804 << 10), NOW).unwrap();
    assert_eq!(fs.seek(ino, 1024, Seek::Data), Ok(Some(65_804 << 10)));
    // Two blocks of data, a table of depth one and two of depth two.
    assert_eq!(fs.stat(ino).unwrap().nr_sectors, sectors - 2 * 5);
    fs.punch(ino, (70_000 << 10, (70_000 << 10) + 2000), NOW)
        .unwrap();
    assert_eq!(
        fs.seek(ino, 65_805 << 10, Seek::Data),
        Ok(Some(200_000 << 10))
    );
    assert_clean(&unmount(fs).into_image());
}
