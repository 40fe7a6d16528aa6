//! How processes begin and end: spawn, vfork, exec, exit.
//!
//! `vfork` lends the calling instance the child's identity (ADR 0007): the child runs in the
//! parent's instance until it execs, when it gets an instance of its own, or exits. Both calls
//! then return the child's pid to the instance, which is the parent again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::flags::{CLD_EXITED, CLD_KILLED, CLD_STOPPED, SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN};
use abi::limits::HZ;
use abi::{Errno, Result};
use executor::Executor;
use executor::sync::Lock;
use fs::vfs::path::Location;

use super::table::{INIT, Orphan, RunState};
use super::{
    Credentials, FsContext, Ids, Limits, Pid, Process, ProcessParts, ProgramInfo, Settings, Stage,
    Task, WasiState,
};
use crate::exec::{self, Executable, Image};
use crate::fd_table::FdTable;
use crate::kernel::Kernel;
use crate::memory::AddressSpace;
use crate::platform::Slot;
use crate::signal::{self, SignalInfo, SignalState};

/// Deepest nesting of `vfork` in one instance.
const MAX_LOANS: usize = 4;

/// The wait status of a process that called `exit` with `code`.
pub const fn exit_status(code: i32) -> i32 {
    (code & 0xff) << 8
}

/// The wait status of a process that a signal ended.
pub fn signal_status(number: u8) -> i32 {
    i32::from(number)
}

/// Clock ticks, as `siginfo_t` has times.
fn ticks_of(ns: u64) -> u32 {
    const TICK_NS: u64 = 1_000_000_000 / HZ;
    u32::try_from(ns.checked_div(TICK_NS).unwrap_or(0)).unwrap_or(u32::MAX)
}

/// A process that the host starts, as a child of init and leader of a session.
#[derive(Debug)]
pub struct Spawn {
    /// Path of the program.
    pub path: Vec<u8>,
    /// Arguments, the program's name first.
    pub argv: Vec<Vec<u8>>,
    /// Environment, `NAME=value` each.
    pub envp: Vec<Vec<u8>>,
    /// Working directory; `None`: `/`.
    pub cwd: Option<Vec<u8>>,
    /// Its open files.
    pub files: FdTable,
    /// Its controlling terminal.
    pub terminal: Option<u64>,
}

impl Kernel {
    /// Starts a process for the host.
    ///
    /// # Errors
    /// As `execve(2)`, and `EAGAIN` when there is no room for one more.
    pub fn spawn(self: &Arc<Self>, spawn: Spawn) -> Result<Arc<Process>> {
        let parts = ProcessParts {
            files: spawn.files,
            is_hosts: true,
            ..self.first_parts()?
        };
        let now = self.platform.monotonic_ns();
        let process = self
            .processes
            .add(INIT, |pid| Process::new(pid, now, parts))?;
        // Before it runs: on another Worker it may be over at once.
        self.processes.new_session(process.pid)?;
        self.processes.set_terminal(process.pid, spawn.terminal);
        if let Some(terminal) = spawn.terminal {
            self.terminals.attach(terminal, process.pid);
        }
        let started = self.start_spawned(&process, &spawn.path, spawn.argv, &spawn.envp, spawn.cwd);
        if let Err(error) = started {
            if let Some(terminal) = spawn.terminal {
                self.terminals.detach(terminal, process.pid);
            }
            process.files().close_all();
            self.processes.end(process.pid, exit_status(127));
            self.processes.remove(process.pid);
            return Err(error);
        }
        Ok(process)
    }

    /// What a process without a parent has: nothing but the root and the superuser's rights.
    fn first_parts(&self) -> Result<ProcessParts> {
        let root = self.root()?;
        Ok(ProcessParts {
            files: FdTable::default(),
            fs: FsContext {
                root: root.clone(),
                cwd: root,
                umask: 0o022,
            },
            signals: SignalState::default(),
            memory: self.no_memory(),
            program: ProgramInfo::default(),
            limits: Limits::default(),
            affinity: u64::MAX,
            nice: 0,
            settings: Settings::default(),
            is_hosts: false,
            credentials: Arc::new(Credentials::root()),
        })
    }

    /// Makes process 1: it has no guest, adopts orphans, and waits for them at once.
    pub(crate) fn make_init(&self) -> Result<()> {
        let parts = ProcessParts {
            program: ProgramInfo {
                comm: b"init".to_vec(),
                ..ProgramInfo::default()
            },
            ..self.first_parts()?
        };
        let now = self.platform.monotonic_ns();
        self.processes.add(0, |pid| Process::new(pid, now, parts))?;
        Ok(())
    }

