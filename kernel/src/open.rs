//! The kernel's part of `open(2)`: what the file system found becomes an open file description.
//!
//! Three files need more than their inode: `/dev/tty` is the terminal of whoever opens it, each open
//! of `/dev/ptmx` makes a pseudo-terminal, and a named pipe waits for its other side.

use std::sync::Arc;

use abi::flags::{CAP_SYS_ADMIN, O_ACCMODE, O_NOCTTY, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY};
use abi::{Errno, Result};
use fs::vfs::Opened;
use fs::vfs::inode::FileType;
use fs::vfs::path::Location;

use crate::call::{Outcome, Restart, Sleeper};
use crate::device::{CONSOLE, CONTROLLING_TERMINAL, PTY_MULTIPLEXER};
use crate::ipc::fifo::{FifoWait, Fifos};
use crate::ipc::pipe::{Direction, PipeEnd};
use crate::kernel::Kernel;
use crate::open_file::OpenFile;
use crate::poll::wait_for;
use crate::process::Process;
use crate::tty::Terminals;

/// Bytes of the kernel's memory that an open file with its names takes, about.
const OPEN_FILE_BYTES: u64 = 1 << 10;

/// What an open needs besides the file.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// The named pipes of the pod.
    pub fifos: &'a Fifos,
    /// The terminals of the pod.
    pub terminals: &'a Terminals,
    /// The controlling terminal of the caller.
    pub controlling_terminal: Option<u64>,
    /// Whether the caller may open a terminal that is kept for others (`CAP_SYS_ADMIN`).
    pub is_privileged: bool,
}

impl Kernel {
    /// Makes a description of what `Vfs::open` found for `process`: [`Opener::open`], and
    /// `/dev/ptmx`, and the controlling terminal that a session leader gets without `O_NOCTTY`,
    /// which `/dev/console` never is (tty(4)).
    ///
    /// # Errors
    /// As [`Opener::open`] and [`Kernel::open_pty`]; `ENOMEM`.
    pub fn finish_open<S: Sleeper>(
        self: &Arc<Self>,
        sleeper: &Arc<S>,
        process: &Process,
        opened: Opened,
        flags: u32,
    ) -> Outcome<Arc<OpenFile>> {
        if let Err(error) = self.budget().admit(OPEN_FILE_BYTES) {
            return Outcome::from(Err(error));
        }
        let terminal = opened.ops.as_ref().and_then(|ops| ops.terminal());
        if terminal == Some(PTY_MULTIPLEXER) && flags & O_PATH == 0 {
            return Outcome::from(self.open_pty(process).map(|master| {
                OpenFile::from_opened(
                    Opened {
                        ops: Some(master),
                        ..opened
                    },
                    flags,
                )
            }));
        }
        let relations = self.processes.relations(process.pid);
        let opener = Opener {
            fifos: &self.fifos,
            terminals: &self.terminals,
            controlling_terminal: relations.and_then(|relations| relations.terminal),
            is_privileged: process.credentials().has(CAP_SYS_ADMIN),
        };
        let outcome = opener.open(sleeper, opened, flags);
        if let Outcome::Ready(Ok(file)) = &outcome
            && terminal.is_some()
            && flags & (O_NOCTTY | O_PATH) == 0
            && file.is_readable()
            && !file
                .metadata()
                .is_ok_and(|metadata| metadata.rdev == CONSOLE)
        {
            self.adopt_terminal(process, file);
        }
        outcome
    }
}

/// Which way bytes go through a pipe that is opened with `flags`.
const fn direction_of(flags: u32) -> Direction {
    match flags & O_ACCMODE {
        O_RDONLY => Direction::Read,
        O_WRONLY => Direction::Write,
        _ => Direction::Both,
    }
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
    /// writing with `O_NONBLOCK`; `EIO` for a terminal that hung up; `EBUSY` after `TIOCEXCL`.
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
            let ops = opened.ops.as_deref();
            if let Some(end) = ops.and_then(|ops| ops.as_any()?.downcast_ref::<PipeEnd>()) {
                // Without a name: a link of `/proc/PID/fd` leads here, and nobody is waited for.
                let end = PipeEnd::open(end.pipe(), direction_of(flags));
                return Outcome::Ready(Ok(OpenFile::from_pipe(opened.location, end, flags)));
            }
            if ops.is_none() && opened.location.file_type() == FileType::Fifo {
                return self.open_fifo(sleeper, opened.location, flags);
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
            opened.ops = Some(self.terminals.find(id).ok_or_else(missing)?.open()?);
        }
        match self.terminals.find(id) {
            Some(tty) if tty.is_exclusive() && !self.is_privileged => {
                Err(Errno::EBUSY.because("TIOCEXCL"))
            }
            Some(_) => Ok(()),
            None => Err(Errno::ENXIO.because("the terminal is gone")),
        }
    }

    fn open_fifo<S: Sleeper>(
        &self,
        sleeper: &Arc<S>,
        location: Location,
        flags: u32,
    ) -> Outcome<Arc<OpenFile>> {
        let direction = direction_of(flags);
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
