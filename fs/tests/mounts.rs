//! Mounts that move, and mounts and disks that become read-only and writable again: what a call answers
//! is what Linux 6.18 answers, and what is on the disk then is what `e2fsck`, `dumpe2fs` and our checker want.

#![cfg(test)]

mod common;

use std::sync::Arc;

use abi::Errno;
use abi::flags::{
    MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NOEXEC, MS_RDONLY, MS_REMOUNT, O_CREAT, O_RDONLY,
    O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY,
};
use common::{NOW, Scratch, SharedDisk, StdFiles, assert_clean, ext2_image, mke2fs, tool};
use executor::sync::Lock;
use fs::ext2_mount::Ext2Fs;
use fs::hostfs::{HostFs, HostOptions};
use fs::tmpfs::TmpFs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::FileSystem;
use fs::vfs::mount::MountCall;
use fs::vfs::path::Location;
use fs::vfs::{Caller, Context, Follow, Opened, Scope, Vfs};
use fs_block::{BlockDevice, MemDisk};
use fs_ext2::MountOptions;

/// The superuser, in a tree with `/t`, `/m` and `/b` on a tmpfs.
struct World {
    vfs: Vfs,
    root: Location,
}

impl World {
    fn new() -> Self {
        let vfs = Vfs::new(Arc::new(NoDevices));
        let root = Arc::new(TmpFs::new(1 << 24, NOW).unwrap());
        let root = vfs.mount_root(root, b"root", 0).unwrap();
        let world = Self { vfs, root };
        for name in ["/t", "/m", "/b"] {
            world.mkdir(name);
        }
        world
    }

    fn cx(&self) -> Context<'_> {
        Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller::ROOT,
            umask: 0o022,
            now: NOW,
            scope: Scope::Everywhere,
        }
    }

    fn mount(&self, source: &str, target: &str, flags: u32, data: &str) -> Result<(), Errno> {
        let call = MountCall {
            source: source.as_bytes(),
            target: target.as_bytes(),
            type_name: b"tmpfs",
            flags,
            data: data.as_bytes(),
        };
        let mounted = self.vfs.mount(&self.cx(), &call);
        mounted.map(drop).map_err(|error| error.errno)
    }

    /// Shows a file system at a path.
    fn mount_at(&self, file_system: Arc<dyn FileSystem>, path: &str, flags: u32) {
        let at = self.walk(path).unwrap();
        self.vfs
            .mount_at(file_system, &at, b"disk", flags)
            .map(drop)
            .unwrap();
    }

    fn remount(&self, target: &str, flags: u32) -> Result<(), Errno> {
        self.mount("", target, MS_REMOUNT | flags, "")
    }

    fn umount(&self, target: &str) -> Result<(), Errno> {
        let ended = self.vfs.umount(&self.cx(), target.as_bytes(), 0);
        ended.map_err(|error| error.errno)
    }

    fn walk(&self, path: &str) -> Result<Location, Errno> {
        let found = self.vfs.walk(&self.cx(), path.as_bytes(), Follow::No);
        found.map_err(|error| error.errno)
    }

    fn mkdir(&self, path: &str) {
        self.vfs.mkdir(&self.cx(), path.as_bytes(), 0o755).unwrap();
    }

    fn open(&self, path: &str, flags: u32) -> Result<Opened, Errno> {
        let opened = self.vfs.open(&self.cx(), path.as_bytes(), flags, 0o644);
        opened.map_err(|error| error.errno)
    }

    /// Makes a file, or opens it for writing.
    fn touch(&self, path: &str) -> Result<(), Errno> {
        self.open(path, O_CREAT | O_RDWR).map(drop)
    }

    fn unlink(&self, path: &str) -> Result<(), Errno> {
        let removed = self.vfs.unlink(&self.cx(), path.as_bytes());
        removed.map_err(|error| error.errno)
    }

    /// The options of the mount at a path in `/proc/mounts`, and in `/proc/PID/mountinfo` with the file system's.
    fn options(&self, path: &str) -> (String, String) {
        let find = |text: Vec<u8>, place: usize| {
            let text = String::from_utf8(text).unwrap();
            let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            let mut found = words.filter(|words| words[place] == path);
            let words = found.next_back().unwrap();
            match place {
                1 => words[3].to_owned(),
                _ => format!("{} {}", words[5], words[9]),
            }
        };
        (
            find(self.vfs.mounts_text(&self.root), 1),
            find(self.vfs.mountinfo_text(&self.root), 4),
        )
    }
}

