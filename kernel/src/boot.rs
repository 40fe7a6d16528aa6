//! What every pod has once its root is mounted, and how the host reaches its files.

use std::sync::Arc;

use abi::flags::{O_RDWR, S_IFCHR};
use abi::{Errno, Result};
use fs::vfs::inode::{FileType, Metadata};
use fs::vfs::mount::MountCall;
use fs::vfs::path::Location;
use fs::vfs::{Caller, Context, Scope};

use crate::kernel::Kernel;
use crate::open_file::{Anonymous, OpenFile};
use crate::proc::ProcessView;
use crate::tty::Tty;

/// Type, mount point and options of what is mounted at boot.
const MOUNTS: [(&[u8], &[u8], &[u8]); 5] = [
    (b"devtmpfs", b"/dev", b""),
    (b"devpts", b"/dev/pts", b"gid=5,mode=620,ptmxmode=666"),
    (b"proc", b"/proc", b""),
    (b"sysfs", b"/sys", b""),
    (b"tmpfs", b"/tmp", b"mode=1777"),
];

impl Kernel {
    /// Walks paths as the superuser from the pod's root.
    pub fn root_context<'a>(&self, root: &'a Location) -> Context<'a> {
        Context {
            root,
            cwd: root,
            caller: Caller::ROOT,
            umask: 0o022,
            now: self.now(),
            scope: Scope::Everywhere,
        }
    }

    /// Makes init, and mounts what every pod has.
    ///
    /// # Errors
    /// As [`Kernel::mount_system`].
    pub fn boot(self: &Arc<Self>) -> Result<()> {
        self.make_init()?;
        self.vfs.set_processes(Arc::new(ProcessView::new(self)));
        self.mount_system()
    }

    /// Adds a terminal, with a device node `/dev/ttyN`.
    ///
    /// # Errors
    /// `ENOSPC` when `/dev` is full.
    pub fn add_terminal(&self, tty: Arc<Tty>, number: u32) -> Result<()> {
        let root = self.root()?;
        let path = terminal_path(number);
        let id = tty.id();
        self.terminals.add(tty);
        match self.vfs.mknod(
            &self.root_context(&root),
            path.as_bytes(),
            S_IFCHR | 0o620,
            id,
        ) {
            Err(error) if error.errno != Errno::EEXIST => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens terminal `number` for reading and writing.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub fn open_terminal(&self, number: u32) -> Result<Arc<OpenFile>> {
        let root = self.root()?;
        let path = terminal_path(number);
        let opened = self
            .vfs
            .open(&self.root_context(&root), path.as_bytes(), O_RDWR, 0)?;
        Ok(OpenFile::from_opened(opened, O_RDWR))
    }

    /// What describes an open file without a name, of this type.
    pub fn anonymous(&self, file_type: FileType, name: String) -> Anonymous {
        let now = self.now();
        let metadata = Metadata::anonymous(0, 0, file_type, 0o600, now);
        Anonymous {
            metadata,
            name: name.into(),
        }
    }

    /// Mounts `/dev`, `/dev/pts`, `/proc`, `/sys` and `/tmp`; makes the directories that the root
    /// lacks.
    ///
    /// # Errors
    /// `ENOSPC` or `EROFS` when a directory is missing and cannot be made, `EIO`.
    pub fn mount_system(&self) -> Result<()> {
        let root = self.root()?;
        let context = self.root_context(&root);
        for (type_name, target, data) in MOUNTS {
            match self.vfs.mkdir(&context, target, 0o755) {
                Err(error) if error.errno != Errno::EEXIST => return Err(error),
                _ => {}
            }
            let call = MountCall {
                source: type_name,
                target,
                type_name,
                flags: 0,
                data,
            };
            self.vfs.mount(&context, &call)?;
        }
        Ok(())
    }
}

/// The device node of a terminal.
fn terminal_path(number: u32) -> String {
    format!("/dev/tty{number}")
}
