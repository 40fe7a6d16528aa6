//! The address space of a process: where its heap ends and what it has mapped.
//!
//! ```text
//! 0        stack top        heap_base     brk ..       mmap_base            size
//! | stack (grows down) | data, bss | heap -> | reserve | mappings -> ...     |
//! ```
//! A guest's memory is one linear memory that only grows. The heap may grow through a reserve
//! behind `heap_base`; mappings lie above it, lowest fit first. Protection is accepted and not
//! enforced: WebAssembly has none (a stated limit).
//!
//! - `shared`: mappings that processes have in common
//! - `grow`: `memory.grow`; `rlimit`: what `RLIMIT_AS` and `RLIMIT_DATA` allow; `extents`: what was
//!   ever used
//! - [`frames`]: the memories that guests take turns in
//! - [`MemoryUsage`]: the pod's memory; its budget is [`fs::budget`]
//!
//! What a process is charged for is what it has ever used, but for its stack, which counts as
//! [`STACK_BYTES`]: a linear memory gives nothing back before exec or exit, however much is
//! unmapped. So the *resident* size never falls, and the *virtual* size is what is mapped now.

mod extents;
pub mod frames;
mod grow;
mod rlimit;
mod shared;
mod usage;

pub use fs::budget::{Budget, Charge, Class};
pub use shared::{Backing, SharedCount};
pub use usage::MemoryUsage;

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{Errno, Result};
use fs::procfs::source::{MemoryArea, MemoryUse};

use self::extents::Extents;
use self::shared::SharedMappings;
use crate::platform::UserMemory;
use crate::process::Pid;

/// Bytes of a page as guests see it.
pub const PAGE_SIZE: u32 = 4096;
/// Bytes of a page of linear memory.
const WASM_PAGE: u32 = 65536;
/// What a stack counts for at most, in bytes: programs reserve megabytes and touch a few pages.
pub const STACK_BYTES: u32 = 16 << 10;
/// How far the heap may grow before `brk` says `ENOMEM` and allocators use `mmap`.
const HEAP_RESERVE: u32 = 16 << 20;

/// Whether the pod's memory was not enough, and who knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    None,
    /// This many bytes; the log has not heard of it.
    New(u64),
    Told,
}

/// One process's map of its linear memory.
#[derive(Debug)]
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
    /// Those that are copies of a file which others may have too.
    shared: SharedMappings,
    /// No address at or above this one; 0 stands for 4 GiB.
    limit: u64,
    /// Bytes of the stack, from address 0 up.
    stack_top: u32,
    /// Bytes of all mappings.
    mapped: u64,
    /// The most bytes that there were, stack, data and heap included.
    virtual_peak: u64,
    /// Every mapping that there ever was.
    touched: Extents,
    /// What is taken from the pod's memory for this.
    charge: Charge,
    /// Whose program it is for; 0: nobody's.
    owner: Pid,
    /// What the pod did not have for this, for the log.
    refusal: Refusal,
    /// Pages of 64 KiB that the guest has in any case: at the start, or by `memory.grow`.
    least_pages: u32,
}

/// Rounds up to whole pages; `None` beyond the address space.
fn pages_up(len: u32) -> Option<u32> {
    len.checked_add(PAGE_SIZE.saturating_sub(1))
        .map(|len| len & !PAGE_SIZE.saturating_sub(1))
}

/// Bytes up to the end of the page that ends at `address` or contains the byte before it.
fn pages(address: u32) -> u64 {
    pages_up(address).map_or(1 << 32, u64::from)
}

impl AddressSpace {
    /// No space at all, for a process without a program: it can take nothing.
    pub fn empty(budget: &Arc<Budget>) -> Self {
        Self::uncharged(budget, 0, 0, Some(0))
    }

    /// The space of a program whose data ends at `heap_base`, and whose module lets the memory
    /// grow to `max_pages` of 64 KiB.
    ///
    /// # Errors
    /// `ENOMEM` when the memory of `budget` is not enough for its stack and data.
    pub fn new(
        budget: &Arc<Budget>,
        stack_top: u32,
        heap_base: u32,
        max_pages: Option<u64>,
    ) -> Result<Self> {
        let mut space = Self::uncharged(budget, stack_top, heap_base, max_pages);
        space.charge.resize(space.fixed_bytes())?;
        Ok(space)
    }

    /// The same space for a program with `len` bytes of arguments and environment, of which the
    /// kernel keeps a copy.
    ///
    /// # Errors
    /// `ENOMEM`
    pub fn with_arguments(mut self, len: usize) -> Result<Self> {
        let bytes = u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(2);
        let bytes = bytes.saturating_sub(u64::from(STACK_BYTES));
        let charged = self.charge.bytes().saturating_add(bytes);
        self.charge.resize(charged)?;
        Ok(self)
    }

