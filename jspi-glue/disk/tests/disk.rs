//! A disk with its server and its storage played by the test.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "numbers of the tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use executor::sync::Lock;
use fs_block::{BlockDevice, MemDisk};
use fs_image::{Answer, ChunkedDisk, RequestId, split};
use fs_overlay::{MemStore, Store, StoreError};
use jspi_glue_disk::{
    Base, Disk, Far, Fetch, Fetched, Layout, Opening, Outcome, Source, Status, of_text,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SECOND: u64 = 1_000_000_000;

/// What the next barriers answer: so many times `Pending`, or `Full` as long as it is set.
#[derive(Debug, Default)]
struct Mood {
    pending: AtomicU32,
    full: AtomicU32,
}

/// A store that outlives a disk; clones are the same.
#[derive(Clone, Debug, Default)]
struct Shared {
    store: Arc<Lock<MemStore>>,
    mood: Arc<Mood>,
}

impl Store for Shared {
    fn len_bytes(&self) -> u64 {
        self.store.lock().len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        self.store.lock().read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if self.mood.full.load(Ordering::Relaxed) > 0 {
            return Err(StoreError::Full);
        }
        self.store.lock().write_at(offset, bytes)
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.store.lock().truncate(len)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let less = |left: u32| left.checked_sub(1);
        match self
            .mood
            .pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        {
            Ok(_) => Err(StoreError::Pending),
            Err(_) => Ok(()),
        }
    }
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// An image whose file system has blocks of 1 KiB.
fn image(len: usize) -> Vec<u8> {
    let mut image = noise(len, 1);
    image[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
    image[1024 + 24] = 0;
    image
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

fn layout(stores: &[Shared; 2]) -> Layout<Shared> {
    Layout {
        stores: stores.clone(),
        limit_bytes: None,
        is_lasting: true,
    }
}

fn here(image: &[u8], stores: &[Shared; 2]) -> Disk<Shared> {
    let source = Source::Here(Box::new(MemDisk::new(image.to_vec())));
    let base = Base::new(wide(image.len()), source);
    Opening::new(base, None, b"tag".to_vec(), layout(stores))
        .open(0)
        .unwrap()
}

fn by_ranges(image: &[u8], stores: &[Shared; 2]) -> Opening<Shared> {
    let base = Base::new(wide(image.len()), Source::Ranges(Fetched::new(32 * MIB)));
    let far = Far::ranges(base.clone(), Some("\"v\"".to_owned()));
    Opening::new(base, Some(far), of_text(b"v"), layout(stores))
}

fn response(status: u16, etag: Option<&str>, body_len: usize) -> Answer {
    Answer::Response {
        status,
        etag: etag.map(str::to_owned),
        content_range: None,
        body_len: wide(body_len),
        retry_after_s: None,
    }
}

/// The bytes that a good server sends.
fn body<'a>(image: &'a [u8], fetch: &Fetch) -> &'a [u8] {
    let place = |at| usize::try_from(at).unwrap();
    &image[place(fetch.range.start)..place(fetch.range.end)]
}

/// Answers all requests well; how many there were.
fn serve(disk: &mut Disk<Shared>, image: &[u8], now_ns: u64) -> usize {
    let mut count = 0;
    while let Some(fetch) = disk.next(now_ns) {
        let bytes = body(image, &fetch);
        let answer = response(206, None, bytes.len());
        let outcome = disk.answer(fetch.id, answer, bytes, now_ns);
        assert!(matches!(outcome, Outcome::Arrived(..)), "{outcome:?}");
        count += 1;
    }
    count
}

/// The same while the disk is being opened.
fn open_by_ranges(image: &[u8], stores: &[Shared; 2]) -> Disk<Shared> {
    let mut opening = by_ranges(image, stores);
    loop {
        match opening.open(0) {
            Ok(disk) => return disk,
            Err((Status::Pending, _)) => {}
            Err(failure) => panic!("{failure:?}"),
        }
        let fetch = opening.far().unwrap().next(0).expect("it is pending");
        let bytes = body(image, &fetch);
        opening.answer(fetch.id, response(206, None, bytes.len()), bytes, 0);
    }
}

fn write(offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut change = offset.to_le_bytes().to_vec();
    change.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    change.extend(0_u32.to_le_bytes());
    change.extend(bytes);
    change
}

#[test]
fn a_new_overlay_has_the_blocks_of_the_file_system() {
    let (image, stores) = (image(MIB), <[Shared; 2]>::default());
    let mut disk = here(&image, &stores);
    disk.change(1, 1, &write(1024, &[7; 1024])).unwrap();
    disk.flush().unwrap();
    assert_eq!(disk.statistics().changed_bytes, 1024);
    let mut block = [0; 2048];
    disk.read(2, 512, &mut block).unwrap();
    assert_eq!(block[..512], image[512..1024]);
    assert_eq!(block[512..1536], [7; 1024]);
    assert_eq!(block[1536..], image[2048..2560]);
    assert_eq!(
        disk.read(3, wide(MIB) - 1, &mut [0; 2]),
        Err(Status::Invalid)
    );
}

#[test]
fn a_read_waits_for_its_bytes_and_for_no_others() {
    let (image, stores) = (image(8 * MIB), <[Shared; 2]>::default());
    let mut disk = open_by_ranges(&image, &stores);
    let (mut first, mut second) = (vec![0; 4096], vec![0; 300 * KIB]);
    let far = wide(5 * MIB + 100);
    assert_eq!(
        disk.read(1, wide(3 * MIB), &mut first),
        Err(Status::Pending)
    );
    assert_eq!(disk.read(2, far, &mut second), Err(Status::Pending));
    assert_eq!(disk.read(2, far, &mut second), Err(Status::Pending));
    let fetch = disk.next(0).unwrap();
    assert_eq!(fetch.if_range.as_deref(), Some("\"v\""));
    let bytes = body(&image, &fetch);
    disk.answer(fetch.id, response(206, None, bytes.len()), bytes, 0);
    disk.read(1, wide(3 * MIB), &mut first).unwrap();
    assert_eq!(first, image[3 * MIB..3 * MIB + 4096]);
    assert_eq!(disk.read(2, far, &mut second), Err(Status::Pending));
    serve(&mut disk, &image, 0);
    disk.read(2, far, &mut second).unwrap();
    assert_eq!(second, image[5 * MIB + 100..][..300 * KIB]);
}

#[test]
fn a_change_goes_on_where_it_stopped() {
    let (mut image, stores) = (image(8 * MIB), <[Shared; 2]>::default());
    let mut disk = open_by_ranges(&image, &stores);
    // Three parts of blocks that are far away, and the same block twice: the order counts.
    let places = [5 * MIB + 7, 2 * MIB + 1, 2 * MIB + 3];
    let original = image.clone();
    let mut table = Vec::new();
    let mut contents = Vec::new();
    for (seed, place) in (1..).zip(places) {
        let row = write(wide(place), &noise(900, seed));
        table.extend(&row[..16]);
        contents.extend(&row[16..]);
        image[place..place + 900].copy_from_slice(&noise(900, seed));
    }
    let change = [table, contents].concat();
    let mut tries = 0;
    while let Err(status) = disk.change(1, 3, &change) {
        assert_eq!(status, Status::Pending);
        assert!(serve(&mut disk, &original, 0) > 0);
        tries += 1;
    }
    assert_eq!(tries, 2);
    let mut found = vec![0; 4096];
    for place in places {
        disk.read(2, wide(place - 1), &mut found).unwrap();
        assert_eq!(found, image[place - 1..][..4096]);
    }
}

#[test]
fn what_fails_to_come_fails_whoever_waits_and_nobody_later() {
    let (image, stores) = (image(8 * MIB), <[Shared; 2]>::default());
    let mut disk = open_by_ranges(&image, &stores);
    let mut buf = vec![0; 4096];
    assert_eq!(disk.read(1, wide(4 * MIB), &mut buf), Err(Status::Pending));
    assert_eq!(disk.read(2, wide(7 * MIB), &mut buf), Err(Status::Pending));
    let mut now = 0;
    let failure = loop {
        let Some(fetch) = disk.next(now) else {
            now = disk.wake_ns().unwrap();
            disk.tick(now);
            continue;
        };
        if fetch.range.start > wide(6 * MIB) {
            let bytes = body(&image, &fetch);
            disk.answer(fetch.id, response(206, None, bytes.len()), bytes, now);
        } else if let Outcome::Failed(why) = disk.answer(fetch.id, Answer::Network, &[], now) {
            break why;
        }
    };
    assert!(failure.contains("no connection"), "{failure}");
    assert!(now > 4 * SECOND);
    assert_eq!(disk.read(2, wide(7 * MIB), &mut buf), Ok(()));
    assert_eq!(disk.read(1, wide(4 * MIB), &mut buf), Err(Status::Io));
    // The network is back.
    assert_eq!(disk.read(3, wide(4 * MIB), &mut buf), Err(Status::Pending));
    serve(&mut disk, &image, now);
    disk.read(3, wide(4 * MIB), &mut buf).unwrap();
    assert_eq!(buf, image[4 * MIB..4 * MIB + 4096]);
    // Another image ends everything that is not here.
    assert_eq!(disk.read(4, wide(5 * MIB), &mut buf), Err(Status::Pending));
    let fetch = disk.next(now).unwrap();
    let outcome = disk.answer(fetch.id, response(206, Some("\"w\""), 9), &[1; 9], now);
    assert!(matches!(outcome, Outcome::Failed(why) if why.contains("changed")));
    assert_eq!(disk.read(4, wide(5 * MIB), &mut buf), Err(Status::Io));
    assert_eq!(disk.read(5, wide(5 * MIB), &mut buf), Err(Status::Io));
    assert_eq!(disk.read(6, wide(4 * MIB), &mut buf), Ok(()));
    assert_eq!(
        disk.answer(RequestId(999), Answer::Network, &[], now),
        Outcome::Nothing
    );
}

#[test]
fn fetched_bytes_are_kept_without_a_flush_and_do_not_commit_changes() {
    let (image, stores) = (image(4 * MIB), <[Shared; 2]>::default());
    {
        let mut disk = open_by_ranges(&image, &stores);
        let mut buf = vec![0; 4096];
        assert_eq!(disk.read(1, wide(2 * MIB), &mut buf), Err(Status::Pending));
        serve(&mut disk, &image, 5);
        let wake = disk.wake_ns().unwrap();
        assert!((SECOND / 4..SECOND / 2).contains(&wake), "{wake}");
        assert!(!disk.tick(wake - 1));
        assert!(disk.tick(wake));
        assert_eq!(disk.wake_ns(), None);
        // The next ones later: each time the whole index is written.
        assert_eq!(disk.read(2, wide(MIB), &mut buf), Err(Status::Pending));
        serve(&mut disk, &image, 5);
        assert_eq!(disk.wake_ns(), Some(wake + SECOND));
        assert!(disk.tick(wake + SECOND));
        // A change that is not flushed.
        disk.change(2, 1, &write(wide(2 * MIB), &[9; 4096]))
            .unwrap();
        disk.settle_kept();
    }
    let mut disk = by_ranges(&image, &stores)
        .open(0)
        .expect("its head is kept");
    let mut buf = vec![0; 100 * KIB];
    for at in [0, 2 * MIB] {
        disk.read(1, wide(at), &mut buf).unwrap();
        assert_eq!(buf, image[at..at + buf.len()]);
    }
    assert_eq!(disk.next(0), None);
    assert_eq!(disk.statistics().changed_bytes, 0);
    // What is kept is not fetched ahead either.
    disk.prefetch(vec![(0, 64 << 10), (2 << 20, 64 << 10), (3 << 20, 1 << 10)]);
    let fetch = disk.next(0).unwrap();
    assert_eq!((fetch.range.start, disk.next(0)), (3 << 20, None));
}

#[test]
fn a_barrier_in_the_background_is_asked_again() {
    let (image, stores) = (image(MIB), <[Shared; 2]>::default());
    let mut disk = here(&image, &stores);
    disk.change(1, 1, &write(0, &[1; 4096])).unwrap();
    stores[0].mood.pending.store(3, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(disk.flush(), Err(Status::Pending));
        let mut buf = [0; 512];
        disk.read(2, 0, &mut buf).unwrap();
        assert_eq!(buf, [1; 512]);
    }
    disk.flush().unwrap();
    drop(disk);
    let mut buf = [0; 512];
    here(&image, &stores).read(1, 0, &mut buf).unwrap();
    assert_eq!(buf, [1; 512]);
}

#[test]
fn a_quota_that_ends_is_a_limit_from_then_on() {
    let (image, stores) = (image(8 * MIB), <[Shared; 2]>::default());
    let mut disk = here(&image, &stores);
    let data = noise(2 * MIB, 3);
    disk.change(1, 1, &write(0, &data)).unwrap();
    disk.flush().unwrap();
    assert!(!disk.is_full());
    stores[0].mood.full.store(1, Ordering::Relaxed);
    let more = write(wide(3 * MIB), &data);
    assert_eq!(disk.change(2, 1, &more), Err(Status::Full));
    assert!(disk.is_full());
    assert_eq!(disk.flush(), Err(Status::Full));
    let mut buf = vec![0; 2 * MIB];
    disk.read(3, 0, &mut buf).unwrap();
    assert_eq!(buf, data, "it goes on being read");
    // The browser has room again: freed blocks make the disk less than full.
    stores[0].mood.full.store(0, Ordering::Relaxed);
    disk.flush().unwrap();
    assert!(disk.is_full());
    let mut discard = 0_u64.to_le_bytes().to_vec();
    discard.extend(u32::try_from(8 * MIB).unwrap().to_le_bytes());
    discard.extend(1_u32.to_le_bytes());
    disk.change(4, 1, &discard).unwrap();
    disk.flush().unwrap();
    assert!(!disk.is_full());
}

#[test]
fn chunks_are_fetched_by_name_and_judged_by_hash() {
    let mut image = noise(600 * KIB, 5);
    image[128 * KIB..192 * KIB].fill(0);
    let mut files = std::collections::HashMap::new();
    let compress = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
    let keep = |chunk: fs_image::Chunk| {
        files.insert(chunk.name.path(), chunk.stored);
        Ok::<(), fs_block::BlockError>(())
    };
    let manifest = split(&MemDisk::new(image.clone()), 64 << 10, &[], compress, keep).unwrap();
    let chunked = ChunkedDisk::new(manifest, MIB);
    let base = Base::new(wide(image.len()), Source::Chunks(chunked));
    assert_eq!(base.len_bytes(), wide(image.len()));
    let far = Far::chunks(base.clone());
    let stores = <[Shared; 2]>::default();
    let mut opening = Opening::new(base, Some(far), b"m".to_vec(), layout(&stores));
    assert!(
        opening
            .open(0)
            .is_err_and(|(status, _)| status == Status::Pending)
    );
    let fetch = opening.far().unwrap().next(0).unwrap();
    let wrong = vec![1; 10];
    let outcome = opening.answer(fetch.id, response(200, None, 10), &wrong, 0);
    assert_eq!(outcome, Outcome::Nothing, "it is tried again");
    let mut now = opening.far().unwrap().wake_ns().unwrap();
    let again = opening.far().unwrap().next(now).unwrap();
    assert_eq!(again.path, fetch.path);
    let stored = &files[&again.path.unwrap()];
    let outcome = opening.answer(again.id, response(200, None, stored.len()), stored, now);
    assert_eq!(outcome, Outcome::Arrived(0, image[..64 * KIB].to_vec()));
    let mut disk = opening.open(now).unwrap();
    let mut found = vec![0; image.len()];
    let mut asked = Vec::new();
    while let Err(status) = disk.read(1, 0, &mut found) {
        assert_eq!(status, Status::Pending);
        while let Some(fetch) = disk.next(now) {
            assert_eq!(fetch.range.start % (64 << 10), 0);
            asked.push(fetch.range.start >> 16);
            let stored = &files[&fetch.path.unwrap()];
            disk.answer(fetch.id, response(200, None, stored.len()), stored, now);
        }
        now += 1;
    }
    assert_eq!(found, image);
    asked.sort_unstable();
    // Not the first, which is here, nor the third, of zeros.
    assert_eq!(asked, [1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn an_import_that_fails_leaves_what_was_there() {
    let image = image(MIB);
    let (stores, others) = (<[Shared; 2]>::default(), <[Shared; 2]>::default());
    let mut source = here(&image, &others);
    source.change(1, 1, &write(8192, &[2; 4096])).unwrap();
    source.flush().unwrap();
    let mut exported = MemStore::default();
    source.export(&mut exported).unwrap();
    let mut disk = here(&image, &stores);
    disk.change(1, 1, &write(0, &[1; 4096])).unwrap();
    disk.flush().unwrap();
    let mut damaged = exported.clone().into_bytes();
    damaged.iter_mut().take(8192).for_each(|byte| *byte ^= 0x55);
    let (status, _) = disk.import(&MemStore::new(damaged)).unwrap_err();
    assert_eq!(status, Status::Corrupt);
    stores[1].mood.full.store(1, Ordering::Relaxed);
    let (status, _) = disk.import(&exported).unwrap_err();
    assert_eq!(status, Status::Full);
    let mut buf = [0; 512];
    disk.read(2, 0, &mut buf).unwrap();
    assert_eq!(buf, [1; 512]);
    stores[1].mood.full.store(0, Ordering::Relaxed);
    disk.import(&exported).unwrap();
    disk.read(3, 0, &mut buf).unwrap();
    assert_eq!(buf, image[..512]);
    disk.read(4, 8192, &mut buf).unwrap();
    assert_eq!(buf, [2; 512]);
}
