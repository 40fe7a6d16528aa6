//! Extended attributes: entries from the front, values from the back, nothing twice.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets within a block or inode, from fields of 8 and 16 bits"
)]

use crate::bits::{le16, le32};

/// `h_magic`.
const MAGIC: u32 = 0xEA02_0000;
/// Bytes of a block's header; entries follow.
const HEADER: usize = 32;
/// Bytes of an entry without its name.
const ENTRY: usize = 16;

/// What is wrong with a block of attributes.
pub(crate) fn check_block(bytes: &[u8]) -> Result<(), &'static str> {
    if le32(bytes, 0) != MAGIC {
        return Err("the block has no magic number");
    }
    if le32(bytes, 8) != 1 {
        return Err("more than one block");
    }
    check_entries(bytes, HEADER, Hashes::Checked)
}

/// What is wrong with the attributes in a large inode, if it has some.
pub(crate) fn check_inode(bytes: &[u8]) -> Result<(), &'static str> {
    let start = 128 + usize::from(le16(bytes, 128));
    match bytes.get(start..) {
        Some(area) if le32(area, 0) == MAGIC => {
            check_entries(area.get(4..).unwrap_or_default(), 0, Hashes::Free)
        }
        _ => Ok(()),
    }
}

/// Whether hashes must be right: in an inode they may be left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hashes {
    Checked,
    Free,
}

/// Checks the entries of `area` from byte `at` on; values are counted from the area's start.
fn check_entries(area: &[u8], mut at: usize, hashes: Hashes) -> Result<(), &'static str> {
    let mut values = Vec::new();
    while *area.get(at..at + 4).ok_or("the list does not end")? != [0; 4] {
        let entry = area.get(at..at + ENTRY).ok_or("an entry crosses the end")?;
        let name_len = entry.first().copied().map_or(0, usize::from);
        let name = area
            .get(at + ENTRY..at + ENTRY + name_len)
            .ok_or("a name crosses the end")?;
        if le32(entry, 4) != 0 {
            return Err("a value in another inode");
        }
        let start = usize::from(le16(entry, 2));
        let len = usize::try_from(le32(entry, 8)).map_err(|_| "a value crosses the end")?;
        let value = if len == 0 {
            &[]
        } else {
            let end = start.checked_add(len).ok_or("a value crosses the end")?;
            values.push((start, end.next_multiple_of(4)));
            // Whole words are hashed, with what fills up the last.
            let padded = area.get(start..end.next_multiple_of(4));
            padded.ok_or("a value crosses the end")?
        };
        // The number of the namespace.
        if hashes == Hashes::Checked && entry.get(1) == Some(&0) {
            return Err("a name without a namespace");
        }
        let hash = le32(entry, 12);
        let is_checked = hashes == Hashes::Checked || hash != 0;
        if is_checked && !hashes_of(name, value).contains(&hash) {
            return Err("a hash is wrong");
        }
        at = (at + ENTRY + name_len).next_multiple_of(4);
    }
    values.push((0, at + 4));
    values.sort_unstable();
    let overlap = values
        .windows(2)
        .any(|pair| matches!(pair, [(_, end), (start, _)] if start < end));
    if overlap {
        return Err("values overlap");
    }
    Ok(())
}

/// `e_hash` of a name and its value: bytes of names were signed for some time.
fn hashes_of(name: &[u8], value: &[u8]) -> [u32; 2] {
    [
        |byte: u8| u32::from(byte),
        |byte: u8| i32::from(byte.cast_signed()).cast_unsigned(),
    ]
    .map(|widen: fn(u8) -> u32| {
        let of_name = name
            .iter()
            .fold(0_u32, |hash, byte| hash.rotate_left(5) ^ widen(*byte));
        value.chunks(4).fold(of_name, |hash, chunk| {
            let mut word = [0; 4];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    })
}
