//! Limits that count what all processes of a user have: `RLIMIT_NPROC`, `RLIMIT_SIGPENDING`.
//!
//! Users are told apart by their real ids, as in Linux.

use std::sync::Arc;

use abi::{Errno, Result};

use super::{INFINITY, Process, Resource};
use crate::kernel::Kernel;

impl Kernel {
    /// The processes and threads of the user `uid`, those processes that have ended and were not
    /// waited for included.
    fn nr_processes_of(&self, uid: u32) -> u64 {
        let count = self
            .processes
            .nr_tasks_of(|process| process.credentials().user.real == uid);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Fails when the user of `parent` may have no more processes.
    ///
    /// Deviates: holds for the superuser too, who is the only user of many pods.
    ///
    /// # Errors
    /// `EAGAIN`
    pub(super) fn check_process_limit(&self, parent: &Process) -> Result<()> {
        let limit = parent.limits.lock().soft(Resource::Processes);
        // Who has fewer than that in all need not be counted.
        if u64::try_from(self.processes.nr_tasks()).is_ok_and(|all| all < limit) {
            return Ok(());
        }
        if self.nr_processes_of(parent.credentials().user.real) >= limit {
            return Err(Errno::EAGAIN.because("RLIMIT_NPROC"));
        }
        Ok(())
    }

    /// `process` has become another user: if that one has too many processes, its next `exec` fails
    /// (setuid(2), execve(2) `EAGAIN`).
    pub fn note_user_of(&self, process: &Process) {
        let uid = process.credentials().user.real;
        let limit = process.limits.lock().soft(Resource::Processes);
        let exceeds = uid != 0 && limit != INFINITY && self.nr_processes_of(uid) > limit;
        process.settings.lock().exceeds_processes = exceeds;
    }

    /// Fails when [`Kernel::note_user_of`] found too many processes, and there still are.
    ///
    /// # Errors
    /// `EAGAIN`
    pub(super) fn check_user_of(&self, process: &Process) -> Result<()> {
        if process.settings.lock().exceeds_processes {
            self.note_user_of(process);
            if process.settings.lock().exceeds_processes {
                return Err(Errno::EAGAIN.because("the user has more than RLIMIT_NPROC"));
            }
        }
        Ok(())
    }

    /// How many signals wait for the processes of a user.
    pub(super) fn nr_pending_signals_of(&self, uid: u32) -> u64 {
        let pending = |process: &Arc<Process>| {
            let is_theirs = process.credentials().user.real == uid;
            is_theirs.then(|| process.signals.lock().nr_pending())
        };
        let all = self.processes.living();
        let sum = all.iter().filter_map(pending).sum::<usize>();
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}
