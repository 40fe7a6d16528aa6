//! Random operations against a tree in memory: every result equal, every remount equal, and
//! `e2fsck -fn` content.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use std::collections::{BTreeMap, HashMap};

use common::{
    NOW, PLAIN, Random, assert_clean, list, mke2fs, mount_with_cache, read_all, read_some, unmount,
};
use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, FileType, InodeNo, NewNode, RenameMode, Result, SetAttributes};

type Id = usize;

/// An inode of the model.
#[derive(Clone, Debug)]
struct Node {
    kind: FileType,
    permissions: u16,
    nr_links: u32,
    bytes: Vec<u8>,
    children: BTreeMap<Vec<u8>, Id>,
    parent: Id,
}

/// What the disk should hold. Nodes are never removed, only unlinked.
struct Model {
    nodes: Vec<Node>,
    inodes: HashMap<Id, InodeNo>,
    /// Files held open, unlinked or not.
    held: Vec<Id>,
}

impl Model {
    fn new(fs: &mut Ext2<MemDisk>) -> Self {
        let found = fs.lookup(InodeNo::ROOT, b"lost+found").unwrap();
        let directory = |parent| Node {
            kind: FileType::Directory,
            permissions: 0o755,
            nr_links: 2,
            bytes: vec![],
            children: BTreeMap::new(),
            parent,
        };
        let mut root = directory(0);
        root.nr_links = 3;
        root.children.insert(b"lost+found".to_vec(), 1);
        let lost = Node {
            permissions: 0o700,
            ..directory(0)
        };
        let inodes = HashMap::from([(0, InodeNo::ROOT), (1, found)]);
        Self {
            nodes: vec![root, lost],
            inodes,
            held: vec![],
        }
    }

    fn living(&self, kind: Option<FileType>) -> Vec<Id> {
        let is_wanted = |node: &Node| kind.is_none_or(|kind| node.kind == kind);
        (0..self.nodes.len())
            .filter(|id| self.nodes[*id].nr_links > 0 && is_wanted(&self.nodes[*id]))
            .collect()
    }

    fn child(&self, dir: Id, name: &[u8]) -> Option<Id> {
        self.nodes[dir].children.get(name).copied()
    }

    fn is_below(&self, mut dir: Id, ancestor: Id) -> bool {
        while dir != ancestor && dir != 0 {
            dir = self.nodes[dir].parent;
        }
        dir == ancestor
    }

    fn is_directory(&self, id: Id) -> bool {
        self.nodes[id].kind == FileType::Directory
    }

    fn add(&mut self, dir: Id, name: &[u8], node: NewNode<'_>) -> Result<Id> {
        if self.child(dir, name).is_some() {
            return Err(Error::Exists);
        }
        let id = self.nodes.len();
        let is_directory = node.kind() == FileType::Directory;
        let bytes = if let NewNode::Symlink(target) = node {
            target.to_vec()
        } else {
            vec![]
        };
        self.nodes.push(Node {
            kind: node.kind(),
            permissions: 0o644,
            nr_links: if is_directory { 2 } else { 1 },
            bytes,
            children: BTreeMap::new(),
            parent: dir,
        });
        self.nodes[dir].nr_links += u32::from(is_directory);
        self.nodes[dir].children.insert(name.to_vec(), id);
        Ok(id)
    }

    fn link(&mut self, dir: Id, name: &[u8], target: Id) -> Result<()> {
        if self.is_directory(target) {
            return Err(Error::NotPermitted);
        }
        if self.child(dir, name).is_some() {
            return Err(Error::Exists);
        }
        self.nodes[target].nr_links += 1;
        self.nodes[dir].children.insert(name.to_vec(), target);
        Ok(())
    }

    fn remove(&mut self, dir: Id, name: &[u8], is_rmdir: bool) -> Result<()> {
        let id = self.child(dir, name).ok_or(Error::NotFound)?;
        match (self.is_directory(id), is_rmdir) {
            (true, false) => return Err(Error::IsDirectory),
            (false, true) => return Err(Error::NotDirectory),
            (true, true) if !self.nodes[id].children.is_empty() => return Err(Error::NotEmpty),
            _ => {}
        }
        self.nodes[dir].children.remove(name);
        self.drop_name(id);
        Ok(())
    }

    fn drop_name(&mut self, id: Id) {
        if self.is_directory(id) {
            self.nodes[id].nr_links = 0;
            let parent = self.nodes[id].parent;
            self.nodes[parent].nr_links -= 1;
        } else {
            self.nodes[id].nr_links -= 1;
        }
    }

