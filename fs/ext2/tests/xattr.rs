//! Extended attributes: `debugfs` reads ours, we read its, and `e2fsck -fn` is content.

#![cfg(test)]

mod common;

use common::{NOW, PLAIN, Random, Scratch, assert_clean, mke2fs, mount, tool, unmount, walk};
use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, InodeNo, NewNode, Result, Xattr, XattrMode};

const USER: u8 = 1;
const TRUSTED: u8 = 4;
const SECURITY: u8 = 6;

fn file(fs: &mut Ext2<MemDisk>, name: &str) -> InodeNo {
    fs.create(InodeNo::ROOT, name.as_bytes(), NewNode::Regular, PLAIN)
        .unwrap()
}

fn set(fs: &mut Ext2<MemDisk>, ino: InodeNo, space: u8, name: &str, value: &[u8]) -> Result<()> {
    fs.set_xattr(
        ino,
        (space, name.as_bytes()),
        Some(value),
        XattrMode::Any,
        NOW,
    )
}

fn xattr(space: u8, name: &str, value: &[u8]) -> Xattr {
    Xattr {
        space,
        name: name.into(),
        value: value.into(),
    }
}

#[test]
fn what_we_set_debugfs_reads_and_the_other_way_round() {
    for options in [
        &["-b", "1024", "-I", "128"][..],
        &["-b", "4096", "-I", "256"],
        &["-b", "1024", "-I", "128", "-O", "^ext_attr"],
    ] {
        let mut fs = mount(mke2fs(options, 4096, None));
        let one = file(&mut fs, "one");
        set(&mut fs, one, SECURITY, "label", b"secret").unwrap();
        set(&mut fs, one, USER, "name", b"first").unwrap();
        set(&mut fs, one, USER, "name", b"second").unwrap();
        set(&mut fs, one, USER, "a", b"").unwrap();
        set(&mut fs, one, TRUSTED, "t", &[9; 300]).unwrap();
        file(&mut fs, "two");
        let image = unmount(fs).into_image();
        assert_clean(&image);

        let scratch = Scratch::new();
        let path = scratch.path().join("image");
        std::fs::write(&path, &image).unwrap();
        let path = path.to_str().unwrap();
        let debugfs = |request: &str| tool("debugfs", &["-w", "-R", request, path]).1;
        assert!(debugfs("ea_get /one user.name").contains("second"));
        assert!(debugfs("ea_get /one security.label").contains("secret"));
        let listed = debugfs("ea_list /one");
        assert!(
            listed.contains("user.a (0)") && listed.contains("trusted.t (300)"),
            "{listed}"
        );
        if options.contains(&"128") {
            debugfs("ea_set /two user.theirs value");
        }
        let mut fs = mount(std::fs::read(path).unwrap());
        let two = walk(&mut fs, "two").unwrap();
        if options.contains(&"128") {
            assert_eq!(fs.xattrs(two).unwrap(), [xattr(USER, "theirs", b"value")]);
            set(&mut fs, two, USER, "theirs", b"ours").unwrap();
        }
        let one = walk(&mut fs, "one").unwrap();
        let names = [
            xattr(USER, "a", b""),
            xattr(USER, "name", b"second"),
            xattr(TRUSTED, "t", &[9; 300]),
            xattr(SECURITY, "label", b"secret"),
        ];
        assert_eq!(fs.xattrs(one).unwrap(), names);
        assert_clean(&unmount(fs).into_image());
    }
}

