//! Threads of a guest on other Workers than its frame's (ADR 0029).
//!
//! ```text
//!   Worker 0, where the frame is                     Worker 1
//!   depart: memory stays  ── thread, module, ──────> arrive: a name for the memory here,
//!                            memory (by the host)    and a guest for the threads here
//!   may_leave: not the last before <──── unseat ──── the last thread here forgets the name
//!   those that are away
//! ```
//! A guest with threads *away* is resident, alone in its frame, and stays so. What counts them is in its
//! [`Residency`](super::Residency), which all its threads have in common, whatever Worker they are on.

use std::sync::Arc;

use executor::sorted::SortedMap;

use super::FrameId;
use super::guests::{Guest, State};
use super::pool::FramePool;
use crate::exec::ProgramId;
use crate::platform::FrameKind;
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

    /// One more thread of the guest of `task`, on the calling Worker, is away from now on, so that its
    /// memory stays where it is: `task` itself, which has not started and leaves, or one that it makes.
    /// Its program, and the frame here; `None`: others have the frame too, or nobody would stay.
    pub(crate) fn depart(&self, task: &Task, leaves: bool) -> Option<(ProgramId, FrameId)> {
        let frames = self.worker(task.executor().worker()).ok()?;
        let mut state = frames.state.lock();
        let name = state.name_of(task.slot);
        let State { table, guests, .. } = &mut *state;
        let guest = guests.get_mut(&name)?;
        let (is_home, residency) = (guest.is_home, task.residency());
        let can_stay = !is_home || residency.is_resident() && table.has_one(guest.frame);
        if !can_stay || leaves && guest.others.is_empty() {
            return None;
        }
        guest.has_stacks = true;
        let found = (guest.program.id, guest.frame);
        if leaves {
            state.remove_thread(task.slot);
        }
        // Else it is away already.
        if is_home || !leaves {
            residency.go_away();
        }
        Some(found)
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