#[test]
fn a_mount_moves_with_all_that_is_in_it() {
    let w = World::new();
    w.touch("/f").unwrap();
    w.mount("none", "/t", 0, "").unwrap();
    w.mkdir("/t/in");
    w.mkdir("/t/in/d");
    w.mount("none", "/t/in/d", 0, "").unwrap();
    w.touch("/t/in/d/deep").unwrap();
    let held = w.walk("/t/in/d/deep").unwrap();
    let moved = |source: &str, target: &str| w.mount(source, target, MS_MOVE, "");
    assert_eq!(moved("/t/in", "/m"), Err(Errno::EINVAL));
    assert_eq!(moved("/t", "/f"), Err(Errno::EINVAL));
    assert_eq!(moved("", "/m"), Err(Errno::EINVAL));
    for inside in ["/t", "/t/in", "/t/in/d"] {
        assert_eq!(moved("/t", inside), Err(Errno::ELOOP));
        assert_eq!(moved("/", inside), Err(Errno::ELOOP));
    }
    assert_eq!(moved("/t", "/missing"), Err(Errno::ENOENT));
    assert_eq!(moved("/missing", "/m"), Err(Errno::ENOENT));
    moved("/t", "/m").unwrap();
    assert_eq!(held.path(&w.root), b"/m/in/d/deep");
    assert!(w.walk("/m/in/d/deep").unwrap().is_same(&held));
    assert_eq!(w.walk("/t/in").unwrap_err(), Errno::ENOENT);
    // What it covered is free, what it covers is not.
    w.vfs.rmdir(&w.cx(), b"/t").unwrap();
    let busy = w.vfs.rmdir(&w.cx(), b"/m").unwrap_err();
    assert_eq!(busy.errno, Errno::EBUSY);
    assert_eq!(w.umount("/m"), Err(Errno::EBUSY));
    drop(held);
    // Out of what it is mounted in, over another one, and back to the start.
    moved("/m/in/d", "/b").unwrap();
    moved("/m", "/b").unwrap();
    assert!(w.walk("/b/in/d").is_ok());
    w.umount("/b").unwrap();
    assert!(w.walk("/b/deep").is_ok());
    moved("/b", "/m").unwrap();
    w.umount("/m").unwrap();
    assert_eq!(
        w.vfs
            .mounts_text(&w.root)
            .iter()
            .filter(|&&b| b == b'\n')
            .count(),
        1
    );
}

#[test]
fn a_file_moves_to_files_only() {
    let w = World::new();
    for name in ["/f", "/g", "/h"] {
        w.touch(name).unwrap();
    }
    w.mount("/f", "/g", MS_BIND, "").unwrap();
    assert_eq!(w.mount("/g", "/m", MS_MOVE, ""), Err(Errno::EINVAL));
    w.mount("/g", "/h", MS_MOVE, "").unwrap();
    let removed = w.walk("/g").unwrap();
    w.unlink("/g").unwrap();
    assert_eq!(w.unlink("/h"), Err(Errno::EBUSY));
    assert!(removed.is_deleted());
    w.umount("/h").unwrap();
}

