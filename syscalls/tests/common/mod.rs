//! What the tests share: a pod whose guests make system calls by name.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_errors_doc,
    clippy::should_implement_trait,
    clippy::allow_attributes,
    reason = "shared by tests, each of which uses its part"
)]

use std::ops::Deref;
use std::sync::Arc;

use abi::Errno;
use fs::budget::{Budget, Limits};
use kernel::process::{Pid, RunState};
use kernel::testing::{PROGRAM_PATH, Progress, TestGuest, TestPod};

/// Where tests put a call's arguments: above the stack, whose top is 64 KiB.
pub const DATA: u32 = 0x1_1000;
/// The top of the stacks of threads, which do nothing with them.
pub const THREAD_STACK: u32 = 0x1_8000;
/// Where they put strings.
pub const STRINGS: u32 = 0x1_4000;

pub const SIGHUP: u32 = 1;
pub const SIGINT: u32 = 2;
pub const SIGKILL: u32 = 9;
pub const SIGUSR1: u32 = 10;
pub const SIGUSR2: u32 = 12;
pub const SIGPIPE: u32 = 13;
pub const SIGALRM: u32 = 14;
pub const SIGTERM: u32 = 15;
pub const SIGCHLD: u32 = 17;
pub const SIGCONT: u32 = 18;
pub const SIGSTOP: u32 = 19;
pub const SIGTSTP: u32 = 20;

pub const SA_NOCLDSTOP: u32 = 1;
pub const SA_NOCLDWAIT: u32 = 2;
pub const SA_SIGINFO: u32 = 4;
pub const SA_RESTART: u32 = 0x1000_0000;
pub const SA_NODEFER: u32 = 0x4000_0000;
pub const SA_RESETHAND: u32 = 0x8000_0000;

pub const SIG_DFL: u32 = 0;
pub const SIG_IGN: u32 = 1;
/// The index of some handler.
pub const HANDLER: u32 = 20;

pub const WNOHANG: u32 = 1;
pub const WUNTRACED: u32 = 2;
pub const WSTOPPED: u32 = 2;
pub const WEXITED: u32 = 4;
pub const WCONTINUED: u32 = 8;
pub const WNOWAIT: u32 = 0x0100_0000;

/// One second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// The result of a call; `EINPROGRESS`: the guest is parked, `ECANCELED`: it is dead.
pub type Result<T = u32> = std::result::Result<T, Errno>;

/// A signal's set, as one word: bit `n - 1`.
pub fn set(signals: &[u32]) -> u64 {
    signals
        .iter()
        .fold(0, |set, number| set | 1 << (number - 1))
}

/// `-1` as a word.
pub const ANY: u32 = u32::MAX;

/// The number of a call.
pub fn number(name: &str) -> u32 {
    let row = abi::table::SYSCALLS.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("no call {name}")).number
}

/// A pod.
pub struct World {
    pod: TestPod,
}

impl Deref for World {
    type Target = TestPod;

    fn deref(&self) -> &TestPod {
        &self.pod
    }
}

impl World {
    pub fn new() -> Self {
        Self::with_workers(1)
    }

    pub fn with_workers(count: u32) -> Self {
        Self {
            pod: TestPod::with_workers(count).unwrap(),
        }
    }

    /// One Worker, and a pod of `bytes` bytes of memory.
    pub fn with_memory(bytes: u64) -> Self {
        Self::with(1, bytes)
    }

    /// `count` Workers, and a pod of `bytes` bytes of memory.
    pub fn with(count: u32, bytes: u64) -> Self {
        let limits = Limits {
            memory: Some(bytes),
            ..Limits::NONE
        };
        let budget = Budget::new(limits, Box::new(|| 0));
        Self {
            pod: TestPod::with_budget(count, budget).unwrap(),
        }
    }

    /// A new session with one process, and its guest.
    pub fn guest(&self) -> Guest {
        Guest {
            guest: self.pod.spawn().unwrap(),
            kernel: Arc::clone(&self.pod.kernel),
        }
    }

    /// The same, if it can start.
    pub fn try_guest(&self) -> abi::Result<Guest> {
        let guest = self.pod.spawn()?;
        Ok(Guest {
            guest,
            kernel: Arc::clone(&self.pod.kernel),
        })
    }

    /// The guest of thread `tid`, if there is one.
    pub fn try_thread(&self, tid: u32) -> Option<Guest> {
        let guest = self.pod.thread(tid.cast_signed()).ok()?;
        Some(Guest {
            guest,
            kernel: Arc::clone(&self.pod.kernel),
        })
    }

