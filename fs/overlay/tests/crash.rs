//! Power cuts under a file system: every barrier's files are there afterwards, and `e2fsck` is content.
//!
//! Workloads run on Ext2, its cache and an overlay whose stores write down everything. The record is
//! cut at chosen points; what was between two barriers arrives in part, torn, in any order. Then the
//! overlay is opened again, and the tree compared with what was synced. `SHOAL_CRASH_CUTS` says how
//! many cuts.

#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "numbers of the tests"
)]

mod common;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Medium, Op, Random, RecordingStore, setting};
use fs_block::{BlockDevice, MemDisk};
use fs_ext2::{
    Error, Ext2, FileType, FormatOptions, InodeNo, MountOptions, NewAttributes, NewNode,
    RenameMode, SetAttributes, Timestamp, format,
};
use fs_overlay::{Identity, MemStore, Options, Overlay, Store};

const NOW: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanoseconds: 0,
};
const PLAIN: NewAttributes = NewAttributes {
    permissions: 0o644,
    uid: 1000,
    gid: 100,
    time: NOW,
};

/// Contents by path; a directory has none.
type Tree = BTreeMap<String, Option<Arc<Vec<u8>>>>;

fn mount<S: Store>(image: &[u8], stores: [S; 2]) -> Ext2<Overlay<MemDisk, S>> {
    let base = MemDisk::new(image.to_vec());
    let identity = Identity::new(base.len_bytes(), b"image").unwrap();
    let options = Options {
        block_size: 1024,
        ..Options::default()
    };
    let overlay = Overlay::open(base, identity, stores, options).unwrap();
    let options = MountOptions {
        // So small that blocks are written between barriers: some to make room, and all when many are dirty.
        cache_bytes: 256 << 10,
        dirty_bytes: 96 << 10,
        now: NOW,
        ..MountOptions::default()
    };
    Ext2::mount(overlay, options).unwrap()
}

/// A file system at work, beside what it should hold.
struct Work {
    fs: Ext2<Overlay<MemDisk, RecordingStore>>,
    record: common::Record,
    tree: Tree,
    /// After how many operations each barrier was complete, and the tree then.
    barriers: Vec<(usize, Tree)>,
    random: Random,
}

impl Work {
    fn new(image: &[u8], seed: u64) -> Self {
        let (stores, record) = RecordingStore::pair();
        Self {
            fs: mount(image, stores),
            record,
            tree: Tree::new(),
            barriers: vec![(0, Tree::new())],
            random: Random::new(seed),
        }
    }

    fn at(&mut self, path: &str) -> InodeNo {
        path.split('/')
            .filter(|name| !name.is_empty())
            .fold(InodeNo::ROOT, |dir, name| {
                self.fs.lookup(dir, name.as_bytes()).unwrap()
            })
    }

