//! The kernel's seam, on top of the host's functions.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abi::{Errno, Result};
use executor::{Clock, Pender, WorkerId};
use fs::vfs::file::GuestMemory;
use kernel::exec::{Image, LoadedProgram, ProgramId};
use kernel::memory::frames::FrameId;
use kernel::platform::{FrameKind, FrameMemory, Level, Platform, Slot, UserMemory};
use kernel::process::ThreadStart;

use crate::guest_memory::{self, frame_memory, guest_memory};
use crate::{imports, pod};

/// Nanoseconds from the host's milliseconds.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer no other way; negative and huge values saturate"
)]
fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}

/// Numbers the outputs of the pod, so that the host shows them in order.
static NR_OUTPUTS: AtomicU32 = AtomicU32::new(0);

/// Sends `bytes` to the host as the next output of the pod.
///
/// The caller holds the lock of the stream, so that numbers and contents have the same order.
pub(crate) fn output(stream: u32, bytes: &[u8]) {
    let number = NR_OUTPUTS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    imports::output(stream, number, bytes);
}

/// The clock of executors and kernel.
///
/// Guests that switch all the time ask for the coarse time at each switch, and a call into
/// JavaScript takes as long as much of the switch. So only one of a few asks the host, at uneven
/// distances: else of two guests that take turns always the same would get the time of both.
#[derive(Debug)]
pub(crate) struct WebClock;

thread_local! {
    /// What this Worker's clock showed last, in nanoseconds.
    static SHOWN_NS: Cell<u64> = const { Cell::new(0) };
    /// How often the coarse clock shows that again.
    static NR_REPEATS: Cell<u32> = const { Cell::new(0) };
    /// What the distances are drawn from.
    static SEED: Cell<u32> = const { Cell::new(1) };
}

impl Clock for WebClock {
    fn now_ns(&self) -> u64 {
        let now_ns = nanoseconds(imports::monotonic_ms());
        SHOWN_NS.set(now_ns);
        now_ns
    }

    fn coarse_ns(&self) -> u64 {
        let nr_repeats = NR_REPEATS.get();
        if nr_repeats > 0 {
            NR_REPEATS.set(nr_repeats.wrapping_sub(1));
            return SHOWN_NS.get();
        }
        // A linear congruential generator: its upper bits are even enough.
        let seed = SEED.get().wrapping_mul(747_796_405).wrapping_add(1);
        SEED.set(seed);
        NR_REPEATS.set((seed >> 29).wrapping_add(4));
        let now_ns = nanoseconds(imports::coarse_ms());
        SHOWN_NS.set(now_ns);
        now_ns
    }
}

thread_local! {
    /// While [`crate::exports::pump::pump`] runs: the guest that it resumes, or [`NOBODY`].
    static RESUMED: Cell<Option<u32>> = const { Cell::new(None) };
}

/// No guest's slot.
const NOBODY: u32 = u32::MAX;

/// Calls `pump`, and returns the guest that it has resumed beside its result. The host gets that
/// with the answer: it spares a call.
pub(crate) fn collect_resumed<T>(pump: impl FnOnce() -> T) -> (T, Option<u32>) {
    RESUMED.set(Some(NOBODY));
    let result = pump();
    (result, RESUMED.take().filter(|&slot| slot != NOBODY))
}

/// Whether the pump that runs has resumed a guest.
pub(crate) fn has_resumed() -> bool {
    RESUMED.get().is_some_and(|slot| slot != NOBODY)
}

/// The bell of a Worker: a word that it waits on by `Atomics.waitAsync`.
#[derive(Debug)]
pub(crate) struct Doorbell;

/// One bell for each Worker.
static BELLS: [AtomicU32; pod::MAX_WORKERS] = [const { AtomicU32::new(0) }; pod::MAX_WORKERS];

/// The address of a Worker's bell.
pub(crate) fn bell_address(worker: usize) -> u32 {
    BELLS
        .get(worker)
        .map_or(0, |bell| imports::address_of(std::ptr::from_ref(bell)))
}

