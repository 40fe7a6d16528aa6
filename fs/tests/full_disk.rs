//! A disk that is full in the middle of things: what a call answers is what Linux's ext2 answers, what
//! was there before still is, and the disk is clean. The last blocks are the superuser's.

#![cfg(test)]

mod common;

use std::sync::Arc;

use abi::flags::{O_CREAT, O_RDWR};
use abi::{Errno, Result};
use common::{NOW, SharedDisk, assert_clean, mke2fs};
use fs::ext2_mount::Ext2Fs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::{FileSystem, FileSystemStatus};
use fs::vfs::path::Location;
use fs::vfs::xattr::{self, XattrMode};
use fs::vfs::{Caller, Context, Follow, Scope, Vfs};
use fs_block::{BlockDevice, MemDisk};
use fs_ext2::MountOptions;

/// An ordinary user.
const USER: Caller<'static> = Caller {
    uid: 1000,
    gid: 1000,
    groups: &[],
    capabilities: 0,
};

/// A small disk, and two who use it.
struct World {
    disk: SharedDisk,
    ext2: Arc<Ext2Fs>,
    vfs: Vfs,
    root: Location,
}

impl World {
    /// 8 MiB, of which a twentieth is kept.
    fn new(block_size: &str) -> Self {
        let image = mke2fs(&["-b", block_size, "-m", "5", "-N", "512"], 8 << 10, None);
        let disk = SharedDisk(Arc::new(executor::sync::Lock::new(MemDisk::new(image))));
        let options = MountOptions {
            now: NOW,
            ..MountOptions::default()
        };
        let ext2 = Arc::new(Ext2Fs::mount(Box::new(disk.clone()), options).unwrap());
        let vfs = Vfs::new(Arc::new(NoDevices));
        let root = vfs.mount_root(ext2.clone(), b"disk", 0).unwrap();
        let world = Self {
            disk,
            ext2,
            vfs,
            root,
        };
        for name in ["/theirs", "/ours"] {
            world.mkdir(Caller::ROOT, name).unwrap();
        }
        let cx = world.cx(Caller::ROOT);
        world
            .vfs
            .chmod(&cx, b"/theirs", 0o777, Follow::Yes)
            .unwrap();
        world
    }

    /// The context of a call, as the kernel makes it.
    fn cx<'a>(&'a self, caller: Caller<'a>) -> Context<'a> {
        caller.act();
        Context {
            root: &self.root,
            cwd: &self.root,
            caller,
            umask: 0,
            now: NOW,
            scope: Scope::Everywhere,
        }
    }

    fn status(&self) -> FileSystemStatus {
        self.ext2.status().unwrap()
    }

    fn open(&self, who: Caller<'_>, path: &str) -> Result<Location> {
        let opened = self
            .vfs
            .open(&self.cx(who), path.as_bytes(), O_CREAT | O_RDWR, 0o666);
        opened.map(|opened| opened.location)
    }

    fn mkdir(&self, who: Caller<'_>, path: &str) -> Result<Location> {
        self.vfs.mkdir(&self.cx(who), path.as_bytes(), 0o777)
    }

    fn symlink(&self, who: Caller<'_>, len: usize, path: &str) -> Result<Location> {
        let target = vec![b'y'; len];
        self.vfs.symlink(&self.cx(who), &target, path.as_bytes())
    }

    fn rename(&self, old: &str, new: &str) -> Result<()> {
        let cx = self.cx(Caller::ROOT);
        self.vfs
            .rename((&cx, old.as_bytes()), (&cx, new.as_bytes()), 0)
    }

    fn set_xattr(&self, who: Caller<'_>, path: &str, value: &[u8]) -> Result<()> {
        let found = self.vfs.walk(&self.cx(who), path.as_bytes(), Follow::No)?;
        xattr::set(&who, &found, b"user.a", Some(value), XattrMode::Any, NOW)
    }

    /// Writes `len` bytes behind the end of a file: how many it took.
    fn append(&self, who: Caller<'_>, path: &str, len: usize) -> Result<usize> {
        let file = self.open(who, path)?;
        who.act();
        let bytes = vec![b'x'; len];
        let (_, count) = file.inode.append(&mut bytes.as_slice(), NOW)?;
        Ok(count)
    }

