//! The types of file systems that `mount(2)` knows: one row each.

use std::sync::Arc;

use abi::{Errno, Result};

use super::inode::FileSystem;
use super::{Context, Vfs};
use crate::devfs;
use crate::devpts::DevPts;
use crate::ext2_mount::Ext2Fs;
use crate::procfs::ProcFs;
use crate::sysfs::SysFs;
use crate::tmpfs::TmpFs;

/// What a type of file system learns about a new mount.
#[derive(Clone, Copy, Debug)]
pub struct MountRequest<'a> {
    /// A device's path, or any word.
    pub source: &'a [u8],
    /// Options of the type, separated by commas.
    pub options: &'a [u8],
    /// `MS_` flags.
    pub flags: u32,
    /// The mounts so far.
    pub vfs: &'a Vfs,
    /// Who mounts.
    pub context: &'a Context<'a>,
}

impl<'a> MountRequest<'a> {
    /// The value of the option `key=value`.
    pub fn option(&self, key: &str) -> Option<&'a [u8]> {
        self.options.split(|&byte| byte == b',').find_map(|option| {
            option
                .strip_prefix(key.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
        })
    }

    /// The number to `radix` that is the value of the option `key`.
    ///
    /// # Errors
    /// `EINVAL` when it is none.
    pub fn number(&self, key: &str, radix: u32, default: u32) -> Result<u32> {
        match self.option(key) {
            Some(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| u32::from_str_radix(text, radix).ok())
                .ok_or(Errno::EINVAL.because("a mount option is no number")),
            None => Ok(default),
        }
    }
}

/// One type of file systems.
#[derive(Clone, Copy, Debug)]
pub struct FileSystemType {
    /// Its name for `mount(2)`.
    pub name: &'static str,
    /// Whether it needs a block device (no `nodev` in `/proc/filesystems`).
    pub needs_device: bool,
    /// Makes one.
    pub make: fn(&MountRequest<'_>) -> Result<Arc<dyn FileSystem>>,
}

/// All types, in the order of `/proc/filesystems`.
pub const FILE_SYSTEMS: &[FileSystemType] = &[
    FileSystemType {
        name: "tmpfs",
        needs_device: false,
        make: TmpFs::from_request,
    },
    FileSystemType {
        name: "devtmpfs",
        needs_device: false,
        make: new_devfs,
    },
    FileSystemType {
        name: "devpts",
        needs_device: false,
        make: DevPts::from_request,
    },
    FileSystemType {
        name: "proc",
        needs_device: false,
        make: ProcFs::from_request,
    },
    FileSystemType {
        name: "sysfs",
        needs_device: false,
        make: SysFs::from_request,
    },
    FileSystemType {
        name: "ext2",
        needs_device: true,
        make: Ext2Fs::from_request,
    },
    FileSystemType {
        name: "ext4",
        needs_device: true,
        make: Ext2Fs::from_request,
    },
];

/// `/dev` as often as it is mounted: the same one if there is one.
fn new_devfs(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
    match request.vfs.mounted("devtmpfs") {
        Some(known) => Ok(known),
        None => {
            let nodes = request.vfs.devices().nodes();
            devfs::devfs(&nodes, request.context.now, request.vfs.budget())
        }
    }
}

/// Makes a file system of the type `name`.
///
/// # Errors
/// `ENODEV` for an unknown type, and what the type says.
pub(super) fn make(name: &[u8], request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
    let row = FILE_SYSTEMS.iter().find(|row| row.name.as_bytes() == name);
    let row = row.ok_or(Errno::ENODEV.because("no file system of this type"))?;
    (row.make)(request)
}