    fn split(&mut self, path: &str) -> (InodeNo, Vec<u8>) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.at(dir), name.as_bytes().to_vec())
    }

    fn mkdir(&mut self, path: &str) {
        let (dir, name) = self.split(path);
        self.fs
            .create(dir, &name, NewNode::Directory, PLAIN)
            .unwrap();
        self.tree.insert(path.to_owned(), None);
    }

    fn create(&mut self, path: &str) {
        let (dir, name) = self.split(path);
        self.fs.create(dir, &name, NewNode::Regular, PLAIN).unwrap();
        self.tree.insert(path.to_owned(), Some(Arc::default()));
    }

    fn write(&mut self, path: &str, offset: usize, bytes: &[u8]) {
        let ino = self.at(path);
        assert_eq!(
            self.fs.write(ino, offset as u64, bytes, NOW),
            Ok(bytes.len())
        );
        let file = Arc::make_mut(self.tree.get_mut(path).unwrap().as_mut().unwrap());
        file.resize(file.len().max(offset + bytes.len()), 0);
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn truncate(&mut self, path: &str, len: usize) {
        let ino = self.at(path);
        let change = SetAttributes {
            size: Some(len as u64),
            ..SetAttributes::default()
        };
        self.fs.set_attributes(ino, &change).unwrap();
        Arc::make_mut(self.tree.get_mut(path).unwrap().as_mut().unwrap()).resize(len, 0);
    }

    fn unlink(&mut self, path: &str) {
        let (dir, name) = self.split(path);
        self.fs.unlink(dir, &name, NOW).unwrap();
        self.tree.remove(path);
    }

    /// Opens a file and unlinks it: it lives until it is closed.
    fn hold_and_unlink(&mut self, path: &str) -> InodeNo {
        let ino = self.at(path);
        self.fs.retain(ino);
        self.unlink(path);
        ino
    }

    fn rename(&mut self, from: &str, to: &str) {
        let (from_dir, from_name) = self.split(from);
        let (to_dir, to_name) = self.split(to);
        self.fs
            .rename(
                from_dir,
                &from_name,
                to_dir,
                &to_name,
                RenameMode::Replace,
                NOW,
            )
            .unwrap();
        let moved = self.tree.remove(from).unwrap();
        self.tree.insert(to.to_owned(), moved);
    }

    fn fsync(&mut self) {
        self.fs.sync(NOW).unwrap();
        let done = self.record.lock().unwrap().len();
        self.barriers.push((done, self.tree.clone()));
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.random.below(most);
        self.random.bytes(len)
    }

    /// `tar x` of a source tree: many files, few barriers.
    fn untar(&mut self) {
        for dir in 0..12 {
            self.mkdir(&format!("d{dir}"));
            for file in 0..15 {
                let path = format!("d{dir}/file {file}");
                self.create(&path);
                let bytes = self.bytes(if file == 7 { 90_000 } else { 12_000 });
                self.write(&path, 0, &bytes);
            }
            if dir % 2 == 1 {
                self.fsync();
            }
        }
        for file in 0..15 {
            self.unlink(&format!("d3/file {file}"));
        }
        self.fsync();
        for dir in 0..12 {
            let path = format!("d{dir}/file 7");
            if dir != 3 {
                self.truncate(&path, 500);
            }
            self.mkdir(&format!("d{dir}/deeper"));
            self.rename(&format!("d{dir}/deeper"), &format!("moved{dir}"));
        }
        self.fsync();
    }

    /// Commits: objects by a temporary name, synced and renamed; then the reference by a lock file.
    fn git(&mut self) {
        self.mkdir("objects");
        let mut held = Vec::new();
        for commit in 0..25 {
            for object in 0..3 {
                let name = format!("objects/{commit:02}{object:04x}");
                self.create("objects/tmp");
                let bytes = self.bytes(9000);
                self.write("objects/tmp", 0, &bytes);
                self.fsync();
                self.rename("objects/tmp", &name);
            }
            self.create("head.lock");
            self.write("head.lock", 0, format!("{commit:040x}\n").as_bytes());
            self.fsync();
            self.rename("head.lock", "head");
            // A pack that is still read while it is replaced: open over several barriers.
            if commit % 5 == 2 {
                held.push(self.hold_and_unlink(&format!("objects/{commit:02}0001")));
            } else if commit % 7 == 6 {
                for ino in held.drain(..) {
                    self.fs.release(ino, NOW).unwrap();
                }
            }
            if commit % 10 == 9 {
                self.fs.device_mut().compact().unwrap();
            }
        }
    }

    /// Transactions: a rollback journal, synced; pages in place, synced; the journal cut off or gone.
    fn sqlite(&mut self) {
        self.create("db");
        let pages = self.random.bytes(120 * 1024);
        self.write("db", 0, &pages);
        self.fsync();
        for transaction in 0..40 {
            if transaction % 5 == 0 {
                self.create("db-journal");
            }
            let bytes = self.bytes(6000);
            self.write("db-journal", 0, &bytes);
            self.fsync();
            for _ in 0..1 + self.random.below(6) {
                let page = self.random.below(140);
                let bytes = self.random.bytes(1024);
                self.write("db", page * 1024, &bytes);
            }
            self.fsync();
            if transaction % 5 == 4 {
                self.unlink("db-journal");
            } else {
                self.truncate("db-journal", 0);
            }
            if transaction % 16 == 15 {
                self.fs.device_mut().checkpoint().unwrap();
            }
        }
        self.fsync();
    }
}

/// Everything below `dir`.
fn read_tree<D: BlockDevice>(fs: &mut Ext2<D>, dir: InodeNo, prefix: &str, tree: &mut Tree) {
    let mut names = Vec::new();
    fs.read_dir(dir, 0, &mut |entry| {
        let name = String::from_utf8(entry.name.to_vec()).unwrap();
        if name != "." && name != ".." && name != "lost+found" {
            names.push((name, entry.ino));
        }
        true
    })
    .unwrap();
    for (name, ino) in names {
        let path = format!("{prefix}{name}");
        let attributes = fs.stat(ino).unwrap();
        if attributes.kind == FileType::Directory {
            tree.insert(path.clone(), None);
            read_tree(fs, ino, &format!("{path}/"), tree);
            continue;
        }
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < attributes.size {
            let count = fs
                .read::<Error>(ino, bytes.len() as u64, 1 << 20, &mut |part| {
                    bytes.extend_from_slice(part);
                    Ok(())
                })
                .unwrap();
            assert_ne!(count, 0, "{path} ends early");
        }
        tree.insert(path, Some(Arc::new(bytes)));
    }
}

/// The names that differ, for the message.
fn difference(found: &Tree, wanted: &Tree) -> Vec<String> {
    let names = found.keys().chain(wanted.keys());
    names
        .filter(|name| found.get(*name) != wanted.get(*name))
        .cloned()
        .collect()
}

