//! The host as tests see it: time stands still, randomness is a fixed sequence, guests do not run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use abi::Result;
use executor::Clock;
use executor::clock::FakeClock;
use executor::sync::Lock;
use fs::vfs::file::GuestMemory;

use super::FakeMemory;
use crate::exec::Image;
use crate::platform::{Level, Platform, Slot, UserMemory};
use crate::process::Pid;

/// 2026-01-01 00:00:00 UTC in nanoseconds since 1970: the time of day when the clock shows 0.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;
/// Pages of 64 KiB that each guest's memory has.
const MEMORY_PAGES: usize = 4;

/// A host that only keeps what it was told.
#[derive(Debug)]
pub struct FakePlatform {
    clock: Arc<FakeClock>,
    random: AtomicU64,
    memories: Lock<BTreeMap<Slot, Arc<FakeMemory>>>,
    log: Lock<Vec<(Level, String)>>,
    resumed: Lock<BTreeSet<Slot>>,
    ended: Lock<Vec<(Pid, i32)>>,
    stacks: Lock<BTreeMap<Slot, u32>>,
}

impl FakePlatform {
    /// A host whose clock shows 0.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: FakeClock::new(0),
            random: AtomicU64::new(0x2545_f491_4f6c_dd1d),
            memories: Lock::new(BTreeMap::new()),
            log: Lock::new(Vec::new()),
            resumed: Lock::default(),
            ended: Lock::new(Vec::new()),
            stacks: Lock::default(),
        })
    }

    /// Its monotonic clock.
    pub const fn clock(&self) -> &Arc<FakeClock> {
        &self.clock
    }

    /// The memory of a slot, which a test may look at.
    pub fn fake_memory(&self, slot: Slot) -> Arc<FakeMemory> {
        let mut memories = self.memories.lock();
        let memory = memories
            .entry(slot)
            .or_insert_with(|| Arc::new(FakeMemory::new(MEMORY_PAGES)));
        Arc::clone(memory)
    }

    /// The first stack pointer of the program in `slot`: where `argc` lies.
    pub fn stack_of(&self, slot: Slot) -> Option<u32> {
        self.stacks.lock().get(&slot).copied()
    }

    /// Takes the messages that came since the last call.
    pub fn take_log(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.log.lock())
    }

    /// Whether the guest in `slot` was resumed since it was asked last.
    pub fn was_resumed(&self, slot: Slot) -> bool {
        self.resumed.lock().remove(&slot)
    }

    /// Takes the processes that ended since the last call, with their wait status.
    pub fn take_ended(&self) -> Vec<(Pid, i32)> {
        std::mem::take(&mut self.ended.lock())
    }
}

impl Platform for FakePlatform {
    fn monotonic_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn realtime_ns(&self) -> u64 {
        self.clock.now_ns().saturating_add(EPOCH_NS)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            // xorshift64 (Marsaglia): never 0.
            let next = |mut state: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                Some(state)
            };
            let old = self
                .random
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            let [.., low] = old.unwrap_or_default().to_be_bytes();
            *byte = low;
        }
    }

    fn log(&self, level: Level, message: &str) {
        self.log.lock().push((level, message.to_owned()));
    }

    fn memory(&self, slot: Slot) -> Arc<dyn UserMemory> {
        self.fake_memory(slot)
    }

    fn start_guest(&self, slot: Slot, image: &Image) -> Result<()> {
        self.stacks.lock().insert(slot, image.stack.address);
        self.fake_memory(slot)
            .copy_out(image.stack.address, &image.stack.bytes)
    }

    fn resume_guest(&self, slot: Slot) {
        self.resumed.lock().insert(slot);
    }

    fn end_guest(&self, slot: Slot, _stack_top: u32, end: u32) {
        let memory = self.fake_memory(slot);
        let size = memory.size_pages().saturating_mul(65536);
        let cleared = memory.fill(0, 0, end.min(size));
        debug_assert!(cleared.is_ok(), "the whole memory can be cleared");
        self.resumed.lock().remove(&slot);
    }

    fn process_ended(&self, pid: Pid, status: i32) {
        self.ended.lock().push((pid, status));
    }
}
