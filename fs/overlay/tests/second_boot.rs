//! The second boot: what the first one fetched is here, and the base is hardly asked.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

use fs_block::{BlockDevice, MemDisk};
use fs_ext2::{
    Error, Ext2, FormatOptions, InodeNo, MountOptions, NewAttributes, NewNode, Timestamp, format,
};
use fs_image::ReadRecorder;
use fs_overlay::{Identity, MemStore, Options, Overlay};

type Booted = Ext2<Overlay<ReadRecorder<MemDisk>, MemStore>>;

const PLAIN: NewAttributes = NewAttributes {
    permissions: 0o644,
    uid: 0,
    gid: 0,
    time: Timestamp {
        seconds: 1_700_000_000,
        nanoseconds: 0,
    },
};

fn name(number: u8) -> Vec<u8> {
    format!("program {number}").into_bytes()
}

/// An image of 32 MiB with 60 files of 100 KB.
fn image() -> Vec<u8> {
    let disk = MemDisk::zeroed(32 << 20);
    let options = FormatOptions {
        nr_inodes: 1000,
        ..FormatOptions::default()
    };
    let mut fs = format(disk, &options, MountOptions::default()).unwrap();
    for number in 0..60 {
        let file = fs
            .create(InodeNo::ROOT, &name(number), NewNode::Regular, PLAIN)
            .unwrap();
        fs.write(file, 0, &vec![number; 100_000], PLAIN.time)
            .unwrap();
    }
    fs.unmount(PLAIN.time).unwrap();
    fs.into_device().into_image()
}

fn boot(image: &[u8], stores: [MemStore; 2]) -> Booted {
    let base = ReadRecorder::new(MemDisk::new(image.to_vec()), 512);
    let identity = Identity::new(base.len_bytes(), b"image").unwrap();
    let overlay = Overlay::open(base, identity, stores, Options::default()).unwrap();
    Ext2::mount(overlay, MountOptions::default()).unwrap()
}

/// Reads ten programs, and leaves a note.
fn work(fs: &mut Booted, note: &[u8]) {
    for number in 20..30 {
        let file = fs.lookup(InodeNo::ROOT, &name(number)).unwrap();
        let mut nr_bytes = 0;
        while nr_bytes < 100_000 {
            nr_bytes += fs
                .read::<Error>(file, nr_bytes, 100_000, &mut |bytes| {
                    assert!(bytes.iter().all(|byte| *byte == number));
                    Ok(())
                })
                .map(|count| u64::try_from(count).unwrap())
                .unwrap();
        }
    }
    let file = fs
        .create(InodeNo::ROOT, note, NewNode::Regular, PLAIN)
        .unwrap();
    fs.write(file, 0, note, PLAIN.time).unwrap();
    fs.sync(PLAIN.time).unwrap();
}

#[test]
fn a_second_boot_reads_at_most_64_kib_of_the_base() {
    let image = image();
    let mut fs = boot(&image, [MemStore::default(), MemStore::default()]);
    work(&mut fs, b"first");
    let fetched = fs.device().base().hot_list();
    assert!(fetched.len_bytes() > 1_000_000);
    // What a host does with what it has fetched, in requests of 128 KiB.
    for (start, len) in fetched.ranges() {
        let start = usize::try_from(*start).unwrap() & !0x1_FFFF;
        let end = (start + usize::try_from(*len).unwrap())
            .next_multiple_of(128 << 10)
            .min(image.len());
        let part = &image[start..end];
        let at = u64::try_from(start).unwrap();
        fs.device_mut().keep(at, part).unwrap();
    }
    fs.device_mut().checkpoint().unwrap();
    let stores = fs.into_device().into_parts().1;

    let mut fs = boot(&image, stores);
    work(&mut fs, b"second");
    let fetched = fs.device().base().hot_list().len_bytes();
    println!("the second boot read {fetched} bytes of the base");
    assert!(fetched <= 64 << 10, "{fetched} bytes");
    assert!(fs.lookup(InodeNo::ROOT, b"first").is_ok());
}
