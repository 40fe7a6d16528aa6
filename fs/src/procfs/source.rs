//! What procfs asks of the kernel.

use std::fmt;
use std::sync::Arc;

use abi::flags::CAP_SYS_PTRACE;
use abi::{Errno, Result};

use crate::vfs::Vfs;
use crate::vfs::path::Location;

/// Everything that `/proc` shows. `None` means that the process is gone.
///
/// Called with no lock of this crate held but that of the directory in which a name is looked up.
pub trait ProcessSource: Send + Sync + fmt::Debug {
    /// All processes, ascending.
    fn pids(&self) -> Vec<u32>;

    /// The process and the thread whose system call runs now, for `/proc/self` and
    /// `/proc/thread-self`; `None`: the kernel acts for itself.
    fn current(&self) -> Option<(u32, u32)>;

    /// The threads of a process, ascending; the first has the process's id.
    fn threads(&self, pid: u32) -> Option<Vec<u32>> {
        self.status(pid).map(|status| vec![status.pid])
    }

    /// The state of a process, or of the thread with this id.
    fn status(&self, pid: u32) -> Option<ProcessStatus>;

    /// `argv`, each string ended by NUL.
    fn arguments(&self, pid: u32) -> Option<Vec<u8>>;

    /// `envp`, each string ended by NUL.
    fn environment(&self, pid: u32) -> Option<Vec<u8>>;

    /// What its memory is used for, ascending and not overlapping; nothing for a zombie.
    fn memory(&self, pid: u32) -> Option<Vec<MemoryArea>>;

    /// The resource limits, as the lines of `/proc/PID/limits`.
    fn limits(&self, pid: u32) -> Option<Vec<u8>>;

    /// Bytes read and written by its calls, and how often those were made.
    fn io(&self, pid: u32) -> Option<[u64; 4]>;

    /// Where `exe`, `cwd` or `root` leads; the inner `None`: nowhere, as for a zombie.
    fn place(&self, pid: u32, which: Place) -> Option<Option<Location>>;

    /// The open descriptors, ascending.
    fn descriptors(&self, pid: u32) -> Option<Vec<u32>>;

    /// One open descriptor.
    fn descriptor(&self, pid: u32, fd: u32) -> Option<Descriptor>;

    /// Whether the process whose system call runs now may follow the links of `pid`: the same
    /// user and group as all those of `pid`, or the superuser (ptrace(2), "Ptrace access mode
    /// checking", `PTRACE_MODE_READ_FSCREDS`).
    fn may_inspect(&self, pid: u32) -> bool {
        let Some((viewer, _)) = self.current() else {
            return true;
        };
        if viewer == pid {
            return true;
        }
        let (Some(viewer), Some(subject)) = (self.status(viewer), self.status(pid)) else {
            return false;
        };
        let [_, _, effective, ..] = viewer.capabilities;
        if effective & (1 << CAP_SYS_PTRACE) != 0 {
            return true;
        }
        let [_, _, _, fsuid] = viewer.uids;
        let [_, _, _, fsgid] = viewer.gids;
        let [ruid, subject_euid, suid, _] = subject.uids;
        let [rgid, egid, sgid, _] = subject.gids;
        subject.is_dumpable
            && [ruid, subject_euid, suid] == [fsuid; 3]
            && [rgid, egid, sgid] == [fsgid; 3]
    }

    /// Changes the short name of a process: at most 15 bytes.
    ///
    /// # Errors
    /// `ESRCH`
    fn set_comm(&self, pid: u32, comm: &[u8]) -> Result<()> {
        let _ = (pid, comm);
        Err(Errno::EACCES.into())
    }

    /// Says how much sooner or later than others a process is to be ended for want of memory.
    ///
    /// - `value`: -1000 to 1000
    ///
    /// # Errors
    /// `ESRCH`; `EACCES` for a lower value without `CAP_SYS_RESOURCE`.
    fn set_oom_score_adj(&self, pid: u32, value: i32) -> Result<()> {
        let _ = (pid, value);
        Err(Errno::EACCES.into())
    }

    /// The system as a whole.
    fn system(&self) -> SystemStatus;

    /// Changes what `uname -n` says.
    ///
    /// # Errors
    /// `EINVAL` when it is too long.
    fn set_hostname(&self, name: &[u8]) -> Result<()> {
        let _ = name;
        Err(Errno::EACCES.into())
    }

    /// The files of `/proc/shoal`, which Linux does not have.
    fn pod_files(&self) -> &'static [&'static str] {
        &[]
    }

    /// The text of the one called `name`.
    fn pod_file(&self, name: &str) -> Option<Vec<u8>> {
        let _ = name;
        None
    }

    /// The text of a file of `/proc/net`.
    fn network_file(&self, name: &str) -> Option<Vec<u8>> {
        let _ = name;
        None
    }

    /// Fills `bytes` at random, for `/proc/sys/kernel/random/uuid`.
    fn fill_random(&self, bytes: &mut [u8]);

    /// The mounts, for `/proc/PID/mounts`.
    fn vfs(&self) -> Arc<Vfs>;
}

/// A range of a process's memory with one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryArea {
    /// First address, a multiple of the page size.
    pub start: u64,
    /// Address behind the last, a multiple of the page size.
    pub end: u64,
    /// What it is.
    pub usage: MemoryUse,
}

/// What memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryUse {
    /// Stack, which grows down.
    Stack,
    /// Data of the program.
    Program,
    /// What `brk(2)` gave.
    Heap,
    /// A mapping without a file.
    Anonymous,
}

