//! The frames of all Workers: seats guests, moves their memories out and in.
//!
//! Lock order: a Worker's frames, then signals and address space of the guest that leaves. Other
//! Workers take the lock only to look at the numbers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::WorkerId;
use executor::sync::Lock;
use fs::budget::{Budget, Class};

use super::report::WorkerReport;
use super::stored::{Origin, Stored};
use super::table::Table;
use super::{FrameId, RED_ZONE, Residency, STACK_WINDOW};
use crate::exec::{Image, LoadedProgram};
use crate::kernel::Kernel;
use crate::memory::{AddressSpace, STACK_BYTES};
use crate::platform::{FrameMemory, Level, Platform, Slot};
use crate::process::{Task, ThreadStart};

/// Frames of a pod, if the host does not say how many memories it has.
pub const DEFAULT_FRAMES: usize = 1024;
/// Guests of a pod, if the host does not say how many stacks it can suspend.
pub const DEFAULT_STACKS: usize = 16_000;
/// Frames that a Worker makes before other users of the tab have taken all memories.
const FIRST_FRAMES: usize = 4;
/// Bytes in storage above which what is stored next is packed.
const PACK_ABOVE: u64 = 64 << 20;
/// The largest memory that waits for a guest, in pages of 64 KiB: zeroed pages still cost memory.
const MAX_IDLE_PAGES: u32 = 1024;
/// No guest has this slot.
const NOBODY: u32 = u32::MAX;

/// A guest and what its memory is. It has the name of one of its threads, the first that still is.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) frame: FrameId,
    pub(super) task: Weak<Task>,
    /// Its other threads.
    pub(super) others: BTreeMap<Slot, Weak<Task>>,
    /// It has or had other threads, whose stacks may be anywhere.
    pub(super) has_stacks: bool,
    pub(super) residency: Arc<Residency>,
    pub(super) space: Arc<Lock<AddressSpace>>,
    pub(super) program: Arc<LoadedProgram>,
    pub(super) stored: Option<Stored>,
}

impl Guest {
    /// Whether it runs, or would if it had the Worker.
    fn is_runnable(&self) -> bool {
        let mut threads = std::iter::once(&self.task).chain(self.others.values());
        threads.any(|task| task.upgrade().is_some_and(|task| task.is_runnable()))
    }

    /// Whether `running` is the slot of one of its threads, the first of which has `name`.
    fn is_running(&self, name: Slot, running: u32) -> bool {
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
    pub(super) guests: BTreeMap<Slot, Guest>,
    /// Threads that are not the first of their guest, and the name of that.
    pub(super) threads: BTreeMap<Slot, Slot>,
    nr_moved_out: u64,
    nr_moved_in: u64,
}

impl State {
    /// The name of the guest that the thread in `slot` belongs to.
    pub(super) fn name_of(&self, slot: Slot) -> Slot {
        self.threads.get(&slot).copied().unwrap_or(slot)
    }

