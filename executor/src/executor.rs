//! [`Executor`]: the loop that polls the ready tasks of one Worker.
//!
//! The host (a Worker's event loop, or a native thread) drives it:
//!
//! ```text
//!          ┌───────────── macrotask, message, notify, timeout ─────────────┐
//!          v                                                               │
//!   run(slice) ── More ──> hop to a macrotask (messages, fetch), run again │
//!      │ Idle                                                              │
//!   begin_idle() ── false ──> run again                                    │
//!      │ true                                                              │
//!   next_deadline_ns() ──> wait for notify, at most until the deadline ────┘
//! ```

use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use async_task::Runnable;

use crate::{
    clock::Clock,
    pender::{Pender, WorkerId},
    run_queue::{Pushed, RunQueue},
    task::JoinHandle,
    timer::{Sleep, Timers},
};

/// Polls between two looks at the clock. A look costs a call into JavaScript (tens of
/// nanoseconds), a poll about as much; a slice overshoots by at most this many polls.
const POLLS_PER_CLOCK: u32 = 8;

/// In `recent_ns`, above all times.
const AWAKE: u64 = 1 << 63;

/// `id` of no executor.
const NOBODY: u64 = 0;

/// The next executor's identity. Not its address, which another could get after its end.
static NEXT_ID: AtomicU64 = AtomicU64::new(NOBODY + 1);

#[cfg(not(loom))]
thread_local! {
    /// The identity of the executor that this thread entered, or [`NOBODY`].
    static CURRENT: Cell<u64> = const { Cell::new(NOBODY) };
}

#[cfg(loom)]
crate::loom::thread_local! {
    static CURRENT: Cell<u64> = Cell::new(NOBODY);
}

/// How long one call of [`Executor::run`] may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Stop at this moment of the executor's clock; `u64::MAX` for never. At least one poll is
    /// made, so a late host still makes progress.
    pub deadline_ns: u64,
    /// Stop after this many polls; `u32::MAX` for as many as the deadline allows.
    pub polls: u32,
}

impl Slice {
    /// Runs until nothing is ready.
    pub const UNLIMITED: Self = Self {
        deadline_ns: u64::MAX,
        polls: u32::MAX,
    };

    /// Runs until nothing is ready.
    pub const fn unlimited() -> Self {
        Self::UNLIMITED
    }

    /// Runs until nothing is ready, or the clock shows `deadline_ns`.
    pub const fn until(deadline_ns: u64) -> Self {
        Self {
            deadline_ns,
            ..Self::UNLIMITED
        }
    }

    /// Runs until nothing is ready, or `polls` polls were made.
    pub const fn polls(polls: u32) -> Self {
        Self {
            polls,
            ..Self::UNLIMITED
        }
    }
}

impl Default for Slice {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// Why [`Executor::run`] returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Nothing is ready: the host may go on to [`Executor::begin_idle`].
    Idle,
    /// The slice is over and tasks are still ready: the host hops to a macrotask and runs again.
    More,
}

/// What tasks, timers and handles share with their executor; outlives it if they do.
pub(crate) struct Shared {
    id: u64,
    worker: WorkerId,
    pub(crate) clock: Arc<dyn Clock>,
    pender: Arc<dyn Pender>,
    queue: RunQueue<Runnable>,
    pub(crate) timers: Timers,
    /// What the clock showed when it was last looked at, if the Worker did not wait since; else 0.
    /// With [`AWAKE`] the host has said since the last run that the Worker is awake. One word,
    /// because in WebAssembly each atomic store costs a full barrier.
    recent_ns: AtomicU64,
}

impl Shared {
    fn is_current(&self) -> bool {
        CURRENT
            .try_with(|current| current.get() == self.id)
            .unwrap_or(false)
    }

    fn schedule(&self, runnable: Runnable) {
        let pushed = if self.is_current() {
            self.queue.push_local(runnable)
        } else {
            self.queue.push_remote(runnable)
        };
        if pushed == Pushed::MustNotify {
            self.pender.notify(self.worker);
        }
    }

