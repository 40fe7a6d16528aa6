//! [`Fetched`]: the bytes of a plain image that were fetched, as many as there is memory for.

use core::sync::atomic::{AtomicU64, Ordering};

use fs_block::NumberMap;
use fs_image::RangeSet;

/// Bytes that are held, and let go, together.
const PAGE_BYTES: usize = 64 << 10;
const PAGE: u64 = 64 << 10;

/// A page of the image; not all of it need be there.
struct Page {
    bytes: Box<[u8]>,
    used: AtomicU64,
}

/// A part of a range that lies in one page.
struct Piece {
    page: u64,
    within: core::ops::Range<usize>,
}

/// Bytes of an image by their places.
pub struct Fetched {
    pages: NumberMap<u64, Page>,
    have: RangeSet,
    /// The most pages that are held.
    capacity: usize,
    clock: AtomicU64,
}

impl Fetched {
    /// No bytes yet, and about `budget_bytes` at most.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            pages: NumberMap::default(),
            have: RangeSet::default(),
            capacity: (budget_bytes / PAGE_BYTES).max(1),
            clock: AtomicU64::new(0),
        }
    }

    /// Fills `buf` with the image's bytes from `offset` on.
    ///
    /// # Errors
    /// The first byte that is not here.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), u64> {
        let end = offset.saturating_add(wide(buf.len()));
        if let Some(gap) = self.have.gaps(offset..end).first() {
            return Err(gap.start);
        }
        let mut rest = buf;
        for piece in pieces(offset, rest.len()) {
            let (part, tail) = rest.split_at_mut(piece.within.len().min(rest.len()));
            let page = self.pages.get(&piece.page).ok_or(offset)?;
            page.used.store(self.tick(), Ordering::Relaxed);
            part.copy_from_slice(page.bytes.get(piece.within).ok_or(offset)?);
            rest = tail;
        }
        Ok(())
    }

    /// The parts of `range` that are not here.
    pub fn gaps(&self, range: core::ops::Range<u64>) -> Vec<core::ops::Range<u64>> {
        self.have.gaps(range)
    }

    /// Takes bytes. Pages that were not read for the longest time make room; which, is told to `forget`.
    pub fn insert(
        &mut self,
        offset: u64,
        bytes: &[u8],
        mut forget: impl FnMut(&core::ops::Range<u64>),
    ) {
        let mut rest = bytes;
        for piece in pieces(offset, bytes.len()) {
            let (part, tail) = rest.split_at(piece.within.len().min(rest.len()));
            rest = tail;
            if !self.pages.contains_key(&piece.page)
                && self.pages.len() >= self.capacity
                && let Some(range) = self.evict()
            {
                forget(&range);
            }
            let used = AtomicU64::new(self.tick());
            let page = self.pages.entry(piece.page).or_insert_with(|| Page {
                bytes: vec![0; PAGE_BYTES].into_boxed_slice(),
                used: AtomicU64::new(0),
            });
            page.used = used;
            let start = piece.page.saturating_mul(PAGE);
            let range = start.saturating_add(wide(piece.within.start))
                ..start.saturating_add(wide(piece.within.end));
            if let Some(place) = page.bytes.get_mut(piece.within) {
                place.copy_from_slice(part);
                self.have.insert(range);
            }
        }
    }

    /// Lets go of the page that was not used for the longest time.
    fn evict(&mut self) -> Option<core::ops::Range<u64>> {
        let used = |page: &Page| page.used.load(Ordering::Relaxed);
        let (number, _) = self.pages.iter().min_by_key(|(_, page)| used(page))?;
        let start = number.saturating_mul(PAGE);
        let number = *number;
        self.pages.remove(&number);
        let range = start..start.saturating_add(PAGE);
        self.have.remove(&range);
        Some(range)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// The pieces of `len` bytes at `offset`, page by page.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let end = offset.saturating_add(wide(len));
    let mut at = offset;
    core::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let page = at / PAGE;
        let start = narrow(at % PAGE);
        let next = page.saturating_add(1).saturating_mul(PAGE).min(end);
        let count = narrow(next.saturating_sub(at));
        at = next;
        Some(Piece {
            page,
            within: start..start.saturating_add(count),
        })
    })
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Of what is less than a page.
fn narrow(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

impl core::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Fetched")
            .field("nr_pages", &self.pages.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_across_pages_and_gaps_are_named() {
        let mut fetched = Fetched::new(1 << 20);
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let start = (5 << 32) + 1000;
        fetched.insert(start, &bytes[..100_001], |_| panic!("there is room"));
        let mut buf = vec![0; 150_000];
        assert_eq!(fetched.read(start, &mut buf), Err(start + 100_001));
        assert_eq!(fetched.read(start - 1, &mut buf), Err(start - 1));
        fetched.insert(start + 100_001, &bytes[100_001..], |_| panic!("room"));
        assert_eq!(fetched.read(start + 7, &mut buf), Ok(()));
        assert_eq!(buf, bytes[7..150_007]);
    }

    #[test]
    fn what_was_not_read_for_long_makes_room() {
        let mut fetched = Fetched::new(3 * PAGE_BYTES);
        let mut forgotten = Vec::new();
        for page in 0..3 {
            fetched.insert(page * PAGE, &[1; PAGE_BYTES], |range| {
                forgotten.push(range.clone());
            });
        }
        assert_eq!(fetched.read(0, &mut [0; 512]), Ok(()));
        fetched.insert(9 * PAGE, &[2; 512], |range| forgotten.push(range.clone()));
        assert_eq!(forgotten, vec![PAGE..2 * PAGE]);
        assert_eq!(fetched.read(PAGE, &mut [0; 512]), Err(PAGE));
        assert_eq!(fetched.read(0, &mut [0; 512]), Ok(()));
    }
}
