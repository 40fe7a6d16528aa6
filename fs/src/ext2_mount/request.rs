//! An Ext2 as `mount(2)` wants it.

use std::sync::Arc;

use abi::flags::MS_RDONLY;
use abi::{Errno, Result};
use fs_ext2::{MountOptions, OnError};

use super::{Ext2Fs, cache_bytes_for};
use crate::vfs::Follow;
use crate::vfs::inode::{FileSystem, FileType};
use crate::vfs::registry::MountRequest;

/// The option `errors=`, if there is one.
pub(super) fn on_error(request: &MountRequest<'_>) -> Option<OnError> {
    request.option("errors").map(|value| match value {
        b"continue" => OnError::Continue,
        // A pod never panics for a disk.
        _ => OnError::RemountReadOnly,
    })
}

impl Ext2Fs {
    /// Makes one for `mount(2)`: the source is a block device.
    ///
    /// # Errors
    /// `ENOTBLK` when it is none, what walking says, and what [`Ext2Fs::mount`] says.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let source = request
            .vfs
            .walk(request.context, request.source, Follow::Yes)?;
        if source.file_type() != FileType::BlockDevice {
            return Err(Errno::ENOTBLK.because("the source is no block device"));
        }
        let disk = request.vfs.devices().disk(source.metadata()?.rdev)?;
        let options = MountOptions {
            read_only: request.flags & MS_RDONLY != 0,
            on_error: on_error(request).unwrap_or(OnError::RemountReadOnly),
            now: request.context.now,
            cache_bytes: cache_bytes_for(&*disk),
            ..MountOptions::default()
        };
        let made = Self::mount(disk, options)?;
        made.share_memory(request.vfs.budget());
        Ok(Arc::new(made))
    }
}