    fn start_spawned(
        self: &Arc<Self>,
        process: &Arc<Process>,
        path: &[u8],
        argv: Vec<Vec<u8>>,
        envp: &[Vec<u8>],
        cwd: Option<Vec<u8>>,
    ) -> Result<()> {
        if let Some(cwd) = cwd {
            let location = process.walk(self, &cwd)?;
            process.fs.lock().cwd = location;
        }
        let location = process.walk(self, path)?;
        let executable = exec::prepare(self, process, location, path, argv, envp)?;
        self.start_task(process, executable, None)
    }

    /// Lends `task` the identity of a new child (vfork(2)); 0, as the child sees it.
    ///
    /// # Errors
    /// `EAGAIN` at `RLIMIT_NPROC`, without a free pid, or nested too deep; `ENOMEM`.
    pub fn vfork(self: &Arc<Self>, task: &Arc<Task>) -> Result<u32> {
        if task.nr_loans() >= MAX_LOANS {
            return Err(Errno::EAGAIN.because("vfork is nested too deep"));
        }
        let parent = task.process();
        self.admit_child(&parent)?;
        let now = self.platform.monotonic_ns();
        let parts = parent.parts_for_child(task.tid());
        let child = self
            .processes
            .add(parent.pid, |pid| Process::new(pid, now, parts))?;
        task.borrow_identity(&child);
        Ok(0)
    }

    /// Replaces the program of `task`'s process (execve(2)). `Ok(Some(pid))`: the process had its
    /// identity on loan, now runs on its own, and the instance is its parent again. `Ok(None)`:
    /// the instance is over.
    ///
    /// # Errors
    /// As `execve(2)`; the old program then goes on.
    pub fn exec(
        self: &Arc<Self>,
        task: &Arc<Task>,
        location: Location,
        path: &[u8],
        argv: Vec<Vec<u8>>,
        envp: &[Vec<u8>],
    ) -> Result<Option<Pid>> {
        let process = task.process();
        if task.is_over() {
            // Another thread was first, and is all that there is of the process.
            return Ok(None);
        }
        if let Some(status) = self.fatal_signal(task, &process) {
            return Ok(self.leave(task, status));
        }
        self.check_user_of(&process)?;
        let before_ns = self.platform.monotonic_ns();
        let executable = exec::prepare(self, &process, location, path, argv, envp)?;
        task.excuse(self.platform.monotonic_ns().saturating_sub(before_ns));
        // Of the program itself: the set-id bits of a script mean nothing.
        let metadata = executable.location.inode().metadata()?;
        // The last step that may fail: from here on the process is another.
        let seat = if task.nr_loans() > 0 {
            Some(self.take_seat(&process, Some(task))?)
        } else {
            None
        };
        let settings = {
            let mut settings = process.settings.lock();
            *settings = settings.after_exec();
            let caller = process.credentials();
            let acts_as_itself = |ids: Ids| ids.real == ids.effective;
            settings.is_dumpable = acts_as_itself(caller.user) && acts_as_itself(caller.group);
            *settings
        };
        let may_gain =
            !settings.has_no_new_privileges && executable.location.mount.honours_set_id();
        let credentials = process.credentials().after_exec(&metadata, may_gain);
        if credentials != *process.credentials() {
            process.set_credentials(credentials);
        }
        let closed = process.files().close_on_exec();
        for file in &closed {
            self.file_locks.closed(file, process.pid);
        }
        drop(closed);
        process.delete_timers();
        process
            .signals
            .lock()
            .reset_for_exec(task.tid(), process.pid);
        self.processes.note_exec(process.pid);
        process.program.lock().name_after(&executable);
        let Some(seat) = seat else {
            self.end_other_threads(task);
            task.set_next(executable);
            return Ok(None);
        };
        self.start_seated(seat, &process, executable);
        task.return_identity();
        Ok(Some(process.pid))
    }

    /// Ends `task`'s process (exit_group(2)). `Some(pid)`: the identity was on loan and the
    /// instance is the parent again; `None`: the instance is over.
    pub fn leave(&self, task: &Arc<Task>, status: i32) -> Option<Pid> {
        let process = task.process();
        let status = self.fatal_signal(task, &process).unwrap_or(status);
        self.exit_process(&process, status);
        let child = task.return_identity();
        if child.is_none() {
            task.request_attention();
        }
        child.map(|child| child.pid)
    }