    /// The same space for a child, which gets a copy of all that is in it (fork(2)).
    ///
    /// # Errors
    /// `ENOMEM`
    pub fn for_child(&self) -> Result<Self> {
        let charge = Charge::take(self.charge.budget(), Class::Guests, self.charge.bytes())?;
        Ok(Self {
            mappings: self.mappings.clone(),
            shared: self.shared.for_child()?,
            touched: self.touched.clone(),
            charge,
            owner: 0,
            refusal: Refusal::None,
            ..*self
        })
    }

    fn uncharged(
        budget: &Arc<Budget>,
        stack_top: u32,
        heap_base: u32,
        max_pages: Option<u64>,
    ) -> Self {
        let heap_base = heap_base.saturating_add(15) & !15;
        let mmap_base = pages_up(heap_base.saturating_add(HEAP_RESERVE)).unwrap_or(heap_base);
        Self {
            heap_base,
            brk: heap_base,
            mmap_base,
            high_water: mmap_base,
            brk_high_water: heap_base,
            mappings: BTreeMap::new(),
            shared: SharedMappings::default(),
            limit: max_pages
                .unwrap_or(65536)
                .min(65536)
                .saturating_mul(u64::from(WASM_PAGE)),
            stack_top,
            mapped: 0,
            virtual_peak: u64::from(heap_base),
            touched: Extents::default(),
            charge: Charge::empty(budget, Class::Guests),
            owner: 0,
            refusal: Refusal::None,
            least_pages: 0,
        }
    }

