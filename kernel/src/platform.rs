//! The one seam to the outside world: time, randomness, the log, the machines that run guests.
//!
//! `jspi-glue` implements it with JavaScript; tests use `testing::FakePlatform`.

use std::fmt;
use std::sync::Arc;

use abi::Result;
use executor::WorkerId;
use fs::vfs::file::GuestMemory;

use crate::exec::{Image, LoadedProgram, ProgramId};
use crate::memory::frames::FrameId;
use crate::process::ThreadStart;

/// How urgent a message of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The kernel is broken.
    Error,
    /// Something the user may want to know, e.g. a call that is not implemented.
    Warning,
    /// For people who look for a fault.
    Info,
}

/// The index of a guest's seat: it names the same task in the kernel, its shim and its Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// What kind of memory a frame has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The Worker's own.
    Private,
    /// One that other Workers can have too: for programs with threads.
    Shared,
    /// The one that came with the thread whose arrival the host tells of just now
    /// ([`crate::Kernel::thread_arrives`]): another Worker's.
    Arrived,
}

/// A guest's linear memory, reached from a Worker that runs one of its threads and from no other.
pub trait UserMemory: GuestMemory + Send + Sync + fmt::Debug {
    /// Copies the bytes at `address` up to a NUL, which is not included.
    ///
    /// # Errors
    /// `EFAULT` when the memory ends first, `ENAMETOOLONG` when `max` bytes hold no NUL.
    fn copy_in_string(&self, address: u32, max: usize) -> Result<Vec<u8>>;

    /// Sets `len` bytes at `address`.
    ///
    /// # Errors
    /// `EFAULT` when any byte is outside the memory.
    fn fill(&self, address: u32, byte: u8, len: u32) -> Result<()>;

    /// Puts `new` into the word at `address` if it is `old`, in one step; what it was.
    ///
    /// # Errors
    /// `EFAULT` when it is outside the memory or not aligned.
    fn exchange(&self, address: u32, old: u32, new: u32) -> Result<u32>;

    /// The word at `address`, read in one step.
    ///
    /// # Errors
    /// As [`UserMemory::exchange`].
    fn word(&self, address: u32) -> Result<u32> {
        self.exchange(address, 0, 0)
    }

    /// The size now, in pages of 64 KiB.
    fn size_pages(&self) -> u32;

    /// Grows by `pages` of 64 KiB.
    ///
    /// # Errors
    /// `ENOMEM` when the host refuses.
    fn grow(&self, pages: u32) -> Result<()>;
}

/// The memory of a frame, whoever has it now; reached from its Worker and from no other.
pub trait FrameMemory: UserMemory {
    /// Zeroes from `from` to `to`, or to the end if that is 0; both are cut to the memory. Pages
    /// that are zero are not written to.
    fn clean(&self, from: u32, to: u32);

    /// Zeroes from `top` downwards, until `window` bytes were zero.
    fn clean_down(&self, top: u32, window: u32);
}

/// Why a guest runs no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// `_start` returned, or the shim trapped because the kernel said so.
    Left,
    /// A trap of the guest's own: the engine's message.
    Trapped(String),
}

/// What the kernel needs from its host.
pub trait Platform: Send + Sync + fmt::Debug {
    /// Nanoseconds of a clock that never goes back, the same on every Worker.
    fn monotonic_ns(&self) -> u64;

    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    fn realtime_ns(&self) -> u64;

    /// Fills `bytes` with random numbers fit for keys.
    fn fill_random(&self, bytes: &mut [u8]);

    /// Shows a message to whoever runs the pod.
    fn log(&self, level: Level, message: &str);

    /// The memory of the guest in `slot`.
    fn memory(&self, slot: Slot) -> Arc<dyn UserMemory>;

    /// Makes one more frame on the calling Worker: a small memory, all zero.
    ///
    /// # Errors
    /// `ENOMEM` when the engine has no memory left.
    fn make_frame(&self, kind: FrameKind) -> Result<FrameId>;

    /// Forgets a frame of the calling Worker that no guest has.
    fn drop_frame(&self, frame: FrameId);

    /// The memory of a frame of the calling Worker.
    fn frame_memory(&self, frame: FrameId) -> Arc<dyn FrameMemory>;

    /// Says which frame the guest in `slot`, of the calling Worker, is resident in: the one that it
    /// was started in, or none.
    fn set_resident(&self, slot: Slot, frame: Option<FrameId>);

    /// Makes an instance of `image` in `slot` on the calling Worker, whose memory is that of
    /// `frame`: large enough, and zero. It is resident, and has not run.
    ///
    /// # Errors
    /// `ENOEXEC` when the engine refuses the module.
    fn start_guest(&self, slot: Slot, image: &Image, frame: FrameId) -> Result<()>;

    /// Makes one more instance of `program` in `slot` on the calling Worker, over the memory of
    /// `frame`, in which its process is resident. It runs soon, as `start` says.
    ///
    /// # Errors
    /// `ENOMEM` when the engine has no room for it.
    fn start_thread(
        &self,
        slot: Slot,
        program: &LoadedProgram,
        start: &ThreadStart,
        frame: FrameId,
    ) -> Result<()>;

    /// Sends the thread in `slot` to `worker`, with `program` and the memory of `frame`, a shared one of
    /// the calling Worker's: that Worker hears of it, [`crate::Kernel::thread_arrives`].
    fn send_thread(&self, slot: Slot, worker: WorkerId, program: ProgramId, frame: FrameId);

    /// Calls the entry of the new guest in `slot`, of the calling Worker, soon: when its turn has
    /// come and the kernel has returned.
    fn run_guest(&self, slot: Slot, argument: u32);

    /// Where the stack pointer of the guest in `slot` is, of the calling Worker; `None` if
    /// it has none.
    fn stack_pointer(&self, slot: Slot) -> Option<u32>;

    /// Lets the parked guest in `slot`, of the calling Worker, run on: its shim asks for the result.
    fn resume_guest(&self, slot: Slot);

    /// Takes the instance of `slot` away, on its Worker. Its frame is left as it is.
    fn end_guest(&self, slot: Slot);

    /// A process that the host started has ended, with this wait status.
    ///
    /// The host hears of no other: a pid that comes round again would be taken for the old one.
    fn process_ended(&self, pid: crate::process::Pid, status: i32);
}
