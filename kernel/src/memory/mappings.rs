//! Mappings: `mmap(2)`, `munmap(2)`, `mremap(2)`.

use abi::{Errno, Result};

use super::{AddressSpace, PAGE_SIZE, WASM_PAGE, pages_up};
use crate::platform::UserMemory;

impl AddressSpace {
    /// Makes a zeroed mapping of `len` bytes; at `fixed` when given, replacing what is there.
    ///
    /// # Errors
    /// `EINVAL` for a length of 0 or an odd address, `ENOMEM`.
    pub fn map(&mut self, memory: &dyn UserMemory, len: u32, fixed: Option<u32>) -> Result<u32> {
        let len = pages_up(len).ok_or(Errno::ENOMEM)?;
        if len == 0 {
            return Err(Errno::EINVAL.because("a mapping of no bytes"));
        }
        let address = match fixed {
            Some(address) if address.checked_rem(PAGE_SIZE) != Some(0) => {
                return Err(Errno::EINVAL.because("not the address of a page"));
            }
            Some(address) if address < self.mmap_base => {
                return Err(Errno::ENOMEM.because("a fixed mapping below the mapping area"));
            }
            Some(address) => address,
            None => self.find_gap(len).ok_or(Errno::ENOMEM)?,
        };
        let end = address.checked_add(len).ok_or(Errno::ENOMEM)?;
        let more = u64::from(self.touched.missing(address, end));
        self.take(more, |space| space.reserve(memory, end))?;
        self.touched.insert(address, end);
        if fixed.is_some() {
            self.unmap(address, len)?;
        }
        let reused = self.high_water.min(end).saturating_sub(address);
        if reused > 0 && address < self.high_water {
            memory.fill(address, 0, reused)?;
        }
        self.high_water = self.high_water.max(end);
        self.insert_mapping(address, len);
        self.note_peak();
        Ok(address)
    }

    /// Forgets every page in the range; holes are fine (munmap(2)).
    ///
    /// # Errors
    /// `EINVAL` for a length of 0 or an odd address.
    pub fn unmap(&mut self, address: u32, len: u32) -> Result<()> {
        let len = pages_up(len).unwrap_or(!PAGE_SIZE.saturating_sub(1));
        if len == 0 || address.checked_rem(PAGE_SIZE) != Some(0) {
            return Err(Errno::EINVAL.into());
        }
        let end = address.saturating_add(len);
        self.shared.cut(address, end)?;
        let touched: Vec<(u32, u32)> = self
            .mappings
            .range(..end)
            .map(|(&start, &len)| (start, len))
            .filter(|&(start, len)| start.saturating_add(len) > address)
            .collect();
        for (start, len) in touched {
            self.mappings.remove(&start);
            self.mapped = self.mapped.saturating_sub(u64::from(len));
            let old_end = start.saturating_add(len);
            if start < address {
                self.insert_mapping(start, address.saturating_sub(start));
            }
            if old_end > end {
                self.insert_mapping(end, old_end.saturating_sub(end));
            }
        }
        Ok(())
    }

    /// Changes the length of a mapping, moving it when `may_move` (mremap(2)); returns its address
    /// and how many bytes the caller must copy from the old place when that differs.
    ///
    /// # Errors
    /// `EFAULT` when there is no such mapping, `ENOMEM`, `EINVAL`.
    pub fn remap(
        &mut self,
        memory: &dyn UserMemory,
        old_address: u32,
        old_len: u32,
        new_len: u32,
        may_move: bool,
    ) -> Result<u32> {
        let (Some(old_len), Some(new_len)) = (pages_up(old_len), pages_up(new_len)) else {
            return Err(Errno::ENOMEM.into());
        };
        if new_len == 0 || old_len == 0 || old_address.checked_rem(PAGE_SIZE) != Some(0) {
            return Err(Errno::EINVAL.into());
        }
        if !self.is_mapped(old_address, old_len) {
            return Err(Errno::EFAULT.because("not a mapping"));
        }
        let old_end = old_address.saturating_add(old_len);
        if new_len <= old_len {
            if new_len < old_len {
                self.unmap(
                    old_address.saturating_add(new_len),
                    old_len.saturating_sub(new_len),
                )?;
            }
            return Ok(old_address);
        }
        let more = new_len.saturating_sub(old_len);
        let free_behind = old_end
            .checked_add(more)
            .is_some_and(|end| self.mappings.range(old_end..end).next().is_none());
        if free_behind && self.map(memory, more, Some(old_end)).is_ok() {
            self.unmap(old_address, new_len)?;
            self.insert_mapping(old_address, new_len);
            return Ok(old_address);
        }
        if !may_move {
            return Err(Errno::ENOMEM.because("no room behind the mapping"));
        }
        let new_address = self.map(memory, new_len, None)?;
        let mut chunk = vec![0; usize::try_from(WASM_PAGE).unwrap_or(65536)];
        let mut done = 0;
        while done < old_len {
            let len = WASM_PAGE.min(old_len.saturating_sub(done));
            let part = chunk
                .get_mut(..usize::try_from(len).unwrap_or(0))
                .unwrap_or_default();
            memory.copy_in(old_address.saturating_add(done), part)?;
            memory.copy_out(new_address.saturating_add(done), part)?;
            done = done.saturating_add(len);
        }
        self.unmap(old_address, old_len)?;
        Ok(new_address)
    }

    /// Whether every byte of the range belongs to mappings.
    pub fn is_mapped(&self, address: u32, len: u32) -> bool {
        let Some(end) = address.checked_add(len) else {
            return false;
        };
        let mut at = address;
        while at < end {
            let Some((&start, &len)) = self.mappings.range(..=at).next_back() else {
                return false;
            };
            let mapping_end = start.saturating_add(len);
            if mapping_end <= at {
                return false;
            }
            at = mapping_end;
        }
        true
    }

    /// The first address that a mapping may have.
    pub const fn mmap_base(&self) -> u32 {
        self.mmap_base
    }

    pub(super) fn insert_mapping(&mut self, address: u32, len: u32) {
        self.mappings.insert(address, len);
        self.mapped = self.mapped.saturating_add(u64::from(len));
    }

    fn find_gap(&self, len: u32) -> Option<u32> {
        let mut at = self.mmap_base;
        for (&start, &mapped) in self.mappings.iter() {
            if start.saturating_sub(at) >= len && start > at {
                return Some(at);
            }
            at = at.max(start.saturating_add(mapped));
        }
        at.checked_add(len).map(|_| at)
    }
}
