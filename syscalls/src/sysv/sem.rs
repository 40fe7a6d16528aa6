//! Semaphores: semget(2), semop(2), semctl(2).

use std::sync::Arc;

use abi::flags::{
    GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_RMID, IPC_SET, IPC_STAT, SETALL, SETVAL,
};
use abi::layout::{Sembuf, SemidDs, Timespec64};
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::Try;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::ipc::sysv::sem::{Operation, SemaphoreSet, Wait};
use kernel::ipc::sysv::{Object as _, READ, WRITE};
use kernel::poll::{Attempt, wait_on};

use super::{change, check, check_owner, command_of, ended, perm_of, seconds, words};
use crate::context::Cx;

/// Semaphores of one set, `SEMMSL`, and operations of one call, `SEMOPM`.
const SEMMSL: u32 = 32_000;
const SEMOPM: u32 = 500;

/// Bytes of `struct sembuf`.
const SEMBUF: u32 = 6;

/// semget(2).
pub(crate) fn semget(cx: Cx<'_>, key: i32, count: i32, flags: u32) -> Result<i32> {
    let count = u32::try_from(count).ok().filter(|&count| count <= SEMMSL);
    let count = count.ok_or_else(|| Errno::EINVAL.because("no number of semaphores"))?;
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    let check = |set: &SemaphoreSet| {
        if count > set.len() {
            return Err(Errno::EINVAL.because("a larger set than there is"));
        }
        Ok(())
    };
    let make = |permissions| {
        if count == 0 {
            return Err(Errno::EINVAL.because("a set of no semaphores"));
        }
        cx.kernel
            .budget()
            .admit(u64::try_from(count).unwrap_or(0).saturating_mul(8))?;
        Ok(SemaphoreSet::new(permissions, count, seconds(cx)))
    };
    let credentials = cx.process().credentials();
    let sets = &cx.kernel.sysv.semaphores;
    sets.find_or_make((key, flags), &credentials, check, make)
}

/// semop(2).
pub(crate) fn semop(
    cx: Cx<'_>,
    id: i32,
    operations: UserAddr,
    nr_operations: u32,
) -> Result<Outcome<()>> {
    operate(cx, id, operations, nr_operations, None)
}

/// semtimedop(2).
pub(crate) fn semtimedop_time64(
    cx: Cx<'_>,
    id: i32,
    operations: UserAddr,
    nr_operations: u32,
    timeout: UserAddr,
) -> Result<Outcome<()>> {
    let deadline_ns = if timeout.is_null() {
        None
    } else {
        let span_ns = Timespec64::from_bytes(&cx.copy_in(timeout)?).nanoseconds()?;
        Some(cx.kernel.platform.monotonic_ns().saturating_add(span_ns))
    };
    operate(cx, id, operations, nr_operations, deadline_ns)
}

fn operate(
    cx: Cx<'_>,
    id: i32,
    address: UserAddr,
    nr_operations: u32,
    deadline_ns: Option<u64>,
) -> Result<Outcome<()>> {
    match nr_operations {
        0 => return Err(Errno::EINVAL.because("no operations")),
        1..=SEMOPM => {}
        _ => return Err(Errno::E2BIG.because("over 500 operations")),
    }
    let operation = |index: u32| {
        let raw = cx.copy_in(address.offset(index.saturating_mul(SEMBUF))?)?;
        let raw = Sembuf::from_bytes(&raw);
        Ok(Operation {
            index: raw.index,
            change: raw.change,
            flags: u32::from(raw.flags),
        })
    };
    let operations: Vec<Operation> = (0..nr_operations).map(operation).collect::<Result<_>>()?;
    let set = cx.kernel.sysv.semaphores.find(id)?;
    let alters = operations.iter().any(|operation| operation.change != 0);
    check(cx, &*set, if alters { WRITE } else { READ })?;
    let attempt = Operating {
        set: Arc::clone(&set),
        operations,
        pid: cx.process().pid,
        now: seconds(cx),
        wait: None,
    };
    let queue = Some(set.wait_queue());
    Ok(wait_on(cx.task, queue, deadline_ns, Restart::Sys, attempt))
}

