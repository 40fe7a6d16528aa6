//! Little-endian fields in byte slices, and conversions that cannot lose anything.
//!
//! A field outside the slice reads as 0 and is not written: callers pass whole structures, and a
//! broken disk must not be able to make an index panic.

#![expect(
    clippy::as_conversions,
    reason = "widening on every target of ours: usize has at least 32 bits"
)]

/// The `u16` at byte `at`.
pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

/// The `u32` at byte `at`.
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

/// Stores a `u16` at byte `at`.
pub(crate) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, &value.to_le_bytes());
}

/// Stores a `u32` at byte `at`.
pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_le_bytes());
}

/// Stores `value` at byte `at`.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
        place.copy_from_slice(value);
    }
}

/// The table entry with number `number` in a block of block numbers.
pub(crate) fn pointer(table: &[u8], number: u32) -> u32 {
    le32(table, index(number).saturating_mul(4))
}

/// A number of things as an index.
pub(crate) const fn index(number: u32) -> usize {
    number as usize
}

/// A length in memory as a number on the disk.
pub(crate) const fn wide(number: usize) -> u64 {
    number as u64
}

/// The low 32 bits.
pub(crate) const fn low32(number: u64) -> u32 {
    (number & 0xFFFF_FFFF) as u32
}

/// The low 16 bits.
pub(crate) const fn low16(number: u32) -> u16 {
    (number & 0xFFFF) as u16
}

/// The low 8 bits.
pub(crate) const fn low8(number: usize) -> u8 {
    (number & 0xFF) as u8
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes
        .get(at..at.checked_add(N)?)?
        .first_chunk::<N>()
        .copied()
}
