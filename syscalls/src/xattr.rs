//! Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2), each for a path, a
//! symbolic link itself, and a descriptor.

use abi::flags::{AT_SYMLINK_NOFOLLOW, XATTR_CREATE, XATTR_REPLACE};
use abi::limits::{XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::path::Location;
use fs::vfs::xattr::{self, XattrMode};

use crate::context::{Cx, not_null};
use crate::dir::locate;
use crate::file::open_place;

/// The file that a call is about.
#[derive(Clone, Copy)]
enum Target {
    /// What a path leads to, with these flags of the `*at` calls.
    Path(UserAddr, u32),
    /// What is open.
    Fd(Fd),
}

impl Target {
    const fn link(path: UserAddr) -> Self {
        Self::Path(path, AT_SYMLINK_NOFOLLOW)
    }

    fn find(self, cx: Cx<'_>) -> Result<Location> {
        match self {
            Self::Path(path, flags) => locate(cx, Fd::CWD, &cx.path(path)?, flags),
            Self::Fd(fd) => open_place(cx, fd),
        }
    }
}

/// The name of an attribute.
///
/// # Errors
/// `ERANGE` for none or one of over 255 bytes, `EFAULT`.
fn name_at(cx: Cx<'_>, address: UserAddr) -> Result<Vec<u8>> {
    match cx.string(address, XATTR_NAME_MAX.saturating_add(1)) {
        Ok(name) if !name.is_empty() => Ok(name),
        Err(error) if error.errno != Errno::ENAMETOOLONG => Err(error),
        _ => Err(Errno::ERANGE.because("no length of an attribute's name")),
    }
}

fn set(
    cx: Cx<'_>,
    target: Target,
    name: UserAddr,
    (value, size): (UserAddr, usize),
    flags: u32,
) -> Result<()> {
    const BOTH: u32 = XATTR_CREATE | XATTR_REPLACE;
    let mode = match flags {
        0 => XattrMode::Any,
        XATTR_CREATE => XattrMode::Create,
        XATTR_REPLACE => XattrMode::Replace,
        // As in Linux, both at once are not refused, but cannot be either.
        BOTH => return get(cx, target, name, (UserAddr(0), 0)).and(Err(Errno::EEXIST.into())),
        _ => return Err(Errno::EINVAL.because("XATTR_CREATE or XATTR_REPLACE")),
    };
    let name = name_at(cx, name)?;
    if size > XATTR_SIZE_MAX {
        return Err(Errno::E2BIG.because("an attribute of over 64 KiB"));
    }
    let mut bytes = vec![0; size];
    if size > 0 {
        not_null(value)?;
        cx.memory().copy_in(value.0, &mut bytes)?;
    }
    change(cx, target, &name, Some(&bytes), mode)
}

fn remove(cx: Cx<'_>, target: Target, name: UserAddr) -> Result<()> {
    let name = name_at(cx, name)?;
    change(cx, target, &name, None, XattrMode::Any)
}

fn change(
    cx: Cx<'_>,
    target: Target,
    name: &[u8],
    value: Option<&[u8]>,
    mode: XattrMode,
) -> Result<()> {
    let location = target.find(cx)?;
    let credentials = cx.process().credentials();
    let now = cx.kernel.now();
    xattr::set(&credentials.caller(), &location, name, value, mode, now)
}

fn get(cx: Cx<'_>, target: Target, name: UserAddr, to: (UserAddr, usize)) -> Result<usize> {
    let name = name_at(cx, name)?;
    let location = target.find(cx)?;
    let credentials = cx.process().credentials();
    let value = xattr::value(&credentials.caller(), &location, &name)?;
    give(cx, to, &value)
}

fn list(cx: Cx<'_>, target: Target, to: (UserAddr, usize)) -> Result<usize> {
    let location = target.find(cx)?;
    let credentials = cx.process().credentials();
    let names = xattr::names(&credentials.caller(), &location)?;
    if names.len() > XATTR_LIST_MAX {
        return Err(Errno::E2BIG.because("names of over 64 KiB"));
    }
    give(cx, to, &names)
}

/// Hands `bytes` over and returns how many they are; a guest without room only asks for that.
///
/// # Errors
/// `ERANGE` for too little room, `EFAULT`.
fn give(cx: Cx<'_>, (to, size): (UserAddr, usize), bytes: &[u8]) -> Result<usize> {
    if size > 0 {
        if bytes.len() > size {
            return Err(Errno::ERANGE.because("too little room"));
        }
        cx.copy_out(to, bytes)?;
    }
    Ok(bytes.len())
}

/// setxattr(2).
pub(crate) fn setxattr(
    cx: Cx<'_>,
    path: UserAddr,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    flags: u32,
) -> Result<()> {
    set(cx, Target::Path(path, 0), name, (value, size), flags)
}

/// lsetxattr(2).
pub(crate) fn lsetxattr(
    cx: Cx<'_>,
    path: UserAddr,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    flags: u32,
) -> Result<()> {
    set(cx, Target::link(path), name, (value, size), flags)
}

/// fsetxattr(2).
pub(crate) fn fsetxattr(
    cx: Cx<'_>,
    fd: Fd,
    name: UserAddr,
    value: UserAddr,
    size: usize,
    flags: u32,
) -> Result<()> {
    set(cx, Target::Fd(fd), name, (value, size), flags)
}

/// getxattr(2).
pub(crate) fn getxattr(
    cx: Cx<'_>,
    path: UserAddr,
    name: UserAddr,
    value: UserAddr,
    size: usize,
) -> Result<usize> {
    get(cx, Target::Path(path, 0), name, (value, size))
}

/// lgetxattr(2).
pub(crate) fn lgetxattr(
    cx: Cx<'_>,
    path: UserAddr,
    name: UserAddr,
    value: UserAddr,
    size: usize,
) -> Result<usize> {
    get(cx, Target::link(path), name, (value, size))
}

/// fgetxattr(2).
pub(crate) fn fgetxattr(
    cx: Cx<'_>,
    fd: Fd,
    name: UserAddr,
    value: UserAddr,
    size: usize,
) -> Result<usize> {
    get(cx, Target::Fd(fd), name, (value, size))
}

/// listxattr(2).
pub(crate) fn listxattr(cx: Cx<'_>, path: UserAddr, names: UserAddr, size: usize) -> Result<usize> {
    list(cx, Target::Path(path, 0), (names, size))
}

/// llistxattr(2).
pub(crate) fn llistxattr(
    cx: Cx<'_>,
    path: UserAddr,
    names: UserAddr,
    size: usize,
) -> Result<usize> {
    list(cx, Target::link(path), (names, size))
}

/// flistxattr(2).
pub(crate) fn flistxattr(cx: Cx<'_>, fd: Fd, names: UserAddr, size: usize) -> Result<usize> {
    list(cx, Target::Fd(fd), (names, size))
}

/// removexattr(2).
pub(crate) fn removexattr(cx: Cx<'_>, path: UserAddr, name: UserAddr) -> Result<()> {
    remove(cx, Target::Path(path, 0), name)
}

/// lremovexattr(2).
pub(crate) fn lremovexattr(cx: Cx<'_>, path: UserAddr, name: UserAddr) -> Result<()> {
    remove(cx, Target::link(path), name)
}

/// fremovexattr(2).
pub(crate) fn fremovexattr(cx: Cx<'_>, fd: Fd, name: UserAddr) -> Result<()> {
    remove(cx, Target::Fd(fd), name)
}