/// A semop(2) that may wait. It is never made again after a signal.
struct Operating {
    set: Arc<SemaphoreSet>,
    operations: Vec<Operation>,
    pid: i32,
    now: i64,
    wait: Option<u64>,
}

impl Attempt for Operating {
    type Output = ();

    fn attempt(&mut self) -> Try<()> {
        self.set
            .try_operate(self.pid, &self.operations, self.now, &mut self.wait)
    }

    fn settle(&mut self, fault: Fault) -> Answer<()> {
        Err(ended(fault))
    }
}

impl Drop for Operating {
    fn drop(&mut self) {
        if let Some(wait) = self.wait {
            self.set.end_wait(wait);
        }
    }
}

/// semctl(2). Deviates: no `IPC_INFO`, `SEM_INFO`, `SEM_STAT`.
pub(crate) fn semctl(cx: Cx<'_>, id: i32, index: i32, command: i32, argument: u32) -> Result<i32> {
    let set = cx.kernel.sysv.semaphores.find(id)?;
    let address = UserAddr(argument);
    let pid = cx.process().pid;
    let command = command_of(command);
    match command {
        IPC_RMID => {
            check_owner(cx, &*set)?;
            cx.kernel.sysv.semaphores.remove(&set);
            set.remove();
            Ok(0)
        }
        IPC_SET => {
            let new = SemidDs::from_bytes(&cx.copy_in(address)?).permissions;
            change(cx, &*set, &new)?;
            set.note_change(seconds(cx));
            Ok(0)
        }
        IPC_STAT => {
            check(cx, &*set, READ)?;
            let (operated_at, changed_at) = set.times();
            let status = SemidDs {
                permissions: perm_of(&set.permissions().lock()),
                operated_at: words(operated_at),
                changed_at: words(changed_at),
                nr_semaphores: u32::try_from(set.len()).unwrap_or(0),
            };
            cx.copy_out(address, &status.to_bytes()).map(|()| 0)
        }
        GETALL => {
            check(cx, &*set, READ)?;
            let semaphores = set.semaphores();
            let values = semaphores.iter().flat_map(|s| s.value.to_le_bytes());
            cx.copy_out(address, &values.collect::<Vec<u8>>())
                .map(|()| 0)
        }
        SETALL => {
            check(cx, &*set, WRITE)?;
            let mut bytes = vec![0; set.len().saturating_mul(2)];
            crate::context::not_null(address)?;
            cx.memory().copy_in(address.0, &mut bytes)?;
            let values = bytes.chunks_exact(2);
            let values = values.map(|word| word.try_into().map_or(0, u16::from_le_bytes));
            let values: Vec<u16> = values.collect();
            set.set(0, &values, pid, seconds(cx)).map(|()| 0)
        }
        GETPID | GETVAL | GETNCNT | GETZCNT | SETVAL => {
            let place = usize::try_from(index).map_err(|_| Errno::EINVAL)?;
            let semaphore = set.semaphores().get(place).copied();
            let semaphore = semaphore.ok_or_else(|| Errno::EINVAL.because("no such semaphore"))?;
            check(cx, &*set, if command == SETVAL { WRITE } else { READ })?;
            let number = u16::try_from(place).unwrap_or(u16::MAX);
            let waiting = |wait| i32::try_from(set.nr_waiting(wait)).unwrap_or(i32::MAX);
            Ok(match command {
                GETPID => semaphore.pid,
                GETVAL => i32::from(semaphore.value),
                GETNCNT => waiting(Wait::Increase(number)),
                GETZCNT => waiting(Wait::Zero(number)),
                _ => {
                    let value = u16::try_from(argument).map_err(|_| Errno::ERANGE)?;
                    set.set(place, &[value], pid, seconds(cx))?;
                    0
                }
            })
        }
        _ => Err(Errno::EINVAL.because("no such command")),
    }
}
