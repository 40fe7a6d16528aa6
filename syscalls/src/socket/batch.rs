//! Several messages in one call: sendmmsg(2) and recvmmsg(2).

use std::sync::Arc;

use abi::Result;
use abi::flags::{MSG_DONTWAIT, MSG_WAITFORONE};
use abi::layout::{MMsgHdr, Timespec64};
use abi::limits::IOV_MAX;
use abi::types::{Fd, UserAddr};
use kernel::Kernel;
use kernel::call::{Answer, Outcome};
use kernel::open_file::OpenFile;
use kernel::process::Task;
use net::socket::Socket;

use super::receive::receive_message;
use super::send::send_message;
use super::socket_at;
use crate::context::Cx;

/// Bytes of `struct mmsghdr`.
const ENTRY: u32 = 32;
/// Where the count of bytes is in it.
const LEN_OFFSET: u32 = 28;

/// sendmmsg(2): says how many messages went; an error counts only when none did.
pub(crate) fn sendmmsg(
    cx: Cx<'_>,
    fd: Fd,
    messages: UserAddr,
    nr_messages: u32,
    flags: u32,
) -> Result<Outcome<u32>> {
    let batch = Batch::new(cx, fd, messages, nr_messages, flags, Way::Send)?;
    Ok(batch.run())
}

/// recvmmsg(2): as in Linux, the timeout is looked at after each message only, and what is left of
/// it is written back.
pub(crate) fn recvmmsg_time64(
    cx: Cx<'_>,
    fd: Fd,
    messages: UserAddr,
    nr_messages: u32,
    flags: u32,
    timeout: UserAddr,
) -> Result<Outcome<u32>> {
    let mut batch = Batch::new(cx, fd, messages, nr_messages, flags, Way::Receive)?;
    if !timeout.is_null() {
        let span_ns = Timespec64::from_bytes(&cx.copy_in(timeout)?).nanoseconds()?;
        let now_ns = cx.kernel.platform.monotonic_ns();
        batch.deadline_ns = Some(now_ns.saturating_add(span_ns));
    }
    let (kernel, memory) = (Arc::clone(cx.kernel), Arc::clone(cx.memory()));
    let deadline_ns = batch.deadline_ns;
    Ok(batch.run().then(move |answer| {
        let count = answer?;
        if let Some(deadline_ns) = deadline_ns {
            let left_ns = deadline_ns.saturating_sub(kernel.platform.monotonic_ns());
            memory.copy_out(timeout.0, &Timespec64::from_nanoseconds(left_ns).to_bytes())?;
        }
        Ok(count)
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Send,
    Receive,
}

/// A list of messages, and how far it has got.
struct Batch {
    kernel: Arc<Kernel>,
    task: Arc<Task>,
    file: Arc<OpenFile>,
    socket: Arc<dyn Socket>,
    messages: UserAddr,
    nr_messages: u32,
    nr_done: u32,
    flags: u32,
    way: Way,
    deadline_ns: Option<u64>,
}

impl Batch {
    fn new(
        cx: Cx<'_>,
        fd: Fd,
        messages: UserAddr,
        nr_messages: u32,
        flags: u32,
        way: Way,
    ) -> Result<Self> {
        let (file, socket) = socket_at(cx, fd)?;
        Ok(Self {
            kernel: Arc::clone(cx.kernel),
            task: Arc::clone(cx.task),
            file,
            socket,
            messages,
            nr_messages: nr_messages.min(IOV_MAX),
            nr_done: 0,
            flags,
            way,
            deadline_ns: None,
        })
    }

    fn entry(&self) -> Result<UserAddr> {
        self.messages.offset(self.nr_done.saturating_mul(ENTRY))
    }

    /// Begins the next message.
    fn step(&self) -> Outcome<usize> {
        let cx = Cx {
            kernel: &self.kernel,
            task: &self.task,
        };
        let begin = |message: UserAddr| match self.way {
            Way::Send => send_message(cx, &self.file, &self.socket, message, self.flags),
            Way::Receive => {
                let is_later = self.nr_done > 0 && self.flags & MSG_WAITFORONE != 0;
                let more = if is_later { MSG_DONTWAIT } else { 0 };
                let flags = self.flags & !MSG_WAITFORONE | more;
                receive_message(cx, &self.file, &self.socket, message, flags)
            }
        };
        match self.entry().and_then(begin) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::from(Err(error)),
        }
    }

    /// Notes how a message ended; gives the answer of the call if that was the last.
    fn note(&mut self, answer: Answer<usize>) -> Option<Answer<u32>> {
        let noted = answer.and_then(|len| {
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            let at = self.entry()?.offset(LEN_OFFSET)?;
            self.task.memory().copy_out(at.0, &len.to_le_bytes())?;
            Ok(())
        });
        if let Err(fault) = noted {
            return Some(match self.nr_done {
                0 => Err(fault),
                count => Ok(count),
            });
        }
        self.nr_done = self.nr_done.saturating_add(1);
        let is_late = |deadline_ns| self.kernel.platform.monotonic_ns() >= deadline_ns;
        let is_last = self.nr_done >= self.nr_messages || self.deadline_ns.is_some_and(is_late);
        is_last.then_some(Ok(self.nr_done))
    }

    /// Moves all messages; waits only where one has to.
    fn run(mut self) -> Outcome<u32> {
        if self.nr_messages == 0 {
            return Outcome::Ready(Ok(0));
        }
        loop {
            match self.step() {
                Outcome::Ready(answer) => {
                    if let Some(answer) = self.note(answer) {
                        return Outcome::Ready(answer);
                    }
                }
                Outcome::Pending(call) => {
                    return Outcome::from_future(async move {
                        let answer = call.await;
                        if let Some(answer) = self.note(answer) {
                            return answer;
                        }
                        loop {
                            let answer = match self.step() {
                                Outcome::Ready(answer) => answer,
                                Outcome::Pending(call) => call.await,
                            };
                            if let Some(answer) = self.note(answer) {
                                return answer;
                            }
                        }
                    });
                }
            }
        }
    }
}

const _: () = assert!(MMsgHdr::SIZE == 32 && LEN_OFFSET == 28, "struct mmsghdr");
