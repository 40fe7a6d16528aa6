//! A file as a block device.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use fs_block::{BlockDevice, BlockError};

/// An image in a file.
#[derive(Debug)]
pub(crate) struct FileDisk {
    file: File,
    len: u64,
    is_read_only: bool,
}

impl FileDisk {
    /// An image that exists.
    pub(crate) fn open(path: &Path, is_read_only: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(!is_read_only).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            len,
            is_read_only,
        })
    }

    /// A new image of zeros, which take no space yet.
    pub(crate) fn create(path: &Path, len: u64) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        file.set_len(len).context("cannot set the image's size")?;
        Ok(Self {
            file,
            len,
            is_read_only: false,
        })
    }
}

impl BlockDevice for FileDisk {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let read = self.file.read_exact_at(buf, offset);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => BlockError::OutOfRange,
            _ => BlockError::Io,
        })
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(BlockError::OutOfRange);
        }
        if self.is_read_only {
            return Err(BlockError::ReadOnly);
        }
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| match error.kind() {
            std::io::ErrorKind::StorageFull => BlockError::NoSpace,
            _ => BlockError::Io,
        })
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.file.sync_data().map_err(|_| BlockError::Io)
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }
}
