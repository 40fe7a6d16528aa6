//! A guest's memory without a frame: the pages that differ from its program's initial image.
//!
//! [`Stored::take`] reads them and leaves zeroes behind; [`Stored::put_back`] writes the image and
//! the pages into zeroed memory. Pages of zeroes cost nothing, unchanged pages of data neither.

use std::ops::Range;
use std::sync::Arc;

use abi::Result;
use fs::budget::{Budget, Class};

use super::image::InitialImage;
use super::{PAGE_BYTES, PAGE_LEN, Page};
use crate::platform::UserMemory;

/// Pages that are read at once.
const CHUNK_PAGES: usize = 16;
const CHUNK_LEN: usize = CHUNK_PAGES * PAGE_LEN;
/// Bytes of a page, for addresses.
const STEP: u32 = 4096;

/// What a guest's memory is compared with: image and module of its program.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The program's data segments.
    pub image: &'a InitialImage,
    /// The module they are in.
    pub module: &'a [u8],
}

/// The contents of pages, one behind the other.
#[derive(Debug)]
enum Contents {
    Plain(Vec<u8>),
    /// As one LZ4 block of this many bytes in plain.
    Packed(Vec<u8>, usize),
}

/// The pages of a memory by what is to be done with them.
#[derive(Debug, Default)]
struct Sorted {
    /// Not zero.
    dirty: Vec<u32>,
    /// To be stored, with their contents.
    pages: Vec<u32>,
    plain: Vec<u8>,
    /// Zero, but not in the image.
    cleared: Vec<u32>,
}

impl Sorted {
    /// Sorts the pages of `part`, the first of which is at `start`.
    fn add(&mut self, start: u32, part: &[u8], origin: Origin<'_>) -> Result<()> {
        let (pages, _) = part.as_chunks::<PAGE_LEN>();
        let mut initial: Page = [0; PAGE_LEN];
        for (page, index) in pages.iter().zip(0_u32..) {
            let address = start.saturating_add(index.saturating_mul(STEP));
            let is_in_image = origin.image.read_page(origin.module, address, &mut initial);
            if is_zero(page) {
                if is_in_image && !is_zero(&initial) {
                    self.cleared.push(address);
                }
                continue;
            }
            self.dirty.push(address);
            if !is_in_image || *page != initial {
                self.plain
                    .try_reserve(PAGE_LEN)
                    .map_err(|_| abi::Errno::ENOMEM.because("the kernel has no memory for swap"))?;
                self.plain.extend_from_slice(page);
                self.pages.push(address);
            }
        }
        Ok(())
    }
}

/// What a guest's memory held when it left its frame.
#[derive(Debug)]
pub struct Stored {
    /// Addresses of the pages in `contents`, ascending.
    pages: Vec<u32>,
    /// Addresses of pages that are zero, but not in the image.
    cleared: Vec<u32>,
    contents: Contents,
    budget: Arc<Budget>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.budget.uncharge(Class::Swap, self.held_bytes());
    }
}

impl Stored {
    /// Moves what is in `ranges` of `memory` out of it: afterwards they are zero, and so are the
    /// pages that they touch. Packed if `is_packed` and that saves something.
    ///
    /// # Errors
    /// `ENOMEM` when the kernel has no room, `EFAULT` when the memory cannot be read; it is then as
    /// it was.
    pub fn take(
        memory: &dyn UserMemory,
        ranges: &[Range<u64>],
        origin: Origin<'_>,
        budget: &Arc<Budget>,
        is_packed: bool,
    ) -> Result<Self> {
        let memory_len = u64::from(memory.size_pages()).saturating_mul(65536);
        let mut sorted = Sorted::default();
        let mut chunk = vec![0; CHUNK_LEN];
        for range in whole_pages(ranges, memory_len) {
            let mut at = range.start;
            while at < range.end {
                let len = usize::try_from(range.end.saturating_sub(at)).unwrap_or(CHUNK_LEN);
                let part = chunk.get_mut(..len.min(CHUNK_LEN)).unwrap_or_default();
                let address = u32::try_from(at).unwrap_or(u32::MAX);
                memory.copy_in(address, part)?;
                sorted.add(address, part, origin)?;
                at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            }
        }
        for &address in &sorted.dirty {
            memory.fill(address, 0, STEP)?;
        }
        let mut plain = sorted.plain;
        plain.shrink_to_fit();
        let stored = Self {
            pages: sorted.pages,
            cleared: sorted.cleared,
            contents: if is_packed {
                packed(plain)
            } else {
                Contents::Plain(plain)
            },
            budget: Arc::clone(budget),
        };
        budget.charge(Class::Swap, stored.held_bytes());
        Ok(stored)
    }

    /// Writes everything back into a memory that is zero where this guest uses it.
    ///
    /// # Errors
    /// `EFAULT` when the memory is smaller than it was.
    pub fn put_back(&self, memory: &dyn UserMemory, origin: Origin<'_>) -> Result<()> {
        for (address, bytes) in origin.image.segments(origin.module) {
            memory.copy_out(address, bytes)?;
        }
        for &address in &self.cleared {
            memory.fill(address, 0, STEP)?;
        }
        let unpacked;
        let plain = match &self.contents {
            Contents::Plain(plain) => plain,
            Contents::Packed(block, len) => {
                unpacked = lz4_flex::block::decompress(block, *len)
                    .map_err(|_| abi::Errno::EFAULT.because("a block of swap is damaged"))?;
                &unpacked
            }
        };
        let (pages, _) = plain.as_chunks::<PAGE_LEN>();
        for (&address, page) in self.pages.iter().zip(pages) {
            memory.copy_out(address, page)?;
        }
        Ok(())
    }

