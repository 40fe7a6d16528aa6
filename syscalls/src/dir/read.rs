//! getdents64(2).

use abi::layout::Dirent64;
use abi::limits::NAME_MAX;
use abi::types::{Fd, UserAddr};
use abi::{Errno, Error, Result};
use fs::vfs::inode::DirEntry;

use crate::context::Cx;

/// Bytes of the longest record.
const MAX_RECORD: usize = Dirent64::record_len(NAME_MAX);

/// getdents64(2): as many records as fit into `count` bytes; 0 at the end of the directory.
pub(crate) fn getdents64(cx: Cx<'_>, fd: Fd, buf: UserAddr, count: usize) -> Result<usize> {
    let file = cx.file(fd)?;
    if !file.is_path()
        && file
            .location()
            .is_some_and(|l| l.is_directory() && l.is_deleted())
    {
        return Err(Errno::ENOENT.because("the directory was removed"));
    }
    let mut filled = 0_usize;
    let mut refused = None;
    let listed = file.read_dir(cx.kernel.now(), &mut |entry| match put(
        cx, &entry, buf, filled, count,
    ) {
        Ok(len) => {
            filled = filled.saturating_add(len);
            true
        }
        Err(error) => {
            refused = Some(error);
            false
        }
    });
    match (filled, refused, listed) {
        (1.., _, _) => Ok(filled),
        (0, Some(error), _) | (0, None, Err(error)) => Err(error),
        (0, None, Ok(())) => Ok(0),
    }
}

/// Writes the record of `entry` behind the `filled` bytes of `buf`; its length.
///
/// # Errors
/// `EINVAL` when it does not fit, `EFAULT`.
fn put(
    cx: Cx<'_>,
    entry: &DirEntry<'_>,
    buf: UserAddr,
    filled: usize,
    count: usize,
) -> Result<usize> {
    let too_small = || -> Error { Errno::EINVAL.because("no room for the next entry") };
    let mut record = [0; MAX_RECORD];
    let kind = entry
        .file_type
        .map_or(0, |file_type| file_type.dirent_type());
    let next = i64::try_from(entry.next_cookie).unwrap_or(i64::MAX);
    let len = Dirent64::write_record(&mut record, entry.inode, next, kind, entry.name)
        .filter(|&len| len <= count.saturating_sub(filled))
        .ok_or_else(too_small)?;
    let address = buf.offset(u32::try_from(filled).map_err(|_| too_small())?)?;
    cx.copy_out(address, record.get(..len).unwrap_or_default())?;
    Ok(len)
}