/// The links of `/proc/PID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file of the program.
    Executable,
    /// The working directory.
    WorkingDirectory,
    /// The root directory.
    Root,
}

/// An open descriptor.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The file; one without a name is [`Location::anonymous`].
    pub location: Location,
    /// Byte offset.
    pub position: u64,
    /// The flags of `F_GETFL`, and `O_CLOEXEC`.
    pub flags: u32,
    /// More lines for `fdinfo`.
    pub details: String,
}

/// What `/proc/PID/stat` and `status` show. Times are nanoseconds, sizes bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessStatus {
    /// This process or thread.
    pub pid: u32,
    /// The process that it is of.
    pub process: u32,
    /// The parent, 0 for the first process.
    pub parent: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Device number of the controlling terminal, 0 without one.
    pub terminal: u64,
    /// Foreground process group of the terminal, -1 without one.
    pub foreground_group: i32,
    /// Short name, at most 15 bytes.
    pub comm: Vec<u8>,
    /// State as Linux letters it.
    pub state: ProcessState,
    /// Real, effective, saved and file-system user.
    pub uids: [u32; 4],
    /// Real, effective, saved and file-system group.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// Threads.
    pub nr_threads: u32,
    /// -20 to 19.
    pub nice: i32,
    /// Time of the birth since the boot.
    pub started_ns: u64,
    /// Time run in the guest.
    pub user_ns: u64,
    /// Time run in the kernel.
    pub system_ns: u64,
    /// The same of children that were waited for.
    pub children_user_ns: u64,
    /// The same of children that were waited for.
    pub children_system_ns: u64,
    /// Memory; nothing for a zombie.
    pub memory: MemoryStatus,
    /// Slots of the descriptor table.
    pub nr_descriptor_slots: u32,
    /// Processors that it may run on, one bit each.
    pub affinity: u64,
    /// Inheritable, permitted, effective, bounding and ambient capabilities: the order of
    /// `/proc/PID/status`.
    pub capabilities: [u64; 5],
    /// Whether others of its user may look into it (`PR_SET_DUMPABLE`).
    pub is_dumpable: bool,
    /// -1000 to 1000: what `/proc/PID/oom_score_adj` was set to.
    pub oom_score_adj: i32,
    /// Whether `exec` no longer honours set-id bits.
    pub has_no_new_privileges: bool,
    /// The most signals that may wait, `RLIMIT_SIGPENDING`.
    pub max_pending_signals: u64,
    /// Nanoseconds that its sleeps may end late.
    pub timer_slack_ns: u32,
    /// Signals that wait, signal n is bit n-1.
    pub pending: u64,
    /// Blocked signals.
    pub blocked: u64,
    /// Ignored signals.
    pub ignored: u64,
    /// Signals with a handler.
    pub caught: u64,
    /// The Worker it runs on.
    pub processor: u32,
    /// Signal to the parent at the end.
    pub exit_signal: i32,
    /// Wait status of a zombie.
    pub exit_status: i32,
    /// Times that it waited.
    pub nr_voluntary_switches: u64,
    /// Times that it was preempted.
    pub nr_involuntary_switches: u64,
}

/// How much memory a process has, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStatus {
    /// Address space.
    pub virtual_bytes: u64,
    /// The most address space that the program had.
    pub virtual_peak_bytes: u64,
    /// Memory in use. It gives nothing back, so this is the most there was.
    pub resident_bytes: u64,
    /// Of the stack.
    pub stack_bytes: u64,
}

/// The state of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessState {
    /// `R`
    #[default]
    Running,
    /// `S`
    Sleeping,
    /// `T`
    Stopped,
    /// `Z`
    Zombie,
}

impl ProcessState {
    /// The letter and the word of `/proc/PID/status`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Running => "R (running)",
            Self::Sleeping => "S (sleeping)",
            Self::Stopped => "T (stopped)",
            Self::Zombie => "Z (zombie)",
        }
    }

    /// The letter.
    pub const fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Stopped => 'T',
            Self::Zombie => 'Z',
        }
    }
}

/// What the files of `/proc` itself show. Times are nanoseconds, sizes bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemStatus {
    /// Time since the boot.
    pub uptime_ns: u64,
    /// Time that processors did nothing, summed.
    pub idle_ns: u64,
    /// Time that they ran guests, summed.
    pub user_ns: u64,
    /// Time that they ran the kernel, summed.
    pub system_ns: u64,
    /// Time of the boot in seconds since 1970.
    pub booted_seconds: u64,
    /// Memory of the pod.
    pub total_bytes: u64,
    /// Whether anybody is refused memory when there is no more.
    pub is_memory_limited: bool,
    /// Memory not in use.
    pub free_bytes: u64,
    /// Memory in caches.
    pub cached_bytes: u64,
    /// Files in memory.
    pub shared_bytes: u64,
    /// Processors (Workers).
    pub nr_processors: u32,
    /// Load over 1, 5 and 15 minutes, in hundredths.
    pub load_hundredths: [u64; 3],
    /// Processes that run or are ready.
    pub nr_running: u32,
    /// Processes.
    pub nr_processes: u32,
    /// The youngest process id.
    pub last_pid: u32,
    /// Processes made since the boot.
    pub nr_forks: u64,
    /// Switches between processes since the boot.
    pub nr_switches: u64,
    /// A random number that stays the same until the next boot.
    pub boot_id: u128,
    /// `uname -n`
    pub hostname: Vec<u8>,
    /// The domain name of `uname(2)`.
    pub domain_name: Vec<u8>,
    /// `uname -r`
    pub release: &'static str,
    /// `uname -v`
    pub version: &'static str,
}