#[test]
fn a_bind_mount_is_read_only_by_itself() {
    let w = World::new();
    w.mount("none", "/m", 0, "").unwrap();
    w.mkdir("/m/in");
    // As on Linux, a new one has the flags of its origin.
    w.mount("/m", "/b", MS_BIND | MS_RDONLY, "").unwrap();
    w.touch("/b/x").unwrap();
    let bind = MS_BIND | MS_RDONLY;
    let writer = w.open("/b/x", O_WRONLY).unwrap();
    assert_eq!(w.remount("/b", bind), Err(Errno::EBUSY));
    drop(writer);
    let elsewhere = w.open("/m/x", O_WRONLY).unwrap();
    let reader = w.open("/b/x", O_RDONLY).unwrap();
    w.remount("/b", bind | MS_NODEV).unwrap();
    for flags in [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC] {
        assert_eq!(w.open("/b/x", flags).unwrap_err(), Errno::EROFS);
    }
    assert_eq!(w.open("/b", O_TMPFILE | O_RDWR).unwrap_err(), Errno::EROFS);
    assert_eq!(w.touch("/b/y"), Err(Errno::EROFS));
    assert_eq!(w.unlink("/b/x"), Err(Errno::EROFS));
    w.touch("/m/y").unwrap();
    let text = |mount: &str, both: &str| (mount.to_owned(), both.to_owned());
    assert_eq!(
        w.options("/b"),
        text("ro,nodev,relatime", "ro,nodev,relatime rw")
    );
    assert_eq!(w.options("/m"), text("rw,relatime", "rw,relatime rw"));
    for flags in [MS_RDONLY, bind] {
        assert_eq!(w.remount("/m/in", flags), Err(Errno::EINVAL));
    }
    // Now the file system: who writes elsewhere is in the way.
    assert_eq!(w.remount("/b", MS_RDONLY), Err(Errno::EBUSY));
    assert_eq!(
        w.options("/b"),
        text("ro,nodev,relatime", "ro,nodev,relatime rw"),
        "as before"
    );
    drop((elsewhere, reader));
    w.remount("/m", MS_RDONLY | MS_NOEXEC).unwrap();
    w.remount("/b", MS_BIND).unwrap();
    for path in ["/m/z", "/b/z"] {
        assert_eq!(w.touch(path), Err(Errno::EROFS));
    }
    assert_eq!(w.options("/b"), text("ro,relatime", "rw,relatime ro"));
    w.remount("/m", MS_NOATIME).unwrap();
    for path in ["/m/z", "/b/z"] {
        w.touch(path).unwrap();
    }
    w.remount("/m", 0).unwrap();
    assert_eq!(w.options("/m"), text("rw,noatime", "rw,noatime rw"));
}

#[test]
fn a_mount_that_begins_read_only_becomes_writable() {
    let w = World::new();
    w.mount("none", "/m", MS_RDONLY, "").unwrap();
    w.mount("/m", "/b", MS_BIND, "").unwrap();
    w.remount("/b", 0).unwrap();
    w.touch("/b/x").unwrap();
    assert_eq!(w.touch("/m/x"), Err(Errno::EROFS), "this mount still is");
    w.remount("/m", MS_BIND).unwrap();
    w.touch("/m/x").unwrap();
}

#[test]
fn a_tmpfs_takes_another_size() {
    let w = World::new();
    w.mount("none", "/m", 0, "size=64k").unwrap();
    w.touch("/m/f").unwrap();
    let write = |len: usize| {
        let bytes = vec![1; len];
        let file = w.walk("/m/f").unwrap().inode;
        file.write_at(0, &mut &bytes[..], NOW)
    };
    assert!(write(100 << 10).is_ok_and(|moved| moved < 100 << 10));
    let resize = |data: &str| w.mount("", "/m", MS_REMOUNT, data);
    resize("size=200k").unwrap();
    assert_eq!(write(100 << 10).unwrap(), 100 << 10);
    assert_eq!(resize("size=64k"), Err(Errno::EINVAL));
    assert_eq!(resize("size=junk"), Err(Errno::EINVAL));
    let status = w.walk("/m").unwrap().mount.file_system().status().unwrap();
    assert_eq!(status.nr_blocks, 50);
}

#[test]
fn a_folder_that_is_shown_read_only_stays_so() {
    let scratch = Scratch::new();
    let path = scratch.path().as_os_str().as_encoded_bytes();
    let options = HostOptions {
        is_read_only: true,
        ..HostOptions::default()
    };
    let host = HostFs::new(Arc::new(StdFiles::default()), path, options).unwrap();
    let w = World::new();
    w.mount_at(Arc::new(host), "/m", MS_RDONLY);
    assert_eq!(w.remount("/m", 0), Err(Errno::EROFS));
    w.remount("/m", MS_RDONLY | MS_NODEV).unwrap();
    assert_eq!(w.options("/m").0, "ro,nodev,relatime");
}

/// What `dumpe2fs` says of a disk: its state and its number of mounts.
fn state(disk: &SharedDisk) -> String {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image(disk)).unwrap();
    let (is_ok, text) = tool("dumpe2fs", &["-h", path.to_str().unwrap()]);
    assert!(is_ok, "{text}");
    let value = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.unwrap().trim().to_owned()
    };
    let count = value("Mount count:");
    format!("{}, {count}", value("Filesystem state:"))
}

