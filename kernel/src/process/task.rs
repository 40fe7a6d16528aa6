//! A task: a thread of execution of a process, its system call, and the guest that runs it.
//!
//! ```text
//!            ┌──────── guest runs (Wasm) <──────────┐
//!            │ call                                 │ resume: the shim asks `take_result`
//!            v                                      │
//!   syscalls::dispatch ── Ready ──> settle ── value ┘ (without parking)
//!            │ Pending                ^
//!            v                        │ Ready
//!         parked ──wake──> driver polls the call
//! ```
//! The *driver* is the task's future on its Worker's executor: see `driver`. What a task is as one
//! thread among several: `identity`.

mod driver;
mod identity;
mod resident;
mod stall;
mod turn;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use abi::Errno;
use abi::flags::SA_RESTART;
use executor::Executor;
use executor::sync::Lock;
use fs::io::NOT_RESIDENT;
use fs::vfs::flush::Flush;

use self::identity::Identity;
use super::cpu_time::{CpuTime, Stopwatch};
use super::fork::Unwound;
use super::{IoCount, Pid, Process, RunState, ThreadStart};
use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::exec::Executable;
use crate::kernel::Kernel;
use crate::memory::frames::Residency;
use crate::platform::{GuestEnd, Slot, UserMemory};
use crate::scheduler::{Left, Turn};
use crate::signal::{self, Frame, Taken};

/// What the shim does next; the constants are part of the ABI between shim and kernel.
pub(crate) mod entry {
    /// Park; then ask for the result.
    pub(crate) const PENDING: u32 = abi::special::PENDING;
    /// Trap: this instance is over.
    pub(crate) const DIE: u32 = abi::special::DIE;
    /// Ask for the result, run handlers, then return it.
    pub(crate) const SIGNAL: u32 = abi::special::SIGNAL;
    /// As a result after [`SIGNAL`]: make the same call again.
    pub(crate) const RESTART: u32 = abi::special::RESTART;
}

type PendingCall = Pin<Box<dyn Future<Output = Answer<u32>> + Send>>;
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct CallState {
    pending: Option<PendingCall>,
    /// Stopped between two handlers: then the shim asks for the next one, not for a result.
    stop: Option<Stop>,
    /// What `take_result` gives: first the last, then the one before.
    results: Vec<u32>,
    frame: Frame,
    guest_end: Option<GuestEnd>,
    next: Option<Executable>,
    /// How a thread starts that has not.
    start: Option<ThreadStart>,
    /// What has to be durable before the call that runs is over.
    flushes: Vec<Flush>,
}

/// One thread of execution.
pub struct Task {
    /// Its seat in the Worker.
    pub slot: Slot,
    memory: Arc<dyn UserMemory>,
    executor: Arc<Executor>,
    pub(crate) kernel: Weak<Kernel>,
    /// Whose identity it has: the last one counts; more than one between `vfork` and `exec`.
    identities: Lock<Vec<Identity>>,
    attention: AtomicBool,
    /// Its thread has ended, or its process has: it makes no more calls.
    is_doomed: AtomicBool,
    /// Where the guest is told of the end of this thread, an address; 0: nowhere.
    clear_child_tid: AtomicU32,
    /// The head of the list of its robust futexes, an address; 0: none.
    robust_list: AtomicU32,
    /// Its short name, if it has one of its own.
    comm: Lock<Option<Vec<u8>>>,
    state: Lock<CallState>,
    /// Wakes the driver; there since its first poll.
    driver: OnceLock<Waker>,
    stopwatch: Stopwatch,
    /// How long this thread ran before it waited last.
    pub(crate) cpu_time: CpuTime,
    /// What it read and wrote.
    pub io: IoCount,
    /// What the scheduler knows of it.
    pub(crate) turn: Turn,
    residency: Arc<Residency>,
    /// When a call ends that was interrupted and is made again; 0: none.
    restart_deadline_ns: AtomicU64,
    /// What had arrived when its call met bytes that had not.
    arrivals_seen: AtomicU32,
    /// Its stack while it forks.
    pub(super) unwound: Lock<Unwound>,
    /// Its guest has a seat, and has not run: it is a child of fork(2).
    is_seated: AtomicBool,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({:?} on {:?})", self.slot, self.executor.worker())
    }
}

impl Sleeper for Task {
    fn is_interrupted(&self) -> bool {
        self.attention.load(Ordering::Acquire)
            && (self.is_over() || self.process().signals.lock().needs_attention(self.tid()))
    }

    fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    fn now_ns(&self) -> u64 {
        self.kernel
            .upgrade()
            .map_or(0, |kernel| kernel.platform.monotonic_ns())
    }
}

