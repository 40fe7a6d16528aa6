//! Random calls on each kind of file system, compared with a tree of plain maps.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::allow_attributes,
    reason = "helpers of tests"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::Errno;
use abi::flags::{
    O_CREAT, O_EXCL, O_TMPFILE, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT,
};
use common::{NOW, Random, Scratch, SharedDisk, StdFiles, assert_clean, ext2_image};
use fs::ext2_mount::Ext2Fs;
use fs::hostfs::{HostFs, HostOptions};
use fs::io::VecSink;
use fs::tmpfs::TmpFs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::{FileSystem, FileType};
use fs::vfs::path::Location;
use fs::vfs::{Caller, Context, Follow, Scope, Vfs};
use fs_block::{BlockDevice, MemDisk};
use fs_ext2::MountOptions;

/// What a path stands for; a file's bytes are kept by number, so that it can have many names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
    Link,
}

/// Where all symbolic links lead.
const NOWHERE: &[u8] = b"nowhere";

/// The tree as it should be: paths like `/a/b` and what they stand for.
#[derive(Default)]
struct Model {
    nodes: BTreeMap<String, Node>,
    files: Vec<Vec<u8>>,
}

type Answer = Result<(), Errno>;

fn parent(path: &str) -> &str {
    path.rsplit_once('/').unwrap().0
}

impl Model {
    fn get(&self, path: &str) -> Option<Node> {
        if path.is_empty() {
            Some(Node::Directory)
        } else {
            self.nodes.get(path).cloned()
        }
    }

    /// Whether the walk to the last component works.
    fn walk(&self, path: &str) -> Answer {
        for (end, _) in path.match_indices('/').skip(1) {
            match self.get(&path[..end]) {
                Some(Node::Directory) => {}
                Some(Node::File(_)) => return Err(Errno::ENOTDIR),
                Some(Node::Link) | None => return Err(Errno::ENOENT),
            }
        }
        Ok(())
    }

    fn below(&self, path: &str) -> Vec<String> {
        let start = format!("{path}/");
        self.nodes
            .keys()
            .filter(|other| other.starts_with(&start))
            .cloned()
            .collect()
    }

