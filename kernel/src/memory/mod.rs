//! The address space of a process: where its heap ends and what it has mapped.
//!
//! ```text
//! 0        stack top        heap_base     brk ..       mmap_base            size
//! | stack (grows down) | data, bss | heap -> | reserve | mappings -> ...     |
//! ```
//! A guest's memory is one linear memory that only grows. The heap may grow through a reserve
//! behind `heap_base`; mappings lie above it, lowest fit first. Protection is accepted and not
//! enforced: WebAssembly has none (a stated limit).

mod usage;

pub use usage::MemoryUsage;

use std::collections::BTreeMap;

use abi::{Errno, Result};
use fs::procfs::source::{MemoryArea, MemoryUse};

use crate::platform::UserMemory;

/// Bytes of a page as guests see it.
pub const PAGE_SIZE: u32 = 4096;
/// Bytes of a page of linear memory.
const WASM_PAGE: u32 = 65536;
/// How far the heap may grow before `brk` says `ENOMEM` and allocators use `mmap`.
const HEAP_RESERVE: u32 = 16 << 20;

/// One process's map of its linear memory.
#[derive(Debug, Clone)]
pub struct AddressSpace {
    heap_base: u32,
    brk: u32,
    mmap_base: u32,
    /// End of the highest mapping there ever was: above it, memory is known to be zero.
    high_water: u32,
    /// Highest break there ever was.
    brk_high_water: u32,
    /// Mappings by start address: length in bytes.
    mappings: BTreeMap<u32, u32>,
    /// No address at or above this one; 0 stands for 4 GiB.
    limit: u64,
    /// Bytes of the stack, from address 0 up.
    stack_top: u32,
}

/// Rounds up to whole pages; `None` beyond the address space.
fn pages_up(len: u32) -> Option<u32> {
    len.checked_add(PAGE_SIZE.saturating_sub(1))
        .map(|len| len & !PAGE_SIZE.saturating_sub(1))
}

impl AddressSpace {
    /// The space of a program whose data ends at `heap_base`, and whose module lets the memory
    /// grow to `max_pages` of 64 KiB.
    pub fn new(stack_top: u32, heap_base: u32, max_pages: Option<u64>) -> Self {
        let heap_base = heap_base.saturating_add(15) & !15;
        let mmap_base = pages_up(heap_base.saturating_add(HEAP_RESERVE)).unwrap_or(heap_base);
        Self {
            heap_base,
            brk: heap_base,
            mmap_base,
            high_water: mmap_base,
            brk_high_water: heap_base,
            mappings: BTreeMap::new(),
            limit: max_pages
                .unwrap_or(65536)
                .min(65536)
                .saturating_mul(u64::from(WASM_PAGE)),
            stack_top,
        }
    }