    /// Takes a thread away that is not the last of its guest, which gets another name if it had
    /// that of this one; false: it is the last.
    fn remove_thread(&mut self, slot: Slot) -> bool {
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

/// The frames of one Worker.
#[derive(Debug)]
pub(super) struct WorkerFrames {
    /// How many there may be; the engine may have fewer.
    budget: AtomicUsize,
    /// Whose code runs, or ran last.
    running: AtomicU32,
    pub(super) state: Lock<State>,
}

/// The frames of all Workers, and how many guests there may be.
#[derive(Debug)]
pub struct FramePool {
    workers: Vec<WorkerFrames>,
    pub(super) platform: Arc<dyn Platform>,
    budget: Arc<Budget>,
    max_stacks: AtomicUsize,
    /// The log has heard that there is no stack left.
    is_stack_refusal_told: AtomicBool,
}

impl FramePool {
    /// No frame yet, and the default budgets.
    pub fn new(platform: Arc<dyn Platform>, budget: Arc<Budget>, nr_workers: usize) -> Self {
        let worker = |_| WorkerFrames {
            budget: AtomicUsize::new(DEFAULT_FRAMES),
            running: AtomicU32::new(NOBODY),
            state: Lock::default(),
        };
        let pool = Self {
            workers: (0..nr_workers).map(worker).collect(),
            platform,
            budget,
            max_stacks: AtomicUsize::new(DEFAULT_STACKS),
            is_stack_refusal_told: AtomicBool::new(false),
        };
        pool.set_budgets(DEFAULT_FRAMES, DEFAULT_STACKS);
        pool
    }

    /// Lets the pod have `frames` memories, shared out among its Workers, each of which gets one at
    /// least, and `stacks` guests.
    pub fn set_budgets(&self, frames: usize, stacks: usize) {
        let nr_workers = self.workers.len().max(1);
        let share = frames.checked_div(nr_workers).unwrap_or(frames);
        let rest = frames.checked_rem(nr_workers).unwrap_or(0);
        for (index, worker) in self.workers.iter().enumerate() {
            let share = share.saturating_add(usize::from(index < rest));
            worker.budget.store(share.max(1), Ordering::Relaxed);
        }
        self.max_stacks.store(stacks.max(1), Ordering::Relaxed);
    }

    /// How many guests there may be.
    pub fn max_stacks(&self) -> usize {
        self.max_stacks.load(Ordering::Relaxed)
    }

    /// Whether there is room for one more guest beside `count`; the log hears of it when not, once
    /// until half of them have gone.
    ///
    /// # Errors
    /// `EAGAIN`
    pub fn check_stacks(&self, count: usize) -> Result<()> {
        let max = self.max_stacks();
        if count < max {
            if count < max / 2 {
                self.is_stack_refusal_told.store(false, Ordering::Relaxed);
            }
            return Ok(());
        }
        if !self.is_stack_refusal_told.swap(true, Ordering::Relaxed) {
            let line =
                format!("no more processes: {count} stacks are suspended, as many as may be");
            self.platform.log(Level::Warning, &line);
        }
        Err(Errno::EAGAIN.because("as many guests as the engine has stacks for"))
    }

    pub(super) fn worker(&self, worker: WorkerId) -> Result<&WorkerFrames> {
        usize::try_from(worker.0)
            .ok()
            .and_then(|index| self.workers.get(index))
            .ok_or_else(|| Errno::EFAULT.because("no such Worker"))
    }

    /// The code of the guest in `slot` runs from now on.
    pub(crate) fn enter(&self, worker: WorkerId, slot: Slot) {
        if let Ok(frames) = self.worker(worker) {
            frames.running.store(slot.0, Ordering::Relaxed);
        }
    }

    /// Whose code runs on a Worker, or ran last.
    pub(crate) fn running(&self, worker: WorkerId) -> Option<Slot> {
        let running = self.worker(worker).ok()?.running.load(Ordering::Relaxed);
        (running != NOBODY).then_some(Slot(running))
    }

    /// No guest of the Worker runs: its executor does.
    pub fn leave(&self, worker: WorkerId) {
        if let Ok(frames) = self.worker(worker) {
            frames.running.store(NOBODY, Ordering::Relaxed);
        }
    }

    /// Makes the first frames of the calling Worker.
    pub fn make_first(&self, worker: WorkerId) {
        let Ok(frames) = self.worker(worker) else {
            return;
        };
        let count = FIRST_FRAMES.min(frames.budget.load(Ordering::Relaxed));
        let mut state = frames.state.lock();
        while state.table.len() < count && self.make_frame(worker, frames, &mut state).is_ok() {}
    }

    /// Starts a guest on its Worker, the calling one, in a frame that it may have to share.
    ///
    /// # Errors
    /// As [`Platform::start_guest`]; `ENOMEM` also when nobody can be moved out.
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
        let frame = self.take_frame(worker, frames, &mut state, least_pages)?;
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
        residency.runs(task.executor().recent_ns());
        let guest = Guest {
            frame,
            task: Arc::downgrade(task),
            others: BTreeMap::new(),
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
    /// As [`FramePool::make_resident`] and [`Platform::start_thread`].
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

    /// Takes a guest that has ended away, and zeroes what it has used of its frame.
    pub(crate) fn unseat(&self, worker: WorkerId, slot: Slot) {
        self.platform.end_guest(slot);
        let Ok(frames) = self.worker(worker) else {
            return;
        };
        let mut state = frames.state.lock();
        if state.remove_thread(slot) {
            return;
        }
        let Some(guest) = state.guests.remove(&slot) else {
            return;
        };
        guest.residency.set_resident(false);
        if state.table.resident(guest.frame) == Some(slot) {
            let memory = self.platform.frame_memory(guest.frame);
            clean(&*memory, &guest.program, guest.program.stack_top());
            let used = used_bytes(&guest);
            state.table.note_used(guest.frame, used);
            state.table.set_resident(guest.frame, None);
        }
        self.leave_frame(&mut state, guest.frame);
    }

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

    /// Numbers of each Worker's frames and guests, in their order.
    pub fn report(&self) -> Vec<WorkerReport> {
        let report = |frames: &WorkerFrames| {
            let state = frames.state.lock();
            let stored = || {
                state
                    .guests
                    .values()
                    .filter_map(|guest| guest.stored.as_ref())
            };
            let sum = |bytes: fn(&Stored) -> u64| stored().map(bytes).fold(0, u64::saturating_add);
            let packed = stored().filter(|stored| stored.is_packed());
            WorkerReport {
                nr_guests: state.guests.len(),
                nr_runnable: state
                    .guests
                    .values()
                    .filter(|guest| guest.is_runnable())
                    .count(),
                max_frames: frames.budget.load(Ordering::Relaxed),
                nr_frames: state.table.len(),
                nr_idle: state.table.idle().len(),
                nr_shared: state.table.nr_shared(),
                nr_swapped: stored().count(),
                nr_packed: packed.count(),
                plain_bytes: sum(Stored::plain_bytes),
                held_bytes: sum(Stored::held_bytes),
                nr_moved_out: state.nr_moved_out,
                nr_moved_in: state.nr_moved_in,
            }
        };
        self.workers.iter().map(report).collect()
    }

    /// An idle frame, a new one, or one whose resident has moved out.
    pub(super) fn take_frame(
        &self,
        worker: WorkerId,
        frames: &WorkerFrames,
        state: &mut State,
        least_pages: u32,
    ) -> Result<FrameId> {
        let idle = state.table.idle();
        let is_large = |&&id: &&FrameId| self.platform.frame_memory(id).size_pages() >= least_pages;
        if let Some(&frame) = idle.iter().rev().find(is_large).or(idle.last()) {
            let used = state.table.used_bytes(frame);
            self.budget.uncharge(Class::IdleFrames, used);
            return Ok(frame);
        }
        if state.table.len() < frames.budget.load(Ordering::Relaxed) {
            match self.make_frame(worker, frames, state) {
                Ok(frame) => return Ok(frame),
                Err(error) if state.table.len() == 0 => return Err(error),
                Err(_) => {}
            }
        }
        let running = frames.running.load(Ordering::Relaxed);
        let urgency = |slot: Slot| {
            let guest = state.guests.get(&slot)?;
            if guest.is_running(slot, running) {
                return None;
            }
            Some((guest.is_runnable(), guest.residency.last_ran_ns()))
        };
        let frame = state
            .table
            .to_share(urgency)
            .ok_or_else(|| Errno::ENOMEM.because("no guest can be moved out"))?;
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
    ) -> Result<FrameId> {
        match self.platform.make_frame() {
            Ok(frame) => {
                state.table.add(frame);
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
fn used_bytes(guest: &Guest) -> u64 {
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
fn clean(memory: &dyn FrameMemory, program: &LoadedProgram, live_from: u32) {
    let stack = program.program.stack;
    if stack.lowest > 0 {
        memory.clean(0, stack.lowest.min(stack.pointer_initial));
    }
    memory.clean_down(live_from, STACK_WINDOW);
    memory.clean(stack.pointer_initial, 0);
}

impl Kernel {
    /// Whether one more guest may be made: beyond the budget of stacks a pod would crash.
    ///
    /// # Errors
    /// `EAGAIN`
    pub(crate) fn check_stacks(&self) -> Result<()> {
        self.frames.check_stacks(self.nr_guests())
    }
}
