//! fork(2): a child that goes on where its parent is, in an instance and a memory of its own.
//!
//! The loader has written the program so that its stack can be saved (`kernel_loader`, `fork`):
//!
//! ```text
//!   parent                                kernel                       child
//!   shim: ADMIT ────────────────────────> may it? FORK
//!   throws; each frame: SAVE words ─────> keeps them
//!   entry: SPLIT ───────────────────────> copies memory and words ──> IS_CHILD: yes
//!   frames go on: LOAD words <────────── gives them back ───────────> LOAD words
//!   shim: RESULT <──── pid                                     0 ───> RESULT
//! ```
//! The parent stays in its instance and never waits; the child is placed on the same Worker, where
//! both memories can be reached, until it execs.

use std::sync::Arc;

use abi::special::FORK;
use abi::{Errno, Result};
use executor::sync::Lock;

use super::{Pid, Process, Task, signal_status};
use crate::call::{Fault, Outcome};
use crate::exec::{Image, StackImage};
use crate::kernel::Kernel;
use crate::platform::Level;
use crate::signal;

/// Bytes of the kernel's memory that a process with a few open files takes, about.
const PROCESS_BYTES: u64 = 16 << 10;
/// The longest stack that is saved, in words.
const MAX_WORDS: usize = 8 << 20;

/// What the shim and the written frames ask for; the loader's side is `fork/frame.rs`.
mod operation {
    pub(super) const ADMIT: u32 = 0;
    pub(super) const SAVE: u32 = 1;
    pub(super) const LOAD: u32 = 2;
    pub(super) const IS_CHILD: u32 = 3;
    pub(super) const SPLIT: u32 = 4;
    pub(super) const RESULT: u32 = 5;
}

/// A task's stack while it is unwound, and what follows.
#[derive(Debug, Default)]
pub(super) struct Unwound {
    /// The innermost frame first.
    words: Vec<u32>,
    /// The instance is new, and is to build the stack.
    is_child: bool,
    /// There was no room for a word: the stack is gone.
    is_lost: bool,
    /// What fork(2) returns.
    result: u32,
}

impl Unwound {
    /// What a child starts with.
    pub(super) const fn of_child(words: Vec<u32>) -> Self {
        Self {
            words,
            is_child: true,
            is_lost: false,
            result: 0,
        }
    }

    fn save(&mut self, word: u32) {
        if self.words.len() >= MAX_WORDS || self.words.try_reserve(1).is_err() {
            self.is_lost = true;
        } else {
            self.words.push(word);
        }
    }
}

impl Task {
    /// Answers a question of the guest's about fork; see the module.
    pub fn fork_step(self: &Arc<Self>, operation: u32, word: u32) -> u32 {
        match operation {
            operation::SAVE => self.unwound.lock().save(word),
            operation::LOAD => return self.unwound.lock().words.pop().unwrap_or(0),
            operation::IS_CHILD => {
                let is_child = std::mem::take(&mut self.unwound.lock().is_child);
                return u32::from(is_child);
            }
            operation::ADMIT => return self.admit_fork(),
            operation::SPLIT => return u32::from(self.split(word)),
            operation::RESULT => {
                let mut unwound = self.unwound.lock();
                // A deep stack may have left much room.
                unwound.words = Vec::new();
                return unwound.result;
            }
            _ => {}
        }
        0
    }

    fn admit_fork(self: &Arc<Self>) -> u32 {
        let Some(kernel) = self.kernel.upgrade() else {
            return abi::special::DIE;
        };
        let admitted = kernel.admit_child(&self.process());
        let admitted = admitted.map(|()| FORK).map_err(Fault::from);
        self.finish(&kernel, Outcome::Ready(admitted))
    }

    /// Makes the child; false when the stack is lost, and the process with it.
    fn split(self: &Arc<Self>, nr_globals: u32) -> bool {
        let Some(kernel) = self.kernel.upgrade() else {
            return false;
        };
        let (words, is_lost) = {
            let unwound = self.unwound.lock();
            (unwound.words.clone(), unwound.is_lost)
        };
        if is_lost {
            let line = format!("pid {}: its stack is too deep to fork", self.pid());
            kernel.log(Level::Warning, &line);
            kernel.exit_process(&self.process(), signal_status(signal::KILL));
            return false;
        }
        let result = match kernel.fork(self, words) {
            Ok(pid) => pid.cast_unsigned(),
            Err(error) => error.errno.number().wrapping_neg().cast_unsigned(),
        };
        let mut unwound = self.unwound.lock();
        let nr_globals = usize::try_from(nr_globals).unwrap_or(usize::MAX);
        let len = unwound.words.len().saturating_sub(nr_globals);
        unwound.words.truncate(len);
        unwound.result = result;
        true
    }
}

impl Kernel {
    /// Whether `parent` may have one more child now (fork(2), vfork(2)).
    ///
    /// # Errors
    /// `EAGAIN` at `RLIMIT_NPROC`, and without room for one more stack; `ENOMEM`.
    ///
    /// # References
    /// fork(2); Linux v6.12 `kernel/fork.c`, `copy_process`.
    pub(super) fn admit_child(&self, parent: &Process) -> Result<()> {
        self.check_process_limit(parent)?;
        self.budget().admit(PROCESS_BYTES)?;
        self.check_stacks()
    }

    /// Makes the child of `task`'s process, whose stack is `words`.
    ///
    /// # Errors
    /// As [`Self::admit_child`]; `EAGAIN` also without a free pid.
    fn fork(self: &Arc<Self>, task: &Arc<Task>, words: Vec<u32>) -> Result<Pid> {
        let parent = task.process();
        self.admit_child(&parent)?;
        let program = parent.program.lock().loaded.clone();
        let program = program.ok_or_else(|| Errno::ENOSYS.because("no program"))?;
        let stack_pointer = self.platform.stack_pointer(task.slot);
        let image = Image {
            stack: StackImage {
                address: stack_pointer.unwrap_or_else(|| program.stack_top()),
                bytes: Vec::new(),
            },
            program,
        };
        let space = {
            let space = parent.address_space();
            let mut space = space.lock();
            if space.has_shared() {
                // What is far away comes with a later call of each of the two.
                let _later = space.give_shared(&**task.memory(), self.now());
                let _later = space.take_shared(&**task.memory());
            }
            space.for_child()?
        };
        let space = Arc::new(Lock::new(space));
        let mut parts = parent.parts_for_child(task.tid());
        parts.memory = Arc::clone(&space);
        let executor = Arc::clone(task.executor());
        let slot = self.claim_slot(&executor)?;
        let now = self.platform.monotonic_ns();
        let added = self
            .processes
            .add(parent.pid, |pid| Process::new(pid, now, parts));
        let child = match added {
            Ok(child) => child,
            Err(error) => {
                self.release_slot(slot);
                return Err(error);
            }
        };
        space.lock().set_owner(child.pid);
        let forked = Task::forked(self, slot, executor, &child, words);
        self.occupy_slot(slot, &forked);
        if let Err(error) = self.frames.seat_copy(task, &forked, &image, space) {
            let closed = child.files().close_all();
            drop(closed);
            self.processes.end(child.pid, 0);
            self.processes.remove(child.pid);
            self.release_slot(slot);
            return Err(error);
        }
        self.scheduler.start(&forked);
        Ok(child.pid)
    }
}