    /// Writes until the answer is `ENOSPC`: bytes in all, and those of the last write if it was cut.
    fn fill(&self, who: Caller<'_>, path: &str, len: usize) -> (usize, Option<usize>) {
        let (mut total, mut last) = (0, None);
        loop {
            match self.append(who, path, len) {
                Ok(count) => {
                    total = count.saturating_add(total);
                    last = (count < len).then_some(count);
                }
                Err(error) => {
                    assert_eq!(error.errno, Errno::ENOSPC);
                    return (total, last);
                }
            }
        }
    }

    /// Unmounts, and looks at what is on the disk.
    fn end(self) {
        let Self {
            disk,
            ext2,
            vfs,
            root,
        } = self;
        drop(root);
        vfs.shut_down(NOW).unwrap();
        drop((vfs, ext2));
        let mut bytes = vec![0; usize::try_from(disk.len_bytes()).unwrap()];
        disk.read(0, &mut bytes).unwrap();
        assert_clean(&bytes);
    }
}

#[track_caller]
fn assert_no_space<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.unwrap_err().errno, Errno::ENOSPC);
}

#[test]
fn the_last_blocks_are_the_superusers() {
    for block_size in ["1024", "4096"] {
        let world = World::new(block_size);
        let before = world.status();
        let reserved = before.nr_free - before.nr_available;
        assert!(reserved > 0);
        let (total, _) = world.fill(USER, "/theirs/file", 70_000);
        assert!(total > 4 << 20);
        let status = world.status();
        assert_eq!((status.nr_available, status.nr_free), (0, reserved));

        assert_no_space(world.append(USER, "/theirs/more", 100));
        assert_no_space(world.mkdir(USER, "/theirs/folder"));
        assert_no_space(world.symlink(USER, 200, "/theirs/long"));
        world.symlink(USER, 10, "/theirs/short").unwrap();
        assert_no_space(world.set_xattr(USER, "/theirs/file", &[1; 900]));
        assert_eq!(world.status(), {
            // Names and short links need no block.
            FileSystemStatus {
                nr_free_inodes: status.nr_free_inodes - 2,
                ..status
            }
        });

        world.mkdir(Caller::ROOT, "/ours/folder").unwrap();
        world
            .set_xattr(Caller::ROOT, "/theirs/file", &[1; 900])
            .unwrap();
        let (total, _) = world.fill(Caller::ROOT, "/ours/file", 70_000);
        assert!(total > 0);
        assert_eq!(world.status().nr_free, 0);
        // What is there may change.
        let file = world.open(USER, "/theirs/file").unwrap();
        let changed = file.inode.write_at(5000, &mut [7; 9000].as_slice(), NOW);
        assert_eq!(changed, Ok(9000));
        drop(file);
        world.end();
    }
}

#[test]
fn the_owner_of_the_reserve_is_who_the_disk_says() {
    let image = mke2fs(&["-b", "1024", "-m", "10", "-N", "64"], 2 << 10, None);
    let mut image = image;
    // s_def_resuid
    image[1024 + 80..1024 + 82].copy_from_slice(&1000_u16.to_le_bytes());
    let options = MountOptions {
        now: NOW,
        ..MountOptions::default()
    };
    let ext2 = Ext2Fs::mount(Box::new(MemDisk::new(image)), options).unwrap();
    let file = ext2
        .root()
        .create(
            b"file",
            &fs::vfs::inode::NewNode::Regular,
            &fs::vfs::inode::NewAttributes {
                permissions: 0o666,
                uid: 1000,
                gid: 1000,
                time: NOW,
            },
        )
        .unwrap();
    let other = Caller { uid: 1001, ..USER };
    other.act();
    let bytes = vec![1; 4 << 20];
    let (_, written) = file.append(&mut bytes.as_slice(), NOW).unwrap();
    assert!(written > 0);
    assert_eq!(ext2.status().unwrap().nr_available, 0);
    assert_no_space(file.append(&mut bytes.as_slice(), NOW));
    USER.act();
    assert!(file.append(&mut bytes.as_slice(), NOW).unwrap().1 > 0);
    assert_eq!(ext2.status().unwrap().nr_free, 0);
}

