//! Random operations against a tree in memory: every result equal, every remount equal, `e2fsck -fn`
//! and our own checker content, and what other readers find the same: `debugfs` and `ext4-view`.
//!
//! `cargo xtask fuzz files` makes 100,000 for each kind of disk.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

#[path = "../common/mod.rs"]
mod common;
mod readers;
mod steps;
mod tree;

use common::{Random, assert_clean, fuzz_count, fuzz_seed, mke2fs, mount_disk, unmount};
use fs_block::{BlockDevice, MemDisk, VecDisk};
use tree::Model;

/// Operations between two remounts.
const STEPS_PER_MOUNT: u64 = 500;

/// A disk in memory: one whose blocks are loaded, or one that shows them.
trait Disk: BlockDevice {
    fn new(image: Vec<u8>) -> Self;
    fn into_image(self) -> Vec<u8>;
}

impl Disk for MemDisk {
    fn new(image: Vec<u8>) -> Self {
        Self::new(image)
    }

    fn into_image(self) -> Vec<u8> {
        self.into_image()
    }
}

impl Disk for VecDisk {
    fn new(image: Vec<u8>) -> Self {
        Self::new(image)
    }

    fn into_image(self) -> Vec<u8> {
        self.into_image()
    }
}

/// Makes random operations, remounting now and then.
fn run<D: Disk>(seed: u64, options: &[&str], nr_steps: u64, cache_bytes: usize) {
    let seed = seed + 1000 * fuzz_seed(0);
    let mut random = Random::new(seed);
    let mut fs = mount_disk(D::new(mke2fs(options, 32768, None)), cache_bytes);
    let mut model = Model::new(&mut fs);
    model.is_old = options.contains(&"0") || options.iter().any(|word| word.contains("^filetype"));
    for number in 1..=fuzz_count(nr_steps) {
        steps::step(&mut fs, &mut model, &mut random);
        if number % STEPS_PER_MOUNT == 0 {
            model.compare(&mut fs);
            // What has no name goes with its holder.
            model.held.clear();
            model.unnamed.clear();
            let image = unmount(fs).into_image();
            assert_clean(&image);
            fs = mount_disk(D::new(image.clone()), cache_bytes);
            readers::compare(&model, &mut fs, &image);
            model.compare(&mut fs);
        }
    }
}

#[test]
fn random_operations_with_1_kib_blocks() {
    run::<VecDisk>(11, &["-b", "1024", "-g", "2048"], 3000, 8 << 20);
}

#[test]
fn random_operations_with_2_kib_blocks_and_small_inodes() {
    run::<MemDisk>(12, &["-b", "2048", "-I", "128"], 1500, 8 << 20);
}

#[test]
fn random_operations_with_4_kib_blocks() {
    run::<VecDisk>(13, &["-b", "4096"], 1500, 8 << 20);
}

#[test]
fn random_operations_on_a_disk_with_copies_everywhere_and_no_types() {
    let options = ["-b", "1024", "-O", "^sparse_super,^filetype,^resize_inode"];
    run::<MemDisk>(14, &options, 1500, 8 << 20);
}

#[test]
fn random_operations_on_revision_0_with_little_that_may_be_dirty() {
    run::<MemDisk>(16, &["-b", "1024", "-r", "0"], 1500, 256 << 10);
}

#[test]
fn random_operations_with_the_smallest_cache() {
    run::<VecDisk>(15, &["-b", "1024", "-g", "2048"], 1500, 0);
}