    fn make(&mut self, path: &str, node: Node) -> Answer {
        self.walk(path)?;
        if self.get(path).is_some() {
            return Err(Errno::EEXIST);
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<&mut Vec<u8>, Errno> {
        self.walk(path)?;
        match self.get(path) {
            Some(Node::File(number)) => Ok(&mut self.files[number]),
            Some(Node::Directory) => Err(Errno::EISDIR),
            Some(Node::Link) | None => Err(Errno::ENOENT),
        }
    }

    fn unlink(&mut self, path: &str) -> Answer {
        self.walk(path)?;
        match self.get(path).ok_or(Errno::ENOENT)? {
            Node::Directory => return Err(Errno::EISDIR),
            _ => self.nodes.remove(path),
        };
        Ok(())
    }

    fn rmdir(&mut self, path: &str) -> Answer {
        self.walk(path)?;
        if self.get(path).ok_or(Errno::ENOENT)? != Node::Directory {
            return Err(Errno::ENOTDIR);
        }
        if !self.below(path).is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.nodes.remove(path);
        Ok(())
    }

    fn link(&mut self, old: &str, new: &str) -> Answer {
        self.walk(old)?;
        let node = self.get(old).ok_or(Errno::ENOENT)?;
        self.walk(new)?;
        if self.get(new).is_some() {
            return Err(Errno::EEXIST);
        }
        match node {
            Node::Directory => return Err(Errno::EPERM),
            // Links to links would have to count names, too: not in this model.
            Node::Link => return Err(Errno::ENOSYS),
            Node::File(_) => self.nodes.insert(new.to_owned(), node),
        };
        Ok(())
    }

    fn take_tree(&mut self, path: &str) -> Vec<(String, Node)> {
        let mut tree = vec![(String::new(), self.nodes.remove(path).unwrap())];
        for below in self.below(path) {
            let node = self.nodes.remove(&below).unwrap();
            tree.push((below[path.len()..].to_owned(), node));
        }
        tree
    }

    fn put_tree(&mut self, path: &str, tree: Vec<(String, Node)>) {
        for (rest, node) in tree {
            self.nodes.insert(format!("{path}{rest}"), node);
        }
    }

    fn rename(&mut self, old: &str, new: &str, flags: u32) -> Answer {
        self.walk(old)?;
        self.walk(new)?;
        let source = self.get(old).ok_or(Errno::ENOENT)?;
        let target = self.get(new);
        if flags == RENAME_NOREPLACE && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if flags == RENAME_EXCHANGE && target.is_none() {
            return Err(Errno::ENOENT);
        }
        let is_in =
            |inner: &str, outer: &str| inner == outer || inner.starts_with(&format!("{outer}/"));
        if source == Node::Directory && is_in(parent(new), old) {
            return Err(Errno::EINVAL);
        }
        if target == Some(Node::Directory) && is_in(parent(old), new) {
            return Err(if flags == RENAME_EXCHANGE {
                Errno::EINVAL
            } else {
                Errno::ENOTEMPTY
            });
        }
        let is_same_file = matches!(source, Node::File(_)) && target.as_ref() == Some(&source);
        if old == new || is_same_file {
            return Ok(());
        }
        if flags == RENAME_EXCHANGE {
            let (a, b) = (self.take_tree(old), self.take_tree(new));
            self.put_tree(new, a);
            self.put_tree(old, b);
            return Ok(());
        }
        match (&source, &target) {
            (Node::Directory, Some(Node::File(_) | Node::Link)) => return Err(Errno::ENOTDIR),
            (Node::File(_) | Node::Link, Some(Node::Directory)) => return Err(Errno::EISDIR),
            (_, Some(Node::Directory)) if !self.below(new).is_empty() => {
                return Err(Errno::ENOTEMPTY);
            }
            _ => {}
        }
        let tree = self.take_tree(old);
        self.nodes.remove(new);
        self.put_tree(new, tree);
        Ok(())
    }
}

struct World {
    vfs: Vfs,
    root: Location,
    model: Model,
    random: Random,
    /// How many of the three ways to rename there are.
    nr_rename_modes: usize,
    /// Whether directories count links as Unix does.
    counts_links: bool,
}

impl World {
    fn new(file_system: Arc<dyn FileSystem>, seed: u64) -> Self {
        let vfs = Vfs::new(Arc::new(NoDevices));
        let root = vfs.mount_root(file_system, b"root", 0).unwrap();
        let random = Random::new(seed);
        Self {
            vfs,
            root,
            model: Model::default(),
            random,
            nr_rename_modes: 3,
            counts_links: true,
        }
    }

    fn cx(&self) -> Context<'_> {
        Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller::ROOT,
            umask: 0,
            now: NOW,
            scope: Scope::Everywhere,
        }
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.random.below(3);
        (0..depth)
            .map(|_| ["/a", "/b", "/c"][self.random.below(3)])
            .collect()
    }

