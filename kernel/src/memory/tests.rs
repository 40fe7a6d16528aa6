//! Breaks and mappings of a space, and what they are charged.

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
