//! Guest memory, reached by calls through the function table.
//!
//! Each frame (a `WebAssembly.Memory` that guests take turns in) has a small helper instance of
//! the loader's `memory_shim`. The host puts its functions into the kernel's function table, at
//! consecutive indices from the frame's *base*, which also names the frame. A call goes from Wasm
//! to Wasm. The seat of a guest whose memory is in swap has no base: the kernel brings it first.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;

use abi::{Errno, Result};
use fs::vfs::file::GuestMemory;
use kernel::memory::frames::FrameId;
use kernel::platform::{FrameMemory, Slot, UserMemory};
use kernel::process::Task;

use crate::imports::address_of;

/// The helpers in the order of their indices, behind the frame's base.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Helper {
    CopyIn = 0,
    CopyOut = 1,
    CopyInString = 2,
    Size = 3,
    Grow = 4,
    Fill = 5,
    Clean = 6,
    CleanDown = 7,
    Exchange = 8,
}

/// A guest of this Worker.
#[derive(Default)]
struct Seat {
    task: Option<Arc<Task>>,
    /// Where the helpers of its frame are; 0 while its memory is not in there.
    base: Cell<u32>,
}

thread_local! {
    /// The guests of this Worker by slot.
    static SEATS: RefCell<Vec<Seat>> = const { RefCell::new(Vec::new()) };
}

/// Seats a guest, resident in `frame`.
pub(crate) fn seat(slot: Slot, task: Option<Arc<Task>>, frame: Option<FrameId>) {
    let Ok(index) = usize::try_from(slot.0) else {
        return;
    };
    SEATS.with_borrow_mut(|seats| {
        if seats.len() <= index {
            seats.resize_with(index.saturating_add(1), Seat::default);
        }
        if let Some(seat) = seats.get_mut(index) {
            let base = Cell::new(frame.map_or(0, |FrameId(base)| base));
            *seat = Seat { task, base };
        }
    });
}

/// Says where a guest's memory is from now on.
pub(crate) fn set_frame(slot: Slot, frame: Option<FrameId>) {
    let Ok(index) = usize::try_from(slot.0) else {
        return;
    };
    SEATS.with_borrow(|seats| {
        if let Some(seat) = seats.get(index) {
            seat.base.set(frame.map_or(0, |FrameId(base)| base));
        }
    });
}

/// Calls `use_task` with the task in `slot` of this Worker.
pub(crate) fn with_task<T>(slot: u32, use_task: impl FnOnce(&Arc<Task>) -> T) -> Option<T> {
    let index = usize::try_from(slot).ok()?;
    SEATS.with_borrow(|seats| seats.get(index)?.task.as_ref().map(use_task))
}

/// Where the helpers for a memory are.
pub(crate) trait Place: fmt::Debug + Send + Sync {
    /// The index of the first one; `None` when the memory cannot be had.
    fn base(&self) -> Option<u32>;
}

/// The guest in a slot of this Worker, in whatever frame it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfGuest(Slot);

impl Place for OfGuest {
    fn base(&self) -> Option<u32> {
        let index = usize::try_from(self.0.0).ok()?;
        let look = || {
            let base =
                SEATS.try_with(|seats| Some(seats.try_borrow().ok()?.get(index)?.base.get()));
            base.ok().flatten().filter(|&base| base != 0)
        };
        look().or_else(|| {
            bring(self.0)?;
            look()
        })
    }
}

/// Has the kernel move a guest's memory into its frame.
#[cold]
fn bring(slot: Slot) -> Option<()> {
    with_task(slot.0, |task| task.make_resident().ok())?
}

/// A frame, whoever is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfFrame(FrameId);

impl Place for OfFrame {
    fn base(&self) -> Option<u32> {
        Some(self.0.0)
    }
}

/// A memory, for the Worker that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebMemory<P>(P);

/// The memory of the guest in `slot`.
pub(crate) const fn guest_memory(slot: Slot) -> WebMemory<OfGuest> {
    WebMemory(OfGuest(slot))
}

/// The memory of a frame.
pub(crate) const fn frame_memory(frame: FrameId) -> WebMemory<OfFrame> {
    WebMemory(OfFrame(frame))
}

impl<P: Place> WebMemory<P> {
    fn helper(&self, which: Helper) -> Option<usize> {
        let base = self.0.base()?;
        #[expect(clippy::as_conversions, reason = "an enum of small numbers")]
        usize::try_from(base.checked_add(which as u32)?).ok()
    }

