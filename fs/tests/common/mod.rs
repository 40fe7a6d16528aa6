//! What the tests share: `std::fs` as a host, a disk with two owners; and what those of `fs-ext2` have.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_errors_doc,
    clippy::allow_attributes,
    reason = "shared by tests, each of which uses its part"
)]

#[path = "../../ext2/tests/common/images.rs"]
mod images;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use ::fs::hostfs::{HostAccess, HostEntry, HostFiles, HostResult, HostStat};
use ::fs::vfs::inode::{FileType, Timestamp};
use executor::sync::Lock;
use fs_block::{BlockDevice, BlockError, MemDisk};

pub use images::{Random, Scratch, assert_clean, mke2fs, tool};

/// A time that is past for `e2fsck`.
pub const NOW: Timestamp = Timestamp {
    seconds: 1_700_000_000,
    nanoseconds: 5,
};

/// `std::fs` as a host.
#[derive(Debug, Default)]
pub struct StdFiles {
    open: Lock<HashMap<u64, File>>,
    next: AtomicU64,
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn number(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(5)
}

fn stat(metadata: &fs::Metadata) -> HostStat {
    let time = |seconds, nanoseconds| Timestamp {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap(),
    };
    HostStat {
        device: metadata.dev(),
        inode: metadata.ino(),
        mode: metadata.mode(),
        nr_links: u32::try_from(metadata.nlink()).unwrap(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: metadata.rdev(),
        size: metadata.size(),
        nr_blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
    }
}

impl StdFiles {
    fn with<T>(&self, handle: u64, act: impl FnOnce(&File) -> std::io::Result<T>) -> HostResult<T> {
        act(self.open.lock().get(&handle).ok_or(9)?).map_err(number)
    }

    pub fn nr_open(&self) -> usize {
        self.open.lock().len()
    }
}

impl HostFiles for StdFiles {
    fn lstat(&self, at: &[u8]) -> HostResult<HostStat> {
        fs::symlink_metadata(path(at))
            .map(|metadata| stat(&metadata))
            .map_err(number)
    }

    fn open(&self, at: &[u8], access: HostAccess) -> HostResult<u64> {
        let is_write = access == HostAccess::ReadWrite;
        let file = OpenOptions::new()
            .read(true)
            .write(is_write)
            .open(path(at))
            .map_err(number)?;
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(handle, file);
        Ok(handle)
    }

    fn create(&self, at: &[u8], _: u32) -> HostResult<()> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path(at))
            .map(drop)
            .map_err(number)
    }

    fn close(&self, handle: u64) {
        self.open.lock().remove(&handle);
    }

    fn fstat(&self, handle: u64) -> HostResult<HostStat> {
        self.with(handle, |file| {
            file.metadata().map(|metadata| stat(&metadata))
        })
    }

    fn read(&self, handle: u64, offset: u64, bytes: &mut [u8]) -> HostResult<usize> {
        self.with(handle, |file| file.read_at(bytes, offset))
    }

    fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> HostResult<usize> {
        self.with(handle, |file| file.write_at(bytes, offset))
    }

    fn append(&self, handle: u64, bytes: &[u8]) -> HostResult<u64> {
        self.with(handle, |file| {
            let size = file.metadata()?.len();
            file.write_all_at(bytes, size)?;
            Ok(size)
        })
    }

    fn truncate(&self, handle: u64, size: u64) -> HostResult<()> {
        self.with(handle, |file| file.set_len(size))
    }

    fn sync(&self, handle: u64) -> HostResult<()> {
        self.with(handle, File::sync_all)
    }

    fn read_dir(&self, at: &[u8]) -> HostResult<Vec<HostEntry>> {
        let entries = fs::read_dir(path(at)).map_err(number)?;
        entries
            .map(|entry| {
                let entry = entry?;
                let kind = entry.file_type()?;
                let file_type = if kind.is_dir() {
                    Some(FileType::Directory)
                } else if kind.is_symlink() {
                    Some(FileType::Symlink)
                } else {
                    None
                };
                Ok(HostEntry {
                    name: entry.file_name().into_vec(),
                    file_type,
                    inode: None,
                })
            })
            .collect::<std::io::Result<_>>()
            .map_err(number)
    }

    fn mkdir(&self, at: &[u8], _: u32) -> HostResult<()> {
        fs::create_dir(path(at)).map_err(number)
    }

    fn unlink(&self, at: &[u8]) -> HostResult<()> {
        fs::remove_file(path(at)).map_err(number)
    }

    fn rmdir(&self, at: &[u8]) -> HostResult<()> {
        fs::remove_dir(path(at)).map_err(number)
    }

    fn rename(&self, old: &[u8], new: &[u8]) -> HostResult<()> {
        fs::rename(path(old), path(new)).map_err(number)
    }

    fn link(&self, old: &[u8], new: &[u8]) -> HostResult<()> {
        fs::hard_link(path(old), path(new)).map_err(number)
    }

    fn symlink(&self, target: &[u8], at: &[u8]) -> HostResult<()> {
        symlink(path(target), path(at)).map_err(number)
    }

    fn read_link(&self, at: &[u8]) -> HostResult<Vec<u8>> {
        fs::read_link(path(at))
            .map(|target| target.into_os_string().into_vec())
            .map_err(number)
    }

    fn chmod(&self, at: &[u8], permissions: u32) -> HostResult<()> {
        fs::set_permissions(path(at), Permissions::from_mode(permissions)).map_err(number)
    }

    fn utimes(&self, at: &[u8], atime: Timestamp, mtime: Timestamp) -> HostResult<()> {
        let time = |time: Timestamp| {
            UNIX_EPOCH + Duration::new(u64::try_from(time.seconds).unwrap(), time.nanoseconds)
        };
        let times = fs::FileTimes::new()
            .set_accessed(time(atime))
            .set_modified(time(mtime));
        File::open(path(at))
            .and_then(|file| file.set_times(times))
            .map_err(number)
    }
}

/// A disk that the test can look at while it is mounted.
#[derive(Clone)]
pub struct SharedDisk(pub Arc<Lock<MemDisk>>);

impl BlockDevice for SharedDisk {
    fn len_bytes(&self) -> u64 {
        self.0.lock().len_bytes()
    }
    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), BlockError> {
        self.0.lock().read(offset, bytes)
    }
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.lock().write(offset, bytes)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.lock().flush()
    }
}

/// An empty Ext2 of `kib` KiB.
pub fn ext2_image(kib: u32) -> Vec<u8> {
    mke2fs(&["-b", "1024"], kib, None)
}
