//! Into other processes, and out of what is shared with them: process_vm_readv(2), kcmp(2),
//! unshare(2).

use std::sync::Arc;

use abi::flags::{
    CAP_SYS_NICE, CLONE_FILES, CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS,
    CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS, CLONE_SIGHAND, CLONE_SYSVSEM,
    CLONE_THREAD, CLONE_VM, KCMP_FILE, KCMP_FILES, KCMP_FS, KCMP_IO, KCMP_SIGHAND, KCMP_SYSVSEM,
    KCMP_VM, MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED,
};
use abi::limits::IOV_MAX;
use abi::types::{Fd, Pid, UserAddr};
use abi::{Errno, Result};
use fs::io::Sink as _;
use kernel::call::Outcome;
use kernel::platform::UserMemory;
use kernel::process::{Process, Stage};

use crate::buffer::UserBuffer;
use crate::context::Cx;
use crate::pidfd::{self, check_may_trace};

/// The most that one call moves, in bytes: it lies in the kernel's memory on its way.
const MAX_TRANSFER: usize = 1 << 20;

/// unshare(2): a process of one thread shares nothing that could be unshared. Deviates: one of
/// several shares all it has with the others, and keeps sharing it.
pub(crate) fn unshare(cx: Cx<'_>, flags: u32) -> Result<()> {
    const NAMESPACES: u32 = CLONE_NEWNS
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET
        | CLONE_NEWCGROUP
        | CLONE_NEWTIME;
    const OWN: u32 =
        CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    if flags & NAMESPACES != 0 {
        return Err(Errno::EINVAL.because("a kernel without namespaces"));
    }
    if flags & !OWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags != 0 && cx.process().thread_ids().len() > 1 {
        return Err(Errno::EINVAL.because("threads share what a process has"));
    }
    Ok(())
}

/// process_madvise(2): the advice is as good as none for memory that is always there.
pub(crate) fn process_madvise(
    cx: Cx<'_>,
    pidfd: Fd,
    iov: UserAddr,
    nr_iov: u32,
    advice: i32,
    flags: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(Errno::EINVAL.because("process_madvise knows no flags"));
    }
    let ranges = UserBuffer::from_iovec(cx, iov, nr_iov)?;
    let (process, _) = pidfd::of(cx, pidfd)?;
    if process.stage() != Stage::Alive {
        return Err(Errno::ESRCH.because("the process has ended"));
    }
    if !matches!(
        advice,
        MADV_COLD | MADV_PAGEOUT | MADV_WILLNEED | MADV_COLLAPSE
    ) {
        return Err(Errno::EINVAL.because("no advice about others"));
    }
    check_may_trace(cx, &process)?;
    if !Arc::ptr_eq(&process, &cx.process()) && !cx.process().credentials().has(CAP_SYS_NICE) {
        return Err(Errno::EPERM.because("no CAP_SYS_NICE"));
    }
    Ok(ranges.remaining())
}

