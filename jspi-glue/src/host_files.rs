//! Files of the host: `fs::hostfs` over the host's `files`.
//!
//! A folder of the machine (Node) is synchronous and goes to `sdk/src/worker/node_files.ts`; handles are descriptors
//! of the host's process, so any Worker may use them. Files that the page provides (a path of [`PROVIDED`]) go to
//! `sdk/src/worker/provided_files.ts`, which answers `NOT_YET` at first: the page's functions take their time. It
//! keeps the answers for the caller, a slot, until the call that asked is over.

use std::cell::Cell;
use std::sync::Arc;

use abi::{Result, special};
use fs::hostfs::{
    HostAccess, HostEntry, HostFiles, HostFs, HostOptions, HostResult, HostStat, NOT_YET,
};
use fs::vfs::inode::{FileSystem, FileType, Timestamp};

use crate::imports;

/// Operations, numbered as in `node_files.ts`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Operation {
    Lstat = 0,
    Open = 1,
    Create = 2,
    Close = 3,
    Fstat = 4,
    Read = 5,
    Write = 6,
    Truncate = 7,
    Sync = 8,
    List = 9,
    MakeDirectory = 10,
    Unlink = 11,
    RemoveDirectory = 12,
    Rename = 13,
    Link = 14,
    Symlink = 15,
    ReadLink = 16,
    Mode = 17,
    Times = 18,
    /// The call of the slot `a` is over; how many others have asked, and are not.
    End = 19,
    Append = 20,
}

/// How the host's paths of files that the page provides begin.
const PROVIDED: &[u8] = b"page:";
/// Nobody in particular: the host itself, or what goes on after a wait.
const NOBODY: u32 = u32::MAX;

thread_local! {
    /// Whose system call is at work.
    static CALLER: Cell<u32> = const { Cell::new(NOBODY) };
    /// Whether the host keeps answers for anybody.
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// What is asked from now on is asked by the guest in `slot`: a system call begins, or its result is taken.
pub(crate) fn begin(slot: u32) {
    CALLER.set(slot);
}

/// The call has come to `outcome`, a code of [`special`] perhaps: then it may be made again, else it is over.
pub(crate) fn end(slot: u32, outcome: u32) -> u32 {
    CALLER.set(NOBODY);
    if IS_ASKED.get()
        && !matches!(
            outcome,
            special::PENDING | special::RESTART | special::SIGNAL
        )
    {
        let nr_left = perform(Operation::End, &[], f64::from(slot), 0.0, &mut []);
        IS_ASKED.set(nr_left != Ok(0));
    }
    outcome
}

/// Numbers of a status, 8 bytes each.
const STATUS_NUMBERS: usize = 12;
/// Bytes for names in one call of [`Operation::List`].
const LIST_LEN: usize = 64 << 10;
/// `PATH_MAX`.
const PATH_LEN: usize = 4096;
/// `EIO`, for answers that make no sense.
const EIO: i32 = 5;

/// Mounts the folder `path` of the machine, or files that the page provides.
///
/// # Errors
/// `ENOSYS` where the host has no files, `ENOTDIR` when it is no folder.
pub(crate) fn open(path: &[u8], is_read_only: bool) -> Result<Arc<dyn FileSystem>> {
    let options = HostOptions {
        is_read_only,
        owner: path.starts_with(PROVIDED).then_some((0, 0)),
    };
    Ok(Arc::new(HostFs::new(Arc::new(NodeFiles), path, options)?))
}

/// The files of the process that hosts the pod.
#[derive(Debug)]
struct NodeFiles;

#[expect(
    clippy::as_conversions,
    reason = "a float becomes an integer no other way; it saturates"
)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "answers are whole and below 2^53"
)]
#[inline(never)]
fn perform(
    operation: Operation,
    path: &[u8],
    a: f64,
    b: f64,
    buffer: &mut [u8],
) -> HostResult<u64> {
    let answer = imports::files(CALLER.get(), operation as u32, path, a, b, buffer) as i64;
    u64::try_from(answer).map_err(|_| {
        let number = i32::try_from(answer.wrapping_neg()).unwrap_or(EIO);
        if number == NOT_YET {
            IS_ASKED.set(true);
        }
        number
    })
}

/// A number for the host: exact below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "JavaScript's only number"
)]
const fn number(value: u64) -> f64 {
    value as f64
}

/// Seconds with their fraction.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "JavaScript's only number"
)]
fn seconds(time: Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanoseconds) / 1e9
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer no other way; it saturates"
)]
fn timestamp(milliseconds: f64) -> Timestamp {
    let seconds = (milliseconds / 1e3).floor();
    let rest = (milliseconds - seconds * 1e3) * 1e6;
    Timestamp {
        seconds: seconds as i64,
        nanoseconds: (rest as u32).min(999_999_999),
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer no other way; it saturates"
)]
fn status(operation: Operation, path: &[u8], handle: u64) -> HostResult<HostStat> {
    let mut bytes = [0; STATUS_NUMBERS * 8];
    perform(operation, path, number(handle), 0.0, &mut bytes)?;
    let mut numbers = [0.0; STATUS_NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = f64::from_le_bytes(*bytes);
    }
    let [
        mode,
        nr_links,
        uid,
        gid,
        size,
        nr_blocks,
        device,
        inode,
        atime,
        mtime,
        ctime,
        rdev,
    ] = numbers;
    Ok(HostStat {
        device: device as u64,
        inode: inode as u64,
        mode: mode as u32,
        nr_links: nr_links as u32,
        uid: uid as u32,
        gid: gid as u32,
        rdev: rdev as u64,
        size: size as u64,
        nr_blocks: nr_blocks as u64,
        atime: timestamp(atime),
        mtime: timestamp(mtime),
        ctime: timestamp(ctime),
    })
}

