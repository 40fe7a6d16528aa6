//! POSIX message queues: mq_open(3), mq_send(3), mq_receive(3), mq_notify(3) and their relatives.
//!
//! Times are those of `CLOCK_REALTIME`; nobody sets it, so that a deadline is a span from now.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use abi::flags::{
    CAP_SYS_RESOURCE, O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_WRONLY, R_OK, S_IALLUGO,
    SI_MESGQ, SIGEV_NONE, SIGEV_SIGNAL, W_OK,
};
use abi::layout::{MqAttr, SigEvent, Timespec64};
use abi::types::{Fd, Signal, UserAddr};
use abi::{Errno, Result};
use fs::io::{Stall, Try};
use fs::mqueue::{Listener, MessageQueue, NewQueue, QueueFile, Shape, Waiting, check_priority};
use kernel::Kernel;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::fd_table::OnExec;
use kernel::open_file::{Anonymous, OpenFile};
use kernel::platform::UserMemory;
use kernel::poll::{Attempt, wait_on};
use kernel::process::{Process, Resource, Stage};
use kernel::signal::SignalInfo;

use crate::context::{Cx, not_null};
use crate::fd::limit;

/// Bytes of the kernel's memory that a queue with an open file takes, about.
const QUEUE_BYTES: u64 = 2 << 10;

/// mq_open(2): `name` comes without its slash; the descriptor is closed by `exec`.
pub(crate) fn mq_open(
    cx: Cx<'_>,
    name: UserAddr,
    flags: u32,
    mode: u32,
    attributes: UserAddr,
) -> Result<Fd> {
    let shape = match attributes.non_null() {
        Some(address) => shape_of(&MqAttr::from_bytes(&cx.copy_in(address)?)),
        None => Shape::default(),
    };
    let name = cx.path(name)?;
    let mask = match flags & O_ACCMODE {
        O_RDONLY => R_OK,
        O_WRONLY => W_OK,
        O_ACCMODE => return Err(Errno::EINVAL.because("no access mode")),
        _ => R_OK | W_OK,
    };
    cx.kernel.budget().admit(QUEUE_BYTES)?;
    let process = cx.process();
    let credentials = process.credentials();
    let new = (flags & O_CREAT != 0).then(|| NewQueue {
        shape,
        permissions: mode & S_IALLUGO & !process.path_context(cx.kernel).vfs().umask,
        user: credentials.user.real,
        limit: process.limits.lock().soft(Resource::MessageQueues),
        is_privileged: credentials.has(CAP_SYS_RESOURCE),
        now: cx.kernel.now(),
    });
    let is_exclusive = flags & O_EXCL != 0 && new.is_some();
    let queues = &cx.kernel.message_queues;
    let queue = queues.open(&credentials.caller(), &name, mask, new, is_exclusive)?;
    let anonymous = Anonymous {
        metadata: queue.metadata(),
        name: Cow::Owned(["/", &String::from_utf8_lossy(&name)].concat()),
    };
    let flags = flags & (O_ACCMODE | O_NONBLOCK);
    let file = OpenFile::anonymous(Arc::new(QueueFile(queue)), anonymous, flags);
    let limit = limit(&process);
    process.files().install(file, OnExec::Close, limit)
}

/// The limits that a `struct mq_attr` asks for; impossible ones stay impossible.
fn shape_of(attributes: &MqAttr) -> Shape {
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    Shape {
        max_messages: count(attributes.max_messages),
        max_size: count(attributes.max_size),
    }
}

/// mq_unlink(2).
pub(crate) fn mq_unlink(cx: Cx<'_>, name: UserAddr) -> Result<()> {
    let name = cx.path(name)?;
    let credentials = cx.process().credentials();
    cx.kernel
        .message_queues
        .unlink(&credentials.caller(), &name)
}

/// The queue that an open file is of.
fn queue_of(file: &OpenFile) -> Option<&Arc<MessageQueue>> {
    let QueueFile(queue) = file.ops()?.as_any()?.downcast_ref()?;
    Some(queue)
}

