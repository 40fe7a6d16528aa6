//! A task's turns: how its guest gets the Worker, gives it up, and what happens at a safepoint.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use executor::Slice;

use super::{Task, entry};
use crate::call::Outcome;
use crate::kernel::Kernel;
use crate::process::{Process, Usage, signal_status};
use crate::scheduler::{Left, Ready};
use crate::signal::Taken;

/// Polls of the executor at one safepoint: what is left waits for the next.
const POLLS_PER_SAFEPOINT: u32 = 64;

impl Task {
    /// A safepoint of a program that makes no calls; 0: it goes on, else what the shim does next, as
    /// after a call.
    ///
    /// This is where a machine would have its interrupts: timers that are due expire, tasks of the
    /// kernel that are ready run. They run on the guest's stack, but no guest runs in them.
    pub fn safepoint(self: &Arc<Self>) -> u32 {
        let Some(kernel) = self.kernel.upgrade() else {
            return entry::DIE;
        };
        let now_ns = self.executor.now_ns();
        if self.executor.has_due(now_ns) {
            // Somebody's call may reach for its memory, and the frame may be this guest's.
            kernel.frames.leave(self.executor.worker());
            self.executor.run(Slice::polls(POLLS_PER_SAFEPOINT));
            if !self.has_memory(&kernel) {
                return entry::DIE;
            }
        }
        let ran_ns = self.stopwatch.elapsed_ns(now_ns);
        self.check_cpu_time(&kernel, ran_ns);
        if self.attention.load(Ordering::Acquire) {
            return self.finish(&kernel, Outcome::Ready(Ok(0)));
        }
        kernel
            .scheduler
            .spread(&kernel, self, self.stopwatch.busy_ns(now_ns));
        if !kernel.scheduler.must_yield(self, ran_ns) {
            return 0;
        }
        self.state.lock().results.push(0);
        self.clock_out(&kernel, Left::Preempted);
        kernel.scheduler.ready(&kernel, self, Ready::Preempted);
        entry::PENDING
    }

    /// The next call that waits is sched_yield(2).
    pub fn will_yield(&self) {
        self.turn.set_yields();
    }

    /// Starts or goes on with the driver, which starts the program.
    pub(crate) fn begin(self: &Arc<Self>) {
        self.turn.grant();
        match self.driver.get() {
            Some(waker) => waker.wake_by_ref(),
            None => self.executor.spawn(Arc::clone(self).drive()).detach(),
        }
    }

    /// The guest's turn has come: the host lets it run.
    pub(crate) fn resume(&self, kernel: &Kernel) {
        // The guest before it parked or ended at that time.
        self.stopwatch.start(self.executor.recent_ns());
        kernel.platform.resume_guest(self.slot);
    }

    /// Waits until the program may start.
    pub(super) async fn first_turn(&self) {
        poll_fn(|context| {
            self.driver.get_or_init(|| context.waker().clone());
            if self.turn.take_grant() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether a program waits to be started.
    pub(super) fn has_next(&self) -> bool {
        self.state.lock().next.is_some()
    }

    /// Whether it has not started anything, so that another Worker may.
    pub(crate) fn is_movable(&self) -> bool {
        let starts_thread = || self.residency.is_shareable() && self.state.lock().start.is_some();
        self.driver.get().is_none() && self.nr_loans() == 0 && (self.has_next() || starts_thread())
    }

    /// The guest gets `code` when its turn comes.
    pub(super) fn answer(self: &Arc<Self>, kernel: &Kernel, code: u32) {
        self.state.lock().results.push(code);
        let why = match code {
            entry::DIE => Ready::Doomed,
            _ if self.turn.take_yields() => Ready::Yielded,
            _ => Ready::Woken,
        };
        kernel.scheduler.ready(kernel, self, why);
    }

    /// A signal came while the guest waited for its turn: a stop or an end happens now.
    pub(super) fn reconsider(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let code = {
            let mut state = self.state.lock();
            match state.results.last() {
                None | Some(&(entry::SIGNAL | entry::DIE)) => None,
                Some(_) => state.results.pop(),
            }
        };
        let Some(code) = code else {
            // Between two handlers it looks at its signals anyway, but let that be soon.
            if self.is_over() || self.fatal_status().is_some() {
                kernel.scheduler.withdraw(self);
                kernel.scheduler.ready(kernel, self, Ready::Doomed);
            }
            return;
        };
        kernel.scheduler.withdraw(self);
        let code = self.settle(kernel, Ok(code));
        if code != entry::PENDING {
            self.answer(kernel, code);
        }
    }

    /// The wait status of a signal that is going to end the process.
    pub(super) fn fatal_status(&self) -> Option<i32> {
        let process = self.process();
        let signals = process.signals.lock();
        let tid = self.tid();
        match signals
            .needs_attention(tid)
            .then(|| signals.peek(tid))
            .flatten()
        {
            Some(Taken::Terminate(info)) => Some(signal_status(info.number)),
            _ => None,
        }
    }

    /// The guest runs no more: its time goes to its process.
    pub(super) fn clock_out(&self, kernel: &Kernel, why: Left) {
        // It ran, so its Worker was awake.
        let ran_ns = self.stopwatch.stop(self.executor.awake_ns());
        if why == Left::Waits {
            self.cpu_time.note_wait();
            self.with_process(|process| process.cpu_time.note_wait());
            kernel.scheduler.waits(self);
        } else {
            self.cpu_time.note_preemption();
            kernel.scheduler.preempted(self, &self.process(), ran_ns);
        }
        // Mostly the clock has not moved on.
        if ran_ns > 0 {
            let process = self.process();
            self.turn.charge(ran_ns, process.weight());
            self.cpu_time.add_own(ran_ns);
            process.cpu_time.add_own(ran_ns);
            process.check_cpu_time(kernel, process.cpu_time.own_ns());
        }
    }

    /// Gives the time that the guest has run so far to `process`, if it runs.
    pub(in crate::process) fn settle_time(&self, process: &Process) {
        if self.stopwatch.is_running() {
            let ran_ns = self.stopwatch.restart(self.executor.now_ns());
            process.cpu_time.add_own(ran_ns);
            self.cpu_time.add_own(ran_ns);
        }
    }

    /// Signals and limits that depend on the time that the process has used.
    fn check_cpu_time(&self, kernel: &Kernel, ran_ns: u64) {
        let process = self.process();
        let own_ns = process.cpu_time.own_ns().saturating_add(ran_ns);
        process.check_cpu_time(kernel, own_ns);
    }

    /// Time that the kernel has spent for the guest at length does not make it CPU-bound.
    pub(in crate::process) fn excuse(&self, ns: u64) {
        self.stopwatch.excuse(ns);
    }

    /// Whether the guest runs, or its call does that has not waited yet, or waits for its turn.
    pub fn is_runnable(&self) -> bool {
        self.stopwatch.is_running() || self.turn.is_queued()
    }

    /// What this thread has used, what its guest runs just now included.
    pub fn usage(&self) -> Usage {
        let usage = self.cpu_time.own();
        Usage {
            ran_ns: usage.ran_ns.saturating_add(self.running_ns()),
            ..usage
        }
    }

    /// How long the guest has run since it last waited, in nanoseconds.
    pub fn running_ns(&self) -> u64 {
        self.stopwatch.elapsed_ns(self.executor.now_ns())
    }
}
