//! What `/proc` shows of the kernel: proc(5). The file system itself is `fs::procfs`.
//!
//! - [`ProcessView`]: answers procfs
//! - [`current`]: who looks, for `/proc/self`
//! - `text`: the files whose lines the kernel writes itself; `load`: load averages

pub mod current;
mod load;
mod text;

pub use load::LoadAverage;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use abi::flags::O_CLOEXEC;
use abi::limits::{HOST_NAME_MAX, TASK_COMM_LEN};
use abi::types::Fd;
use abi::{Errno, Result};
use fs::procfs::source::{
    Descriptor, Place, ProcessSource, ProcessState, ProcessStatus, SystemStatus,
};
use fs::vfs::Vfs;
use fs::vfs::path::Location;

use crate::fd_table::OnExec;
use crate::kernel::Kernel;
use crate::process::table::Relations;
use crate::process::{Pid, Process, RunState};
use crate::signal::{self, SIG_DFL, SIG_IGN, SignalSet};
use crate::version;

/// The kernel, as procfs looks at it.
#[derive(Debug)]
pub struct ProcessView(Weak<Kernel>);

impl ProcessView {
    /// A view of `kernel`, which it does not keep alive.
    pub fn new(kernel: &Arc<Kernel>) -> Self {
        Self(Arc::downgrade(kernel))
    }

    fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.0.upgrade()?.processes.find(Pid::try_from(pid).ok()?)
    }
}

/// A process id as procfs writes it.
fn unsigned(pid: Pid) -> u32 {
    u32::try_from(pid).unwrap_or(0)
}

impl ProcessSource for ProcessView {
    fn pids(&self) -> Vec<u32> {
        let pids = self.0.upgrade().map(|kernel| kernel.processes.pids());
        pids.unwrap_or_default().into_iter().map(unsigned).collect()
    }

    fn current(&self) -> Option<(u32, u32)> {
        let pid = unsigned(current::pid()?);
        Some((pid, pid))
    }

    fn status(&self, pid: u32) -> Option<ProcessStatus> {
        let kernel = self.0.upgrade()?;
        let process = self.process(pid)?;
        let relations = kernel.processes.relations(process.pid)?;
        Some(status_of(&kernel, &process, relations))
    }

    fn arguments(&self, pid: u32) -> Option<Vec<u8>> {
        Some(self.process(pid)?.program.lock().cmdline.clone())
    }

    fn environment(&self, pid: u32) -> Option<Vec<u8>> {
        Some(self.process(pid)?.program.lock().environ.clone())
    }

    fn maps(&self, pid: u32) -> Option<Vec<u8>> {
        let space = self.process(pid)?.address_space();
        let lines = text::maps(&space.lock());
        Some(lines)
    }

    fn limits(&self, pid: u32) -> Option<Vec<u8>> {
        let limits = self.process(pid)?.limits.lock().clone();
        Some(text::limits(&limits))
    }

    fn place(&self, pid: u32, which: Place) -> Option<Option<Location>> {
        let process = self.process(pid)?;
        let place = match which {
            Place::Executable => process.program.lock().location.clone(),
            Place::WorkingDirectory => Some(process.fs.lock().cwd.clone()),
            Place::Root => Some(process.fs.lock().root.clone()),
        };
        Some(place)
    }

    fn descriptors(&self, pid: u32) -> Option<Vec<u32>> {
        let process = self.process(pid)?;
        let files = process.files();
        Some(files.iter().map(|(Fd(fd), _, _)| unsigned(fd)).collect())
    }

    fn descriptor(&self, pid: u32, fd: u32) -> Option<Descriptor> {
        let fd = Fd(i32::try_from(fd).ok()?);
        let process = self.process(pid)?;
        let (file, on_exec) = {
            let files = process.files();
            (files.get(fd).ok()?, files.on_exec(fd).ok()?)
        };
        let close = if on_exec == OnExec::Close {
            O_CLOEXEC
        } else {
            0
        };
        Some(Descriptor {
            location: file.place().ok()?,
            position: file.position(),
            flags: file.flags() | close,
        })
    }

    fn set_comm(&self, pid: u32, comm: &[u8]) -> Result<()> {
        let process = self.process(pid).ok_or(Errno::ESRCH)?;
        let len = comm.len().min(TASK_COMM_LEN.saturating_sub(1));
        process.program.lock().comm = comm.get(..len).unwrap_or(comm).to_vec();
        Ok(())
    }

    fn system(&self) -> SystemStatus {
        self.0
            .upgrade()
            .map(|kernel| system_of(&kernel))
            .unwrap_or_default()
    }

    fn set_hostname(&self, name: &[u8]) -> Result<()> {
        if name.len() > HOST_NAME_MAX {
            return Err(Errno::EINVAL.because("too long a name"));
        }
        let kernel = self.0.upgrade().ok_or(Errno::EACCES)?;
        *kernel.hostname.lock() = name.to_vec();
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        if let Some(kernel) = self.0.upgrade() {
            kernel.platform.fill_random(bytes);
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "the file system that asks is a part of the kernel"
    )]
    fn vfs(&self) -> Arc<Vfs> {
        Arc::clone(&self.0.upgrade().expect("the kernel is there").vfs)
    }
}