impl HostFiles for NodeFiles {
    fn lstat(&self, path: &[u8]) -> HostResult<HostStat> {
        status(Operation::Lstat, path, 0)
    }

    fn open(&self, path: &[u8], access: HostAccess) -> HostResult<u64> {
        let writes = match access {
            HostAccess::Read => 0.0,
            HostAccess::ReadWrite => 1.0,
        };
        perform(Operation::Open, path, writes, 0.0, &mut [])
    }

    fn create(&self, path: &[u8], permissions: u32) -> HostResult<()> {
        perform(
            Operation::Create,
            path,
            f64::from(permissions),
            0.0,
            &mut [],
        )
        .map(|_| ())
    }

    fn close(&self, handle: u64) {
        let _closed = perform(Operation::Close, &[], number(handle), 0.0, &mut []);
    }

    fn fstat(&self, handle: u64) -> HostResult<HostStat> {
        status(Operation::Fstat, &[], handle)
    }

    fn read(&self, handle: u64, offset: u64, bytes: &mut [u8]) -> HostResult<usize> {
        let read = perform(Operation::Read, &[], number(handle), number(offset), bytes)?;
        usize::try_from(read)
            .ok()
            .filter(|&read| read <= bytes.len())
            .ok_or(EIO)
    }

    fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> HostResult<usize> {
        let mut copy = bytes.to_vec();
        let written = perform(
            Operation::Write,
            &[],
            number(handle),
            number(offset),
            &mut copy,
        )?;
        usize::try_from(written)
            .ok()
            .filter(|&written| written <= bytes.len())
            .ok_or(EIO)
    }

    fn append(&self, handle: u64, bytes: &[u8]) -> HostResult<u64> {
        let mut copy = bytes.to_vec();
        perform(Operation::Append, &[], number(handle), 0.0, &mut copy)
    }

    fn truncate(&self, handle: u64, size: u64) -> HostResult<()> {
        perform(
            Operation::Truncate,
            &[],
            number(handle),
            number(size),
            &mut [],
        )
        .map(|_| ())
    }

    fn sync(&self, handle: u64) -> HostResult<()> {
        perform(Operation::Sync, &[], number(handle), 0.0, &mut []).map(|_| ())
    }

    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<HostEntry>> {
        let mut entries: Vec<HostEntry> = Vec::new();
        let mut buffer = vec![0; LIST_LEN];
        loop {
            let skip = number(u64::try_from(entries.len()).map_err(|_| EIO)?);
            let count = perform(Operation::List, path, skip, 0.0, &mut buffer)?;
            let count = usize::try_from(count).map_err(|_| EIO)?;
            if count == 0 {
                return Ok(entries);
            }
            // Each entry: a byte of `d_type`, the name, and 0xff, which no UTF-8 name has.
            for entry in buffer.split(|&byte| byte == 0xff).take(count) {
                let (&kind, name) = entry.split_first().ok_or(EIO)?;
                let file_type = FileType::from_mode(u32::from(kind) << 12);
                entries.push(HostEntry {
                    name: name.to_vec(),
                    file_type,
                    inode: None,
                });
            }
        }
    }

    fn mkdir(&self, path: &[u8], permissions: u32) -> HostResult<()> {
        perform(
            Operation::MakeDirectory,
            path,
            f64::from(permissions),
            0.0,
            &mut [],
        )
        .map(|_| ())
    }

    fn unlink(&self, path: &[u8]) -> HostResult<()> {
        perform(Operation::Unlink, path, 0.0, 0.0, &mut []).map(|_| ())
    }

    fn rmdir(&self, path: &[u8]) -> HostResult<()> {
        perform(Operation::RemoveDirectory, path, 0.0, 0.0, &mut []).map(|_| ())
    }

    fn rename(&self, old: &[u8], new: &[u8]) -> HostResult<()> {
        perform(Operation::Rename, old, 0.0, 0.0, &mut new.to_vec()).map(|_| ())
    }

    fn link(&self, old: &[u8], new: &[u8]) -> HostResult<()> {
        perform(Operation::Link, old, 0.0, 0.0, &mut new.to_vec()).map(|_| ())
    }

    fn symlink(&self, target: &[u8], path: &[u8]) -> HostResult<()> {
        perform(Operation::Symlink, path, 0.0, 0.0, &mut target.to_vec()).map(|_| ())
    }

    fn read_link(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        let mut target = vec![0; PATH_LEN];
        let len = perform(Operation::ReadLink, path, 0.0, 0.0, &mut target)?;
        target.truncate(usize::try_from(len).map_err(|_| EIO)?);
        Ok(target)
    }

    fn chmod(&self, path: &[u8], permissions: u32) -> HostResult<()> {
        perform(Operation::Mode, path, f64::from(permissions), 0.0, &mut []).map(|_| ())
    }

    fn utimes(&self, path: &[u8], atime: Timestamp, mtime: Timestamp) -> HostResult<()> {
        perform(
            Operation::Times,
            path,
            seconds(atime),
            seconds(mtime),
            &mut [],
        )
        .map(|_| ())
    }
}
