//! Calls on names below a directory. No path leads out of it ([`Scope::Beneath`]).
//!
//! [`Scope::Beneath`]: fs::vfs::Scope::Beneath

use abi::limits::PATH_MAX;
use abi::types::UserAddr;
use abi::wasi::WasiFd;
use abi::wasi::flags::LOOKUP_SYMLINK_FOLLOW;
use abi::{Errno, Result};
use fs::vfs::Follow;
use fs::vfs::path::Location;
use kernel::process::PathContext;

use super::Wx;
use super::status::{new_times, put_filestat, set_times};

/// Permissions of a new directory, before the umask.
const DIRECTORY_MODE: u32 = 0o777;

/// The path of `len` bytes at `address`.
///
/// # Errors
/// `EILSEQ` when it is not UTF-8, `EINVAL` with a NUL in it, `ENAMETOOLONG`, `EFAULT`.
pub(super) fn path_at(wx: Wx<'_>, address: UserAddr, len: u32) -> Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| Errno::ENAMETOOLONG)?;
    if len >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG.because("the path is longer than PATH_MAX"));
    }
    let mut path = vec![0; len];
    wx.memory().copy_in(address.0, &mut path)?;
    if std::str::from_utf8(&path).is_err() {
        return Err(Errno::EILSEQ.because("a path that is not UTF-8"));
    }
    if path.contains(&0) {
        return Err(Errno::EINVAL.because("a path with a NUL"));
    }
    Ok(path)
}

/// The view of the tree from the directory `number`.
fn beneath(wx: Wx<'_>, number: WasiFd) -> Result<PathContext> {
    let directory = wx.directory(number)?;
    Ok(wx.process().path_context(wx.kernel).beneath(directory))
}

/// A name below the directory `number`, and the view from there.
fn name_at(wx: Wx<'_>, number: WasiFd, path: UserAddr, len: u32) -> Result<(PathContext, Vec<u8>)> {
    let context = beneath(wx, number)?;
    Ok((context, path_at(wx, path, len)?))
}

/// Two names, each as [`name_at`]: the directories are looked at first.
fn two_names(
    wx: Wx<'_>,
    numbers: [WasiFd; 2],
    paths: [(UserAddr, u32); 2],
) -> Result<[(PathContext, Vec<u8>); 2]> {
    let [from, to] = [beneath(wx, numbers[0])?, beneath(wx, numbers[1])?];
    let [old, new] = [
        path_at(wx, paths[0].0, paths[0].1)?,
        path_at(wx, paths[1].0, paths[1].1)?,
    ];
    Ok([(from, old), (to, new)])
}

/// Whether the last symbolic link is followed.
fn follow(lookup: u32) -> Result<Follow> {
    match lookup {
        0 => Ok(Follow::No),
        LOOKUP_SYMLINK_FOLLOW => Ok(Follow::Yes),
        _ => Err(Errno::EINVAL.because("no such flag of a lookup")),
    }
}

/// What a path names.
fn locate(wx: Wx<'_>, number: WasiFd, lookup: u32, path: UserAddr, len: u32) -> Result<Location> {
    let follow = follow(lookup)?;
    let (context, path) = name_at(wx, number, path, len)?;
    wx.kernel.vfs.walk(&context.vfs(), &path, follow)
}

/// Makes a directory.
pub(super) fn path_create_directory(
    wx: Wx<'_>,
    number: WasiFd,
    path: UserAddr,
    len: u32,
) -> Result<()> {
    let (context, path) = name_at(wx, number, path, len)?;
    let made = wx.kernel.vfs.mkdir(&context.vfs(), &path, DIRECTORY_MODE);
    made.map(drop)
}

/// Tells the attributes of a file.
pub(super) fn path_filestat_get(
    wx: Wx<'_>,
    number: WasiFd,
    lookup: u32,
    path: UserAddr,
    len: u32,
    status: UserAddr,
) -> Result<()> {
    let location = locate(wx, number, lookup, path, len)?;
    put_filestat(wx, status, &location.metadata()?)
}

