//! The task's side of its frame: its memory is there whenever its guest runs.

use std::sync::Arc;

use abi::{Errno, Result};

use super::{Task, entry};
use crate::kernel::Kernel;
use crate::memory::frames::Residency;
use crate::platform::Level;
use crate::process::signal_status;
use crate::signal;

impl Task {
    /// Whether its guest has its frame.
    pub(crate) const fn residency(&self) -> &Arc<Residency> {
        &self.residency
    }

    /// The guest is about to run for the first time: 0, or [`entry::DIE`].
    pub fn runs_first(&self) -> u32 {
        match self.kernel.upgrade() {
            Some(kernel) if self.has_memory(&kernel) => 0,
            _ => entry::DIE,
        }
    }

    /// Moves the guest's memory into its frame if it is not there: for whoever is to reach it.
    ///
    /// # Errors
    /// `EFAULT` when the guest is gone, `ENOMEM` when the one that has its frame cannot be stored.
    pub fn make_resident(&self) -> Result<()> {
        let kernel = self.kernel.upgrade().ok_or(Errno::EFAULT)?;
        kernel
            .frames
            .make_resident(self.executor.worker(), self.slot)
    }

    /// The guest runs from now on: whether its memory is there. If it cannot be had, the process
    /// is killed.
    pub(super) fn has_memory(&self, kernel: &Kernel) -> bool {
        kernel.frames.enter(self.executor.worker(), self.slot);
        self.residency.runs(self.executor.recent_ns());
        if self.residency.is_resident() {
            return true;
        }
        let Err(error) = self.make_resident() else {
            return true;
        };
        let line = format!("pid {}: its memory is lost: {error}", self.pid());
        kernel.log(Level::Error, &line);
        kernel.exit_process(&self.process(), signal_status(signal::KILL));
        false
    }
}
