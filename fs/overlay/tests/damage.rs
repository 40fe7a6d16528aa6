//! Damaged and hostile stores: the last good state or a clear error, nothing else.
//!
//! `cargo xtask fuzz overlay` runs the last test with large numbers.

#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "numbers of the tests"
)]

mod common;

use common::{Random, setting};
use fs_block::{BlockDevice, MemDisk};
use fs_overlay::{Identity, MemStore, OpenError, Options, Overlay};

const BLOCK: usize = 512;
const LEN: usize = 64 * BLOCK;

fn identity() -> Identity {
    Identity::new(LEN as u64, b"base").unwrap()
}

fn options() -> Options {
    Options {
        block_size: 512,
        ..Options::default()
    }
}

type Small = Overlay<MemDisk, MemStore>;

fn open(stores: [MemStore; 2]) -> Result<Small, OpenError> {
    Overlay::open(MemDisk::zeroed(LEN), identity(), stores, options())
}

fn contents(overlay: &Small) -> Option<Vec<u8>> {
    let mut bytes = vec![0; LEN];
    overlay.read(0, &mut bytes).ok().map(|()| bytes)
}

/// Two stores, one in use, and every state that was committed there.
fn sample(random: &mut Random) -> ([MemStore; 2], Vec<Vec<u8>>) {
    let mut overlay = open(Default::default()).unwrap();
    let mut states = vec![vec![0; LEN]];
    for round in 0..6 {
        for _ in 0..1 + random.below(4) {
            let block = random.below(64);
            let bytes = random.bytes(BLOCK);
            overlay.write((block * BLOCK) as u64, &bytes).unwrap();
        }
        match round {
            2 if random.below(2) == 0 => overlay.compact().unwrap(),
            4 => overlay.checkpoint().unwrap(),
            _ => {}
        }
        overlay.flush().unwrap();
        states.push(contents(&overlay).unwrap());
    }
    overlay.write(0, &[1; BLOCK]).unwrap();
    (overlay.into_parts().1, states)
}

/// Whatever opens must be a state that was committed, or fail to read; and take more writes.
fn judge(stores: [MemStore; 2], states: &[Vec<u8>], what: &str) {
    let Ok(mut overlay) = open(stores) else {
        return;
    };
    if let Some(found) = contents(&overlay) {
        assert!(states.contains(&found), "{what}: a state that never was");
    }
    overlay.write(512, &[3; BLOCK]).unwrap();
    overlay.flush().unwrap();
    let again = open(overlay.into_parts().1).unwrap();
    let mut bytes = [0; BLOCK];
    again.read(512, &mut bytes).unwrap();
    assert_eq!(bytes, [3; BLOCK], "{what}");
}

#[test]
fn every_flipped_byte_gives_a_committed_state_or_an_error() {
    let (stores, states) = sample(&mut Random::new(1));
    for number in 0..2 {
        for at in 0..stores[number].bytes().len() {
            let mut damaged = stores.clone();
            let mut bytes = stores[number].bytes().to_vec();
            bytes[at] ^= 0x41;
            damaged[number] = MemStore::new(bytes);
            judge(damaged, &states, &format!("store {number}, byte {at}"));
        }
    }
}

#[test]
fn every_truncation_gives_a_committed_state_or_an_error() {
    let (stores, states) = sample(&mut Random::new(2));
    for number in 0..2 {
        for len in 0..stores[number].bytes().len() {
            let mut damaged = stores.clone();
            let bytes = stores[number].bytes();
            damaged[number] = MemStore::new(bytes[..len].to_vec());
            judge(damaged, &states, &format!("store {number}, {len} bytes"));
        }
    }
}

/// Makes the checksums of records right again where a field was changed: what an attacker would do.
fn forge(bytes: &mut [u8], random: &mut Random) {
    let record = (8192..bytes.len())
        .step_by(512)
        .filter(|at| bytes.len() >= at + 512 && bytes[*at..at + 4] == *b"SREC")
        .collect::<Vec<_>>();
    let Some(at) = record.get(random.below(record.len().max(1))) else {
        return;
    };
    let field = at + [5, 8, 16, 24, 28, 40, 47, 48][random.below(8)];
    let value = match random.below(3) {
        0 => u32::MAX.to_le_bytes(),
        1 => [random.next().to_le_bytes()[0]; 4],
        _ => 0x7FFF_FFFF_u32.to_le_bytes(),
    };
    bytes[field..field + 4].copy_from_slice(&value);
    let count = u32::from_le_bytes(bytes[at + 28..at + 32].try_into().unwrap());
    let rows = if bytes[at + 4] == 1 {
        count as usize
    } else {
        0
    };
    let end = at + 40 + rows.min(1000) * 12;
    if end + 4 <= bytes.len() {
        let crc = crc32c::crc32c(&bytes[*at..end]);
        bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

#[test]
fn random_damage_never_panics_and_hostile_lengths_take_no_memory() {
    let first = setting("SHOAL_FUZZ_SEED", 1);
    for seed in first..first + setting("SHOAL_FUZZ_COUNT", 2000) {
        let mut random = Random::new(seed);
        let (mut stores, _) = sample(&mut random);
        for _ in 0..1 + random.below(4) {
            let number = random.below(2);
            let mut bytes = stores[number].bytes().to_vec();
            if bytes.is_empty() {
                continue;
            }
            match random.below(4) {
                0 => {
                    let at = random.below(bytes.len());
                    bytes[at] = random.next().to_le_bytes()[0];
                }
                1 => bytes.truncate(random.below(bytes.len())),
                2 => {
                    bytes.resize(bytes.len().next_multiple_of(512) + 512, 0);
                    let from = random.below(bytes.len() / 512) * 512;
                    let to = random.below(bytes.len() / 512) * 512;
                    bytes.copy_within(from..from + 512, to);
                }
                _ => forge(&mut bytes, &mut random),
            }
            stores[number] = MemStore::new(bytes);
        }
        // Forged checksums may give any contents; they are still contents, and can be written to.
        if let Ok(mut overlay) = open(stores) {
            let _ = contents(&overlay);
            overlay.write(0, &[2; BLOCK]).unwrap();
            let _ = overlay.compact();
            overlay.flush().unwrap();
            let mut bytes = [0; BLOCK];
            overlay.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, [2; BLOCK], "seed {seed}");
        }
    }
}
