//! Blocks that wait for being appended together: [`Batch`].

use fs_block::NumberMap;

/// Bytes of data that are appended by one write.
const MAX_BYTES: usize = 256 << 10;
/// Blocks of a batch, those of zeros among them.
pub(crate) const MAX_ROWS: usize = 1024;

/// A block that waits.
#[derive(Clone, Copy, Debug)]
struct Row {
    block: u64,
    /// The contents are only a copy of the base's.
    is_clean: bool,
    /// Which of the blocks in `bytes`; none for zeros.
    place: Option<usize>,
}

/// Up to 256 KiB of blocks, and blocks of zeros; one that is written again is replaced.
#[derive(Debug)]
pub(crate) struct Batch {
    block_size: usize,
    rows: Vec<Row>,
    index: NumberMap<u64, usize>,
    bytes: Vec<u8>,
}

/// The contents of a block that waits.
pub(crate) enum Waiting<'a> {
    Bytes(&'a [u8]),
    Zeros,
}

impl Batch {
    pub(crate) fn new(block_size: usize) -> Self {
        Self {
            block_size,
            rows: Vec::new(),
            index: NumberMap::default(),
            bytes: Vec::new(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= MAX_BYTES || self.rows.len() >= MAX_ROWS
    }

    /// The most blocks with data that one can hold.
    pub(crate) fn capacity(block_size: usize) -> usize {
        MAX_BYTES.checked_div(block_size).unwrap_or(1)
    }

    pub(crate) fn find(&self, block: u64) -> Option<Waiting<'_>> {
        let row = self.rows.get(*self.index.get(&block)?)?;
        match row.place {
            Some(place) => self.bytes.get(self.range(place)).map(Waiting::Bytes),
            None => Some(Waiting::Zeros),
        }
    }

    /// Adds a whole block, or replaces it. The caller has made room.
    pub(crate) fn put(&mut self, block: u64, bytes: &[u8], is_clean: bool) {
        if bytes.iter().all(|byte| *byte == 0) {
            self.put_zeros(block, is_clean);
            return;
        }
        let row = self.row(block, is_clean);
        let known = self.rows.get(row).and_then(|row| row.place);
        let next = self.bytes.len().checked_div(self.block_size).unwrap_or(0);
        match known.map(|place| self.range(place)) {
            Some(range) => {
                if let Some(old) = self.bytes.get_mut(range) {
                    old.copy_from_slice(bytes);
                }
            }
            None => {
                self.bytes.extend_from_slice(bytes);
                if let Some(row) = self.rows.get_mut(row) {
                    row.place = Some(next);
                }
            }
        }
    }

    /// Adds a block of zeros, or makes it one.
    pub(crate) fn put_zeros(&mut self, block: u64, is_clean: bool) {
        let row = self.row(block, is_clean);
        if let Some(row) = self.rows.get_mut(row) {
            row.place = None;
        }
    }

    /// The row of a block, made if need be.
    fn row(&mut self, block: u64, is_clean: bool) -> usize {
        if let Some(row) = self.index.get(&block).copied() {
            if let Some(row) = self.rows.get_mut(row) {
                row.is_clean &= is_clean;
            }
            return row;
        }
        let row = self.rows.len();
        self.index.insert(block, row);
        self.rows.push(Row {
            block,
            is_clean,
            place: None,
        });
        row
    }

    /// All blocks: number, whether clean, contents unless zeros.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, bool, Option<&[u8]>)> {
        self.rows.iter().map(|row| {
            let bytes = row
                .place
                .and_then(|place| self.bytes.get(self.range(place)));
            (row.block, row.is_clean, bytes)
        })
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.index.clear();
        self.bytes.clear();
    }

    fn range(&self, place: usize) -> core::ops::Range<usize> {
        let start = place.saturating_mul(self.block_size);
        start..start.saturating_add(self.block_size)
    }
}
