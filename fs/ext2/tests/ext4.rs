//! ext4 disks by `mke2fs`: all that is on them is read, and a byte that changed is noticed.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

mod common;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use common::{NOW, Random, Scratch, list, read_some, tool, walk};
use ext4_view::Ext4;
use fs_block::MemDisk;
use fs_ext2::{Error, Ext2, Feature, FileType, InodeNo, MountOptions, Result, Seek, Xattr};

/// A folder with some of everything: its files by path.
fn folder(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut random = Random::new(5);
    let mut files = BTreeMap::new();
    std::fs::create_dir_all(path.join("dir/below")).unwrap();
    std::fs::create_dir_all(path.join("many")).unwrap();
    for (name, len) in [
        ("empty", 0),
        ("small", 100),
        ("dir/big", 700_000),
        ("dir/below/x", 5000),
    ] {
        files.insert(name.to_string(), random.bytes(len));
    }
    for number in 0..250 {
        let name = format!("many/a name that takes quite some room {number}");
        files.insert(name, number.to_string().into_bytes());
    }
    // Holes between blocks: more extents than an inode or two blocks hold.
    let mut holes = vec![0; 3 << 20];
    for block in (0..holes.len()).step_by(8192) {
        holes[block..block + 4096].fill(u8::try_from(block >> 13 & 0x7F).unwrap() + 1);
    }
    files.insert("dir/holes".to_string(), holes);
    for (name, bytes) in &files {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    punch(&path.join("dir/holes"));
    std::os::unix::fs::symlink("small", path.join("fast")).unwrap();
    std::os::unix::fs::symlink("y".repeat(100), path.join("slow")).unwrap();
    files
}

/// Writes the file anew with holes where it is zero.
fn punch(path: &Path) {
    let path = path.to_str().unwrap();
    let sparse = format!("{path}.sparse");
    let status = std::process::Command::new("cp")
        .args(["--sparse=always", path, &sparse])
        .status();
    assert!(status.unwrap().success());
    std::fs::rename(sparse, path).unwrap();
}

/// An ext4 disk of that folder.
fn ext4(options: &[&str]) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let scratch = Scratch::new();
    let source = scratch.path().join("folder");
    let files = folder(&source);
    let path = scratch.path().join("image");
    let path = path.to_str().unwrap();
    let mut arguments = vec!["-t", "ext4", "-q", "-F", "-d", source.to_str().unwrap()];
    arguments.extend(options);
    arguments.extend([path, "24m"]);
    let (is_ok, text) = tool("mke2fs", &arguments);
    assert!(is_ok, "{text}");
    let script = scratch.path().join("script");
    let value = "v".repeat(300);
    let commands = format!(
        "ea_set small user.short value\nea_set small user.long {value}\nfallocate small 40 49\n"
    );
    std::fs::write(&script, commands).unwrap();
    let (is_ok, text) = tool("debugfs", &["-w", "-f", script.to_str().unwrap(), path]);
    assert!(is_ok, "{text}");
    // Makes hash trees of large directories.
    let (_, text) = tool("e2fsck", &["-fyD", path]);
    assert!(text.contains("Pass 5"), "{text}");
    (std::fs::read(path).unwrap(), files)
}

fn mount(image: Vec<u8>) -> Result<Ext2<MemDisk>> {
    let options = MountOptions {
        read_only: true,
        now: NOW,
        ..MountOptions::default()
    };
    Ext2::mount(MemDisk::new(image), options)
}

