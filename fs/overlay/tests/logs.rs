//! Overlays against a model, with cuts, quotas, damage and two bases.

#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "numbers of the tests"
)]

mod common;

use std::sync::OnceLock;

use common::{Medium, Random, RecordingStore, setting};
use fs_block::{BlockDevice, BlockError, MemDisk};
use fs_overlay::{Identity, MemStore, OpenError, Options, Overlay, Store, StoreError};

const LEN: usize = 2 << 20;

fn base() -> Vec<u8> {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(|| Random::new(99).bytes(LEN)).clone()
}

fn identity() -> Identity {
    Identity::new(LEN as u64, b"etag").unwrap()
}

fn options(block_size: u32) -> Options {
    Options {
        block_size,
        ..Options::default()
    }
}

type Memory = Overlay<MemDisk, MemStore>;

fn open(stores: [MemStore; 2], options: Options) -> Result<Memory, OpenError> {
    Overlay::open(MemDisk::new(base()), identity(), stores, options)
}

fn contents(overlay: &impl BlockDevice) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    overlay.read(0, &mut bytes).unwrap();
    bytes
}

/// Writes somewhere in the overlay and in the model.
fn write(overlay: &mut impl BlockDevice, model: &mut [u8], random: &mut Random) {
    let len = (1 + random.below(20)) * 512;
    let at = random.below((LEN - len) / 512) * 512;
    if random.below(5) == 0 {
        // What it reads as is the device's choice, and then stays.
        overlay.discard(at as u64, len as u64);
        overlay.read(at as u64, &mut model[at..at + len]).unwrap();
        return;
    }
    let bytes = if random.below(4) == 0 {
        vec![0; len]
    } else {
        random.bytes(len)
    };
    overlay.write(at as u64, &bytes).unwrap();
    model[at..at + len].copy_from_slice(&bytes);
}

#[test]
fn after_any_cut_the_device_is_as_at_the_last_barrier() {
    for seed in 0..setting("SHOAL_CRASH_SEEDS", 6) {
        let mut random = Random::new(seed);
        let (stores, record) = RecordingStore::pair();
        let block_size = 512 << random.below(5);
        let disk = MemDisk::new(base());
        let mut overlay = Overlay::open(disk, identity(), stores, options(block_size)).unwrap();
        let mut model = base();
        // After how many operations each barrier was complete, and what it promised.
        let mut barriers = vec![(0, model.clone())];
        for _ in 0..30 {
            for _ in 0..random.below(60) {
                write(&mut overlay, &mut model, &mut random);
            }
            if random.below(4) == 0 {
                overlay.compact().unwrap();
            }
            if random.below(8) == 0 {
                overlay.checkpoint().unwrap();
            }
            overlay.flush().unwrap();
            if random.below(8) == 0 {
                overlay.checkpoint().unwrap();
            }
            barriers.push((record.lock().unwrap().len(), model.clone()));
        }
        assert_eq!(contents(&overlay), model);
        let record = record.lock().unwrap();
        let mut medium = Medium::default();
        for (number, op) in record.iter().enumerate() {
            medium.play(op);
            if random.below(record.len()) > 60 {
                continue;
            }
            let stores = medium.cut(&mut random).map(MemStore::new);
            let found = contents(&open(stores, options(512)).unwrap());
            let done = barriers.partition_point(|(end, _)| *end <= number + 1);
            let is_promised = barriers[done.saturating_sub(1)..]
                .iter()
                .take(2)
                .any(|(_, promised)| *promised == found);
            assert!(is_promised, "seed {seed}, cut after operation {number}");
        }
    }
}

#[test]
fn an_overlay_that_was_cut_goes_on_and_survives_the_next_cut() {
    let mut random = Random::new(5);
    let mut model = base();
    let mut stores = [MemStore::default(), MemStore::default()];
    for round in 0..40 {
        let mut overlay = open(stores, options(1024)).unwrap();
        assert_eq!(contents(&overlay), model, "round {round}");
        for _ in 0..random.below(100) {
            write(&mut overlay, &mut model, &mut random);
        }
        overlay.flush().unwrap();
        let mut lost = model.clone();
        for _ in 0..random.below(200) {
            write(&mut overlay, &mut lost, &mut random);
        }
        if random.below(3) == 0 {
            overlay.compact().unwrap();
            assert_eq!(contents(&overlay), lost);
        }
        // The power goes before the next barrier; all that was written has arrived.
        stores = overlay.into_parts().1;
    }
}

#[test]
fn compaction_frees_what_was_overwritten() {
    let mut overlay = open(Default::default(), options(4096)).unwrap();
    for round in 1..=20 {
        overlay.write(0, &vec![round; 1 << 20]).unwrap();
        overlay.flush().unwrap();
    }
    let before = overlay.statistics();
    assert!(before.garbage_bytes > 18 << 20, "{before:?}");
    overlay.compact().unwrap();
    let after = overlay.statistics();
    assert!(after.log_bytes < 2 << 20, "{after:?}");
    assert_eq!(after.changed_bytes, 1 << 20);
    let overlay = open(overlay.into_parts().1, options(4096)).unwrap();
    let mut bytes = vec![0; 1 << 20];
    overlay.read(0, &mut bytes).unwrap();
    assert!(bytes.iter().all(|byte| *byte == 20));
}

