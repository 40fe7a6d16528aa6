//! `/proc/shoal/pool`: Workers, their turns, their frames, what is swapped out.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use executor::WorkerId;

use super::pool::{FramePool, WorkerFrames};
use super::stored::Stored;
use crate::kernel::Kernel;

/// Numbers of one Worker's frames and guests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerReport {
    /// Guests.
    pub nr_guests: usize,
    /// Those of them that run, or wait for their turn.
    pub nr_runnable: usize,
    /// Frames that there may be.
    pub max_frames: usize,
    /// Frames that there are.
    pub nr_frames: usize,
    /// Those of them without a guest.
    pub nr_idle: usize,
    /// Those with more than one.
    pub nr_shared: usize,
    /// Guests whose memory is in storage.
    pub nr_swapped: usize,
    /// Those of them whose memory is packed.
    pub nr_packed: usize,
    /// Bytes of guests' pages in storage.
    pub plain_bytes: u64,
    /// Bytes of the kernel's memory that they take.
    pub held_bytes: u64,
    /// How often a guest was moved out.
    pub nr_moved_out: u64,
    /// How often one was moved in.
    pub nr_moved_in: u64,
}

impl FramePool {
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
                nr_idle: [true, false]
                    .map(|kind| state.table.idle(kind).len())
                    .iter()
                    .sum(),
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
}

/// One line for each Worker and one for the pod; names before numbers, bytes for sizes.
pub fn text(kernel: &Kernel) -> Vec<u8> {
    let reports = kernel.frames.report();
    let mut text = String::new();
    for (executor, report) in kernel.executors().iter().zip(&reports) {
        let worker = executor.worker();
        // Writing to a string does not fail.
        let _written = writeln!(
            text,
            "worker {} {} {}",
            worker.0,
            line(report),
            turns(kernel, worker)
        );
    }
    let add = |sum: WorkerReport, one: &WorkerReport| WorkerReport {
        nr_guests: sum.nr_guests.saturating_add(one.nr_guests),
        nr_runnable: sum.nr_runnable.saturating_add(one.nr_runnable),
        max_frames: sum.max_frames.saturating_add(one.max_frames),
        nr_frames: sum.nr_frames.saturating_add(one.nr_frames),
        nr_idle: sum.nr_idle.saturating_add(one.nr_idle),
        nr_shared: sum.nr_shared.saturating_add(one.nr_shared),
        nr_swapped: sum.nr_swapped.saturating_add(one.nr_swapped),
        nr_packed: sum.nr_packed.saturating_add(one.nr_packed),
        plain_bytes: sum.plain_bytes.saturating_add(one.plain_bytes),
        held_bytes: sum.held_bytes.saturating_add(one.held_bytes),
        nr_moved_out: sum.nr_moved_out.saturating_add(one.nr_moved_out),
        nr_moved_in: sum.nr_moved_in.saturating_add(one.nr_moved_in),
    };
    let total = reports.iter().fold(WorkerReport::default(), add);
    let _written = writeln!(
        text,
        "pod {} stacks {} max_stacks {}",
        line(&total),
        kernel.nr_guests(),
        kernel.frames.max_stacks(),
    );
    text.into_bytes()
}

/// Whether a guest runs, how many wait for a turn, how many used up a whole slice when they ran last.
fn turns(kernel: &Kernel, worker: WorkerId) -> String {
    let scheduler = &kernel.scheduler;
    format!(
        "running {} ready {} computing {}",
        u8::from(scheduler.is_running(worker)),
        scheduler.nr_ready(worker),
        scheduler.nr_bound(worker),
    )
}

fn line(report: &WorkerReport) -> String {
    format!(
        "guests {} runnable {} frames {} max_frames {} idle {} shared {} swapped {} packed {} \
         swap_bytes {} swap_held_bytes {} swap_outs {} swap_ins {}",
        report.nr_guests,
        report.nr_runnable,
        report.nr_frames,
        report.max_frames,
        report.nr_idle,
        report.nr_shared,
        report.nr_swapped,
        report.nr_packed,
        report.plain_bytes,
        report.held_bytes,
        report.nr_moved_out,
        report.nr_moved_in,
    )
}
