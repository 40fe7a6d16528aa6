//! Blocks that wait for being appended together: [`Batch`].

use fs_block::NumberMap;

/// Bytes of data that are appended by one write.
const MAX_BYTES: usize = 256 << 10;

/// Up to 256 KiB of blocks; one that is written again is replaced.
#[derive(Debug)]
pub(crate) struct Batch {
    block_size: usize,
    /// Block numbers, and whether the contents are only a copy of the base's.
    blocks: Vec<(u64, bool)>,
    places: NumberMap<u64, usize>,
    bytes: Vec<u8>,
}

impl Batch {
    pub(crate) fn new(block_size: usize) -> Self {
        Self {
            block_size,
            blocks: Vec::new(),
            places: NumberMap::default(),
            bytes: Vec::new(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= MAX_BYTES
    }

    /// The most blocks that one can hold.
    pub(crate) fn capacity(block_size: usize) -> usize {
        MAX_BYTES.checked_div(block_size).unwrap_or(1)
    }

    /// The contents of a block that waits.
    pub(crate) fn find(&self, block: u64) -> Option<&[u8]> {
        let place = *self.places.get(&block)?;
        self.bytes.get(self.range(place))
    }

    /// Adds a whole block, or replaces it. The caller has made room.
    pub(crate) fn put(&mut self, block: u64, bytes: &[u8], is_clean: bool) {
        if let Some(place) = self.places.get(&block).copied() {
            let range = self.range(place);
            if let (Some(slot), Some(old)) = (self.blocks.get_mut(place), self.bytes.get_mut(range))
            {
                slot.1 &= is_clean;
                old.copy_from_slice(bytes);
            }
            return;
        }
        self.places.insert(block, self.blocks.len());
        self.blocks.push((block, is_clean));
        self.bytes.extend_from_slice(bytes);
    }

    /// All blocks: number, whether clean, contents.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, bool, &[u8])> {
        self.blocks
            .iter()
            .zip(self.bytes.chunks_exact(self.block_size))
            .map(|((block, is_clean), bytes)| (*block, *is_clean, bytes))
    }

    pub(crate) fn clear(&mut self) {
        self.blocks.clear();
        self.places.clear();
        self.bytes.clear();
    }

    fn range(&self, place: usize) -> core::ops::Range<usize> {
        let start = place.saturating_mul(self.block_size);
        start..start.saturating_add(self.block_size)
    }
}
