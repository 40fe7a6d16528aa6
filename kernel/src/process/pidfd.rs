//! Process file descriptors: pidfd_open(2). A descriptor means one process for good, also when its
//! id is another's by now.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use executor::wait_queue::WaitQueue;
use fs::vfs::file::{Events, FileOps};

use super::Process;

/// How far a process has come; it only moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// It has not ended.
    Alive,
    /// It has ended, and may be waited for.
    Ended,
    /// It was waited for: its id is free.
    Reaped,
}

impl Process {
    /// How far it has come.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Alive,
            1 => Stage::Ended,
            _ => Stage::Reaped,
        }
    }

    /// It has come to `stage`: whoever polls a descriptor of it hears of that.
    #[expect(clippy::as_conversions, reason = "the discriminant")]
    pub(super) fn enter_stage(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.state_changed.wake_all();
    }
}

/// What a process file descriptor refers to.
#[derive(Debug)]
pub struct PidFd {
    /// The process.
    pub process: Arc<Process>,
}

impl FileOps for PidFd {
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    /// Readable once the process has ended; hung up once it was waited for.
    fn events(&self) -> Events {
        match self.process.stage() {
            Stage::Alive => Events::empty(),
            Stage::Ended => Events::IN,
            Stage::Reaped => Events::IN | Events::HUP,
        }
    }

    fn details(&self) -> String {
        let pid = match self.process.stage() {
            Stage::Reaped => -1,
            _ => self.process.pid,
        };
        format!("Pid:\t{pid}\nNSpid:\t{pid}\n")
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.process.state_changed)
    }
}
