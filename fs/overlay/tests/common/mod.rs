//! What the tests share: seeded random numbers, and stores that remember what reached the medium.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::missing_errors_doc,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "shared by tests, each of which uses its part"
)]

use std::sync::{Arc, Mutex};

use fs_overlay::{Store, StoreError};

/// A number from the environment, else `default`.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// xorshift64*: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 6);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes()[..6]);
        }
        bytes.truncate(len);
        bytes
    }
}

/// What was asked of two stores, in order.
#[derive(Clone, Debug)]
pub enum Op {
    Write(usize, u64, Vec<u8>),
    Truncate(usize, u64),
    Sync(usize),
}

/// The list of all that was asked.
pub type Record = Arc<Mutex<Vec<Op>>>;

/// A store in memory that writes down what it is asked.
pub struct RecordingStore {
    number: usize,
    bytes: Vec<u8>,
    record: Record,
}

impl RecordingStore {
    pub fn pair() -> ([Self; 2], Record) {
        let record = Record::default();
        let store = |number| Self {
            number,
            bytes: Vec::new(),
            record: Arc::clone(&record),
        };
        ([store(0), store(1)], record)
    }

    fn note(&self, op: Op) {
        self.record.lock().unwrap().push(op);
    }
}

impl Store for RecordingStore {
    fn len_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let at = usize::try_from(offset).unwrap();
        let bytes = self.bytes.get(at..at + buf.len()).ok_or(StoreError::Io)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(offset <= self.len_bytes(), "no holes");
        self.note(Op::Write(self.number, offset, bytes.to_vec()));
        put(&mut self.bytes, offset, bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.note(Op::Truncate(self.number, len));
        self.bytes.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.note(Op::Sync(self.number));
        Ok(())
    }
}

fn put(store: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let at = usize::try_from(offset).unwrap();
    let end = at + bytes.len();
    if store.len() < end {
        store.resize(end, 0);
    }
    store[at..end].copy_from_slice(bytes);
}

fn apply(store: &mut Vec<u8>, op: &Op) {
    match op {
        Op::Write(_, at, bytes) => put(store, *at, bytes),
        Op::Truncate(_, len) => store.truncate(usize::try_from(*len).unwrap()),
        Op::Sync(_) => {}
    }
}

/// The medium of two stores while a record is played: what is safe, and what is on its way.
#[derive(Default)]
pub struct Medium {
    safe: [Vec<u8>; 2],
    moving: [Vec<Op>; 2],
}

impl Medium {
    pub fn play(&mut self, op: &Op) {
        match op {
            Op::Write(store, ..) | Op::Truncate(store, _) => self.moving[*store].push(op.clone()),
            Op::Sync(store) => {
                for op in self.moving[*store].drain(..) {
                    apply(&mut self.safe[*store], &op);
                }
            }
        }
    }

    /// The stores after a power cut: of what was on its way, some has arrived, in any order, some
    /// of it in parts.
    pub fn cut(&self, random: &mut Random) -> [Vec<u8>; 2] {
        let mut stores = self.safe.clone();
        for (store, moving) in stores.iter_mut().zip(&self.moving) {
            let mut arrived = moving.clone();
            match random.below(5) {
                0 => arrived.clear(),
                1 => {}
                2 => {
                    arrived.truncate(random.below(moving.len() + 1));
                    if let Some(last) = arrived.last_mut() {
                        tear(last, random);
                    }
                }
                _ => {
                    arrived.retain(|_| random.below(3) > 0);
                    for number in (1..arrived.len()).rev() {
                        arrived.swap(number, random.below(number + 1));
                    }
                    for op in &mut arrived {
                        if random.below(3) == 0 {
                            tear(op, random);
                        }
                    }
                }
            }
            for op in &arrived {
                apply(store, op);
            }
        }
        stores
    }
}

/// Leaves a part of a write: its first bytes, or a run of its sectors.
fn tear(op: &mut Op, random: &mut Random) {
    if let Op::Write(_, at, bytes) = op {
        if random.below(2) == 0 {
            bytes.truncate(random.below(bytes.len() + 1));
        } else {
            let first = random.below(bytes.len() / 512 + 1) * 512;
            let len = random.below(bytes.len() / 512 + 1) * 512;
            *at += first as u64;
            bytes.drain(..first.min(bytes.len()));
            bytes.truncate(len);
        }
    }
}
