//! Swapping: a guest's memory goes into storage for another guest of its frame, and comes back.

use std::ops::Range;
use std::sync::atomic::Ordering;

use abi::{Errno, Result};
use executor::WorkerId;
use fs::budget::Class;

use super::guests::{Guest, State};
use super::pool::FramePool;
use super::stored::{Origin, Stored};
use super::{PAGE_BYTES, RED_ZONE, STACK_WINDOW};
use crate::exec::LoadedProgram;
use crate::memory::STACK_BYTES;
use crate::platform::{FrameMemory, Level, Slot};

/// Bytes in storage above which what is stored next is packed.
const PACK_ABOVE: u64 = 64 << 20;

impl FramePool {
    /// Makes the guest in `slot` resident, whose Worker is the calling one.
    ///
    /// # Errors
    /// `EFAULT` when there is no such guest, or the one that would have to go runs: a fault of the
    /// kernel's, which the log hears of. `ENOMEM` when that one cannot be stored.
    pub(crate) fn make_resident(&self, worker: WorkerId, slot: Slot) -> Result<()> {
        let frames = self.worker(worker)?;
        let mut state = frames.state.lock();
        let slot = state.name_of(slot);
        let guest = state.guests.get(&slot).ok_or(Errno::EFAULT)?;
        if guest.residency.is_resident() {
            return Ok(());
        }
        let frame = guest.frame;
        if let Some(resident) = state.table.resident(frame) {
            let running = frames.running.load(Ordering::Relaxed);
            let other = state.guests.get(&resident);
            if other.is_some_and(|other| other.is_running(resident, running)) {
                let line = format!(
                    "frame {}: {slot:?} wants in while {resident:?} runs",
                    frame.0
                );
                self.platform.log(Level::Error, &line);
                return Err(Errno::EFAULT.because("the guest that has the frame runs"));
            }
            self.move_out(&mut state, resident)?;
        }
        let guest = state.guests.get_mut(&slot).ok_or(Errno::EFAULT)?;
        if let Some(stored) = guest.stored.take() {
            let memory = self.platform.frame_memory(frame);
            let module = &guest.program.program.guest;
            let image = guest.program.initial_image();
            stored.put_back(&*memory, Origin { image, module })?;
        }
        guest.residency.set_resident(true);
        for thread in guest.slots(slot) {
            self.platform.set_resident(thread, Some(frame));
        }
        state.table.set_resident(frame, Some(slot));
        state.nr_moved_in = state.nr_moved_in.saturating_add(1);
        Ok(())
    }

    /// Puts what a resident has into storage; its frame is zero then.
    pub(super) fn move_out(&self, state: &mut State, slot: Slot) -> Result<()> {
        let is_packed = self.budget.used(Class::Swap) > PACK_ABOVE || self.budget.is_short();
        let guest = state.guests.get_mut(&slot).ok_or(Errno::EFAULT)?;
        let memory = self.platform.frame_memory(guest.frame);
        let live_from = self.live_stack(guest, slot);
        let used = used_ranges(guest, live_from);
        let origin = Origin {
            image: guest.program.initial_image(),
            module: &guest.program.program.guest,
        };
        let stored = Stored::take(&*memory, &used, origin, &self.budget, is_packed)?;
        // What returned calls have left below is nobody's, and nobody is to see it.
        let stack_top = guest.program.stack_top();
        clean(&*memory, &guest.program, live_from.unwrap_or(stack_top));
        guest.stored = Some(stored);
        guest.residency.set_resident(false);
        for thread in guest.slots(slot) {
            self.platform.set_resident(thread, None);
        }
        let frame = guest.frame;
        let used = used_bytes(guest);
        state.table.note_used(frame, used);
        state.table.set_resident(frame, None);
        state.nr_moved_out = state.nr_moved_out.saturating_add(1);
        Ok(())
    }

    /// Where the part of a guest's stack starts that it still needs, as far as that is known: not
    /// if the stack pointer is elsewhere, or could be on another stack inside this one.
    pub(super) fn live_stack(&self, guest: &Guest, slot: Slot) -> Option<u32> {
        let stack = guest.program.program.stack;
        if guest.has_stacks {
            return None;
        }
        let pointer = self.platform.stack_pointer(slot)?;
        let has_other_stack = guest.task.upgrade().is_none_or(|task| {
            let process = task.process();
            let mut signals = process.signals.lock();
            signals.thread(task.tid()).alt_stack.size != 0
        });
        let is_inside = stack.lowest < pointer && pointer <= stack.pointer_initial;
        let lowest = pointer.saturating_sub(RED_ZONE).max(stack.lowest);
        (is_inside && !has_other_stack).then_some(lowest)
    }
}

/// What a guest may have written to: below its stack, its stack from `live_from` up or all of it,
/// its data and heap, its mappings.
pub(super) fn used_ranges(guest: &Guest, live_from: Option<u32>) -> Vec<Range<u64>> {
    let program = &guest.program.program;
    let stack = program.stack;
    let top = u64::from(stack.pointer_initial);
    let lowest = u64::from(stack.lowest).min(top);
    let initial_end = program.memory.min_pages.saturating_mul(65536);
    let mut ranges = vec![
        0..lowest,
        live_from.map_or(lowest, u64::from)..top,
        top..initial_end,
    ];
    ranges.extend(guest.program.initial_image().ranges());
    ranges.extend(guest.space.lock().touched_ranges());
    ranges
}

/// How much of a memory a guest has used, as it was charged: a stack counts for a few pages.
pub(super) fn used_bytes(guest: &Guest) -> u64 {
    let top = guest.program.stack_top();
    let data = guest.program.program.heap_base.saturating_sub(top);
    let stack = top.min(STACK_BYTES);
    let touched = guest.space.lock().touched_ranges();
    let lengths = touched
        .iter()
        .map(|range| range.end.saturating_sub(range.start))
        .fold(0, u64::saturating_add);
    u64::from(stack)
        .saturating_add(u64::from(data))
        .saturating_add(lengths)
}

/// Zeroes what a guest of `program` has left anywhere, but for its stack from `live_from` up.
///
/// A program may write to all of a memory, wherever the kernel's map of it ends: a frame may have
/// been larger before. What is zero is only read.
pub(super) fn clean(memory: &dyn FrameMemory, program: &LoadedProgram, live_from: u32) {
    let stack = program.program.stack;
    // At least the first page: what a null pointer leads to can be written to, far from any stack.
    let first = u32::try_from(PAGE_BYTES).unwrap_or(0);
    memory.clean(0, stack.lowest.max(first).min(stack.pointer_initial));
    memory.clean_down(live_from, STACK_WINDOW);
    memory.clean(stack.pointer_initial, 0);
}
