//! Several threads in one tree: nothing deadlocks, nothing gets lost.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use std::sync::Arc;

use abi::flags::{O_CREAT, RENAME_EXCHANGE};
use common::{NOW, Random, Scratch, StdFiles, assert_clean, ext2_image};
use fs::ext2_mount::Ext2Fs;
use fs::hostfs::{HostFs, HostOptions};
use fs::io::VecSink;
use fs::tmpfs::TmpFs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::{FileSystem, NewAttributes, NewNode};
use fs::vfs::{Caller, Context, Follow, Scope, Vfs};
use fs_block::MemDisk;
use fs_ext2::MountOptions;

/// Random calls in a small tree by four threads; then all of it is removed.
fn work_in(file_system: Arc<dyn FileSystem>, nr_calls: usize) {
    let vfs = Vfs::new(Arc::new(NoDevices));
    let root = vfs.mount_root(file_system, b"root", 0).unwrap();
    let cx = Context {
        root: &root,
        cwd: &root,
        caller: Caller::ROOT,
        umask: 0,
        now: NOW,
        scope: Scope::Everywhere,
    };
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            let (vfs, cx) = (&vfs, &cx);
            scope.spawn(move || {
                let mut random = Random::new(seed * 0x1234_5677);
                for _ in 0..nr_calls {
                    let mut path = || -> Vec<u8> {
                        let depth = 1 + random.below(3);
                        let names = ["/a", "/b", "/c"];
                        (0..depth)
                            .flat_map(|_| names[random.below(3)].bytes())
                            .collect()
                    };
                    let (old, new) = (path(), path());
                    // Each may fail: the others were faster.
                    match random.below(8) {
                        0 | 1 => drop(vfs.mkdir(cx, &old, 0o755)),
                        2 => drop(vfs.open(cx, &old, O_CREAT, 0o644)),
                        3 => drop(vfs.unlink(cx, &old)),
                        4 => drop(vfs.rmdir(cx, &old)),
                        5 => drop(
                            vfs.walk(cx, &old, Follow::Yes)
                                .map(|found| found.absolute_path()),
                        ),
                        6 => drop(vfs.rename((cx, &old), (cx, &new), RENAME_EXCHANGE)),
                        _ => drop(vfs.rename((cx, &old), (cx, &new), 0)),
                    }
                }
            });
        }
    });
    for name in [b"/a", b"/b", b"/c"] {
        remove(&vfs, &cx, name);
    }
    vfs.shut_down(NOW).unwrap();
}

fn remove(vfs: &Vfs, cx: &Context<'_>, path: &[u8]) {
    let Ok(location) = vfs.walk(cx, path, Follow::No) else {
        return;
    };
    if !location.is_directory() {
        vfs.unlink(cx, path).unwrap();
        return;
    }
    let mut names = Vec::new();
    let mut report = |entry: fs::vfs::inode::DirEntry<'_>| {
        names.push(entry.name.to_vec());
        true
    };
    location.inode.read_dir(0, &mut report).unwrap();
    for name in names {
        remove(vfs, cx, &[path, b"/", &name].concat());
    }
    vfs.rmdir(cx, path).unwrap();
}

#[test]
fn threads_share_a_tmpfs() {
    let tmpfs = Arc::new(TmpFs::new(1 << 20, NOW).unwrap());
    work_in(Arc::<TmpFs>::clone(&tmpfs), 5_000);
    let status = tmpfs.status().unwrap();
    assert_eq!(status.nr_free_inodes + 1, status.nr_inodes);
}

#[test]
fn threads_share_a_disk() {
    let image = ext2_image(4 << 10);
    let disk = Arc::new(executor::sync::Lock::new(MemDisk::new(image)));
    let shared = common::SharedDisk(Arc::clone(&disk));
    let ext2 = Ext2Fs::mount(Box::new(shared), MountOptions::default()).unwrap();
    work_in(Arc::new(ext2), 2_000);
    assert_clean(&disk.lock().snapshot());
}

/// Four threads append records of one byte value each to one file; none gets into another.
fn append_in(file_system: &dyn FileSystem) {
    const RECORD: usize = 100;
    const NR_RECORDS: usize = 300;
    let attributes = NewAttributes {
        permissions: 0o644,
        uid: 0,
        gid: 0,
        time: NOW,
    };
    let root = file_system.root();
    let file = root.create(b"log", &NewNode::Regular, &attributes).unwrap();
    std::thread::scope(|scope| {
        for letter in *b"abcd" {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..NR_RECORDS {
                    let record = [letter; RECORD];
                    let (start, moved) = file.append(&mut record.as_slice(), NOW).unwrap();
                    assert_eq!(moved, RECORD);
                    let mut found = VecSink::new(RECORD);
                    file.read_at(start, &mut found).unwrap();
                    assert_eq!(found.bytes, record);
                }
            });
        }
    });
    let mut sink = VecSink::new(usize::MAX);
    file.read_at(0, &mut sink).unwrap();
    assert_eq!(sink.bytes.len(), 4 * NR_RECORDS * RECORD);
    for record in sink.bytes.chunks(RECORD) {
        assert!(record.iter().all(|byte| *byte == record[0]));
    }
}

#[test]
fn threads_append_to_one_file_without_loss() {
    append_in(&TmpFs::new(1 << 20, NOW).unwrap());
    let scratch = Scratch::new();
    let image = ext2_image(1 << 10);
    append_in(&Ext2Fs::mount(Box::new(MemDisk::new(image)), MountOptions::default()).unwrap());
    let files = Arc::new(StdFiles::default());
    let folder = scratch.path().as_os_str().as_encoded_bytes();
    append_in(&HostFs::new(files, folder, HostOptions::default()).unwrap());
}