    fn rename(&mut self, from: (Id, &[u8]), to: (Id, &[u8]), mode: RenameMode) -> Result<()> {
        let old = self.child(from.0, from.1).ok_or(Error::NotFound)?;
        let new = self.child(to.0, to.1);
        match (mode, new) {
            (RenameMode::NoReplace, Some(_)) => return Err(Error::Exists),
            (RenameMode::Exchange, None) => return Err(Error::NotFound),
            (_, Some(new)) if new == old => return Ok(()),
            _ => {}
        }
        let exchange = mode == RenameMode::Exchange;
        if let (Some(new), false) = (new, exchange) {
            match (self.is_directory(old), self.is_directory(new)) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                _ => {}
            }
        }
        if self.is_directory(old) && self.is_below(to.0, old) {
            return Err(Error::Invalid);
        }
        if let Some(new) = new {
            if exchange && self.is_directory(new) && self.is_below(from.0, new) {
                return Err(Error::Invalid);
            }
            if !exchange {
                if !self.nodes[new].children.is_empty() {
                    return Err(Error::NotEmpty);
                }
                self.drop_name(new);
            }
        }
        self.nodes[from.0].children.remove(from.1);
        self.place(to, old);
        if let (Some(new), true) = (new, exchange) {
            self.place(from, new);
        }
        Ok(())
    }

    fn place(&mut self, (dir, name): (Id, &[u8]), id: Id) {
        self.nodes[dir].children.insert(name.to_vec(), id);
        if self.is_directory(id) {
            let former = self.nodes[id].parent;
            self.nodes[former].nr_links -= 1;
            self.nodes[dir].nr_links += 1;
            self.nodes[id].parent = dir;
        }
    }

    /// Compares all that has a name or a holder.
    fn compare(&self, fs: &mut Ext2<MemDisk>) {
        for id in self
            .living(None)
            .into_iter()
            .chain(self.held.iter().copied())
        {
            let node = &self.nodes[id];
            let ino = self.inodes[&id];
            let attributes = fs.stat(ino).unwrap();
            assert_eq!(
                (attributes.kind, attributes.permissions, attributes.nr_links),
                (node.kind, node.permissions, node.nr_links),
                "{ino:?}"
            );
            match node.kind {
                FileType::Directory => {
                    let mut names = BTreeMap::new();
                    for (name, ino, kind) in list(fs, ino).unwrap() {
                        assert!(kind.is_none_or(|kind| kind == fs.stat(ino).unwrap().kind));
                        assert!(names.insert(name, ino).is_none(), "a name twice");
                    }
                    let expected = node
                        .children
                        .iter()
                        .map(|(name, id)| (name.clone(), self.inodes[id]));
                    assert_eq!(names, expected.collect());
                    assert_eq!(fs.lookup(ino, b".."), Ok(self.inodes[&node.parent]));
                    assert_eq!(fs.lookup(ino, b"."), Ok(ino));
                }
                FileType::Symlink => assert_eq!(fs.readlink(ino).unwrap(), node.bytes),
                FileType::Regular => assert!(read_all(fs, ino).unwrap() == node.bytes),
                _ => {}
            }
        }
    }
}

fn name(random: &mut Random) -> Vec<u8> {
    let number = random.below(60);
    match number % 5 {
        0 => format!("n{number}").into_bytes(),
        1 => vec![b'a' + u8::try_from(number % 26).unwrap(); 1 + number * 4],
        _ => format!("a name of usual length {number}").into_bytes(),
    }
}

/// One random operation on both; results must be equal.
fn step(fs: &mut Ext2<MemDisk>, model: &mut Model, random: &mut Random) {
    let directories = model.living(Some(FileType::Directory));
    let (dir, other) = (*random.pick(&directories), *random.pick(&directories));
    let (dir_ino, other_ino) = (model.inodes[&dir], model.inodes[&other]);
    let (name, other_name) = (name(random), name(random));
    match random.below(100) {
        0..30 => {
            let target = vec![b't'; 1 + random.below(120)];
            let node = match random.below(10) {
                0..2 => NewNode::Directory,
                2 => NewNode::Symlink(&target),
                3 => NewNode::Fifo,
                4 => NewNode::CharDevice(0x0103),
                _ => NewNode::Regular,
            };
            let real = fs.create(dir_ino, &name, node, PLAIN);
            match (real, model.add(dir, &name, node)) {
                (Ok(ino), Ok(id)) => {
                    model.inodes.insert(id, ino);
                }
                (real, expected) => assert_eq!(real.err(), expected.err()),
            }
        }
        30..45 => {
            let expected = model.remove(dir, &name, false);
            assert_eq!(fs.unlink(dir_ino, &name, NOW), expected);
        }
        45..50 => {
            let expected = model.remove(dir, &name, true);
            assert_eq!(fs.rmdir(dir_ino, &name, NOW), expected);
        }
        50..65 => {
            let mode = match random.below(4) {
                0 => RenameMode::NoReplace,
                1 => RenameMode::Exchange,
                _ => RenameMode::Replace,
            };
            let real = fs.rename(dir_ino, &name, other_ino, &other_name, mode, NOW);
            let expected = model.rename((dir, &name), (other, &other_name), mode);
            assert_eq!(real, expected, "{mode:?}");
        }
        65..70 => {
            let all = model.living(None);
            let target = *random.pick(&all);
            let real = fs.link(dir_ino, &name, model.inodes[&target], NOW);
            assert_eq!(real, model.link(dir, &name, target));
        }
        70..74 => hold_or_release(fs, model, random),
        _ => change_file(fs, model, random),
    }
}

