//! Filling a private mapping with a copy of its file, which may be larger than the cache of a disk that answers
//! later: it goes on where it had to wait.

use std::sync::Arc;

use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::{NOT_RESIDENT, Stall, VecSink};
use kernel::Kernel;
use kernel::call::{Answer, Fault, Outcome, Restart, Sleeper as _};
use kernel::open_file::OpenFile;
use kernel::process::Task;

use super::len_of;

/// Bytes of a file that are moved at a time.
const PIECE: usize = 1 << 16;

/// A mapping, and how much of it is filled; what the file does not have stays zero.
pub(super) struct Filling {
    pub(super) kernel: Arc<Kernel>,
    pub(super) task: Arc<Task>,
    pub(super) file: Arc<OpenFile>,
    /// Where in the file the mapping begins.
    pub(super) offset: u64,
    /// Its address.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) done: u32,
}

impl Filling {
    /// Fills what is here, and the rest as it comes. When that fails there is no mapping.
    pub(super) fn begin(mut self) -> Outcome<UserAddr> {
        match self.go_on() {
            Err(NOT_RESIDENT) => {}
            result => return Outcome::Ready(self.end(result.map_err(Fault::Error))),
        }
        Outcome::from_future(async move {
            let mut result = Ok(());
            let kernel = Arc::clone(&self.kernel);
            let mut is_over = || {
                result = self.go_on().map_err(Fault::Error);
                if result == Err(Fault::Error(NOT_RESIDENT)) && self.task.is_interrupted() {
                    result = Err(Fault::Interrupted(Restart::Always));
                }
                result != Err(Fault::Error(NOT_RESIDENT))
            };
            kernel.arrivals.until(&mut is_over).await;
            self.end(result)
        })
    }

    fn go_on(&mut self) -> Result<()> {
        while self.done < self.len {
            let room = usize::try_from(self.len.saturating_sub(self.done))
                .unwrap_or(PIECE)
                .min(PIECE);
            let mut sink = VecSink::new(room);
            let at = self.offset.saturating_add(self.done.into());
            match self.file.read_at(at, &mut sink, self.kernel.now()) {
                Ok(0) => break,
                Ok(count) => {
                    let address = self.start.saturating_add(self.done);
                    self.task.memory().copy_out(address, &sink.bytes)?;
                    self.done = self.done.saturating_add(len_of(count)?);
                }
                Err(Stall::Failed(error)) => return Err(error),
                Err(Stall::WouldBlock) => return Err(Errno::ENODEV.into()),
            }
        }
        Ok(())
    }

    fn end(&self, result: Answer<()>) -> Answer<UserAddr> {
        if let Err(fault) = result {
            let space = self.task.process().address_space();
            space.lock().unmap(self.start, self.len)?;
            return Err(fault);
        }
        Ok(UserAddr(self.start))
    }
}