impl Task {
    pub(super) fn new(
        kernel: &Arc<Kernel>,
        slot: Slot,
        executor: Arc<Executor>,
        process: &Arc<Process>,
        executable: Executable,
    ) -> Arc<Self> {
        let identity = Identity {
            process: Arc::clone(process),
            tid: process.pid,
        };
        let state = CallState {
            next: Some(executable),
            ..CallState::default()
        };
        let task = Self::with_state(kernel, slot, executor, identity, state, Arc::default());
        process.set_thread(process.pid, &task);
        task
    }

    /// A thread of `maker`'s process, with the id `tid`, which the process has yet to admit.
    pub(super) fn new_thread(
        kernel: &Arc<Kernel>,
        slot: Slot,
        executor: Arc<Executor>,
        maker: &Self,
        tid: Pid,
        start: ThreadStart,
    ) -> Arc<Self> {
        let identity = Identity {
            process: maker.process(),
            tid,
        };
        let state = CallState {
            start: Some(start),
            ..CallState::default()
        };
        let residency = Arc::clone(&maker.residency);
        Self::with_state(kernel, slot, executor, identity, state, residency)
    }

    /// The task of a child, whose guest is seated and goes on with a stack of `words`.
    pub(super) fn forked(
        kernel: &Arc<Kernel>,
        slot: Slot,
        executor: Arc<Executor>,
        process: &Arc<Process>,
        words: Vec<u32>,
    ) -> Arc<Self> {
        let identity = Identity {
            process: Arc::clone(process),
            tid: process.pid,
        };
        let state = CallState::default();
        let task = Self::with_state(kernel, slot, executor, identity, state, Arc::default());
        process.set_thread(process.pid, &task);
        *task.unwound.lock() = Unwound::of_child(words);
        task.is_seated.store(true, Ordering::Relaxed);
        task
    }

    fn with_state(
        kernel: &Arc<Kernel>,
        slot: Slot,
        executor: Arc<Executor>,
        identity: Identity,
        state: CallState,
        residency: Arc<Residency>,
    ) -> Arc<Self> {
        Arc::new(Self {
            slot,
            memory: kernel.platform.memory(slot),
            executor,
            kernel: Arc::downgrade(kernel),
            identities: Lock::new(vec![identity]),
            attention: AtomicBool::new(false),
            is_doomed: AtomicBool::new(false),
            clear_child_tid: AtomicU32::new(0),
            robust_list: AtomicU32::new(0),
            comm: Lock::new(None),
            state: Lock::new(state),
            driver: OnceLock::new(),
            stopwatch: Stopwatch::default(),
            cpu_time: CpuTime::default(),
            io: IoCount::default(),
            turn: Turn::default(),
            residency,
            restart_deadline_ns: AtomicU64::new(0),
            arrivals_seen: AtomicU32::new(u32::MAX),
            unwound: Lock::default(),
            is_seated: AtomicBool::new(false),
        })
    }

    /// The guest's memory.
    pub const fn memory(&self) -> &Arc<dyn UserMemory> {
        &self.memory
    }

    /// The executor of its Worker.
    pub const fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    pub(super) fn take_next(&self) -> Option<Executable> {
        self.state.lock().next.take()
    }

    pub(super) fn take_start(&self) -> Option<ThreadStart> {
        self.state.lock().start.take()
    }

    pub(super) fn set_next(&self, executable: Executable) {
        self.state.lock().next = Some(executable);
        self.attention.store(true, Ordering::Release);
    }

    /// Has the task look at its signals; ends a wait.
    pub fn request_attention(&self) {
        self.attention.store(true, Ordering::Release);
        if let Some(waker) = self.driver.get() {
            waker.wake_by_ref();
        }
    }

    /// Ends a system call on its first try: what the shim gets.
    pub fn finish(self: &Arc<Self>, kernel: &Arc<Kernel>, outcome: Outcome<u32>) -> u32 {
        match outcome {
            Outcome::Ready(answer) => self.settle(kernel, answer),
            Outcome::Pending(call) => {
                let Some(waker) = self.driver.get() else {
                    return entry::DIE;
                };
                let mut call = call;
                match call.as_mut().poll(&mut Context::from_waker(waker)) {
                    Poll::Ready(answer) => {
                        self.io.end(answer.as_ref().ok());
                        self.settle(kernel, answer)
                    }
                    Poll::Pending => {
                        self.state.lock().pending = Some(call);
                        let why = if self.turn.yields() {
                            Left::Preempted
                        } else {
                            Left::Waits
                        };
                        self.clock_out(kernel, why);
                        entry::PENDING
                    }
                }
            }
        }
    }