/// The open file and the queue of a descriptor.
///
/// # Errors
/// `EBADF`
fn queue_at(cx: Cx<'_>, fd: Fd) -> Result<(Arc<OpenFile>, Arc<MessageQueue>)> {
    let file = cx.file(fd)?;
    let queue = queue_of(&file).map(Arc::clone);
    let queue = queue.ok_or_else(|| Errno::EBADF.because("no message queue"))?;
    Ok((file, queue))
}

/// A descriptor of `file` was closed by the caller: a queue that it was of tells it no more.
pub(crate) fn closed(cx: Cx<'_>, file: &OpenFile) {
    if let Some(queue) = queue_of(file) {
        queue.forget(cx.process().pid);
    }
}

/// The monotonic moment of a `struct timespec` of `CLOCK_REALTIME`; `None` for null.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
fn deadline_at(cx: Cx<'_>, timeout: UserAddr) -> Result<Option<u64>> {
    let Some(timeout) = timeout.non_null() else {
        return Ok(None);
    };
    let until_ns = Timespec64::from_bytes(&cx.copy_in(timeout)?).nanoseconds()?;
    let platform = &cx.kernel.platform;
    let span_ns = until_ns.saturating_sub(platform.realtime_ns());
    Ok(Some(platform.monotonic_ns().saturating_add(span_ns)))
}

/// mq_timedsend(2).
pub(crate) fn mq_timedsend_time64(
    cx: Cx<'_>,
    fd: Fd,
    message: UserAddr,
    len: usize,
    priority: u32,
    timeout: UserAddr,
) -> Result<Outcome<usize>> {
    let deadline_ns = deadline_at(cx, timeout)?;
    check_priority(priority)?;
    let (file, queue) = queue_at(cx, fd)?;
    if !file.is_writable() {
        return Err(Errno::EBADF.because("not open for writing"));
    }
    if len > queue.shape().max_size {
        return Err(Errno::EMSGSIZE.because("longer than mq_msgsize"));
    }
    let mut bytes = vec![0; len];
    if len > 0 {
        not_null(message)?;
        cx.memory().copy_in(message.0, &mut bytes)?;
    }
    let process = cx.process();
    let sender = (process.pid, process.credentials().user.real);
    let sending = Way::Send {
        priority,
        bytes,
        sender,
    };
    Ok(exchange(cx, file, queue, sending, deadline_ns))
}

/// mq_timedreceive(2).
pub(crate) fn mq_timedreceive_time64(
    cx: Cx<'_>,
    fd: Fd,
    message: UserAddr,
    len: usize,
    priority: UserAddr,
    timeout: UserAddr,
) -> Result<Outcome<usize>> {
    let deadline_ns = deadline_at(cx, timeout)?;
    let (file, queue) = queue_at(cx, fd)?;
    if !file.is_readable() {
        return Err(Errno::EBADF.because("not open for reading"));
    }
    if len < queue.shape().max_size {
        return Err(Errno::EMSGSIZE.because("less room than mq_msgsize"));
    }
    let receiving = Way::Receive {
        memory: Arc::clone(cx.memory()),
        message,
        priority,
        waiting: None,
    };
    Ok(exchange(cx, file, queue, receiving, deadline_ns))
}

/// Which way a message goes.
enum Way {
    /// To the queue, from this process and user.
    Send {
        priority: u32,
        bytes: Vec<u8>,
        sender: (i32, u32),
    },
    /// To the guest's memory, and its priority too unless that is null.
    Receive {
        memory: Arc<dyn UserMemory>,
        message: UserAddr,
        priority: UserAddr,
        waiting: Option<Waiting>,
    },
}

/// A message on its way.
struct Exchange {
    file: Arc<OpenFile>,
    queue: Arc<MessageQueue>,
    way: Way,
}

fn exchange(
    cx: Cx<'_>,
    file: Arc<OpenFile>,
    queue: Arc<MessageQueue>,
    way: Way,
    deadline_ns: Option<u64>,
) -> Outcome<usize> {
    let wait_queue = file.wait_queue().cloned();
    let exchange = Exchange { file, queue, way };
    wait_on(
        cx.task,
        wait_queue.as_ref(),
        deadline_ns,
        Restart::Sys,
        exchange,
    )
}

