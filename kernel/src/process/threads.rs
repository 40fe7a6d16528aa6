//! The threads of a process: which tasks run as it, and how one begins and ends (clone(2), exit(2)).
//!
//! ```text
//!   clone ──> waits for its first turn ──> runs ── exit ─────────> doomed ──> its instance traps
//!                                           └───── exit_group, exec, a fatal signal ──^
//! ```
//! A thread is an instance of the same module over the same memory, with a stack of its own. It starts on
//! the Worker of its maker, or on another if programs with threads have a shared memory and the first
//! is busy (ADR 0029). A *doomed* task makes no more calls: whatever it waits in ends, and its shim traps,
//! on another Worker at its next safepoint. Its process goes on without it, or has ended.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::Executor;
use executor::sorted::SortedMap;
use kernel_loader::ThreadEntry;

use super::robust;
use super::{Pid, Policy, Process, Task};
use crate::exec::ProgramId;
use crate::ipc::futex::{Key, Reach};
use crate::kernel::Kernel;
use crate::memory::frames::FrameId;
use crate::platform::Slot;

/// Bytes of the kernel's memory that a thread takes, about.
const THREAD_BYTES: u64 = 4 << 10;

/// How a thread starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadStart {
    /// Which export is called.
    pub entry: ThreadEntry,
    /// Its arguments; the entry takes as many as it has parameters.
    pub arguments: [u32; 3],
    /// Its first stack pointer.
    pub stack_pointer: u32,
}

/// The threads of a process that have not ended.
#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) tasks: SortedMap<Pid, Weak<Task>>,
    /// Their scheduling policies, but for the first thread's, and where it is not the default.
    pub(super) policies: SortedMap<Pid, Policy>,
    /// With what the first thread has ended, if it has: the process's status once all have.
    first_status: Option<i32>,
    /// The process has ended: what starts now is doomed.
    is_ended: bool,
}

/// A thread's Worker, and if that is not its maker's, the program and the frame that go with it.
type Placed = (Arc<Executor>, Option<(ProgramId, FrameId)>);

/// What the end of a thread means.
enum Departure {
    /// Others go on.
    OneLess,
    /// It was the last: the process ends with this status.
    Last(i32),
    /// It is none any more: another has made exec meanwhile.
    Gone,
}

impl Threads {
    fn leave(&mut self, task: &Arc<Task>, is_first: bool, status: i32) -> Departure {
        let tid = task.tid();
        let own = Arc::downgrade(task);
        if self.tasks.get(&tid).is_none_or(|task| !task.ptr_eq(&own)) {
            return Departure::Gone;
        }
        if self.tasks.len() <= 1 {
            return Departure::Last(self.first_status.unwrap_or(status));
        }
        self.tasks.remove(&tid);
        self.policies.remove(&tid);
        if is_first {
            self.first_status = Some(status);
        }
        Departure::OneLess
    }
}

impl Process {
    /// A task that runs as this process, while there is one: its first thread, if that has not
    /// ended.
    pub fn task(&self) -> Option<Arc<Task>> {
        let threads = self.threads.lock();
        let first = threads.tasks.get(&self.pid).and_then(Weak::upgrade);
        first.or_else(|| threads.tasks.values().find_map(Weak::upgrade))
    }

    /// All tasks that run as this process, by ascending thread id.
    pub fn threads(&self) -> Vec<Arc<Task>> {
        let threads = self.threads.lock();
        threads.tasks.values().filter_map(Weak::upgrade).collect()
    }

    /// The ids of its threads, ascending. The first thread's is there as long as the process is.
    pub fn thread_ids(&self) -> Vec<Pid> {
        let threads = self.threads.lock();
        let mut ids: Vec<Pid> = threads.tasks.keys().copied().collect();
        if let Err(index) = ids.binary_search(&self.pid) {
            ids.insert(index, self.pid);
        }
        ids
    }

    /// The thread with this id.
    pub fn thread(&self, tid: Pid) -> Option<Arc<Task>> {
        self.threads.lock().tasks.get(&tid).and_then(Weak::upgrade)
    }

    /// A task whose guest acts as this process now; between `vfork` and `exec` a parent of one thread
    /// has none.
    pub fn guest(&self) -> Option<Arc<Task>> {
        let threads = self.threads();
        threads.into_iter().find(|task| task.pid() == self.pid)
    }

    /// How many of its guests run, or would if they had the Worker. Between `vfork` and `exec` a
    /// guest is the child's.
    pub fn nr_runnable(&self) -> usize {
        let threads = self.threads();
        let guests = threads.iter().filter(|task| task.pid() == self.pid);
        guests.filter(|task| task.is_runnable()).count()
    }

