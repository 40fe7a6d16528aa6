//! Reading a terminal, and who may: job control and `VTIME` (termios(3), credentials(7)).

use std::sync::Arc;

use abi::Errno;
use fs::io::{Stall, Try};
use fs::vfs::inode::Timestamp;
use kernel::call::{Answer, Fault, Outcome, Restart, Sleeper};
use kernel::open_file::OpenFile;
use kernel::poll::wait_for;
use kernel::process::Task;
use kernel::signal;
use kernel::tty::Tty;

use crate::buffer::UserBuffer;
use crate::context::Cx;
use crate::tty::{caller, check_foreground};

/// Reads from the terminal with number `id`.
pub(super) fn read(
    cx: Cx<'_>,
    id: u64,
    file: Arc<OpenFile>,
    mut buffer: UserBuffer,
) -> Outcome<usize> {
    let Some(tty) = cx.kernel.terminals.find(id) else {
        return Outcome::from(Err(Errno::EIO));
    };
    if tty.is_background_read(&caller(cx))
        && let Err(fault) = check_foreground(cx, signal::TTIN)
    {
        return Outcome::Ready(Err(fault));
    }
    match file.try_read(&mut buffer, Timestamp::default()) {
        Ok(moved) => Outcome::Ready(Ok(moved)),
        Err(Stall::Failed(error)) => Outcome::Ready(Err(error.into())),
        Err(Stall::WouldBlock) if file.is_nonblocking() => Outcome::from(Err(Errno::EAGAIN)),
        Err(Stall::WouldBlock) => {
            let started_ns = cx.task.now_ns();
            let read = Read { task: Arc::clone(cx.task), tty, file, started_ns };
            Outcome::from_future(read.run(buffer))
        }
    }
}

/// Whether the caller may write to the terminal with number `id` now (`TOSTOP`).
///
/// # Errors
/// `EIO` in an orphaned group; an interruption after `SIGTTOU`.
pub(super) fn check_write(cx: Cx<'_>, id: u64) -> Answer<()> {
    match cx.kernel.terminals.find(id) {
        Some(tty) if tty.is_background_write(&caller(cx)) => check_foreground(cx, signal::TTOU),
        _ => Ok(()),
    }
}

/// A read that waits for keys, and perhaps no longer than `VTIME` says.
struct Read {
    task: Arc<Task>,
    tty: Arc<Tty>,
    file: Arc<OpenFile>,
    started_ns: u64,
}

/// Why a wait ended.
enum Step {
    Read(usize),
    /// The deadline is another one now: a key was typed.
    NewDeadline,
}

impl Read {
    async fn run(self, buffer: UserBuffer) -> Answer<usize> {
        loop {
            let deadline_ns = self.tty.read_deadline_ns(self.started_ns);
            let (file, tty, started_ns) =
                (Arc::clone(&self.file), Arc::clone(&self.tty), self.started_ns);
            let mut place = buffer.clone();
            let attempt = move || -> Try<Step> {
                match file.try_read(&mut place, Timestamp::default()) {
                    Ok(moved) => Ok(Step::Read(moved)),
                    Err(Stall::WouldBlock)
                        if tty.read_deadline_ns(started_ns) != deadline_ns =>
                    {
                        Ok(Step::NewDeadline)
                    }
                    Err(stall) => Err(stall),
                }
            };
            let queue = self.file.wait_queue().cloned();
            let outcome =
                wait_for(&self.task, queue.as_ref(), deadline_ns, Restart::Sys, attempt);
            let answer = match outcome {
                Outcome::Ready(answer) => answer,
                Outcome::Pending(future) => future.await,
            };
            match answer {
                Ok(Step::Read(moved)) => return Ok(moved),
                Ok(Step::NewDeadline) => {}
                // Nothing was typed in time, or the attempt would have read it.
                Err(Fault::TimedOut) => return Ok(0),
                Err(fault) => return Err(fault),
            }
        }
    }
}