/// Cuts the record of `work` at `nr_cuts` points, and checks each.
fn cut(name: &str, image: &[u8], mut work: Work, nr_cuts: u64) {
    work.fsync();
    let mut found = Tree::new();
    read_tree(&mut work.fs, InodeNo::ROOT, "", &mut found);
    assert!(
        found == work.tree,
        "without a cut: {:?}",
        difference(&found, &work.tree)
    );
    let record = std::mem::take(&mut *work.record.lock().unwrap());
    let name = format!("fs-overlay-cut-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut medium = Medium::default();
    let mut cuts_done = 0;
    for (number, op) in record.iter().enumerate() {
        medium.play(op);
        // Evenly over the record, and everywhere if it is short.
        let wanted = (number as u64 + 1) * nr_cuts / record.len() as u64;
        while cuts_done < wanted {
            cuts_done += 1;
            let stores = medium.cut(&mut work.random).map(MemStore::new);
            let mut fs = mount(image, stores);
            let mut found = Tree::new();
            read_tree(&mut fs, InodeNo::ROOT, "", &mut found);
            let done = work
                .barriers
                .partition_point(|(end, _)| *end <= number + 1)
                .max(1);
            let promised = &work.barriers[done - 1..work.barriers.len().min(done + 1)];
            assert!(
                promised.iter().any(|(_, tree)| *tree == found),
                "cut after operation {number}, barrier {done}: {:?}",
                difference(&found, &promised[0].1)
            );
            let mut bytes = vec![0; image.len()];
            fs.device().read(0, &mut bytes).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(faults(&path), None, "cut after operation {number}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    let writes = record
        .iter()
        .filter(|op| matches!(op, Op::Write(..)))
        .count();
    assert!(
        writes > 10 && cuts_done == nr_cuts,
        "{writes} writes, {cuts_done} cuts"
    );
}

/// Cuts for each workload.
fn nr_cuts() -> u64 {
    setting("SHOAL_CRASH_CUTS", 60).div_ceil(3)
}

/// An empty disk of 8 MiB with blocks of 1 KiB.
fn image() -> Vec<u8> {
    let options = FormatOptions {
        block_size: 1024,
        nr_inodes: 512,
        now: NOW,
        ..FormatOptions::default()
    };
    let mut fs = format(MemDisk::zeroed(8 << 20), &options, MountOptions::default()).unwrap();
    fs.unmount(NOW).unwrap();
    fs.into_device().into_image()
}

/// What `e2fsck -fn` has to say against a disk.
fn faults(path: &Path) -> Option<String> {
    let output = Command::new("/usr/sbin/e2fsck")
        .arg("-fn")
        .arg(path)
        .output();
    let output = output.expect("e2fsprogs is needed");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_full_store_leaves_a_clean_disk_and_files_can_go_for_others() {
    let image = image();
    let base = MemDisk::new(image.clone());
    let identity = Identity::new(base.len_bytes(), b"image").unwrap();
    let options = Options {
        block_size: 1024,
        limit_bytes: 3 << 20,
        ..Options::default()
    };
    let stores = [MemStore::default(), MemStore::default()];
    let overlay = Overlay::open(base, identity.clone(), stores, options).unwrap();
    let mount_options = MountOptions {
        cache_bytes: 256 << 10,
        now: NOW,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(overlay, mount_options).unwrap();
    let file = |number: usize| format!("file{number}").into_bytes();
    for round in 0..3 {
        let mut nr_files = 0;
        let failed = 'full: loop {
            let made = fs.create(InodeNo::ROOT, &file(nr_files), NewNode::Regular, PLAIN);
            let ino = match made {
                Ok(ino) => ino,
                Err(error) => break error,
            };
            nr_files += 1;
            for part in 0..16 {
                if let Err(error) = fs.write(ino, part * 4096, &[7; 4096], NOW) {
                    break 'full error;
                }
            }
        };
        assert_eq!(failed, Error::NoSpace, "round {round}");
        assert!(nr_files > 20, "round {round}: {nr_files} files");
        fs.sync(NOW).unwrap();
        let mut bytes = vec![0; image.len()];
        fs.device().read(0, &mut bytes).unwrap();
        let path = std::env::temp_dir().join(format!("fs-overlay-full-{}", std::process::id()));
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(faults(&path), None, "round {round}");
        std::fs::remove_file(&path).unwrap();
        for number in 0..nr_files {
            fs.unlink(InodeNo::ROOT, &file(number), NOW).unwrap();
        }
        fs.sync(NOW).unwrap();
    }
    let (base, stores) = fs.into_device().into_parts();
    assert!(stores.iter().all(|store| store.len_bytes() <= 3 << 20));
    Overlay::open(base, identity, stores, options).unwrap();
}

#[test]
fn an_unpacked_tree_survives_cuts() {
    let image = image();
    let mut work = Work::new(&image, 1);
    work.untar();
    cut("tree", &image, work, nr_cuts());
}

#[test]
fn commits_survive_cuts() {
    let image = image();
    let mut work = Work::new(&image, 2);
    work.git();
    cut("commits", &image, work, nr_cuts());
}

#[test]
fn transactions_survive_cuts() {
    let image = image();
    let mut work = Work::new(&image, 3);
    work.sqlite();
    cut("transactions", &image, work, nr_cuts());
}
