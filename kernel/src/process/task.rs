//! A task: the thread of execution of a process, its system call, and the guest that runs it.
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
//! The *driver* is the task's future on its Worker's executor: see `driver`.

mod driver;
mod resident;
mod turn;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};

use abi::Errno;
use abi::flags::SA_RESTART;
use executor::Executor;
use executor::sync::Lock;

use super::cpu_time::Stopwatch;
use super::{Process, RunState};
use crate::call::{Answer, Fault, Outcome, Restart, Sleeper};
use crate::exec::Executable;
use crate::kernel::Kernel;
use crate::memory::frames::Residency;
use crate::platform::{GuestEnd, Slot, UserMemory};
use crate::scheduler::{Left, Turn};
use crate::signal::{self, Frame, SignalSet, Taken};

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
}

/// One thread of execution.
pub struct Task {
    /// Its seat in the Worker.
    pub slot: Slot,
    memory: Arc<dyn UserMemory>,
    executor: Arc<Executor>,
    kernel: Weak<Kernel>,
    /// Whose identity it has: the last one counts; more than one between `vfork` and `exec`.
    identities: Lock<Vec<Arc<Process>>>,
    attention: AtomicBool,
    state: Lock<CallState>,
    /// Wakes the driver; there since its first poll.
    driver: OnceLock<Waker>,
    stopwatch: Stopwatch,
    /// What the scheduler knows of it.
    pub(crate) turn: Turn,
    residency: Arc<Residency>,
    /// When a call ends that was interrupted and is made again; 0: none.
    restart_deadline_ns: AtomicU64,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({:?} on {:?})", self.slot, self.executor.worker())
    }
}

impl Sleeper for Task {
    fn is_interrupted(&self) -> bool {
        self.attention.load(Ordering::Acquire)
            && self.process().signals.lock().needs_attention(self.tid())
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
        let task = Arc::new(Self {
            slot,
            memory: kernel.platform.memory(slot),
            executor,
            kernel: Arc::downgrade(kernel),
            identities: Lock::new(vec![Arc::clone(process)]),
            attention: AtomicBool::new(false),
            state: Lock::new(CallState {
                next: Some(executable),
                ..CallState::default()
            }),
            driver: OnceLock::new(),
            stopwatch: Stopwatch::default(),
            turn: Turn::default(),
            residency: Arc::default(),
            restart_deadline_ns: AtomicU64::new(0),
        });
        process.set_task(&task);
        // What was sent to the task before this one, if it has not been seen.
        if process.signals.lock().needs_attention(task.tid()) {
            task.attention.store(true, Ordering::Release);
        }
        task
    }

