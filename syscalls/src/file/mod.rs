//! Files: moving bytes, attributes, sizes.
//!
//! - `io`: reading and writing, at the offset of the description or at one of the caller's
//! - `copy`: from file to file without the guest's memory; `splice`: through pipes; `seek`: the offset
//! - `stat`: what there is; `attributes`: changing it; `size`: length and space
//! - `vector`: reading and writing with flags
//! - `sync`: what has to be on the disk

mod attributes;
mod copy;
mod io;
mod limit;
mod seek;
mod sigpipe;
mod size;
mod splice;
mod stat;
mod sync;
mod vector;

pub(crate) use attributes::{
    chmod, chown, fchmod, fchmodat, fchmodat2, fchown, fchownat, lchown, open_place,
    utimensat_time64,
};
pub(crate) use copy::{copy_file_range, sendfile64};
pub(crate) use io::{pread64, preadv, pwrite64, pwritev, read, readv, write, writev};
pub(crate) use seek::{fadvise64_64, llseek};
pub(crate) use sigpipe::with_sigpipe;
pub(crate) use size::{fallocate, ftruncate64, truncate64};
pub(crate) use splice::{splice, tee, vmsplice};
pub(crate) use stat::{fstat64, fstatat64, fstatfs64, lstat64, stat64, statfs64, statx};
pub(crate) use sync::{fdatasync, fsync, sync, sync_file_range, syncfs};
pub(crate) use vector::{preadv2, pwritev2};

use abi::flags::CAP_FSETID;
use abi::{Errno, Result};
use fs::io::{Stall, Try};
use fs::vfs::inode::{FileType, SetAttributes};
use fs::vfs::permissions_after_write;
use kernel::open_file::OpenFile;

use crate::context::Cx;

/// The result of an attempt by a call that never waits.
///
/// # Errors
/// `EAGAIN` instead of waiting, and what the attempt says.
fn at_once<T>(result: Try<T>) -> Result<T> {
    result.map_err(|stall| match stall {
        Stall::WouldBlock => Errno::EAGAIN.into(),
        Stall::Failed(error) => error,
    })
}

/// An offset or length that may not be negative.
///
/// # Errors
/// `EINVAL`.
fn not_negative(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Errno::EINVAL.because("a negative offset or length"))
}

/// Takes the set-id bits off a regular file whose contents an ordinary user is about to change, and
/// says for whom they change.
///
/// # Errors
/// Those of the file system.
fn drop_set_id(cx: Cx<'_>, file: &OpenFile) -> Result<()> {
    let Some(location) = file.location().filter(|_| file.ops().is_none()) else {
        return Ok(());
    };
    let credentials = cx.process().credentials();
    let caller = credentials.caller();
    caller.act();
    if caller.has(CAP_FSETID) || file.file_type() != FileType::Regular {
        return Ok(());
    }
    match permissions_after_write(&caller, &location.metadata()?) {
        Some(permissions) => location.inode.set_attributes(&SetAttributes {
            permissions: Some(permissions),
            ctime: Some(cx.kernel.now()),
            ..SetAttributes::default()
        }),
        None => Ok(()),
    }
}
