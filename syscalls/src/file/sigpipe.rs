//! `SIGPIPE`: what comes with `EPIPE`.

use std::sync::Arc;

use abi::Errno;
use kernel::Kernel;
use kernel::call::{Answer, Fault, Outcome};
use kernel::process::Task;
use kernel::signal::{self, SignalInfo};

use crate::context::Cx;

/// The outcome of a write, after which the writer of a broken pipe gets `SIGPIPE`.
pub(crate) fn with_sigpipe(cx: Cx<'_>, outcome: Outcome<usize>) -> Outcome<usize> {
    match outcome {
        Outcome::Ready(answer) => {
            raise_sigpipe(cx.kernel, cx.task, &answer);
            Outcome::Ready(answer)
        }
        pending @ Outcome::Pending(_) => {
            let (kernel, task) = (Arc::clone(cx.kernel), Arc::clone(cx.task));
            pending.then(move |answer| {
                raise_sigpipe(&kernel, &task, &answer);
                answer
            })
        }
    }
}

/// Sends `SIGPIPE` if the answer is `EPIPE`.
pub(super) fn raise_sigpipe(kernel: &Kernel, task: &Task, answer: &Answer<usize>) {
    if !matches!(answer, Err(Fault::Error(error)) if error.errno == Errno::EPIPE) {
        return;
    }
    let process = task.process();
    let info = SignalInfo {
        number: signal::PIPE,
        pid: process.pid,
        uid: process.credentials().user.real,
        ..SignalInfo::default()
    };
    process.post_signal(kernel, info);
}
