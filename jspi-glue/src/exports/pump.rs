//! The turn of a Worker: runs what is ready, then says which guest is next or how long to wait.

use std::cell::Cell;
use std::sync::Arc;

use executor::{Executor, RunState, Slice};
use kernel::Kernel;
use kernel::scheduler::Dispatch;

use super::own_executor;
use crate::{imports, platform, pod};

/// Polls in one call of [`pump`], so that the host can look at its clock.
const POLLS: u32 = 64;
/// What [`pump`] says when there is more to do, after the host has looked at its messages.
const MORE: f64 = -1.0;
/// What [`pump`] says when a guest runs next, which pumps when it parks or ends.
const BUSY: f64 = -2.0;
/// How long guests run, one after the other, before the host looks at its messages; nanoseconds. A
/// guest that makes no calls runs for a slice of the scheduler's in one go.
const MACROTASK_NS: u64 = 4_000_000;

thread_local! {
    /// When the host has looked at its messages last; 0: just now.
    static LOOKED_NS: Cell<u64> = const { Cell::new(0) };
    /// What [`rings_seen`] tells.
    static NR_RINGS_SEEN: Cell<u32> = const { Cell::new(0) };
}

/// Runs what is ready on this Worker and gives the next guest its turn; [`MORE`], [`BUSY`], or
/// milliseconds to the next timer, infinity without one. In the last case the Worker is idle: a
/// wake-up rings its bell. [`BUSY`] less a slot: the host resumes the guest in it, which pumps.
#[unsafe(no_mangle)]
pub extern "C" fn pump() -> f64 {
    let (Some(executor), Some(kernel)) = (own_executor(), pod::kernel()) else {
        return f64::INFINITY;
    };
    kernel.frames.leave(executor.worker());
    match LOOKED_NS.get() {
        0 => LOOKED_NS.set(executor.now_ns()),
        looked_ns => {
            if executor.recent_ns().saturating_sub(looked_ns) > MACROTASK_NS {
                LOOKED_NS.set(0);
                return MORE;
            }
        }
    }
    match platform::collect_resumed(|| run(executor, kernel)) {
        (BUSY, Some(slot)) => BUSY - f64::from(slot) - 1.0,
        (wait, None) => wait,
        (wait, Some(slot)) => {
            imports::resume_guest(slot);
            wait
        }
    }
}

/// Until a guest runs next, or nothing does.
fn run(executor: &Executor, kernel: &Arc<Kernel>) -> f64 {
    let has_more = loop {
        let state = executor.run(Slice::polls(POLLS));
        if state == RunState::Idle && platform::has_resumed() {
            return BUSY;
        }
        match kernel.scheduler.dispatch(kernel, executor.worker()) {
            // Perhaps only a task that starts it, behind the others: nobody else would pump.
            Dispatch::Guest if state == RunState::More => break true,
            Dispatch::Guest => return BUSY,
            Dispatch::Executor => {}
            Dispatch::Idle => break state == RunState::More,
        }
    };
    LOOKED_NS.set(0);
    // Before the executor says that it is idle: a later wake changes the bell.
    NR_RINGS_SEEN.set(platform::nr_rings(executor.worker()));
    if has_more || !executor.begin_idle() {
        return MORE;
    }
    match executor.next_deadline_ns() {
        None => f64::INFINITY,
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "a duration in nanoseconds as a float for the host's timer"
        )]
        Some(deadline) => deadline.saturating_sub(executor.now_ns()) as f64 / 1e6,
    }
}

/// How often this Worker's bell had rung when it was idle last: the host waits for more.
#[unsafe(no_mangle)]
pub extern "C" fn rings_seen() -> u32 {
    NR_RINGS_SEEN.get()
}
