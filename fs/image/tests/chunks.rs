//! Images in chunks: split, fetched as they are wanted, mounted, damaged on the way.

#![cfg(test)]

use std::collections::BTreeMap;

use fs_block::{BlockDevice, BlockError, MemDisk};
use fs_ext2::{Error, Ext2, FormatOptions, InodeNo, MountOptions, NewAttributes, NewNode, format};
use fs_image::{Chunk, ChunkError, ChunkName, ChunkNo, ChunkedDisk, Manifest, split};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

const CHUNK: u32 = 16 << 10;

type Files = BTreeMap<ChunkName, Vec<u8>>;

fn chunked(image: &[u8], hot: &[ChunkNo]) -> (Manifest, Files) {
    let mut files = Files::new();
    let manifest = split::<BlockError>(
        &MemDisk::new(image.to_vec()),
        CHUNK,
        hot,
        |bytes| compress_to_vec(bytes, CompressionLevel::Fastest),
        |Chunk { name, stored, .. }| {
            assert!(files.insert(name, stored).is_none(), "each file once");
            Ok(())
        },
    )
    .unwrap();
    (manifest, files)
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3] & 0x3F
    })
    .take(len)
    .collect()
}

/// An Ext2 with one file.
fn image(contents: &[u8]) -> Vec<u8> {
    let options = FormatOptions::default();
    let mut fs = format(MemDisk::zeroed(4 << 20), &options, MountOptions::default()).unwrap();
    let attributes = NewAttributes::default();
    let file = fs
        .create(InodeNo::ROOT, b"file", NewNode::Regular, attributes)
        .unwrap();
    fs.write(file, 0, contents, attributes.time).unwrap();
    fs.unmount(attributes.time).unwrap();
    fs.into_device().into_image()
}

/// Repeats an operation, and supplies the chunks that it wants.
fn fetching<T>(
    fs: &mut Ext2<ChunkedDisk>,
    files: &Files,
    nr_fetched: &mut usize,
    mut operation: impl FnMut(&mut Ext2<ChunkedDisk>) -> Result<T, Error>,
) -> T {
    loop {
        match operation(fs) {
            Err(Error::NotResident(offset)) => {
                let (chunk, name) = fs.device().wanted(offset).unwrap();
                fs.device_mut().supply(chunk, &files[&name]).unwrap();
                *nr_fetched = nr_fetched.checked_add(1).unwrap();
            }
            result => return result.unwrap(),
        }
    }
}

#[test]
fn a_file_system_in_chunks_is_read_with_few_of_them() {
    let contents = noise(300_000);
    let image = image(&contents);
    let (manifest, files) = chunked(&image, &[ChunkNo(200), ChunkNo(0)]);
    assert!(files.len() < 30, "zeros have no file: {}", files.len());
    assert_eq!(manifest.hot(), [ChunkNo(0)], "what is zeros is not hot");
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
    let stored: usize = files.values().map(Vec::len).sum();
    assert!(stored < 280_000, "compressed: {stored}");

    let mut disk = ChunkedDisk::new(manifest, 4 << 20);
    let mut nr_fetched = 0_usize;
    // Mounting consumes the device: its first chunks are supplied beforehand.
    let mut bytes = vec![0; 32_768];
    while let Err(BlockError::NotResident(offset)) = disk.read(0, &mut bytes) {
        let (chunk, name) = disk.wanted(offset).unwrap();
        disk.supply(chunk, &files[&name]).unwrap();
        nr_fetched = nr_fetched.checked_add(1).unwrap();
    }
    let options = MountOptions {
        read_only: true,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(disk, options).unwrap();
    let file = fetching(&mut fs, &files, &mut nr_fetched, |fs| {
        fs.lookup(InodeNo::ROOT, b"file")
    });
    assert!(nr_fetched < 5, "{nr_fetched}");
    let mut found = Vec::new();
    while found.len() < contents.len() {
        let at = u64::try_from(found.len()).unwrap();
        let part = fetching(&mut fs, &files, &mut nr_fetched, |fs| {
            let mut part = Vec::new();
            fs.read::<Error>(file, at, 4096, &mut |bytes| {
                part.extend_from_slice(bytes);
                Ok(())
            })?;
            Ok(part)
        });
        found.extend(part);
    }
    assert!(found == contents);
    assert!(nr_fetched <= files.len(), "{nr_fetched}");
}

#[test]
fn the_same_image_gives_the_same_files() {
    let image = image(&noise(50_000));
    assert_eq!(chunked(&image, &[]), chunked(&image, &[]));
}

#[test]
fn chunks_that_are_not_what_the_manifest_names_are_refused() {
    let mut bytes = noise(4 * 16_384 - 512);
    bytes[16_384..32_768].fill(0);
    let (manifest, files) = chunked(&bytes, &[]);
    let mut disk = ChunkedDisk::new(manifest.clone(), 1 << 20);
    let name = manifest.name(ChunkNo(0)).unwrap();
    let mut damaged = files[&name].clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(
        disk.supply(ChunkNo(0), &damaged),
        Err(ChunkError::WrongContent)
    );
    assert_eq!(disk.supply(ChunkNo(0), b""), Err(ChunkError::WrongContent));
    assert_eq!(disk.supply(ChunkNo(1), b""), Err(ChunkError::NotStored));
    assert_eq!(disk.supply(ChunkNo(9), b""), Err(ChunkError::NotStored));
    assert_eq!(disk.wanted(0), Some((ChunkNo(0), name)));
    assert_eq!(
        disk.supply(ChunkNo(0), &files[&name]).unwrap(),
        &bytes[..16_384]
    );
    assert_eq!(disk.wanted(0), None);

    // Frames that are named, and lie about their length or are none.
    let compress = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
    for stored in [
        compress(&bytes[..100]),
        compress(&bytes[..20_000]),
        vec![7; 50],
    ] {
        let rows = vec![(ChunkNo(0), ChunkName::of(&stored))];
        let manifest = Manifest::new(CHUNK, 16_384, rows, Vec::new()).unwrap();
        let mut disk = ChunkedDisk::new(manifest, 0);
        assert_eq!(disk.supply(ChunkNo(0), &stored), Err(ChunkError::BadFrame));
    }
}

#[test]
fn memory_is_bounded_and_what_left_is_wanted_again() {
    let bytes = noise(8 * 16_384);
    let (manifest, files) = chunked(&bytes, &[]);
    let mut disk = ChunkedDisk::new(manifest.clone(), 3 * 16_384);
    let mut block = [0; 512];
    for (chunk, name) in manifest.stored() {
        disk.supply(chunk, &files[&name]).unwrap();
        disk.read(u64::from(chunk.0) << 14, &mut block).unwrap();
        // The first one is read all the time, and stays.
        disk.read(0, &mut block).unwrap();
    }
    let resident = (0..8_u64).filter(|chunk| disk.wanted(chunk << 14).is_none());
    assert_eq!(resident.collect::<Vec<_>>(), [0, 6, 7]);
    assert_eq!(
        disk.read(3 << 14, &mut block),
        Err(BlockError::NotResident(3 << 14))
    );
    assert_eq!(disk.read(8 << 14, &mut block), Err(BlockError::OutOfRange));
    assert_eq!(disk.write(0, &block), Err(BlockError::ReadOnly));
}
