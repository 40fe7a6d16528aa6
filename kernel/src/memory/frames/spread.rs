//! Threads of a guest on other Workers than its frame's (ADR 0029).
//!
//! ```text
//!   Worker 0, where the frame is                     Worker 1
//!   pin: the memory stays ── thread, module, ──────> arrive: a name for the memory here,
//!                            memory (by the host)    and a guest for the threads here
//!   may_leave: not the last before <──── unseat ──── the last thread here forgets the name
//!   those that are away
//! ```
//! A guest with threads *away* is resident, alone in its frame, and stays so. What counts them is in its
//! [`Residency`](super::Residency), which all its threads have in common, whatever Worker they are on.

use std::sync::Arc;

use executor::WorkerId;
use executor::sorted::SortedMap;

use super::FrameId;
use super::guests::Guest;
use super::pool::FramePool;
use crate::platform::{FrameKind, Slot};
use crate::process::Task;

/// No memory has this name: the host could not take one that arrived.
const NOWHERE: FrameId = FrameId(0);

impl FramePool {
    /// Whether the thread in `task` may be taken from its Worker, the calling one: the last beside a
    /// frame waits for those that are away.
    pub(crate) fn may_leave(&self, task: &Task) -> bool {
        if !task.residency().is_spread() {
            return true;
        }
        let Ok(frames) = self.worker(task.executor().worker()) else {
            return true;
        };
        let state = frames.state.lock();
        let guest = state.guests.get(&state.name_of(task.slot));
        guest.is_none_or(|guest| !guest.is_home || !guest.others.is_empty())
    }

    /// One more thread of `task`'s guest is away from now on, so that its memory stays where it is;
    /// false: others have the frame too. `task` is on the calling Worker.
    pub(crate) fn pin(&self, task: &Task) -> bool {
        let residency = task.residency();
        let Ok(frames) = self.worker(task.executor().worker()) else {
            return false;
        };
        let mut state = frames.state.lock();
        let name = state.name_of(task.slot);
        let has_frame = |frame| state.table.has_one(frame) && residency.is_resident();
        let can_stay = state
            .guests
            .get(&name)
            .is_some_and(|guest| !guest.is_home || has_frame(guest.frame));
        if can_stay && let Some(guest) = state.guests.get_mut(&name) {
            guest.has_stacks = true;
            residency.go_away();
        }
        can_stay
    }

    /// Sends `thread`, which has not started, from Worker `from`, the calling one, to its own. The guest
    /// has another thread there, in `slot`.
    pub(crate) fn send(&self, thread: &Task, from: WorkerId, slot: Slot) {
        let Ok(frames) = self.worker(from) else {
            return;
        };
        let found = {
            let state = frames.state.lock();
            let guest = state.guests.get(&state.name_of(slot));
            guest.map(|guest| (Arc::clone(&guest.program), guest.frame))
        };
        if let Some((program, frame)) = found {
            let worker = thread.executor().worker();
            self.platform
                .send_thread(thread.slot, worker, &program, frame);
        }
    }

    /// Takes a thread that waits to start from its Worker, the calling one, to send it to another;
    /// the slot of a thread that stays. `None`: it has to stay.
    pub(crate) fn take_out(&self, task: &Task) -> Option<Slot> {
        let frames = self.worker(task.executor().worker()).ok()?;
        let stays = {
            let state = frames.state.lock();
            let name = state.name_of(task.slot);
            let mut slots = state.guests.get(&name)?.slots(name);
            slots.find(|&slot| slot != task.slot)?
        };
        if !self.pin(task) {
            return None;
        }
        let is_home = {
            let mut state = frames.state.lock();
            let name = state.name_of(task.slot);
            let is_home = state.guests.get(&name).is_some_and(|guest| guest.is_home);
            state.remove_thread(task.slot);
            is_home
        };
        if !is_home {
            // It was away before.
            task.residency().come_back();
        }
        Some(stays)
    }

    /// A thread has come to its Worker, the calling one, on which its guest may have others already.
    pub(crate) fn arrive(&self, task: &Arc<Task>) {
        let process = task.process();
        let program = process.program.lock().loaded.clone();
        let (Ok(frames), Some(program)) = (self.worker(task.executor().worker()), program) else {
            return;
        };
        let residency = task.residency();
        let mut state = frames.state.lock();
        let is_here = |guest: &Guest| Arc::ptr_eq(&guest.residency, residency);
        let here = {
            let mut guests = state.guests.iter();
            guests.find_map(|(&name, guest)| is_here(guest).then_some(name))
        };
        if let Some(name) = here
            && let Some(guest) = state.guests.get_mut(&name)
        {
            guest.others.insert(task.slot, Arc::downgrade(task));
            let is_home = guest.is_home;
            state.threads.insert(task.slot, name);
            drop(state);
            if is_home {
                residency.come_back();
            }
            return;
        }
        let made = self.platform.make_frame(FrameKind::Arrived);
        let guest = Guest {
            // Without it the thread cannot start, which ends the process.
            frame: made.unwrap_or(NOWHERE),
            is_home: false,
            task: Arc::downgrade(task),
            others: SortedMap::new(),
            has_stacks: true,
            residency: Arc::clone(residency),
            space: process.address_space(),
            program,
            stored: None,
        };
        state.guests.insert(task.slot, guest);
    }

    /// The last thread of a guest whose frame is elsewhere has left the calling Worker.
    pub(super) fn forget_frame(&self, frame: FrameId) {
        if frame != NOWHERE {
            self.platform.drop_frame(frame);
        }
    }
}
