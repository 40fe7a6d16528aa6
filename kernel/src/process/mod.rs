//! Processes: what they own, how they relate, how they begin and end.
//!
//! - [`Process`]: what a process owns; each part behind its own lock
//! - [`table`]: who is whose child, group and session; who waits for whom
//! - [`task`]: a thread of execution of a process, its system call and its guest
//! - [`threads`]: which threads a process has; `robust`: what one leaves that held locks
//! - [`life`]: spawn, vfork, exec, exit; [`fork`]: fork
//! - [`signals`]: sending; `paths`: what a path means to a process; `wasi`: what WASI programs have
//!
//! A `Process` outlives its task: it stays in the table as a zombie until its parent waits.

mod capabilities;
mod cpu_alarm;
mod cpu_time;
mod credentials;
mod fork;
mod io_count;
mod life;
mod limits;
mod paths;
mod peak_memory;
pub mod pidfd;
mod policy;
mod posix_timers;
mod robust;
mod settings;
mod signals;
pub mod table;
mod task;
mod threads;
mod timers;
mod user_limits;
mod wasi;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use executor::JoinHandle;
use executor::sync::{Lock, LockGuard};
use executor::wait_queue::WaitQueue;
use fs::vfs::path::Location;

pub use capabilities::{ALL_CAPABILITIES, Capabilities, bit as capability_bit};
pub use cpu_alarm::{CpuAlarms, CpuTimer};
pub use cpu_time::{CpuTime, Usage};
pub use credentials::{Credentials, Ids};
pub use io_count::{IoCount, Way};
pub use life::{Spawn, exit_status, signal_status};
pub use limits::{INFINITY, Limit, Limits, Resource};
pub use paths::PathContext;
pub use peak_memory::PeakMemory;
pub use pidfd::Stage;
pub use policy::Policy;
pub use posix_timers::{Notify, PosixTimers, TimerClock, TimerSetting};
pub use settings::Settings;
pub use signals::Target;
pub use table::{ProcessTable, RunState, WaitEvent, WaitFor, WaitOptions};
pub use task::Task;
pub(crate) use task::entry;
pub use threads::ThreadStart;
pub use timers::IntervalTimer;
pub use wasi::{WasiDescriptor, WasiState};

use crate::exec::{Executable, LoadedProgram};
use crate::fd_table::FdTable;
use crate::memory::AddressSpace;
use crate::scheduler::weight_of;
use crate::signal::SignalState;

/// A process id, as `getpid(2)` returns it.
pub type Pid = i32;

/// Where a process stands in the file system.
#[derive(Clone, Debug)]
pub struct FsContext {
    /// What `/` means.
    pub root: Location,
    /// What a relative path starts at.
    pub cwd: Location,
    /// Permission bits that new files do not get.
    pub umask: u32,
}

/// What `/proc/PID` shows of the program.
#[derive(Clone, Debug, Default)]
pub struct ProgramInfo {
    /// The file it came from.
    pub location: Option<Location>,
    /// Its short name.
    pub comm: Vec<u8>,
    /// `argv`, each ended by NUL.
    pub cmdline: Vec<u8>,
    /// `envp`, each ended by NUL.
    pub environ: Vec<u8>,
    /// The program, for what its loader could not resolve.
    pub loaded: Option<Arc<LoadedProgram>>,
}

impl ProgramInfo {
    /// Takes the names of a program that has been found fit to run: from here on execve(2) has
    /// happened for whoever looks, although the program may start later.
    pub(crate) fn name_after(&mut self, executable: &Executable) {
        self.location = Some(executable.location.clone());
        self.comm.clone_from(&executable.comm);
        self.cmdline.clone_from(&executable.cmdline);
        self.environ.clone_from(&executable.environ);
    }
}

/// One process.
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// Monotonic time of its birth, in nanoseconds.
    pub started_ns: u64,
    /// Open files.
    pub files: Lock<FdTable>,
    /// Root, working directory, umask.
    pub fs: Lock<FsContext>,
    /// Signal actions, mask, pending signals.
    pub signals: Lock<SignalState>,
    /// Its memory map; shared with the parent between `vfork` and `exec`.
    pub memory: Lock<Arc<Lock<AddressSpace>>>,
    /// What `/proc` shows.
    pub program: Lock<ProgramInfo>,
    /// Resource limits.
    pub limits: Lock<Limits>,
    /// Woken when a child ends, stops or continues.
    pub children_changed: WaitQueue,
    /// Woken when this process stops, continues, ends, and is waited for.
    pub state_changed: WaitQueue,
    /// Woken when a signal comes, blocked ones too: signalfd(2).
    pub signal_posted: WaitQueue,
    /// `ITIMER_REAL`.
    pub real_timer: Lock<IntervalTimer>,
    /// Workers that it may run on, one bit each.
    pub affinity: AtomicU64,
    /// Its program has asked how many processors there are (sched_getaffinity(2)).
    pub counts_processors: AtomicBool,
    /// How long it ran.
    pub cpu_time: CpuTime,
    /// What its threads that have ended read and wrote.
    ended_io: IoCount,
    /// How much memory it had at most.
    pub peak_memory: PeakMemory,
    /// What it asked to be told about the time that it runs.
    cpu_alarms: CpuAlarms,
    /// What `prctl(2)` and the like have set.
    pub settings: Lock<Settings>,
    stage: AtomicU8,
    /// The descriptors of a WASI program. Taken before the locks of `files` and of the file system.
    pub wasi: Lock<WasiState>,
    nice: AtomicI32,
    /// What follows from niceness and policy: its share of a Worker.
    weight: AtomicU32,
    /// Whether the host started it, and hears of its end.
    is_hosts: bool,
    credentials: Lock<Arc<Credentials>>,
    threads: Lock<threads::Threads>,
    /// What waits for `real_timer`.
    timer_sleeper: Lock<Option<JoinHandle<()>>>,
    /// Those of `timer_create(2)`.
    posix_timers: PosixTimers,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.pid)
    }
}