/// How often a Worker's bell has rung.
pub(crate) fn nr_rings(worker: WorkerId) -> u32 {
    usize::try_from(worker.0)
        .ok()
        .and_then(|index| BELLS.get(index))
        .map_or(0, |bell| bell.load(Ordering::SeqCst))
}

impl Pender for Doorbell {
    fn notify(&self, worker: WorkerId) {
        // This very Worker is awake: the host pumps when the guest parks, and after each export.
        if worker.0 == crate::exports::worker() {
            return;
        }
        let Some(bell) = usize::try_from(worker.0)
            .ok()
            .and_then(|index| BELLS.get(index))
        else {
            return;
        };
        bell.fetch_add(1, Ordering::SeqCst);
        imports::ring(worker.0);
    }
}

/// The host as the kernel sees it.
#[derive(Debug)]
pub(crate) struct WebPlatform;

impl Platform for WebPlatform {
    fn monotonic_ns(&self) -> u64 {
        nanoseconds(imports::monotonic_ms())
    }

    fn realtime_ns(&self) -> u64 {
        nanoseconds(imports::realtime_ms())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        imports::random(bytes);
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Error => 0,
            Level::Warning => 1,
            Level::Info => 2,
        };
        imports::log(level, message);
    }

    fn memory(&self, slot: Slot) -> Arc<dyn UserMemory> {
        Arc::new(guest_memory(slot))
    }

    fn make_frame(&self, kind: FrameKind) -> Result<FrameId> {
        u32::try_from(imports::make_frame(kind))
            .map(FrameId)
            .map_err(|_| Errno::ENOMEM.because("the engine has no more memories"))
    }

    fn drop_frame(&self, frame: FrameId) {
        imports::drop_frame(frame.0);
    }

    fn frame_memory(&self, frame: FrameId) -> Arc<dyn FrameMemory> {
        Arc::new(frame_memory(frame))
    }

    fn set_resident(&self, slot: Slot, frame: Option<FrameId>) {
        guest_memory::set_frame(slot, frame);
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the host gives an address, or a negative number"
    )]
    fn stack_pointer(&self, slot: Slot) -> Option<u32> {
        let pointer = imports::stack_pointer(slot.0);
        (pointer >= 0.0).then_some(pointer as u32)
    }

    fn start_guest(&self, slot: Slot, image: &Image, frame: FrameId) -> Result<()> {
        let program = &image.program.program;
        let started = imports::start_guest(&imports::Start {
            slot: slot.0,
            program: image.program.id.0,
            guest: &program.guest,
            frame: frame.0,
            stack_pointer: image.stack.address,
        });
        if started < 0 {
            return Err(Errno::ENOEXEC.because("the engine refuses the module"));
        }
        let task = pod::kernel().and_then(|kernel| kernel.task(slot));
        guest_memory::seat(slot, task, Some(frame));
        frame_memory(frame).copy_out(image.stack.address, &image.stack.bytes)
    }

    fn run_guest(&self, slot: Slot, argument: u32) {
        imports::run_guest(slot.0, argument);
    }

    fn start_thread(
        &self,
        slot: Slot,
        program: &LoadedProgram,
        start: &ThreadStart,
        frame: FrameId,
    ) -> Result<()> {
        let task = pod::kernel().and_then(|kernel| kernel.task(slot));
        guest_memory::seat(slot, task, Some(frame));
        if imports::start_thread(slot.0, program.id.0, frame.0, start) < 0 {
            return Err(Errno::ENOMEM.because("the engine has no room for one more instance"));
        }
        Ok(())
    }

    fn send_thread(&self, slot: Slot, worker: WorkerId, program: ProgramId, frame: FrameId) {
        imports::send_thread(slot.0, worker.0, program.0, frame.0);
    }

    fn resume_guest(&self, slot: Slot) {
        match RESUMED.get() {
            Some(NOBODY) => RESUMED.set(Some(slot.0)),
            _ => imports::resume_guest(slot.0),
        }
    }

    fn end_guest(&self, slot: Slot) {
        imports::end_guest(slot.0);
        guest_memory::seat(slot, None, None);
    }

    fn process_ended(&self, pid: kernel::process::Pid, status: i32) {
        imports::process_ended(pid, status, NR_OUTPUTS.load(Ordering::Relaxed));
    }
}