    /// Moves the break to `wanted`, or tells where it is when `wanted` cannot be had (brk(2)).
    pub fn set_brk(&mut self, memory: &dyn UserMemory, wanted: u32) -> u32 {
        let lowest_mapping = self.mappings.first_key_value().map(|(&start, _)| start);
        let end = lowest_mapping.map_or(self.mmap_base, |start| start.min(self.mmap_base));
        if wanted < self.heap_base || wanted >= end {
            return self.brk;
        }
        if wanted > self.brk {
            let reused = wanted.min(self.brk_high_water).saturating_sub(self.brk);
            let more = pages(wanted).saturating_sub(pages(self.brk_high_water));
            if self
                .take(more, |space| space.reserve(memory, wanted))
                .is_err()
                || (reused > 0 && memory.fill(self.brk, 0, reused).is_err())
            {
                return self.brk;
            }
            self.brk_high_water = self.brk_high_water.max(wanted);
        }
        self.brk = wanted;
        self.note_peak();
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

    /// Bytes in use: stack and data, heap, mappings.
    pub fn used_bytes(&self) -> u64 {
        self.mapped.saturating_add(u64::from(self.brk))
    }

    /// The most bytes that were in use at a time.
    pub const fn peak_bytes(&self) -> u64 {
        self.virtual_peak
    }

    /// Bytes that the process is charged for: it never falls.
    pub const fn resident_bytes(&self) -> u64 {
        self.charge.bytes()
    }

    /// The process whose program this is for.
    pub(crate) const fn set_owner(&mut self, pid: Pid) {
        self.owner = pid;
    }

    /// Gives back what was charged if the process that has ended, `pid`, is the owner.
    pub(crate) fn give_up(&mut self, pid: Pid) {
        if self.owner == pid {
            self.charge = Charge::empty(self.charge.budget(), Class::Guests);
        }
    }

    /// How many bytes the pod did not have for this program, the first time only.
    pub(crate) const fn take_refusal(&mut self) -> Option<u64> {
        let Refusal::New(bytes) = self.refusal else {
            return None;
        };
        self.refusal = Refusal::Told;
        Some(bytes)
    }

    /// Bytes that a program is charged for before it has run: its stack, and its data.
    fn fixed_bytes(&self) -> u64 {
        let data = pages(self.heap_base).saturating_sub(u64::from(self.stack_top));
        data.saturating_add(u64::from(self.stack_top.min(STACK_BYTES)))
    }

    /// Takes `more` bytes of the pod's memory if `grow` succeeds with it.
    fn take(&mut self, more: u64, grow: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let before = self.charge.bytes();
        if let Err(error) = self.charge.grow(before.saturating_add(more)) {
            if self.refusal == Refusal::None {
                self.refusal = Refusal::New(more);
            }
            return Err(error);
        }
        let grown = grow(self);
        if grown.is_err() {
            // Fewer bytes are never refused.
            self.charge.resize(before)?;
        }
        grown
    }

    fn insert_mapping(&mut self, address: u32, len: u32) {
        self.mappings.insert(address, len);
        self.mapped = self.mapped.saturating_add(u64::from(len));
    }

    fn note_peak(&mut self) {
        self.virtual_peak = self.virtual_peak.max(self.used_bytes());
    }

    /// What may differ from zero: `(stack top, end of all that was ever used)`.
    pub fn dirty_range(&self) -> (u32, u32) {
        let end = self.size_pages().checked_mul(WASM_PAGE);
        (self.stack_top, end.unwrap_or(u32::MAX))
    }

    /// What was ever used of heap and mappings, as ranges of addresses.
    pub fn touched_ranges(&self) -> Vec<std::ops::Range<u64>> {
        let heap = u64::from(self.heap_base)..u64::from(self.brk_high_water);
        std::iter::once(heap).chain(self.touched.ranges()).collect()
    }

    /// What whole pages are used for, ascending; a page that two share counts as the lower one's.
    pub fn areas(&self) -> Vec<MemoryArea> {
        let (stack_end, data_end) = (pages(self.stack_top), pages(self.heap_base));
        let fixed = [
            (0, stack_end, MemoryUse::Stack),
            (stack_end, data_end, MemoryUse::Program),
            (data_end, pages(self.brk), MemoryUse::Heap),
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
        let space = AddressSpace::new(&Budget::unlimited(), 0x8000, 0x9000, None);
        (space.unwrap(), FakeMemory::new(1))
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
        let budget = Budget::unlimited();
        let mut space = AddressSpace::new(&budget, 0x8000, 0x9000, Some(300)).unwrap();
        let memory = FakeMemory::new(1);
        assert_eq!(
            space.map(&memory, 64 << 20, None).unwrap_err().errno,
            Errno::ENOMEM
        );
        assert!(space.map(&memory, 1 << 20, None).is_ok());
    }

    /// A budget of 1 MiB, less 64 KiB that the kernel keeps.
    fn small_budget() -> Arc<Budget> {
        let limits = fs::budget::Limits {
            memory: Some(1 << 20),
            ..fs::budget::Limits::NONE
        };
        Budget::new(limits, Box::new(|| 0))
    }

    #[test]
    fn memory_is_charged_when_it_is_first_used_and_given_back_at_the_end() {
        let budget = small_budget();
        let memory = FakeMemory::new(1);
        let mut space = AddressSpace::new(&budget, 1 << 19, (1 << 19) + 100, None).unwrap();
        // The stack counts as `STACK_BYTES`, the data as a page.
        let stack = u64::from(STACK_BYTES);
        assert_eq!(budget.used_bytes(), stack + 4096);
        space.set_brk(&memory, (1 << 19) + 5000);
        assert_eq!(space.resident_bytes(), stack + 8192);
        let at = space.map(&memory, 10_000, None).unwrap();
        assert_eq!(space.resident_bytes(), stack + 8192 + 12_288);
        space.unmap(at, 4096).unwrap();
        assert_eq!(space.map(&memory, 4096, None).unwrap(), at);
        assert_eq!(space.map(&memory, 4096, Some(at)).unwrap(), at);
        assert_eq!(space.resident_bytes(), stack + 8192 + 12_288);
        let peak = space.used_bytes();
        space.unmap(at, 12_288).unwrap();
        assert_eq!(space.used_bytes() + 12_288, peak);
        assert_eq!(space.peak_bytes(), peak);
        drop(space);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn what_the_pod_does_not_have_is_refused_and_changes_nothing() {
        let budget = small_budget();
        let memory = FakeMemory::new(1);
        assert!(AddressSpace::new(&budget, 0, 2 << 20, None).is_err());
        let mut space = AddressSpace::new(&budget, 0x8000, 0x9000, None).unwrap();
        let wall = space.map(&memory, 64 << 10, None).unwrap();
        let before = (
            space.used_bytes(),
            space.resident_bytes(),
            memory.size_pages(),
        );
        let error = space.map(&memory, 1 << 20, None).unwrap_err();
        assert_eq!(error.errno, Errno::ENOMEM);
        assert_eq!(space.take_refusal(), Some(1 << 20));
        // A fixed mapping that fails leaves what it would have replaced.
        assert!(space.map(&memory, 1 << 20, Some(wall)).is_err());
        assert!(space.is_mapped(wall, 64 << 10));
        assert!(space.remap(&memory, wall, 64 << 10, 1 << 20, true).is_err());
        assert_eq!(space.set_brk(&memory, 1 << 20), 0x9000);
        let after = (
            space.used_bytes(),
            space.resident_bytes(),
            memory.size_pages(),
        );
        assert_eq!(before, after);
        assert_eq!(space.take_refusal(), None);
        // A page far away does not make what lies before it free of charge.
        space.map(&memory, 4096, Some(24 << 20)).unwrap();
        assert!(space.map(&memory, 1 << 20, None).is_err());
    }

    #[test]
    fn the_host_s_refusal_costs_nothing() {
        let (mut space, memory) = space();
        let before = space.resident_bytes();
        assert!(space.map(&memory, 1 << 30, None).is_err());
        assert_eq!(space.resident_bytes(), before);
    }
}
