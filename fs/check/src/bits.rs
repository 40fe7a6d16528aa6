//! Sets of block numbers, and little-endian fields in byte slices.

#![expect(
    clippy::as_conversions,
    reason = "widening on every target of ours: usize has at least 32 bits"
)]

/// A set of numbers below a limit.
#[derive(Clone, Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set of numbers below `limit`.
    pub(crate) fn new(limit: u32) -> Self {
        Self(vec![0; index(limit.div_ceil(64))])
    }

    /// Whether it has `number`; numbers from the limit on are in no set.
    pub(crate) fn has(&self, number: u32) -> bool {
        let word = self.0.get(index(number / 64)).copied().unwrap_or(0);
        word >> (number % 64) & 1 != 0
    }

    /// Adds a number; returns whether it is new.
    pub(crate) fn add(&mut self, number: u32) -> bool {
        let Some(word) = self.0.get_mut(index(number / 64)) else {
            return false;
        };
        let is_new = *word >> (number % 64) & 1 == 0;
        *word |= 1 << (number % 64);
        is_new
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.0
            .iter()
            .fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }
}

/// The `u16` at byte `at`; 0 outside the slice.
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

/// The `u32` at byte `at`; 0 outside the slice.
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

/// Stores `value` at byte `at`, if it lies in the slice.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
        place.copy_from_slice(value);
    }
}

/// A number of things as an index.
pub(crate) const fn index(number: u32) -> usize {
    number as usize
}

/// A length in memory as a number on the disk; all of them are small.
pub(crate) fn low32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes
        .get(at..at.checked_add(N)?)?
        .first_chunk::<N>()
        .copied()
}
