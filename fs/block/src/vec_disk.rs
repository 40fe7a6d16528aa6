//! A disk in memory that changes in place: it never takes more memory than its size.

use crate::{BlockDevice, BlockError, checked_end};

/// A disk that is a vector of bytes; see [`crate::MemDisk`] for one that shares its image.
#[derive(Clone, Debug, Default)]
pub struct VecDisk(Vec<u8>);

impl VecDisk {
    /// A disk that starts as `image`.
    pub const fn new(image: Vec<u8>) -> Self {
        Self(image)
    }

    /// The bytes as they are now.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without keeping the disk.
    pub fn into_image(self) -> Vec<u8> {
        self.0
    }

    /// Where `len` bytes from `offset` on are.
    fn range(&self, offset: u64, len: usize) -> Result<core::ops::Range<usize>, BlockError> {
        let end = checked_end(offset, len, self.len_bytes())?;
        let start = usize::try_from(offset).map_err(|_| BlockError::OutOfRange)?;
        let end = usize::try_from(end).map_err(|_| BlockError::OutOfRange)?;
        Ok(start..end)
    }
}

impl BlockDevice for VecDisk {
    fn len_bytes(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let range = self.range(offset, buf.len())?;
        buf.copy_from_slice(self.0.get(range).ok_or(BlockError::OutOfRange)?);
        Ok(())
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn lend(&self, offset: u64, len: usize, take: &mut dyn FnMut(&[u8])) -> bool {
        let range = self.range(offset, len).ok();
        let bytes = range.and_then(|range| self.0.get(range));
        bytes.map(take).is_some()
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let range = self.range(offset, bytes.len())?;
        let place = self.0.get_mut(range).ok_or(BlockError::OutOfRange)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_lies_outside() {
        let mut disk = VecDisk::new(vec![7; 1000]);
        disk.write(990, &[1; 10]).unwrap();
        let mut bytes = [0; 12];
        disk.read(985, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 7, 7, 7, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(disk.write(991, &[2; 10]), Err(BlockError::OutOfRange));
        assert_eq!(disk.read(u64::MAX, &mut bytes), Err(BlockError::OutOfRange));
        assert_eq!(disk.bytes().len(), 1000);
        disk.flush().unwrap();
        assert!(disk.bytes().ends_with(&[1; 10]));
    }
}
