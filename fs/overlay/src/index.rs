//! Where each block is: [`Index`], about nine bytes of memory for each block of a full range.

use fs_block::NumberMap;

use crate::codec::{SECTOR, le32, le64};

/// Blocks of one chunk of the index.
const CHUNK: usize = 32;
const CHUNK_SHIFT: u32 = CHUNK.trailing_zeros();

/// Where the newest contents of a block are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// 0: in the base. 1: zeros. Else the sector in the log; `CLEAN` for a copy of the base.
    place: u32,
    /// CRC32C of the data.
    pub(crate) crc: u32,
}

/// Set in a place: the same as in the base, which need not be asked.
const CLEAN: u32 = 1 << 31;

impl Entry {
    /// In the base.
    pub(crate) const ABSENT: Self = Self { place: 0, crc: 0 };

    pub(crate) const fn zeros(is_clean: bool) -> Self {
        Self {
            place: if is_clean { 1 | CLEAN } else { 1 },
            crc: 0,
        }
    }

    /// Data at a byte offset of the log; `None` when that is too far for the format (1 TiB).
    pub(crate) fn stored(at: u64, crc: u32, is_clean: bool) -> Option<Self> {
        let sector = u32::try_from(at / SECTOR)
            .ok()
            .filter(|sector| *sector < CLEAN)?;
        let place = if is_clean { sector | CLEAN } else { sector };
        Some(Self { place, crc })
    }

    pub(crate) fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    pub(crate) const fn is_clean(self) -> bool {
        self.place & CLEAN != 0
    }

    pub(crate) const fn is_zeros(self) -> bool {
        self.place & !CLEAN == 1
    }

    /// The byte offset of its data, if it has any in the log.
    pub(crate) fn offset(self) -> Option<u64> {
        let sector = self.place & !CLEAN;
        (sector > 1).then(|| u64::from(sector).saturating_mul(SECTOR))
    }
}

/// The place of every block that is not only in the base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    chunks: NumberMap<u64, Box<[Entry; CHUNK]>>,
    nr_stored: u64,
    nr_clean: u64,
    nr_changed: u64,
}

fn split(block: u64) -> (u64, usize) {
    let within = usize::try_from(block % 32).unwrap_or(0);
    (block >> CHUNK_SHIFT, within)
}

impl Index {
    pub(crate) fn entry(&self, block: u64) -> Entry {
        let (chunk, within) = split(block);
        let found = self.chunks.get(&chunk).and_then(|chunk| chunk.get(within));
        found.copied().unwrap_or(Entry::ABSENT)
    }

    /// Sets the place of a block; returns the former one.
    pub(crate) fn set(&mut self, block: u64, entry: Entry) -> Entry {
        let (chunk, within) = split(block);
        let chunk = self
            .chunks
            .entry(chunk)
            .or_insert_with(|| Box::new([Entry::ABSENT; CHUNK]));
        let Some(place) = chunk.get_mut(within) else {
            return Entry::ABSENT;
        };
        let former = core::mem::replace(place, entry);
        for (entry, add) in [(former, false), (entry, true)] {
            let count = |number: &mut u64, is_one: bool| {
                *number = match (is_one, add) {
                    (false, _) => *number,
                    (true, true) => number.saturating_add(1),
                    (true, false) => number.saturating_sub(1),
                };
            };
            count(&mut self.nr_stored, entry.offset().is_some());
            count(&mut self.nr_clean, entry.is_clean());
            count(
                &mut self.nr_changed,
                !entry.is_clean() && !entry.is_absent(),
            );
        }
        former
    }

    /// Blocks with data in the log.
    pub(crate) const fn nr_stored(&self) -> u64 {
        self.nr_stored
    }

    /// Copies of blocks of the base.
    pub(crate) const fn nr_clean(&self) -> u64 {
        self.nr_clean
    }

