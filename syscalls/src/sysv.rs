//! System V IPC: shmget(2), semop(2), msgsnd(2) and their relatives.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use abi::flags::{
    GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, IPC_64, IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT,
    MSG_COPY, MSG_EXCEPT, SETALL, SETVAL, SHM_DEST, SHM_RDONLY, SHM_REMAP, SHM_RND,
};
use abi::layout::{IpcPerm, MsqidDs, Sembuf, SemidDs, ShmidDs, Timespec64};
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::{Stall, Try};
use fs::memfd::MemFile;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::ipc::sysv::msg::{Queue, check_size};
use kernel::ipc::sysv::sem::{Operation, SemaphoreSet, Wait};
use kernel::ipc::sysv::shm::{Attachment, Segment};
use kernel::ipc::sysv::{Object, Permissions, READ, WRITE};
use kernel::memory::Backing;
use kernel::poll::{Attempt, wait_on};

use crate::context::Cx;

/// Bytes of a page.
const PAGE: u32 = 4096;
/// Semaphores of one set, `SEMMSL`, and operations of one call, `SEMOPM`.
const SEMMSL: u32 = 32_000;
const SEMOPM: u32 = 500;
/// Bytes of `struct sembuf`.
const SEMBUF: u32 = 6;

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

/// shmget(2).
pub(crate) fn shmget(cx: Cx<'_>, key: i32, size: usize, flags: u32) -> Result<i32> {
    let process = cx.process();
    let size = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
    let check = |segment: &Segment| {
        if size > segment.size {
            return Err(Errno::EINVAL.because("a larger segment than there is"));
        }
        Ok(())
    };
    let make = |permissions| {
        let bytes = size
            .checked_next_multiple_of(PAGE)
            .filter(|&bytes| bytes > 0);
        let bytes = bytes.ok_or_else(|| Errno::EINVAL.because("no size of a segment"))?;
        let (budget, now) = (cx.kernel.budget(), cx.kernel.now());
        let file = MemFile::new(budget, u64::from(bytes), now, false)?;
        Ok(Segment::new(
            permissions,
            file,
            size,
            process.pid,
            now.seconds,
        ))
    };
    let segments = &cx.kernel.sysv.segments;
    segments.find_or_make((key, flags), &process.credentials(), check, make)
}

/// shmat(2): the memory is a copy that meets the others' at calls that may wait (ADR 0021).
pub(crate) fn shmat(cx: Cx<'_>, id: i32, address: UserAddr, flags: u32) -> Result<UserAddr> {
    let process = cx.process();
    let segment = cx.kernel.sysv.segments.find(id)?;
    let is_writable = flags & SHM_RDONLY == 0;
    let wanted = if is_writable { READ | WRITE } else { READ };
    check(cx, &*segment, wanted)?;
    let fixed = match address.0 {
        0 if flags & SHM_REMAP != 0 => return Err(Errno::EINVAL.because("nothing to replace")),
        0 => None,
        at if at.is_multiple_of(PAGE) => Some(at),
        at if flags & SHM_RND != 0 => Some(at & !PAGE.saturating_sub(1)),
        _ => return Err(Errno::EINVAL.because("not the address of a page")),
    };
    let len = segment.size.next_multiple_of(PAGE);
    let space = process.address_space();
    if let Some(at) = fixed
        && flags & SHM_REMAP == 0
        && space.lock().backing_at(at).is_some()
    {
        return Err(Errno::EINVAL.because("something is mapped there"));
    }
    let mapped = crate::memory::map(cx, len, fixed)?;
    let attachment = Attachment::new(cx.kernel, &segment, process.pid, seconds(cx));
    let backing = Backing {
        inode: segment.file.clone(),
        offset: 0,
        is_writable,
        attachment: Some(attachment),
    };
    let count = &cx.kernel.shared_mappings;
    let mut space = space.lock();
    let shared = space.share(&**cx.memory(), (mapped, len), backing, count);
    if let Err(error) = shared {
        space.unmap(mapped, len)?;
        return Err(error);
    }
    Ok(UserAddr(mapped))
}