    /// Rings if the Worker sleeps, because what it waits for has changed (an earlier deadline).
    pub(crate) fn notify_if_idle(&self) {
        if self.queue.take_idle() {
            self.pender.notify(self.worker);
        }
    }
}

/// The executor of one Worker: its run queue, its inbox and its timers.
///
/// Any thread may spawn and wake; one thread, the Worker's own, runs. Dropping it drops the tasks
/// that are ready or asleep; one that waits for something else is dropped when that wakes it.
pub struct Executor {
    shared: Arc<Shared>,
}

impl Executor {
    /// An executor with no tasks, for Worker `worker`.
    pub fn new(worker: WorkerId, clock: Arc<dyn Clock>, pender: Arc<dyn Pender>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            worker,
            clock,
            pender,
            queue: RunQueue::new(),
            timers: Timers::new(),
            recent_ns: AtomicU64::new(0),
        });
        Arc::new(Self { shared })
    }

    /// The Worker whose tasks it polls.
    pub fn worker(&self) -> WorkerId {
        self.shared.worker
    }

    /// The current time of its clock, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        let now_ns = self.shared.clock.now_ns();
        self.shared.recent_ns.store(now_ns, Ordering::Relaxed);
        now_ns
    }

    /// The current time, late by a few milliseconds at most, from a Worker that runs: says
    /// [`Executor::end_idle`] too.
    pub fn awake_ns(&self) -> u64 {
        self.shared.queue.end_idle();
        let now_ns = self.shared.clock.coarse_ns();
        self.shared
            .recent_ns
            .store(now_ns | AWAKE, Ordering::Relaxed);
        now_ns
    }

    /// What its clock showed when it was last looked at, in nanoseconds, if the Worker has not
    /// waited since ([`Executor::end_idle`]); else the current time. For the own thread: spares a
    /// call into JavaScript.
    pub fn recent_ns(&self) -> u64 {
        match self.shared.recent_ns.load(Ordering::Relaxed) & !AWAKE {
            0 => self.now_ns(),
            recent_ns => recent_ns,
        }
    }

    /// Starts `future` as a task of this executor: from any thread, first polled by the next run.
    pub fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let shared = Arc::clone(&self.shared);
        let (runnable, task) = async_task::spawn(future, move |runnable| shared.schedule(runnable));
        runnable.schedule();
        JoinHandle::new(task)
    }

    /// The same for what seldom runs: each type of future that [`spawn`](Self::spawn) sees is another
    /// kilobyte of code, this one is one for all.
    pub fn spawn_boxed(
        self: &Arc<Self>,
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> JoinHandle<()> {
        self.spawn(future)
    }

    /// Marks the current thread as this executor's own until the guard is dropped.
    ///
    /// Wakes on the own thread go straight to the local queue. A Worker enters once, for life:
    /// `executor.enter().forever()`. Entering again (also another executor) nests.
    pub fn enter(&self) -> Entered {
        let previous = CURRENT.with(|current| current.replace(self.shared.id));
        Entered {
            previous: Some(previous),
            not_send: PhantomData,
        }
    }

    /// Tells whether the current thread entered this executor.
    pub fn is_current(&self) -> bool {
        self.shared.is_current()
    }

    /// Polls ready tasks in order and expires timers, until nothing is ready or `slice` is over.
    ///
    /// For the own thread only, which it enters for the time of the call. Ends idleness.
    ///
    /// # Panics
    /// Passes on the panic of a task; the task counts as cancelled and the executor goes on.
    pub fn run(&self, slice: Slice) -> RunState {
        let _entered = self.enter();
        let Shared {
            queue,
            timers,
            clock,
            ..
        } = &*self.shared;
        queue.end_idle();
        let recent_ns = match self.shared.recent_ns.load(Ordering::Relaxed) {
            awake_ns if awake_ns & AWAKE != 0 => awake_ns & !AWAKE,
            _ => 0,
        };
        self.shared.recent_ns.store(recent_ns, Ordering::Relaxed);
        let mut polls_left = slice.polls;
        let mut is_first_batch = true;
        loop {
            let mut batch = POLLS_PER_CLOCK;
            if slice.deadline_ns != u64::MAX || timers.earliest_hint_ns() != u64::MAX {
                let now_ns = clock.now_ns();
                timers.expire(now_ns);
                if now_ns >= slice.deadline_ns {
                    if !is_first_batch {
                        return self.state();
                    }
                    batch = 1;
                }
            }
            is_first_batch = false;
            for nr_polled in 0..batch {
                if polls_left == 0 {
                    return self.state();
                }
                let Some(runnable) = queue.pop() else {
                    if nr_polled == 0 || timers.earliest_hint_ns() == u64::MAX {
                        return RunState::Idle;
                    }
                    // The tasks took time: a timer may have expired meanwhile.
                    break;
                };
                runnable.run();
                if polls_left != u32::MAX {
                    polls_left = polls_left.saturating_sub(1);
                }
            }
        }
    }

    fn state(&self) -> RunState {
        if self.shared.queue.is_empty() {
            RunState::Idle
        } else {
            RunState::More
        }
    }

    /// Tells whether a task is ready, as far as this thread knows.
    pub fn has_ready(&self) -> bool {
        !self.shared.queue.is_empty()
    }

    /// Tells whether [`Executor::run`] would do something at `now_ns`: a task is ready, or a timer
    /// is due, as far as this thread knows.
    pub fn has_due(&self, now_ns: u64) -> bool {
        self.shared.timers.earliest_hint_ns() <= now_ns || self.has_ready()
    }

    /// The earliest deadline of a timer, in nanoseconds of the clock.
    ///
    /// Ask after [`Executor::begin_idle`] returned true: an earlier one that another thread sets
    /// from then on notifies.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.shared.timers.earliest_ns()
    }

    /// A future that is ready once the clock shows `deadline_ns`; its timer runs on this executor.
    pub fn sleep_until(self: &Arc<Self>, deadline_ns: u64) -> Sleep {
        Sleep::new(Arc::clone(&self.shared), deadline_ns)
    }

    /// Awaits `future`, but no longer than until the clock shows `deadline_ns`.
    ///
    /// Returns `None` when the deadline came first; a future that is ready then still wins.
    ///
    /// # Cancellation
    /// `future` is dropped with this one, or when the deadline came first.
    pub async fn with_deadline<F: Future>(
        self: &Arc<Self>,
        deadline_ns: u64,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep_until(deadline_ns));
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Announces that the host is about to wait. For the own thread.
    ///
    /// True: nothing is ready, and the next wake calls [`Pender::notify`] once. False: a task
    /// became ready meanwhile, run again. Timers are the host's matter, see
    /// [`Executor::next_deadline_ns`].
    pub fn begin_idle(&self) -> bool {
        self.shared.queue.begin_idle()
    }

    /// Announces that the host is awake, so that wakes need not notify. [`Executor::run`] does too.
    pub fn end_idle(&self) {
        self.shared.queue.end_idle();
        self.shared.recent_ns.fetch_or(AWAKE, Ordering::Relaxed);
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.queue.close();
        // A sleeping task holds its timer, which holds its waker, which holds the task.
        self.shared.timers.clear();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("worker", &self.shared.worker)
            .field("queue", &self.shared.queue)
            .finish_non_exhaustive()
    }
}

/// Proof that the current thread entered an executor; leaves it when dropped.
#[must_use = "dropping it leaves the executor"]
pub struct Entered {
    /// Who to return to; `None` to stay.
    previous: Option<u64>,
    /// It belongs to a thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    /// Stays entered until the thread ends.
    pub fn forever(mut self) {
        self.previous = None;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(previous) = self.previous {
            let _ = CURRENT.try_with(|current| current.set(previous));
        }
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entered")
    }
}
