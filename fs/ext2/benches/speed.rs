//! How long the common operations take, on a disk in memory: `cargo bench -p fs-ext2`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures time and prints it"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, InodeNo, MountOptions, NewAttributes, NewNode, Timestamp};

const NOW: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanoseconds: 0,
};
const PLAIN: NewAttributes = NewAttributes {
    permissions: 0o644,
    uid: 0,
    gid: 0,
    time: NOW,
};

fn image() -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("fs-ext2-bench-{}", std::process::id()));
    let output = Command::new("/usr/sbin/mke2fs")
        .args(["-t", "ext2", "-q", "-F", "-b", "4096", "-N", "65536"])
        .arg(&path)
        .arg("256m")
        .output();
    assert!(output.unwrap().status.success());
    let image = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    image
}

/// Prints the time of one of `count` operations.
fn measure(what: &str, count: u32, operations: impl FnOnce()) {
    let start = Instant::now();
    operations();
    let ns = start.elapsed().as_nanos() as f64 / f64::from(count);
    println!("{what:<48} {ns:>10.0} ns");
}

fn name(number: u32) -> Vec<u8> {
    format!("file number {number}").into_bytes()
}

fn main() {
    let options = MountOptions {
        now: NOW,
        cache_bytes: 64 << 20,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(MemDisk::new(image()), options).unwrap();
    let root = InodeNo::ROOT;
    let dir = fs.create(root, b"dir", NewNode::Directory, PLAIN).unwrap();
    measure("create, 10,000 in one directory", 10_000, || {
        for number in 0..10_000 {
            fs.create(dir, &name(number), NewNode::Regular, PLAIN)
                .unwrap();
        }
    });
    measure("lookup", 100_000, || {
        for number in 0..100_000 {
            black_box(fs.lookup(dir, &name(number % 10_000)).unwrap());
        }
    });
    let first = fs.lookup(dir, &name(0)).unwrap();
    measure("stat", 100_000, || {
        for number in 0..100_000 {
            black_box(fs.stat(InodeNo(first.0 + number % 1000)).unwrap());
        }
    });
    let file = fs.lookup(dir, &name(0)).unwrap();
    let block = vec![7; 4096];
    measure("write of 4 KiB, new, in order", 8192, || {
        for number in 0..8192 {
            fs.write(file, number * 4096, &block, NOW).unwrap();
        }
    });
    measure("write of 4 KiB, again", 8192, || {
        for number in 0..8192 {
            fs.write(file, number * 4096, &block, NOW).unwrap();
        }
    });
    let large = vec![9; 1 << 20];
    measure("write of 1 MiB, again", 32, || {
        for number in 0..32 {
            fs.write(file, number << 20, &large, NOW).unwrap();
        }
    });
    let mut buffer = vec![0; 4096];
    let mut read = |fs: &mut Ext2<MemDisk>, at: u64| {
        fs.read::<Error>(file, at, 4096, &mut |bytes| {
            buffer.copy_from_slice(bytes);
            Ok(())
        })
        .unwrap()
    };
    measure("read of 4 KiB, in order, cached", 819_200, || {
        for number in 0..819_200 {
            black_box(read(&mut fs, number % 8192 * 4096));
        }
    });
    measure("read of 4 KiB, at random, cached", 819_200, || {
        for number in 0..819_200_u64 {
            black_box(read(&mut fs, number * 7919 % 8192 * 4096));
        }
    });
    let source = vec![7_u8; 8192 * 4096];
    let mut target = vec![0_u8; 4096];
    measure("memcpy of 4 KiB, from as much memory", 819_200, || {
        for number in 0..819_200 {
            let at = number * 7919 % 8192 * 4096;
            if let Some(bytes) = source.get(at..at + 4096) {
                target.copy_from_slice(bytes);
            }
            black_box(&mut target);
        }
    });
    measure("sync", 1, || fs.sync(NOW).unwrap());
    measure("unlink", 10_000, || {
        for number in 0..10_000 {
            fs.unlink(dir, &name(number), NOW).unwrap();
        }
    });
}
