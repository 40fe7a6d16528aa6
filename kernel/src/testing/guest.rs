//! A guest whose program is the test: it makes calls, parks and runs handlers as the shim does.
//!
//! The steps are those of the loader's `call_shim`, with the test in the place of the host.

use std::fmt;
use std::sync::Arc;

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::vfs::file::GuestMemory;

use super::{FakeMemory, FakePlatform};
use crate::call::Outcome;
use crate::platform::{GuestEnd, UserMemory};
use crate::process::{Process, Task, entry};

/// Where the guest's stack pointer stands when a signal comes.
const STACK_POINTER: u32 = 0x8000;
/// Bytes of `siginfo_t`.
const SIGINFO_LEN: usize = 128;

/// How far a system call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has a result.
    Returned(u32),
    /// The guest is parked.
    Parked,
    /// The instance is over: it trapped because the kernel said so.
    Dead,
}

impl Progress {
    /// The value, or the error that its number stands for.
    ///
    /// # Errors
    /// The call's own; `EINPROGRESS` for a parked guest, `ECANCELED` for a dead one.
    pub fn result(self) -> std::result::Result<u32, Errno> {
        match self {
            Self::Returned(word) => {
                let number = word.wrapping_neg().cast_signed();
                let errno = Errno::ALL
                    .iter()
                    .copied()
                    .find(|errno| errno.number() == number);
                errno.map_or(Ok(word), Err)
            }
            Self::Parked => Err(Errno::EINPROGRESS),
            Self::Dead => Err(Errno::ECANCELED),
        }
    }
}

/// A handler that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Its index in the function table.
    pub handler: u32,
    /// Its first argument.
    pub number: u32,
    /// What its second argument leads to; empty when it takes one argument only.
    pub siginfo: Vec<u8>,
    /// The mask while it ran.
    pub mask: u64,
    /// The stack pointer that it started with.
    pub stack_pointer: u32,
}

type Call = Arc<dyn Fn(&Arc<Task>) -> u32 + Send + Sync>;

#[derive(Default)]
struct Shim {
    /// The call, to be made again after `RESTART`.
    call: Option<Call>,
    /// Parked between two handlers, with this result behind them.
    behind_handlers: Option<u32>,
    is_parked: bool,
    is_dead: bool,
    handled: Vec<Handled>,
}

/// A task of a [`TestPod`](super::TestPod), between two system calls or parked in one.
#[derive(Clone)]
pub struct TestGuest {
    /// Its process when it started; between `vfork` and `exec`, [`TestGuest::pid`] differs.
    pub process: Arc<Process>,
    /// Its task.
    pub task: Arc<Task>,
    /// Its memory.
    pub memory: Arc<FakeMemory>,
    platform: Arc<FakePlatform>,
    shim: Arc<Lock<Shim>>,
}

impl fmt::Debug for TestGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestGuest({:?})", self.process)
    }
}

impl TestGuest {
    pub(super) fn new(process: Arc<Process>, platform: &Arc<FakePlatform>) -> Result<Self> {
        let task = process.task().ok_or(Errno::ESRCH)?;
        Ok(Self::of_task(process, task, platform))
    }

    pub(super) fn of_task(
        process: Arc<Process>,
        task: Arc<Task>,
        platform: &Arc<FakePlatform>,
    ) -> Self {
        let memory = platform.fake_memory(task.slot);
        let platform = Arc::clone(platform);
        Self {
            process,
            task,
            memory,
            platform,
            shim: Arc::default(),
        }
    }

    /// The process id that the guest has now.
    pub fn pid(&self) -> crate::process::Pid {
        self.task.pid()
    }

    /// Makes a system call: `call` gives what the dispatcher answers.
    pub fn call(&self, call: impl Fn(&Arc<Task>) -> u32 + Send + Sync + 'static) -> Progress {
        if self.shim.lock().is_dead {
            return Progress::Dead;
        }
        let call: Call = Arc::new(call);
        self.shim.lock().call = Some(Arc::clone(&call));
        let answer = call(&self.task);
        self.follow(answer)
    }