/// shmdt(2).
pub(crate) fn shmdt(cx: Cx<'_>, address: UserAddr) -> Result<()> {
    let space = cx.process().address_space();
    let mut space = space.lock();
    let backing = space.backing_at(address.0);
    let attached = backing.filter(|backing| backing.attachment.is_some() && backing.offset == 0);
    let attached = attached.ok_or_else(|| Errno::EINVAL.because("no segment starts there"))?;
    let size = fs::vfs::inode::Inode::metadata(&*attached.inode)?.size;
    let len = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
    space.unmap(address.0, len)
}

/// shmctl(2). Deviates: no `IPC_INFO`, `SHM_INFO`, `SHM_STAT`, `SHM_LOCK`.
pub(crate) fn shmctl(cx: Cx<'_>, id: i32, command: i32, buf: UserAddr) -> Result<()> {
    let segment = cx.kernel.sysv.segments.find(id)?;
    match command_of(command) {
        IPC_RMID => {
            check_owner(cx, &*segment)?;
            cx.kernel.remove_segment(&segment);
            Ok(())
        }
        IPC_SET => {
            let new = ShmidDs::from_bytes(&cx.copy_in(buf)?).permissions;
            change(cx, &*segment, &new)?;
            segment.changed_at.store(seconds(cx), Ordering::Relaxed);
            Ok(())
        }
        IPC_STAT => {
            check(cx, &*segment, READ)?;
            let mut permissions = perm_of(&segment.permissions().lock());
            if segment.is_doomed() {
                permissions.mode |= SHM_DEST;
            }
            let status = ShmidDs {
                permissions,
                size: segment.size,
                attached_at: words(segment.attached_at.load(Ordering::Relaxed)),
                detached_at: words(segment.detached_at.load(Ordering::Relaxed)),
                changed_at: words(segment.changed_at.load(Ordering::Relaxed)),
                creator: segment.creator,
                last: segment.last.load(Ordering::Relaxed),
                nr_attached: u32::try_from(segment.nr_attached()).unwrap_or(u32::MAX),
            };
            cx.copy_out(buf, &status.to_bytes())
        }
        _ => Err(Errno::EINVAL.because("no such command")),
    }
}

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

