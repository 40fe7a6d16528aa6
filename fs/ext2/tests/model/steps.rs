//! Random operations on both, whose results must be equal.

use fs_block::BlockDevice;
use fs_ext2::{
    Error, Ext2, Extent, Feature, FileType, InodeNo, Naming, NewNode, RenameMode, SetAttributes,
    XattrMode,
};

use crate::common::{NOW, PLAIN, Random, read_some};
use crate::tree::{Id, Model};

/// Nodes with a name, above which some go.
const MAX_NODES: usize = 70;

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

fn name(random: &mut Random) -> Vec<u8> {
    let number = random.below(60);
    match number % 5 {
        0 => format!("n{number}").into_bytes(),
        1 => vec![b'a' + u8::try_from(number % 26).unwrap(); 1 + number * 4],
        _ => format!("a name of usual length {number}").into_bytes(),
    }
}

/// Removes something that has a name; results must be equal.
fn shrink(fs: &mut Ext2<impl BlockDevice>, model: &mut Model, random: &mut Random) {
    let directories = model.living(Some(FileType::Directory));
    let dir = *random.pick(&directories);
    let names: Vec<Vec<u8>> = model.nodes[dir].children.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = random.pick(&names);
    let is_directory = model.is_directory(model.child(dir, name).unwrap());
    let expected = model.remove(dir, name, is_directory);
    let dir = model.inodes[&dir];
    let real = if is_directory {
        fs.rmdir(dir, name, NOW)
    } else {
        fs.unlink(dir, name, NOW)
    };
    assert_eq!(real, expected);
}

/// One random operation on both; results must be equal.
pub(crate) fn step(fs: &mut Ext2<impl BlockDevice>, model: &mut Model, random: &mut Random) {
    if model.living(None).len() > MAX_NODES {
        shrink(fs, model, random);
    }
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
            let is_whiteout = mode != RenameMode::Exchange && random.below(3) == 0;
            let (old, new) = ((dir_ino, &name[..]), (other_ino, &other_name[..]));
            let real = fs.rename_and_leave(old, new, mode, is_whiteout.then_some(PLAIN), NOW);
            let expected = model.rename((dir, &name), (other, &other_name), mode);
            assert_eq!(real, expected, "{mode:?}");
            // Two names of one file, or a name that is given its own file, stay.
            if is_whiteout && real.is_ok() && model.child(dir, &name).is_none() {
                let id = model.add(dir, &name, NewNode::CharDevice(0)).unwrap();
                let ino = fs.lookup(dir_ino, &name).unwrap();
                assert_eq!(fs.stat(ino).unwrap().device, 0);
                model.inodes.insert(id, ino);
            }
        }
        65..70 => {
            let mut all = model.living(None);
            all.extend(&model.held);
            let target = *random.pick(&all);
            let real = fs.link(dir_ino, &name, model.inodes[&target], NOW);
            assert_eq!(real, model.link(dir, &name, target));
        }
        70..74 => hold_or_release(fs, model, random),
        74 if model.held.len() < 5 => {
            let ino = fs.create_unnamed(dir_ino, Naming::Later, PLAIN).unwrap();
            model.add_unnamed(ino);
        }
        75..78 => change_attributes(fs, model, random),
        78 => remount(fs, model),
        _ => change_file(fs, model, random),
    }
}

/// Read-only and back, unless something without a name is held.
fn remount(fs: &mut Ext2<impl BlockDevice>, model: &Model) {
    let is_held = model.held.iter().any(|id| model.nodes[*id].nr_links == 0);
    let expected = if is_held { Err(Error::Busy) } else { Ok(()) };
    assert_eq!(fs.remount_read_only(NOW), expected);
    assert_eq!(fs.is_read_only(), !is_held);
    fs.remount_writable(NOW).unwrap();
}

fn hold_or_release(fs: &mut Ext2<impl BlockDevice>, model: &mut Model, random: &mut Random) {
    let files = model.living(Some(FileType::Regular));
    if model.held.len() < 5 && !files.is_empty() {
        let file = *random.pick(&files);
        fs.retain(model.inodes[&file]);
        model.held.push(file);
    } else if !model.held.is_empty() {
        let file = model.held.swap_remove(random.below(model.held.len()));
        fs.release(model.inodes[&file], NOW).unwrap();
        if !model.held.contains(&file) {
            model.unnamed.retain(|id| *id != file);
        }
    }
}

fn change_attributes(fs: &mut Ext2<impl BlockDevice>, model: &mut Model, random: &mut Random) {
    let id: Id = *random.pick(&model.living(None));
    let ino: InodeNo = model.inodes[&id];
    let key = (
        *random.pick(&[1_u8, 4]),
        b"some"[..1 + random.below(4)].to_vec(),
    );
    let known = &mut model.nodes[id].attributes;
    let place = (key.0, &key.1[..]);
    if random.below(3) == 0 {
        let expected = known.remove(&key).ok_or(Error::NoAttribute);
        let real = fs.set_xattr(ino, place, None, XattrMode::Any, NOW);
        assert_eq!(real, expected.map(drop));
    } else {
        let len = random.below(60);
        let value = vec![*key.1.last().unwrap(); len];
        match fs.set_xattr(ino, place, Some(&value), XattrMode::Any, NOW) {
            Ok(()) => drop(known.insert(key, value)),
            Err(error) => {
                assert!(model.is_old && error == Error::Unsupported(Feature::Revision(0)))
            }
        }
    }
}

fn change_file(fs: &mut Ext2<impl BlockDevice>, model: &mut Model, random: &mut Random) {
    let mut files = model.living(Some(FileType::Regular));
    files.extend(&model.held);
    if files.is_empty() {
        return;
    }
    let file = *random.pick(&files);
    let ino = model.inodes[&file];
    let node = &mut model.nodes[file];
    match random.below(12) {
        10 => {
            let start = random.below(100_000);
            let end = start + 1 + random.below(100_000);
            let size = node.bytes.len();
            node.bytes[start.min(size)..end.min(size)].fill(0);
            fs.punch(ino, (wide(start), wide(end)), NOW).unwrap();
        }
        11 => {
            let start = random.below(100_000);
            let end = start + 1 + random.below(20_000);
            let extent = if random.below(2) == 0 {
                node.bytes.resize(node.bytes.len().max(end), 0);
                Extent::Grow
            } else {
                Extent::Keep
            };
            fs.allocate(ino, (wide(start), wide(end)), extent, NOW)
                .unwrap();
        }
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
            assert_eq!(fs.write(ino, wide(at), &bytes, NOW), Ok(len));
        }
        5..7 => {
            let span = if random.below(3) == 0 {
                400_000
            } else {
                20_000
            };
            let size = random.below(span);
            node.bytes.resize(size, 0);
            let size = Some(wide(size));
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
            let real = read_some(fs, ino, wide(at), len).unwrap();
            assert!(real == expected, "read of {len} at {at}");
        }
    }
}
