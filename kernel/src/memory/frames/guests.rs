//! The guests of a Worker and the threads of each.

use std::sync::{Arc, Weak};

use executor::sorted::SortedMap;
use executor::sync::Lock;

use super::stored::Stored;
use super::table::Table;
use super::{FrameId, Residency};
use crate::exec::LoadedProgram;
use crate::memory::AddressSpace;
use crate::platform::Slot;
use crate::process::Task;

/// A guest and what its memory is. It has the name of one of its threads, the first that still is.
#[derive(Debug)]
pub(super) struct Guest {
    /// The frame, or the name that another Worker's has here.
    pub(super) frame: FrameId,
    /// Whether the frame is this Worker's; else the guest is one only for the threads that it has here.
    pub(super) is_home: bool,
    pub(super) task: Weak<Task>,
    /// Its other threads here.
    pub(super) others: SortedMap<Slot, Weak<Task>>,
    /// It has or had other threads, whose stacks may be anywhere.
    pub(super) has_stacks: bool,
    pub(super) residency: Arc<Residency>,
    pub(super) space: Arc<Lock<AddressSpace>>,
    pub(super) program: Arc<LoadedProgram>,
    pub(super) stored: Option<Stored>,
}

impl Guest {
    /// Whether it runs, or would if it had the Worker.
    pub(super) fn is_runnable(&self) -> bool {
        let mut threads = std::iter::once(&self.task).chain(self.others.values());
        threads.any(|task| task.upgrade().is_some_and(|task| task.is_runnable()))
    }

    /// Whether `running` is the slot of one of its threads, the first of which has `name`.
    pub(super) fn is_running(&self, name: Slot, running: u32) -> bool {
        name.0 == running || self.others.contains_key(&Slot(running))
    }

    /// The slots of its threads, the first of which has `name`.
    pub(super) fn slots(&self, name: Slot) -> impl Iterator<Item = Slot> + '_ {
        std::iter::once(name).chain(self.others.keys().copied())
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) table: Table,
    pub(super) guests: SortedMap<Slot, Guest>,
    /// Threads that are not the first of their guest, and the name of that.
    pub(super) threads: SortedMap<Slot, Slot>,
    pub(super) nr_moved_out: u64,
    pub(super) nr_moved_in: u64,
}

impl State {
    /// The name of the guest that the thread in `slot` belongs to.
    pub(super) fn name_of(&self, slot: Slot) -> Slot {
        self.threads.get(&slot).copied().unwrap_or(slot)
    }

    /// Takes a thread away that is not the last of its guest, which gets another name if it had
    /// that of this one; false: it is the last.
    pub(super) fn remove_thread(&mut self, slot: Slot) -> bool {
        if let Some(name) = self.threads.remove(&slot) {
            if let Some(guest) = self.guests.get_mut(&name) {
                guest.others.remove(&slot);
            }
            return true;
        }
        let Some(guest) = self.guests.get_mut(&slot) else {
            return false;
        };
        let Some((heir, task)) = guest.others.pop_first() else {
            return false;
        };
        guest.task = task;
        self.threads.remove(&heir);
        for other in guest.others.keys() {
            self.threads.insert(*other, heir);
        }
        if self.table.resident(guest.frame) == Some(slot) {
            self.table.set_resident(guest.frame, Some(heir));
        }
        if let Some(guest) = self.guests.remove(&slot) {
            self.guests.insert(heir, guest);
        }
        true
    }
}
