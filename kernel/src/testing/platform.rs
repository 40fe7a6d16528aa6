//! The host as tests see it: time stands still, randomness is a fixed sequence, guests do not run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use abi::{Errno, Result};
use executor::clock::FakeClock;
use executor::sync::Lock;
use executor::{Clock, WorkerId};
use fs::vfs::file::GuestMemory;

use super::FakeMemory;
use crate::exec::{Image, LoadedProgram, ProgramId};
use crate::kernel::Kernel;
use crate::memory::frames::FrameId;
use crate::platform::{FrameKind, FrameMemory, Level, Platform, Slot, UserMemory};
use crate::process::{Pid, ThreadStart};

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
    frames: Lock<BTreeMap<FrameId, Arc<FakeMemory>>>,
    next_frame: AtomicU32,
    /// How many frames there can be at once.
    max_frames: AtomicU32,
    stack_pointers: Lock<BTreeMap<Slot, u32>>,
    kernel: OnceLock<Weak<Kernel>>,
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
            frames: Lock::default(),
            next_frame: AtomicU32::new(1),
            max_frames: AtomicU32::new(u32::MAX),
            stack_pointers: Lock::default(),
            kernel: OnceLock::new(),
        })
    }

    /// Its monotonic clock.
    pub const fn clock(&self) -> &Arc<FakeClock> {
        &self.clock
    }

    /// The memory of a slot, which a test may look at.
    pub fn fake_memory(&self, slot: Slot) -> Arc<FakeMemory> {
        let mut memories = self.memories.lock();
        let kernel = self.kernel.get();
        let memory = memories.entry(slot).or_insert_with(|| {
            let memory = Arc::new(FakeMemory::new(MEMORY_PAGES));
            if let Some(kernel) = kernel {
                let kernel = Weak::clone(kernel);
                memory.on_fault(move || bring(&kernel, slot));
            }
            memory
        });
        Arc::clone(memory)
    }

    /// Whose guests these are: it is asked when one without a frame is to be reached.
    pub(super) fn serve(&self, kernel: &Arc<Kernel>) {
        let _known = self.kernel.set(Arc::downgrade(kernel));
    }

    /// From now on the engine has no more than `count` memories.
    pub fn limit_frames(&self, count: u32) {
        self.max_frames.store(count, Ordering::Relaxed);
    }

    /// How many memories the engine has made that are in use.
    pub fn nr_frames(&self) -> usize {
        self.frames.lock().len()
    }

    /// All memories that the engine has made and that are in use.
    pub fn frames(&self) -> Vec<Arc<FakeMemory>> {
        self.frames.lock().values().cloned().collect()
    }

    /// Where the guest in `slot` has its stack pointer from now on.
    pub fn set_stack_pointer(&self, slot: Slot, address: u32) {
        self.stack_pointers.lock().insert(slot, address);
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

    fn make_frame(&self, _kind: FrameKind) -> Result<FrameId> {
        let mut frames = self.frames.lock();
        let max = self.max_frames.load(Ordering::Relaxed);
        if u32::try_from(frames.len()).is_ok_and(|count| count >= max) {
            return Err(Errno::ENOMEM.because("the limit of the test"));
        }
        let id = FrameId(self.next_frame.fetch_add(1, Ordering::Relaxed));
        frames.insert(id, Arc::new(FakeMemory::new(MEMORY_PAGES)));
        Ok(id)
    }

    fn drop_frame(&self, frame: FrameId) {
        self.frames.lock().remove(&frame);
    }

    fn frame_memory(&self, frame: FrameId) -> Arc<dyn FrameMemory> {
        let known = self.frames.lock().get(&frame).cloned();
        known.unwrap_or_else(|| Arc::new(FakeMemory::new(0)))
    }

    fn set_resident(&self, slot: Slot, frame: Option<FrameId>) {
        let frame = frame.and_then(|frame| self.frames.lock().get(&frame).cloned());
        self.fake_memory(slot).show(frame.as_deref());
    }

    fn start_guest(&self, slot: Slot, image: &Image, frame: FrameId) -> Result<()> {
        self.stacks.lock().insert(slot, image.stack.address);
        self.set_resident(slot, Some(frame));
        let memory = self.fake_memory(slot);
        let module = &image.program.program.guest;
        for (address, bytes) in kernel_loader::data_segments(module) {
            memory.copy_out(address, module.get(bytes).unwrap_or_default())?;
        }
        memory.copy_out(image.stack.address, &image.stack.bytes)
    }

    fn start_thread(
        &self,
        slot: Slot,
        _program: &LoadedProgram,
        start: &ThreadStart,
        frame: FrameId,
    ) -> Result<()> {
        self.stacks.lock().insert(slot, start.stack_pointer);
        self.set_resident(slot, Some(frame));
        Ok(())
    }

    fn send_thread(&self, _slot: Slot, _worker: WorkerId, _program: ProgramId, _frame: FrameId) {
        // Its programs' memories are private, so their threads stay.
    }

    fn run_guest(&self, _slot: Slot, _argument: u32) {}

    fn stack_pointer(&self, slot: Slot) -> Option<u32> {
        self.stack_pointers.lock().get(&slot).copied()
    }

    fn resume_guest(&self, slot: Slot) {
        self.resumed.lock().insert(slot);
    }

    fn end_guest(&self, slot: Slot) {
        self.resumed.lock().remove(&slot);
        self.stack_pointers.lock().remove(&slot);
        self.stacks.lock().remove(&slot);
    }

    fn process_ended(&self, pid: Pid, status: i32) {
        self.ended.lock().push((pid, status));
    }
}

/// Has `kernel` move the guest of `slot` into its frame.
fn bring(kernel: &Weak<Kernel>, slot: Slot) {
    let task = kernel.upgrade().and_then(|kernel| kernel.task(slot));
    if let Some(task) = task {
        // If it fails, the memory stays away and the access faults.
        let _absent = task.make_resident();
    }
}
