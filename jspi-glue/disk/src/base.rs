//! [`Base`]: the image without changes, wherever it is.

use core::ops::Range;
use std::sync::Arc;

use executor::sync::Lock;
use fs_block::{BlockDevice, BlockError};
use fs_image::{ChunkNo, ChunkedDisk};

use crate::fetched::Fetched;

/// Where an image's bytes are.
pub enum Source {
    /// All of them are here, in memory or in a file.
    Here(Box<dyn BlockDevice>),
    /// At a server, by ranges.
    Ranges(Fetched),
    /// At a server, in chunks.
    Chunks(ChunkedDisk),
}

/// An image. Clones are the same one: the overlay reads it, and what was fetched is put there.
#[derive(Clone)]
pub struct Base {
    len_bytes: u64,
    inner: Arc<Lock<Inner>>,
}

struct Inner {
    source: Source,
    /// What the last reads did not find.
    missed: Vec<Range<u64>>,
}

impl Base {
    /// An image of `len_bytes`.
    pub fn new(len_bytes: u64, source: Source) -> Self {
        let missed = Vec::new();
        Self {
            len_bytes,
            inner: Arc::new(Lock::new(Inner { source, missed })),
        }
    }

    /// The bytes that reads did not find since the last call.
    pub fn take_missed(&self) -> Vec<Range<u64>> {
        core::mem::take(&mut self.inner.lock().missed)
    }

    /// Works on the source.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Source) -> R) -> R {
        work(&mut self.inner.lock().source)
    }
}

impl Inner {
    /// The parts of `range` that are still at the server.
    fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        match &self.source {
            Source::Here(_) => Vec::new(),
            Source::Ranges(fetched) => fetched.gaps(range),
            Source::Chunks(disk) => {
                let size = disk.manifest().chunk_bytes();
                let ChunkNo(first) = disk.manifest().chunk_at(range.start);
                let starts = (u64::from(first)..).map(|chunk| chunk.saturating_mul(size));
                starts
                    .take_while(|start| *start < range.end)
                    .filter(|start| disk.wanted(*start).is_some())
                    .map(|start| start.max(range.start)..start.saturating_add(size).min(range.end))
                    .collect()
            }
        }
    }
}

impl BlockDevice for Base {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let mut inner = self.inner.lock();
        let result = match &inner.source {
            Source::Here(device) => device.read(offset, buf),
            Source::Ranges(fetched) => fetched.read(offset, buf).map_err(BlockError::NotResident),
            Source::Chunks(disk) => disk.read(offset, buf),
        };
        if let Err(BlockError::NotResident(_)) = result {
            let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
            let missed = inner.gaps(offset..offset.saturating_add(len));
            inner.missed.extend(missed);
        }
        result
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

impl core::fmt::Debug for Base {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Base")
            .field("len_bytes", &self.len_bytes)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Ranges(_) => "Ranges",
            Self::Chunks(_) => "Chunks",
        })
    }
}