#[test]
fn a_full_store_answers_no_space_and_goes_on_when_there_is_room_again() {
    let limit = Options {
        limit_bytes: 2 << 20,
        ..options(4096)
    };
    let mut overlay = open(Default::default(), limit).unwrap();
    let mut model = base();
    let mut at = 0;
    assert!(!overlay.is_full());
    let error = loop {
        let end = usize::try_from(at).unwrap() + 65_536;
        if let Err(error) = overlay
            .write(at, &[7; 65_536])
            .and_then(|()| overlay.flush())
        {
            break error;
        }
        at += 65_536;
        model[..end].fill(7);
    };
    assert_eq!(error, BlockError::NoSpace);
    assert!(overlay.is_full());
    assert!(at > 1 << 20);
    let mut found = vec![0; usize::try_from(at).unwrap()];
    overlay.read(0, &mut found).unwrap();
    assert!(found.iter().all(|byte| *byte == 7));
    let stores = overlay.into_parts().1;
    let overlay = open(stores.clone(), limit).unwrap();
    assert!(contents(&overlay) == model);
    let mut overlay = open(stores, options(4096)).unwrap();
    overlay.write(at, &[8; 65_536]).unwrap();
    overlay.flush().unwrap();
}

#[test]
fn what_is_overwritten_makes_room_within_the_limit() {
    let limit = Options {
        limit_bytes: 2 << 20,
        ..options(4096)
    };
    let mut overlay = open(Default::default(), limit).unwrap();
    overlay.write(0, &[7; 512 << 10]).unwrap();
    for value in 0..100 {
        overlay.write(0, &[value; 16 * 4096]).unwrap();
        overlay.flush().unwrap();
    }
    let statistics = overlay.statistics();
    assert!(statistics.nr_compactions > 2, "{statistics:?}");
    assert!(statistics.log_bytes <= 2 << 20, "{statistics:?}");
    assert!(!overlay.is_full());
    let overlay = open(overlay.into_parts().1, limit).unwrap();
    let found = contents(&overlay);
    assert!(found[..65_536].iter().all(|byte| *byte == 99));
    assert!(found[65_536..512 << 10].iter().all(|byte| *byte == 7));
}

#[test]
fn what_is_discarded_makes_room_when_that_is_committed() {
    let mut overlay = open(Default::default(), options(4096)).unwrap();
    overlay.write(0, &[7; 1 << 20]).unwrap();
    overlay.flush().unwrap();
    overlay.write(1 << 20, &[8; 8192]).unwrap();
    overlay.discard(100, 1 << 20);
    overlay.discard((1 << 20) + 4096, 4096);
    overlay.compact().unwrap();
    assert!(
        overlay.statistics().log_bytes > 1 << 20,
        "not committed yet"
    );
    overlay.flush().unwrap();
    overlay.compact().unwrap();
    let statistics = overlay.statistics();
    assert!(statistics.log_bytes < 40_000, "{statistics:?}");
    let mut block = [0; 4096];
    let mut byte_at = |at| {
        overlay.read(at, &mut block).unwrap();
        block[0]
    };
    // The first block was discarded in part only.
    assert_eq!((byte_at(0), byte_at(4096), byte_at(1 << 20)), (7, 0, 8));
}

#[test]
fn blocks_that_are_discarded_and_written_again_are_there_after_a_crash() {
    let mut overlay = open(Default::default(), options(4096)).unwrap();
    overlay.write(0, &[7; 40_960]).unwrap();
    overlay.flush().unwrap();
    overlay.discard(0, 40_960);
    // As much as one record takes; the zeros wait beside it.
    overlay.write(1 << 20, &[8; 256 << 10]).unwrap();
    overlay.write(0, &[9; 40_960]).unwrap();
    overlay.flush().unwrap();
    let overlay = open(overlay.into_parts().1, options(4096)).unwrap();
    let found = contents(&overlay);
    assert!(found[..40_960].iter().all(|byte| *byte == 9));
    assert!(
        found[1 << 20..(1 << 20) + (256 << 10)]
            .iter()
            .all(|byte| *byte == 8)
    );
}

