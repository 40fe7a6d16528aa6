//! System V IPC (sysvipc(7)): shared memory in `shm`, semaphores in `sem`, message queues in `msg`.
//! Here is what their objects have in common.

mod msg;
mod sem;
mod shm;

use abi::flags::IPC_64;
use abi::layout::IpcPerm;
use abi::{Errno, Result};
use kernel::call::Fault;
use kernel::ipc::sysv::{Object, Permissions};

pub(crate) use msg::{msgctl, msgget, msgrcv, msgsnd};
pub(crate) use sem::{semctl, semget, semop, semtimedop_time64};
pub(crate) use shm::{shmat, shmctl, shmdt, shmget};

use crate::context::Cx;

fn seconds(cx: Cx<'_>) -> i64 {
    cx.kernel.now().seconds
}

/// A time as two words.
fn words(time: i64) -> [u32; 2] {
    let time = time.cast_unsigned();
    let low = u32::try_from(time & u64::from(u32::MAX)).unwrap_or(0);
    [low, u32::try_from(time >> 32).unwrap_or(0)]
}

const fn perm_of(permissions: &Permissions) -> IpcPerm {
    IpcPerm {
        key: permissions.key,
        uid: permissions.uid,
        gid: permissions.gid,
        creator_uid: permissions.creator_uid,
        creator_gid: permissions.creator_gid,
        mode: permissions.mode,
        sequence: permissions.sequence,
    }
}

/// `IPC_SET`: owner and mode, by the owner.
fn change(cx: Cx<'_>, object: &impl Object, new: &IpcPerm) -> Result<()> {
    let mut permissions = object.permissions().lock();
    permissions.check_owner(&cx.process().credentials())?;
    (permissions.uid, permissions.gid) = (new.uid, new.gid);
    permissions.mode = new.mode & 0o777;
    Ok(())
}

fn check(cx: Cx<'_>, object: &impl Object, wanted: u32) -> Result<()> {
    let credentials = cx.process().credentials();
    object.permissions().lock().check(&credentials, wanted)
}

fn check_owner(cx: Cx<'_>, object: &impl Object) -> Result<()> {
    let credentials = cx.process().credentials();
    object.permissions().lock().check_owner(&credentials)
}

/// A command without the bit that says which structures it means: there is one form here.
fn command_of(command: i32) -> i32 {
    command & !IPC_64.cast_signed()
}

/// What a call that waited in vain answers: these are not made again after a signal.
fn ended(fault: Fault) -> Fault {
    match fault {
        Fault::Interrupted(_) => Errno::EINTR.into(),
        Fault::TimedOut => Errno::EAGAIN.into(),
        fault => fault,
    }
}
