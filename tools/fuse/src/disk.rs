//! A file as a block device.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use fs_block::{BlockDevice, BlockError};

/// An image in a file, as long as the file is.
#[derive(Debug)]
pub(crate) struct FileDisk {
    file: File,
    len: u64,
}

impl FileDisk {
    /// Opens an image that exists.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let len = file.metadata().context("cannot size the image")?.len();
        Ok(Self { file, len })
    }
}

impl BlockDevice for FileDisk {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.file.read_exact_at(buf, offset).map_err(block_error)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(BlockError::OutOfRange);
        }
        self.file.write_all_at(bytes, offset).map_err(block_error)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.file.sync_data().map_err(block_error)
    }
}

fn block_error(error: Error) -> BlockError {
    match error.kind() {
        ErrorKind::UnexpectedEof => BlockError::OutOfRange,
        ErrorKind::StorageFull => BlockError::NoSpace,
        _ => BlockError::Io,
    }
}
