//! One block of a directory: a chain of entries that covers it exactly.
//!
//! ```text
//!   │ inode u32 │ rec_len u16 │ name_len u8 │ file_type u8 │ name, padded to 4 bytes │ slack │
//! ```
//! Inode 0 marks an unused entry. An entry is removed by giving its bytes to the one before.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets within a block of at most 4 KiB"
)]

use crate::codec::{le16, le32, low8, low16, low32, put, put16, put32, wide};

/// Bytes of an entry before its name.
const HEADER_BYTES: usize = 8;

/// An entry as it stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Byte of the block where it starts.
    pub(crate) at: usize,
    /// Inode number; 0: unused.
    pub(crate) inode: u32,
    /// Bytes to the next entry.
    pub(crate) rec_len: usize,
    /// `EXT2_FT_*`; 0 when the disk does not tell.
    pub(crate) file_type: u8,
    /// The name.
    pub(crate) name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that it needs itself.
    const fn used_bytes(&self) -> usize {
        if self.inode == 0 {
            0
        } else {
            bytes_for(self.name.len())
        }
    }

    /// Bytes that a further entry could take.
    const fn room(&self) -> usize {
        self.rec_len - self.used_bytes()
    }
}

/// Bytes of an entry with a name of `name_len` bytes.
pub(crate) const fn bytes_for(name_len: usize) -> usize {
    (HEADER_BYTES + name_len).next_multiple_of(4)
}

/// Why the entry at a byte of the block is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadEntry {
    /// Byte of the block where it starts.
    pub(crate) at: usize,
    /// What is wrong.
    pub(crate) what: &'static str,
}

/// Walks the entries of a block; ends after the first bad one.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    block: &'a [u8],
    at: usize,
    has_file_type: bool,
}

/// The entries of a whole block.
pub(crate) const fn entries(block: &[u8], has_file_type: bool) -> Entries<'_> {
    Entries {
        block,
        at: 0,
        has_file_type,
    }
}

/// The entries from byte `at` on, where one is known to start.
pub(crate) const fn entries_from(block: &[u8], has_file_type: bool, at: usize) -> Entries<'_> {
    Entries {
        block,
        at,
        has_file_type,
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, BadEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.block.len() {
            return None;
        }
        let at = self.at;
        let rest = self.block.get(at..)?;
        let rec_len = usize::from(le16(rest, 4));
        let (name_len, file_type) = if self.has_file_type {
            let [name_len, file_type] = le16(rest, 6).to_le_bytes();
            (usize::from(name_len), file_type)
        } else {
            (usize::from(le16(rest, 6)), 0)
        };
        let inode = le32(rest, 0);
        let what = if rec_len < bytes_for(1) {
            "directory entry: rec_len is smaller than minimal"
        } else if rec_len % 4 != 0 {
            "directory entry: rec_len is not a multiple of 4"
        } else if rec_len > rest.len() {
            "directory entry: crosses the end of its block"
        } else if rec_len < bytes_for(name_len) {
            "directory entry: rec_len is too small for its name"
        } else if inode != 0 && name_len == 0 {
            "directory entry: empty name"
        } else {
            self.at = at + rec_len;
            let name = rest
                .get(HEADER_BYTES..HEADER_BYTES + name_len)
                .unwrap_or_default();
            return Some(Ok(Entry {
                at,
                inode,
                rec_len,
                file_type,
                name,
            }));
        };
        self.at = self.block.len();
        Some(Err(BadEntry { at, what }))
    }
}

/// The largest room for a further entry in a block.
pub(crate) fn largest_room(block: &[u8], has_file_type: bool) -> Result<usize, BadEntry> {
    entries(block, has_file_type)
        .try_fold(0, |room, entry| entry.map(|entry| room.max(entry.room())))
}

/// What an entry says besides its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewEntry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) inode: u32,
    /// 0 when the disk does not tell types.
    pub(crate) file_type: u8,
}

