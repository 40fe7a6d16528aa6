//! A guest's memory a second time, for its child: fork(2).
//!
//! If there is a frame for the child, what the parent has used is copied into it. If not, both share
//! the parent's frame: the parent is moved out, the child gets what it had, is moved out itself, and
//! the parent comes back, all before it runs on.

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;

use super::FrameId;
use super::guests::{Guest, State};
use super::pool::FramePool;
use super::stored::{Origin, whole_pages};
use super::swap::used_ranges;
use crate::exec::Image;
use crate::memory::AddressSpace;
use crate::platform::{FrameMemory, Slot};
use crate::process::Task;

/// Bytes that are copied at once, from one memory to the kernel's and on to the other.
const CHUNK: usize = 64 << 10;

impl FramePool {
    /// Seats `child`, which runs `image` and starts with a copy of what the guest of `parent`, the
    /// running one, has in its memory. It does not run yet.
    ///
    /// # Errors
    /// `ENOMEM`, and as [`Platform::start_guest`](crate::platform::Platform::start_guest); the
    /// parent is as it was.
    pub(crate) fn seat_copy(
        &self,
        parent: &Arc<Task>,
        child: &Arc<Task>,
        image: &Image,
        space: Arc<Lock<AddressSpace>>,
    ) -> Result<()> {
        let worker = parent.executor().worker();
        let frames = self.worker(worker)?;
        let mut state = frames.state.lock();
        let least_pages = u32::try_from(image.program.program.memory.min_pages).unwrap_or(u32::MAX);
        let pages = space.lock().size_pages().max(least_pages);
        let name = state.name_of(parent.slot);
        let has_stacks = state
            .guests
            .get(&name)
            .is_some_and(|guest| guest.has_stacks);
        let is_shared = image.program.program.memory.shared;
        child.residency().set_shareable(is_shared);
        let guest = |frame| Guest {
            frame,
            is_home: true,
            task: Arc::downgrade(child),
            others: SortedMap::new(),
            has_stacks,
            residency: Arc::clone(child.residency()),
            space,
            program: Arc::clone(&image.program),
            stored: None,
        };
        child.residency().runs(child.executor().recent_ns());
        match self.take_frame(worker, frames, &mut state, pages, is_shared) {
            Ok(frame) => {
                state.table.occupy(frame);
                let copied = self.copy_into(&state, name, child.slot, image, frame, pages);
                if let Err(error) = copied {
                    self.platform.end_guest(child.slot);
                    self.platform.frame_memory(frame).clean(0, 0);
                    self.leave_frame(&mut state, frame);
                    return Err(error);
                }
                state.table.set_resident(frame, Some(child.slot));
                child.residency().set_resident(true);
                state.guests.insert(child.slot, guest(frame));
                child.residency().enter();
                Ok(())
            }
            Err(error) if error.errno == Errno::ENOMEM && !parent.residency().is_spread() => {
                self.share(&mut state, name, child, image, guest)?;
                child.residency().enter();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Starts the child in a frame of its own and copies what its parent has used.
    fn copy_into(
        &self,
        state: &State,
        parent: Slot,
        child: Slot,
        image: &Image,
        frame: FrameId,
        pages: u32,
    ) -> Result<()> {
        let guest = state.guests.get(&parent).ok_or(Errno::EFAULT)?;
        self.grow_to(frame, pages)?;
        self.platform.start_guest(child, image, frame)?;
        let from = self.platform.frame_memory(guest.frame);
        let to = self.platform.frame_memory(frame);
        let len = u64::from(pages).saturating_mul(65536);
        let mut chunk = vec![0; CHUNK];
        let used = used_ranges(guest, self.live_stack(guest, parent));
        for range in whole_pages(&used, len) {
            copy_range(&*from, &*to, range, &mut chunk)?;
        }
        Ok(())
    }

    /// Starts the child in its parent's frame, from which it has moved out when this returns.
    fn share(
        &self,
        state: &mut State,
        parent: Slot,
        child: &Arc<Task>,
        image: &Image,
        guest: impl FnOnce(FrameId) -> Guest,
    ) -> Result<()> {
        let frame = state.guests.get(&parent).ok_or(Errno::EFAULT)?.frame;
        self.move_out(state, parent)?;
        state.table.occupy(frame);
        let started = self
            .platform
            .start_guest(child.slot, image, frame)
            .and_then(|()| self.put_back(state, parent));
        let moved = match started {
            Ok(()) => {
                state.table.set_resident(frame, Some(child.slot));
                child.residency().set_resident(true);
                state.guests.insert(child.slot, guest(frame));
                self.move_out(state, child.slot)
            }
            Err(error) => Err(error),
        };
        if moved.is_err() {
            state.guests.remove(&child.slot);
            child.residency().set_resident(false);
            self.platform.end_guest(child.slot);
            self.platform.frame_memory(frame).clean(0, 0);
            state.table.leave(frame);
        }
        self.put_back(state, parent)?;
        let resident = state.guests.get_mut(&parent).ok_or(Errno::EFAULT)?;
        resident.stored = None;
        resident.residency.set_resident(true);
        for thread in resident.slots(parent) {
            self.platform.set_resident(thread, Some(frame));
        }
        state.table.set_resident(frame, Some(parent));
        moved
    }

    /// Writes what a guest has in storage into its frame, which is zero.
    fn put_back(&self, state: &State, slot: Slot) -> Result<()> {
        let guest = state.guests.get(&slot).ok_or(Errno::EFAULT)?;
        let Some(stored) = &guest.stored else {
            return Ok(());
        };
        let origin = Origin {
            image: guest.program.initial_image(),
            module: &guest.program.program.guest,
        };
        stored.put_back(&*self.platform.frame_memory(guest.frame), origin)
    }
}

fn copy_range(
    from: &dyn FrameMemory,
    to: &dyn FrameMemory,
    range: std::ops::Range<u64>,
    chunk: &mut [u8],
) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let len = left.min(chunk.len());
        let part = chunk.get_mut(..len).unwrap_or_default();
        let address = u32::try_from(at).map_err(|_| Errno::EFAULT)?;
        from.copy_in(address, part)?;
        to.copy_out(address, part)?;
        at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
    Ok(())
}