    /// Blocks that differ from the base, or may.
    pub(crate) const fn nr_changed(&self) -> u64 {
        self.nr_changed
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let chunk = size_of::<[Entry; CHUNK]>().saturating_add(17);
        self.chunks
            .capacity()
            .saturating_mul(17)
            .saturating_add(self.chunks.len().saturating_mul(chunk))
    }

    /// All blocks that are not absent, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Entry)> + '_ {
        self.sorted_chunks()
            .into_iter()
            .flat_map(|(number, chunk)| {
                let first = number << CHUNK_SHIFT;
                (first..)
                    .zip(chunk.iter().copied())
                    .filter(|(_, entry)| !entry.is_absent())
            })
    }

    fn sorted_chunks(&self) -> Vec<(u64, &[Entry; CHUNK])> {
        let mut chunks: Vec<(u64, &[Entry; CHUNK])> = self
            .chunks
            .iter()
            .map(|(number, chunk)| (*number, &**chunk))
            .collect();
        chunks.sort_unstable_by_key(|(number, _)| *number);
        chunks
    }

    /// Packs it: for each chunk its number (8 bytes), which blocks it has (4), and their places
    /// and CRCs (8 each).
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, chunk) in self.sorted_chunks() {
            let mut present = 0_u32;
            for (bit, entry) in (0..).zip(chunk) {
                present |= u32::from(!entry.is_absent()) << bit;
            }
            if present == 0 {
                continue;
            }
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&present.to_le_bytes());
            for entry in chunk.iter().filter(|entry| !entry.is_absent()) {
                bytes.extend_from_slice(&entry.place.to_le_bytes());
                bytes.extend_from_slice(&entry.crc.to_le_bytes());
            }
        }
        bytes
    }

    /// The reverse of [`Self::pack`]; `None` where a block is not below `nr_blocks`, or its data
    /// not within the first `end` bytes of the log.
    pub(crate) fn unpack(bytes: &[u8], nr_blocks: u64, end: u64, block_size: u64) -> Option<Self> {
        let mut index = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at_checked(12)?;
            rest = tail;
            let present = le32(head, 8);
            for bit in (0..32_u64).filter(|bit| present >> bit & 1 != 0) {
                let (entry, tail) = rest.split_at_checked(8)?;
                rest = tail;
                let block = le64(head, 0).checked_mul(32)?.checked_add(bit)?;
                let entry = Entry {
                    place: le32(entry, 0),
                    crc: le32(entry, 4),
                };
                let is_inside = match entry.offset() {
                    Some(at) => {
                        at >= crate::header::RECORDS_AT && at.checked_add(block_size)? <= end
                    }
                    None => entry.is_zeros(),
                };
                if block >= nr_blocks || !is_inside {
                    return None;
                }
                index.set(block, entry);
            }
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_packs_and_unpacks_and_counts() {
        let mut index = Index::default();
        for block in [0, 31, 32, 5000] {
            let entry = Entry::stored(8192 + block * 512, 7, block == 31).unwrap();
            assert!(index.set(block, entry).is_absent());
        }
        index.set(6, Entry::zeros(false));
        index.set(7, Entry::zeros(false));
        index.set(7, Entry::ABSENT);
        assert_eq!(
            (index.nr_stored(), index.nr_clean(), index.nr_changed()),
            (4, 1, 4)
        );
        let bytes = index.pack();
        let again = Index::unpack(&bytes, 5001, 1 << 30, 512).unwrap();
        assert!(again.iter().eq(index.iter()));
        assert_eq!(again.entry(5000).offset(), Some(8192 + 5000 * 512));
        assert!(Index::unpack(&bytes, 5000, 1 << 30, 512).is_none());
        assert!(Index::unpack(&bytes, 5001, 8192 + 5000 * 512, 512).is_none());
        assert!(Index::unpack(&bytes[..bytes.len() - 1], 5001, 1 << 30, 512).is_none());
        assert!(Entry::stored(1 << 40, 0, false).is_none());
    }
}
