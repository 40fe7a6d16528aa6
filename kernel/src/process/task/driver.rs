//! The driver: a task's future on its Worker's executor. It starts the guest, polls the call that
//! the guest is parked in, and cleans up when the guest has ended.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use abi::{Errno, Result};
use executor::wait_queue::Registration;

use super::{Task, entry};
use crate::kernel::Kernel;
use crate::platform::{GuestEnd, Level};
use crate::process::{RunState, exit_status, signal_status};
use crate::scheduler::{Left, Ready};
use crate::signal;

/// How far a task is that leaves its frame.
#[derive(Default)]
struct Leaving {
    has_left: bool,
    registration: Option<Registration>,
}

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
            let is_started = !self.is_over() && self.start_guest(&kernel, is_seated);
            let mut end = None;
            if is_started {
                self.stopwatch.start(self.executor.now_ns());
                end = Some(poll_fn(|context| self.poll_guest(&kernel, context)).await);
                self.clock_out(&kernel, Left::Waits);
                if !self.has_next() && !kernel.frames.may_leave(&self) {
                    // The threads that it waits for have to hear of its end.
                    self.guest_is_gone(&kernel, end.take());
                }
            } else {
                kernel.scheduler.vacate(&self);
            }
            let mut leaving = Leaving::default();
            poll_fn(|context| self.poll_leave(&kernel, &mut leaving, context)).await;
            if is_started && self.has_next() {
                if kernel.exec_elsewhere(&self) {
                    return;
                }
                kernel.scheduler.start(&self);
                continue;
            }
            self.guest_is_gone(&kernel, end);
            break;
        }
        kernel.release_slot(self.slot);
    }

    /// Lets its guest start; false: that cannot be, and the process has ended.
    fn start_guest(self: &Arc<Self>, kernel: &Kernel, is_seated: bool) -> bool {
        if is_seated {
            kernel.platform.run_guest(self.slot, 0);
        } else if let Err(error) = self.seat(kernel) {
            let reason = format!("pid {}: {error}", self.pid());
            kernel.log(Level::Error, &reason);
            kernel.exit_process(&self.process(), signal_status(signal::KILL));
            return false;
        }
        true
    }

    /// Gives up its seat once it may, which the last thread at a frame does behind those on other
    /// Workers, and waits until all have left if a program follows.
    fn poll_leave(
        &self,
        kernel: &Kernel,
        leaving: &mut Leaving,
        context: &Context<'_>,
    ) -> Poll<()> {
        leaving.registration = Some(self.residency.left().register(context.waker()));
        if !leaving.has_left && kernel.frames.may_leave(self) {
            leaving.has_left = true;
            kernel.frames.unseat(self.executor.worker(), self.slot);
        }
        if leaving.has_left && (self.residency.is_left() || !self.has_next()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
    fn guest_is_gone(self: &Arc<Self>, kernel: &Kernel, end: Option<GuestEnd>) {
        let Some(end) = end else { return };
        loop {
            let process = self.process();
            let is_alive = !self.is_over()
                && matches!(
                    kernel.processes.state_of(process.pid),
                    Some(RunState::Running | RunState::Stopped(_))
                );
            if is_alive && end == GuestEnd::Left && self.tid() != process.pid {
                kernel.exit_thread(self, 0);
            } else if is_alive {
                let status = match &end {
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