    /// The guest in a slot, if there is one.
    pub fn guest_in(&self, slot: kernel::platform::Slot) -> Option<Guest> {
        let guest = self.pod.guest_in(slot)?;
        Some(Guest {
            guest,
            kernel: Arc::clone(&self.pod.kernel),
        })
    }

    /// The same, before its program has run.
    pub fn new_guest(&self) -> Guest {
        let argv = [PROGRAM_PATH];
        Guest {
            guest: self.pod.start_program(PROGRAM_PATH, &argv, &[]).unwrap(),
            kernel: Arc::clone(&self.pod.kernel),
        }
    }

    /// The guest that runs as `pid`.
    pub fn running(&self, pid: u32) -> Guest {
        self.run();
        self.of(pid)
    }

    /// The guest of `pid`, whether it has started or not.
    pub fn of(&self, pid: u32) -> Guest {
        let guest = self.pod.guest(pid.cast_signed()).unwrap();
        Guest {
            guest,
            kernel: Arc::clone(&self.pod.kernel),
        }
    }

    /// One more thread of `maker`'s process, before it has run: its id is at [`DATA`] too.
    pub fn new_thread(&self, maker: &Guest) -> Guest {
        const FLAGS: u32 = 0x0011_0f00;
        let tid = maker
            .sys("clone", &[FLAGS, THREAD_STACK, DATA, 0, 0])
            .unwrap();
        assert_eq!(maker.word(DATA), Ok(tid));
        self.of_thread(tid)
    }

    /// The guest of thread `tid`.
    pub fn of_thread(&self, tid: u32) -> Guest {
        Guest {
            guest: self.pod.thread(tid.cast_signed()).unwrap(),
            kernel: Arc::clone(&self.pod.kernel),
        }
    }

    /// The same, once it has started.
    pub fn thread(&self, maker: &Guest) -> Guest {
        let thread = self.new_thread(maker);
        self.run();
        thread
    }

    /// A child of `parent` that runs a program of its own.
    pub fn child(&self, parent: &Guest) -> Guest {
        assert_eq!(parent.sys("vfork", &[]), Ok(0));
        self.running(parent.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]).unwrap())
    }

    /// Runs what is ready and lets `guest` go on.
    pub fn settle(&self, guest: &Guest) -> Result {
        self.run();
        let progress = guest.guest.go_on();
        self.run();
        progress.result()
    }

    pub fn state(&self, pid: u32) -> Option<RunState> {
        self.kernel.processes.state_of(pid.cast_signed())
    }

    /// The wait status of a process that ended and was not waited for.
    pub fn status(&self, pid: u32) -> Option<i32> {
        match self.state(pid) {
            Some(RunState::Zombie(status)) => Some(status),
            _ => None,
        }
    }

    /// With which status `pid` ended, as the host was told.
    pub fn ended(&self, pid: u32) -> Option<i32> {
        let ended = self.platform.take_ended();
        ended
            .iter()
            .find(|(who, _)| *who == pid.cast_signed())
            .map(|(_, status)| *status)
    }
}

/// A process's guest.
#[derive(Clone, Debug)]
pub struct Guest {
    pub guest: TestGuest,
    kernel: Arc<kernel::Kernel>,
}

impl Deref for Guest {
    type Target = TestGuest;

    fn deref(&self) -> &TestGuest {
        &self.guest
    }
}

impl Guest {
    pub fn id(&self) -> u32 {
        self.guest.pid().cast_unsigned()
    }

    pub fn pid(&self) -> Pid {
        self.guest.pid()
    }

    /// Makes call `number` with the words `args`.
    pub fn enter(&self, number: u32, args: &[u32]) -> Progress {
        let mut words = [0; 6];
        words[..args.len()].copy_from_slice(args);
        let kernel = Arc::clone(&self.kernel);
        self.guest
            .call(move |task| syscalls::enter(&kernel, task, number, &words))
    }

    /// Makes the call with this name.
    pub fn sys(&self, name: &str, args: &[u32]) -> Result {
        self.enter(number(name), args).result()
    }

    /// Comes by a safepoint of a program that makes no call.
    pub fn safepoint(&self) -> Progress {
        self.guest.call(|task| task.safepoint())
    }

    /// Puts a NUL-ended string to `address`.
    pub fn put_string(&self, address: u32, string: &[u8]) -> u32 {
        self.put(address, string).unwrap();
        self.put(address + u32::try_from(string.len()).unwrap(), &[0])
            .unwrap();
        address
    }

