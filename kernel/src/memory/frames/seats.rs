//! Seats: which frame a guest gets when it starts, and what becomes of the frame when it has ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::{Errno, Result};
use executor::WorkerId;
use executor::sorted::SortedMap;
use executor::sync::Lock;
use fs::budget::Class;

use super::FrameId;
use super::guests::{Guest, State};
use super::pool::{FramePool, WorkerFrames};
use super::swap::{clean, used_bytes};
use crate::exec::Image;
use crate::memory::AddressSpace;
use crate::platform::{FrameKind, Level, Slot};
use crate::process::{Task, ThreadStart};

/// Frames that a Worker makes before other users of the tab have taken all memories.
const FIRST_FRAMES: usize = 4;

/// The largest memory that waits for a guest, in pages of 64 KiB: zeroed pages still cost memory.
const MAX_IDLE_PAGES: u32 = 1024;

impl FramePool {
    /// Makes the first frames of the calling Worker.
    pub fn make_first(&self, worker: WorkerId) {
        let Ok(frames) = self.worker(worker) else {
            return;
        };
        let count = FIRST_FRAMES.min(frames.budget.load(Ordering::Relaxed));
        let mut state = frames.state.lock();
        while state.table.len() < count
            && self
                .make_frame(worker, frames, &mut state, FrameKind::Private)
                .is_ok()
        {}
    }

    /// Starts a guest on its Worker, the calling one, in a frame that it may have to share.
    ///
    /// # Errors
    /// As `Platform::start_guest`; `ENOMEM` also when nobody can be moved out.
    pub(crate) fn seat(
        &self,
        task: &Arc<Task>,
        image: &Image,
        space: Arc<Lock<AddressSpace>>,
    ) -> Result<()> {
        let worker = task.executor().worker();
        let frames = self.worker(worker)?;
        let mut state = frames.state.lock();
        let least_pages = u32::try_from(image.program.program.memory.min_pages).unwrap_or(u32::MAX);
        let is_shared = image.program.program.memory.shared;
        let frame = self.take_frame(worker, frames, &mut state, least_pages, is_shared)?;
        state.table.occupy(frame);
        let started = self
            .grow_to(frame, least_pages)
            .and_then(|()| self.platform.start_guest(task.slot, image, frame));
        if let Err(error) = started {
            // What the segments before a bad one have written is not known.
            self.platform.frame_memory(frame).clean(0, 0);
            self.leave_frame(&mut state, frame);
            return Err(error);
        }
        state.table.set_resident(frame, Some(task.slot));
        let residency = Arc::clone(task.residency());
        residency.set_resident(true);
        residency.set_shareable(is_shared);
        residency.enter();
        residency.runs(task.executor().recent_ns());
        let guest = Guest {
            frame,
            is_home: true,
            task: Arc::downgrade(task),
            others: SortedMap::new(),
            has_stacks: false,
            residency,
            space,
            program: Arc::clone(&image.program),
            stored: None,
        };
        state.guests.insert(task.slot, guest);
        self.platform.run_guest(task.slot, image.stack.address);
        Ok(())
    }

    /// One more thread of the guest in `maker`, which has not started: the guest keeps its frame as
    /// long as it is there.
    pub(crate) fn join(&self, maker: Slot, thread: &Arc<Task>) {
        let Ok(frames) = self.worker(thread.executor().worker()) else {
            return;
        };
        let mut state = frames.state.lock();
        let name = state.name_of(maker);
        if let Some(guest) = state.guests.get_mut(&name) {
            guest.others.insert(thread.slot, Arc::downgrade(thread));
            guest.has_stacks = true;
            state.threads.insert(thread.slot, name);
        }
    }

    /// Makes the instance of a thread that has joined, on its Worker, the calling one.
    ///
    /// # Errors
    /// As [`FramePool::make_resident`] and `Platform::start_thread`.
    pub(crate) fn start_thread(&self, task: &Arc<Task>, start: &ThreadStart) -> Result<()> {
        let worker = task.executor().worker();
        self.make_resident(worker, task.slot)?;
        let (frame, program) = {
            let state = self.worker(worker)?.state.lock();
            let name = state.name_of(task.slot);
            let guest = state.guests.get(&name).ok_or(Errno::EFAULT)?;
            (guest.frame, Arc::clone(&guest.program))
        };
        self.platform
            .start_thread(task.slot, &program, start, frame)
    }

    /// Takes a guest that has ended away, and zeroes what it has used of its frame. It may leave:
    /// see [`FramePool::may_leave`].
    pub(crate) fn unseat(&self, worker: WorkerId, slot: Slot) {
        self.platform.end_guest(slot);
        let Ok(frames) = self.worker(worker) else {
            return;
        };
        let mut state = frames.state.lock();
        let name = state.name_of(slot);
        let Some(guest) = state.guests.get(&name) else {
            return;
        };
        let (residency, is_home) = (Arc::clone(&guest.residency), guest.is_home);
        self.leave_guest(&mut state, slot);
        drop(state);
        if !is_home {
            residency.come_back();
        }
        residency.leave();
    }