    pub(super) fn set_thread(&self, tid: Pid, task: &Arc<Task>) {
        self.threads.lock().tasks.insert(tid, Arc::downgrade(task));
        self.notice(tid, task);
    }

    /// What was sent to the thread before it had this task, if it has not been seen.
    fn notice(&self, tid: Pid, task: &Task) {
        let needs_attention = self.signals.lock().needs_attention(tid);
        if needs_attention {
            task.request_attention();
        }
    }

    /// Makes `task` the thread `tid` for `by`, one of its threads; false: `by` is none any more, since
    /// another has made exec, or the process has ended.
    fn admit_thread(&self, by: &Arc<Task>, tid: Pid, task: &Arc<Task>) -> bool {
        let by = Arc::downgrade(by);
        let mut threads = self.threads.lock();
        let is_admitted = !threads.is_ended && threads.tasks.values().any(|task| task.ptr_eq(&by));
        if is_admitted {
            threads.tasks.insert(tid, Arc::downgrade(task));
            drop(threads);
            self.notice(tid, task);
        }
        is_admitted
    }

    /// Ends all its threads; one whose guest acts as a child ends once it is back.
    pub(super) fn doom_threads(&self) {
        self.threads.lock().is_ended = true;
        for task in self.threads() {
            if task.is_of(self) {
                task.doom();
            }
        }
    }

    /// Has every thread look at the state of the process.
    pub(super) fn attend_all(&self) {
        for task in self.threads() {
            task.request_attention();
        }
    }
}

impl Kernel {
    /// Makes one more thread of `maker`'s process; its id. On `maker`'s Worker it runs when that waits,
    /// on another at once: `prepare` does what is to be done before.
    ///
    /// # Errors
    /// `EAGAIN` at `RLIMIT_NPROC` and without room for one more stack, `ENOMEM`; `EINVAL` for a
    /// program that was not linked for threads, and between `vfork` and `exec`.
    ///
    /// # References
    /// clone(2); Linux v6.12 `kernel/fork.c` `copy_process`.
    pub fn clone_thread(
        self: &Arc<Self>,
        maker: &Arc<Task>,
        arguments: [u32; 3],
        stack_pointer: u32,
        prepare: impl FnOnce(&Task),
    ) -> Result<Pid> {
        let process = maker.process();
        if maker.nr_loans() > 0 {
            return Err(Errno::EINVAL.because("a thread of a vfork child"));
        }
        let loaded = process.program.lock().loaded.clone();
        let entry = loaded
            .and_then(|loaded| loaded.program.thread_entry)
            .ok_or_else(|| Errno::EINVAL.because("the program is not linked for threads"))?;
        let start = ThreadStart {
            entry,
            arguments,
            stack_pointer,
        };
        self.check_process_limit(&process)?;
        self.budget().admit(THREAD_BYTES)?;
        let tid = self.processes.add_thread(process.pid)?;
        let (executor, sent) = self.place_thread(&process, maker);
        let slot = match self.claim_slot(&executor) {
            Ok(slot) => slot,
            Err(error) => {
                self.processes.remove_thread(tid);
                if sent.is_some() {
                    maker.residency().come_back();
                }
                return Err(error);
            }
        };
        process.signals.lock().add_thread(maker.tid(), tid);
        let task = Task::new_thread(self, slot, executor, maker, tid, start);
        task.set_comm(maker.comm());
        prepare(&task);
        if !process.admit_thread(maker, tid, &task) {
            self.processes.remove_thread(tid);
            task.doom();
        }
        process.set_policy(tid, process.policy(maker.tid()).for_child());
        task.residency().enter();
        self.occupy_slot(slot, &task);
        if let Some(sent) = sent {
            self.send_thread(&task, sent);
        } else {
            self.frames.join(maker.slot, &task);
            self.scheduler.start(&task);
        }
        Ok(tid)
    }

    /// Sends a thread from the calling Worker, where a frame has the memory, to its own.
    fn send_thread(&self, task: &Task, (program, frame): (ProgramId, FrameId)) {
        let worker = task.executor().worker();
        self.platform.send_thread(task.slot, worker, program, frame);
    }

