//! A kernel with processes whose system calls a test makes.

use std::sync::Arc;

use abi::flags::{O_CREAT, O_RDWR, O_TRUNC};
use abi::{Errno, Result};
use executor::clock::FakeClock;
use executor::{Clock, CountingPender, Executor, Slice, WorkerId};
use fs::budget::Budget;
use fs::tmpfs::{DEFAULT_SIZE, TmpFs};
use fs::vfs::Vfs;
use kernel_loader::{Interruption, Options, Sharing};

use super::{FakePlatform, TestGuest};
use crate::device::Devices;
use crate::fd_table::FdTable;
use crate::kernel::{Kernel, Parts};
use crate::platform::{Platform, Slot};
use crate::process::{Pid, Spawn};
use crate::scheduler::Dispatch;
use crate::tty::Terminals;

/// The path of a program that does nothing.
pub const PROGRAM_PATH: &[u8] = b"/init";

/// `(module (memory (export "memory") 2)
/// (global (export "__stack_pointer") (mut i32) (i32.const 65536)) (func (export "_start"))
/// (func (export "__wasm_thread_start") (param i32)))`
pub const PROGRAM: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x08\x02\x60\0\0\x60\x01\x7f\0\
    \x03\x03\x02\0\x01\
    \x05\x03\x01\0\x02\
    \x06\x08\x01\x7f\x01\x41\x80\x80\x04\x0b\
    \x07\x3b\x04\x06memory\x02\0\x0f__stack_pointer\x03\0\x06_start\0\0\
    \x13__wasm_thread_start\0\x01\
    \x0a\x07\x02\x02\0\x0b\x02\0\x0b";

/// A kernel on a file system in memory, with a host that tests control.
#[derive(Debug)]
pub struct TestPod {
    /// The kernel.
    pub kernel: Arc<Kernel>,
    /// Its host.
    pub platform: Arc<FakePlatform>,
    executors: Vec<Arc<Executor>>,
}

impl TestPod {
    /// Boots a kernel with one Worker, `/dev`, `/proc` and `/tmp`.
    ///
    /// # Errors
    /// None in practice.
    pub fn new() -> Result<Self> {
        Self::with_workers(1)
    }

    /// The same with `count` Workers.
    ///
    /// # Errors
    /// None in practice.
    pub fn with_workers(count: u32) -> Result<Self> {
        Self::with_budget(count, Budget::unlimited())
    }

    /// The same with `count` Workers and the memory of `budget`.
    ///
    /// # Errors
    /// None in practice.
    pub fn with_budget(count: u32, budget: Arc<Budget>) -> Result<Self> {
        let platform = FakePlatform::new();
        let host: Arc<dyn Platform> = Arc::<FakePlatform>::clone(&platform);
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(platform.clock());
        let worker = |id| Executor::new(WorkerId(id), Arc::clone(&clock), CountingPender::new());
        let executors: Vec<_> = (0..count.max(1)).map(worker).collect();
        let terminals = Terminals::default();
        let random = Arc::new(|bytes: &mut [u8]| bytes.fill(4));
        let devices = Arc::new(Devices::new(random, terminals.clone()));
        let vfs = Vfs::with_budget(devices, budget);
        let kernel = Kernel::new(Parts {
            platform: host,
            loader: Options {
                interruption: Interruption::Countdown,
                thread_memory: Sharing::Private,
                import_number: abi::linux32_number,
                validate: kernel_loader::validate,
                write_fork: kernel_loader::write_fork,
                translate_wali: kernel_loader::translate_wali,
            },
            terminals,
            vfs: Arc::new(vfs),
            executors: executors.clone(),
            hostname: b"test".to_vec(),
        });
        platform.serve(&kernel);
        let root = TmpFs::new(DEFAULT_SIZE, kernel.now())?;
        kernel.vfs.mount_root(Arc::new(root), b"tmpfs", 0)?;
        kernel.boot()?;
        let pod = Self {
            kernel,
            platform,
            executors,
        };
        pod.write_file(PROGRAM_PATH, 0o755, PROGRAM)?;
        Ok(pod)
    }

