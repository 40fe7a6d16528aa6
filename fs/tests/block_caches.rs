//! How much memory block caches take, by where the disk is and by what the pod has left (ADR 0040).

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{NOW, SharedDisk, mke2fs};
use executor::sync::Lock;
use fs::budget::{Budget, Limits};
use fs::ext2_mount::{Ext2Fs, cache_bytes_for};
use fs::vfs::inode::{FileSystem, Inode};
use fs_block::{BlockDevice, MemDisk, VecDisk};
use fs_ext2::{Ext2, InodeNo, MountOptions, NewAttributes, NewNode};

const MIB: u64 = 1 << 20;

/// An Ext2 with a file of `mib` MiB, and what it is told of the pod's memory.
struct World {
    ext2: Ext2Fs,
    file: Arc<dyn Inode>,
    budget: Arc<Budget>,
    /// Bytes of the kernel's heap.
    heap: Arc<AtomicU64>,
}

impl World {
    fn new(mib: u64, in_memory: bool, limits: Limits) -> Self {
        let image = mke2fs(&["-b", "4096"], 80 << 10, None);
        let mut fs = Ext2::mount(VecDisk::new(image), MountOptions::default()).unwrap();
        let attributes = NewAttributes {
            permissions: 0o644,
            uid: 0,
            gid: 0,
            time: NOW,
        };
        let file = fs.create(InodeNo::ROOT, b"file", NewNode::Regular, attributes);
        let file = file.unwrap();
        for number in 0..mib {
            let bytes = vec![1; 1 << 20];
            assert_eq!(fs.write(file, number * MIB, &bytes, NOW), Ok(bytes.len()));
        }
        fs.unmount(NOW).unwrap();
        let image = fs.into_device().into_image();
        let disk: Box<dyn BlockDevice> = if in_memory {
            Box::new(VecDisk::new(image))
        } else {
            Box::new(SharedDisk(Arc::new(Lock::new(MemDisk::new(image)))))
        };
        let options = MountOptions {
            cache_bytes: cache_bytes_for(&*disk),
            ..MountOptions::default()
        };
        let heap = Arc::<AtomicU64>::default();
        let gauge = Arc::clone(&heap);
        let budget = Budget::new(limits, Box::new(move || gauge.load(Ordering::Relaxed)));
        let ext2 = Ext2Fs::mount(disk, options).unwrap();
        ext2.share_memory(&budget);
        let file = ext2.root().lookup(b"file").unwrap();
        Self {
            ext2,
            file,
            budget,
            heap,
        }
    }

    /// Reads the file while the kernel has `others` bytes besides the cache; what the cache has then.
    fn read(&self, others: u64) -> u64 {
        let size = self.file.metadata().unwrap().size;
        let mut buffer = vec![0; 64 << 10];
        for at in (0..size).step_by(buffer.len()) {
            let held = self.budget.cached_bytes();
            self.heap.store(others + held, Ordering::Relaxed);
            let mut sink = buffer.as_mut_slice();
            self.file.read_at(at, &mut sink).unwrap();
            assert!(buffer.iter().all(|byte| *byte == 1));
        }
        self.budget.cached_bytes()
    }
}

#[test]
fn a_far_disk_is_cached_and_a_near_one_is_not() {
    let far = World::new(60, false, Limits::NONE);
    assert!((60 * MIB..=64 * MIB).contains(&far.read(0)));
    let near = World::new(60, true, Limits::NONE);
    assert!(near.read(0) < MIB);
    near.ext2.unmount(NOW).unwrap();
}

#[test]
fn a_cache_leaves_the_kernels_heap_its_room_and_grows_again() {
    let limits = Limits {
        heap: 128 * MIB,
        ..Limits::NONE
    };
    let world = World::new(40, false, limits);
    let held = world.read(124 * MIB);
    assert!((MIB..4 * MIB).contains(&held), "{held}");
    assert!((40 * MIB..64 * MIB).contains(&world.read(0)));
    world.budget.reclaim(30 * MIB);
    assert!((8 * MIB..12 * MIB).contains(&world.budget.cached_bytes()));
    assert!(world.read(0) >= 40 * MIB);
}

#[test]
fn with_a_limit_a_cache_is_a_part_of_what_is_free() {
    let limits = Limits {
        memory: Some(64 * MIB),
        ..Limits::NONE
    };
    let world = World::new(40, false, limits);
    let held = world.read(56 * MIB);
    assert!((MIB..8 * MIB).contains(&held), "{held}");
}
