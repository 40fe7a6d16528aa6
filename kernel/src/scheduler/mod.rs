//! Whose guest runs next on each Worker, for how long, and on which Worker a new one starts.
//!
//! One guest of a Worker runs at a time. The others that could are in the Worker's [`ReadyQueue`],
//! ordered by *virtual time*: the time that a guest has run, divided by the weight of its nice value.
//! Who has had least goes first, so time is shared by weight (ADR 0011).
//!
//! ```text
//!                 wakes (its virtual time is raised to the floor - BONUS)
//!      waiting ─────────────────────> ready <───────────┐ slice over, or preempted
//!         ^                             │ dispatch      │ by one that woke
//!         └────── call that waits ── running ───────────┘
//! ```
//! - A *slice* is at most [`SLICE_NS`]: then the guest parks at its next safepoint, also when nobody
//!   waits, because the host's messages may.
//! - A guest that wakes and has had clearly less than the running one *preempts* it at the next
//!   safepoint: whoever mostly waits (a shell, an editor) is served at once.
//! - A safepoint serves as the interrupt of a real machine: timers that are due and tasks of the
//!   kernel that are ready run there, on top of the guest (`Task::safepoint`).
//! - Guests that *have not started* have an empty stack and may move to another Worker:
//!   see [`placement`].
//!
//! A queue's lock is a leaf: no other lock is taken under it, and no waker is called.

mod placement;
mod queue;
mod turn;
mod weight;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use executor::sync::Lock;
use executor::{Executor, WorkerId};

use self::queue::ReadyQueue;
pub(crate) use self::turn::{Left, Turn};
pub(crate) use self::weight::{virtual_ns, weight_of};
use crate::kernel::Kernel;
use crate::platform::Slot;
use crate::process::{Process, Task};

/// How long a guest runs before it hands over, in nanoseconds.
pub const SLICE_NS: u64 = 10_000_000;
/// How far behind the running guest one that wakes must be to preempt it, in virtual nanoseconds;
/// and how long a guest runs at least before that happens.
const GRANULARITY_NS: u64 = 1_000_000;
/// What a guest that has waited may be behind the others, in virtual nanoseconds: time that it
/// did not use is not saved up.
const BONUS_NS: u64 = 5_000_000;

/// Why a task is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ready {
    /// Its program has not started.
    Start,
    /// Its call has ended.
    Woken,
    /// Its time was up, or somebody more urgent woke.
    Preempted,
    /// It made sched_yield(2): behind all.
    Yielded,
    /// It is to die: before all, it costs nothing and frees much.
    Doomed,
}

/// What [`Scheduler::dispatch`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dispatch {
    /// A guest runs once the host lets it, or runs already.
    Guest,
    /// A task of the executor is ready that starts a guest: run the executor and dispatch again.
    Executor,
    /// No guest is ready.
    Idle,
}

/// The turns of all Workers.
#[derive(Debug)]
pub struct Scheduler {
    workers: Vec<Worker>,
}

/// One Worker's.
struct Worker {
    executor: Arc<Executor>,
    turns: Lock<Turns>,
    /// Guests whose last turn ended because it was too long: CPU-bound, as far as one can tell.
    nr_bound: AtomicUsize,
    nr_switches: AtomicU64,
}

#[derive(Default)]
struct Turns {
    /// Whose guest runs.
    current: Option<Slot>,
    queue: ReadyQueue<Entry>,
    /// The virtual time of the guest that ran last; never goes back.
    floor_ns: u64,
    /// Who ran last.
    last: Option<Slot>,
    /// Who was made to stop running, if it was the last: a switch that it did not ask for, should
    /// another run now.
    preempted: Option<(Slot, Arc<Process>)>,
}

struct Entry {
    task: Arc<Task>,
    why: Ready,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns = self.turns.lock();
        f.debug_struct("Worker")
            .field("current", &turns.current)
            .field("nr_ready", &turns.queue.len())
            .field("floor_ns", &turns.floor_ns)
            .finish_non_exhaustive()
    }
}

