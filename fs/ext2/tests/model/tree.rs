//! What the disk should hold: a tree in memory.

use std::collections::{BTreeMap, HashMap};

use fs_block::BlockDevice;
use fs_ext2::{Error, Ext2, FileType, InodeNo, NewNode, RenameMode, Result, Xattr};

use crate::common::{list, read_all};

/// The number of a node.
pub(crate) type Id = usize;

/// An inode of the model.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    pub(crate) permissions: u16,
    pub(crate) nr_links: u32,
    pub(crate) bytes: Vec<u8>,
    /// By namespace and name.
    pub(crate) attributes: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    pub(crate) children: BTreeMap<Vec<u8>, Id>,
    pub(crate) parent: Id,
}

/// What the disk should hold. Nodes are never removed, only unlinked.
pub(crate) struct Model {
    pub(crate) nodes: Vec<Node>,
    pub(crate) inodes: HashMap<Id, InodeNo>,
    /// The disk has no types in directories: not every reader takes it.
    pub(crate) is_old: bool,
    /// Those with a name.
    named: Vec<Id>,
    /// Held, without a name, and may get one.
    pub(crate) unnamed: Vec<Id>,
    /// Files held open, unlinked or not.
    pub(crate) held: Vec<Id>,
}

impl Model {
    pub(crate) fn new(fs: &mut Ext2<impl BlockDevice>) -> Self {
        let found = fs.lookup(InodeNo::ROOT, b"lost+found").unwrap();
        let directory = |parent| Node {
            kind: FileType::Directory,
            permissions: 0o755,
            nr_links: 2,
            bytes: vec![],
            attributes: BTreeMap::new(),
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
            is_old: false,
            named: vec![0, 1],
            unnamed: vec![],
            held: vec![],
        }
    }

    /// The nodes with a name; of one type, if given.
    pub(crate) fn living(&self, kind: Option<FileType>) -> Vec<Id> {
        let is_wanted = |id: &&Id| kind.is_none_or(|kind| self.nodes[**id].kind == kind);
        self.named.iter().filter(is_wanted).copied().collect()
    }

    pub(crate) fn child(&self, dir: Id, name: &[u8]) -> Option<Id> {
        self.nodes[dir].children.get(name).copied()
    }

    pub(crate) fn is_below(&self, mut dir: Id, ancestor: Id) -> bool {
        while dir != ancestor && dir != 0 {
            dir = self.nodes[dir].parent;
        }
        dir == ancestor
    }

    pub(crate) fn is_directory(&self, id: Id) -> bool {
        self.nodes[id].kind == FileType::Directory
    }

    pub(crate) fn add(&mut self, dir: Id, name: &[u8], node: NewNode<'_>) -> Result<Id> {
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
            attributes: BTreeMap::new(),
            children: BTreeMap::new(),
            parent: dir,
        });
        self.named.push(id);
        self.nodes[dir].nr_links += u32::from(is_directory);
        self.nodes[dir].children.insert(name.to_vec(), id);
        Ok(id)
    }

    /// A file without a name, held.
    pub(crate) fn add_unnamed(&mut self, ino: InodeNo) {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind: FileType::Regular,
            permissions: 0o644,
            nr_links: 0,
            bytes: vec![],
            attributes: BTreeMap::new(),
            children: BTreeMap::new(),
            parent: 0,
        });
        self.inodes.insert(id, ino);
        self.unnamed.push(id);
        self.held.push(id);
    }

    pub(crate) fn link(&mut self, dir: Id, name: &[u8], target: Id) -> Result<()> {
        if self.is_directory(target) {
            return Err(Error::NotPermitted);
        }
        if self.child(dir, name).is_some() {
            return Err(Error::Exists);
        }
        if self.nodes[target].nr_links == 0 {
            if !self.unnamed.contains(&target) {
                return Err(Error::NotFound);
            }
            self.unnamed.retain(|id| *id != target);
            self.named.push(target);
        }
        self.nodes[target].nr_links += 1;
        self.nodes[dir].children.insert(name.to_vec(), target);
        Ok(())
    }

    pub(crate) fn remove(&mut self, dir: Id, name: &[u8], is_rmdir: bool) -> Result<()> {
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
        if self.nodes[id].nr_links == 0 {
            self.named.retain(|named| *named != id);
        }
    }

    pub(crate) fn rename(
        &mut self,
        from: (Id, &[u8]),
        to: (Id, &[u8]),
        mode: RenameMode,
    ) -> Result<()> {
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
    pub(crate) fn compare(&self, fs: &mut Ext2<impl BlockDevice>) {
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
            let attributes = fs.xattrs(ino).unwrap();
            let expected = node.attributes.iter().map(|(key, value)| Xattr {
                space: key.0,
                name: key.1.clone(),
                value: value.clone(),
            });
            let mut expected: Vec<Xattr> = expected.collect();
            expected.sort_by_key(|one| (one.space, one.name.len(), one.name.clone()));
            assert_eq!(attributes, expected, "{ino:?}");
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