    /// One random call on both sides.
    fn step(&mut self) {
        let (path, other) = (self.path(), self.path());
        let which = self.random.below(12);
        let (at, len) = (self.random.below(70_000), self.random.below(9_000));
        let mode = [0, RENAME_NOREPLACE, RENAME_EXCHANGE][self.random.below(self.nr_rename_modes)];
        let byte = u8::try_from(self.random.below(256)).unwrap();
        let cx = Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller::ROOT,
            umask: 0,
            now: NOW,
            scope: Scope::Everywhere,
        };
        let (vfs, model, p) = (&self.vfs, &mut self.model, path.as_bytes());
        let (expected, found) = match which {
            0 | 1 => (
                model.make(&path, Node::Directory),
                vfs.mkdir(&cx, p, 0o755).map(drop),
            ),
            2 | 3 => {
                let made = model.make(&path, Node::File(model.files.len()));
                if made.is_ok() {
                    model.files.push(Vec::new());
                }
                (
                    made,
                    vfs.open(&cx, p, O_CREAT | O_EXCL | O_WRONLY, 0o644)
                        .map(drop),
                )
            }
            4 | 5 => {
                let bytes = vec![byte; len];
                let expected = model.file(&path).map(|file| {
                    if len > 0 {
                        let size = file.len().max(at + len);
                        file.resize(size, 0);
                        file[at..at + len].copy_from_slice(&bytes);
                    }
                });
                let found = vfs.open(&cx, p, O_WRONLY, 0).and_then(|opened| {
                    let offset = u64::try_from(at).unwrap();
                    let written =
                        opened
                            .location
                            .inode
                            .write_at(offset, &mut bytes.as_slice(), NOW)?;
                    assert_eq!(written, len);
                    Ok(())
                });
                (expected, found)
            }
            6 => {
                let expected = model.file(&path).map(|file| file.resize(at, 0));
                (expected, vfs.truncate(&cx, p, u64::try_from(at).unwrap()))
            }
            7 => (model.unlink(&path), vfs.unlink(&cx, p)),
            8 => (model.rmdir(&path), vfs.rmdir(&cx, p)),
            9 => (
                model.make(&path, Node::Link),
                vfs.symlink(&cx, NOWHERE, p).map(drop),
            ),
            10 => {
                let expected = model.link(&path, &other);
                if expected == Err(Errno::ENOSYS) {
                    return;
                }
                (
                    expected,
                    vfs.link((&cx, p), (&cx, other.as_bytes()), Follow::No),
                )
            }
            _ => {
                let found = vfs.rename((&cx, p), (&cx, other.as_bytes()), mode);
                (model.rename(&path, &other, mode), found)
            }
        };
        let found = found.map_err(|error| error.errno);
        assert_eq!(
            found, expected,
            "call {which} on {path} and {other}, mode {mode}"
        );
    }

    /// Compares all names, attributes and contents.
    fn compare(&self) {
        self.compare_directory("");
        for (path, node) in &self.model.nodes {
            let location = self
                .vfs
                .walk(&self.cx(), path.as_bytes(), Follow::No)
                .unwrap();
            assert_eq!(location.absolute_path(), path.as_bytes());
            let metadata = location.metadata().unwrap();
            match node {
                Node::Directory => {
                    self.compare_directory(path);
                    let is_child = |(other, node): &(&String, &Node)| {
                        parent(other) == path && **node == Node::Directory
                    };
                    let nr_links = 2 + self.model.nodes.iter().filter(is_child).count();
                    assert!(
                        !self.counts_links || metadata.nr_links == u32::try_from(nr_links).unwrap()
                    );
                }
                Node::File(number) => {
                    let expected = &self.model.files[*number];
                    let mut sink = VecSink::new(200_000);
                    location.inode.read_at(0, &mut sink).unwrap();
                    assert!(sink.bytes == *expected, "contents of {path}");
                    assert_eq!(metadata.size, u64::try_from(expected.len()).unwrap());
                    let nr_links = self
                        .model
                        .nodes
                        .values()
                        .filter(|other| *other == node)
                        .count();
                    assert_eq!(
                        metadata.nr_links,
                        u32::try_from(nr_links).unwrap(),
                        "{path}"
                    );
                }
                Node::Link => {
                    assert_eq!(metadata.file_type, FileType::Symlink);
                    assert_eq!(location.inode.read_link().unwrap(), NOWHERE);
                }
            }
        }
    }

    fn compare_directory(&self, path: &str) {
        let at = format!("{path}/");
        let location = self
            .vfs
            .walk(&self.cx(), at.as_bytes(), Follow::Yes)
            .unwrap();
        let mut names = Vec::new();
        let mut report = |entry: fs::vfs::inode::DirEntry<'_>| {
            names.push(format!("{at}{}", String::from_utf8_lossy(entry.name)));
            true
        };
        location.inode.read_dir(0, &mut report).unwrap();
        names.retain(|name| name != "/lost+found");
        names.sort();
        let expected: Vec<_> = self
            .model
            .nodes
            .keys()
            .filter(|other| parent(other) == path)
            .cloned()
            .collect();
        assert_eq!(names, expected, "names of {at}");
    }

    fn run(&mut self, nr_steps: usize) {
        for step in 1..=nr_steps {
            self.step();
            if step % 100 == 0 {
                self.compare();
            }
        }
        self.compare();
    }
}