    /// The status of a fatal signal that came while the identity was on loan.
    fn fatal_signal(&self, task: &Task, process: &Process) -> Option<i32> {
        if task.nr_loans() == 0 {
            return None;
        }
        match process.signals.lock().peek(task.tid()) {
            Some(signal::Taken::Terminate(info)) => Some(signal_status(info.number)),
            _ => None,
        }
    }

    fn start_task(
        self: &Arc<Self>,
        process: &Arc<Process>,
        executable: Executable,
        beside: Option<&Task>,
    ) -> Result<()> {
        let seat = self.take_seat(process, beside)?;
        self.start_seated(seat, process, executable);
        Ok(())
    }

    /// A seat for a program of `process`, and the Worker that has it.
    fn take_seat(&self, process: &Process, beside: Option<&Task>) -> Result<(Slot, Arc<Executor>)> {
        let executor = self.place(process, beside);
        Ok((self.claim_slot(&executor)?, executor))
    }

    fn start_seated(
        self: &Arc<Self>,
        (slot, executor): (Slot, Arc<Executor>),
        process: &Arc<Process>,
        executable: Executable,
    ) {
        let task = Task::new(self, slot, executor, process, executable);
        self.occupy_slot(slot, &task);
        self.scheduler.start(&task);
    }

    /// Moves a program that has not started to another Worker; false when there is none.
    pub(crate) fn move_task(self: &Arc<Self>, task: &Arc<Task>, executor: &Arc<Executor>) -> bool {
        let Some(executable) = task.take_next() else {
            return self.move_thread(task, executor);
        };
        let process = task.process();
        let moved = Task::new(self, task.slot, Arc::clone(executor), &process, executable);
        self.occupy_slot(task.slot, &moved);
        self.scheduler.start(&moved);
        true
    }

    /// `exec` has left the stack of the old program: the new one may start on another Worker. True
    /// when it does, as another task in the same slot.
    pub(super) fn exec_elsewhere(self: &Arc<Self>, task: &Arc<Task>) -> bool {
        let executor = self.place(&task.process(), Some(task));
        executor.worker() != task.executor().worker() && self.move_task(task, &executor)
    }

    /// Gives `process` the memory map and the names of its new program; what is to be started.
    pub(super) fn install(&self, process: &Process, mut executable: Executable) -> Image {
        let mut program = process.program.lock();
        program.name_after(&executable);
        program.loaded = Some(Arc::clone(&executable.image.program));
        drop(program);
        *process.wasi.lock() = WasiState::default();
        process.counts_processors.store(false, Ordering::Relaxed);
        process.note_peak_memory();
        executable.space.set_owner(process.pid);
        *process.memory.lock() = Arc::new(Lock::new(executable.space));
        executable.image
    }

    /// A process has ended: its memory is free for whoever waits for that, although its guest may be
    /// about to leave it. On loan it is its parent's.
    fn give_up_memory(&self, process: &Process) {
        process.note_peak_memory();
        let space = std::mem::replace(&mut *process.memory.lock(), self.no_memory());
        space.lock().give_up(process.pid);
    }

    /// The memory map of a process without a program.
    fn no_memory(&self) -> Arc<Lock<AddressSpace>> {
        Arc::new(Lock::new(AddressSpace::empty(self.budget())))
    }

    /// Ends a process: closes its files, makes it a zombie, tells its parent (exit(2), "NOTES").
    pub fn exit_process(&self, process: &Arc<Process>, status: i32) {
        for task in process.threads() {
            task.settle_time(process);
        }
        let kept_groups = self.processes.groups_kept_by(process.pid);
        let Some(ended) = self.processes.end(process.pid, status) else {
            return;
        };
        process.enter_stage(Stage::Ended);
        process.stop_real_timer();
        process.delete_timers();
        process.end_cpu_sleeps(u64::MAX);
        process.doom_threads();
        self.give_up_memory(process);
        let closed = process.files().close_all();
        self.file_locks.forget_process(process.pid);
        self.sysv.process_ended(process.pid);
        drop(closed);
        self.session_leader_left(process.pid);
        for orphan in ended.orphans {
            self.tell_orphan(process, &orphan, ended.reaper.as_ref());
        }
        self.wake_orphaned_groups(&kept_groups);
        if process.is_hosts {
            self.platform.process_ended(process.pid, status);
        }
        if ended.is_adopted {
            if let Some(init) = &ended.parent {
                init.cpu_time.add_child(process.cpu_time.total());
                init.peak_memory.add_child(process.family_peak_bytes());
            }
            self.processes.remove(process.pid);
            return;
        }
        let Some(parent) = ended.parent else { return };
        self.tell_of_end(&parent, process, status);
    }

