//! The kernel of one pod: what all its processes share.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::{Errno, Result};
use executor::sync::Lock;
use executor::{Executor, WorkerId};
use fs::vfs::path::Location;
use slab::Slab;

use crate::arrivals::Arrivals;
use crate::exec::ProgramCache;
use crate::file_lock::FileLocks;
use crate::ipc::fifo::Fifos;
use crate::ipc::futex::Futexes;
use crate::ipc::sysv::SysV;
use crate::log::LogBuffer;
use crate::memory::SharedCount;
use crate::memory::frames::FramePool;
use crate::platform::{Level, Platform, Slot};
use crate::proc::LoadAverage;
use crate::process::{Process, ProcessTable, Task};
use crate::scheduler::Scheduler;
use crate::tty::Terminals;

/// The most guests at once.
const MAX_SLOTS: usize = 60_000;

/// One pod.
#[derive(Debug)]
pub struct Kernel {
    /// The host.
    pub platform: Arc<dyn Platform>,
    /// All processes.
    pub processes: ProcessTable,
    /// All loaded programs.
    pub programs: Arc<ProgramCache>,
    /// All terminals.
    pub terminals: Terminals,
    /// The named pipes that are open.
    pub fifos: Fifos,
    /// Shared memory, semaphores and messages of System V.
    pub sysv: SysV,
    /// The POSIX message queues.
    pub message_queues: fs::mqueue::MessageQueues,
    /// The sockets.
    pub network: net::Network,
    /// Who waits at words of memory.
    pub futexes: Arc<Futexes>,
    /// The locks on files.
    pub file_locks: FileLocks,
    /// The mounted file systems.
    pub vfs: Arc<fs::vfs::Vfs>,
    /// `uname -n`.
    pub hostname: Lock<Vec<u8>>,
    /// The domain name of `uname(2)`.
    pub domain_name: Lock<Vec<u8>>,
    /// The load averages.
    pub load_average: LoadAverage,
    /// The last messages of the log.
    pub log_buffer: LogBuffer,
    /// Monotonic time of the boot, in nanoseconds.
    pub booted_ns: u64,
    /// Whose guest runs on which Worker.
    pub scheduler: Scheduler,
    /// How many mappings are shared.
    pub shared_mappings: SharedCount,
    /// What came from devices that answer later.
    pub arrivals: Arrivals,
    /// The memories that guests take turns in.
    pub frames: FramePool,
    executors: Vec<Arc<Executor>>,
    seats: Lock<Slab<Seat>>,
}

/// Who sits in a slot.
#[derive(Debug)]
struct Seat {
    worker: WorkerId,
    task: Option<Arc<Task>>,
}

/// What a kernel is made of.
#[derive(Debug)]
pub struct Parts {
    /// The host.
    pub platform: Arc<dyn Platform>,
    /// How programs are loaded.
    pub loader: kernel_loader::Options,
    /// All terminals: the same that the devices of `vfs` know.
    pub terminals: Terminals,
    /// The mounted file systems.
    pub vfs: Arc<fs::vfs::Vfs>,
    /// One executor for each Worker, in the order of their ids.
    pub executors: Vec<Arc<Executor>>,
    /// `uname -n`.
    pub hostname: Vec<u8>,
}

