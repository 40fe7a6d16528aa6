//! Message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

use std::sync::Arc;

use abi::flags::{IPC_NOWAIT, IPC_RMID, IPC_SET, IPC_STAT, MSG_COPY, MSG_EXCEPT};
use abi::layout::MsqidDs;
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::{Stall, Try};
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::ipc::sysv::msg::{Queue, check_size};
use kernel::ipc::sysv::{Object as _, READ, WRITE};
use kernel::poll::{Attempt, wait_on};

use super::{change, check, check_owner, command_of, ended, perm_of, seconds, words};
use crate::context::Cx;

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
