//! Filling a mapping with a copy of its file, which may be larger than the cache of a disk that answers
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
use crate::context::Cx;

/// Bytes of a file that are moved at a time.
const PIECE: usize = 1 << 16;

/// A mapping that is not whole yet.
pub(super) struct Filling {
    kernel: Arc<Kernel>,
    task: Arc<Task>,
    source: Source,
    /// Its address and length.
    place: (u32, u32),
    /// The mapping in whose place it is, which ends when it is whole.
    replaced: Option<(u32, u32)>,
}

/// Where the contents come from.
pub(super) enum Source {
    /// A private mapping: what the file does not have stays zero.
    File {
        file: Arc<OpenFile>,
        /// Where in the file the rest begins.
        offset: u64,
        /// So many bytes are there.
        done: u32,
    },
    /// The file of a shared one.
    Shared,
}

impl Filling {
    pub(super) fn new(cx: Cx<'_>, place: (u32, u32), source: Source) -> Self {
        Self {
            kernel: Arc::clone(cx.kernel),
            task: Arc::clone(cx.task),
            source,
            place,
            replaced: None,
        }
    }

    /// The same for a mapping that moves.
    pub(super) fn replacing(self, old: (u32, u32)) -> Self {
        Self {
            replaced: Some(old),
            ..self
        }
    }

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
        let (start, len) = self.place;
        let Source::File { file, offset, done } = &mut self.source else {
            let space = self.task.process().address_space();
            return space.lock().fill_shared(&**self.task.memory(), start);
        };
        while *done < len {
            let room = usize::try_from(len.saturating_sub(*done))
                .unwrap_or(PIECE)
                .min(PIECE);
            let mut sink = VecSink::new(room);
            match file.read_at(*offset, &mut sink, self.kernel.now()) {
                Ok(0) => break,
                Ok(count) => {
                    let count = len_of(count)?;
                    let address = start.saturating_add(*done);
                    self.task.memory().copy_out(address, &sink.bytes)?;
                    *done = done.saturating_add(count);
                    *offset = offset.saturating_add(count.into());
                }
                Err(Stall::Failed(error)) => return Err(error),
                Err(Stall::WouldBlock) => return Err(Errno::ENODEV.into()),
            }
        }
        Ok(())
    }

    fn end(&self, result: Answer<()>) -> Answer<UserAddr> {
        let over = if result.is_ok() {
            self.replaced
        } else {
            Some(self.place)
        };
        if let Some((start, len)) = over {
            let space = self.task.process().address_space();
            space.lock().unmap(start, len)?;
        }
        result.map(|()| UserAddr(self.place.0))
    }
}