    /// Puts 32-bit words to `address`.
    pub fn put_words(&self, address: u32, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(address, &bytes).unwrap();
        address
    }

    /// Puts a list of strings to `address`, the strings behind `*free`.
    fn put_list(&self, address: u32, strings: &[&[u8]], free: &mut u32) -> u32 {
        let mut pointers = Vec::new();
        for string in strings {
            pointers.push(self.put_string(*free, string));
            *free += u32::try_from(string.len()).unwrap() + 1;
        }
        pointers.push(0);
        self.put_words(address, &pointers)
    }

    /// execve(2).
    pub fn exec(&self, path: &[u8], argv: &[&[u8]], envp: &[&[u8]]) -> Result {
        let mut free = STRINGS + 0x1000;
        let path = self.put_string(STRINGS, path);
        let argv = self.put_list(DATA, argv, &mut free);
        let envp = self.put_list(DATA + 0x1000, envp, &mut free);
        self.sys("execve", &[path, argv, envp])
    }

    /// sigaction(2) with an empty mask.
    pub fn on(&self, signal: u32, handler: u32, flags: u32) {
        self.on_masking(signal, handler, flags, 0);
    }

    /// sigaction(2).
    pub fn on_masking(&self, signal: u32, handler: u32, flags: u32, mask: u64) {
        let action = abi::layout::SigAction {
            handler,
            flags,
            restorer: 0,
            mask,
        };
        self.put(DATA, &action.to_bytes()).unwrap();
        assert_eq!(self.sys("rt_sigaction", &[signal, DATA, 0, 8]), Ok(0));
    }

    /// The index of the handler of a signal.
    pub fn handler_of(&self, signal: u32) -> u32 {
        assert_eq!(self.sys("rt_sigaction", &[signal, 0, DATA, 8]), Ok(0));
        let bytes = self.bytes(DATA, abi::layout::SigAction::SIZE).unwrap();
        abi::layout::SigAction::from_bytes(bytes.as_slice().try_into().unwrap()).handler
    }

    /// sigprocmask(2) with `SIG_SETMASK`; the old mask.
    pub fn set_mask(&self, mask: u64) -> Result<u64> {
        self.put(DATA, &mask.to_le_bytes()).unwrap();
        self.sys("rt_sigprocmask", &[2, DATA, DATA + 8, 8])?;
        Ok(self.long(DATA + 8))
    }

    pub fn mask(&self) -> u64 {
        self.sys("rt_sigprocmask", &[0, 0, DATA, 8]).unwrap();
        self.long(DATA)
    }

    pub fn long(&self, address: u32) -> u64 {
        u64::from(self.word(address).unwrap()) | u64::from(self.word(address + 4).unwrap()) << 32
    }

    pub fn kill(&self, pid: u32, signal: u32) -> Result {
        self.sys("kill", &[pid, signal])
    }

    /// wait4(2): the pid and the status.
    pub fn wait(&self, pid: u32, options: u32) -> Result<(u32, i32)> {
        let found = self.sys("wait4", &[pid, DATA, options, 0])?;
        Ok((found, self.word(DATA).unwrap().cast_signed()))
    }

    /// pipe(2): the read end and the write end.
    pub fn pipe(&self) -> (u32, u32) {
        assert_eq!(self.sys("pipe", &[DATA]), Ok(0));
        (self.word(DATA).unwrap(), self.word(DATA + 4).unwrap())
    }
}

/// A word of a `siginfo_t`.
pub fn info_word(siginfo: &[u8], index: usize) -> u32 {
    u32::from_le_bytes(siginfo[index * 4..index * 4 + 4].try_into().unwrap())
}

/// Random numbers (xorshift32, Marsaglia), the same in every run.
pub struct Random(u32);

impl Random {
    /// A sequence of its own for each seed.
    pub fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.next() >> 8) % bound
    }

    /// An index into something of `len` elements.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.next() >> 8).unwrap() % len
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number that programs get wrong.
    pub fn garbage(&mut self) -> u32 {
        const ODD: [u32; 14] = [
            0,
            1,
            2,
            3,
            5,
            6,
            8,
            0x40,
            0x1000,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_e000,
            0xffff_ff9c,
            0xffff_ffff,
        ];
        let choice = self.next();
        match choice & 3 {
            0 => self.next(),
            1 => 1 << (choice >> 27),
            2 => (choice >> 8) & 15,
            _ => ODD[usize::try_from(choice >> 8).unwrap_or(0) % ODD.len()],
        }
    }
}
