//! The verdicts of our checker and of `e2fsck -fn` on the same broken disks, and what a mounted file
//! system answers on them.

#![cfg(test)]

mod common;

use common::{
    NOW, PLAIN, Random, Sample, assert_clean, debugfs, e2fsck, fuzz_count, fuzz_seed, mount, sample,
};
use fs_block::MemDisk;
use fs_check::{Finding, Report, check, fix};
use fs_ext2::{Error, Ext2, InodeNo, MountOptions, NewNode, SetAttributes};

fn ours(image: &[u8]) -> Report {
    check(&MemDisk::new(image.to_vec())).unwrap()
}

/// Both must call it bad; returns what we say.
fn assert_bad(what: &str, image: &[u8]) -> Report {
    let report = ours(image);
    let (is_clean, text) = e2fsck(image);
    assert!(!is_clean, "{what}: e2fsck finds nothing, we {report:?}");
    assert!(!report.is_clean(), "{what}: only e2fsck: {text}");
    report
}

/// Seeds whose verdicts once were different, most of them about the inode that keeps blocks for descriptors.
const ONCE_DIFFERENT: [u64; 6] = [50642, 50795, 51435, 51491, 51565, 51960];

#[test]
fn a_random_byte_of_metadata_gets_the_same_verdict() {
    let mut differing = Vec::new();
    let first = fuzz_seed(1);
    let samples = [
        sample(&["-b", "1024"]),
        sample(&["-b", "2048", "-I", "128"]),
        sample(&["-b", "4096"]),
    ];
    for seed in (first..first + fuzz_count(60)).chain(ONCE_DIFFERENT) {
        let mut random = Random::new(seed);
        let Sample { image, places, .. } = random.pick(&samples);
        let mut broken = image.clone();
        let place = random.pick(places).clone();
        let at = place.start + random.below(place.len());
        broken[at] = match random.below(3) {
            0 => broken[at] ^ (1 << random.below(8)),
            1 => 0xFF,
            _ => random.bytes(1)[0],
        };
        let report = ours(&broken);
        let (is_clean, text) = e2fsck(&broken);
        if report.is_clean() != is_clean {
            println!("seed {seed}, byte {at}: {:?}\n{text}", report.findings);
            differing.push(seed);
        }
    }
    assert!(differing.is_empty(), "verdicts differ: seeds {differing:?}");
}

/// Something that meets what is broken.
type Meets = fn(&mut Ext2<MemDisk>, &Sample) -> Result<(), Error>;

/// A way to break the disk with `debugfs`, what we find, and what the mounted file system answers.
struct Case {
    what: &'static str,
    /// Commands of `debugfs -w`.
    commands: &'static [&'static str],
    is_found: fn(&Finding) -> bool,
    /// What meets it; `None`: only a checker can see it.
    meets: Option<Meets>,
}

fn cut(fs: &mut Ext2<MemDisk>, ino: InodeNo) -> Result<(), Error> {
    let change = SetAttributes {
        size: Some(0),
        ..SetAttributes::default()
    };
    fs.set_attributes(ino, &change)
}

fn walk(fs: &mut Ext2<MemDisk>, dir: InodeNo) -> Result<(), Error> {
    let mut found = Vec::new();
    fs.read_dir(dir, 0, &mut |entry| {
        found.push(entry.ino);
        true
    })?;
    found.into_iter().try_for_each(|ino| fs.stat(ino).map(drop))
}