/// What a call that waited in vain answers: these are not made again after a signal.
fn ended(fault: Fault) -> Fault {
    match fault {
        Fault::Interrupted(_) => Errno::EINTR.into(),
        Fault::TimedOut => Errno::EAGAIN.into(),
        fault => fault,
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

/// msgget(2).
pub(crate) fn msgget(cx: Cx<'_>, key: i32, flags: u32) -> Result<i32> {
    let make = |permissions| {
        let budget = cx.kernel.budget();
        budget.admit(1 << 10)?;
        Ok(Queue::new(permissions, budget, seconds(cx)))
    };
    let credentials = cx.process().credentials();
    let queues = &cx.kernel.sysv.queues;
    queues.find_or_make((key, flags), &credentials, |_| Ok(()), make)
}

/// msgsnd(2): the message begins with its type.
pub(crate) fn msgsnd(
    cx: Cx<'_>,
    id: i32,
    message: UserAddr,
    size: usize,
    flags: u32,
) -> Result<Outcome<()>> {
    let kind = i32::from_le_bytes(cx.copy_in(message)?);
    check_size(size)?;
    if kind < 1 {
        return Err(Errno::EINVAL.because("a type is positive"));
    }
    let mut bytes = vec![0; size];
    cx.memory().copy_in(message.offset(4)?.0, &mut bytes)?;
    let queue = cx.kernel.sysv.queues.find(id)?;
    check(cx, &*queue, WRITE)?;
    let (pid, now) = (cx.process().pid, seconds(cx));
    let target = Arc::clone(&queue);
    let attempt = Exchange(move || match target.try_send(pid, kind, &bytes, now) {
        Err(Stall::WouldBlock) if flags & IPC_NOWAIT != 0 => Err(Errno::EAGAIN.into()),
        result => result,
    });
    let wait_queue = Some(queue.wait_queue());
    Ok(wait_on(cx.task, wait_queue, None, Restart::Sys, attempt))
}

/// msgrcv(2): returns bytes without the type.
pub(crate) fn msgrcv(
    cx: Cx<'_>,
    id: i32,
    message: UserAddr,
    size: usize,
    kind: i32,
    flags: u32,
) -> Result<Outcome<usize>> {
    if size > usize::try_from(i32::MAX).unwrap_or(usize::MAX) {
        return Err(Errno::EINVAL.because("a negative size"));
    }
    if flags & MSG_COPY != 0 && (flags & IPC_NOWAIT == 0 || flags & MSG_EXCEPT != 0) {
        return Err(Errno::EINVAL.because("MSG_COPY wants IPC_NOWAIT and no MSG_EXCEPT"));
    }
    let queue = cx.kernel.sysv.queues.find(id)?;
    check(cx, &*queue, READ)?;
    let (pid, now) = (cx.process().pid, seconds(cx));
    let source = Arc::clone(&queue);
    let attempt = Exchange(
        move || match source.try_receive(pid, kind, (size, flags), now) {
            Err(Stall::WouldBlock) if flags & IPC_NOWAIT != 0 => Err(Errno::ENOMSG.into()),
            result => result,
        },
    );
    let wait_queue = Some(queue.wait_queue());
    let memory = Arc::clone(cx.memory());
    let outcome = wait_on(cx.task, wait_queue, None, Restart::Sys, attempt);
    Ok(outcome.then(move |answer| {
        let (kind, bytes) = answer?;
        crate::context::not_null(message)?;
        memory.copy_out(message.0, &kind.to_le_bytes())?;
        memory.copy_out(message.offset(4)?.0, &bytes)?;
        Ok(bytes.len())
    }))
}

/// A message on its way: a signal ends the call for good.
struct Exchange<F>(F);

impl<T, F: FnMut() -> Try<T> + Send + 'static> Attempt for Exchange<F> {
    type Output = T;

    fn attempt(&mut self) -> Try<T> {
        (self.0)()
    }

    fn settle(&mut self, fault: Fault) -> Answer<T> {
        Err(ended(fault))
    }
}

/// msgctl(2). Deviates: no `IPC_INFO`, `MSG_INFO`, `MSG_STAT`.
pub(crate) fn msgctl(cx: Cx<'_>, id: i32, command: i32, buf: UserAddr) -> Result<()> {
    let queue = cx.kernel.sysv.queues.find(id)?;
    match command_of(command) {
        IPC_RMID => {
            check_owner(cx, &*queue)?;
            cx.kernel.sysv.queues.remove(&queue);
            queue.remove();
            Ok(())
        }
        IPC_SET => {
            let new = MsqidDs::from_bytes(&cx.copy_in(buf)?);
            let max_bytes = usize::try_from(new.max_bytes).map_err(|_| Errno::EINVAL)?;
            if max_bytes > abi::flags::MSGMNB && !cx.process().credentials().is_privileged() {
                return Err(Errno::EPERM.because("over MSGMNB"));
            }
            change(cx, &*queue, &new.permissions)?;
            queue.set_max_bytes(max_bytes, seconds(cx));
            Ok(())
        }
        IPC_STAT => {
            check(cx, &*queue, READ)?;
            let status = queue.status();
            let word = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let status = MsqidDs {
                permissions: perm_of(&queue.permissions().lock()),
                sent_at: words(status.sent_at),
                received_at: words(status.received_at),
                changed_at: words(status.changed_at),
                nr_bytes: word(status.nr_bytes),
                nr_messages: word(status.nr_messages),
                max_bytes: word(status.max_bytes),
                last_sender: status.last_sender,
                last_receiver: status.last_receiver,
            };
            cx.copy_out(buf, &status.to_bytes())
        }
        _ => Err(Errno::EINVAL.because("no such command")),
    }
}