fn image(disk: &SharedDisk) -> Vec<u8> {
    let disk = disk.0.lock();
    let mut bytes = vec![0; usize::try_from(disk.len_bytes()).unwrap()];
    disk.read(0, &mut bytes).unwrap();
    bytes
}

fn shared(image: Vec<u8>) -> SharedDisk {
    SharedDisk(Arc::new(Lock::new(MemDisk::new(image))))
}

fn ext2(disk: &SharedDisk, read_only: bool) -> Arc<Ext2Fs> {
    let options = MountOptions {
        read_only,
        now: NOW,
        ..MountOptions::default()
    };
    Arc::new(Ext2Fs::mount(Box::new(disk.clone()), options).unwrap())
}

/// With an orphan's list, and without (revision 0).
#[test]
fn a_disk_is_clean_while_it_is_read_only() {
    let old = mke2fs(&["-b", "1024", "-r", "0"], 1 << 10, None);
    for image_before in [ext2_image(1 << 10), old] {
        let disk = shared(image_before);
        let w = World::new();
        w.mount_at(ext2(&disk, false), "/m", 0);
        w.mount("/m", "/b", MS_BIND, "").unwrap();
        assert_eq!(state(&disk), "not clean, 1");

        let writer = w.open("/b/f", O_CREAT | O_WRONLY).unwrap();
        let inode = Arc::clone(&writer.location.inode);
        inode.write_at(0, &mut &b"contents"[..], NOW).unwrap();
        assert_eq!(w.remount("/m", MS_RDONLY), Err(Errno::EBUSY));
        drop((writer, inode));
        // A file that goes when it is closed.
        w.touch("/m/gone").unwrap();
        let reader = w.open("/m/gone", O_RDONLY).unwrap();
        w.unlink("/m/gone").unwrap();
        assert_eq!(w.remount("/m", MS_RDONLY), Err(Errno::EBUSY));
        assert_eq!(state(&disk), "not clean, 1");
        drop(reader);
        let open = w.open("/m/f", O_RDONLY).unwrap();
        w.remount("/m", MS_RDONLY).unwrap();
        assert_eq!(state(&disk), "clean, 1");
        assert_clean(&image(&disk));
        assert_eq!(w.touch("/b/new"), Err(Errno::EROFS));
        let past = open.location.inode.write_at(0, &mut &b"no"[..], NOW);
        assert_eq!(past.unwrap_err().errno, Errno::EROFS);
        w.remount("/m", MS_RDONLY).unwrap();

        w.remount("/m", 0).unwrap();
        w.remount("/m", 0).unwrap();
        assert_eq!(state(&disk), "not clean, 2");
        w.touch("/b/new").unwrap();
        drop(open);
        w.remount("/m", MS_RDONLY).unwrap();
        assert_clean(&image(&disk));
        w.umount("/b").unwrap();
        w.umount("/m").unwrap();
        assert_eq!(state(&disk), "clean, 2");

        // And one that begins so.
        w.mount_at(ext2(&disk, true), "/m", MS_RDONLY);
        assert_eq!(state(&disk), "clean, 2");
        w.remount("/m", 0).unwrap();
        assert_eq!(state(&disk), "not clean, 3");
        assert!(w.walk("/m/new").is_ok());
        w.unlink("/m/new").unwrap();
        w.umount("/m").unwrap();
        assert_eq!(state(&disk), "clean, 3");
        assert_clean(&image(&disk));
    }
}

/// What a crash left is freed when the disk is written again, and a disk that was not clean does not become so.
#[test]
fn a_disk_with_a_past_is_written_again() {
    let disk = shared(ext2_image(1 << 10));
    let w = World::new();
    w.mount_at(ext2(&disk, false), "/m", 0);
    w.touch("/m/orphan").unwrap();
    let held = w.open("/m/orphan", O_RDONLY).unwrap();
    w.unlink("/m/orphan").unwrap();
    w.vfs.sync().unwrap();
    let crashed = shared(image(&disk));
    drop(held);

    w.mount_at(ext2(&crashed, true), "/b", MS_RDONLY);
    let free = |path: &str| {
        let at = w.walk(path).unwrap();
        at.mount.file_system().status().unwrap().nr_free_inodes
    };
    let before = free("/b");
    w.remount("/b", 0).unwrap();
    assert_eq!(free("/b"), before + 1);
    w.remount("/b", MS_RDONLY).unwrap();
    assert_eq!(state(&crashed), "not clean, 2");
}
