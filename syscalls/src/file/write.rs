//! A write that goes on until all its bytes are taken, and `SIGPIPE`.

use std::sync::Arc;

use abi::Errno;
use fs::io::{Source, Stall, Try};
use fs::vfs::inode::Timestamp;
use kernel::Kernel;
use kernel::call::{Answer, Fault, Outcome, Restart};
use kernel::open_file::OpenFile;
use kernel::poll::{Attempt, wait_on};
use kernel::process::Task;
use kernel::signal::{self, SignalInfo};

use crate::buffer::UserBuffer;
use crate::context::Cx;

/// What became of a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Bytes that were taken.
    pub(super) moved: usize,
    /// Nobody is there to read them any more.
    pub(super) is_broken: bool,
}

impl Written {
    /// What the call returns; the writer of a broken pipe gets `SIGPIPE`, even when bytes were
    /// taken before.
    pub(super) fn tell(self, kernel: &Kernel, task: &Task) -> Answer<usize> {
        if self.is_broken {
            let process = task.process();
            let info = SignalInfo {
                number: signal::PIPE,
                pid: process.pid,
                uid: process.credentials().ruid,
                ..SignalInfo::default()
            };
            process.post_signal(kernel, info);
            if self.moved == 0 {
                return Err(Errno::EPIPE.into());
            }
        }
        Ok(self.moved)
    }
}

/// The call's outcome, with the signal that belongs to it.
pub(super) fn tell(cx: Cx<'_>, outcome: Outcome<Written>) -> Outcome<usize> {
    match outcome {
        Outcome::Ready(answer) => {
            Outcome::Ready(answer.and_then(|written| written.tell(cx.kernel, cx.task)))
        }
        pending @ Outcome::Pending(_) => {
            let (kernel, task) = (Arc::clone(cx.kernel), Arc::clone(cx.task));
            pending.then(move |answer| answer.and_then(|written| written.tell(&kernel, &task)))
        }
    }
}

/// A write on its way.
struct Write {
    file: Arc<OpenFile>,
    buffer: UserBuffer,
    moved: usize,
    now: Timestamp,
}

impl Attempt for Write {
    type Output = Written;

    fn attempt(&mut self) -> Try<Written> {
        loop {
            match self.file.try_write(&mut self.buffer, self.now) {
                Ok(moved) => {
                    self.moved = self.moved.saturating_add(moved);
                    // What has an offset ends with the first try: the disk is full then.
                    if moved == 0 || self.buffer.remaining() == 0 || !self.file.is_stream() {
                        return Ok(Written { moved: self.moved, is_broken: false });
                    }
                }
                Err(Stall::Failed(error)) if error.errno == Errno::EPIPE => {
                    return Ok(Written { moved: self.moved, is_broken: true });
                }
                Err(Stall::Failed(_)) if self.moved > 0 => {
                    return Ok(Written { moved: self.moved, is_broken: false });
                }
                Err(Stall::WouldBlock) if self.file.is_nonblocking() => {
                    return match self.moved {
                        0 => Err(Errno::EAGAIN.into()),
                        moved => Ok(Written { moved, is_broken: false }),
                    };
                }
                Err(stall) => return Err(stall),
            }
        }
    }

    fn settle(&mut self, fault: Fault) -> Answer<Written> {
        match self.moved {
            0 => Err(fault),
            moved => Ok(Written { moved, is_broken: false }),
        }
    }
}

/// Writes all of `buffer`.
pub(super) fn all(
    cx: Cx<'_>,
    file: Arc<OpenFile>,
    buffer: UserBuffer,
    now: Timestamp,
) -> Outcome<usize> {
    let queue = file.wait_queue().cloned();
    let write = Write { file, buffer, moved: 0, now };
    tell(cx, wait_on(cx.task, queue.as_ref(), None, Restart::Sys, write))
}
