//! What every pod has once its root is mounted, and how the host reaches its files.

use abi::{Errno, Result};
use fs::vfs::inode::Timestamp;
use fs::vfs::mount::MountCall;
use fs::vfs::path::Location;
use fs::vfs::{Caller, Context};

use crate::kernel::Kernel;

/// Type, mount point and options of what is mounted at boot.
const MOUNTS: [(&[u8], &[u8], &[u8]); 3] = [
    (b"devtmpfs", b"/dev", b""),
    (b"proc", b"/proc", b""),
    (b"tmpfs", b"/tmp", b"mode=1777"),
];

impl Kernel {
    /// Walks paths as the superuser from the pod's root.
    pub fn root_context<'a>(&self, root: &'a Location) -> Context<'a> {
        Context { root, cwd: root, caller: Caller::ROOT, umask: 0o022, now: self.now() }
    }

    /// Mounts `/dev`, `/proc` and `/tmp`; makes the directories that the root lacks.
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
            let call = MountCall { source: type_name, target, type_name, flags: 0, data };
            self.vfs.mount(&context, &call)?;
        }
        Ok(())
    }
}
