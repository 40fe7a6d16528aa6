//! The kernel's heap: the standard library's allocator, with a count of the bytes in use.
//!
//! The count is what [`fs::budget::Budget`] holds against the limit of the pod. Freed memory stays
//! the module's, as a WebAssembly memory never shrinks, but the next allocation takes it.
//!
//! A failed allocation ends the pod. So whoever allocates as much as a guest says asks the budget
//! first, and [`LIMIT_BYTES`] keeps a part of the memory back that the budget does not give away.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes that the budget gives away: the memory's maximum less 64 MiB for the module's own
/// data, the Workers' stacks, and holes between allocations.
pub(crate) const LIMIT_BYTES: u64 = (crate::limits::MAX_PAGES << 16) - (64 << 20);

/// Bytes that are allocated now.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct CountedHeap;

#[global_allocator]
static HEAP: CountedHeap = CountedHeap;

/// Bytes of the kernel's heap that are in use.
pub(crate) fn used_bytes() -> u64 {
    u64::try_from(USED.load(Ordering::Relaxed)).unwrap_or(u64::MAX)
}

/// Notes the bytes of an allocation that was made, if it was.
fn count(pointer: *mut u8, len: usize) -> *mut u8 {
    if !pointer.is_null() {
        USED.fetch_add(len, Ordering::Relaxed);
    }
    pointer
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no allocation.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        count(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        count(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the block is one of the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; the caller vouches for the new size.
        let moved = unsafe { System.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            USED.fetch_add(new_size, Ordering::Relaxed);
            USED.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_follows_a_vector() {
        let before = used_bytes();
        let mut bytes = vec![0_u8; 1 << 24];
        // Other tests allocate and free too, but not 8 MiB.
        assert!(used_bytes() >= before + (1 << 23));
        bytes.truncate(1);
        bytes.shrink_to_fit();
        assert!(used_bytes() < before + (1 << 23));
    }
}
