//! Files without a name: pipes, sockets and event files, as `/proc/PID/fd` shows them.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use abi::flags::ANON_INODE_FS_MAGIC;
use abi::{Errno, Result};

use super::dentry::Dentry;
use super::file::FileOps;
use super::inode::{
    FileSystem, FileSystemStatus, FileType, Inode, Metadata, SetAttributes, Timestamp,
};
use super::mount::Mount;
use super::path::Location;

/// An inode that no directory holds.
#[derive(Debug)]
struct AnonymousInode {
    metadata: Metadata,
    ops: Option<Arc<dyn FileOps>>,
}

impl Inode for AnonymousInode {
    fn metadata(&self) -> Result<Metadata> {
        Ok(self.metadata)
    }

    fn set_attributes(&self, _: &SetAttributes) -> Result<()> {
        Err(Errno::EPERM.because("a file without a name keeps its attributes"))
    }

    fn open(&self) -> Result<Option<Arc<dyn FileOps>>> {
        Ok(self.ops.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The file system of files without a name; no path leads to it.
#[derive(Debug)]
struct AnonymousFileSystem;

impl FileSystem for AnonymousFileSystem {
    fn type_name(&self) -> &'static str {
        "anon_inodefs"
    }

    fn root(&self) -> Arc<dyn Inode> {
        let time = Timestamp::default();
        let metadata = Metadata::anonymous(
            super::device::unnamed_device(),
            1,
            FileType::Directory,
            0o555,
            time,
        );
        Arc::new(AnonymousInode {
            metadata,
            ops: None,
        })
    }

    fn status(&self) -> Result<FileSystemStatus> {
        Ok(FileSystemStatus {
            magic: ANON_INODE_FS_MAGIC,
            block_size: 4096,
            name_max: 255,
            ..FileSystemStatus::default()
        })
    }
}

impl Location {
    /// A place for a file without a name. Its path is `name`, e.g. `pipe:[17]`; opening it gives
    /// `ops`: this is what the magic links of `/proc/PID/fd` lead to.
    ///
    /// # Errors
    /// None in practice.
    pub fn anonymous(
        name: &[u8],
        metadata: Metadata,
        ops: Option<Arc<dyn FileOps>>,
    ) -> Result<Self> {
        Self::unnamed(name, Arc::new(AnonymousInode { metadata, ops }))
    }

    /// A place for an inode that has no name in any directory, under the path `name`.
    ///
    /// # Errors
    /// Those of the inode.
    pub fn unnamed(name: &[u8], inode: Arc<dyn Inode>) -> Result<Self> {
        static MOUNT: OnceLock<Arc<Mount>> = OnceLock::new();
        let mount = match MOUNT.get() {
            Some(mount) => mount,
            None => {
                let mount = Mount::anonymous(Arc::new(AnonymousFileSystem))?;
                MOUNT.get_or_init(|| mount)
            }
        };
        let dentry = Dentry::detached(None, name, inode)?;
        Ok(Self::new(Arc::clone(mount), dentry))
    }
}
