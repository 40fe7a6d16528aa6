//! The kernel's part of `open(2)`: what the file system found becomes an open file description.
//!
//! Two files need more than their inode: `/dev/tty` is the terminal of whoever opens it, and a
//! named pipe waits for its other side.

use std::sync::Arc;

use abi::flags::{O_ACCMODE, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY};
use abi::{Errno, Result};
use fs::vfs::Opened;
use fs::vfs::inode::FileType;

use crate::call::{Outcome, Restart, Sleeper};
use crate::device::CONTROLLING_TERMINAL;
use crate::ipc::fifo::{FifoWait, Fifos};
use crate::ipc::pipe::Direction;
use crate::open_file::OpenFile;
use crate::poll::wait_for;
use crate::tty::Terminals;

/// What an open needs besides the file.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// The named pipes of the pod.
    pub fifos: &'a Fifos,
    /// The terminals of the pod.
    pub terminals: &'a Terminals,
    /// The controlling terminal of the caller.
    pub controlling_terminal: Option<u64>,
}

impl Opener<'_> {
    /// Makes a description of what `Vfs::open` found.
    ///
    /// - `flags`: those of `open(2)`
    ///
    /// Waits for the other side of a named pipe unless `O_NONBLOCK`; interrupted: restartable.
    ///
    /// # Errors
    /// `ENXIO` for `/dev/tty` without a controlling terminal, or a FIFO without readers opened for
    /// writing with `O_NONBLOCK`; `EIO` for a terminal that hung up.
    ///
    /// # References
    /// open(2), fifo(7), tty(4).
    pub fn open<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        mut opened: Opened,
        flags: u32,
    ) -> Outcome<Arc<OpenFile>> {
        if flags & O_PATH == 0 {
            if opened.location.file_type() == FileType::Fifo {
                return self.open_fifo(sleeper, opened, flags);
            }
            if let Err(error) = self.resolve_terminal(&mut opened) {
                return Outcome::from(Err(error));
            }
        }
        Outcome::Ready(Ok(OpenFile::from_opened(opened, flags)))
    }

    /// Puts the caller's terminal in the place of `/dev/tty`.
    fn resolve_terminal(&self, opened: &mut Opened) -> Result<()> {
        let Some(mut id) = opened.ops.as_ref().and_then(|ops| ops.terminal()) else {
            return Ok(());
        };
        if id == CONTROLLING_TERMINAL {
            let missing = || Errno::ENXIO.because("no controlling terminal");
            id = self.controlling_terminal.ok_or_else(missing)?;
            opened.ops = Some(self.terminals.find(id).ok_or_else(missing)?);
        }
        match self.terminals.find(id) {
            Some(tty) if tty.is_hung_up() => Err(Errno::EIO.because("the terminal hung up")),
            _ => Ok(()),
        }
    }

    fn open_fifo<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        opened: Opened,
        flags: u32,
    ) -> Outcome<Arc<OpenFile>> {
        let location = opened.location;
        let direction = match flags & O_ACCMODE {
            O_RDONLY => Direction::Read,
            O_WRONLY => Direction::Write,
            _ => Direction::Both,
        };
        let wait = if flags & O_NONBLOCK == 0 {
            FifoWait::Block
        } else {
            FifoWait::NonBlock
        };
        let opening = location.inode.metadata().and_then(|metadata| {
            self.fifos
                .open((metadata.device, metadata.inode), direction, wait)
        });
        let opening = match opening {
            Ok(opening) => opening,
            Err(error) => return Outcome::from(Err(error)),
        };
        let queue = opening.wait_queue().clone();
        wait_for(sleeper, Some(&queue), None, Restart::Sys, move || {
            Ok(OpenFile::from_pipe(
                location.clone(),
                opening.try_finish()?,
                flags,
            ))
        })
    }
}