    /// The result of the parked call, or after [`entry::SIGNAL`] the result behind it.
    pub fn take_result(&self, kernel: &Kernel) -> u32 {
        let result = self.state.lock().results.pop().unwrap_or(entry::DIE);
        if result == entry::DIE || self.has_memory(kernel) {
            result
        } else {
            entry::DIE
        }
    }

    /// A call with this deadline was interrupted: if it is made again, it ends at the same time.
    pub fn keep_deadline(&self, deadline_ns: u64) {
        self.restart_deadline_ns
            .store(deadline_ns, Ordering::Relaxed);
    }

    /// The deadline that an interrupted call left, if this is the same call made again.
    pub fn take_kept_deadline(&self) -> Option<u64> {
        match self.restart_deadline_ns.swap(0, Ordering::Relaxed) {
            0 => None,
            deadline_ns => Some(deadline_ns),
        }
    }

    /// Turns an answer into a code, looking at signals when there are any.
    fn settle(self: &Arc<Self>, kernel: &Arc<Kernel>, answer: Answer<u32>) -> u32 {
        if let Err(Fault::Error(NOT_RESIDENT)) = answer {
            return self.stall(kernel);
        }
        if !self.attention.load(Ordering::Acquire) {
            return match answer {
                Ok(value) => value,
                Err(Fault::Error(error)) => negated(error.errno),
                Err(Fault::TimedOut) => negated(Errno::ETIMEDOUT),
                Err(Fault::Interrupted(Restart::Never)) => negated(Errno::EINTR),
                Err(Fault::Interrupted(_)) => self.after_signal(entry::RESTART),
            };
        }
        self.settle_with_signals(kernel, answer)
    }

    fn settle_with_signals(self: &Arc<Self>, kernel: &Arc<Kernel>, answer: Answer<u32>) -> u32 {
        if let Some(code) = self.after_flushes(kernel, &answer) {
            return code;
        }
        let process = self.process();
        let run_state = kernel.processes.state_of(process.pid);
        if self.is_over()
            || self.state.lock().next.is_some()
            || matches!(run_state, Some(RunState::Zombie(_)) | None)
        {
            self.attention.store(
                process.signals.lock().needs_attention(self.tid()),
                Ordering::Release,
            );
            return entry::DIE;
        }
        if matches!(run_state, Some(RunState::Stopped(_))) {
            // Another thread has taken the signal.
            return self.stay_stopped(kernel, process, answer);
        }
        let tid = self.tid();
        let mut signals = process.signals.lock();
        // Look before taking: a handler is taken when the shim asks for it.
        match signals.peek(tid) {
            None => {
                // Drop what does nothing.
                let _nothing = signals.take(tid);
                if !signals.needs_attention(tid) {
                    self.attention.store(false, Ordering::Release);
                }
                if let (Some(mask), Err(Fault::Interrupted(_))) =
                    (signals.thread(tid).saved_mask.take(), &answer)
                {
                    signals.thread(tid).set_mask(mask);
                }
                drop(signals);
                match answer {
                    Ok(value) => value,
                    Err(Fault::Error(error)) => negated(error.errno),
                    Err(Fault::TimedOut) => negated(Errno::ETIMEDOUT),
                    Err(Fault::Interrupted(Restart::Never)) => negated(Errno::EINTR),
                    Err(Fault::Interrupted(_)) => self.after_signal(entry::RESTART),
                }
            }
            Some(Taken::Handle(_, action)) => {
                drop(signals);
                self.restart_deadline_ns.store(0, Ordering::Relaxed);
                let result = match answer {
                    Ok(value) => value,
                    Err(Fault::Error(error)) => negated(error.errno),
                    Err(Fault::TimedOut) => negated(Errno::ETIMEDOUT),
                    Err(Fault::Interrupted(Restart::Sys)) if action.flags & SA_RESTART != 0 => {
                        entry::RESTART
                    }
                    Err(Fault::Interrupted(Restart::Always)) => entry::RESTART,
                    Err(Fault::Interrupted(_)) => negated(Errno::EINTR),
                };
                self.after_signal(result)
            }
            Some(Taken::Terminate(info)) => {
                drop(signals);
                if self.nr_loans() > 0 {
                    // The child has no instance yet: it ends when it would exec or exit.
                    self.attention.store(false, Ordering::Release);
                    return match answer {
                        Ok(value) => value,
                        Err(Fault::Error(error)) => negated(error.errno),
                        Err(Fault::Interrupted(Restart::Always)) => {
                            self.after_signal(entry::RESTART)
                        }
                        Err(_) => negated(Errno::EINTR),
                    };
                }
                kernel.exit_process(&process, super::signal_status(info.number));
                entry::DIE
            }
            Some(Taken::Stop(info)) => {
                let _taken = signals.take(tid);
                let nr_continues = signals.nr_continues();
                drop(signals);
                if !kernel.stop_process(&process, info.number, nr_continues) {
                    return self.settle_with_signals(kernel, answer);
                }
                self.stay_stopped(kernel, process, answer)
            }
        }
    }