#[test]
fn a_write_takes_what_fits_and_the_next_one_answers() {
    for block_size in [1024, 4096] {
        let world = World::new(&block_size.to_string());
        world.fill(Caller::ROOT, "/ours/file", 70_000);
        let cx = world.cx(Caller::ROOT);
        let size = world
            .vfs
            .stat(&cx, b"/ours/file", Follow::Yes)
            .unwrap()
            .size;
        let room = 8 * block_size;
        let short = size - u64::try_from(room).unwrap();
        world.vfs.truncate(&cx, b"/ours/file", short).unwrap();
        // One block, or two, of the freed ones lead to others.
        let count = world.append(Caller::ROOT, "/ours/other", 100_000).unwrap();
        assert!(
            count <= room && count.is_multiple_of(block_size) && count >= room - 2 * block_size
        );
        assert_no_space(world.append(Caller::ROOT, "/ours/other", 1));
        assert_eq!(world.status().nr_free, 0);
        // Growing by a hole takes nothing.
        world.vfs.truncate(&cx, b"/ours/other", 1 << 20).unwrap();
        let file = world.open(Caller::ROOT, "/ours/other").unwrap();
        assert_no_space(file.inode.write_at(1 << 19, &mut [1].as_slice(), NOW));
        assert_eq!(file.metadata().unwrap().size, 1 << 20);
        drop(file);
        world.end();
    }
}

#[test]
fn names_stay_where_they_are_when_a_folder_cannot_grow() {
    for block_size in ["1024", "4096"] {
        let world = World::new(block_size);
        let root = Caller::ROOT;
        world.open(root, "/ours/file").unwrap();
        world.mkdir(root, "/ours/folder").unwrap();
        world.mkdir(root, "/ours/folder/inner").unwrap();
        world.fill(root, "/theirs/file", 70_000);
        let cx = world.cx(root);
        let links = (0..1000).find(|number| {
            let name = format!("/ours/{number:0200}");
            let linked = world
                .vfs
                .link((&cx, b"/ours/file"), (&cx, name.as_bytes()), Follow::No);
            linked.is_err_and(|error| error.errno == Errno::ENOSPC)
        });
        let links = u32::try_from(links.unwrap()).unwrap();
        let of_file = |path: &str| world.vfs.stat(&cx, path.as_bytes(), Follow::No).unwrap();
        assert_eq!(of_file("/ours/file").nr_links, 1 + links);

        let long = format!("/ours/{:0250}", 1);
        assert_no_space(world.mkdir(root, &long));
        assert_no_space(world.open(root, &long));
        assert_no_space(world.symlink(root, 5, &long));
        assert_no_space(world.rename("/ours/folder/inner", &long));
        assert_no_space(world.rename("/ours/file", &long));
        assert_eq!(of_file("/ours/file").nr_links, 1 + links);
        assert_eq!(of_file("/ours/folder").nr_links, 3);
        world
            .vfs
            .stat(&cx, b"/ours/folder/inner", Follow::No)
            .unwrap();
        // Over a name that is there nothing has to grow.
        world.rename("/ours/folder/inner", "/theirs/inner").unwrap();
        world
            .vfs
            .unlink(&cx, format!("/ours/{:0200}", 0).as_bytes())
            .unwrap();
        world
            .rename("/ours/folder", &format!("/ours/{:0200}", 0))
            .unwrap();
        world.end();
    }
}

#[test]
fn no_inode_is_left() {
    let world = World::new("1024");
    let root = Caller::ROOT;
    world.mkdir(root, "/many").unwrap();
    let made = (0..1000).find(|number| {
        let file = world.open(root, &format!("/many/{number}"));
        file.is_err_and(|error| error.errno == Errno::ENOSPC)
    });
    assert!(made.is_some());
    let before = world.status();
    assert_eq!(before.nr_free_inodes, 0);
    assert_no_space(world.mkdir(root, "/many/folder"));
    assert_no_space(world.symlink(root, 5, "/many/link"));
    let cx = world.cx(root);
    world
        .vfs
        .link((&cx, b"/many/1"), (&cx, b"/many/other"), Follow::No)
        .unwrap();
    assert_eq!(world.status(), before);
    world.end();
}
