//! A folder of the host keeps its guests in: what has lost its name leads nowhere, whatever a guest
//! puts in its place.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use abi::Errno;
use common::{NOW, Scratch, StdFiles};
use fs::hostfs::{HostFs, HostOptions};
use fs::vfs::inode::{FileSystem, Inode, NewAttributes, NewNode, RenameMode, SetAttributes};

/// A folder that is shown, beside one that is not and has the file `secret`.
struct World {
    scratch: Scratch,
    root: Arc<dyn Inode>,
}

const PLAIN: NewAttributes = NewAttributes {
    permissions: 0o755,
    uid: 0,
    gid: 0,
    time: NOW,
};

impl World {
    fn new() -> Self {
        let scratch = Scratch::new();
        for folder in ["shown", "hidden"] {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        let path = scratch.path().join("shown");
        let path = path.as_os_str().as_encoded_bytes();
        let files = Arc::new(StdFiles::default());
        let host = HostFs::new(files, path, HostOptions::default()).unwrap();
        let world = Self {
            scratch,
            root: host.root(),
        };
        std::fs::write(world.hidden("secret"), "secret").unwrap();
        world
    }

    fn hidden(&self, name: &str) -> PathBuf {
        self.scratch.path().join("hidden").join(name)
    }

    fn make(&self, name: &str, node: &NewNode<'_>) -> Arc<dyn Inode> {
        self.root.create(name.as_bytes(), node, &PLAIN).unwrap()
    }

    /// Puts a symbolic link to what is hidden in the place of `name`.
    fn lure(&self, name: &str, to: &str) {
        let target = self.hidden(to);
        self.make(
            name,
            &NewNode::Symlink(target.as_os_str().as_encoded_bytes()),
        );
    }
}

/// Fails unless nothing of what is hidden can be reached through `directory`.
fn assert_leads_nowhere(directory: &dyn Inode) {
    let missing = |error: abi::Error| assert_eq!(error.errno, Errno::ENOENT);
    missing(directory.lookup(b"secret").unwrap_err());
    missing(
        directory
            .create(b"new", &NewNode::Regular, &PLAIN)
            .unwrap_err(),
    );
    missing(directory.unlink(b"secret", NOW).unwrap_err());
    missing(directory.read_dir(0, &mut |_| true).unwrap_err());
    let change = SetAttributes {
        permissions: Some(0o777),
        ..SetAttributes::default()
    };
    missing(directory.set_attributes(&change).unwrap_err());
}

#[test]
fn removed_directory_does_not_lead_where_its_successor_leads() {
    let world = World::new();
    let removed = world.make("d", &NewNode::Directory);
    world.root.rmdir(b"d", NOW).unwrap();
    world.lure("d", "");
    assert_leads_nowhere(&*removed);
    assert!(!world.hidden("new").exists());
}

#[test]
fn replaced_directory_does_not_lead_where_its_successor_leads() {
    let world = World::new();
    let replaced = world.make("d", &NewNode::Directory);
    world.make("e", &NewNode::Directory);
    let rename = |old: &[u8], new: &[u8]| {
        let root = Arc::clone(&world.root);
        root.rename(old, &world.root, new, RenameMode::Replace, None, NOW)
            .unwrap();
    };
    rename(b"e", b"d");
    rename(b"d", b"f");
    world.lure("d", "");
    assert_leads_nowhere(&*replaced);
    // The one that moved is where it went.
    let moved = world.root.lookup(b"f").unwrap();
    moved.create(b"inside", &NewNode::Regular, &PLAIN).unwrap();
    assert!(world.scratch.path().join("shown/f/inside").exists());
}

#[test]
fn changes_of_a_file_without_a_name_meet_no_other() {
    let world = World::new();
    let file = world.make("f", &NewNode::Regular);
    world.root.unlink(b"f", NOW).unwrap();
    world.lure("f", "secret");
    let change = SetAttributes {
        permissions: Some(0o777),
        ..SetAttributes::default()
    };
    assert_eq!(
        file.set_attributes(&change).unwrap_err().errno,
        Errno::ENOENT
    );
    assert_eq!(file.write_at(0, &mut b"mine".as_slice(), NOW), Ok(4));
    assert_eq!(file.metadata().unwrap().size, 4);
    let secret = std::fs::metadata(world.hidden("secret")).unwrap();
    assert_ne!(secret.permissions().mode() & 0o777, 0o777);
    assert_eq!(std::fs::read(world.hidden("secret")).unwrap(), b"secret");
}

#[test]
fn directory_that_moves_while_it_is_searched_leads_nowhere_else() {
    let world = World::new();
    let directory = world.make("d", &NewNode::Directory);
    let is_over = AtomicBool::new(false);
    let move_to = |old: &[u8], new: &[u8]| {
        let root = Arc::clone(&world.root);
        root.rename(old, &world.root, new, RenameMode::Replace, None, NOW)
            .unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(
                    directory.lookup(b"secret").unwrap_err().errno,
                    Errno::ENOENT
                );
            }
        });
        for _ in 0..500 {
            move_to(b"d", b"e");
            world.lure("d", "");
            world.root.unlink(b"d", NOW).unwrap();
            move_to(b"e", b"d");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