    /// Tells `parent` that `child` has ended, and waits for it if `parent` never will (wait(2),
    /// "NOTES").
    fn tell_of_end(&self, parent: &Arc<Process>, child: &Process, status: i32) {
        let action = parent.signals.lock().action(signal::CHLD);
        let is_ignored = action.handler == SIG_IGN;
        if is_ignored || action.flags & SA_NOCLDWAIT != 0 {
            self.processes.remove(child.pid);
        }
        if is_ignored {
            // Not even one that is blocked comes.
            parent.children_changed.wake_all();
            return;
        }
        let (code, value) = match status & 0x7f {
            0 => (CLD_EXITED, status >> 8),
            number => (CLD_KILLED, number),
        };
        self.tell_parent(parent, child, code, value);
    }

    /// `parent` has ended: the signal that the child asked for, and a child that ended before.
    fn tell_orphan(&self, parent: &Process, orphan: &Orphan, reaper: Option<&Arc<Process>>) {
        let child = &orphan.process;
        let number = child.settings.lock().death_signal;
        if number != 0 && orphan.status.is_none() {
            let info = SignalInfo {
                number,
                pid: parent.pid,
                uid: parent.credentials().user.real,
                ..SignalInfo::default()
            };
            child.post_signal(self, info);
        }
        match (orphan.status, reaper) {
            (None, _) => {}
            (Some(_), None) => self.processes.remove(child.pid),
            (Some(status), Some(reaper)) => self.tell_of_end(reaper, child, status),
        }
    }

    /// Stops a process because of signal `number`, and tells its parent; `false`: the signal is
    /// one of job control and nobody could continue the process (POSIX, "orphaned process group").
    ///
    /// - `nr_continues`: of the process when the signal was taken; if another Worker has continued
    ///   it since, it goes on at once
    pub(super) fn stop_process(
        &self,
        process: &Arc<Process>,
        number: u8,
        nr_continues: u32,
    ) -> bool {
        if number != signal::STOP
            && let Some(relations) = self.processes.relations(process.pid)
            && self.processes.is_orphaned_group(relations.group)
        {
            return false;
        }
        let parent = self.processes.set_stopped(process.pid, number);
        process.attend_all();
        if let Some(parent) = parent {
            self.tell_of_job(&parent, process, CLD_STOPPED, number);
        }
        if process.signals.lock().nr_continues() != nr_continues {
            self.continue_stopped(process, true);
        }
        true
    }

    /// Tells `parent` that `child` stopped or went on, unless it asked not to be told.
    pub(super) fn tell_of_job(
        &self,
        parent: &Arc<Process>,
        child: &Process,
        code: i32,
        number: u8,
    ) {
        if parent.signals.lock().action(signal::CHLD).flags & SA_NOCLDSTOP == 0 {
            self.tell_parent(parent, child, code, i32::from(number));
        } else {
            parent.children_changed.wake_all();
        }
    }

    fn tell_parent(&self, parent: &Arc<Process>, child: &Process, code: i32, value: i32) {
        let info = SignalInfo {
            number: signal::CHLD,
            code,
            pid: child.pid,
            uid: child.credentials().user.real,
            value,
            rest: [ticks_of(child.cpu_time.own_ns()), 0],
        };
        parent.post_signal(self, info);
        parent.children_changed.wake_all();
    }

    /// The groups that lost their last keeper with `candidates`' change, and have a stopped member,
    /// hear of it (exit(2), "NOTES").
    fn wake_orphaned_groups(&self, candidates: &[Pid]) {
        for &group in candidates {
            if self.processes.is_orphaned_group(group) && self.processes.has_stopped(group) {
                self.signal_group(group, signal::HUP);
                self.signal_group(group, signal::CONT);
            }
        }
    }

    /// Whether a process is there and has not ended.
    pub fn is_alive(&self, pid: Pid) -> bool {
        matches!(
            self.processes.state_of(pid),
            Some(RunState::Running | RunState::Stopped(_))
        )
    }
}
