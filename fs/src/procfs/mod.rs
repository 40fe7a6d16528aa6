//! `/proc`: what the kernel knows, as files. proc(5).
//!
//! - [`source`]: the trait that the kernel implements
//! - `inode`: directories, links and files, made when they are looked up; `node`: which one
//! - `process`, `memory` and `status`: the texts of `/proc/PID`; `system`: those of `/proc` itself; `sys`: `/proc/sys`
//!
//! Every read makes the text anew; a file that is read in pieces may change between them.

mod inode;
mod memory;
mod node;
mod process;
pub mod source;
mod status;
mod sys;
mod system;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use abi::flags::PROC_SUPER_MAGIC;
use abi::{Errno, Result};

use self::inode::{ProcInode, Shared};
use self::node::Node;
use self::source::ProcessSource;
use crate::vfs::device::unnamed_device;
use crate::vfs::inode::{FileSystem, FileSystemStatus, Inode, Timestamp};
use crate::vfs::registry::MountRequest;

/// A mounted procfs.
#[derive(Debug)]
pub struct ProcFs {
    shared: Arc<Shared>,
}

impl ProcFs {
    /// Shows what `source` knows; its files carry `time`.
    pub fn new(source: Arc<dyn ProcessSource>, time: Timestamp) -> Self {
        Self {
            shared: Arc::new(Shared {
                device: unnamed_device(),
                source,
                time,
            }),
        }
    }

    /// Makes one for `mount(2)`.
    ///
    /// # Errors
    /// `ENODEV` before the kernel said who knows the processes.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let source = request.vfs.processes();
        let source = source.ok_or(Errno::ENODEV.because("nobody knows the processes"))?;
        Ok(Arc::new(Self::new(source, request.context.now)))
    }
}

impl FileSystem for ProcFs {
    fn type_name(&self) -> &'static str {
        "proc"
    }

    fn root(&self) -> Arc<dyn Inode> {
        ProcInode::make(&self.shared, Node::Root)
    }

    fn status(&self) -> Result<FileSystemStatus> {
        Ok(FileSystemStatus {
            magic: PROC_SUPER_MAGIC,
            block_size: 4096,
            name_max: 255,
            ..FileSystemStatus::default()
        })
    }
}