    /// Answers once `process` has been continued.
    fn stay_stopped(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        process: Arc<Process>,
        answer: Answer<u32>,
    ) -> u32 {
        let stop = until_continued(Arc::clone(kernel), process);
        let stopped = Box::pin(async move {
            stop.await;
            answer
        });
        self.finish(kernel, Outcome::Pending(stopped))
    }

    fn after_signal(&self, result: u32) -> u32 {
        self.state.lock().results.push(result);
        entry::SIGNAL
    }

    /// Takes the next signal that has a handler and writes its frame; the handler's index,
    /// 0 for none, [`entry::DIE`], or [`entry::PENDING`]: park, then ask again.
    pub fn next_signal(self: &Arc<Self>, stack_pointer: u32) -> u32 {
        let Some(kernel) = self.kernel.upgrade() else {
            return entry::DIE;
        };
        if !self.has_memory(&kernel) {
            return entry::DIE;
        }
        let process = self.process();
        let tid = self.tid();
        loop {
            if self.is_over() {
                return entry::DIE;
            }
            let mut signals = process.signals.lock();
            match signals.take(tid) {
                None => {
                    self.attention.store(false, Ordering::Release);
                    if let Some(mask) = signals.thread(tid).saved_mask.take() {
                        signals.thread(tid).set_mask(mask);
                        if signals.needs_attention(tid) {
                            self.attention.store(true, Ordering::Release);
                            continue;
                        }
                    }
                    return 0;
                }
                Some(Taken::Handle(info, action)) => {
                    let frame = signal::write_frame(
                        signals.thread(tid),
                        &*self.memory,
                        stack_pointer,
                        &info,
                        &action,
                    );
                    drop(signals);
                    let Ok(frame) = frame else {
                        kernel.exit_process(&process, super::signal_status(signal::SEGV));
                        return entry::DIE;
                    };
                    self.state.lock().frame = frame;
                    return frame.handler;
                }
                Some(Taken::Terminate(info)) => {
                    drop(signals);
                    kernel.exit_process(&process, super::signal_status(info.number));
                    return entry::DIE;
                }
                Some(Taken::Stop(info)) => {
                    let nr_continues = signals.nr_continues();
                    drop(signals);
                    if !kernel.stop_process(&process, info.number, nr_continues) {
                        continue;
                    }
                    let stop = until_continued(Arc::clone(&kernel), Arc::clone(&process));
                    if self.park_stopped(&kernel, Box::pin(stop)) {
                        return entry::PENDING;
                    }
                }
            }
        }
    }

    /// Keeps a stop for the driver to poll; `false` when it is over already.
    fn park_stopped(&self, kernel: &Kernel, mut stop: Stop) -> bool {
        let Some(waker) = self.driver.get() else {
            return false;
        };
        if stop
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
        {
            return false;
        }
        self.state.lock().stop = Some(stop);
        self.clock_out(kernel, Left::Waits);
        true
    }

    /// A word of the frame that [`Task::next_signal`] wrote: 0 stack pointer, 1 number,
    /// 2 `siginfo_t`, 3 `ucontext_t`.
    pub fn frame_word(&self, which: u32) -> u32 {
        let frame = self.state.lock().frame;
        match which {
            0 => frame.stack_pointer,
            1 => frame.number,
            2 => frame.siginfo,
            _ => frame.ucontext,
        }
    }

    /// A handler has returned: restores the mask that its frame keeps.
    pub fn return_from_signal(&self, ucontext: u32) {
        let process = self.process();
        let tid = self.tid();
        let mut signals = process.signals.lock();
        let restored = signal::restore_mask(signals.thread(tid), &*self.memory, ucontext);
        if restored.is_err() || signals.needs_attention(tid) {
            drop(signals);
            self.attention.store(true, Ordering::Release);
        }
    }

    /// The host says that the guest runs no more.
    pub fn guest_ended(&self, end: GuestEnd) {
        self.state.lock().guest_end = Some(end);
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.scheduler.vacate(self);
        }
        if let Some(waker) = self.driver.get() {
            waker.wake_by_ref();
        }
    }
}

/// `-errno` as the guest sees it.
const fn negated(errno: Errno) -> u32 {
    errno.number().wrapping_neg().cast_unsigned()
}

/// Waits while `process` is stopped.
async fn until_continued(kernel: Arc<Kernel>, process: Arc<Process>) {
    let mut registration = None;
    poll_fn(|context| {
        registration = Some(process.state_changed.register(context.waker()));
        match kernel.processes.state_of(process.pid) {
            Some(RunState::Stopped(_)) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}
