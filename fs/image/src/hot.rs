//! Which bytes of an image are read first: recorded at build, fetched ahead at boot.

use core::sync::atomic::{AtomicU64, Ordering};

use fs_block::{BlockDevice, BlockError};

use crate::manifest::ChunkNo;

/// Byte ranges in the order of their first use, aligned and merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HotList {
    /// Start and length in bytes.
    ranges: Vec<(u64, u64)>,
}

impl HotList {
    /// The list of ranges in order, each start and length in bytes.
    pub const fn new(ranges: Vec<(u64, u64)>) -> Self {
        Self { ranges }
    }

    /// Start and length of each range in bytes.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Bytes in all.
    pub fn len_bytes(&self) -> u64 {
        self.ranges
            .iter()
            .fold(0, |sum, (_, len)| len.saturating_add(sum))
    }

    /// The chunks of `chunk_bytes` that it touches, each once.
    pub fn chunks(&self, chunk_bytes: u32) -> Vec<ChunkNo> {
        let mut seen = std::collections::BTreeSet::new();
        let size = u64::from(chunk_bytes.max(1));
        let mut chunks = Vec::new();
        for (start, len) in &self.ranges {
            let end = start.saturating_add(*len).div_ceil(size);
            for chunk in start.checked_div(size).unwrap_or(0)..end {
                let chunk = ChunkNo(u32::try_from(chunk).unwrap_or(u32::MAX));
                if seen.insert(chunk) {
                    chunks.push(chunk);
                }
            }
        }
        chunks
    }

    /// As JSON, to lie beside an image: `{"format":1,"ranges":[[start,length],...]}` in bytes.
    pub fn to_json(&self) -> String {
        let ranges: Vec<String> = self
            .ranges
            .iter()
            .map(|(start, len)| format!("[{start},{len}]"))
            .collect();
        format!("{{\"format\":1,\"ranges\":[{}]}}\n", ranges.join(","))
    }
}

/// A disk that notes which blocks are read from the one behind it.
///
/// It has a bit for each block, and the order of first reads by number.
#[derive(Debug)]
pub struct ReadRecorder<D> {
    inner: D,
    block_bytes: u64,
    /// For each block the number of the read that touched it first, from 1; 0 for none.
    first: Vec<AtomicU64>,
    nr_reads: AtomicU64,
}

impl<D: BlockDevice> ReadRecorder<D> {
    /// Notes reads of `inner` by blocks of `block_bytes`.
    pub fn new(inner: D, block_bytes: u32) -> Self {
        let block_bytes = u64::from(block_bytes.max(512));
        let count = inner.len_bytes().div_ceil(block_bytes);
        Self {
            inner,
            block_bytes,
            first: (0..count).map(|_| AtomicU64::new(0)).collect(),
            nr_reads: AtomicU64::new(0),
        }
    }

    /// What was read, in order; neighbours that followed each other are one range.
    pub fn hot_list(&self) -> HotList {
        let mut blocks: Vec<(u64, u64)> = (0..)
            .zip(&self.first)
            .map(|(block, first)| (first.load(Ordering::Relaxed), block))
            .filter(|(first, _)| *first != 0)
            .collect();
        blocks.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (_, block) in blocks {
            let start = block.saturating_mul(self.block_bytes);
            let len = self
                .block_bytes
                .min(self.inner.len_bytes().saturating_sub(start));
            match ranges.last_mut() {
                Some((last, count)) if last.saturating_add(*count) == start => {
                    *count = count.saturating_add(len);
                }
                _ => ranges.push((start, len)),
            }
        }
        HotList::new(ranges)
    }

    /// The disk behind it.
    pub fn into_inner(self) -> D {
        self.inner
    }
}

impl<D: BlockDevice> BlockDevice for ReadRecorder<D> {
    fn len_bytes(&self) -> u64 {
        self.inner.len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.inner.read(offset, buf)?;
        let number = self
            .nr_reads
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let start = offset.checked_div(self.block_bytes).unwrap_or(0);
        let end = offset.saturating_add(len).div_ceil(self.block_bytes);
        for block in start..end {
            let place = usize::try_from(block)
                .ok()
                .and_then(|block| self.first.get(block));
            if let Some(first) = place {
                let _ = first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.inner.write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.inner.flush()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}