/// The sets of signals that are ignored and handled.
fn dispositions(process: &Process) -> (SignalSet, SignalSet) {
    let signals = process.signals.lock();
    let mut ignored = SignalSet::default();
    let mut caught = SignalSet::default();
    for number in 1..=signal::MAX {
        match signals.action(number).handler {
            SIG_DFL => {}
            SIG_IGN => ignored = ignored.with(SignalSet::of(number)),
            _ => caught = caught.with(SignalSet::of(number)),
        }
    }
    (ignored, caught)
}

fn status_of(kernel: &Kernel, process: &Process, relations: Relations) -> ProcessStatus {
    let task = process.task();
    let is_running = task.as_ref().is_some_and(|task| task.is_running());
    let (state, exit_status) = match relations.state {
        RunState::Running if is_running => (ProcessState::Running, 0),
        RunState::Running => (ProcessState::Sleeping, 0),
        RunState::Stopped(_) => (ProcessState::Stopped, 0),
        RunState::Zombie(status) => (ProcessState::Zombie, status),
    };
    let tty = relations.terminal.and_then(|id| kernel.terminals.find(id));
    let foreground = tty.and_then(|tty| tty.session().1);
    let credentials = process.credentials();
    let used_bytes = process.address_space().lock().used_bytes();
    let (ignored, caught) = dispositions(process);
    let (pending, blocked) = {
        let signals = process.signals.lock();
        (signals.pending().0, signals.mask().0)
    };
    let descriptors = process
        .files()
        .iter()
        .map(|(Fd(fd), _, _)| unsigned(fd))
        .max();
    ProcessStatus {
        pid: unsigned(process.pid),
        process: unsigned(process.pid),
        parent: unsigned(relations.parent),
        group: unsigned(relations.group),
        session: unsigned(relations.session),
        terminal: relations.terminal.unwrap_or(0),
        foreground_group: foreground.unwrap_or(-1),
        comm: process.program.lock().comm.clone(),
        state,
        uids: [
            credentials.ruid,
            credentials.euid,
            credentials.suid,
            credentials.fsuid,
        ],
        gids: [
            credentials.rgid,
            credentials.egid,
            credentials.sgid,
            credentials.fsgid,
        ],
        groups: credentials.groups.to_vec(),
        umask: process.fs.lock().umask,
        nr_threads: 1,
        nice: process.nice.load(Ordering::Relaxed),
        started_ns: process.started_ns.saturating_sub(kernel.booted_ns),
        user_ns: process
            .cpu_time
            .own_ns()
            .saturating_add(task.as_ref().map_or(0, |task| task.running_ns())),
        children_user_ns: process.cpu_time.children_ns(),
        virtual_bytes: used_bytes,
        resident_bytes: used_bytes,
        nr_descriptor_slots: descriptors.map_or(0, |fd| fd.saturating_add(1)),
        pending,
        blocked,
        ignored: ignored.0,
        caught: caught.0,
        processor: task.map_or(0, |task| task.executor().worker().0),
        exit_signal: i32::from(signal::CHLD),
        exit_status,
        ..ProcessStatus::default()
    }
}

fn system_of(kernel: &Kernel) -> SystemStatus {
    let pids = kernel.processes.pids();
    let processes: Vec<_> = pids
        .iter()
        .filter_map(|&pid| kernel.processes.find(pid))
        .collect();
    let tasks = processes.iter().filter_map(|process| process.task());
    let nr_running = tasks.filter(|task| task.is_running()).count();
    let uptime_ns = kernel.uptime_ns();
    let user_ns = processes
        .iter()
        .map(|process| process.cpu_time.total_ns())
        .sum();
    let nr_processors = u32::try_from(kernel.executors().len()).unwrap_or(u32::MAX);
    let memory = kernel.memory_usage();
    let up_seconds = uptime_ns.checked_div(1_000_000_000).unwrap_or(0);
    let now_seconds = u64::try_from(kernel.now().seconds).unwrap_or(0);
    SystemStatus {
        uptime_ns,
        idle_ns: uptime_ns
            .saturating_mul(u64::from(nr_processors))
            .saturating_sub(user_ns),
        user_ns,
        booted_seconds: now_seconds.saturating_sub(up_seconds),
        total_bytes: memory.total_bytes,
        free_bytes: memory.free_bytes(),
        nr_processors,
        load_hundredths: kernel.load_average.sample(uptime_ns, user_ns),
        nr_running: u32::try_from(nr_running).unwrap_or(u32::MAX),
        nr_processes: u32::try_from(pids.len()).unwrap_or(u32::MAX),
        last_pid: unsigned(kernel.processes.last_pid()),
        nr_forks: kernel.processes.nr_born(),
        hostname: kernel.hostname.lock().clone(),
        release: version::RELEASE,
        version: version::VERSION,
        ..SystemStatus::default()
    }
}
