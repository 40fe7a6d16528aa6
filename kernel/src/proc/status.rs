//! What `/proc` tells of processes and of the pod, collected one lock at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::flags::{SIG_DFL, SIG_IGN};
use abi::types::Fd;
use fs::procfs::source::{MemoryStatus, ProcessState, ProcessStatus, SystemStatus};

use super::unsigned;
use crate::kernel::Kernel;
use crate::process::table::Relations;
use crate::process::{Pid, Process, RunState};
use crate::signal::{self, SignalSet};
use crate::version;

/// The number of the limit on signals that wait: getrlimit(2).
const RLIMIT_SIGPENDING: u32 = 11;

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

/// What `/proc` shows of a thread, but for its files; of the first, or of one that is not there, what
/// it shows of the process.
pub(super) fn of_thread(
    kernel: &Kernel,
    process: &Process,
    tid: Pid,
    relations: Relations,
) -> ProcessStatus {
    let of_process = of_process(kernel, process, tid, relations);
    let Some(thread) = process.thread(tid).filter(|_| tid != process.pid) else {
        return of_process;
    };
    let state = match of_process.state {
        ProcessState::Running if !thread.is_runnable() => ProcessState::Sleeping,
        state => state,
    };
    ProcessStatus {
        pid: unsigned(tid),
        comm: thread.comm(),
        state,
        processor: thread.executor().worker().0,
        ..of_process
    }
}

fn of_process(kernel: &Kernel, process: &Process, tid: Pid, relations: Relations) -> ProcessStatus {
    let task = process.task();
    let is_running = process.nr_runnable() > 0;
    let (state, exit_status) = match relations.state {
        RunState::Running if is_running => (ProcessState::Running, 0),
        RunState::Running => (ProcessState::Sleeping, 0),
        RunState::Stopped(_) => (ProcessState::Stopped, 0),
        RunState::Zombie(status) => (ProcessState::Zombie, status),
    };
    let tty = relations.terminal.and_then(|id| kernel.terminals.find(id));
    let foreground = tty.and_then(|tty| tty.session().1);
    let credentials = process.credentials();
    let capabilities = credentials.capabilities;
    let space = process.address_space();
    let memory = {
        let space = space.lock();
        MemoryStatus {
            virtual_bytes: space.used_bytes(),
            virtual_peak_bytes: space.peak_bytes(),
            resident_bytes: space.resident_bytes(),
            stack_bytes: space.stack_bytes(),
        }
    };
    let usage = process.usage();
    let settings = *process.settings.lock();
    let max_pending_signals = process.limits.lock().get(RLIMIT_SIGPENDING);
    let (ignored, caught) = dispositions(process);
    let (pending, blocked) = {
        let signals = process.signals.lock();
        (signals.pending(tid).0, signals.mask(tid).0)
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
        uids: credentials.user.to_array(),
        gids: credentials.group.to_array(),
        groups: credentials.groups.to_vec(),
        umask: process.fs.lock().umask,
        nr_threads: u32::try_from(process.thread_ids().len()).unwrap_or(u32::MAX),
        nice: process.nice(),
        started_ns: process.started_ns.saturating_sub(kernel.booted_ns),
        user_ns: usage.ran_ns,
        children_user_ns: process.cpu_time.children().ran_ns,
        nr_voluntary_switches: usage.nr_waits,
        nr_involuntary_switches: usage.nr_preemptions,
        memory,
        affinity: process.affinity.load(Ordering::Relaxed),
        capabilities: [
            capabilities.inheritable,
            capabilities.permitted,
            capabilities.effective,
            capabilities.bounding,
            capabilities.ambient,
        ],
        is_dumpable: settings.is_dumpable,
        oom_score_adj: settings.oom_score_adj,
        has_no_new_privileges: settings.has_no_new_privileges,
        max_pending_signals: max_pending_signals.map_or(0, |limit| limit.soft),
        timer_slack_ns: settings.timer_slack_ns,
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

/// How long all processes have run, those that have ended and were waited for included.
fn ran_ns(processes: &[Arc<Process>]) -> u64 {
    let family = |process: &Arc<Process>| {
        let children_ns = process.cpu_time.children().ran_ns;
        process.cpu_ns().saturating_add(children_ns)
    };
    processes.iter().map(family).fold(0, u64::saturating_add)
}

impl Kernel {
    fn all_processes(&self) -> Vec<Arc<Process>> {
        let pids = self.processes.pids();
        let found = pids.iter().filter_map(|&pid| self.processes.find(pid));
        found.collect()
    }

    /// The load averages of 1, 5 and 15 minutes, in hundredths.
    pub fn load_hundredths(&self) -> [u64; 3] {
        let ran_ns = ran_ns(&self.all_processes());
        self.load_average.sample(self.uptime_ns(), ran_ns)
    }
}

/// What `/proc` shows of the whole pod, but for the boot id.
pub(super) fn of_system(kernel: &Kernel) -> SystemStatus {
    let processes = kernel.all_processes();
    let nr_running: usize = processes.iter().map(|process| process.nr_runnable()).sum();
    let uptime_ns = kernel.uptime_ns();
    let user_ns = ran_ns(&processes);
    let nr_processors = u32::try_from(kernel.executors().len()).unwrap_or(u32::MAX);
    let memory = kernel.memory_usage();
    let booted_ns = kernel.platform.realtime_ns().saturating_sub(uptime_ns);
    SystemStatus {
        uptime_ns,
        idle_ns: uptime_ns
            .saturating_mul(u64::from(nr_processors))
            .saturating_sub(user_ns),
        user_ns,
        booted_seconds: booted_ns.checked_div(1_000_000_000).unwrap_or(0),
        total_bytes: memory.total_bytes,
        is_memory_limited: kernel.budget().limit().is_some(),
        free_bytes: memory.free_bytes(),
        cached_bytes: memory.cached_bytes,
        shared_bytes: memory.shared_bytes,
        nr_processors,
        load_hundredths: kernel.load_average.sample(uptime_ns, user_ns),
        nr_switches: kernel.scheduler.nr_switches(),
        nr_running: u32::try_from(nr_running).unwrap_or(u32::MAX),
        nr_processes: u32::try_from(processes.len()).unwrap_or(u32::MAX),
        last_pid: unsigned(kernel.processes.last_pid()),
        nr_forks: kernel.processes.nr_born(),
        hostname: kernel.hostname.lock().clone(),
        domain_name: kernel.domain_name.lock().clone(),
        release: version::RELEASE,
        version: version::VERSION,
        ..SystemStatus::default()
    }
}
