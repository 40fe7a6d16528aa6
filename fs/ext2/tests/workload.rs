//! Much work on one disk, and disks that are full, slow to answer, or broken.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use common::{
    NOW, PLAIN, Random, assert_clean, list, mke2fs, mount, mount_faulty, read_all, read_some,
    unmount, walk,
};
use fs_block::{Fault, FaultDisk, MemDisk};
use fs_ext2::{
    Error, Ext2, FileType, InodeNo, MountOptions, NewAttributes, NewNode, RenameMode,
    ReservedBlocks, Result, SetAttributes,
};

#[test]
fn a_directory_takes_a_hundred_thousand_names() {
    // Every build takes a fifth of them; with optimisation all.
    const NR_NAMES: usize = if cfg!(debug_assertions) {
        20_000
    } else {
        100_000
    };
    let mut fs = mount(mke2fs(&["-b", "4096", "-N", "1000"], 32768, None));
    let free = fs.status();
    let root = InodeNo::ROOT;
    let dir = fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    // A file has 32,000 names at most.
    let files = [0, 1, 2, 3].map(|number| {
        let name = format!("file {number}");
        fs.create(root, name.as_bytes(), NewNode::Regular, PLAIN)
            .unwrap()
    });
    let name = |number: usize| format!("name {number}").into_bytes();
    for number in 0..NR_NAMES {
        fs.link(dir, &name(number), files[number % 4], NOW).unwrap();
    }
    let again = fs.link(dir, &name(17_777), files[0], NOW);
    assert_eq!(again, Err(Error::Exists));
    let mut fs = mount(unmount(fs).into_image());
    assert_eq!(list(&mut fs, dir).unwrap().len(), NR_NAMES);
    for number in (0..NR_NAMES).rev() {
        let file = files[number % 4];
        assert_eq!(fs.lookup(dir, &name(number)), Ok(file));
        if number % 100 != 0 {
            fs.unlink(dir, &name(number), NOW).unwrap();
        }
    }
    let image = unmount(fs).into_image();
    assert_clean(&image);
    let mut fs = mount(image);
    assert_eq!(list(&mut fs, dir).unwrap().len(), NR_NAMES / 100);
    for number in (0..NR_NAMES).step_by(100) {
        fs.unlink(dir, &name(number), NOW).unwrap();
    }
    fs.rmdir(root, b"dir", NOW).unwrap();
    for number in 0..4 {
        fs.unlink(root, format!("file {number}").as_bytes(), NOW)
            .unwrap();
    }
    assert_eq!(fs.status(), free);
}