const CASES: &[Case] = &[
    Case {
        what: "a directory in itself",
        commands: &["link /dir /dir/below/loop"],
        is_found: |finding| matches!(finding, Finding::Entry { .. }),
        meets: None,
    },
    Case {
        what: "directories in a circle",
        commands: &["link /dir /dir/below/deep/up", "unlink /dir"],
        is_found: |finding| matches!(finding, Finding::Unreachable { .. }),
        meets: None,
    },
    Case {
        what: "a parent that is a file",
        commands: &["unlink /dir/below/..", "link /file /dir/below/.."],
        is_found: |finding| matches!(finding, Finding::Entry { .. }),
        meets: None,
    },
    Case {
        what: "a pointer out of range",
        commands: &["set_inode_field /file block[1] 99999999"],
        is_found: |finding| matches!(finding, Finding::BlockPointer { .. }),
        meets: Some(|fs, sample| cut(fs, sample.file)),
    },
    Case {
        what: "a table of pointers out of range",
        commands: &["set_inode_field /file block[IND] 99999999"],
        is_found: |finding| matches!(finding, Finding::BlockPointer { .. }),
        meets: Some(|fs, sample| {
            fs.read::<Error>(sample.file, 100_000, 10, &mut |_| Ok(()))
                .map(drop)
        }),
    },
    Case {
        what: "a pointer to the inode table",
        commands: &["set_inode_field /file block[0] 40"],
        is_found: |finding| matches!(finding, Finding::BlockPointer { .. }),
        meets: Some(|fs, sample| fs.write(sample.file, 0, b"wild", NOW).map(drop)),
    },
    Case {
        what: "a block in two files",
        commands: &["copy_inode /file /other"],
        is_found: |finding| matches!(finding, Finding::SharedBlock { .. }),
        meets: Some(|fs, sample| cut(fs, sample.file).and_then(|()| cut(fs, sample.other))),
    },
    Case {
        what: "an inode in use that is marked as free",
        commands: &["freei /file"],
        is_found: |finding| matches!(finding, Finding::Bit { .. }),
        meets: Some(|fs, _| {
            let make = |fs: &mut Ext2<MemDisk>, number: u32| {
                let name = number.to_string();
                fs.create(InodeNo::ROOT, name.as_bytes(), NewNode::Regular, PLAIN)
            };
            (0..2000).try_for_each(|number| make(fs, number).map(drop))
        }),
    },
    Case {
        what: "a name whose inode was freed",
        commands: &["clri /file"],
        is_found: |finding| matches!(finding, Finding::Entry { .. }),
        meets: Some(|fs, sample| fs.stat(sample.file).map(drop)),
    },
    Case {
        what: "a name of an inode that was never used",
        commands: &["link <1000> /high"],
        is_found: |finding| matches!(finding, Finding::Entry { .. }),
        meets: Some(|fs, _| walk(fs, InodeNo::ROOT)),
    },
    Case {
        what: "a type that there is not",
        commands: &["set_inode_field /file mode 070644"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: Some(|fs, sample| fs.stat(sample.file).map(drop)),
    },
    Case {
        what: "a file with extents on a disk without",
        commands: &["set_inode_field /file flags 0x80000"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: Some(|fs, sample| fs.stat(sample.file).map(drop)),
    },
    Case {
        what: "a directory of an impossible size",
        commands: &["set_inode_field /dir size 77777777"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: Some(|fs, sample| walk(fs, sample.dir)),
    },
    Case {
        what: "a directory with a hole",
        commands: &["set_inode_field /dir block[0] 0"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: Some(|fs, sample| walk(fs, sample.dir)),
    },
    Case {
        what: "a link longer than its target",
        commands: &["set_inode_field /fast size 70"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: Some(|fs, _| {
            let link = fs.lookup(InodeNo::ROOT, b"fast")?;
            fs.readlink(link).map(drop)
        }),
    },
    Case {
        what: "attributes in a block of a file",
        commands: &["set_inode_field /other file_acl 700"],
        is_found: |finding| {
            matches!(
                finding,
                Finding::Attributes { .. } | Finding::SharedBlock { .. }
            )
        },
        meets: Some(|fs, sample| fs.xattrs(sample.other).map(drop)),
    },
    Case {
        what: "attributes out of range",
        commands: &["set_inode_field /other file_acl 70000"],
        is_found: |finding| matches!(finding, Finding::BlockPointer { .. }),
        meets: Some(|fs, sample| fs.xattrs(sample.other).map(drop)),
    },
    Case {
        what: "more links than names",
        commands: &["set_inode_field /file links_count 7"],
        is_found: |finding| matches!(finding, Finding::Links { .. }),
        meets: None,
    },
    Case {
        what: "a file without a name",
        commands: &["unlink /file"],
        is_found: |finding| matches!(finding, Finding::Unreachable { .. }),
        meets: None,
    },
    Case {
        what: "blocks counted wrongly",
        commands: &["set_inode_field /file blocks 2"],
        is_found: |finding| matches!(finding, Finding::Inode { .. }),
        meets: None,
    },
    Case {
        what: "a bitmap outside its group",
        commands: &["set_block_group 0 block_bitmap 4000000"],
        is_found: |finding| matches!(finding, Finding::Group { .. }),
        meets: None,
    },
    Case {
        what: "fewer free blocks than there are",
        commands: &["set_block_group 0 free_blocks_count 5"],
        is_found: |finding| matches!(finding, Finding::Count { .. }),
        meets: None,
    },
    Case {
        what: "used blocks that nobody uses",
        commands: &["setb 3000 20"],
        is_found: |finding| matches!(finding, Finding::Bit { .. }),
        meets: None,
    },
];

#[test]
fn what_is_broken_on_purpose_is_found_and_never_written_on() {
    let sample = sample(&["-b", "1024"]);
    for case in CASES {
        let image = debugfs(&sample.image, case.commands);
        let report = assert_bad(case.what, &image);
        let is_found = report.findings.iter().any(case.is_found);
        assert!(is_found, "{}: {:#?}", case.what, report.findings);
        let Some(meets) = case.meets else { continue };
        let mut fs = mount(image);
        let error = meets(&mut fs, &sample).unwrap_err();
        let is_stale = error == Error::Stale;
        assert!(
            matches!(error, Error::Corrupt(_)) || is_stale,
            "{}: {error}",
            case.what
        );
        assert!(is_stale || fs.is_read_only(), "{}", case.what);
        if !is_stale {
            let refused = fs.create(InodeNo::ROOT, b"new", NewNode::Fifo, PLAIN);
            assert_eq!(refused, Err(Error::ReadOnly), "{}", case.what);
        }
        fs.unmount(NOW).unwrap();
    }
}

/// Where `needle` is, which must be there once.
fn place_of(image: &[u8], needle: &[u8]) -> usize {
    let found = image
        .windows(needle.len())
        .position(|bytes| bytes == needle);
    found.unwrap()
}

#[test]
fn hostile_names_are_found_and_refused() {
    let sample = sample(&["-b", "1024"]);
    let at = place_of(&sample.image, b"a name that takes some room 7") - 8;
    let lengths: [(usize, &[u8]); 5] = [
        (4, &[3, 0]),
        (4, &[0xFC, 0xFF]),
        (4, &[8, 0]),
        (6, &[255]),
        (4, &[0, 0]),
    ];
    for (offset, bytes) in lengths {
        let mut broken = sample.image.clone();
        broken[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
        assert_bad("an entry's length", &broken);
        let mut fs = mount(broken);
        assert!(matches!(walk(&mut fs, sample.dir), Err(Error::Corrupt(_))));
        assert!(fs.is_read_only());
    }
    for byte in [0, b'/'] {
        let mut broken = sample.image.clone();
        broken[at + 9] = byte;
        assert_bad("a byte that no name has", &broken);
        let mut fs = mount(broken);
        assert!(matches!(walk(&mut fs, sample.dir), Err(Error::Corrupt(_))));
    }
    let mut broken = sample.image;
    broken[at + 8 + 28] = b'8';
    assert_bad("a name twice", &broken);
}

#[test]
fn attributes_that_lie_are_found_and_refused() {
    let sample = sample(&["-b", "1024"]);
    let at = place_of(&sample.image, &[0, 0, 2, 0xEA, 1, 0, 0, 0]);
    for (offset, byte) in [
        (0, 1),
        (8, 2),
        (32, 250),
        (34, 9),
        (35, 0xFF),
        (40, 1),
        (42, 1),
        (44, 1),
    ] {
        let mut broken = sample.image.clone();
        broken[at + offset] ^= byte;
        assert_bad(&format!("attributes, byte {offset}"), &broken);
        let mut fs = mount(broken);
        // A wrong hash, or values that overlap, hurt nobody who reads.
        if let Err(error) = fs.xattrs(sample.other) {
            assert!(matches!(error, Error::Corrupt(_)), "{offset}: {error}");
            assert!(fs.is_read_only());
        }
    }
    let mut broken = sample.image.clone();
    broken[at + 4] = 9;
    assert_bad("users of attributes", &broken);
}

#[test]
fn disks_that_end_early_or_begin_with_nonsense_are_refused() {
    let sample = sample(&["-b", "1024"]);
    for len in [0, 512, 1024, 1536, 2048, 1 << 20, (4 << 20) - 1024] {
        let image = &sample.image[..len];
        assert!(!ours(image).is_clean(), "{len}");
        let mounted = Ext2::mount(MemDisk::new(image.to_vec()), MountOptions::default());
        assert!(matches!(mounted, Err(Error::Corrupt(_))), "{len}");
        // It goes on when only free blocks are missing.
        assert!(len > 3 << 20 || !e2fsck(image).0, "{len}");
    }
    for (at, bytes) in [
        (0, [0xFF, 0xFF]),
        (4, [0xFF, 0xFF]),
        (20, [9, 0]),
        (24, [9, 0]),
        (32, [0, 0]),
        (40, [0, 0]),
        (56, [0, 0]),
        (76, [9, 0]),
        (88, [77, 0]),
        (96, [0x40, 0xFF]),
    ] {
        let mut broken = sample.image.clone();
        broken[1024 + at..1024 + at + 2].copy_from_slice(&bytes);
        assert_bad("superblock", &broken);
        let mounted = Ext2::mount(MemDisk::new(broken), MountOptions::default());
        let is_refused = matches!(mounted, Err(Error::Corrupt(_) | Error::Unsupported(_)));
        assert!(is_refused, "{at}");
    }
}

#[test]
fn what_follows_from_the_rest_is_mended() {
    let sample = sample(&["-b", "1024"]);
    for commands in [
        &["setb 3000 20", "freeb 300 3", "seti <900>", "freei /file"][..],
        &[
            "set_super_value free_blocks_count 5",
            "set_super_value free_inodes_count 5",
        ],
        &[
            "set_block_group 0 free_blocks_count 7",
            "set_block_group 0 used_dirs_count 70",
        ],
        &["set_super_value state 0"],
    ] {
        let image = debugfs(&sample.image, commands);
        let mut disk = MemDisk::new(image);
        let report = fix(&mut disk, 1_700_000_000).unwrap();
        assert!(report.is_fixable());
        assert_clean(&disk.snapshot());
        assert!(ours(&disk.snapshot()).was_left_clean);
    }
}

#[test]
fn a_crash_with_files_open_is_mended() {
    let sample = sample(&["-b", "1024"]);
    let mut fs = mount(sample.image);
    for ino in [sample.file, sample.other] {
        fs.retain(ino);
    }
    fs.unlink(InodeNo::ROOT, b"file", NOW).unwrap();
    fs.unlink(InodeNo::ROOT, b"other", NOW).unwrap();
    fs.unlink(sample.dir, b"again", NOW).unwrap();
    fs.sync(NOW).unwrap();
    let mut disk = MemDisk::new(fs.device().snapshot());
    let report = fix(&mut disk, 1_700_000_000).unwrap();
    let orphans = report.findings.iter();
    assert_eq!(
        orphans
            .filter(|finding| matches!(finding, Finding::Orphan { .. }))
            .count(),
        2
    );
    assert_clean(&disk.snapshot());
    fs.unmount(NOW).unwrap();
    let mended = mount(disk.into_image());
    assert_eq!(mended.status(), fs.status());
}

#[test]
fn what_nobody_can_decide_is_left_as_it_is() {
    let sample = sample(&["-b", "1024"]);
    let image = debugfs(&sample.image, &["copy_inode /file /other", "setb 3000 20"]);
    let mut disk = MemDisk::new(image.clone());
    assert!(fix(&mut disk, 1).is_err());
    assert!(disk.into_image() == image);
}