impl Exchange {
    /// Sends or receives; returns bytes that the guest got.
    fn step(&mut self) -> Try<usize> {
        match &mut self.way {
            Way::Send {
                priority,
                bytes,
                sender,
            } => self.queue.try_send(*priority, bytes, *sender).map(|()| 0),
            Way::Receive {
                memory,
                message,
                priority,
                waiting,
            } => {
                let (number, bytes) = self.queue.try_receive().inspect_err(|_| {
                    waiting.get_or_insert_with(|| self.queue.begin_wait());
                })?;
                if !bytes.is_empty() {
                    not_null(*message)?;
                    memory.copy_out(message.0, &bytes)?;
                }
                if let Some(priority) = priority.non_null() {
                    memory.copy_out(priority.0, &number.to_le_bytes())?;
                }
                Ok(bytes.len())
            }
        }
    }
}

impl Attempt for Exchange {
    type Output = usize;

    fn attempt(&mut self) -> Try<usize> {
        match self.step() {
            Err(Stall::WouldBlock) if self.file.is_nonblocking() => Err(Errno::EAGAIN.into()),
            result => result,
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<usize> {
        Err(match fault {
            Fault::TimedOut => Errno::ETIMEDOUT.into(),
            fault => fault,
        })
    }
}

/// Who gets a signal when a message comes.
struct Registration {
    kernel: Weak<Kernel>,
    process: Weak<Process>,
    /// `None`: `SIGEV_NONE`, or signal 0.
    signal: Option<Signal>,
    value: i32,
}

impl Listener for Registration {
    fn is_alive(&self) -> bool {
        let process = self.process.upgrade();
        process.is_some_and(|process| process.stage() == Stage::Alive)
    }

    fn notify(&self, pid: i32, uid: u32) {
        if let (Some(kernel), Some(process), Some(signal)) =
            (self.kernel.upgrade(), self.process.upgrade(), self.signal)
        {
            let info = SignalInfo {
                number: signal.number(),
                code: SI_MESGQ,
                pid,
                uid,
                value: self.value,
                ..SignalInfo::default()
            };
            process.post_signal(&kernel, info);
        }
    }
}

/// mq_notify(2): `event` is null to be told no more. Deviates: no `SIGEV_THREAD`, for which libc
/// wants a socket of AF_NETLINK.
pub(crate) fn mq_notify(cx: Cx<'_>, fd: Fd, event: UserAddr) -> Result<()> {
    let process = cx.process();
    let Some(event) = event.non_null() else {
        queue_at(cx, fd)?.1.forget(process.pid);
        return Ok(());
    };
    let event = SigEvent::from_bytes(&cx.copy_in(event)?);
    let signal = match (event.notify, event.signal) {
        (SIGEV_NONE, _) | (SIGEV_SIGNAL, 0) => None,
        (SIGEV_SIGNAL, number) => Some(Signal::new(number)?),
        _ => return Err(Errno::EINVAL.because("no such way to notify")),
    };
    let (_, queue) = queue_at(cx, fd)?;
    let registration = Registration {
        kernel: Arc::downgrade(cx.kernel),
        process: Arc::downgrade(&process),
        signal,
        value: event.value,
    };
    queue.listen(process.pid, Arc::new(registration))
}

/// mq_getsetattr(2): of the attributes only `O_NONBLOCK` changes.
pub(crate) fn mq_getsetattr(cx: Cx<'_>, fd: Fd, new: UserAddr, old: UserAddr) -> Result<()> {
    let new = match new.non_null() {
        Some(address) => Some(MqAttr::from_bytes(&cx.copy_in(address)?).flags),
        None => None,
    };
    if new.is_some_and(|flags| flags & !O_NONBLOCK != 0) {
        return Err(Errno::EINVAL.because("a queue knows O_NONBLOCK"));
    }
    let (file, queue) = queue_at(cx, fd)?;
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let shape = queue.shape();
    let before = MqAttr {
        flags: file.flags() & O_NONBLOCK,
        max_messages: count(shape.max_messages),
        max_size: count(shape.max_size),
        nr_messages: count(queue.len()),
    };
    if let Some(flags) = new {
        file.set_flags(file.flags() & !O_NONBLOCK | flags)?;
    }
    cx.copy_out_optional(old, &before.to_bytes())
}
