//! The frames of all Workers: how many there may be, and whose code runs in them. `guests`: who is
//! in them; `seats`: who gets one; `swap`: memories that move out and in.
//!
//! Lock order: a Worker's frames, then signals and address space of the guest that leaves. Other
//! Workers take the lock only to look at the numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use abi::{Errno, Result};
use executor::WorkerId;
use executor::sync::Lock;
use fs::budget::Budget;

use super::guests::State;
use crate::kernel::Kernel;
use crate::platform::{Level, Platform, Slot};

/// Frames of a pod, if the host does not say how many memories it has.
pub const DEFAULT_FRAMES: usize = 1024;
/// Guests of a pod, if the host does not say how many stacks it can suspend.
pub const DEFAULT_STACKS: usize = 16_000;
/// No guest has this slot.
const NOBODY: u32 = u32::MAX;

/// The frames of one Worker.
#[derive(Debug)]
pub(super) struct WorkerFrames {
    /// How many there may be; the engine may have fewer.
    pub(super) budget: AtomicUsize,
    /// Whose code runs, or ran last.
    pub(super) running: AtomicU32,
    pub(super) state: Lock<State>,
}

/// The frames of all Workers, and how many guests there may be.
#[derive(Debug)]
pub struct FramePool {
    pub(super) workers: Vec<WorkerFrames>,
    pub(super) platform: Arc<dyn Platform>,
    pub(super) budget: Arc<Budget>,
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