fn hold_or_release(fs: &mut Ext2<MemDisk>, model: &mut Model, random: &mut Random) {
    let files = model.living(Some(FileType::Regular));
    if model.held.len() < 5 && !files.is_empty() {
        let file = *random.pick(&files);
        fs.retain(model.inodes[&file]);
        model.held.push(file);
    } else if !model.held.is_empty() {
        let file = model.held.swap_remove(random.below(model.held.len()));
        fs.release(model.inodes[&file], NOW).unwrap();
    }
}

fn change_file(fs: &mut Ext2<MemDisk>, model: &mut Model, random: &mut Random) {
    let mut files = model.living(Some(FileType::Regular));
    files.extend(&model.held);
    if files.is_empty() {
        return;
    }
    let file = *random.pick(&files);
    let ino = model.inodes[&file];
    let node = &mut model.nodes[file];
    match random.below(10) {
        0..5 => {
            let span = if random.below(4) == 0 {
                400_000
            } else {
                20_000
            };
            let at = random.below(span);
            let len = random.below(9000);
            let bytes = random.bytes(len);
            if len > 0 {
                let end = at + len;
                node.bytes.resize(node.bytes.len().max(end), 0);
                node.bytes[at..end].copy_from_slice(&bytes);
            }
            assert_eq!(
                fs.write(ino, u64::try_from(at).unwrap(), &bytes, NOW),
                Ok(len)
            );
        }
        5..7 => {
            let span = if random.below(3) == 0 {
                400_000
            } else {
                20_000
            };
            let size = random.below(span);
            node.bytes.resize(size, 0);
            let size = Some(u64::try_from(size).unwrap());
            let change = SetAttributes {
                size,
                ..SetAttributes::default()
            };
            fs.set_attributes(ino, &change).unwrap();
        }
        7 => {
            node.permissions = u16::try_from(random.below(0o10_000)).unwrap();
            let permissions = Some(node.permissions);
            let change = SetAttributes {
                permissions,
                ..SetAttributes::default()
            };
            fs.set_attributes(ino, &change).unwrap();
        }
        _ => {
            let at = random.below(30_000);
            let len = random.below(30_000);
            let expected = node.bytes.get(at..).unwrap_or_default();
            let expected = &expected[..expected.len().min(len)];
            let real = read_some(fs, ino, u64::try_from(at).unwrap(), len).unwrap();
            assert!(real == expected, "read of {len} at {at}");
        }
    }
}

/// Runs `nr_steps`, remounting now and then.
fn run(seed: u64, options: &[&str], nr_steps: u32, cache_bytes: usize) {
    let mut random = Random::new(seed);
    let mut fs = mount_with_cache(mke2fs(options, 32768, None), cache_bytes);
    let mut model = Model::new(&mut fs);
    for number in 1..=nr_steps {
        step(&mut fs, &mut model, &mut random);
        if number % 500 == 0 {
            model.compare(&mut fs);
            // What has no name goes with its holder.
            model.held.clear();
            let image = unmount(fs).into_image();
            assert_clean(&image);
            fs = mount_with_cache(image, cache_bytes);
            model.compare(&mut fs);
        }
    }
}

#[test]
fn random_operations_with_1_kib_blocks() {
    run(11, &["-b", "1024", "-g", "2048"], 3000, 8 << 20);
}

#[test]
fn random_operations_with_2_kib_blocks_and_small_inodes() {
    run(12, &["-b", "2048", "-I", "128"], 1500, 8 << 20);
}

#[test]
fn random_operations_with_4_kib_blocks() {
    run(13, &["-b", "4096"], 1500, 8 << 20);
}

#[test]
fn random_operations_on_revision_0() {
    run(14, &["-b", "1024", "-r", "0"], 1500, 8 << 20);
}

#[test]
fn random_operations_with_the_smallest_cache() {
    run(15, &["-b", "1024", "-g", "2048"], 1500, 0);
}
