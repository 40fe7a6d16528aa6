//! Where the names of large directories are: an index in memory, made at the first search.
//!
//! It maps the hash of a name to the byte of its entry, and knows the room in each block, so that
//! making 10,000 files in one directory does not read it 10,000 times. Two names with one hash
//! make the index useless and it says so; the directory is then read from the start as usual.

use fs_block::NumberMap;

use crate::InodeNo;

/// Blocks up to which a directory is simply read.
pub(crate) const SMALL_BLOCKS: u64 = 2;
/// Names in all indexes together; beyond, they are made anew.
const MAX_NAMES: usize = 1 << 18;

/// The index of one directory.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    /// Hash of the name to the entry's byte in the directory.
    places: NumberMap<u64, u64>,
    /// Per block, the largest room for an entry, in bytes.
    room: Vec<u16>,
    /// Two names have the same hash.
    is_ambiguous: bool,
}

/// What the index knows about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// If it exists, its entry is at this byte.
    At(u64),
    /// It does not exist.
    Absent,
    /// The directory must be read.
    Unknown,
}

impl NameIndex {
    /// Looks a name up.
    pub(crate) fn find(&self, name: &[u8]) -> Known {
        if self.is_ambiguous {
            return Known::Unknown;
        }
        self.places
            .get(&hash(name))
            .map_or(Known::Absent, |place| Known::At(*place))
    }

    /// Adds a name at byte `place` of the directory.
    pub(crate) fn insert(&mut self, name: &[u8], place: u64) {
        if self
            .places
            .insert(hash(name), place)
            .is_some_and(|former| former != place)
        {
            self.is_ambiguous = true;
        }
    }

    /// Removes a name.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.places.remove(&hash(name));
    }

    /// Notes the largest room in a block of the directory.
    pub(crate) fn set_room(&mut self, logical: u64, room: usize) {
        let Ok(number) = usize::try_from(logical) else {
            return;
        };
        if number >= self.room.len() {
            self.room.resize(number.saturating_add(1), 0);
        }
        if let Some(place) = self.room.get_mut(number) {
            *place = u16::try_from(room).unwrap_or(u16::MAX);
        }
    }

    /// The first block with room for an entry of `need` bytes.
    pub(crate) fn block_with_room(&self, need: usize) -> Option<u64> {
        let number = self
            .room
            .iter()
            .position(|room| usize::from(*room) >= need)?;
        u64::try_from(number).ok()
    }
}

/// The indexes of the directories in use.
#[derive(Debug, Default)]
pub(crate) struct NameIndexes {
    by_directory: NumberMap<u32, NameIndex>,
    /// Names counted when indexes were made; changes since then are not worth counting.
    nr_names: usize,
}

impl NameIndexes {
    /// The index of a directory, if it has one.
    pub(crate) fn find(&mut self, directory: InodeNo) -> Option<&mut NameIndex> {
        self.by_directory.get_mut(&directory.0)
    }

    /// Keeps a new index; others make room for it.
    pub(crate) fn insert(&mut self, directory: InodeNo, index: NameIndex) {
        let total = self.nr_names.saturating_add(index.places.len());
        if total > MAX_NAMES {
            self.clear();
        }
        self.nr_names = self.nr_names.saturating_add(index.places.len());
        self.by_directory.insert(directory.0, index);
    }

    /// Forgets the index of one directory.
    pub(crate) fn remove(&mut self, directory: InodeNo) {
        self.by_directory.remove(&directory.0);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.by_directory.clear();
        self.nr_names = 0;
    }
}

/// A 64-bit hash, eight bytes at a time.
fn hash(name: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = u64::try_from(name.len()).unwrap_or(0);
    for part in name.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(part) {
            *to = *from;
        }
        state = (state.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
        state ^= state >> 29;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hash_twice_makes_the_index_say_unknown() {
        let mut index = NameIndex::default();
        index.insert(b"one", 24);
        index.insert(b"two", 40);
        assert_eq!(index.find(b"one"), Known::At(24));
        index.remove(b"one");
        assert_eq!(index.find(b"one"), Known::Absent);
        index.insert(b"two", 80);
        assert_eq!(index.find(b"one"), Known::Unknown);
    }

    #[test]
    fn room_is_found_in_the_first_block_that_has_it() {
        let mut index = NameIndex::default();
        index.set_room(2, 100);
        index.set_room(4, 200);
        assert_eq!(index.block_with_room(12), Some(2));
        assert_eq!(index.block_with_room(101), Some(4));
        assert_eq!(index.block_with_room(201), None);
    }
}