    /// Makes a system call of the kernel's: `call` gives its outcome.
    pub fn make<T: Into<u32> + 'static>(
        &self,
        call: impl Fn(&Arc<Task>) -> Outcome<T> + Send + Sync + 'static,
    ) -> Progress {
        self.call(move |task| match task.kernel.upgrade() {
            Some(kernel) => task.finish(&kernel, call(task).map(Into::into)),
            None => entry::DIE,
        })
    }

    /// A call that does nothing, at whose end signals are looked at.
    pub fn breathe(&self) -> Progress {
        self.make(|_| Outcome::Ready(Ok(0_u32)))
    }

    /// Goes on where the guest is parked, if it was resumed.
    pub fn go_on(&self) -> Progress {
        if !self.shim.lock().is_parked || !self.platform.was_resumed(self.task.slot) {
            return if self.shim.lock().is_dead {
                Progress::Dead
            } else {
                Progress::Parked
            };
        }
        let behind = {
            let mut shim = self.shim.lock();
            shim.is_parked = false;
            shim.behind_handlers.take()
        };
        match behind {
            Some(result) => self.deliver(result),
            None => self.follow(self.take_result()),
        }
    }

    fn take_result(&self) -> u32 {
        let kernel = self.task.kernel.upgrade();
        kernel.map_or(entry::DIE, |kernel| self.task.take_result(&kernel))
    }

    /// Whether it waits in a call.
    pub fn is_parked(&self) -> bool {
        self.shim.lock().is_parked
    }

    /// What the shim does with an answer: `finish`.
    fn follow(&self, mut answer: u32) -> Progress {
        loop {
            match answer {
                entry::PENDING => {
                    self.shim.lock().is_parked = true;
                    return Progress::Parked;
                }
                entry::SIGNAL => return self.deliver(self.take_result()),
                entry::RESTART => {
                    let call = self.shim.lock().call.clone();
                    answer = call.map_or(entry::DIE, |call| call(&self.task));
                }
                entry::DIE => {
                    self.end(GuestEnd::Left);
                    return Progress::Dead;
                }
                result => return Progress::Returned(result),
            }
        }
    }

    /// Runs all handlers, then goes on with `result`.
    fn deliver(&self, result: u32) -> Progress {
        loop {
            let handler = match self.task.next_signal(STACK_POINTER) {
                0 => return self.follow(result),
                entry::DIE => return self.follow(entry::DIE),
                entry::PENDING => {
                    let mut shim = self.shim.lock();
                    shim.is_parked = true;
                    shim.behind_handlers = Some(result);
                    return Progress::Parked;
                }
                handler => handler,
            };
            let word = |which| self.task.frame_word(which);
            let siginfo = match word(2) {
                0 => Vec::new(),
                at => self.bytes(at, SIGINFO_LEN).unwrap_or_default(),
            };
            let handled = Handled {
                handler,
                number: word(1),
                siginfo,
                mask: self.task.signal_mask().0,
                stack_pointer: word(0),
            };
            let ucontext = word(3);
            self.shim.lock().handled.push(handled);
            self.task.return_from_signal(ucontext);
        }
    }

    /// Ends the instance: its entry returned, or it trapped.
    pub fn end(&self, end: GuestEnd) {
        self.shim.lock().is_dead = true;
        self.task.guest_ended(end);
    }

    /// After `exec` in the guest's own instance: the new program starts to make calls.
    pub fn start_over(&self) {
        *self.shim.lock() = Shim::default();
    }

    /// Where the program's `argc` lies, if it has started.
    pub fn stack(&self) -> Option<u32> {
        self.platform.stack_of(self.task.slot)
    }

    /// Takes the handlers that ran since the last time, in order.
    pub fn take_handled(&self) -> Vec<Handled> {
        std::mem::take(&mut self.shim.lock().handled)
    }

    /// Their signal numbers only.
    pub fn take_handled_numbers(&self) -> Vec<u32> {
        self.take_handled()
            .into_iter()
            .map(|handled| handled.number)
            .collect()
    }

    /// Writes `bytes` to its memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn put(&self, address: u32, bytes: &[u8]) -> Result<()> {
        self.memory.copy_out(address, bytes)
    }

    /// `len` bytes of its memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn bytes(&self, address: u32, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.memory.copy_in(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The 32-bit word at `address`.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn word(&self, address: u32) -> Result<u32> {
        let mut bytes = [0; 4];
        self.memory.copy_in(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The bytes of a string at `address`, without its NUL.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG` over 4096 bytes.
    pub fn string(&self, address: u32) -> Result<Vec<u8>> {
        self.memory.copy_in_string(address, 4096)
    }
}
