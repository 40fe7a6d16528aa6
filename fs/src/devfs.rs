//! `/dev`: a tmpfs with the device files, links and directories that programs look for.
//!
//! The files carry numbers only; [`crate::vfs::device::DeviceRegistry`] serves what is behind.

use std::sync::Arc;

use abi::Result;

use crate::budget::Budget;
use crate::tmpfs::TmpFs;
use crate::vfs::device::{DeviceKind, DeviceNode, make_device};
use crate::vfs::inode::{FileSystem, NewAttributes, NewNode, Timestamp};

/// A device file: name, major and minor number, permission bits.
const CHAR_DEVICES: &[(&str, u32, u32, u32)] = &[
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
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

/// Makes the file system of `/dev` at `time`, with `more` device files besides the usual ones;
/// later ones come by `mknod(2)`. Its files are in the memory of `budget`.
///
/// # Errors
/// `EEXIST` when a name is there twice.
pub fn devfs(
    more: &[DeviceNode],
    time: Timestamp,
    budget: &Arc<Budget>,
) -> Result<Arc<dyn FileSystem>> {
    let owned = |permissions| NewAttributes {
        permissions,
        uid: 0,
        gid: 0,
        time,
    };
    let file_system = TmpFs::with_root("devtmpfs", LIMIT_BYTES, &owned(0o755), budget)?;
    let root = file_system.root();
    for &(name, major, minor, permissions) in CHAR_DEVICES {
        let node = NewNode::CharDevice(make_device(major, minor));
        root.create(name.as_bytes(), &node, &owned(permissions))?;
    }
    for node in more {
        let new = match node.kind {
            DeviceKind::Char => NewNode::CharDevice(node.number),
            DeviceKind::Block => NewNode::BlockDevice(node.number),
        };
        root.create(node.name.as_bytes(), &new, &owned(node.permissions))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::inode::FileType;

    #[test]
    fn devices_links_and_directories_are_there() {
        let node = DeviceNode {
            name: "vda".to_owned(),
            kind: DeviceKind::Block,
            number: make_device(254, 0),
            permissions: 0o660,
        };
        let file_system = devfs(&[node], Timestamp::default(), &Budget::unlimited()).unwrap();
        let root = file_system.root();
        let null = root.lookup(b"null").unwrap().metadata().unwrap();
        assert_eq!((null.rdev, null.permissions), (0x103, 0o666));
        let disk = root.lookup(b"vda").unwrap().metadata().unwrap();
        assert_eq!(
            (disk.file_type, disk.rdev),
            (FileType::BlockDevice, 254 << 8)
        );
        assert_eq!(
            root.lookup(b"stdin").unwrap().read_link().unwrap(),
            b"/proc/self/fd/0"
        );
        assert_eq!(
            root.lookup(b"shm").unwrap().metadata().unwrap().permissions,
            0o1777
        );
    }
}