/// Puts an entry where there is room; returns its byte, or `None` if it does not fit.
pub(crate) fn insert(
    block: &mut [u8],
    has_file_type: bool,
    new: NewEntry<'_>,
) -> Result<Option<usize>, BadEntry> {
    let need = bytes_for(new.name.len());
    let mut found = None;
    for entry in entries(block, has_file_type) {
        let entry = entry?;
        if entry.room() >= need {
            found = Some((entry.at, entry.used_bytes(), entry.rec_len));
            break;
        }
    }
    let Some((at, used, rec_len)) = found else {
        return Ok(None);
    };
    if used > 0 {
        put16(block, at + 4, low16(low32(wide(used))));
    }
    write(block, at + used, rec_len - used, new);
    Ok(Some(at + used))
}

/// Writes an entry of `rec_len` bytes at byte `at`.
pub(crate) fn write(block: &mut [u8], at: usize, rec_len: usize, new: NewEntry<'_>) {
    put32(block, at, new.inode);
    put16(block, at + 4, low16(low32(wide(rec_len))));
    put(block, at + 6, &[low8(new.name.len()), new.file_type]);
    put(block, at + HEADER_BYTES, new.name);
}

/// Points the entry at byte `at` to another inode.
pub(crate) fn retarget(block: &mut [u8], at: usize, inode: u32, file_type: Option<u8>) {
    put32(block, at, inode);
    if let Some(file_type) = file_type {
        put(block, at + 7, &[file_type]);
    }
}

/// Removes the entry at byte `at`; returns whether there is one.
pub(crate) fn remove(block: &mut [u8], has_file_type: bool, at: usize) -> Result<bool, BadEntry> {
    let mut before: Option<(usize, usize)> = None;
    let mut found = None;
    for entry in entries(block, has_file_type) {
        let entry = entry?;
        if entry.at == at {
            found = Some(entry.rec_len);
            break;
        }
        before = Some((entry.at, entry.rec_len));
    }
    let Some(rec_len) = found else {
        return Ok(false);
    };
    put32(block, at, 0);
    if let Some((before, before_len)) = before {
        put16(block, before + 4, low16(low32(wide(before_len + rec_len))));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &[u8], inode: u32) -> NewEntry<'_> {
        NewEntry {
            name,
            inode,
            file_type: 1,
        }
    }

    fn names(block: &[u8]) -> Vec<Vec<u8>> {
        let used = entries(block, true)
            .map(Result::unwrap)
            .filter(|entry| entry.inode != 0);
        used.map(|entry| entry.name.to_vec()).collect()
    }

    #[test]
    fn entries_fill_a_block_and_leave_it_in_any_order() {
        let mut block = vec![0; 1024];
        write(&mut block, 0, 1024, new(b"", 0));
        let mut count = 0;
        while insert(
            &mut block,
            true,
            new(format!("name{count:02}").as_bytes(), 12),
        )
        .unwrap()
        .is_some()
        {
            count += 1;
        }
        assert_eq!(count, 1024 / 16);
        assert!(largest_room(&block, true).unwrap() < 16);
        assert!(remove(&mut block, true, 0).unwrap());
        assert!(remove(&mut block, true, 32).unwrap());
        assert!(!remove(&mut block, true, 32).unwrap());
        assert_eq!(names(&block).len(), count - 2);
        assert_eq!(insert(&mut block, true, new(b"x", 5)).unwrap(), Some(0));
        assert_eq!(insert(&mut block, true, new(b"y", 5)).unwrap(), Some(32));
        assert_eq!(names(&block)[0], b"x");
    }

    #[test]
    fn impossible_entries_are_named() {
        let mut block = vec![0; 1024];
        assert!(entries(&block, true).next().unwrap().is_err());
        for (rec_len, name_len) in [(8, 0), (13, 1), (2048, 1), (12, 200), (1024, 0)] {
            write(&mut block, 0, rec_len, new(b"", 7));
            block[6] = name_len;
            assert_eq!(entries(&block, true).filter(Result::is_err).count(), 1);
        }
    }
}