#[test]
fn five_thousand_creates_writes_renames_and_deletes_leave_a_clean_disk() {
    let mut fs = mount(mke2fs(&["-b", "1024", "-N", "8192"], 32768, None));
    let mut random = Random::new(3);
    let free = fs.status();
    let root = InodeNo::ROOT;
    let (a, b) = (
        fs.create(root, b"a", NewNode::Directory, PLAIN).unwrap(),
        fs.create(root, b"b", NewNode::Directory, PLAIN).unwrap(),
    );
    let name = |number: usize| format!("file number {number}").into_bytes();
    for number in 0..5000 {
        let ino = fs
            .create(a, &name(number), NewNode::Regular, PLAIN)
            .unwrap();
        let len = random.below(3000);
        assert_eq!(fs.write(ino, 0, &vec![b'x'; len], NOW), Ok(len));
    }
    for number in (0..5000).step_by(2) {
        fs.rename(
            a,
            &name(number),
            b,
            &name(number + 1),
            RenameMode::NoReplace,
            NOW,
        )
        .unwrap();
    }
    assert_eq!(
        (
            list(&mut fs, a).unwrap().len(),
            list(&mut fs, b).unwrap().len()
        ),
        (2500, 2500)
    );
    fs.sync(NOW).unwrap();
    assert_clean(&fs.device().snapshot());
    for number in (1..5000).step_by(2) {
        fs.unlink(a, &name(number), NOW).unwrap();
        fs.rename(b, &name(number), b, b"the one", RenameMode::Replace, NOW)
            .unwrap();
    }
    assert_eq!(list(&mut fs, b).unwrap().len(), 1);
    fs.unlink(b, b"the one", NOW).unwrap();
    fs.rmdir(root, b"a", NOW).unwrap();
    fs.rmdir(root, b"b", NOW).unwrap();
    assert_eq!(fs.status(), free);
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn files_reach_all_levels_of_tables_and_shrink_again() {
    for shape in [
        &["-b", "1024"][..],
        &["-b", "1024", "-r", "0"],
        &["-b", "4096"],
    ] {
        let mut fs = mount(mke2fs(shape, 8192, None));
        let free = fs.status().nr_free;
        let file = fs
            .create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
            .unwrap();
        let mut ends = vec![0, 5000, 60_000, 300_000, 1_000_000, 70_000_000, 1 << 30];
        if shape.len() == 2 {
            ends.push(1 << 33);
        }
        for end in &ends {
            fs.write(file, *end, b"here", NOW).unwrap();
        }
        for end in &ends {
            assert_eq!(read_some(&mut fs, file, *end, 4).unwrap(), b"here");
        }
        fs.sync(NOW).unwrap();
        assert_clean(&fs.device().snapshot());
        for end in ends.iter().rev() {
            let change = SetAttributes {
                size: Some(end + 2),
                ..SetAttributes::default()
            };
            fs.set_attributes(file, &change).unwrap();
            fs.sync(NOW).unwrap();
            assert_clean(&fs.device().snapshot());
            let change = SetAttributes {
                size: Some(end + 4),
                ..SetAttributes::default()
            };
            fs.set_attributes(file, &change).unwrap();
            assert_eq!(read_some(&mut fs, file, *end, 9).unwrap(), b"he\0\0");
        }
        fs.unlink(InodeNo::ROOT, b"file", NOW).unwrap();
        assert_eq!(fs.status().nr_free, free);
        assert_clean(&unmount(fs).into_image());
    }
}

#[test]
fn a_full_disk_fails_without_a_trace_and_recovers() {
    let mut fs = mount(mke2fs(&["-b", "1024", "-N", "64", "-m", "10"], 1024, None));
    let root = InodeNo::ROOT;
    let file = fs.create(root, b"file", NewNode::Regular, PLAIN).unwrap();
    fs.set_reserved_blocks(ReservedBlocks::Kept);
    let available = fs.status().nr_available;
    let chunk = vec![7; 300_000];
    let mut at = 0;
    loop {
        match fs.write(file, at, &chunk, NOW) {
            Ok(count) => at += u64::try_from(count).unwrap(),
            Err(error) => break assert_eq!(error, Error::NoSpace),
        }
    }
    assert_eq!(fs.status().nr_available, 0);
    assert!(at / 1024 + 8 > available, "{at}");
    assert_eq!(
        fs.create(root, b"dir", NewNode::Directory, PLAIN),
        Err(Error::NoSpace)
    );
    assert_eq!(fs.lookup(root, b"dir"), Err(Error::NotFound));
    fs.set_reserved_blocks(ReservedBlocks::Usable);
    fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    let mut count = 0;
    let error = loop {
        match fs.create(root, format!("{count}").as_bytes(), NewNode::Fifo, PLAIN) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::NoSpace);
    assert_eq!(fs.status().nr_free_inodes, 0);
    fs.sync(NOW).unwrap();
    assert_clean(&fs.device().snapshot());
    fs.unlink(root, b"file", NOW).unwrap();
    fs.create(root, b"again", NewNode::Regular, PLAIN).unwrap();
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn an_unlinked_file_lives_until_it_is_released() {
    let mut fs = mount(mke2fs(&[], 4096, None));
    let root = InodeNo::ROOT;
    let before = fs.status();
    let file = fs.create(root, b"file", NewNode::Regular, PLAIN).unwrap();
    let dir = fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    for ino in [file, file, dir] {
        fs.retain(ino);
    }
    fs.unlink(root, b"file", NOW).unwrap();
    fs.rmdir(root, b"dir", NOW).unwrap();
    fs.write(file, 0, b"still here", NOW).unwrap();
    assert_eq!(read_all(&mut fs, file).unwrap(), b"still here");
    assert_eq!(fs.stat(file).unwrap().nr_links, 0);
    assert_eq!(fs.link(root, b"back", file, NOW), Err(Error::NotFound));
    assert_eq!(
        fs.create(dir, b"x", NewNode::Regular, PLAIN),
        Err(Error::NotFound)
    );
    assert_eq!(list(&mut fs, dir).unwrap(), []);
    fs.release(file, NOW).unwrap();
    assert_eq!(fs.stat(file).unwrap().size, 10);
    fs.release(file, NOW).unwrap();
    assert_eq!(fs.stat(file), Err(Error::Stale));
    // The directory is still held: unmount frees it.
    let mut fs = mount(unmount(fs).into_image());
    assert_eq!(fs.status(), before);
    assert_eq!(fs.stat(dir), Err(Error::Stale));
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn rename_keeps_links_and_parents_right() {
    let mut fs = mount(mke2fs(&[], 4096, None));
    let root = InodeNo::ROOT;
    let mut make = |dir, name: &[u8], node| fs.create(dir, name, node, PLAIN).unwrap();
    let a = make(root, b"a", NewNode::Directory);
    let b = make(root, b"b", NewNode::Directory);
    let inner = make(a, b"inner", NewNode::Directory);
    let file = make(a, b"file", NewNode::Regular);
    let links = |fs: &mut Ext2<MemDisk>, ino| fs.stat(ino).unwrap().nr_links;
    let plain = RenameMode::Replace;
    assert_eq!(
        fs.rename(root, b"a", inner, b"x", plain, NOW),
        Err(Error::Invalid)
    );
    assert_eq!(
        fs.rename(root, b"a", a, b"x", plain, NOW),
        Err(Error::Invalid)
    );
    assert_eq!(
        fs.rename(root, b"a", inner, b"x", RenameMode::Exchange, NOW),
        Err(Error::NotFound)
    );
    assert_eq!(
        fs.rename(a, b"inner", root, b"a", RenameMode::Exchange, NOW),
        Err(Error::Invalid)
    );
    assert_eq!(
        fs.rename(root, b"b", root, b"a", plain, NOW),
        Err(Error::NotEmpty)
    );
    assert_eq!(
        fs.rename(root, b"b", a, b"file", plain, NOW),
        Err(Error::NotDirectory)
    );
    assert_eq!(
        fs.rename(a, b"file", root, b"b", plain, NOW),
        Err(Error::IsDirectory)
    );
    assert_eq!(fs.rename(a, b".", root, b"c", plain, NOW), Err(Error::Busy));
    fs.rename(a, b"inner", b, b"moved", plain, NOW).unwrap();
    assert_eq!(fs.lookup(inner, b".."), Ok(b));
    assert_eq!((links(&mut fs, a), links(&mut fs, b)), (2, 3));
    fs.rename(a, b"file", b, b"moved", RenameMode::Exchange, NOW)
        .unwrap();
    assert_eq!(
        (fs.lookup(a, b"file"), fs.lookup(b, b"moved")),
        (Ok(inner), Ok(file))
    );
    assert_eq!(fs.lookup(inner, b".."), Ok(a));
    assert_eq!((links(&mut fs, a), links(&mut fs, b)), (3, 2));
    let other = fs.create(b, b"other", NewNode::Directory, PLAIN).unwrap();
    fs.rename(a, b"file", b, b"other", plain, NOW).unwrap();
    assert_eq!(fs.stat(other), Err(Error::Stale));
    assert_eq!((links(&mut fs, a), links(&mut fs, b)), (2, 3));
    fs.link(b, b"second", file, NOW).unwrap();
    fs.rename(b, b"second", b, b"moved", plain, NOW).unwrap();
    assert_eq!(links(&mut fs, file), 2);
    assert_eq!(
        fs.rename(b, b"second", b, b"moved", RenameMode::NoReplace, NOW),
        Err(Error::Exists)
    );
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn a_whiteout_comes_with_the_rename_or_not_at_all() {
    // 16 inodes: 11 are reserved or there, so that five can be made.
    let mut fs = mount(mke2fs(&["-N", "16"], 1024, None));
    let root = InodeNo::ROOT;
    let dir = fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    let file = fs.create(root, b"file", NewNode::Regular, PLAIN).unwrap();
    let attributes = NewAttributes {
        permissions: 0,
        ..PLAIN
    };
    let rename = |fs: &mut Ext2<MemDisk>, old: &[u8], new: (InodeNo, &[u8]), mode| {
        fs.rename_and_leave((root, old), new, mode, Some(attributes), NOW)
    };
    let exchange = rename(&mut fs, b"file", (root, b"dir"), RenameMode::Exchange);
    assert_eq!(exchange, Err(Error::Invalid));
    rename(&mut fs, b"file", (dir, b"moved"), RenameMode::NoReplace).unwrap();
    assert_eq!(fs.lookup(dir, b"moved"), Ok(file));
    let whiteout = fs.lookup(root, b"file").unwrap();
    let stat = fs.stat(whiteout).unwrap();
    assert_eq!(
        (stat.kind, stat.device, stat.permissions, stat.nr_links),
        (FileType::CharDevice, 0, 0, 1)
    );
    // A directory leaves one too, and its parent has a subdirectory less.
    let inner = fs
        .create(root, b"inner", NewNode::Directory, PLAIN)
        .unwrap();
    let links = fs.stat(root).unwrap().nr_links;
    rename(&mut fs, b"inner", (dir, b"inner"), RenameMode::Replace).unwrap();
    assert_eq!(fs.stat(root).unwrap().nr_links, links - 1);
    assert_eq!(fs.lookup(inner, b".."), Ok(dir));

    while fs.status().nr_free_inodes > 0 {
        let name = fs.status().nr_free_inodes.to_string();
        fs.create(dir, name.as_bytes(), NewNode::Fifo, PLAIN)
            .unwrap();
    }
    fs.link(root, b"second", file, NOW).unwrap();
    let before = list(&mut fs, root).unwrap();
    for to in [&b"file"[..], b"third"] {
        let full = rename(&mut fs, b"second", (root, to), RenameMode::Replace);
        assert_eq!(full, Err(Error::NoSpace));
        assert_eq!(list(&mut fs, root).unwrap(), before);
    }
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn cookies_survive_changes_in_between() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 4096, None));
    let root = InodeNo::ROOT;
    let name = |number: usize| format!("entry {number:03}").into_bytes();
    for number in 0..300 {
        fs.create(root, &name(number), NewNode::Regular, PLAIN)
            .unwrap();
    }
    let (mut cookie, mut seen) = (0, Vec::new());
    loop {
        let mut next = None;
        fs.read_dir(root, cookie, &mut |entry| {
            if next.is_some() {
                return false;
            }
            seen.push(entry.name.to_vec());
            next = Some(entry.next_cookie);
            true
        })
        .unwrap();
        let Some(next) = next else { break };
        cookie = next;
        // Remove what was seen: entries merge around the cookie.
        let last = seen.last().unwrap().clone();
        if last.starts_with(b"entry") {
            fs.unlink(root, &last, NOW).unwrap();
        }
    }
    assert_eq!(seen.len(), 303);
    assert_eq!(list(&mut fs, root).unwrap().len(), 1);
    assert_clean(&unmount(fs).into_image());
}

/// Repeats an operation until its blocks are there.
fn patiently<D: fs_block::BlockDevice, T>(
    fs: &mut Ext2<D>,
    nr_waits: &mut u32,
    mut operation: impl FnMut(&mut Ext2<D>) -> Result<T>,
) -> T {
    loop {
        match operation(fs) {
            Err(Error::NotResident(_)) => *nr_waits += 1,
            other => return other.unwrap(),
        }
    }
}

#[test]
fn operations_on_late_blocks_can_be_repeated() {
    let mut source = mount(mke2fs(&["-b", "1024"], 8192, None));
    let dir = source
        .create(InodeNo::ROOT, b"dir", NewNode::Directory, PLAIN)
        .unwrap();
    let bytes = Random::new(5).bytes(500_000);
    for number in 0..200 {
        let name = format!("name {number}");
        let ino = source
            .create(dir, name.as_bytes(), NewNode::Regular, PLAIN)
            .unwrap();
        source.write(ino, 0, &bytes[..number * 100], NOW).unwrap();
    }
    let image = unmount(source).into_image();
    let disk = FaultDisk::new(MemDisk::new(image), vec![]);
    let options = MountOptions {
        cache_bytes: 64 << 10,
        now: NOW,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(disk, options).unwrap();
    let mut waits = 0;
    // From now on every other read of the device comes late.
    fs.device_mut().set_faults(vec![Fault::DelayEveryRead(2)]);
    for number in 0..200 {
        let name = format!("name {number}");
        let new_name = format!("new name {number}");
        let ino = patiently(&mut fs, &mut waits, |fs| fs.lookup(dir, name.as_bytes()));
        let mut read = Vec::new();
        while read.len() < number * 100 {
            patiently(&mut fs, &mut waits, |fs| {
                // A try that ended at a late block has read what is before it.
                let at = u64::try_from(read.len()).unwrap();
                fs.read::<Error>(ino, at, 100_000, &mut |part| {
                    read.extend_from_slice(part);
                    Ok(())
                })
            });
        }
        assert!(read == bytes[..number * 100]);
        patiently(&mut fs, &mut waits, |fs| {
            let mode = RenameMode::NoReplace;
            fs.rename(
                dir,
                name.as_bytes(),
                InodeNo::ROOT,
                new_name.as_bytes(),
                mode,
                NOW,
            )
        });
        if number % 2 == 0 {
            patiently(&mut fs, &mut waits, |fs| {
                fs.unlink(InodeNo::ROOT, new_name.as_bytes(), NOW)
            });
        } else {
            patiently(&mut fs, &mut waits, |fs| fs.write(ino, 50, b"changed", NOW));
        }
    }
    patiently(&mut fs, &mut waits, |fs| {
        fs.rmdir(InodeNo::ROOT, b"dir", NOW)
    });
    patiently(&mut fs, &mut waits, |fs| fs.unmount(NOW));
    assert!(waits > 50, "{waits}");
    let image = fs.into_device().into_inner().into_image();
    assert_clean(&image);
    let mut fs = mount(image);
    assert_eq!(list(&mut fs, InodeNo::ROOT).unwrap().len(), 101);
    let ino = walk(&mut fs, "new name 199").unwrap();
    assert_eq!(&read_all(&mut fs, ino).unwrap()[50..57], b"changed");
}

#[test]
fn failed_device_writes_are_reported_and_tried_again() {
    let image = mke2fs(&["-b", "1024"], 4096, None);
    let mut fs = mount_faulty(image);
    for number in 0..50 {
        let name = format!("{number}");
        fs.create(InodeNo::ROOT, name.as_bytes(), NewNode::Directory, PLAIN)
            .unwrap();
    }
    for fault in [|next| Fault::TearWrite(next + 3), Fault::FailWrite] {
        let next = fs.device().nr_writes();
        fs.device_mut().set_faults(vec![fault(next)]);
        assert_eq!(fs.sync(NOW), Err(Error::Io));
    }
    fs.unmount(NOW).unwrap();
    assert_clean(&fs.into_device().into_inner().into_image());
}

#[test]
fn a_remount_that_fails_changes_nothing() {
    let image = mke2fs(&["-b", "1024"], 1024, None);
    let mut fs = mount_faulty(image);
    let make = |fs: &mut Ext2<FaultDisk<MemDisk>>, name: &[u8]| {
        fs.create(InodeNo::ROOT, name, NewNode::Directory, PLAIN)
    };
    let fail = |fs: &mut Ext2<FaultDisk<MemDisk>>| {
        let next = fs.device().nr_writes();
        fs.device_mut().set_faults(vec![Fault::FailWrite(next)]);
    };
    make(&mut fs, b"a").unwrap();
    fail(&mut fs);
    assert_eq!(fs.remount_read_only(NOW), Err(Error::Io));
    make(&mut fs, b"b").unwrap();
    fs.remount_read_only(NOW).unwrap();
    assert_eq!(make(&mut fs, b"c"), Err(Error::ReadOnly));
    fail(&mut fs);
    assert_eq!(fs.remount_writable(NOW), Err(Error::Io));
    assert_eq!(make(&mut fs, b"c"), Err(Error::ReadOnly));
    fs.remount_writable(NOW).unwrap();
    make(&mut fs, b"c").unwrap();
    fs.unmount(NOW).unwrap();
    assert_clean(&fs.into_device().into_inner().into_image());
}

#[test]
fn a_source_that_fails_ends_the_write() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 4096, None));
    let file = fs
        .create(InodeNo::ROOT, b"file", NewNode::Regular, PLAIN)
        .unwrap();
    let free = fs.status().nr_free;
    let mut limit = 0;
    let mut write = |fs: &mut Ext2<MemDisk>, until: u32| {
        limit = until;
        fs.write_from::<Error>(file, 10, 200_000, NOW, &mut |place| {
            limit = limit.checked_sub(1).ok_or(Error::Busy)?;
            place.fill(1);
            Ok(())
        })
    };
    assert_eq!(write(&mut fs, 5), Err(Error::Busy));
    assert_eq!(
        (fs.stat(file).unwrap().size, fs.status().nr_free),
        (0, free)
    );
    assert_eq!(write(&mut fs, 100), Ok(65_526));
    assert_eq!(fs.stat(file).unwrap().size, 65_536);
    assert_eq!(write(&mut fs, 1000), Ok(200_000));
    assert_eq!(read_some(&mut fs, file, 9, 3).unwrap(), [0, 1, 1]);
    assert_clean(&unmount(fs).into_image());
}