impl Scheduler {
    /// Nobody is ready on any of the Workers.
    pub(crate) fn new(executors: &[Arc<Executor>]) -> Self {
        let workers = executors.iter().map(|executor| Worker {
            executor: Arc::clone(executor),
            turns: Lock::default(),
            nr_bound: AtomicUsize::new(0),
            nr_switches: AtomicU64::new(0),
        });
        Self {
            workers: workers.collect(),
        }
    }

    fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.get(usize::try_from(id.0).ok()?)
    }

    fn worker_of(&self, task: &Task) -> Option<&Worker> {
        self.worker(task.executor().worker())
    }

    /// How often Workers went from one guest to another since the boot.
    pub fn nr_switches(&self) -> u64 {
        let counts = self.workers.iter().map(|worker| &worker.nr_switches);
        counts
            .map(|count| count.load(Ordering::Relaxed))
            .fold(0, u64::saturating_add)
    }

    /// Guests that wait for a turn on a Worker.
    pub fn nr_ready(&self, worker: WorkerId) -> usize {
        self.worker(worker)
            .map_or(0, |worker| worker.turns.lock().queue.len())
    }

    /// Whether a guest runs on a Worker.
    pub fn is_running(&self, worker: WorkerId) -> bool {
        self.worker(worker)
            .is_some_and(|worker| worker.turns.lock().current.is_some())
    }

    /// Guests of a Worker whose last turn was a whole slice.
    pub fn nr_bound(&self, worker: WorkerId) -> usize {
        self.worker(worker)
            .map_or(0, |worker| worker.nr_bound.load(Ordering::Relaxed))
    }

    /// Has a guest that has not started wait for its first turn, from any thread.
    pub(crate) fn start(&self, task: &Arc<Task>) {
        let Some(worker) = self.worker_of(task) else {
            return;
        };
        worker.turns.lock().enqueue(task, Ready::Start);
        if !worker.executor.is_current() {
            // Wakes the Worker, which then looks at its queue.
            worker.executor.spawn_boxed(Box::pin(async {})).detach();
        }
    }

    /// Lets a parked guest go on when its turn comes; on its own Worker.
    pub(crate) fn ready(&self, kernel: &Kernel, task: &Arc<Task>, why: Ready) {
        let Some(worker) = self.worker_of(task) else {
            return;
        };
        let switched = {
            let mut turns = worker.turns.lock();
            let is_free = turns.current.is_none() && turns.queue.is_empty();
            if !is_free || matches!(why, Ready::Preempted | Ready::Yielded) {
                turns.enqueue(task, why);
                return;
            }
            // The usual case on a machine with little to do: no way through the queue.
            let virtual_ns = task.turn.raise(turns.floor_ns.saturating_sub(BONUS_NS));
            turns.enter(task.slot, virtual_ns)
        };
        worker.note(task.slot, switched);
        task.resume(kernel);
    }

    /// Gives the next guest of a Worker its turn, unless one runs; on that Worker, from outside of
    /// the executor.
    pub fn dispatch(&self, kernel: &Kernel, worker: WorkerId) -> Dispatch {
        let Some(worker) = self.worker(worker) else {
            return Dispatch::Idle;
        };
        let (entry, switched) = {
            let mut turns = worker.turns.lock();
            if turns.current.is_some() {
                return Dispatch::Guest;
            }
            let Some((virtual_ns, entry)) = turns.queue.pop() else {
                return Dispatch::Idle;
            };
            entry.task.turn.set_queued(false);
            let switched = turns.enter(entry.task.slot, virtual_ns);
            (entry, switched)
        };
        worker.note(entry.task.slot, switched);
        if entry.why == Ready::Start {
            entry.task.begin();
            return Dispatch::Executor;
        }
        entry.task.resume(kernel);
        Dispatch::Guest
    }

    /// Whether any guest waits for a turn on this task's Worker.
    pub fn has_ready(&self, task: &Task) -> bool {
        self.worker_of(task)
            .is_some_and(|worker| !worker.turns.lock().queue.is_empty())
    }

    /// Whether the guest of `task`, which has run for `ran_ns`, is to let somebody else run.
    pub(crate) fn must_yield(&self, task: &Task, ran_ns: u64) -> bool {
        if ran_ns >= SLICE_NS {
            return true;
        }
        if ran_ns < GRANULARITY_NS {
            return false;
        }
        let Some(worker) = self.worker_of(task) else {
            return false;
        };
        let turns = worker.turns.lock();
        let Some((first_ns, entry)) = turns.queue.first() else {
            return false;
        };
        // Those that were preempted wait for the end of a slice, else slices would be short.
        let is_urgent = matches!(entry.why, Ready::Woken | Ready::Yielded | Ready::Doomed);
        is_urgent
            && first_ns.saturating_add(GRANULARITY_NS)
                < task.turn.virtual_ns_after(ran_ns, task.process().weight())
    }

    /// The guest of `task` does not run any more.
    pub(crate) fn vacate(&self, task: &Task) {
        if let Some(worker) = self.worker_of(task) {
            let mut turns = worker.turns.lock();
            if turns.current == Some(task.slot) {
                turns.current = None;
            }
        }
    }

    /// The guest of `task`, who is `process`, has run for `ran_ns` and could go on.
    pub(crate) fn preempted(&self, task: &Task, process: &Arc<Process>, ran_ns: u64) {
        let preempted = Some((task.slot, Arc::clone(process)));
        if let Some(worker) = self.leave(task, preempted)
            && ran_ns >= SLICE_NS
            && !task.turn.set_bound(true)
        {
            worker.nr_bound.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The guest of `task` waits, or has ended.
    pub(crate) fn waits(&self, task: &Task) {
        if let Some(worker) = self.leave(task, None)
            && task.turn.set_bound(false)
        {
            worker.nr_bound.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Frees the Worker of `task`.
    fn leave(&self, task: &Task, preempted: Option<(Slot, Arc<Process>)>) -> Option<&Worker> {
        let worker = self.worker_of(task)?;
        let old = {
            let mut turns = worker.turns.lock();
            if turns.current == Some(task.slot) {
                turns.current = None;
            }
            std::mem::replace(&mut turns.preempted, preempted)
        };
        drop(old);
        Some(worker)
    }

    /// Whoever runs on a Worker has had its turn: for tests, whose guests all run at once.
    pub(crate) fn end_turn(&self, worker: WorkerId) {
        if let Some(worker) = self.worker(worker) {
            worker.turns.lock().current = None;
        }
    }

    /// Takes a task out of the queue of its Worker, where it is.
    pub(crate) fn withdraw(&self, task: &Task) {
        let entry = self.worker_of(task).and_then(|worker| {
            let mut turns = worker.turns.lock();
            turns.queue.take(|entry| entry.task.slot == task.slot)
        });
        if let Some(entry) = &entry {
            entry.task.turn.set_queued(false);
        }
    }
}

impl Worker {
    /// Counts a switch to `slot`, and one that the guest before did not ask for.
    fn note(&self, slot: Slot, switched: Switched) {
        if switched.is_switch {
            self.nr_switches.fetch_add(1, Ordering::Relaxed);
        }
        if let Some((last, process)) = switched.preempted
            && last != slot
        {
            process.cpu_time.note_preemption();
        }
    }
}

/// What changed when a guest got its turn.
struct Switched {
    is_switch: bool,
    preempted: Option<(Slot, Arc<Process>)>,
}

impl Turns {
    fn enqueue(&mut self, task: &Arc<Task>, why: Ready) {
        let turn = &task.turn;
        turn.set_queued(true);
        let entry = Entry {
            task: Arc::clone(task),
            why,
        };
        match why {
            Ready::Doomed => self.queue.push(0, entry),
            Ready::Yielded => self.queue.push_last(turn.raise(0), entry),
            Ready::Preempted => self.queue.push(turn.raise(0), entry),
            Ready::Start => self.queue.push(turn.raise(self.floor_ns), entry),
            Ready::Woken => {
                let lowest_ns = self.floor_ns.saturating_sub(BONUS_NS);
                self.queue.push(turn.raise(lowest_ns), entry);
            }
        }
    }

    fn enter(&mut self, slot: Slot, virtual_ns: u64) -> Switched {
        self.current = Some(slot);
        self.floor_ns = self.floor_ns.max(virtual_ns);
        let last = self.last.replace(slot);
        Switched {
            is_switch: last != Some(slot),
            preempted: self.preempted.take(),
        }
    }
}
