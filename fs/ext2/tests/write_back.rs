//! What is written before anybody asks for it, and devices that refuse it.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use common::{NOW, PLAIN, assert_clean, mke2fs, mount, mount_disk, mount_faulty, read_some};
use fs_block::{BlockDevice, Fault, MemDisk, VecDisk};
use fs_ext2::{Error, Ext2, InodeNo, NewNode};

/// Blocks that may be dirty, of 4 KiB.
const MAX_DIRTY: u64 = 1024;

fn image() -> Vec<u8> {
    mke2fs(&["-b", "4096"], 32768, None)
}

fn create(fs: &mut Ext2<impl BlockDevice>, name: &str) -> InodeNo {
    let root = InodeNo::ROOT;
    fs.create(root, name.as_bytes(), NewNode::Regular, PLAIN)
        .unwrap()
}

/// Fills blocks of a file with `byte`, one operation for each.
fn fill(fs: &mut Ext2<impl BlockDevice>, file: InodeNo, nr_blocks: u64, byte: u8) {
    for number in 0..nr_blocks {
        let written = fs.write(file, number * 4096, &[byte; 4096], NOW);
        assert_eq!(written, Ok(4096));
    }
}

#[test]
fn what_is_synced_is_whole_wherever_the_limit_was_met() {
    let image = image();
    // The unlink is the operation that meets the limit in one of these.
    for nr_blocks in MAX_DIRTY - 8..MAX_DIRTY + 4 {
        let mut fs = mount_disk(MemDisk::new(image.clone()), 64 << 20);
        let (large, held) = (create(&mut fs, "large"), create(&mut fs, "held"));
        fill(&mut fs, large, nr_blocks, 1);
        fs.retain(held);
        fs.sync(NOW).unwrap();
        let nr_free = fs.status().nr_free_inodes;
        fill(&mut fs, large, nr_blocks, 2);
        fs.unlink(InodeNo::ROOT, b"held", NOW).unwrap();
        fs.sync(NOW).unwrap();
        let cut = fs.device().snapshot();
        let mut again = mount(cut);
        assert_eq!(again.status().nr_free_inodes, nr_free + 1, "{nr_blocks}");
        assert_eq!(read_some(&mut again, large, 0, 4096), Ok(vec![2; 4096]));
        assert_clean(&common::unmount(again).into_image());
    }
}

#[test]
fn a_device_that_refuses_is_asked_again_now_and_then_and_loses_nothing() {
    let mut fs = mount_faulty(image());
    let file = create(&mut fs, "file");
    fs.sync(NOW).unwrap();
    let next = fs.device().nr_writes();
    let refused = Fault::FailWritesFrom(next);
    fs.device_mut().set_faults(vec![refused]);
    let nr_blocks = MAX_DIRTY + 600;
    fill(&mut fs, file, nr_blocks, 1);
    let tries = fs.device().nr_writes() - next;
    assert!((MAX_DIRTY..6 * MAX_DIRTY).contains(&tries), "{tries}");
    assert_eq!(fs.sync(NOW), Err(Error::Io));
    fs.device_mut().set_faults(vec![]);
    fs.sync(NOW).unwrap();
    let mut again = mount(fs.into_device().into_inner().into_image());
    for number in 0..nr_blocks {
        assert_eq!(
            read_some(&mut again, file, number * 4096, 4096),
            Ok(vec![1; 4096])
        );
    }
    assert_clean(&common::unmount(again).into_image());
}

#[test]
fn nothing_changes_on_a_device_that_has_become_read_only() {
    let mut fs = mount_faulty(image());
    let (file, held) = (create(&mut fs, "file"), create(&mut fs, "held"));
    fill(&mut fs, file, 1, 1);
    fs.retain(held);
    fs.unlink(InodeNo::ROOT, b"held", NOW).unwrap();
    fs.device_mut().set_faults(vec![Fault::RefuseWrites]);
    assert!(fs.is_read_only());
    assert_eq!(fs.write(file, 0, &[2; 4096], NOW), Err(Error::ReadOnly));
    assert_eq!(fs.unlink(InodeNo::ROOT, b"file", NOW), Err(Error::ReadOnly));
    assert_eq!(fs.release(held, NOW), Ok(()));
    assert_eq!(read_some(&mut fs, file, 0, 4096), Ok(vec![1; 4096]));
}

#[test]
fn a_read_that_its_taker_ends_is_as_long_as_what_was_taken() {
    // One disk shows its blocks, the other has them loaded.
    for disk in [true, false] {
        let image = image();
        let disk: Box<dyn BlockDevice> = if disk {
            Box::new(VecDisk::new(image))
        } else {
            Box::new(MemDisk::new(image))
        };
        let mut fs = mount_disk(disk, 64 << 10);
        let file = create(&mut fs, "file");
        fill(&mut fs, file, 40, 7);
        fs.sync(NOW).unwrap();
        fill(&mut fs, file, 20, 8);
        let mut taken = Vec::new();
        let mut read = |max: usize| {
            taken.clear();
            let result = fs.read::<Error>(file, 0, 40 * 4096, &mut |bytes| {
                if taken.len() == max {
                    return Err(Error::Invalid);
                }
                taken.extend_from_slice(bytes);
                Ok(())
            });
            (result, taken.clone())
        };
        let all = [vec![8; 20 * 4096], vec![7; 20 * 4096]].concat();
        assert_eq!(read(usize::MAX), (Ok(40 * 4096), all.clone()));
        for nr_blocks in [1, 19, 20, 39] {
            let len = nr_blocks * 4096;
            assert_eq!(read(len), (Ok(len), all[..len].to_vec()));
        }
        assert_eq!(read(0), (Err(Error::Invalid), vec![]));
    }
}
