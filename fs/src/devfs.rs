//! `/dev`: a tmpfs with the device files, links and directories that programs look for.
//!
//! The files carry numbers only; [`crate::vfs::device::DeviceRegistry`] serves what is behind.

use std::sync::Arc;

use abi::Result;

use crate::tmpfs::TmpFs;
use crate::vfs::device::make_device;
use crate::vfs::inode::{FileSystem, Inode, NewAttributes, NewNode, Timestamp};

/// A device file: name, major and minor number, permission bits.
const CHAR_DEVICES: &[(&str, u32, u32, u32)] = &[
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("kmsg", 1, 11, 0o600),
    ("tty", 5, 0, 0o666),
    ("console", 5, 1, 0o600),
    ("ptmx", 5, 2, 0o666),
];

/// Symbolic links and their targets.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Directories and their permission bits.
const DIRECTORIES: &[(&str, u32)] = &[("shm", 0o1777), ("pts", 0o755), ("mqueue", 0o1777)];

/// Bytes that files in `/dev`, such as those of `/dev/shm`, may hold.
const LIMIT_BYTES: u64 = 1 << 30;

/// Makes the file system of `/dev` at `time`. More device files are made with `mknod(2)`.
///
/// # Errors
/// None in practice.
pub fn devfs(time: Timestamp) -> Result<Arc<dyn FileSystem>> {
    let owned = |permissions| NewAttributes {
        permissions,
        uid: 0,
        gid: 0,
        time,
    };
    let file_system = TmpFs::with_root("devtmpfs", LIMIT_BYTES, &owned(0o755))?;
    let root = file_system.root();
    for &(name, major, minor, permissions) in CHAR_DEVICES {
        let node = NewNode::CharDevice(make_device(major, minor));
        root.create(name.as_bytes(), &node, &owned(permissions))?;
    }
    for &(name, target) in LINKS {
        root.create(
            name.as_bytes(),
            &NewNode::Symlink(target.as_bytes()),
            &owned(0o777),
        )?;
    }
    for &(name, permissions) in DIRECTORIES {
        root.create(name.as_bytes(), &NewNode::Directory, &owned(permissions))?;
    }
    Ok(Arc::new(file_system))
}

/// Makes the device files of a terminal's number: `/dev/pts/N` and the like, below `directory`.
///
/// # Errors
/// `EEXIST`, `ENOSPC`.
pub fn add_char_device(
    directory: &Arc<dyn Inode>,
    name: &[u8],
    (major, minor): (u32, u32),
    attributes: &NewAttributes,
) -> Result<Arc<dyn Inode>> {
    directory.create(
        name,
        &NewNode::CharDevice(make_device(major, minor)),
        attributes,
    )
}
