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
//! - `mappings`: mmap(2) and its kin; `shared`: mappings that processes have in common
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
mod mappings;
mod rlimit;
mod shared;
mod usage;

pub use fs::budget::{Budget, Charge, Class};
pub use shared::{Backing, SharedCount};
pub use usage::MemoryUsage;

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sorted::SortedMap;
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
    mappings: SortedMap<u32, u32>,
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
            mappings: SortedMap::new(),
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
mod tests;