#[test]
fn modes_sizes_and_the_last_attribute() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 4096, None));
    let (free, one) = (fs.status().nr_free, file(&mut fs, "one"));
    let key = (USER, &b"key"[..]);
    let remove = |fs: &mut Ext2<MemDisk>| fs.set_xattr(one, key, None, XattrMode::Any, NOW);
    assert_eq!(remove(&mut fs), Err(Error::NoAttribute));
    let replace = fs.set_xattr(one, key, Some(b"x"), XattrMode::Replace, NOW);
    assert_eq!(replace, Err(Error::NoAttribute));
    fs.set_xattr(one, key, Some(b"x"), XattrMode::Create, NOW)
        .unwrap();
    let again = fs.set_xattr(one, key, Some(b"y"), XattrMode::Create, NOW);
    assert_eq!(again, Err(Error::Exists));
    assert_eq!(
        set(&mut fs, one, USER, "big", &[0; 1000]),
        Err(Error::NoSpace)
    );
    assert_eq!(fs.xattrs(one).unwrap(), [xattr(USER, "key", b"x")]);
    assert_eq!(
        (fs.status().nr_free, fs.stat(one).unwrap().nr_sectors),
        (free - 1, 2)
    );
    remove(&mut fs).unwrap();
    assert_eq!(
        (fs.status().nr_free, fs.stat(one).unwrap().nr_sectors),
        (free, 0)
    );
    set(&mut fs, one, USER, "key", b"").unwrap();
    fs.unlink(InodeNo::ROOT, b"one", NOW).unwrap();
    assert_eq!(fs.status().nr_free, free);
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn a_shared_block_is_left_to_the_others() {
    let mut fs = mount(mke2fs(&["-b", "1024", "-I", "128"], 4096, None));
    let one = file(&mut fs, "one");
    file(&mut fs, "two");
    set(&mut fs, one, USER, "shared", b"old").unwrap();
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, unmount(fs).into_image()).unwrap();
    let text = path.to_str().unwrap();
    let debugfs = |request: &str| tool("debugfs", &["-w", "-R", request, text]).1;
    let stat = debugfs("stat /one");
    let block = stat.split("File ACL: ").nth(1).unwrap();
    let block = block.split_whitespace().next().unwrap();
    debugfs(&format!("set_inode_field /two file_acl {block}"));
    debugfs("set_inode_field /two blocks 2");
    let mut image = std::fs::read(&path).unwrap();
    image[block.parse::<usize>().unwrap() * 1024 + 4] = 2;
    assert_clean(&image);
    let mut fs = mount(image);
    let two = walk(&mut fs, "two").unwrap();
    assert_eq!(fs.xattrs(two).unwrap(), [xattr(USER, "shared", b"old")]);
    set(&mut fs, two, USER, "shared", b"new").unwrap();
    assert_eq!(fs.xattrs(one).unwrap(), [xattr(USER, "shared", b"old")]);
    assert_eq!(fs.xattrs(two).unwrap(), [xattr(USER, "shared", b"new")]);
    assert_clean(&unmount(fs).into_image());
}

#[test]
fn random_attributes_are_those_of_a_list() {
    let mut fs = mount(mke2fs(&["-b", "1024"], 4096, None));
    let mut random = Random::new(3);
    let link = fs
        .create(InodeNo::ROOT, b"link", NewNode::Symlink(b"target"), PLAIN)
        .unwrap();
    let mut model: Vec<Xattr> = Vec::new();
    for _ in 0..800 {
        let name = "n".repeat(1 + random.below(9));
        let space = *random.pick(&[USER, TRUSTED, SECURITY]);
        let key = (space, name.as_bytes());
        let place = model
            .iter()
            .position(|one| (one.space, &one.name[..]) == key);
        if random.below(3) == 0 {
            let result = fs.set_xattr(link, key, None, XattrMode::Any, NOW);
            assert_eq!(result.is_ok(), place.is_some());
            place.map(|place| model.remove(place));
        } else {
            let len = random.below(200);
            let value = random.bytes(len);
            match set(&mut fs, link, space, &name, &value) {
                Ok(()) => {
                    place.map(|place| model.remove(place));
                    model.push(xattr(space, &name, &value));
                }
                Err(error) => assert_eq!(error, Error::NoSpace),
            }
        }
        model.sort();
        assert_eq!(fs.xattrs(link).unwrap(), model);
    }
    assert_eq!(fs.readlink(link).unwrap(), b"target");
    assert_clean(&unmount(fs).into_image());
}