/// Reads all there is; the first error, if any.
fn read_everything(fs: &mut Ext2<MemDisk>, dir: InodeNo) -> Result<()> {
    let (mut left, mut seen) = (vec![dir], HashSet::new());
    while let Some(dir) = left.pop() {
        // A broken disk may have circles.
        if !seen.insert(dir) {
            continue;
        }
        for (name, ino, _) in list(fs, dir)? {
            fs.lookup(dir, &name)?;
            let attributes = fs.stat(ino)?;
            fs.xattrs(ino)?;
            match attributes.kind {
                FileType::Directory => left.push(ino),
                FileType::Symlink => drop(fs.readlink(ino)?),
                FileType::Regular => {
                    let len = usize::try_from(attributes.size).unwrap();
                    read_some(fs, ino, 0, len.min(1 << 23))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

const KINDS: [&[&str]; 7] = [
    &["-b", "4096"],
    &["-b", "1024"],
    &["-b", "2048", "-I", "128"],
    &["-O", "metadata_csum_seed"],
    &["-O", "^metadata_csum,uninit_bg", "-b", "1024"],
    &["-O", "^64bit,^flex_bg,^metadata_csum"],
    &["-O", "^extent,^64bit", "-g", "4096", "-b", "1024"],
];

#[test]
fn everything_on_an_ext4_disk_is_read_as_it_was_written() {
    for options in KINDS {
        let (image, files) = ext4(options);
        // It takes no small inodes with checksums.
        let view =
            (!options.contains(&"128")).then(|| Ext4::load(Box::new(image.clone())).unwrap());
        let mut fs = mount(image).unwrap();
        for (name, bytes) in &files {
            let ino = walk(&mut fs, name).unwrap();
            let size = fs.stat(ino).unwrap().size;
            let was_grown = name == "small" && size == 50 << 10;
            assert!(was_grown || size == u64::try_from(bytes.len()).unwrap());
            let read = read_some(&mut fs, ino, 0, bytes.len()).unwrap();
            assert!(read == *bytes, "{options:?} {name}");
            assert!(read_some(&mut fs, ino, 1 << 30, 10).unwrap().is_empty());
            if name != "dir/holes"
                && let Some(view) = &view
            {
                assert!(
                    view.read(format!("/{name}").as_str())
                        .unwrap()
                        .starts_with(bytes)
                );
            }
        }
        let many = walk(&mut fs, "many").unwrap();
        assert_eq!(list(&mut fs, many).unwrap().len(), 250);
        let holes = walk(&mut fs, "dir/holes").unwrap();
        assert_eq!(fs.seek(holes, 0, Seek::Hole), Ok(Some(4096)));
        assert_eq!(fs.seek(holes, 4096, Seek::Data), Ok(Some(8192)));
        for (name, target) in [("fast", "small".to_string()), ("slow", "y".repeat(100))] {
            let ino = walk(&mut fs, name).unwrap();
            assert_eq!(fs.readlink(ino).unwrap(), target.into_bytes());
        }
        let small = walk(&mut fs, "small").unwrap();
        let xattr = |name: &[u8], value: String| Xattr {
            space: 1,
            name: name.to_vec(),
            value: value.into_bytes(),
        };
        let mut found = fs.xattrs(small).unwrap();
        found.sort();
        let long = xattr(b"long", "v".repeat(300));
        assert_eq!(found, [long, xattr(b"short", "value".to_string())]);
        assert_eq!(read_everything(&mut fs, InodeNo::ROOT), Ok(()));
    }
}

#[test]
fn a_changed_byte_of_metadata_is_noticed() {
    for options in [KINDS[0], KINDS[1]] {
        let (image, _) = ext4(options);
        let scratch = Scratch::new();
        let path = scratch.path().join("image");
        std::fs::write(&path, &image).unwrap();
        let ask = |command: &str| {
            let (_, text) = tool("debugfs", &["-R", command, path.to_str().unwrap()]);
            text
        };
        let block_size = if options == KINDS[0] { 4096 } else { 1024 };
        let number = |text: &str| -> usize { text.trim().parse().unwrap() };
        let first_block = |name: &str, index: u32| {
            let text = ask(&format!("bmap {name} {index}"));
            number(
                text.lines()
                    .find(|line| !line.starts_with("debugfs"))
                    .unwrap(),
            )
        };
        // "Inode 13 is part of block group 0\n\tlocated at block 43, offset 0x0300"
        let imap = ask("imap small");
        let place = imap.split("block ").last().unwrap();
        let (block, offset) = place.split_once(", offset 0x").unwrap();
        let offset = offset.split_whitespace().next().unwrap();
        let inode = number(block) * block_size + usize::from_str_radix(offset, 16).unwrap();
        let stat = ask("stat dir/holes");
        let tree = stat.split("(ETB").nth(1).unwrap();
        let node = tree.split("):").nth(1).unwrap().split(',').next().unwrap();
        let acl = ask("stat small");
        let acl = acl.split("File ACL: ").nth(1).unwrap();
        let acl = acl.split_whitespace().next().unwrap();
        let mut places = vec![
            ("superblock", 1024 + 400),
            ("descriptor", block_size.max(2048) + 20),
            ("inode", inode + 8),
            ("directory", first_block("dir", 0) * block_size + 30),
            (
                "root of a hash tree",
                first_block("many", 0) * block_size + 44,
            ),
            (
                "leaf of a hash tree",
                first_block("many", 2) * block_size + 30,
            ),
            ("node of extents", number(node) * block_size + 20),
        ];
        if acl != "0" {
            places.push(("attributes", number(acl) * block_size + 60));
        }
        for (what, at) in places {
            assert!(at < image.len(), "{what}: {at}");
            let mut broken = image.clone();
            broken[at] ^= 1;
            let read = mount(broken).and_then(|mut fs| read_everything(&mut fs, InodeNo::ROOT));
            assert!(
                matches!(read, Err(Error::Corrupt(_))),
                "{options:?} {what}: {read:?}"
            );
        }
    }
}

#[test]
fn random_bytes_of_an_ext4_disk_never_panic() {
    let (image, _) = ext4(&["-b", "1024", "-O", "^metadata_csum"]);
    let mut random = Random::new(common::fuzz_seed(1));
    let places: Vec<usize> = (1024..2 << 20).filter(|at| image[*at] != 0).collect();
    for _ in 0..common::fuzz_count(12) {
        let mut broken = image.clone();
        for _ in 0..20 {
            broken[*random.pick(&places)] = random.bytes(1)[0];
        }
        if let Ok(mut fs) = mount(broken) {
            let _ = read_everything(&mut fs, InodeNo::ROOT);
        }
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let (image, _) = ext4(&[]);
    let written = Ext2::mount(MemDisk::new(image.clone()), MountOptions::default());
    assert!(matches!(
        written,
        Err(Error::Unsupported(Feature::ReadOnly(_)))
    ));
    for (bit, name) in [
        (0x4_u32, "needs_recovery"),
        (0x8000, "inline_data"),
        (0x400, "ea_inode"),
        (0x1_0000, "encrypt"),
        (0x2_0000, "casefold"),
    ] {
        let mut other = image.clone();
        let word = 1024 + 96;
        let old = u32::from_le_bytes(other[word..word + 4].try_into().unwrap());
        other[word..word + 4].copy_from_slice(&(old | bit).to_le_bytes());
        let error = mount(other).unwrap_err();
        assert_eq!(error, Error::Unsupported(Feature::Incompatible(bit)));
        assert!(error.to_string().contains(name), "{error}");
    }
}
