//! `memory.grow` and `memory.size` of a guest's own: the loader makes them calls of the kernel.
//!
//! An engine would grow the memory behind the kernel's back: the bytes would be missing in the
//! pod's budget and in what is zeroed before the next process gets the memory. So the new pages
//! are a mapping at the end of all that the process has. What the guest sees as its size is that
//! end, and not the size of the memory, which may have been larger before it came.

use abi::{Errno, Result};

use super::{AddressSpace, WASM_PAGE};
use crate::platform::UserMemory;

impl AddressSpace {
    /// The same space for a module whose memory starts with `pages` of 64 KiB.
    #[must_use]
    pub fn with_pages(mut self, pages: u64) -> Self {
        self.least_pages = u32::try_from(pages).unwrap_or(u32::MAX);
        self
    }

    /// The size of the memory as the guest sees it, in pages of 64 KiB: all that it may use.
    pub fn size_pages(&self) -> u32 {
        let mapped = if self.high_water > self.mmap_base {
            self.high_water
        } else {
            0
        };
        let used = self.brk_high_water.max(mapped).div_ceil(WASM_PAGE);
        used.max(self.least_pages)
    }

    /// Grows the memory by `pages` of 64 KiB, zeroed; the size before, in pages (`memory.grow`).
    ///
    /// The heap of brk(2) ends where they begin.
    ///
    /// # Errors
    /// `ENOMEM`: over the maximum that the module declares, or more than the pod has.
    ///
    /// # References
    /// WebAssembly 3.0, 4.6.9 `memory.grow`. Deviates: never to all of 4 GiB.
    pub fn grow_by(&mut self, memory: &dyn UserMemory, pages: u32) -> Result<u32> {
        let before = self.size_pages();
        if pages == 0 {
            return Ok(before);
        }
        let address = before.checked_mul(WASM_PAGE).ok_or(Errno::ENOMEM)?;
        let len = pages.checked_mul(WASM_PAGE).ok_or(Errno::ENOMEM)?;
        let end = address.checked_add(len).ok_or(Errno::ENOMEM)?;
        let more = u64::from(self.touched.missing(address, end));
        self.take(more, |space| space.reserve(memory, end))?;
        self.touched.insert(address, end);
        self.least_pages = before.saturating_add(pages);
        if end > self.mmap_base {
            self.high_water = self.high_water.max(end);
        }
        self.insert_mapping(address, len);
        self.note_peak();
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Budget;
    use crate::testing::FakeMemory;

    /// Three pages of stack and data, in a memory of `memory_pages`.
    fn space(max_pages: Option<u64>, memory_pages: usize) -> (AddressSpace, FakeMemory) {
        let space = AddressSpace::new(&Budget::unlimited(), 0x8000, 0x2_9000, max_pages)
            .unwrap()
            .with_pages(3);
        (space, FakeMemory::new(memory_pages))
    }

    #[test]
    fn the_size_is_what_the_guest_has_and_not_what_its_memory_had() {
        let (mut space, memory) = space(None, 40);
        assert_eq!(space.grow_by(&memory, 0).unwrap(), 3);
        assert_eq!(space.grow_by(&memory, 2).unwrap(), 3);
        assert_eq!(space.size_pages(), 5);
        assert_eq!(memory.size_pages(), 40);
        assert_eq!(space.dirty_range().1, 5 * WASM_PAGE);
    }

    #[test]
    fn grown_pages_are_accounted_and_nothing_else_is_put_there() {
        let (mut space, memory) = space(None, 3);
        let before = space.resident_bytes();
        let heap = space.set_brk(&memory, 0) + 4096;
        assert_eq!(space.set_brk(&memory, heap), heap);
        let start = space.grow_by(&memory, 300).unwrap() * WASM_PAGE;
        assert_eq!(memory.size_pages(), 303);
        assert!(space.resident_bytes() - before >= u64::from(300 * WASM_PAGE));
        assert!(space.is_mapped(start, 300 * WASM_PAGE));
        assert_eq!(
            space.set_brk(&memory, start + 1),
            heap,
            "the heap ends there"
        );
        let mapping = space.map(&memory, 4096, None).unwrap();
        assert!(mapping >= start + 300 * WASM_PAGE);
        let again = space.grow_by(&memory, 1).unwrap() * WASM_PAGE;
        assert!(again > mapping);
        assert_eq!(space.dirty_range().1, again + WASM_PAGE);
    }

    #[test]
    fn the_maximum_the_budget_and_the_end_of_addresses_are_limits() {
        let (mut limited, memory) = space(Some(8), 3);
        assert!(limited.grow_by(&memory, 6).is_err());
        assert_eq!(limited.grow_by(&memory, 5).unwrap(), 3);
        let (mut endless, memory) = space(None, 3);
        for pages in [65533, 65536, u32::MAX] {
            assert_eq!(
                endless.grow_by(&memory, pages).unwrap_err().errno,
                Errno::ENOMEM
            );
        }
        assert_eq!(endless.size_pages(), 3);
    }
}
