//! [`JoinHandle`]: the outside of a task. The inside is smol's `async-task`: the future, its
//! waker and its output in one allocation.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// A running task, seen by whoever spawned it.
///
/// As a future it yields `Some(output)`, or `None` if the task was cancelled (or panicked) first.
/// Dropping it lets the task run on: like a process, a task needs no one to wait for it.
pub struct JoinHandle<T> {
    /// `None` only once the handle was given up by value.
    task: Option<async_task::FallibleTask<T>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: async_task::Task<T>) -> Self {
        Self {
            task: Some(task.fallible()),
        }
    }

    /// Lets the task run on with nobody to wait for it; the same as dropping the handle.
    pub fn detach(self) {}

    /// Asks the task's executor to drop the future before its next poll. Does not wait.
    ///
    /// # Cancellation
    /// A poll that runs right now on another thread ends first. A task that finished keeps its
    /// effects; its output is dropped.
    pub fn cancel(mut self) {
        drop(self.task.take());
    }

    /// Cancels the task and waits until its future is dropped.
    ///
    /// Returns the output if the task finished before that.
    pub async fn cancel_and_wait(mut self) -> Option<T> {
        match self.task.take() {
            Some(task) => task.cancel().await,
            None => None,
        }
    }

    /// Tells whether the task ended, in whichever way.
    pub fn is_finished(&self) -> bool {
        self.task
            .as_ref()
            .is_none_or(async_task::FallibleTask::is_finished)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut self.task {
            Some(task) => Pin::new(task).poll(cx),
            None => Poll::Ready(None),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
