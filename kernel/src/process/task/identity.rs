//! Who a task is: a thread of a process, and between `vfork` and `exec` the child's first thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::Result;
use abi::types::Fd;

use super::Task;
use crate::open_file::OpenFile;
use crate::process::{Pid, Process};
use crate::signal::SignalSet;

/// A process, and which thread of it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) process: Arc<Process>,
    pub(super) tid: Pid,
}

impl Task {
    /// Whose identity the guest has now.
    pub fn process(&self) -> Arc<Process> {
        self.with_process(Arc::clone)
    }

    /// Calls `use_process` with that identity, without counting a reference: the task is locked.
    #[expect(clippy::expect_used, reason = "the first identity is never taken away")]
    pub(super) fn with_process<T>(&self, use_process: impl FnOnce(&Arc<Process>) -> T) -> T {
        let identities = self.identities.lock();
        let last = identities.last().expect("a task has an identity");
        use_process(&last.process)
    }

    /// The open file behind `fd`.
    ///
    /// # Errors
    /// `EBADF` when it is not open.
    pub fn file(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        self.with_process(|process| process.files().get(fd))
    }

    /// The pid of that identity, without counting a reference.
    pub fn pid(&self) -> Pid {
        self.identities
            .lock()
            .last()
            .map_or(0, |identity| identity.process.pid)
    }

    /// Its thread id: the process's, for the first thread of a process.
    pub fn tid(&self) -> Pid {
        self.identities
            .lock()
            .last()
            .map_or(0, |identity| identity.tid)
    }

    /// Whether it is a thread of `process`, which it may have left to act as a child.
    pub(in crate::process) fn is_of(&self, process: &Process) -> bool {
        let identities = self.identities.lock();
        let own = identities.first();
        own.is_some_and(|identity| identity.process.pid == process.pid)
    }

    /// Gives it the id of its process: the other threads have ended.
    pub(in crate::process) fn take_first_id(&self) {
        if let Some(identity) = self.identities.lock().first_mut() {
            identity.tid = identity.process.pid;
        }
        *self.comm.lock() = None;
    }

    /// How many identities are on loan to it.
    pub(in crate::process) fn nr_loans(&self) -> usize {
        self.identities.lock().len().saturating_sub(1)
    }

    pub(in crate::process) fn borrow_identity(self: &Arc<Self>, child: &Arc<Process>) {
        child.set_thread(child.pid, self);
        self.identities.lock().push(Identity {
            process: Arc::clone(child),
            tid: child.pid,
        });
    }

    pub(in crate::process) fn return_identity(&self) -> Option<Arc<Process>> {
        let mut identities = self.identities.lock();
        if identities.len() < 2 {
            return None;
        }
        let child = identities.pop();
        let back = identities.last().cloned();
        drop(identities);
        let has_signals =
            |Identity { process, tid }: Identity| process.signals.lock().needs_attention(tid);
        if self.is_over() || back.is_some_and(has_signals) {
            self.attention.store(true, Ordering::Release);
        }
        child.map(|identity| identity.process)
    }

    /// The signals that it blocks.
    pub fn signal_mask(&self) -> SignalSet {
        self.process().signals.lock().mask(self.tid())
    }

    /// Replaces its signal mask; returns the old one. A signal of the process that it was to take
    /// and blocks now goes to another thread.
    pub fn set_signal_mask(&self, mask: SignalSet) -> SignalSet {
        let (process, tid) = (self.process(), self.tid());
        let (old, has_signals, listener) = {
            let mut signals = process.signals.lock();
            let old = signals.mask(tid);
            signals.thread(tid).set_mask(mask);
            let has_signals = signals.needs_attention(tid);
            let is_narrower = !mask.without(old).is_empty();
            let listener = is_narrower.then(|| signals.listener_instead_of(tid));
            (old, has_signals, listener.flatten())
        };
        if has_signals {
            self.request_attention();
        }
        if let Some(listener) = listener.and_then(|tid| process.thread(tid)) {
            listener.request_attention();
        }
        old
    }

    /// The short name of this thread: of the first, the process's.
    pub fn comm(&self) -> Vec<u8> {
        let process = self.process();
        let is_first = self.tid() == process.pid;
        let own = self.comm.lock().clone().filter(|_| !is_first);
        own.unwrap_or_else(|| process.program.lock().comm.clone())
    }

    /// Gives it a name.
    pub fn set_comm(&self, comm: Vec<u8>) {
        let process = self.process();
        if self.tid() == process.pid {
            process.program.lock().comm = comm;
        } else {
            *self.comm.lock() = Some(comm);
        }
    }

    /// It makes no more calls: a wait ends, and its shim traps. If its guest acts as a child, that
    /// goes on until it execs or exits.
    pub(in crate::process) fn doom(&self) {
        self.is_doomed.store(true, Ordering::Release);
        self.request_attention();
    }

    /// Whether it makes no more calls.
    pub fn is_over(&self) -> bool {
        self.is_doomed.load(Ordering::Acquire) && self.nr_loans() == 0
    }

    /// Where the guest is told of the end of this thread from now on, an address; what it was
    /// before. 0 is nowhere.
    pub fn set_clear_child_tid(&self, address: u32) -> u32 {
        self.clear_child_tid.swap(address, Ordering::Relaxed)
    }

    /// The head of the list of its robust futexes, an address; 0: none.
    pub fn robust_list(&self) -> u32 {
        self.robust_list.load(Ordering::Relaxed)
    }

    /// Says where that is.
    pub fn set_robust_list(&self, head: u32) {
        self.robust_list.store(head, Ordering::Relaxed);
    }
}
