//! What `debugfs` and `ext4-view` find on a disk.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ext4_view::Ext4;
use fs_block::BlockDevice;
use fs_ext2::{Ext2, FileType, Seek};

use crate::common::{Scratch, tool};
use crate::tree::{Id, Model};

/// Panics unless other readers find what the model holds.
pub(crate) fn compare(model: &Model, fs: &mut Ext2<impl BlockDevice>, image: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    let (image, dump) = (path.to_str().unwrap(), scratch.path().join("dump"));
    std::fs::create_dir(&dump).unwrap();
    let (is_ok, text) = tool(
        "debugfs",
        &["-R", &format!("rdump / {}", dump.display()), image],
    );
    assert!(is_ok, "{text}");
    compare_dump(model, 0, &dump);
    compare_attributes(model, image, &scratch);
    if !model.is_old {
        let disk = Ext4::load_from_path(&path).unwrap();
        compare_view(model, fs, &disk, 0, b"/");
    }
}

fn names(model: &Model, dir: Id) -> BTreeSet<Vec<u8>> {
    model.nodes[dir].children.keys().cloned().collect()
}

/// Compares the copy that `debugfs` made; it makes none of special files.
fn compare_dump(model: &Model, dir: Id, path: &PathBuf) {
    let found = std::fs::read_dir(path).unwrap();
    let found = found.map(|entry| entry.unwrap().file_name().as_bytes().to_vec());
    let mut expected = names(model, dir);
    expected.retain(|name| {
        let id = model.child(dir, name).unwrap();
        !matches!(
            model.nodes[id].kind,
            FileType::Fifo | FileType::CharDevice | FileType::BlockDevice
        )
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    for name in expected {
        let id = model.child(dir, &name).unwrap();
        let path = path.join(std::ffi::OsStr::from_bytes(&name));
        match model.nodes[id].kind {
            FileType::Directory => compare_dump(model, id, &path),
            FileType::Symlink => {
                let target = std::fs::read_link(&path).unwrap();
                assert_eq!(target.as_os_str().as_bytes(), model.nodes[id].bytes);
            }
            _ => assert!(std::fs::read(&path).unwrap() == model.nodes[id].bytes),
        }
    }
}

/// Compares extended attributes with what `debugfs` lists.
fn compare_attributes(model: &Model, image: &str, scratch: &Scratch) {
    let (mut commands, mut expected) = (String::new(), BTreeSet::new());
    for id in model.living(None) {
        let ino = model.inodes[&id].0;
        writeln!(commands, "ea_list <{ino}>").unwrap();
        for ((space, name), value) in &model.nodes[id].attributes {
            let space = if *space == 1 { "user" } else { "trusted" };
            let (name, len) = (String::from_utf8_lossy(name), value.len());
            let value = String::from_utf8_lossy(value);
            // It shows short values only.
            let value = if len == 0 || len >= 40 {
                String::new()
            } else {
                format!(" = \"{value}\"")
            };
            expected.insert(format!("<{ino}> {space}.{name} ({len}){value}"));
        }
    }
    let script = scratch.path().join("script");
    std::fs::write(&script, commands).unwrap();
    let (_, text) = tool("debugfs", &["-f", script.to_str().unwrap(), image]);
    let (mut found, mut of) = (BTreeSet::new(), "");
    for line in text.lines() {
        if let Some(ino) = line.strip_prefix("debugfs: ea_list ") {
            of = ino;
        } else if line.starts_with("  ") {
            found.insert(format!("{of} {}", line.trim()));
        }
    }
    assert_eq!(found, expected, "{text}");
}

/// Compares what `ext4-view` reads, which takes a hole of a file without extents for an error.
fn compare_view(model: &Model, fs: &mut Ext2<impl BlockDevice>, disk: &Ext4, dir: Id, path: &[u8]) {
    let mut found = BTreeSet::new();
    for entry in disk.read_dir(path).unwrap() {
        let name = entry.unwrap().file_name().as_ref().to_vec();
        if name != b"." && name != b".." {
            found.insert(name);
        }
    }
    assert_eq!(found, names(model, dir));
    for name in found {
        let id = model.child(dir, &name).unwrap();
        let (node, path) = (&model.nodes[id], [path, b"/", &name].concat());
        let metadata = disk.symlink_metadata(&path[..]).unwrap();
        assert_eq!(metadata.mode() & 0o7777, node.permissions);
        match node.kind {
            FileType::Directory => compare_view(model, fs, disk, id, &path),
            FileType::Symlink => {
                let target = disk.read_link(&path[..]).unwrap();
                let target: &[u8] = target.as_ref();
                assert_eq!(target, node.bytes);
            }
            FileType::Regular => {
                let hole = fs.seek(model.inodes[&id], 0, Seek::Hole).unwrap();
                let len = u64::try_from(node.bytes.len()).unwrap();
                assert_eq!(metadata.len(), len);
                if len == 0 || hole == Some(len) {
                    assert!(disk.read(&path[..]).unwrap() == node.bytes);
                }
            }
            _ => assert!(!metadata.is_dir()),
        }
    }
}
