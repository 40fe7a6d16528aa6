//! A disk in memory: a shared image underneath, private changes on top.
//!
//! The image is never copied: several pods can start from one. A write copies the chunk it
//! touches; chunks past the image's end read as zeros until they are written.

use core::fmt;
use std::sync::Arc;

use crate::{BlockDevice, BlockError, checked_end};

/// Bytes that a first write copies from the image.
const CHUNK_BYTES: usize = 16 * 1024;

/// The image underneath; anything that is bytes.
type Base = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A disk in memory, possibly larger than the image it started from.
#[derive(Clone)]
pub struct MemDisk {
    base: Base,
    len_bytes: u64,
    /// Private chunks, by offset divided by `CHUNK_BYTES`.
    chunks: Vec<Option<Box<[u8]>>>,
}

impl MemDisk {
    /// A disk that holds `image` and is as long as it.
    pub fn new(image: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let len = image.as_ref().len();
        Self::with_len(image, len)
    }

    /// A disk of `len_bytes` zeros; memory is taken as it is written.
    pub fn zeroed(len_bytes: usize) -> Self {
        Self::with_len([], len_bytes)
    }

    /// A disk of `len_bytes` that starts with `image`, followed by zeros.
    pub fn with_len(image: impl AsRef<[u8]> + Send + Sync + 'static, len_bytes: usize) -> Self {
        Self {
            base: Arc::new(image),
            len_bytes: u64::try_from(len_bytes).unwrap_or(u64::MAX),
            chunks: vec![None; len_bytes.div_ceil(CHUNK_BYTES)],
        }
    }

    /// The bytes as they are now.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut image = vec![0; usize::try_from(self.len_bytes).unwrap_or(0)];
        for (number, part) in image.chunks_mut(CHUNK_BYTES).enumerate() {
            self.read_chunk(number, 0, part);
        }
        image
    }

    /// The bytes as they are now, without keeping the disk.
    pub fn into_image(self) -> Vec<u8> {
        self.snapshot()
    }

    /// Bytes of memory that private changes take.
    pub fn changed_bytes(&self) -> usize {
        self.chunks.iter().flatten().map(|chunk| chunk.len()).sum()
    }

    /// Reads within one chunk, from byte `at` of it.
    fn read_chunk(&self, number: usize, at: usize, buf: &mut [u8]) {
        let own = self.chunks.get(number).and_then(Option::as_deref);
        let (bytes, from) = match own {
            Some(chunk) => (chunk, at),
            None => (
                (*self.base).as_ref(),
                number.saturating_mul(CHUNK_BYTES).saturating_add(at),
            ),
        };
        let available = bytes.get(from..).unwrap_or_default();
        let (filled, zeros) = buf.split_at_mut(buf.len().min(available.len()));
        if let Some(stored) = available.get(..filled.len()) {
            filled.copy_from_slice(stored);
        }
        zeros.fill(0);
    }

    /// The private copy of a chunk, made if it does not exist yet.
    fn own_chunk(&mut self, number: usize) -> Option<&mut [u8]> {
        if self.chunks.get(number)?.is_none() {
            let mut chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
            self.read_chunk(number, 0, &mut chunk);
            *self.chunks.get_mut(number)? = Some(chunk);
        }
        self.chunks.get_mut(number)?.as_deref_mut()
    }
}

/// Splits `len` bytes at `offset` at chunk bounds: chunk number, byte in the chunk, bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut at = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut left = len;
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let (number, within) = (at / CHUNK_BYTES, at % CHUNK_BYTES);
        let count = CHUNK_BYTES.saturating_sub(within).min(left);
        at = at.saturating_add(count);
        left = left.saturating_sub(count);
        Some((number, within, count))
    })
}

impl BlockDevice for MemDisk {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        checked_end(offset, buf.len(), self.len_bytes)?;
        let mut rest = buf;
        for (number, within, count) in pieces(offset, rest.len()) {
            let (part, tail) = rest
                .split_at_mut_checked(count)
                .ok_or(BlockError::OutOfRange)?;
            self.read_chunk(number, within, part);
            rest = tail;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        checked_end(offset, bytes.len(), self.len_bytes)?;
        let mut rest = bytes;
        for (number, within, count) in pieces(offset, bytes.len()) {
            let (part, tail) = rest.split_at_checked(count).ok_or(BlockError::OutOfRange)?;
            self.own_chunk(number)
                .and_then(|chunk| chunk.get_mut(within..within.saturating_add(count)))
                .ok_or(BlockError::OutOfRange)?
                .copy_from_slice(part);
            rest = tail;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

impl From<Vec<u8>> for MemDisk {
    fn from(image: Vec<u8>) -> Self {
        Self::new(image)
    }
}

impl From<Arc<[u8]>> for MemDisk {
    fn from(image: Arc<[u8]>) -> Self {
        Self::new(image)
    }
}

impl fmt::Debug for MemDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDisk")
            .field("len_bytes", &self.len_bytes)
            .field("changed_bytes", &self.changed_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_leave_the_shared_image_alone() {
        let image: Arc<[u8]> = vec![7; 40_000].into();
        let mut disk = MemDisk::from(image.clone());
        disk.write(16_000, &[1; 1000]).unwrap();
        let mut buf = [0; 1002];
        disk.read(15_999, &mut buf).unwrap();
        assert_eq!((buf[0], buf[1], buf[1000], buf[1001]), (7, 1, 1, 7));
        assert!(image.iter().all(|byte| *byte == 7));
        assert_eq!(disk.changed_bytes(), 2 * CHUNK_BYTES);
        assert_eq!(disk.clone().into_image(), disk.snapshot());
        assert_eq!(
            disk.snapshot().iter().filter(|byte| **byte == 1).count(),
            1000
        );
    }

    #[test]
    fn bytes_past_the_image_are_zero_and_past_the_disk_out_of_range() {
        let mut disk = MemDisk::with_len(vec![9; 100], 50_000);
        let mut buf = [1; 200];
        disk.read(0, &mut buf).unwrap();
        assert_eq!((buf[99], buf[100]), (9, 0));
        disk.write(49_999, &[3]).unwrap();
        assert_eq!(disk.write(49_999, &[3, 3]), Err(BlockError::OutOfRange));
        assert_eq!(disk.read(u64::MAX, &mut buf), Err(BlockError::OutOfRange));
        assert_eq!(disk.snapshot().len(), 50_000);
    }
}