    /// The Worker of one more thread: `maker`'s, or another if that is busy, or the program makes as many
    /// threads as there are processors, and the memory can be there too. Then the thread counts as away.
    fn place_thread(&self, process: &Process, maker: &Arc<Task>) -> Placed {
        let near = maker.executor();
        if maker.residency().is_shareable() {
            // Who has asked how many processors there are makes threads for them.
            let beside = (!process.counts_processors.load(Ordering::Relaxed)).then_some(&**maker);
            let placed = self.place(process, beside);
            if placed.worker() != near.worker()
                && let Some(sent) = self.frames.depart(maker, false)
            {
                return (placed, Some(sent));
            }
        }
        (Arc::clone(near), None)
    }

    /// A thread has arrived at its Worker, the calling one.
    pub fn thread_arrives(&self, slot: Slot) {
        if let Some(task) = self.task(slot) {
            self.frames.arrive(&task);
            self.scheduler.start(&task);
        }
    }

    /// Moves a thread that has not started from its Worker, the calling one, to another; false when it
    /// has to stay.
    pub(super) fn move_thread(
        self: &Arc<Self>,
        task: &Arc<Task>,
        executor: &Arc<Executor>,
    ) -> bool {
        let Some(sent) = self.frames.depart(task, true) else {
            return false;
        };
        let Some(start) = task.take_start() else {
            return false;
        };
        let (process, tid) = (task.process(), task.tid());
        let executor = Arc::clone(executor);
        let moved = Task::new_thread(self, task.slot, executor, task, tid, start);
        moved.set_comm(task.comm());
        moved.set_clear_child_tid(task.set_clear_child_tid(0));
        if !process.admit_thread(task, tid, &moved) {
            moved.doom();
        }
        self.occupy_slot(task.slot, &moved);
        self.send_thread(&moved, sent);
        true
    }

    /// Ends `task`'s thread (exit(2)), and its process if there is no other. `Some(pid)`: its
    /// identity was on loan, and the instance is the parent again.
    pub fn exit_thread(&self, task: &Arc<Task>, status: i32) -> Option<Pid> {
        if task.nr_loans() > 0 {
            return self.leave(task, status);
        }
        let (process, tid) = (task.process(), task.tid());
        let departure = {
            let mut threads = process.threads.lock();
            let departure = threads.leave(task, tid == process.pid, status);
            if matches!(departure, Departure::OneLess) {
                process.ended_io.add(&task.io);
            }
            departure
        };
        match departure {
            Departure::Last(status) => self.leave(task, status),
            Departure::OneLess => {
                self.release_thread(task, &process, tid);
                None
            }
            Departure::Gone => None,
        }
    }

    /// What a thread leaves to the others of its process.
    fn release_thread(&self, task: &Arc<Task>, process: &Process, tid: Pid) {
        let space = process.address_space();
        let list = task.robust_list();
        robust::release(&**task.memory(), list, tid, |address| {
            self.futexes
                .wake(Key::new(&space, address, Reach::Shared), 1, u32::MAX);
        });
        let address = task.set_clear_child_tid(0);
        if address != 0 && task.memory().copy_out(address, &[0; 4]).is_ok() {
            self.futexes
                .wake(Key::new(&space, address, Reach::Shared), 1, u32::MAX);
        }
        let listener = {
            let mut signals = process.signals.lock();
            signals.remove_thread(tid);
            signals.listener_instead_of(tid)
        };
        if let Some(listener) = listener.and_then(|tid| process.thread(tid)) {
            listener.request_attention();
        }
        if tid != process.pid {
            self.processes.remove_thread(tid);
        }
        task.doom();
    }

    /// `task` is the only thread of its process from now on, and has the process's id: execve(2).
    pub(super) fn end_other_threads(&self, task: &Arc<Task>) {
        let process = task.process();
        let policy = process.policy(task.tid());
        // From here on the others start no more threads.
        let others = {
            let mut threads = process.threads.lock();
            let own = SortedMap::from_iter([(process.pid, Arc::downgrade(task))]);
            let is_ended = threads.is_ended;
            let alone = Threads {
                tasks: own,
                is_ended,
                ..Threads::default()
            };
            std::mem::replace(&mut *threads, alone)
        };
        for other in others.tasks.values().filter_map(Weak::upgrade) {
            if !Arc::ptr_eq(&other, task) {
                if other.tid() != process.pid && other.is_of(&process) {
                    self.processes.remove_thread(other.tid());
                }
                other.doom();
            }
        }
        if task.tid() != process.pid {
            process.set_policy(process.pid, policy);
            self.processes.remove_thread(task.tid());
            task.take_first_id();
        }
        task.set_clear_child_tid(0);
        task.set_robust_list(0);
    }
}