#[test]
fn tmpfs_is_like_the_model() {
    for seed in 1..=5 {
        let tmpfs = Arc::new(TmpFs::new(1 << 30, NOW).unwrap());
        let mut world = World::new(tmpfs, seed * 0x9e37_79b9);
        world.run(4_000);
        for path in ["/a", "/b", "/c"] {
            remove_tree(&world, path);
        }
        let status = world.root.mount.file_system().status().unwrap();
        assert_eq!(status.nr_free, status.nr_blocks);
        assert_eq!(status.nr_free_inodes, status.nr_inodes - 1);
    }
}

fn remove_tree(world: &World, path: &str) {
    let mut all = world.model.below(path);
    all.insert(0, path.to_owned());
    for path in all
        .iter()
        .rev()
        .filter(|path| world.model.nodes.contains_key(*path))
    {
        let cx = world.cx();
        let removed = match world.model.nodes[path] {
            Node::Directory => world.vfs.rmdir(&cx, path.as_bytes()),
            _ => world.vfs.unlink(&cx, path.as_bytes()),
        };
        removed.unwrap();
    }
}

#[test]
fn ext2_is_like_the_model() {
    for seed in 1..=3 {
        let image = ext2_image(16 << 10);
        let disk = SharedDisk(Arc::new(executor::sync::Lock::new(MemDisk::new(image))));
        let mount = || {
            let options = MountOptions {
                cache_bytes: 1 << 20,
                ..MountOptions::default()
            };
            Arc::new(Ext2Fs::mount(Box::new(disk.clone()), options).unwrap())
        };
        let mut world = World::new(mount(), seed * 0x9e37_79b9);
        world.run(2_000);
        world.vfs.shut_down(NOW).unwrap();
        let mut bytes = vec![0; usize::try_from(disk.len_bytes()).unwrap()];
        disk.read(0, &mut bytes).unwrap();
        assert_clean(&bytes);
        let mut again = World::new(mount(), 1);
        again.model = world.model;
        again.compare();
    }
}

#[test]
fn a_folder_of_the_host_is_like_the_model() {
    let scratch = Scratch::new();
    let files = Arc::new(StdFiles::default());
    let path = scratch.path().as_os_str().as_encoded_bytes();
    let options = HostOptions {
        owner: Some((0, 0)),
        ..HostOptions::default()
    };
    let host = HostFs::new(Arc::<StdFiles>::clone(&files), path, options).unwrap();
    let mut world = World::new(Arc::new(host), 77);
    world.nr_rename_modes = 2;
    world.counts_links = false;
    world.run(1_500);
    assert_eq!(files.nr_open(), 0);
}

/// A whiteout is left by the kinds that have device files.
#[test]
fn whiteouts_are_left_or_refused() {
    let scratch = Scratch::new();
    let path = scratch.path().as_os_str().as_encoded_bytes();
    let disk = MemDisk::new(ext2_image(1 << 10));
    let kinds: [Arc<dyn FileSystem>; 3] = [
        Arc::new(TmpFs::new(1 << 20, NOW).unwrap()),
        Arc::new(Ext2Fs::mount(Box::new(disk), MountOptions::default()).unwrap()),
        Arc::new(HostFs::new(Arc::new(StdFiles::default()), path, HostOptions::default()).unwrap()),
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let world = World::new(kind, 1);
        let (vfs, cx) = (&world.vfs, world.cx());
        vfs.open(&cx, b"/a", O_CREAT | O_WRONLY, 0o644).unwrap();
        let renamed = vfs.rename((&cx, b"/a"), (&cx, b"/b"), RENAME_WHITEOUT);
        let left = vfs.stat(&cx, b"/a", Follow::No).unwrap();
        if number < 2 {
            renamed.unwrap();
            assert_eq!((left.file_type, left.rdev), (FileType::CharDevice, 0));
        } else {
            assert_eq!(renamed.unwrap_err().errno, Errno::EINVAL);
            assert_eq!(left.file_type, FileType::Regular);
        }
    }
}

