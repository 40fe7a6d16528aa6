//! Sending signals: kill(2), and what the kernel sends itself.

use std::sync::Arc;

use abi::flags::{CAP_KILL, CLD_CONTINUED, SI_KERNEL, SI_USER};
use abi::{Errno, Result};

use super::table::RunState;
use super::{Pid, Process, Resource};
use crate::kernel::Kernel;
use crate::signal::{self, SignalInfo};

/// A limit on waiting signals up to which those that do not queue are counted, too.
const FEW_SIGNALS: u64 = 1024;

/// Whom `kill(2)` means by its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One process.
    Process(Pid),
    /// One thread: tkill(2), and with the process that it must belong to tgkill(2).
    Thread {
        /// Its process.
        group: Option<Pid>,
        /// Its id.
        tid: Pid,
    },
    /// A process group.
    Group(Pid),
    /// All that the sender may signal, but init and itself.
    All,
}

impl Process {
    /// Makes a signal pending here and has the process look at it.
    pub fn post_signal(self: &Arc<Self>, kernel: &Kernel, info: SignalInfo) {
        self.post_to(kernel, info, None);
    }

    /// The same, for one thread only if `to` names one.
    pub(super) fn post_to(self: &Arc<Self>, kernel: &Kernel, info: SignalInfo, to: Option<Pid>) {
        let listener = self.signals.lock().post(info, to);
        // After the post: `Kernel::stop_process` looks the other way round.
        if info.number == signal::CONT || info.number == signal::KILL {
            kernel.continue_stopped(self, info.number == signal::CONT);
        }
        // It looks at its signals at the end of its call, and a wait ends.
        if let Some(task) = listener.and_then(|tid| self.thread(tid)) {
            task.request_attention();
        }
        self.signal_posted.wake_all();
    }
}

impl Kernel {
    /// Sends `info` to `target` as `sender` may; number 0 only checks (kill(2)).
    ///
    /// # Errors
    /// `ESRCH` when there is nobody, `EPERM` when none of them may be signalled.
    pub fn send_signal(&self, sender: &Process, target: Target, info: SignalInfo) -> Result<()> {
        let targets = self.processes.targets(target, sender.pid);
        if targets.is_empty() {
            return Err(Errno::ESRCH.into());
        }
        let mut reached = false;
        let mut refusal = Errno::EPERM.because("none that may be signalled");
        for process in targets {
            let tid = match target {
                Target::Thread { tid, .. } => Some(tid),
                _ => None,
            };
            match self.send_to(sender, &process, tid, info) {
                Ok(()) => reached = true,
                Err(error) => refusal = error,
            }
        }
        if reached { Ok(()) } else { Err(refusal) }
    }

    /// Sends `info` to `target`, which may have ended, as `sender` may; number 0 only checks.
    ///
    /// # Errors
    /// `EPERM`; `EAGAIN` for a real-time signal above `RLIMIT_SIGPENDING`.
    pub fn send_signal_to(
        &self,
        sender: &Process,
        target: &Arc<Process>,
        info: SignalInfo,
    ) -> Result<()> {
        self.send_to(sender, target, None, info)
    }

    /// The same for all of `target`, or for its thread `tid` alone.
    fn send_to(
        &self,
        sender: &Process,
        target: &Arc<Process>,
        tid: Option<Pid>,
        info: SignalInfo,
    ) -> Result<()> {
        if !self.may_signal(sender, target, info.number) {
            return Err(Errno::EPERM.into());
        }
        if info.number == 0 {
            return Ok(());
        }
        let info = self.within_limit(target, tid, info)?;
        target.post_to(self, info, tid);
        Ok(())
    }

    /// What comes of a signal when the user of `target` has as many waiting as they may: one that
    /// does not queue loses what it says about its sender (Linux v6.12 kernel/signal.c,
    /// `__send_signal_locked`).
    ///
    /// # Errors
    /// `EAGAIN` for a real-time signal that somebody queues.
    fn within_limit(
        &self,
        target: &Process,
        tid: Option<Pid>,
        info: SignalInfo,
    ) -> Result<SignalInfo> {
        let is_real_time = info.number >= signal::RT_MIN;
        if !is_real_time && info.code >= 0 {
            return Ok(info);
        }
        let limit = target.limits.lock().soft(Resource::PendingSignals);
        // Signals that do not queue are few: only a low limit is worth counting for.
        if !is_real_time && limit > FEW_SIGNALS {
            return Ok(info);
        }
        let has_room = {
            let signals = target.signals.lock();
            if signals.discards(info.number, tid) {
                return Ok(info);
            }
            signals.has_room(info.number, tid)
        };
        let uid = target.credentials().user.real;
        if has_room && self.nr_pending_signals_of(uid) < limit {
            return Ok(info);
        }
        if is_real_time && info.code != SI_USER {
            return Err(Errno::EAGAIN.because("RLIMIT_SIGPENDING"));
        }
        Ok(SignalInfo {
            number: info.number,
            ..SignalInfo::default()
        })
    }

    /// Sends a signal from the host, as the superuser; number 0 only checks.
    ///
    /// # Errors
    /// `ESRCH` when there is nobody, `EINVAL` for a number that is no signal.
    pub fn kill(&self, pid: Pid, number: i32) -> Result<()> {
        let number = u8::try_from(number).map_err(|_| Errno::EINVAL)?;
        if number > signal::MAX {
            return Err(Errno::EINVAL.because("not a signal"));
        }
        let targets = self.processes.targets(Target::Process(pid), 0);
        if targets.is_empty() {
            return Err(Errno::ESRCH.into());
        }
        for process in targets {
            if number != 0 {
                process.post_signal(
                    self,
                    SignalInfo {
                        number,
                        ..SignalInfo::default()
                    },
                );
            }
        }
        Ok(())
    }

    /// Sends a signal of the kernel's own to a process group.
    pub fn signal_group(&self, group: Pid, number: u8) {
        let info = SignalInfo {
            number,
            code: SI_KERNEL,
            ..SignalInfo::default()
        };
        for process in self.processes.targets(Target::Group(group), 0) {
            process.post_signal(self, info);
        }
    }

    fn may_signal(&self, sender: &Process, target: &Process, number: u8) -> bool {
        let from = sender.credentials();
        let to = target.credentials();
        sender.pid == target.pid
            || from.has(CAP_KILL)
            || [from.user.real, from.user.effective]
                .iter()
                .any(|&uid| uid == to.user.real || uid == to.user.saved)
            || (number == signal::CONT
                && self.processes.session_of(sender.pid) == self.processes.session_of(target.pid))
    }

    /// Continues `process` if it is stopped, and tells its parent so when `report`.
    pub(super) fn continue_stopped(&self, process: &Arc<Process>, report: bool) {
        if !matches!(
            self.processes.state_of(process.pid),
            Some(RunState::Stopped(_))
        ) {
            return;
        }
        let parent = self.processes.set_running(process.pid, report);
        process.state_changed.wake_all();
        if let (Some(parent), true) = (parent, report) {
            self.tell_of_job(&parent, process, CLD_CONTINUED, signal::CONT);
        }
    }
}