impl Process {
    fn new(pid: Pid, started_ns: u64, parts: ProcessParts) -> Arc<Self> {
        let weight = weight_of(parts.nice, parts.settings.policy.policy);
        let process = Arc::new(Self {
            pid,
            started_ns,
            files: Lock::new(parts.files),
            fs: Lock::new(parts.fs),
            signals: Lock::new(parts.signals.named(pid)),
            memory: Lock::new(parts.memory),
            program: Lock::new(parts.program),
            limits: Lock::new(parts.limits),
            children_changed: WaitQueue::new(),
            state_changed: WaitQueue::new(),
            signal_posted: WaitQueue::new(),
            real_timer: Lock::new(IntervalTimer::default()),
            affinity: AtomicU64::new(parts.affinity),
            counts_processors: AtomicBool::new(false),
            cpu_time: CpuTime::default(),
            ended_io: IoCount::default(),
            peak_memory: PeakMemory::default(),
            cpu_alarms: CpuAlarms::default(),
            settings: Lock::new(parts.settings),
            stage: AtomicU8::new(0),
            wasi: Lock::default(),
            nice: AtomicI32::new(parts.nice),
            weight: AtomicU32::new(weight),
            is_hosts: parts.is_hosts,
            credentials: Lock::new(parts.credentials),
            threads: Lock::default(),
            timer_sleeper: Lock::new(None),
            posix_timers: PosixTimers::default(),
        });
        process.note_cpu_limits();
        process
    }

    /// What a child starts with that the thread `maker` of this process makes (fork(2)).
    fn parts_for_child(&self, maker: Pid) -> ProcessParts {
        ProcessParts {
            files: self.files.lock().clone(),
            fs: self.fs.lock().clone(),
            signals: self.signals.lock().for_child(maker),
            memory: Arc::clone(&self.memory.lock()),
            program: self.program.lock().clone(),
            limits: self.limits.lock().clone(),
            affinity: self.affinity.load(Ordering::Relaxed),
            nice: self.nice(),
            settings: Settings {
                policy: self.policy(maker).for_child(),
                ..self.settings.lock().for_child()
            },
            is_hosts: false,
            credentials: self.credentials(),
        }
    }

    /// Who it acts as, now.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.lock())
    }

    /// Acts as somebody else from now on. Whoever gains or loses by that dumps no core any more, and
    /// no longer hears of its parent's end (prctl(2)).
    pub fn set_credentials(&self, credentials: Credentials) {
        let new = Arc::new(credentials);
        let old = std::mem::replace(&mut *self.credentials.lock(), Arc::clone(&new));
        let acting = |it: &Credentials| {
            [
                it.user.effective,
                it.user.files,
                it.group.effective,
                it.group.files,
            ]
        };
        let gains = new.capabilities.permitted & !old.capabilities.permitted != 0;
        if gains || acting(&old) != acting(&new) {
            let mut settings = self.settings.lock();
            settings.is_dumpable = false;
            settings.death_signal = 0;
        }
    }

    /// Its nice value, -20 to 19.
    pub fn nice(&self) -> i32 {
        self.nice.load(Ordering::Relaxed)
    }

    /// Changes the nice value.
    pub fn set_nice(&self, nice: i32) {
        self.nice.store(nice, Ordering::Relaxed);
        let policy = self.settings.lock().policy.policy;
        self.weight
            .store(weight_of(nice, policy), Ordering::Relaxed);
    }

    /// What its share of a Worker is in proportion to.
    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// How long it has run, what its guests run just now included, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        let threads = self.threads();
        // Between `vfork` and `exec` a guest acts as the child.
        let guests = threads.iter().filter(|task| task.pid() == self.pid);
        guests.fold(self.cpu_time.own_ns(), |sum, task| {
            sum.saturating_add(task.running_ns())
        })
    }

    /// What it has used, what its guest runs just now included.
    pub fn usage(&self) -> Usage {
        Usage {
            ran_ns: self.cpu_ns(),
            ..self.cpu_time.own()
        }
    }

    /// What its threads have read and written, as [`IoCount::values`].
    pub fn io(&self) -> [u64; 4] {
        let sum = IoCount::default();
        sum.add(&self.ended_io);
        self.threads().iter().for_each(|task| sum.add(&task.io));
        sum.values()
    }

    /// Open files, locked.
    pub fn files(&self) -> LockGuard<'_, FdTable> {
        self.files.lock()
    }

    /// The name of an import of its program that is no system call.
    pub fn unknown_import(&self, index: u32) -> String {
        let program = self.program.lock();
        usize::try_from(index)
            .ok()
            .and_then(|index| {
                program
                    .loaded
                    .as_ref()?
                    .program
                    .unknown_imports
                    .get(index)
                    .cloned()
            })
            .unwrap_or_else(|| format!("number {index}"))
    }

    /// The memory map; lock the result.
    pub fn address_space(&self) -> Arc<Lock<AddressSpace>> {
        Arc::clone(&self.memory.lock())
    }
}

/// The parts that a new process is made of.
struct ProcessParts {
    files: FdTable,
    fs: FsContext,
    signals: SignalState,
    memory: Arc<Lock<AddressSpace>>,
    program: ProgramInfo,
    limits: Limits,
    affinity: u64,
    nice: i32,
    settings: Settings,
    is_hosts: bool,
    credentials: Arc<Credentials>,
}
