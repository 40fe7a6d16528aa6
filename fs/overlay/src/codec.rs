//! Little-endian numbers at byte offsets. What lies outside reads as zero and is not stored.

/// Records and data begin at multiples of this many bytes: no sector holds parts of two.
pub(crate) const SECTOR: u64 = 512;

/// The next multiple of [`SECTOR`], in bytes.
pub(crate) fn sectors(len: usize) -> usize {
    len.checked_next_multiple_of(512).unwrap_or(usize::MAX)
}

/// A length as an offset.
pub(crate) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A number as a length; one that no memory has room for becomes the largest.
pub(crate) fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

pub(crate) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(part(bytes, at))
}

pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(bytes, at))
}

pub(crate) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(part(bytes, at))
}

/// Stores `value` at byte `at`, if there is room.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = bytes.get_mut(at..).unwrap_or_default();
    if let Some(place) = place.get_mut(..value.len()) {
        place.copy_from_slice(value);
    }
}

pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, &value.to_le_bytes());
}

pub(crate) fn put64(bytes: &mut [u8], at: usize, value: u64) {
    put(bytes, at, &value.to_le_bytes());
}
