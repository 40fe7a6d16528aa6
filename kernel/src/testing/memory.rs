//! A guest's memory that is a vector.

use std::fmt;

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::vfs::file::GuestMemory;

use crate::platform::UserMemory;

/// No memory grows beyond this number of bytes.
const MAX_LEN: usize = 64 << 20;

/// A guest's memory that is a vector.
pub struct FakeMemory {
    bytes: Lock<Vec<u8>>,
}

impl fmt::Debug for FakeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeMemory({} pages)", self.size_pages())
    }
}

impl FakeMemory {
    /// A zeroed memory of `pages` of 64 KiB.
    pub fn new(pages: usize) -> Self {
        Self {
            bytes: Lock::new(vec![0; pages.saturating_mul(65536)]),
        }
    }

    fn range(len: usize, address: u32, count: usize) -> Result<std::ops::Range<usize>> {
        let start = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
        let end = start
            .checked_add(count)
            .filter(|&end| end <= len)
            .ok_or(Errno::EFAULT)?;
        Ok(start..end)
    }
}

impl GuestMemory for FakeMemory {
    fn copy_in(&self, address: u32, bytes: &mut [u8]) -> Result<()> {
        let memory = self.bytes.lock();
        let range = Self::range(memory.len(), address, bytes.len())?;
        bytes.copy_from_slice(memory.get(range).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn copy_out(&self, address: u32, bytes: &[u8]) -> Result<()> {
        let mut memory = self.bytes.lock();
        let range = Self::range(memory.len(), address, bytes.len())?;
        memory
            .get_mut(range)
            .ok_or(Errno::EFAULT)?
            .copy_from_slice(bytes);
        Ok(())
    }
}

impl UserMemory for FakeMemory {
    fn copy_in_string(&self, address: u32, max: usize) -> Result<Vec<u8>> {
        let memory = self.bytes.lock();
        let start = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
        let rest = memory.get(start..).ok_or(Errno::EFAULT)?;
        match rest.iter().take(max).position(|&byte| byte == 0) {
            Some(len) => Ok(rest.get(..len).unwrap_or_default().to_vec()),
            None if rest.len() < max => Err(Errno::EFAULT.into()),
            None => Err(Errno::ENAMETOOLONG.into()),
        }
    }

    fn fill(&self, address: u32, byte: u8, len: u32) -> Result<()> {
        let mut memory = self.bytes.lock();
        let count = usize::try_from(len).map_err(|_| Errno::EFAULT)?;
        let range = Self::range(memory.len(), address, count)?;
        memory.get_mut(range).ok_or(Errno::EFAULT)?.fill(byte);
        Ok(())
    }

    fn size_pages(&self) -> u32 {
        u32::try_from(self.bytes.lock().len().div_ceil(65536)).unwrap_or(u32::MAX)
    }

    fn grow(&self, pages: u32) -> Result<()> {
        let pages = usize::try_from(pages).map_err(|_| Errno::ENOMEM)?;
        let mut memory = self.bytes.lock();
        let len = memory.len().saturating_add(pages.saturating_mul(65536));
        if len > MAX_LEN {
            return Err(Errno::ENOMEM.because("over the limit of memory in tests"));
        }
        memory.resize(len, 0);
        Ok(())
    }
}