    fn call3(&self, which: Helper, a: u32, b: u32, c: u32) -> Option<i32> {
        let index = self.helper(which)?;
        // SAFETY: 1. The host put a function of this type at this index and takes it away only
        // after the frame has no guest. 2. In WebAssembly a call of the wrong type traps.
        let helper =
            unsafe { core::mem::transmute::<usize, extern "C" fn(u32, u32, u32) -> i32>(index) };
        Some(helper(a, b, c))
    }

    fn call3_long(&self, which: Helper, a: u32, b: u32, c: u32) -> Option<i64> {
        let index = self.helper(which)?;
        // SAFETY: as in `call3`.
        let helper =
            unsafe { core::mem::transmute::<usize, extern "C" fn(u32, u32, u32) -> i64>(index) };
        Some(helper(a, b, c))
    }

    fn call2(&self, which: Helper, a: u32, b: u32) -> Option<i32> {
        let index = self.helper(which)?;
        // SAFETY: as in `call3`.
        let helper =
            unsafe { core::mem::transmute::<usize, extern "C" fn(u32, u32) -> i32>(index) };
        Some(helper(a, b))
    }

    fn call1(&self, which: Helper, a: u32) -> Option<i32> {
        let index = self.helper(which)?;
        // SAFETY: as in `call3`.
        let helper = unsafe { core::mem::transmute::<usize, extern "C" fn(u32) -> i32>(index) };
        Some(helper(a))
    }

    fn call0(&self, which: Helper) -> Option<i32> {
        let index = self.helper(which)?;
        // SAFETY: as in `call3`.
        let helper = unsafe { core::mem::transmute::<usize, extern "C" fn() -> i32>(index) };
        Some(helper())
    }
}

/// The length of a slice as the helpers take it.
fn len_of(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Errno::EFAULT.into())
}

fn done(result: Option<i32>) -> Result<()> {
    match result {
        Some(1) => Ok(()),
        _ => Err(Errno::EFAULT.because("outside the guest's memory")),
    }
}

impl<P: Place> GuestMemory for WebMemory<P> {
    fn copy_in(&self, address: u32, bytes: &mut [u8]) -> Result<()> {
        let len = len_of(bytes)?;
        done(self.call3(Helper::CopyIn, address_of(bytes.as_mut_ptr()), address, len))
    }

    fn copy_out(&self, address: u32, bytes: &[u8]) -> Result<()> {
        done(self.call3(
            Helper::CopyOut,
            address,
            address_of(bytes.as_ptr()),
            len_of(bytes)?,
        ))
    }
}

impl<P: Place> UserMemory for WebMemory<P> {
    fn copy_in_string(&self, address: u32, max: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; max.min(256)];
        loop {
            let room = len_of(&bytes)?;
            let found = self.call3(
                Helper::CopyInString,
                address_of(bytes.as_mut_ptr()),
                address,
                room,
            );
            let found = found
                .and_then(|len| usize::try_from(len).ok())
                .ok_or(Errno::EFAULT)?;
            if found < bytes.len() {
                bytes.truncate(found);
                return Ok(bytes);
            }
            if bytes.len() >= max {
                return Err(Errno::ENAMETOOLONG.into());
            }
            bytes.resize(bytes.len().saturating_mul(4).min(max), 0);
        }
    }

    fn fill(&self, address: u32, byte: u8, len: u32) -> Result<()> {
        done(self.call3(Helper::Fill, address, u32::from(byte), len))
    }

    fn exchange(&self, address: u32, old: u32, new: u32) -> Result<u32> {
        self.call3_long(Helper::Exchange, address, old, new)
            .and_then(|found| u32::try_from(found).ok())
            .ok_or_else(|| Errno::EFAULT.because("no word of the guest's memory"))
    }

    fn size_pages(&self) -> u32 {
        self.call0(Helper::Size)
            .and_then(|pages| u32::try_from(pages).ok())
            .unwrap_or(0)
    }

    fn grow(&self, pages: u32) -> Result<()> {
        match self.call1(Helper::Grow, pages) {
            Some(old) if old >= 0 => Ok(()),
            _ => Err(Errno::ENOMEM.because("the engine gives no more memory")),
        }
    }
}

impl FrameMemory for WebMemory<OfFrame> {
    fn clean(&self, from: u32, to: u32) {
        self.call2(Helper::Clean, from, to);
    }

    fn clean_down(&self, top: u32, window: u32) {
        self.call2(Helper::CleanDown, top, window);
    }
}
