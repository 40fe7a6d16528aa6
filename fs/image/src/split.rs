//! [`split`]: an image into chunks.

use fs_block::{BlockDevice, BlockError};

use crate::codec::{narrow, wide};
use crate::manifest::{ChunkName, ChunkNo, Manifest};

/// A chunk's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The first place where it occurs.
    pub number: ChunkNo,
    /// Its name.
    pub name: ChunkName,
    /// What the file holds.
    pub stored: Vec<u8>,
}

/// Splits `image` into chunks of `chunk_bytes`, compressed by `compress`, and hands each file to
/// `keep`: once for the same contents, none for zeros. The same image and compressor give the same
/// files. Every byte is read once, in order.
///
/// # Errors
/// Those of the device and of `keep`; `OutOfRange` for a chunk size that the format does not have.
pub fn split<E: From<BlockError>>(
    image: &impl BlockDevice,
    chunk_bytes: u32,
    hot: &[ChunkNo],
    mut compress: impl FnMut(&[u8]) -> Vec<u8>,
    mut keep: impl FnMut(Chunk) -> Result<(), E>,
) -> Result<Manifest, E> {
    let len = image.len_bytes();
    let mut buffer = vec![0; narrow(u64::from(chunk_bytes))];
    let mut stored: Vec<(ChunkNo, ChunkName)> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let mut at = 0;
    let mut number = 0_u32;
    while at < len && !buffer.is_empty() {
        let count = narrow(len.saturating_sub(at)).min(buffer.len());
        let bytes = buffer.get_mut(..count).ok_or(BlockError::Io)?;
        image.read(at, bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            let compressed = compress(bytes);
            let name = ChunkName::of(&compressed);
            stored.push((ChunkNo(number), name));
            if names.insert(name) {
                keep(Chunk {
                    number: ChunkNo(number),
                    name,
                    stored: compressed,
                })?;
            }
        }
        at = at.saturating_add(wide(count));
        number = number.saturating_add(1);
    }
    let stored_only = |chunk: &&ChunkNo| stored.binary_search_by_key(*chunk, |row| row.0).is_ok();
    let hot = hot.iter().filter(stored_only).copied().collect();
    Manifest::new(chunk_bytes, len, stored, hot).map_err(|_| BlockError::OutOfRange.into())
}
