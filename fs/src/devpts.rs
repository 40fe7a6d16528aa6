//! `/dev/pts`: the slaves of the pod's pseudo-terminals (pts(4)), a tmpfs that the kernel fills.
//!
//! Deviates: there is one for the whole pod, however often it is mounted, and the owner of the
//! directory may make names of its own in it.

use std::sync::Arc;

use abi::Result;
use abi::flags::DEVPTS_SUPER_MAGIC;
use abi::limits::NAME_MAX;

use crate::tmpfs::TmpFs;
use crate::vfs::device::make_device;
use crate::vfs::inode::{
    FileSystem, FileSystemStatus, Inode, NewAttributes, NewNode, SetAttributes,
};
use crate::vfs::registry::MountRequest;

/// Its name for `mount(2)`.
const TYPE_NAME: &str = "devpts";

/// The file system of the slaves.
#[derive(Debug)]
pub struct DevPts {
    files: TmpFs,
}

impl DevPts {
    /// The pod's one; the option `ptmxmode` (octal) is the mode of the `ptmx` in it.
    ///
    /// # Errors
    /// `EINVAL` when the option is no number.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let mode = request.number("ptmxmode", 8, 0)? & 0o7777;
        if let Some(known) = request.vfs.mounted(TYPE_NAME) {
            let change = SetAttributes {
                permissions: Some(mode),
                ..SetAttributes::default()
            };
            known.root().lookup(b"ptmx")?.set_attributes(&change)?;
            return Ok(known);
        }
        let owned = |permissions| NewAttributes {
            permissions,
            uid: 0,
            gid: 0,
            time: request.context.now,
        };
        let files = TmpFs::with_root(TYPE_NAME, 0, &owned(0o755), request.vfs.budget())?;
        let multiplexer = NewNode::CharDevice(make_device(5, 2));
        files.root().create(b"ptmx", &multiplexer, &owned(mode))?;
        Ok(Arc::new(Self { files }))
    }
}

impl FileSystem for DevPts {
    fn type_name(&self) -> &'static str {
        TYPE_NAME
    }

    fn root(&self) -> Arc<dyn Inode> {
        self.files.root()
    }

    fn status(&self) -> Result<FileSystemStatus> {
        Ok(FileSystemStatus {
            magic: DEVPTS_SUPER_MAGIC,
            block_size: 4096,
            name_max: u32::try_from(NAME_MAX).unwrap_or(u32::MAX),
            ..FileSystemStatus::default()
        })
    }
}