    /// Bytes of guests' pages in here.
    pub fn plain_bytes(&self) -> u64 {
        match &self.contents {
            Contents::Plain(plain) => plain.len(),
            Contents::Packed(_, len) => *len,
        }
        .try_into()
        .unwrap_or(u64::MAX)
    }

    /// Bytes of the kernel's memory that this takes.
    pub fn held_bytes(&self) -> u64 {
        match &self.contents {
            Contents::Plain(bytes) | Contents::Packed(bytes, _) => bytes.len(),
        }
        .try_into()
        .unwrap_or(u64::MAX)
    }

    /// Whether the pages are packed.
    pub const fn is_packed(&self) -> bool {
        matches!(self.contents, Contents::Packed(..))
    }
}

/// Packs `plain`, unless that saves less than an eighth.
fn packed(plain: Vec<u8>) -> Contents {
    let mut block = lz4_flex::block::compress(&plain);
    if block.len() >= plain.len().saturating_sub(plain.len() / 8) {
        return Contents::Plain(plain);
    }
    block.shrink_to_fit();
    Contents::Packed(block, plain.len())
}

fn is_zero(page: &Page) -> bool {
    let (words, _) = page.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0)
}

/// The pages that `ranges` touch, as ranges that are apart and ascending, within `memory_len`.
pub(super) fn whole_pages(ranges: &[Range<u64>], memory_len: u64) -> Vec<Range<u64>> {
    let mask = !PAGE_BYTES.saturating_sub(1);
    let mut rounded: Vec<Range<u64>> = ranges
        .iter()
        .filter(|range| range.start < range.end)
        .map(|range| {
            let end = range.end.saturating_add(PAGE_BYTES.saturating_sub(1)) & mask;
            range.start & mask..end.min(memory_len)
        })
        .filter(|range| range.start < range.end)
        .collect();
    rounded.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(rounded.len());
    for range in rounded {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeMemory;
    use fs::vfs::file::GuestMemory;

    const WHOLE: Range<u64> = 0..131_072;

    fn contents(memory: &FakeMemory) -> Vec<u8> {
        let mut bytes = vec![0; 131_072];
        memory.copy_in(0, &mut bytes).unwrap();
        bytes
    }

    /// A module of 8 KiB of ones for addresses from 0x4800, and what it is.
    fn program() -> (Vec<u8>, InitialImage) {
        (vec![1; 8192], InitialImage::new(vec![(0x4800, 0..8192)]))
    }

    fn started(module: &[u8]) -> FakeMemory {
        let memory = FakeMemory::new(2);
        memory.copy_out(0x4800, module).unwrap();
        memory
    }

    #[test]
    fn only_changed_pages_are_stored_and_all_come_back() {
        let (module, image) = program();
        let origin = Origin {
            image: &image,
            module: &module,
        };
        let budget = Budget::unlimited();
        let memory = started(&module);
        memory.copy_out(0x1_0000, b"heap").unwrap();
        memory.fill(0x5000, 0, 4096).unwrap();
        let before = contents(&memory);
        for is_packed in [false, true] {
            let stored = Stored::take(&memory, &[WHOLE], origin, &budget, is_packed).unwrap();
            assert_eq!(stored.pages, [0x1_0000]);
            assert_eq!(stored.cleared, [0x5000]);
            assert_eq!(stored.plain_bytes(), 4096);
            assert_eq!(stored.is_packed(), is_packed);
            assert_eq!(budget.used(Class::Swap), stored.held_bytes());
            assert!(contents(&memory).iter().all(|&byte| byte == 0));
            stored.put_back(&memory, origin).unwrap();
            assert!(contents(&memory) == before);
        }
        assert_eq!(budget.used(Class::Swap), 0);
    }

    #[test]
    fn an_unchanged_program_needs_no_storage() {
        let (module, image) = program();
        let origin = Origin {
            image: &image,
            module: &module,
        };
        let memory = started(&module);
        let stored = Stored::take(&memory, &[WHOLE], origin, &Budget::unlimited(), false).unwrap();
        assert_eq!((stored.held_bytes(), stored.cleared.len()), (0, 0));
    }

    #[test]
    fn random_contents_survive_the_way_out_and_back() {
        let (module, image) = program();
        let origin = Origin {
            image: &image,
            module: &module,
        };
        let budget = Budget::unlimited();
        let mut state = 0x9e37_79b9_u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for round in 0..50 {
            let memory = started(&module);
            for _ in 0..next() % 40 {
                let address = next() % 130_000;
                let byte = next().to_le_bytes()[0] & 3;
                memory
                    .fill(address, byte, next() % (131_072 - address))
                    .unwrap();
                memory.copy_out(address, &next().to_le_bytes()).unwrap();
            }
            let before = contents(&memory);
            let stored = Stored::take(&memory, &[WHOLE], origin, &budget, round % 2 == 0).unwrap();
            assert!(contents(&memory).iter().all(|&byte| byte == 0));
            stored.put_back(&memory, origin).unwrap();
            assert!(contents(&memory) == before, "round {round}");
        }
    }

    #[test]
    fn what_is_not_used_is_not_looked_at() {
        let image = InitialImage::default();
        let origin = Origin {
            image: &image,
            module: &[],
        };
        let memory = FakeMemory::new(2);
        memory.copy_out(0x2000, b"mine").unwrap();
        memory.copy_out(0x8000, b"not mine").unwrap();
        let used = [0x2ff0..0x3010, 0x2000..0x2001, 0x9000..u64::MAX];
        let stored = Stored::take(&memory, &used, origin, &Budget::unlimited(), false).unwrap();
        assert_eq!(stored.pages, [0x2000]);
        let mut left = [0; 8];
        memory.copy_in(0x8000, &mut left).unwrap();
        assert_eq!(&left, b"not mine");
    }
}