#[test]
fn another_base_is_refused_and_named() {
    let mut overlay = open(Default::default(), options(4096)).unwrap();
    overlay.write(0, &[1; 4096]).unwrap();
    overlay.flush().unwrap();
    let stores = overlay.into_parts().1;
    assert_eq!(Memory::identity_of(&stores), Ok(Some(identity())));
    let other = Identity::new(LEN as u64, b"another etag").unwrap();
    let refused = Overlay::open(MemDisk::new(base()), other, stores.clone(), options(4096));
    assert_eq!(refused.unwrap_err(), OpenError::BaseChanged(identity()));
    let longer = MemDisk::with_len(base(), LEN + 512);
    let refused = Overlay::open(longer, identity(), stores, options(4096));
    assert!(matches!(refused, Err(OpenError::BaseChanged(_))));
    assert_eq!(Memory::identity_of(&Default::default()), Ok(None));
    assert_eq!(
        open(Default::default(), options(3000)).unwrap_err(),
        OpenError::BlockSize(3000)
    );
}

#[test]
fn an_exported_overlay_is_imported_elsewhere_over_what_was_there() {
    let mut random = Random::new(8);
    let mut model = base();
    let mut overlay = open(Default::default(), options(1024)).unwrap();
    for _ in 0..200 {
        write(&mut overlay, &mut model, &mut random);
    }
    overlay.flush().unwrap();
    overlay.write(0, &[1; 8192]).unwrap();
    let mut exported = MemStore::default();
    overlay.export(&mut exported).unwrap();

    let mut other = open(Default::default(), options(4096)).unwrap();
    other.write(4096, &[9; 4096]).unwrap();
    other.checkpoint().unwrap();
    let stores = other.into_parts().1;
    let disk = || MemDisk::new(base());
    let imported = Overlay::import(disk(), identity(), stores.clone(), &exported, options(4096));
    assert!(contents(&imported.unwrap()) == model);

    let mut bytes = exported.into_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = MemStore::new(bytes);
    let refused = Overlay::import(disk(), identity(), stores, &damaged, options(4096));
    assert!(matches!(
        refused,
        Err(OpenError::Corrupt(_) | OpenError::Store(_))
    ));
}

#[test]
fn kept_copies_of_the_base_are_there_without_it_and_never_hide_a_change() {
    let keep = Options {
        keep_bytes: 1 << 20,
        ..options(1024)
    };
    let image = base();
    let mut overlay = open(Default::default(), keep).unwrap();
    overlay.write(2048, &[5; 1024]).unwrap();
    overlay.keep(512, &image[512..200_000]).unwrap();
    overlay.flush().unwrap();
    overlay.keep(1 << 19, &image[1 << 19..2 << 20]).unwrap();
    overlay.checkpoint().unwrap();
    let statistics = overlay.statistics();
    assert!(statistics.kept_bytes >= 1 << 20, "{statistics:?}");
    assert!(
        statistics.kept_bytes < (1 << 20) + (512 << 10),
        "{statistics:?}"
    );
    assert_eq!(statistics.changed_bytes, 1024);
    overlay.compact().unwrap();

    let stores = overlay.into_parts().1;
    let empty = MemDisk::zeroed(LEN);
    let overlay = Overlay::open(empty, identity(), stores, keep).unwrap();
    let mut found = vec![0; 199_680 - 1024];
    overlay.read(1024, &mut found).unwrap();
    let mut expected = image[1024..199_680].to_vec();
    expected[1024..2048].fill(5);
    assert!(found == expected);
    let mut exported = MemStore::default();
    overlay.export(&mut exported).unwrap();
    assert!(exported.len_bytes() < 16_384, "copies are not exported");
}

/// A store that fails as it is told, or is slow to sync.
#[derive(Default)]
struct Moody {
    inner: MemStore,
    answers: Vec<StoreError>,
}

impl Store for Moody {
    fn len_bytes(&self) -> u64 {
        self.inner.len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        self.inner.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.write_at(offset, bytes)
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.inner.truncate(len)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.answers.pop().map_or(Ok(()), Err)
    }
}

#[test]
fn a_slow_barrier_is_repeated_and_a_failed_one_ends_all_promises() {
    let disk = MemDisk::new(base());
    let stores = [Moody::default(), Moody::default()];
    let overlay = Overlay::open(disk, identity(), stores, options(4096)).unwrap();
    let (_, [mut used, other]) = overlay.into_parts();
    used.answers = vec![StoreError::Io, StoreError::Full, StoreError::Pending];
    let disk = MemDisk::new(base());
    let mut overlay = Overlay::open(disk, identity(), [used, other], options(4096)).unwrap();
    overlay.write(0, &[1; 4096]).unwrap();
    assert_eq!(overlay.flush(), Err(BlockError::NotResident(0)));
    assert_eq!(overlay.flush(), Err(BlockError::NoSpace));
    assert_eq!(overlay.flush(), Err(BlockError::Io));
    assert_eq!(overlay.flush(), Err(BlockError::Io));
    overlay.write(4096, &[2; 4096]).unwrap();
    assert_eq!(overlay.flush(), Err(BlockError::Io));
    let (_, [used, _]) = overlay.into_parts();
    let reopened = open([used.inner, MemStore::default()], options(4096)).unwrap();
    let mut bytes = [0; 4096];
    reopened.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 4096]);
}