    /// Moves the break to `wanted`, or tells where it is when `wanted` cannot be had (brk(2)).
    pub fn set_brk(&mut self, memory: &dyn UserMemory, wanted: u32) -> u32 {
        if wanted < self.heap_base || wanted >= self.mmap_base {
            return self.brk;
        }
        if wanted > self.brk {
            let reused = wanted.min(self.brk_high_water).saturating_sub(self.brk);
            if self.reserve(memory, wanted).is_err()
                || (reused > 0 && memory.fill(self.brk, 0, reused).is_err())
            {
                return self.brk;
            }
            self.brk_high_water = self.brk_high_water.max(wanted);
        }
        self.brk = wanted;
        self.brk
    }

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
            Some(address) => {
                self.unmap(address, len)?;
                address
            }
            None => self.find_gap(len).ok_or(Errno::ENOMEM)?,
        };
        let end = address.checked_add(len).ok_or(Errno::ENOMEM)?;
        self.reserve(memory, end)?;
        let reused = self.high_water.min(end).saturating_sub(address);
        if reused > 0 && address < self.high_water {
            memory.fill(address, 0, reused)?;
        }
        self.high_water = self.high_water.max(end);
        self.mappings.insert(address, len);
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
        let touched: Vec<(u32, u32)> = self
            .mappings
            .range(..end)
            .map(|(&start, &len)| (start, len))
            .filter(|&(start, len)| start.saturating_add(len) > address)
            .collect();
        for (start, len) in touched {
            self.mappings.remove(&start);
            let old_end = start.saturating_add(len);
            if start < address {
                self.mappings.insert(start, address.saturating_sub(start));
            }
            if old_end > end {
                self.mappings.insert(end, old_end.saturating_sub(end));
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
            self.mappings.insert(old_address, new_len);
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

    /// Bytes in use: stack and data, heap, mappings.
    pub fn used_bytes(&self) -> u64 {
        self.mappings
            .values()
            .fold(u64::from(self.brk), |sum, &len| {
                sum.saturating_add(u64::from(len))
            })
    }

    /// What may differ from zero: `(stack top, end of all that was ever used)`.
    pub fn dirty_range(&self) -> (u32, u32) {
        let end = if self.high_water > self.mmap_base {
            self.high_water
        } else {
            self.brk_high_water
        };
        (self.stack_top, end)
    }

    /// What whole pages are used for, ascending; a page that two share counts as the lower one's.
    pub fn areas(&self) -> Vec<MemoryArea> {
        let up = |address: u32| pages_up(address).map_or(1 << 32, u64::from);
        let (stack_end, data_end) = (up(self.stack_top), up(self.heap_base));
        let fixed = [
            (0, stack_end, MemoryUse::Stack),
            (stack_end, data_end, MemoryUse::Program),
            (data_end, up(self.brk), MemoryUse::Heap),
        ];
        let mapped = self.mappings.iter().map(|(&start, &len)| {
            let start = u64::from(start);
            let end = start.saturating_add(u64::from(len));
            (start, end, MemoryUse::Anonymous)
        });
        let all = fixed.into_iter().chain(mapped);
        all.filter(|(start, end, _)| start < end)
            .map(|(start, end, usage)| MemoryArea { start, end, usage })
            .collect()
    }

    /// Bytes of the stack.
    pub fn stack_bytes(&self) -> u64 {
        u64::from(self.stack_top)
    }

    fn find_gap(&self, len: u32) -> Option<u32> {
        let mut at = self.mmap_base;
        for (&start, &mapped) in &self.mappings {
            if start.saturating_sub(at) >= len && start > at {
                return Some(at);
            }
            at = at.max(start.saturating_add(mapped));
        }
        at.checked_add(len).map(|_| at)
    }

    /// Grows the memory so that it ends at `end` or above.
    fn reserve(&self, memory: &dyn UserMemory, end: u32) -> Result<()> {
        if u64::from(end) > self.limit {
            return Err(Errno::ENOMEM.because("over the maximum that the module declares"));
        }
        let wanted = end.div_ceil(WASM_PAGE);
        let size = memory.size_pages();
        if wanted > size {
            memory.grow(wanted.saturating_sub(size))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeMemory;

    fn space() -> (AddressSpace, FakeMemory) {
        (AddressSpace::new(0x8000, 0x9000, None), FakeMemory::new(1))
    }

    #[test]
    fn the_break_moves_and_memory_grows() {
        let (mut space, memory) = space();
        assert_eq!(space.set_brk(&memory, 0), 0x9000);
        assert_eq!(space.set_brk(&memory, 0x40000), 0x40000);
        assert!(memory.size_pages() >= 4);
        assert_eq!(space.set_brk(&memory, u32::MAX), 0x40000);
    }

    #[test]
    fn heap_that_comes_back_is_zero() {
        let (mut space, memory) = space();
        space.set_brk(&memory, 0xA000);
        memory.fill(0x9000, 7, 0x1000).unwrap();
        space.set_brk(&memory, 0x9000);
        space.set_brk(&memory, 0xA000);
        let mut byte = [1];
        fs::vfs::file::GuestMemory::copy_in(&memory, 0x9800, &mut byte).unwrap();
        assert_eq!(byte, [0]);
    }

    #[test]
    fn mappings_fill_gaps_and_come_zeroed() {
        let (mut space, memory) = space();
        let first = space.map(&memory, 10, None).unwrap();
        let second = space.map(&memory, 5000, None).unwrap();
        assert_eq!(second, first + 4096);
        memory.fill(first, 9, 4096).unwrap();
        space.unmap(first, 4096).unwrap();
        let third = space.map(&memory, 4096, None).unwrap();
        assert_eq!(third, first);
        let mut byte = [1];
        fs::vfs::file::GuestMemory::copy_in(&memory, third, &mut byte).unwrap();
        assert_eq!(byte, [0]);
    }

    #[test]
    fn unmapping_the_middle_leaves_both_ends() {
        let (mut space, memory) = space();
        let at = space.map(&memory, 3 * 4096, None).unwrap();
        space.unmap(at + 4096, 4096).unwrap();
        assert!(space.is_mapped(at, 4096));
        assert!(!space.is_mapped(at + 4096, 1));
        assert!(space.is_mapped(at + 8192, 4096));
    }

    #[test]
    fn a_mapping_grows_in_place_or_moves_with_its_contents() {
        let (mut space, memory) = space();
        let at = space.map(&memory, 4096, None).unwrap();
        assert_eq!(space.remap(&memory, at, 4096, 8192, false).unwrap(), at);
        memory.fill(at, 5, 8192).unwrap();
        let _wall = space.map(&memory, 4096, None).unwrap();
        assert!(space.remap(&memory, at, 8192, 12288, false).is_err());
        let moved = space.remap(&memory, at, 8192, 12288, true).unwrap();
        let mut bytes = [0; 2];
        fs::vfs::file::GuestMemory::copy_in(&memory, moved + 8191, &mut bytes).unwrap();
        assert_eq!(bytes, [5, 0]);
    }

    #[test]
    fn the_modules_maximum_is_a_limit() {
        let mut space = AddressSpace::new(0x8000, 0x9000, Some(300));
        let memory = FakeMemory::new(1);
        assert_eq!(
            space.map(&memory, 64 << 20, None).unwrap_err().errno,
            Errno::ENOMEM
        );
        assert!(space.map(&memory, 1 << 20, None).is_ok());
    }
}