/// kcmp(2): 0 the same, 1 and 2 an order among those that are not.
pub(crate) fn kcmp(
    cx: Cx<'_>,
    first: Pid,
    second: Pid,
    kind: i32,
    first_index: u32,
    second_index: u32,
) -> Result<u32> {
    let find = |pid: Pid| {
        let process = cx.kernel.processes.find(pid.0).ok_or(Errno::ESRCH)?;
        check_may_trace(cx, &process)?;
        Ok::<_, abi::Error>(process)
    };
    let (first, second) = (find(first)?, find(second)?);
    let order = match kind {
        KCMP_FILE => {
            let id = |process: &Process, index: u32| {
                let fd = i32::try_from(index).map_err(|_| Errno::EBADF)?;
                Ok::<_, abi::Error>(process.files().get(Fd(fd))?.id())
            };
            id(&first, first_index)?.cmp(&id(&second, second_index)?)
        }
        KCMP_VM if Arc::ptr_eq(&first.address_space(), &second.address_space()) => {
            std::cmp::Ordering::Equal
        }
        // Each process has its own.
        KCMP_VM | KCMP_FILES | KCMP_FS | KCMP_SIGHAND | KCMP_IO | KCMP_SYSVSEM => {
            first.pid.cmp(&second.pid)
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(match order {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    })
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToCaller,
    FromCaller,
}

/// process_vm_readv(2).
pub(crate) fn process_vm_readv(
    cx: Cx<'_>,
    pid: Pid,
    local: UserAddr,
    nr_local: u32,
    remote: UserAddr,
    nr_remote: u32,
    flags: u32,
) -> Outcome<usize> {
    let lists = [(local, nr_local), (remote, nr_remote)];
    transfer(cx, pid, lists, flags, Direction::ToCaller)
}

/// process_vm_writev(2).
pub(crate) fn process_vm_writev(
    cx: Cx<'_>,
    pid: Pid,
    local: UserAddr,
    nr_local: u32,
    remote: UserAddr,
    nr_remote: u32,
    flags: u32,
) -> Outcome<usize> {
    let lists = [(local, nr_local), (remote, nr_remote)];
    transfer(cx, pid, lists, flags, Direction::FromCaller)
}

/// Stretches of memory: address and length in bytes.
type Pieces = Vec<(u32, usize)>;

/// The `struct iovec`s at `address`, cut to [`MAX_TRANSFER`].
fn pieces_at(cx: Cx<'_>, (address, nr): (UserAddr, u32)) -> Result<Pieces> {
    if nr > IOV_MAX {
        return Err(Errno::EINVAL.because("over 1024 buffers"));
    }
    let mut pieces = Vec::new();
    let mut left = MAX_TRANSFER;
    for index in 0..nr {
        let bytes: [u8; 8] = cx.copy_in(address.offset(index.saturating_mul(8))?)?;
        let [a0, a1, a2, a3, l0, l1, l2, l3] = bytes;
        let len = i32::from_le_bytes([l0, l1, l2, l3]);
        let len = usize::try_from(len)
            .map_err(|_| Errno::EINVAL.because("a buffer of negative length"))?
            .min(left);
        left = left.saturating_sub(len);
        pieces.push((u32::from_le_bytes([a0, a1, a2, a3]), len));
    }
    Ok(pieces)
}

fn transfer(
    cx: Cx<'_>,
    pid: Pid,
    [local, remote]: [(UserAddr, u32); 2],
    flags: u32,
    direction: Direction,
) -> Outcome<usize> {
    let prepared = || {
        if flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        let (local, remote) = (pieces_at(cx, local)?, pieces_at(cx, remote)?);
        let process = cx.kernel.processes.find(pid.0).ok_or(Errno::ESRCH)?;
        check_may_trace(cx, &process)?;
        let task = process.guest().ok_or(Errno::ESRCH)?;
        cx.kernel
            .budget()
            .admit(u64::try_from(MAX_TRANSFER).unwrap_or(u64::MAX))?;
        Ok::<_, abi::Error>((local, remote, task))
    };
    let (local, remote, task) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let own = Arc::clone(cx.memory());
    if Arc::ptr_eq(&task, cx.task) {
        let (from, to) = match direction {
            Direction::ToCaller => (&remote, &local),
            Direction::FromCaller => (&local, &remote),
        };
        return gather(&*own, from)
            .and_then(|bytes| scatter(&*own, to, &bytes))
            .into();
    }
    // A guest's memory is reached from its own Worker only.
    let executor = Arc::clone(task.executor());
    match direction {
        Direction::ToCaller => {
            let reading = executor.spawn(async move { gather(&**task.memory(), &remote) });
            Outcome::from_future(async move {
                let bytes = reading.await.ok_or(Errno::ESRCH)??;
                Ok(scatter(&*own, &local, &bytes)?)
            })
        }
        Direction::FromCaller => {
            let bytes = match gather(&*own, &local) {
                Ok(bytes) => bytes,
                Err(error) => return Outcome::Ready(Err(error.into())),
            };
            let writing = executor.spawn(async move { scatter(&**task.memory(), &remote, &bytes) });
            Outcome::from_future(async move { Ok(writing.await.ok_or(Errno::ESRCH)??) })
        }
    }
}

/// The bytes of `pieces`, up to the first that cannot be read.
///
/// # Errors
/// `EFAULT` when that is the first of all.
fn gather(memory: &dyn UserMemory, pieces: &Pieces) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for &(address, len) in pieces {
        let start = bytes.len();
        bytes.resize(start.saturating_add(len), 0);
        let place = bytes.get_mut(start..).unwrap_or_default();
        if let Err(error) = memory.copy_in(address, place) {
            bytes.truncate(start);
            return if start == 0 { Err(error) } else { Ok(bytes) };
        }
    }
    Ok(bytes)
}

/// Puts `bytes` into `pieces`, as far as they go; how many went.
///
/// # Errors
/// `EFAULT` when not even the first piece could be written.
fn scatter(memory: &dyn UserMemory, pieces: &Pieces, bytes: &[u8]) -> Result<usize> {
    let mut rest = bytes;
    for &(address, len) in pieces {
        let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        match memory.copy_out(address, now) {
            Err(error) if rest.len() == bytes.len() => return Err(error),
            Err(_) => break,
            Ok(()) => rest = later,
        }
    }
    Ok(bytes.len().saturating_sub(rest.len()))
}