/// The same for all kinds: a file without a name lives on, its directory can go.
#[test]
fn an_open_file_outlives_its_name() {
    let scratch = Scratch::new();
    let image = ext2_image(1 << 10);
    let files = Arc::new(StdFiles::default());
    let path = scratch.path().as_os_str().as_encoded_bytes();
    let kinds: [Arc<dyn FileSystem>; 3] = [
        Arc::new(TmpFs::new(1 << 20, NOW).unwrap()),
        Arc::new(Ext2Fs::mount(Box::new(MemDisk::new(image)), MountOptions::default()).unwrap()),
        Arc::new(HostFs::new(files, path, HostOptions::default()).unwrap()),
    ];
    for kind in kinds {
        let nr_free = kind.status().unwrap().nr_free;
        let world = World::new(Arc::clone(&kind), 1);
        let (vfs, cx) = (&world.vfs, world.cx());
        vfs.mkdir(&cx, b"/d", 0o755).unwrap();
        let file = vfs
            .open(&cx, b"/d/f", O_CREAT | O_WRONLY, 0o644)
            .unwrap()
            .location;
        file.inode
            .write_at(0, &mut [7; 5000].as_slice(), NOW)
            .unwrap();
        vfs.unlink(&cx, b"/d/f").unwrap();
        vfs.rmdir(&cx, b"/d").unwrap();
        assert_eq!(file.metadata().unwrap().nr_links, 0);
        assert_eq!(file.absolute_path(), b"/d/f (deleted)");
        file.inode
            .write_at(5000, &mut b"end".as_slice(), NOW)
            .unwrap();
        let mut sink = VecSink::new(10_000);
        file.inode.read_at(4999, &mut sink).unwrap();
        assert_eq!(sink.bytes, b"\x07end");
        let unnamed = vfs.open(&cx, b"/", O_TMPFILE | O_WRONLY, 0o644);
        if kind.type_name() != "hostfs" {
            let unnamed = unnamed.unwrap().location;
            let start = &mut [7; 5000].as_slice();
            unnamed.inode.write_at(0, start, NOW).unwrap();
            vfs.link_location(&unnamed, &cx, b"/name").unwrap();
            assert_eq!(unnamed.metadata().unwrap().nr_links, 1);
            vfs.unlink(&cx, b"/name").unwrap();
        }
        drop(file);
        assert_eq!(
            kind.status().unwrap().nr_free,
            nr_free,
            "{}",
            kind.type_name()
        );
    }
}

#[test]
fn hosts_answer_with_their_own_errors() {
    let scratch = Scratch::new();
    let files = Arc::new(StdFiles::default());
    let path = scratch.path().as_os_str().as_encoded_bytes();
    let options = HostOptions {
        is_read_only: true,
        ..HostOptions::default()
    };
    let host = HostFs::new(Arc::<StdFiles>::clone(&files), path, options).unwrap();
    let world = World::new(Arc::new(host), 1);
    std::fs::write(scratch.path().join("f"), "text").unwrap();
    let errno = |flags| {
        world
            .vfs
            .open(&world.cx(), b"/n", flags, 0)
            .unwrap_err()
            .errno
    };
    assert_eq!(errno(0), Errno::ENOENT);
    assert_eq!(errno(O_CREAT), Errno::EROFS);
    let file = world.vfs.walk(&world.cx(), b"/f", Follow::Yes).unwrap();
    let written = file.inode.write_at(0, &mut b"x".as_slice(), NOW);
    assert_eq!(written.unwrap_err().errno, Errno::EROFS);
    let before = file.inode.version();
    std::fs::write(scratch.path().join("f"), "longer text").unwrap();
    assert_ne!(file.inode.version(), before);
}
