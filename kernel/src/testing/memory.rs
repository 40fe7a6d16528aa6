//! A guest's memory that is a vector.

use std::fmt;
use std::sync::{Arc, OnceLock};

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::vfs::file::GuestMemory;

use crate::platform::{FrameMemory, UserMemory};

/// No memory grows beyond this number of bytes.
const MAX_LEN: usize = 64 << 20;

type Bytes = Arc<Lock<Vec<u8>>>;

/// A memory that is a vector: a frame's, or what the guest of a slot sees of its frame.
pub struct FakeMemory {
    bytes: Lock<Option<Bytes>>,
    /// Called when there are no bytes: it may bring them.
    on_fault: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for FakeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeMemory({} pages)", self.size_pages())
    }
}

impl FakeMemory {
    /// A zeroed memory of `pages` of 64 KiB.
    pub fn new(pages: usize) -> Self {
        let bytes = vec![0; pages.saturating_mul(65536)];
        Self {
            bytes: Lock::new(Some(Arc::new(Lock::new(bytes)))),
            on_fault: OnceLock::new(),
        }
    }

    /// From now on this shows the bytes of `frame`, or none.
    pub(super) fn show(&self, frame: Option<&Self>) {
        *self.bytes.lock() = frame.and_then(|frame| frame.bytes.lock().clone());
    }

    /// What is called when there are no bytes; the first one counts.
    pub(super) fn on_fault(&self, handler: impl Fn() + Send + Sync + 'static) {
        let _known = self.on_fault.set(Box::new(handler));
    }

    fn bytes(&self) -> Result<Bytes> {
        let shown = self.bytes.lock().clone();
        if let Some(bytes) = shown {
            return Ok(bytes);
        }
        if let Some(on_fault) = self.on_fault.get() {
            on_fault();
        }
        self.bytes
            .lock()
            .clone()
            .ok_or_else(|| Errno::EFAULT.into())
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
        let shown = self.bytes()?;
        let memory = shown.lock();
        let range = Self::range(memory.len(), address, bytes.len())?;
        bytes.copy_from_slice(memory.get(range).ok_or(Errno::EFAULT)?);
        Ok(())
    }

    fn copy_out(&self, address: u32, bytes: &[u8]) -> Result<()> {
        let shown = self.bytes()?;
        let mut memory = shown.lock();
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
        let shown = self.bytes()?;
        let memory = shown.lock();
        let start = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
        let rest = memory.get(start..).ok_or(Errno::EFAULT)?;
        match rest.iter().take(max).position(|&byte| byte == 0) {
            Some(len) => Ok(rest.get(..len).unwrap_or_default().to_vec()),
            None if rest.len() < max => Err(Errno::EFAULT.into()),
            None => Err(Errno::ENAMETOOLONG.into()),
        }
    }

    fn fill(&self, address: u32, byte: u8, len: u32) -> Result<()> {
        let shown = self.bytes()?;
        let mut memory = shown.lock();
        let count = usize::try_from(len).map_err(|_| Errno::EFAULT)?;
        let range = Self::range(memory.len(), address, count)?;
        memory.get_mut(range).ok_or(Errno::EFAULT)?.fill(byte);
        Ok(())
    }

    fn exchange(&self, address: u32, old: u32, new: u32) -> Result<u32> {
        if address & 3 != 0 {
            return Err(Errno::EFAULT.into());
        }
        let shown = self.bytes()?;
        let mut memory = shown.lock();
        let range = Self::range(memory.len(), address, 4)?;
        let word = memory.get_mut(range).ok_or(Errno::EFAULT)?;
        let mut found = [0; 4];
        found.copy_from_slice(word);
        let found = u32::from_le_bytes(found);
        if found == old {
            word.copy_from_slice(&new.to_le_bytes());
        }
        Ok(found)
    }

    fn size_pages(&self) -> u32 {
        let len = self.bytes().map_or(0, |bytes| bytes.lock().len());
        u32::try_from(len.div_ceil(65536)).unwrap_or(u32::MAX)
    }

    fn grow(&self, pages: u32) -> Result<()> {
        let pages = usize::try_from(pages).map_err(|_| Errno::ENOMEM)?;
        let shown = self.bytes()?;
        let mut memory = shown.lock();
        let len = memory.len().saturating_add(pages.saturating_mul(65536));
        if len > MAX_LEN {
            return Err(Errno::ENOMEM.because("over the limit of memory in tests"));
        }
        memory.resize(len, 0);
        Ok(())
    }
}

impl FrameMemory for FakeMemory {
    fn clean(&self, from: u32, to: u32) {
        let Ok(shown) = self.bytes() else { return };
        let mut memory = shown.lock();
        let len = memory.len();
        let limit = |address: u32| usize::try_from(address).map_or(len, |at| at.min(len));
        let end = if to == 0 { len } else { limit(to) };
        memory.get_mut(limit(from)..end).unwrap_or_default().fill(0);
    }

    fn clean_down(&self, top: u32, _window: u32) {
        if top != 0 {
            self.clean(0, top);
        }
    }
}
