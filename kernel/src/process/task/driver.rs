//! The driver: a task's future on its Worker's executor. It starts the guest, polls the call that
//! the guest is parked in, and cleans up when the guest has ended.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use abi::{Errno, Result};

use super::{Task, entry};
use crate::kernel::Kernel;
use crate::platform::{GuestEnd, Level};
use crate::process::{RunState, exit_status, signal_status};
use crate::scheduler::{Left, Ready};
use crate::signal;

impl Task {
    /// Drives the guest until its process has ended.
    pub(in crate::process) async fn drive(self: Arc<Self>) {
        let Some(kernel) = self.kernel.upgrade() else {
            return;
        };
        loop {
            self.first_turn().await;
            let is_seated = self.is_seated.swap(false, Ordering::Relaxed);
            if let Some(status) = self.fatal_status() {
                kernel.exit_process(&self.process(), status);
            }
            if self.is_over() {
                kernel.scheduler.vacate(&self);
                self.unseat(&kernel).await;
                break;
            }
            if is_seated {
                kernel.platform.run_guest(self.slot, 0);
            } else if let Err(error) = self.seat(&kernel) {
                let reason = format!("pid {}: {error}", self.pid());
                kernel.log(Level::Error, &reason);
                kernel.scheduler.vacate(&self);
                kernel.exit_process(&self.process(), signal_status(signal::KILL));
                self.unseat(&kernel).await;
                break;
            }
            self.stopwatch.start(self.executor.now_ns());
            let end = poll_fn(|context| self.poll_guest(&kernel, context)).await;
            self.clock_out(&kernel, Left::Waits);
            let is_last = kernel.frames.may_leave(&self);
            if !is_last && !self.has_next() {
                // The threads that it waits for may have to hear of it.
                self.guest_is_gone(&kernel, &end);
            }
            self.unseat(&kernel).await;
            if self.has_next() {
                self.until(|| self.residency.is_left()).await;
                if kernel.exec_elsewhere(&self) {
                    return;
                }
                kernel.scheduler.start(&self);
                continue;
            }
            if is_last {
                self.guest_is_gone(&kernel, &end);
            }
            break;
        }
        kernel.release_slot(self.slot);
    }

    /// Gives up its seat, once it may.
    async fn unseat(&self, kernel: &Kernel) {
        self.until(|| kernel.frames.may_leave(self)).await;
        kernel.frames.unseat(self.executor.worker(), self.slot);
    }

    /// Waits until other threads have left, so that `is_done`.
    async fn until(&self, is_done: impl Fn() -> bool) {
        let mut registration = None;
        poll_fn(|context| {
            if is_done() {
                return Poll::Ready(());
            }
            registration = Some(self.residency.left().register(context.waker()));
            if is_done() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Makes the instance of its program, or of its thread.
    fn seat(self: &Arc<Self>, kernel: &Kernel) -> Result<()> {
        let (next, start) = {
            let mut state = self.state.lock();
            (state.next.take(), state.start.take())
        };
        match (next, start) {
            (Some(executable), _) => {
                let image = kernel.install(&self.process(), executable);
                let space = self.process().address_space();
                kernel.frames.seat(self, &image, space)
            }
            (None, Some(start)) => kernel.frames.start_thread(self, &start),
            (None, None) => Err(Errno::ENOEXEC.because("nothing to start")),
        }
    }

    fn poll_guest(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        context: &mut Context<'_>,
    ) -> Poll<GuestEnd> {
        let (end, call, stop) = {
            let mut state = self.state.lock();
            (
                state.guest_end.take(),
                state.pending.take(),
                state.stop.take(),
            )
        };
        if let Some(end) = end {
            return Poll::Ready(end);
        }
        if let Some(mut stop) = stop {
            match stop.as_mut().poll(context) {
                Poll::Pending if !self.is_over() => self.state.lock().stop = Some(stop),
                _ => kernel.scheduler.ready(kernel, self, Ready::Woken),
            }
        }
        if let Some(mut call) = call {
            match call.as_mut().poll(context) {
                Poll::Pending => self.state.lock().pending = Some(call),
                Poll::Ready(answer) => {
                    drop(call);
                    self.io.end(answer.as_ref().ok());
                    let code = self.settle(kernel, answer);
                    if code != entry::PENDING {
                        self.answer(kernel, code);
                    }
                }
            }
        }
        if self.turn.is_queued() && self.attention.load(Ordering::Acquire) {
            self.reconsider(kernel);
        }
        Poll::Pending
    }

    /// The guest is over and nothing follows it: ends whoever it still was.
    fn guest_is_gone(self: &Arc<Self>, kernel: &Kernel, end: &GuestEnd) {
        loop {
            let process = self.process();
            let is_alive = !self.is_over()
                && matches!(
                    kernel.processes.state_of(process.pid),
                    Some(RunState::Running | RunState::Stopped(_))
                );
            if is_alive && *end == GuestEnd::Left && self.tid() != process.pid {
                kernel.exit_thread(self, 0);
            } else if is_alive {
                let status = match end {
                    GuestEnd::Left => exit_status(0),
                    GuestEnd::Trapped(message) => {
                        let line = format!("pid {}: {message}", process.pid);
                        kernel.log(Level::Info, &line);
                        signal_status(trap_signal(message))
                    }
                };
                kernel.exit_process(&process, status);
            }
            if self.return_identity().is_none() {
                break;
            }
        }
    }
}

/// The signal that a processor would have raised for a trap with this message.
fn trap_signal(message: &str) -> u8 {
    let message = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&[
        "divide by zero",
        "division by zero",
        "integer overflow",
        "divide result",
    ]) {
        signal::FPE
    } else if has(&["unreachable"]) {
        signal::ABRT
    } else {
        signal::SEGV
    }
}