    /// Writes a file, replacing what is there.
    ///
    /// # Errors
    /// As `open(2)` and `write(2)`.
    pub fn write_file(&self, path: &[u8], mode: u32, contents: &[u8]) -> Result<()> {
        let root = self.kernel.root()?;
        let context = self.kernel.root_context(&root);
        let opened = self
            .kernel
            .vfs
            .open(&context, path, O_CREAT | O_TRUNC | O_RDWR, mode)?;
        let mut bytes = contents;
        opened
            .location
            .inode()
            .write_at(0, &mut bytes, self.kernel.now())
            .map(drop)
    }

    /// Starts a process of the superuser with the working directory `/` and no open file.
    ///
    /// # Errors
    /// As `execve(2)`.
    pub fn spawn(&self) -> Result<TestGuest> {
        self.spawn_program(PROGRAM_PATH, &[PROGRAM_PATH], &[])
    }

    /// The same with a program of the test's choice.
    ///
    /// # Errors
    /// As `execve(2)`.
    pub fn spawn_program(&self, path: &[u8], argv: &[&[u8]], envp: &[&[u8]]) -> Result<TestGuest> {
        let guest = self.start_program(path, argv, envp)?;
        self.run();
        Ok(guest)
    }

    /// The same, but nothing runs yet: for a thread that has one Worker only.
    ///
    /// # Errors
    /// As `execve(2)`.
    pub fn start_program(&self, path: &[u8], argv: &[&[u8]], envp: &[&[u8]]) -> Result<TestGuest> {
        let owned = |strings: &[&[u8]]| strings.iter().map(|string| string.to_vec()).collect();
        let process = self.kernel.spawn(Spawn {
            path: path.to_vec(),
            argv: owned(argv),
            envp: owned(envp),
            cwd: None,
            files: FdTable::default(),
            terminal: None,
        })?;
        TestGuest::new(process, &self.platform)
    }

    /// The guest that runs as process `pid`, e.g. after `vfork` and `exec`.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn guest(&self, pid: Pid) -> Result<TestGuest> {
        let process = self.kernel.processes.find(pid).ok_or(Errno::ESRCH)?;
        TestGuest::new(process, &self.platform)
    }

    /// Runs whatever is ready, on all Workers in turn until none has anything left.
    pub fn run(&self) {
        for _ in &self.executors {
            for worker in 0..self.executors.len() {
                self.run_worker(worker);
            }
        }
    }

    /// The guest of thread `tid`, which may not have started.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn thread(&self, tid: Pid) -> Result<TestGuest> {
        let process = self.kernel.processes.of_thread(tid).ok_or(Errno::ESRCH)?;
        let task = process.thread(tid).ok_or(Errno::ESRCH)?;
        Ok(TestGuest::of_task(process, task, &self.platform))
    }

    /// The guest in `slot`, whose process may have ended before it ran.
    pub fn guest_in(&self, slot: Slot) -> Option<TestGuest> {
        let task = self.kernel.task(slot)?;
        Some(TestGuest::of_task(task.process(), task, &self.platform))
    }

    /// Runs whatever is ready on one Worker: by one thread at a time. Guests do not wait for each
    /// other's turns, because the test runs them.
    pub fn run_worker(&self, worker: usize) {
        let Some(executor) = self.executors.get(worker) else {
            return;
        };
        let scheduler = &self.kernel.scheduler;
        loop {
            executor.run(Slice::unlimited());
            scheduler.end_turn(executor.worker());
            if scheduler.dispatch(&self.kernel, executor.worker()) == Dispatch::Idle {
                return;
            }
        }
    }

    /// Runs what is ready on one Worker but its guests, and gives one guest its turn, as the host
    /// does; nothing, when that guest still has it.
    pub fn pump(&self, worker: usize) {
        let Some(executor) = self.executors.get(worker) else {
            return;
        };
        loop {
            executor.run(Slice::unlimited());
            let next = self
                .kernel
                .scheduler
                .dispatch(&self.kernel, executor.worker());
            if next != Dispatch::Executor {
                return;
            }
        }
    }

    /// Moves the clock forward by `ns` nanoseconds and runs what that wakes.
    pub fn advance(&self, ns: u64) {
        self.platform.clock().advance(ns);
        self.run();
    }
}
