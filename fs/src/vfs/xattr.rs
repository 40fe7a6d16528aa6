//! Extended attributes (xattr(7)): who may see and set which.
//!
//! A file system gets whole names, of one of the three [`Namespace`]s that it stores.

use abi::flags::{CAP_SETFCAP, CAP_SYS_ADMIN, IN_ATTRIB, S_ISVTX};
use abi::{Errno, Result};

use super::inode::{FileType, Metadata, Timestamp};
use super::path::Location;
use super::permission::{Caller, READ, WRITE};

/// What `setxattr(2)` wants to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    /// Either.
    Any,
    /// No attribute of this name: `XATTR_CREATE`.
    Create,
    /// One to replace: `XATTR_REPLACE`.
    Replace,
}

/// The namespaces that file systems store, with their numbers in Ext2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Namespace {
    /// `user.`: who may read or write the file; of regular files and directories only.
    User = 1,
    /// `trusted.`: with `CAP_SYS_ADMIN`.
    Trusted = 4,
    /// `security.`: all may read, `CAP_SYS_ADMIN` sets.
    Security = 6,
}

/// The prefixes of the namespaces.
const NAMESPACES: [(Namespace, &[u8]); 3] = [
    (Namespace::User, b"user."),
    (Namespace::Trusted, b"trusted."),
    (Namespace::Security, b"security."),
];

impl Namespace {
    /// The namespace of a name, and the rest of the name.
    pub fn of(name: &[u8]) -> Option<(Self, &[u8])> {
        NAMESPACES
            .iter()
            .find_map(|(space, prefix)| Some((*space, name.strip_prefix(*prefix)?)))
    }

    /// What names in it begin with.
    pub fn prefix(self) -> &'static [u8] {
        let found = NAMESPACES.iter().find(|(space, _)| *space == self);
        found.map_or(b"", |(_, prefix)| prefix)
    }

    /// The namespace of a number on an Ext2.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::User),
            4 => Some(Self::Trusted),
            6 => Some(Self::Security),
            _ => None,
        }
    }
}

/// Fails unless the attribute may be read or, with [`WRITE`], set.
///
/// # Errors
/// `EPERM` or, for reading, `ENODATA` where the namespace is closed; `EACCES`.
fn check(caller: &Caller<'_>, metadata: &Metadata, name: &[u8], mask: u32) -> Result<()> {
    let closed = || {
        Err(if mask == WRITE {
            Errno::EPERM.because("attributes of this namespace are not for the caller or the file")
        } else {
            Errno::ENODATA.into()
        })
    };
    match Namespace::of(name) {
        Some((Namespace::Security, _)) => Ok(()),
        None if name.starts_with(b"system.") => Ok(()),
        Some((Namespace::Trusted, _)) if caller.has(CAP_SYS_ADMIN) => Ok(()),
        Some((Namespace::Trusted, _)) => closed(),
        Some((Namespace::User, _)) => match metadata.file_type {
            FileType::Directory
                if mask == WRITE
                    && metadata.permissions & S_ISVTX != 0
                    && !caller.owns(metadata) =>
            {
                closed()
            }
            FileType::Regular | FileType::Directory => caller.check(metadata, mask),
            _ => closed(),
        },
        None => caller.check(metadata, mask),
    }
}

/// Fails for a name that no file system stores.
///
/// # Errors
/// `EOPNOTSUPP` for an unknown namespace, `EINVAL` for nothing behind a known one.
fn resolve(name: &[u8]) -> Result<Namespace> {
    match Namespace::of(name) {
        None => Err(Errno::EOPNOTSUPP.because("no such namespace of attributes")),
        Some((_, [])) => Err(Errno::EINVAL.because("a namespace without a name")),
        Some((space, _)) => Ok(space),
    }
}

/// `setxattr(2)`, or `removexattr(2)` without a value.
///
/// # Errors
/// `EROFS`, `EPERM`, `EACCES`, `EOPNOTSUPP`, `EINVAL`, `EEXIST`, `ENODATA`, `ENOSPC`, `EIO`.
pub fn set(
    caller: &Caller<'_>,
    location: &Location,
    name: &[u8],
    value: Option<&[u8]>,
    mode: XattrMode,
    now: Timestamp,
) -> Result<()> {
    location.mount.check_writable()?;
    check(caller, &location.metadata()?, name, WRITE)?;
    if name.starts_with(Namespace::Security.prefix()) {
        let needed = if name == b"security.capability" {
            CAP_SETFCAP
        } else {
            CAP_SYS_ADMIN
        };
        if !caller.has(needed) {
            return Err(Errno::EPERM.because("security attributes are for the superuser"));
        }
    }
    resolve(name)?;
    caller.act();
    location.inode.set_xattr(name, value, mode, now)?;
    location.notify(IN_ATTRIB);
    Ok(())
}

/// `getxattr(2)`: the value.
///
/// # Errors
/// `EACCES`, `ENODATA`, `EOPNOTSUPP`, `EINVAL`, `EIO`.
pub fn value(caller: &Caller<'_>, location: &Location, name: &[u8]) -> Result<Vec<u8>> {
    check(caller, &location.metadata()?, name, READ)?;
    resolve(name)?;
    location.inode.xattr(name)
}

/// `listxattr(2)`: the names, each with a NUL at its end; `trusted.` ones for the superuser alone.
///
/// # Errors
/// `EIO`.
pub fn names(caller: &Caller<'_>, location: &Location) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    let sees_trusted = caller.has(CAP_SYS_ADMIN);
    location.inode.xattr_names(&mut |name| {
        if sees_trusted || !name.starts_with(Namespace::Trusted.prefix()) {
            list.extend_from_slice(name);
            list.push(0);
        }
    })?;
    Ok(list)
}