    /// Whose identity the guest has now.
    #[expect(clippy::expect_used, reason = "the first identity is never taken away")]
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(
            self.identities
                .lock()
                .last()
                .expect("a task has an identity"),
        )
    }

    /// The pid of that identity, without counting a reference.
    pub fn pid(&self) -> super::Pid {
        self.identities
            .lock()
            .last()
            .map_or(0, |process| process.pid)
    }

    /// Its thread id: the process's, for the first thread of a process.
    pub fn tid(&self) -> super::Pid {
        self.pid()
    }

    /// The signals that it blocks.
    pub fn signal_mask(&self) -> SignalSet {
        self.process().signals.lock().mask(self.tid())
    }

    /// Replaces its signal mask; returns the old one.
    pub fn set_signal_mask(&self, mask: SignalSet) -> SignalSet {
        let process = self.process();
        let tid = self.tid();
        let (old, has_signals) = {
            let mut signals = process.signals.lock();
            let old = signals.mask(tid);
            signals.thread(tid).set_mask(mask);
            (old, signals.needs_attention(tid))
        };
        if has_signals {
            self.request_attention();
        }
        old
    }

    /// The guest's memory.
    pub const fn memory(&self) -> &Arc<dyn UserMemory> {
        &self.memory
    }

    /// The executor of its Worker.
    pub const fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }

    /// How many identities are on loan to it.
    pub(super) fn nr_loans(&self) -> usize {
        self.identities.lock().len().saturating_sub(1)
    }

    pub(super) fn borrow_identity(self: &Arc<Self>, child: &Arc<Process>) {
        child.set_task(self);
        self.identities.lock().push(Arc::clone(child));
    }

    pub(super) fn return_identity(&self) -> Option<Arc<Process>> {
        let mut identities = self.identities.lock();
        if identities.len() < 2 {
            return None;
        }
        let child = identities.pop();
        let back = identities.last().cloned();
        drop(identities);
        if back.is_some_and(|process| process.signals.lock().needs_attention(self.tid())) {
            self.attention.store(true, Ordering::Release);
        }
        child
    }

    pub(super) fn take_next(&self) -> Option<Executable> {
        self.state.lock().next.take()
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
    pub fn finish(self: &Arc<Self>, outcome: Outcome<u32>) -> u32 {
        match outcome {
            Outcome::Ready(answer) => {
                let code = self.settle(answer);
                if code == entry::PENDING || code == entry::DIE {
                    code
                } else {
                    self.direct(code)
                }
            }
            Outcome::Pending(call) => {
                let Some(waker) = self.driver.get() else {
                    return entry::DIE;
                };
                let mut call = call;
                match call.as_mut().poll(&mut Context::from_waker(waker)) {
                    Poll::Ready(answer) => self.finish(Outcome::Ready(answer)),
                    Poll::Pending => {
                        self.state.lock().pending = Some(call);
                        self.clock_out(if self.turn.yields() {
                            Left::Preempted
                        } else {
                            Left::Waits
                        });
                        entry::PENDING
                    }
                }
            }
        }
    }

    /// A code that goes back without parking.
    const fn direct(&self, code: u32) -> u32 {
        code
    }

    /// The result of the parked call, or after [`entry::SIGNAL`] the result behind it.
    pub fn take_result(&self) -> u32 {
        let result = self.state.lock().results.pop().unwrap_or(entry::DIE);
        if result == entry::DIE || self.has_memory() {
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
    fn settle(self: &Arc<Self>, answer: Answer<u32>) -> u32 {
        if !self.attention.load(Ordering::Acquire) {
            return match answer {
                Ok(value) => value,
                Err(Fault::Error(error)) => negated(error.errno),
                Err(Fault::TimedOut) => negated(Errno::ETIMEDOUT),
                Err(Fault::Interrupted(Restart::Never)) => negated(Errno::EINTR),
                Err(Fault::Interrupted(_)) => self.after_signal(entry::RESTART),
            };
        }
        self.settle_with_signals(answer)
    }

    fn settle_with_signals(self: &Arc<Self>, answer: Answer<u32>) -> u32 {
        let Some(kernel) = self.kernel.upgrade() else {
            return entry::DIE;
        };
        let process = self.process();
        if self.state.lock().next.is_some()
            || matches!(
                kernel.processes.state_of(process.pid),
                Some(RunState::Zombie(_)) | None
            )
        {
            self.attention.store(
                process.signals.lock().needs_attention(self.tid()),
                Ordering::Release,
            );
            return entry::DIE;
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
                    return self.settle_with_signals(answer);
                }
                self.finish(Outcome::Pending(Box::pin(async move {
                    until_continued(kernel, process).await;
                    answer
                })))
            }
        }
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
        if !self.has_memory() {
            return entry::DIE;
        }
        let process = self.process();
        let tid = self.tid();
        loop {
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
                    if self.park_stopped(Box::pin(stop)) {
                        return entry::PENDING;
                    }
                }
            }
        }
    }

    /// Keeps a stop for the driver to poll; `false` when it is over already.
    fn park_stopped(&self, mut stop: Stop) -> bool {
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
        self.clock_out(Left::Waits);
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
