//! `signalfd(2)`: the pending signals of a process, read as records.

use std::any::Any;
use std::sync::{Arc, Weak};

use abi::flags::{SI_SIGIO, SI_TIMER, SI_USER};
use abi::layout::SignalfdInfo;
use abi::{Errno, flags};
use executor::sync::Lock;
use executor::wait_queue::WaitQueue;
use fs::io::{Sink, Stall, Try};
use fs::vfs::file::{Events, FileOps};

use crate::event;
use crate::open_file::OpenFile;
use crate::process::{Pid, Process, Task};
use crate::signal::{self, SignalInfo, SignalSet};

/// What `/proc/PID/fd` shows.
pub const NAME: &str = "anon_inode:[signalfd]";

/// The object: whose signals, and which.
#[derive(Debug)]
pub struct SignalFd {
    /// Who made it. Others that read it get their own signals: [`as_seen_by`].
    owner: Weak<Process>,
    /// The thread that made it.
    thread: Pid,
    signals: Lock<SignalSet>,
    /// The owner's.
    queue: WaitQueue,
}

impl SignalFd {
    /// Tells of those signals in `signals` that are pending for the thread `task`.
    pub fn new(task: &Task, signals: SignalSet) -> Self {
        let owner = task.process();
        Self {
            owner: Arc::downgrade(&owner),
            thread: task.tid(),
            signals: Lock::new(signals.without(SignalSet::UNBLOCKABLE)),
            queue: owner.signal_posted.clone(),
        }
    }

    /// The one behind `file`, if it is one.
    pub fn of(file: &OpenFile) -> Option<&Self> {
        file.ops()?.as_any()?.downcast_ref()
    }

    /// Tells of other signals from now on.
    pub fn set_signals(&self, signals: SignalSet) {
        *self.signals.lock() = signals.without(SignalSet::UNBLOCKABLE);
        self.queue.wake_for(Events::IN.wakes());
    }
}

/// `file` as `task` sees it: a signal descriptor of another thread, or one that came down from a
/// parent, tells of the signals of whoever reads it.
pub fn as_seen_by(file: Arc<OpenFile>, task: &Task) -> Arc<OpenFile> {
    match SignalFd::of(&file) {
        Some(own)
            if own.thread != task.tid() || own.owner.as_ptr() != Arc::as_ptr(&task.process()) =>
        {
            let signals = *own.signals.lock();
            let seen = SignalFd::new(task, signals);
            event::open(Arc::new(seen), NAME, file.flags())
        }
        _ => file,
    }
}

/// Takes a signal of `signals` that is pending for a thread.
fn take(owner: &Process, thread: Pid, signals: SignalSet) -> Option<SignalInfo> {
    owner.signals.lock().take_from(thread, signals)
}

/// A signal as a record.
fn record(info: SignalInfo) -> SignalfdInfo {
    let mut record = SignalfdInfo {
        signal: info.number.into(),
        code: info.code,
        ..SignalfdInfo::default()
    };
    let value = |record: &mut SignalfdInfo| {
        record.int = info.value;
        record.pointer = info.value.cast_unsigned().into();
    };
    match info.code {
        SI_TIMER => {
            record.timer = info.pid.cast_unsigned();
            record.overrun = info.uid;
            value(&mut record);
            return record;
        }
        SI_SIGIO => {}
        code if code < SI_USER => value(&mut record),
        code if info.number == signal::CHLD && code < flags::SI_KERNEL => {
            record.status = info.value;
            let [utime, stime] = info.rest;
            (record.utime, record.stime) = (utime.into(), stime.into());
        }
        _ => {}
    }
    record.pid = info.pid.cast_unsigned();
    record.uid = info.uid;
    record
}

impl FileOps for SignalFd {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        if sink.remaining() < SignalfdInfo::SIZE {
            return Err(Errno::EINVAL.into());
        }
        let owner = self.owner.upgrade().ok_or(Stall::WouldBlock)?;
        let signals = *self.signals.lock();
        let mut moved = 0_usize;
        while sink.remaining() >= SignalfdInfo::SIZE
            && let Some(info) = take(&owner, self.thread, signals)
        {
            match sink.put(&record(info).to_bytes()) {
                Ok(()) => moved = moved.saturating_add(SignalfdInfo::SIZE),
                Err(_) if moved > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        if moved == 0 {
            return Err(Stall::WouldBlock);
        }
        Ok(moved)
    }

    fn events(&self) -> Events {
        let signals = *self.signals.lock();
        let owner = self.owner.upgrade();
        let pending = owner.map(|owner| owner.signals.lock().pending(self.thread));
        if pending.is_some_and(|pending| pending.0 & signals.0 != 0) {
            Events::IN
        } else {
            Events::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn details(&self) -> String {
        format!("sigmask:\t{:016x}\n", self.signals.lock().0)
    }
}

#[cfg(test)]
mod tests {
    use abi::flags::{CLD_EXITED, SI_QUEUE};

    use super::*;

    #[test]
    fn records_have_the_members_of_their_kind() {
        let info = SignalInfo {
            number: signal::CHLD,
            code: CLD_EXITED,
            pid: 7,
            uid: 8,
            value: 3,
            ..SignalInfo::default()
        };
        let child = record(info);
        assert_eq!(
            (child.pid, child.uid, child.status, child.int),
            (7, 8, 3, 0)
        );
        let queued = record(SignalInfo {
            number: 40,
            code: SI_QUEUE,
            ..info
        });
        assert_eq!(
            (queued.pid, queued.status, queued.int, queued.pointer),
            (7, 0, 3, 3)
        );
        let timer = record(SignalInfo {
            code: SI_TIMER,
            ..queued_info()
        });
        assert_eq!(
            (timer.pid, timer.timer, timer.overrun, timer.int),
            (0, 7, 8, 3)
        );
    }

    fn queued_info() -> SignalInfo {
        SignalInfo {
            number: signal::ALRM,
            code: SI_QUEUE,
            pid: 7,
            uid: 8,
            value: 3,
            ..SignalInfo::default()
        }
    }
}