impl Kernel {
    /// A kernel without processes but init.
    pub fn new(parts: Parts) -> Arc<Self> {
        let budget = parts.vfs.budget();
        let platform = Arc::clone(&parts.platform);
        let programs = Arc::new(ProgramCache::new(parts.loader, platform, budget));
        budget.add_cache(&programs);
        let frames = FramePool::new(
            Arc::clone(&parts.platform),
            Arc::clone(budget),
            parts.executors.len(),
        );
        Arc::new(Self {
            booted_ns: parts.platform.monotonic_ns(),
            platform: parts.platform,
            processes: ProcessTable::new(),
            programs,
            terminals: parts.terminals,
            fifos: Fifos::new(parts.vfs.budget()),
            sysv: SysV::default(),
            message_queues: fs::mqueue::MessageQueues::new(parts.vfs.budget()),
            network: net::Network::new(parts.vfs.budget()),
            futexes: Arc::new(Futexes::new()),
            file_locks: FileLocks::new(),
            vfs: parts.vfs,
            hostname: Lock::new(parts.hostname),
            domain_name: Lock::new(b"(none)".to_vec()),
            load_average: LoadAverage::default(),
            log_buffer: LogBuffer::default(),
            scheduler: Scheduler::new(&parts.executors),
            shared_mappings: SharedCount::default(),
            arrivals: Arrivals::default(),
            frames,
            executors: parts.executors,
            seats: Lock::new(Slab::new()),
        })
    }

    /// The root directory of the pod.
    ///
    /// # Errors
    /// `ENOENT` before a root is mounted.
    pub fn root(&self) -> Result<Location> {
        self.vfs
            .root()
            .ok_or_else(|| Errno::ENOENT.because("no root is mounted"))
    }

    /// Shows a message to whoever runs the pod, and keeps it for `syslog(2)`.
    pub fn log(&self, level: Level, message: &str) {
        self.log_buffer.push(level, self.uptime_ns(), message);
        self.platform.log(level, message);
    }

    /// Nanoseconds since the boot.
    pub fn uptime_ns(&self) -> u64 {
        self.platform.monotonic_ns().saturating_sub(self.booted_ns)
    }

    /// The executors, one for each Worker.
    pub fn executors(&self) -> &[Arc<Executor>] {
        &self.executors
    }

    /// How many guests each Worker has.
    pub fn guests_per_worker(&self) -> Vec<usize> {
        let mut counts = vec![0; self.executors.len()];
        for (_, seat) in self.seats.lock().iter() {
            let index = usize::try_from(seat.worker.0).unwrap_or(usize::MAX);
            if let Some(count) = counts.get_mut(index) {
                *count = usize::saturating_add(*count, 1);
            }
        }
        counts
    }

    /// How many guests there are.
    pub fn nr_guests(&self) -> usize {
        self.seats.lock().len()
    }

    /// The task in a slot.
    pub fn task(&self, slot: Slot) -> Option<Arc<Task>> {
        let index = usize::try_from(slot.0).ok()?;
        self.seats.lock().get(index)?.task.clone()
    }

    /// Chooses a Worker for a program of `process`, which `beside` starts or gives way to.
    pub(crate) fn place(&self, process: &Process, beside: Option<&Task>) -> Arc<Executor> {
        let affinity = process.affinity.load(Ordering::Relaxed);
        let placed = self
            .scheduler
            .place(beside, affinity, &self.guests_per_worker());
        #[expect(clippy::expect_used, reason = "a pod has at least one Worker")]
        placed.expect("a pod has a Worker")
    }

    pub(crate) fn claim_slot(&self, executor: &Executor) -> Result<Slot> {
        self.check_stacks()?;
        let mut seats = self.seats.lock();
        if seats.len() >= MAX_SLOTS {
            return Err(Errno::EAGAIN.because("no seat for one more guest"));
        }
        let index = seats.insert(Seat {
            worker: executor.worker(),
            task: None,
        });
        u32::try_from(index)
            .map(Slot)
            .map_err(|_| Errno::EAGAIN.into())
    }

    pub(crate) fn occupy_slot(&self, slot: Slot, task: &Arc<Task>) {
        let Ok(index) = usize::try_from(slot.0) else {
            return;
        };
        let before = {
            let mut seats = self.seats.lock();
            seats.get_mut(index).and_then(|seat| {
                seat.worker = task.executor().worker();
                seat.task.replace(Arc::clone(task))
            })
        };
        drop(before);
    }

    pub(crate) fn release_slot(&self, slot: Slot) {
        let Ok(index) = usize::try_from(slot.0) else {
            return;
        };
        let seat = self.seats.lock().try_remove(index);
        drop(seat);
    }
}
