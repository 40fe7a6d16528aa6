//! [`ChunkedDisk`]: a `BlockDevice` of chunks as they come.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::io::Read;

use fs_block::{BlockDevice, BlockError, NumberMap};
use ruzstd::decoding::StreamingDecoder;

use crate::codec::{narrow, wide};
use crate::manifest::{ChunkName, ChunkNo, Manifest};

/// Why a chunk was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// The image has no such chunk, or it is zeros.
    NotStored,
    /// The bytes are not those that the manifest names: damaged on the way, or another image's.
    WrongContent,
    /// They are what the manifest names, and no zstd frame of the chunk's length.
    BadFrame,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStored => "no such chunk",
            Self::WrongContent => "the chunk is not what the manifest names",
            Self::BadFrame => "the chunk cannot be decompressed",
        })
    }
}

impl core::error::Error for ChunkError {}

/// A chunk in memory, and when it was last read.
struct Resident {
    bytes: Box<[u8]>,
    used: AtomicU64,
}

/// A read-only disk that holds some of its chunks, and says which others it wants.
pub struct ChunkedDisk {
    manifest: Manifest,
    resident: NumberMap<u32, Resident>,
    /// The most chunks that are held, at least two.
    capacity: usize,
    clock: AtomicU64,
}

impl ChunkedDisk {
    /// A disk without any chunk, that will hold about `budget_bytes`.
    pub fn new(manifest: Manifest, budget_bytes: usize) -> Self {
        let chunk = narrow(manifest.chunk_bytes());
        Self {
            manifest,
            resident: NumberMap::default(),
            capacity: budget_bytes.checked_div(chunk).unwrap_or(0).max(2),
            clock: AtomicU64::new(0),
        }
    }

    /// What the image consists of.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The chunk to fetch for byte `offset` of a `NotResident`, and its name; `None` when it is here.
    pub fn wanted(&self, offset: u64) -> Option<(ChunkNo, ChunkName)> {
        let chunk = self.manifest.chunk_at(offset);
        let name = self.manifest.name(chunk)?;
        (!self.resident.contains_key(&chunk.0)).then_some((chunk, name))
    }

    /// Takes a chunk's stored bytes. They are decompressed only if they are what the manifest names.
    /// The chunk that was not read for the longest time makes room. Returns the contents.
    ///
    /// # Errors
    /// As [`ChunkError`] says; the disk is unchanged.
    pub fn supply(&mut self, chunk: ChunkNo, stored: &[u8]) -> Result<&[u8], ChunkError> {
        let name = self.manifest.name(chunk).ok_or(ChunkError::NotStored)?;
        if ChunkName::of(stored) != name {
            return Err(ChunkError::WrongContent);
        }
        let bytes = decompress(stored, self.manifest.len_of(chunk)).ok_or(ChunkError::BadFrame)?;
        while self.resident.len() >= self.capacity && !self.resident.contains_key(&chunk.0) {
            let oldest = self
                .resident
                .iter()
                .min_by_key(|(_, resident)| resident.used.load(Ordering::Relaxed))
                .map(|(number, _)| *number);
            match oldest {
                Some(number) => self.resident.remove(&number),
                None => break,
            };
        }
        let used = AtomicU64::new(self.tick());
        let resident = Resident { bytes, used };
        Ok(&self
            .resident
            .entry(chunk.0)
            .insert_entry(resident)
            .into_mut()
            .bytes)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// The contents of a frame, if they are `len` bytes.
fn decompress(stored: &[u8], len: usize) -> Option<Box<[u8]>> {
    let mut decoder = StreamingDecoder::new(stored).ok()?;
    let mut bytes = vec![0; len];
    decoder.read_exact(&mut bytes).ok()?;
    // Nothing may follow.
    let rest = decoder.read(&mut [0]).ok()?;
    (rest == 0).then(|| bytes.into_boxed_slice())
}

impl BlockDevice for ChunkedDisk {
    fn len_bytes(&self) -> u64 {
        self.manifest.len_bytes()
    }

    /// `NotResident` names the first byte whose chunk is missing.
    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let end = offset
            .checked_add(wide(buf.len()))
            .ok_or(BlockError::OutOfRange)?;
        if end > self.len_bytes() {
            return Err(BlockError::OutOfRange);
        }
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let chunk = self.manifest.chunk_at(at);
            let within = narrow(at & self.manifest.chunk_bytes().wrapping_sub(1));
            let count = self
                .manifest
                .len_of(chunk)
                .saturating_sub(within)
                .min(rest.len());
            let (part, tail) = rest.split_at_mut_checked(count).ok_or(BlockError::Io)?;
            match self.resident.get(&chunk.0) {
                Some(resident) => {
                    resident.used.store(self.tick(), Ordering::Relaxed);
                    let bytes = resident.bytes.get(within..within.saturating_add(count));
                    part.copy_from_slice(bytes.ok_or(BlockError::Io)?);
                }
                None if self.manifest.name(chunk).is_some() => {
                    return Err(BlockError::NotResident(at));
                }
                None => part.fill(0),
            }
            at = at.saturating_add(wide(count));
            rest = tail;
        }
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        true
    }
}

impl fmt::Debug for ChunkedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkedDisk")
            .field("len_bytes", &self.manifest.len_bytes())
            .field("nr_resident", &self.resident.len())
            .finish_non_exhaustive()
    }
}