    /// The thread in `slot` is one of its guest no more; the last takes the guest with it.
    fn leave_guest(&self, state: &mut State, slot: Slot) {
        if state.remove_thread(slot) {
            return;
        }
        let Some(guest) = state.guests.remove(&slot) else {
            return;
        };
        if !guest.is_home {
            self.forget_frame(guest.frame);
            return;
        }
        guest.residency.set_resident(false);
        if state.table.resident(guest.frame) == Some(slot) {
            let memory = self.platform.frame_memory(guest.frame);
            clean(&*memory, &guest.program, guest.program.stack_top());
            let used = used_bytes(&guest);
            state.table.note_used(guest.frame, used);
            state.table.set_resident(guest.frame, None);
        }
        self.leave_frame(state, guest.frame);
    }

    /// An idle frame, a new one, or one whose resident has moved out.
    pub(super) fn take_frame(
        &self,
        worker: WorkerId,
        frames: &WorkerFrames,
        state: &mut State,
        least_pages: u32,
        is_shared: bool,
    ) -> Result<FrameId> {
        let idle = state.table.idle(is_shared);
        let is_large = |&&id: &&FrameId| self.platform.frame_memory(id).size_pages() >= least_pages;
        if let Some(&frame) = idle.iter().rev().find(is_large).or(idle.last()) {
            let used = state.table.used_bytes(frame);
            self.budget.uncharge(Class::IdleFrames, used);
            return Ok(frame);
        }
        let max = frames.budget.load(Ordering::Relaxed);
        if state.table.len() >= max
            && let Some(&other) = state.table.idle(!is_shared).first()
        {
            let used = state.table.remove(other);
            self.budget.uncharge(Class::IdleFrames, used);
            self.platform.drop_frame(other);
        }
        let kind = if is_shared {
            FrameKind::Shared
        } else {
            FrameKind::Private
        };
        // A guest cannot share a frame of the other kind: so there is one of each, be it one too many.
        if state.table.len() < max || !state.table.has_kind(is_shared) {
            match self.make_frame(worker, frames, state, kind) {
                Ok(frame) => return Ok(frame),
                Err(error) if !state.table.has_kind(is_shared) => return Err(error),
                Err(_) => {}
            }
        }
        let running = frames.running.load(Ordering::Relaxed);
        let urgency = |slot: Slot| {
            let guest = state.guests.get(&slot)?;
            if guest.is_running(slot, running) || guest.residency.is_spread() {
                return None;
            }
            Some((guest.is_runnable(), guest.residency.last_ran_ns()))
        };
        let is_pinned = |guest: &Guest| guest.is_home && guest.residency.is_spread();
        let frame = match state.table.to_share(is_shared, urgency) {
            Some(frame) => frame,
            // Those that are pinned make no room: one more than the budget for each of them.
            None if is_shared && state.guests.values().any(is_pinned) => {
                return self.make_frame(worker, frames, state, kind);
            }
            None => return Err(Errno::ENOMEM.because("no guest can be moved out")),
        };
        if let Some(resident) = state.table.resident(frame) {
            self.move_out(state, resident)?;
        }
        Ok(frame)
    }

    /// One more frame; when the engine refuses, there are no more than there are now.
    fn make_frame(
        &self,
        worker: WorkerId,
        frames: &WorkerFrames,
        state: &mut State,
        kind: FrameKind,
    ) -> Result<FrameId> {
        match self.platform.make_frame(kind) {
            Ok(frame) => {
                state.table.add(frame, kind == FrameKind::Shared);
                Ok(frame)
            }
            Err(error) => {
                let count = state.table.len();
                frames.budget.store(count.max(1), Ordering::Relaxed);
                let id = worker.0;
                let line = format!(
                    "Worker {id}: the engine has no memory beyond {count}, so processes share them"
                );
                self.platform.log(Level::Warning, &line);
                Err(error)
            }
        }
    }

    /// Makes sure that a frame has `pages` of 64 KiB.
    pub(super) fn grow_to(&self, frame: FrameId, pages: u32) -> Result<()> {
        let memory = self.platform.frame_memory(frame);
        match pages.saturating_sub(memory.size_pages()) {
            0 => Ok(()),
            missing => memory.grow(missing),
        }
    }

    /// One guest fewer belongs to a frame; an idle one may be given back.
    pub(super) fn leave_frame(&self, state: &mut State, frame: FrameId) {
        if !state.table.leave(frame) {
            return;
        }
        let used = state.table.used_bytes(frame);
        let is_too_large = self.platform.frame_memory(frame).size_pages() > MAX_IDLE_PAGES;
        let is_crowded = self.budget.idle_room() < used && state.table.len() > FIRST_FRAMES;
        if is_too_large || is_crowded {
            state.table.remove(frame);
            self.platform.drop_frame(frame);
        } else {
            self.budget.charge(Class::IdleFrames, used);
        }
    }
}
