//! Pairs in the tree of files: opening `/dev/ptmx`, the node `/dev/pts/N`, and `TIOCGPTPEER`.

use std::sync::{Arc, Weak};

use abi::flags::{O_ACCMODE, O_NOCTTY, O_NONBLOCK, S_IFCHR};
use abi::{Result, Signal};
use fs::vfs::device::make_device;
use fs::vfs::inode::SetAttributes;

use super::{PtyMaster, PtyOwner, SLAVE_MAJOR};
use crate::kernel::Kernel;
use crate::open_file::OpenFile;
use crate::process::{Pid, Process};
use crate::tty::hang_up::HungUp;

/// The most pairs at once (`/proc/sys/kernel/pty/max`).
const MAX_PAIRS: u32 = 4096;

/// The group `tty` of Debian, which owns slaves.
const TTY_GROUP: u32 = 5;

impl PtyOwner for Weak<Kernel> {
    fn signal_group(&self, group: Pid, signal: Signal) {
        if let Some(kernel) = self.upgrade() {
            kernel.signal_group(group, signal.number());
        }
    }

    fn now_ns(&self) -> u64 {
        self.upgrade()
            .map_or(0, |kernel| kernel.platform.monotonic_ns())
    }

    fn master_closed(&self, number: u32, hung_up: HungUp) {
        let Some(kernel) = self.upgrade() else { return };
        kernel.terminals.remove(make_device(SLAVE_MAJOR, number));
        kernel.end_session_terminal(hung_up);
        if let Ok(root) = kernel.root() {
            let path = format!("/dev/pts/{number}");
            // Without a node nobody finds it anyway.
            let _ = kernel
                .vfs
                .unlink(&kernel.root_context(&root), path.as_bytes());
        }
    }
}

impl Kernel {
    /// Makes a pair for `process`, with a node `/dev/pts/N` of its own: the open of `/dev/ptmx`.
    ///
    /// # Errors
    /// `ENOSPC` when there are too many pairs, and what making the node says.
    pub fn open_pty(self: &Arc<Self>, process: &Process) -> Result<Arc<PtyMaster>> {
        let make = |number| PtyMaster::new(number, Arc::new(Arc::downgrade(self)));
        let master = self.terminals.add_pair(MAX_PAIRS, make)?;
        let number = master.number();
        let root = self.root()?;
        let context = self.root_context(&root);
        let path = format!("/dev/pts/{number}");
        let node = self.vfs.mknod(
            &context,
            path.as_bytes(),
            S_IFCHR | 0o620,
            master.tty().id(),
        )?;
        let credentials = process.credentials();
        node.inode.set_attributes(&SetAttributes {
            uid: Some(credentials.user.effective),
            gid: Some(TTY_GROUP),
            ..SetAttributes::default()
        })?;
        Ok(master)
    }

    /// Opens the slave of a pair by its master (`TIOCGPTPEER`), as whoever may use that.
    ///
    /// # Errors
    /// `EIO` while the slave is locked, and what `open(2)` says of `/dev/pts/N`.
    pub fn open_peer(
        &self,
        process: &Process,
        master: &PtyMaster,
        flags: u32,
    ) -> Result<Arc<OpenFile>> {
        let flags = flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK);
        let root = self.root()?;
        let path = format!("/dev/pts/{}", master.number());
        let context = self.root_context(&root);
        let opened = self.vfs.open(&context, path.as_bytes(), flags, 0)?;
        let file = OpenFile::from_opened(opened, flags);
        if flags & O_NOCTTY == 0 && file.is_readable() {
            self.adopt_terminal(process, &file);
        }
        Ok(file)
    }
}
