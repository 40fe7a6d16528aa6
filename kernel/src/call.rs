//! What a system call comes back with: an answer at once, or a future to park the guest on.
//!
//! `Fault` keeps apart what errors do not distinguish: a number for the guest, an interruption
//! (the signal code decides between `EINTR` and running the call again), and a timeout.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use abi::{Errno, Error};
use executor::Executor;

/// What an interrupted call does once the signals were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// `ERESTARTSYS`: again when no handler runs or the handler has `SA_RESTART`, else `EINTR`.
    Sys,
    /// `ERESTARTNOHAND`: again when no handler runs, else `EINTR` (`poll`, `select`, sleeps).
    NoHandler,
    /// `EINTR` in any case (`epoll_wait`), also after a stop.
    Never,
    /// `ERESTARTNOINTR`: again in any case.
    Always,
}

/// Why a call has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It failed: the guest sees `-errno`.
    Error(Error),
    /// A signal came before anything was done.
    Interrupted(Restart),
    /// The deadline passed; the call says what that means (`0`, `EAGAIN`, `ETIMEDOUT`).
    TimedOut,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Error(errno.into())
    }
}

/// The result of a call that ran to its end.
pub type Answer<T> = Result<T, Fault>;

/// A call after its first poll.
pub enum Outcome<T> {
    /// It finished on the spot, without allocating.
    Ready(Answer<T>),
    /// It waits; dropping the future cancels it.
    Pending(Pin<Box<dyn Future<Output = Answer<T>> + Send>>),
}

impl<T> Outcome<T> {
    /// A call that has to wait. Polls nothing: the owner polls `future` first.
    pub fn from_future(future: impl Future<Output = Answer<T>> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }

    /// The same call with its value converted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U + Send + 'static) -> Outcome<U>
    where
        T: 'static,
    {
        self.then(|answer| answer.map(convert))
    }

    /// The same call with its answer, value or fault, converted.
    pub fn then<U>(
        self,
        convert: impl FnOnce(Answer<T>) -> Answer<U> + Send + 'static,
    ) -> Outcome<U>
    where
        T: 'static,
    {
        match self {
            Self::Ready(answer) => Outcome::Ready(convert(answer)),
            Self::Pending(future) => {
                Outcome::Pending(Box::pin(async move { convert(future.await) }))
            }
        }
    }
}

impl<T, E: Into<Fault>> From<Result<T, E>> for Outcome<T> {
    fn from(result: Result<T, E>) -> Self {
        Self::Ready(result.map_err(Into::into))
    }
}

impl<T: fmt::Debug> fmt::Debug for Outcome<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

/// Who waits: a task of the kernel, as far as waiting needs to know it.
///
/// An interruption (signal, kill, exit) sets the flag first and then wakes the sleeper through
/// the waker that its future was last polled with.
pub trait Sleeper: Send + Sync + 'static {
    /// Whether a signal that is not blocked, or the end of the task, is pending.
    fn is_interrupted(&self) -> bool;

    /// The executor whose timers the sleeper uses.
    fn executor(&self) -> &Arc<Executor>;

    /// The monotonic clock in nanoseconds; deadlines are on it.
    fn now_ns(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_outcome_maps_without_a_future() {
        let outcome = Outcome::from(Ok::<_, Errno>(20)).map(|value| value + 1);
        assert!(matches!(outcome, Outcome::Ready(Ok(21))));
        let outcome: Outcome<i32> = Outcome::from(Err::<i32, _>(Errno::EBADF)).map(|value| value);
        assert!(
            matches!(outcome, Outcome::Ready(Err(Fault::Error(error))) if error.errno == Errno::EBADF)
        );
    }
}