/// Sets the times of a file.
#[expect(clippy::too_many_arguments, reason = "the function of WASI has them")]
pub(super) fn path_filestat_set_times(
    wx: Wx<'_>,
    number: WasiFd,
    lookup: u32,
    path: UserAddr,
    len: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Result<()> {
    let times = new_times(atim, mtim, flags)?;
    set_times(wx, &locate(wx, number, lookup, path, len)?, times)
}

/// Gives a file one more name. A symbolic link gets it itself.
///
/// # Errors
/// `EINVAL` when it is to be followed; those of link(2).
#[expect(clippy::too_many_arguments, reason = "the function of WASI has them")]
pub(super) fn path_link(
    wx: Wx<'_>,
    old_number: WasiFd,
    lookup: u32,
    old: UserAddr,
    old_len: u32,
    new_number: WasiFd,
    new: UserAddr,
    new_len: u32,
) -> Result<()> {
    let paths = [(old, old_len), (new, new_len)];
    let [(from, old), (to, new)] = two_names(wx, [old_number, new_number], paths)?;
    if follow(lookup)? == Follow::Yes {
        return Err(Errno::EINVAL.because("symbolic links are not followed to be linked"));
    }
    let vfs = &wx.kernel.vfs;
    vfs.link((&from.vfs(), &old), (&to.vfs(), &new), Follow::No)
}

/// Reads the target of a symbolic link, cut to the buffer.
pub(super) fn path_readlink(
    wx: Wx<'_>,
    number: WasiFd,
    path: UserAddr,
    len: u32,
    buf: UserAddr,
    buf_len: u32,
    used: UserAddr,
) -> Result<()> {
    let target = locate(wx, number, 0, path, len)?.inode.read_link()?;
    let room = usize::try_from(buf_len).unwrap_or(usize::MAX);
    let bytes = target.get(..room).unwrap_or(&target);
    wx.write(buf, bytes)?;
    wx.write_count(used, bytes.len())
}

/// Removes an empty directory.
pub(super) fn path_remove_directory(
    wx: Wx<'_>,
    number: WasiFd,
    path: UserAddr,
    len: u32,
) -> Result<()> {
    let (context, path) = name_at(wx, number, path, len)?;
    wx.kernel.vfs.rmdir(&context.vfs(), &path)
}

/// Moves a name.
pub(super) fn path_rename(
    wx: Wx<'_>,
    old_number: WasiFd,
    old: UserAddr,
    old_len: u32,
    new_number: WasiFd,
    new: UserAddr,
    new_len: u32,
) -> Result<()> {
    let paths = [(old, old_len), (new, new_len)];
    let [(from, old), (to, new)] = two_names(wx, [old_number, new_number], paths)?;
    let vfs = &wx.kernel.vfs;
    vfs.rename((&from.vfs(), &old), (&to.vfs(), &new), 0)
}

/// Makes a symbolic link.
///
/// # Errors
/// `EPERM` for an absolute target below a directory other than the root, which nobody could
/// follow from there; those of symlink(2).
pub(super) fn path_symlink(
    wx: Wx<'_>,
    target: UserAddr,
    target_len: u32,
    number: WasiFd,
    path: UserAddr,
    len: u32,
) -> Result<()> {
    let context = beneath(wx, number)?;
    let target = path_at(wx, target, target_len)?;
    let path = path_at(wx, path, len)?;
    if target.starts_with(b"/") && !context.start().is_same(context.root()) {
        return Err(Errno::EPERM.because("an absolute target"));
    }
    let made = wx.kernel.vfs.symlink(&context.vfs(), &target, &path);
    made.map(drop)
}

/// Removes a name that is not a directory's.
pub(super) fn path_unlink_file(wx: Wx<'_>, number: WasiFd, path: UserAddr, len: u32) -> Result<()> {
    let (context, path) = name_at(wx, number, path, len)?;
    wx.kernel.vfs.unlink(&context.vfs(), &path)
}
