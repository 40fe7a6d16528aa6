//! Robust futexes: the locks that a thread held when it ended (get_robust_list(2)).
//!
//! The list is in the guest's memory, and so may be anything: a walk ends after [`MAX_LEN`] entries
//! and at the first address that cannot be read.
//!
//! References: Linux v6.12 `Documentation/locking/robust-futex-ABI.rst`, `kernel/futex/core.c`
//! `exit_robust_list`.

use abi::flags::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use abi::layout::RobustListHead;
use fs::vfs::file::GuestMemory;

use super::Pid;
use crate::platform::UserMemory;

/// The most locks that are looked at: `ROBUST_LIST_LIMIT`.
const MAX_LEN: usize = 2048;
/// In a pointer of the list: the lock has priority inheritance.
const PI: u32 = 1;

/// Marks the locks of thread `tid` as those of a dead owner, and calls `wake` with the address of
/// each that somebody waits for.
///
/// - `head`: address of its list; 0: none
pub(super) fn release(memory: &dyn UserMemory, head: u32, tid: Pid, wake: impl Fn(u32)) {
    let mut bytes = [0; RobustListHead::SIZE];
    if head == 0 || memory.copy_in(head, &mut bytes).is_err() {
        return;
    }
    let list = RobustListHead::from_bytes(&bytes);
    let lock_of = |entry: u32| (entry & !PI).wrapping_add_signed(list.futex_offset);
    let mut entry = list.next;
    for _ in 0..MAX_LEN {
        if entry & !PI == head {
            break;
        }
        let next = word_at(memory, entry & !PI);
        // The lock that is pending comes last, whether it is in the list already or not.
        if entry != list.pending && release_one(memory, lock_of(entry), tid, &wake).is_none() {
            break;
        }
        match next {
            Some(next) => entry = next,
            None => break,
        }
    }
    if list.pending != 0 {
        release_one(memory, lock_of(list.pending), tid, &wake);
    }
}

/// `None`: there is no lock at this address.
fn release_one(memory: &dyn UserMemory, address: u32, tid: Pid, wake: &impl Fn(u32)) -> Option<()> {
    let mut word = memory.word(address).ok()?;
    loop {
        if word & FUTEX_TID_MASK != tid.cast_unsigned() {
            return Some(());
        }
        let orphaned = word & FUTEX_WAITERS | FUTEX_OWNER_DIED;
        // Somebody may come to wait meanwhile.
        match memory.exchange(address, word, orphaned).ok()? {
            found if found == word => break,
            found => word = found,
        }
    }
    if word & FUTEX_WAITERS != 0 {
        wake(address);
    }
    Some(())
}

fn word_at(memory: &dyn GuestMemory, address: u32) -> Option<u32> {
    let mut bytes = [0; 4];
    memory.copy_in(address, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::testing::FakeMemory;

    const HEAD: u32 = 0x100;
    const OFFSET: i32 = -8;
    const ME: u32 = 42;

    /// A list with entries at these addresses, and one pending; the lock words are 8 bytes below.
    fn list(entries: &[u32], pending: u32) -> FakeMemory {
        let memory = FakeMemory::new(1);
        let nexts = entries.iter().skip(1).chain([&HEAD]);
        for (entry, next) in entries.iter().zip(nexts) {
            memory.copy_out(*entry, &next.to_le_bytes()).unwrap();
        }
        let head = RobustListHead {
            next: entries.first().copied().unwrap_or(HEAD),
            futex_offset: OFFSET,
            pending,
        };
        memory.copy_out(HEAD, &head.to_bytes()).unwrap();
        memory
    }

    fn put(memory: &FakeMemory, entry: u32, word: u32) {
        let address = entry.wrapping_add_signed(OFFSET);
        memory.copy_out(address, &word.to_le_bytes()).unwrap();
    }

    fn lock(memory: &FakeMemory, entry: u32) -> u32 {
        word_at(memory, entry.wrapping_add_signed(OFFSET)).unwrap()
    }

    fn release_all(memory: &FakeMemory) -> Vec<u32> {
        let woken = RefCell::new(Vec::new());
        release(memory, HEAD, ME.cast_signed(), |address| {
            woken.borrow_mut().push(address);
        });
        woken.into_inner()
    }

    #[test]
    fn held_locks_get_a_dead_owner_and_waiters_are_woken() {
        let memory = list(&[0x200, 0x300, 0x400], 0x500);
        put(&memory, 0x200, ME);
        put(&memory, 0x300, ME | FUTEX_WAITERS);
        put(&memory, 0x400, 7);
        put(&memory, 0x500, ME | FUTEX_WAITERS);
        assert_eq!(release_all(&memory), [0x2f8, 0x4f8]);
        assert_eq!(lock(&memory, 0x200), FUTEX_OWNER_DIED);
        assert_eq!(lock(&memory, 0x300), FUTEX_OWNER_DIED | FUTEX_WAITERS);
        assert_eq!(lock(&memory, 0x400), 7, "somebody else's");
    }

    #[test]
    fn lists_that_are_nonsense_end() {
        let memory = list(&[0x200], 0);
        // An entry that leads to itself.
        memory.copy_out(0x200, &0x200_u32.to_le_bytes()).unwrap();
        put(&memory, 0x200, ME);
        assert!(release_all(&memory).is_empty());
        assert_eq!(lock(&memory, 0x200), FUTEX_OWNER_DIED);
        for head in [u32::MAX, 0xffff, 4] {
            release(&memory, head, 1, |_| panic!("nobody waits"));
        }
        let memory = list(&[], 0xffff_0003);
        memory
            .copy_out(HEAD, &0xffff_0000_u32.to_le_bytes())
            .unwrap();
        assert!(release_all(&memory).is_empty());
    }
}
