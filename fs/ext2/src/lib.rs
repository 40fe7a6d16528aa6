//! The second extended file system, read and write, on inode numbers.
//!
//! Key type: [`Ext2`]. Everything is synchronous and restartable: an operation that needs a block
//! the device does not have yet returns [`Error::NotResident`] with nothing changed, and the
//! caller repeats it later (ADR 0003). An operation that fails for any reason leaves no trace,
//! except that a long write may end short. Paths, permissions and open files are the VFS's.
//!
//! # The disk
//! ```text
//!  byte 0     1024         block 1 or 2
//!  ├─ boot ───┼─ superblock ┼─ group descriptors ─┬─ reserved ─┬ block  ┬ inode  ┬ inode ┬ data ...
//!  │          │             │ 32 bytes per group  │ for growth │ bitmap │ bitmap │ table │
//!  └──────────┴─────────────┴─────────────────────┴────────────┴────────┴────────┴───────┴── group 0
//!             (copies in groups 1, 3^n, 5^n, 7^n)               └──── every group ───────┘
//!
//!  inode: mode, owner, size, times, links ─ i_block[15]: 12 direct ─┬─ single ─┬─ double ─┬─ triple
//!                                                                   └ table of block numbers: each
//!  directory block: ┌ inode │ rec_len │ name_len │ type │ name ... ┐┌ inode │ rec_len ...   (to its end)
//! ```
//! All numbers are little-endian. `rec_len` leads to the next entry; entries never move.
//!
//! # The files
//! | file | what |
//! |---|---|
//! | `superblock.rs`, `group.rs` | geometry, descriptors, which blocks are metadata |
//! | `mount.rs` | [`Ext2`], mount, sync, unmount, all-or-nothing operations |
//! | `inode.rs`, `lifetime.rs` | the inode codec and cache; birth, `retain`, `release`, death |
//! | `alloc.rs` | the two bitmaps |
//! | `block_map.rs`, `file.rs` | file block to disk block; read, write, truncate |
//! | `dir_block.rs`, `dir.rs`, `name_index.rs` | one directory block; a directory; its index in memory |
//! | `names.rs`, `rename.rs`, `symlink.rs` | the operations on names |
//! | `attributes.rs`, `xattr.rs`, `error.rs`, `codec.rs` | stat, attribute blocks, errors, little-endian |
//!
//! # References
//! `Documentation/filesystems/ext2.rst` and `ext4/` of Linux v6.12; e2fsprogs `lib/ext2fs/ext2_fs.h`;
//! D. Poirier, "The Second Extended File System".

#![forbid(unsafe_code)]

mod alloc;
mod attributes;
mod block_map;
mod codec;
mod dir;
mod dir_block;
mod error;
mod file;
mod group;
mod inode;
mod lifetime;
mod mount;
mod name_index;
mod names;
mod rename;
mod superblock;
mod symlink;
mod xattr;

use core::fmt;

pub use attributes::{Attributes, SetAttributes};
pub use dir::DirEntry;
pub use error::{CorruptKind, Error, Feature, Result};
pub use mount::{Ext2, FileSystemStatus, MountOptions, ReservedBlocks};
pub use names::{NewAttributes, NewNode};
pub use rename::RenameMode;

/// The number of a block of the file system; block 0 holds the boot sector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockNo(pub u32);

/// The number of an inode, from 1; not necessarily one that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeNo(pub u32);

impl InodeNo {
    /// The root directory.
    pub const ROOT: Self = Self(2);
}

impl fmt::Debug for BlockNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.0)
    }
}

impl fmt::Debug for InodeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {}", self.0)
    }
}

/// A point in time since 1970-01-01 00:00:00 UTC.
///
/// Inodes of 128 bytes keep whole seconds until 2038; larger ones nanoseconds until 2446.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The `S_IFMT` bits of `i_mode`.
    pub const fn mode_bits(self) -> u16 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice => 0o060_000,
            Self::Regular => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }

    /// The type in the `S_IFMT` bits of `mode`, if they name one.
    pub const fn from_mode(mode: u16) -> Option<Self> {
        Some(match mode & 0o170_000 {
            0o010_000 => Self::Fifo,
            0o020_000 => Self::CharDevice,
            0o040_000 => Self::Directory,
            0o060_000 => Self::BlockDevice,
            0o100_000 => Self::Regular,
            0o120_000 => Self::Symlink,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }

    /// The `file_type` of a directory entry (`EXT2_FT_*`).
    const fn entry_type(self) -> u8 {
        match self {
            Self::Regular => 1,
            Self::Directory => 2,
            Self::CharDevice => 3,
            Self::BlockDevice => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    /// The type that a directory entry names; `None` where it does not tell.
    const fn from_entry_type(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Regular,
            2 => Self::Directory,
            3 => Self::CharDevice,
            4 => Self::BlockDevice,
            5 => Self::Fifo,
            6 => Self::Socket,
            7 => Self::Symlink,
            _ => return None,
        })
    }
}
