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
//! | `format.rs` | an empty disk |
//! | `mount.rs` | [`Ext2`], mount, sync, unmount, all-or-nothing operations |
//! | `inode.rs`, `lifetime.rs`, `orphan.rs` | the inode codec and cache; `retain`, `release`, death; who lives without a name |
//! | `alloc.rs` | the two bitmaps |
//! | `block_map.rs`, `file.rs`, `space.rs` | file block to disk block; read, write, truncate; holes |
//! | `dir_block.rs`, `dir.rs`, `name_index.rs` | one directory block; a directory; its index in memory |
//! | `names.rs`, `rename.rs`, `symlink.rs` | the operations on names |
//! | `ext4/` | ext4 disks, read-only |
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
mod ext4;
mod file;
mod format;
mod group;
mod inode;
mod lifetime;
mod mount;
mod name_index;
mod names;
mod orphan;
mod rename;
mod space;
mod superblock;
mod symlink;
mod write_back;
mod xattr;

use core::fmt;

pub use abi::file::{FileType, Timestamp};
pub use attributes::{Attributes, SetAttributes};
pub use dir::DirEntry;
pub use error::{CorruptKind, Error, Feature, Result};
pub use format::{FormatOptions, format};
pub use mount::{Ext2, FileSystemStatus, MountOptions, OnError, ReservedBlocks};
pub use names::{Naming, NewAttributes, NewNode};
pub use rename::RenameMode;
pub use space::{Extent, Seek};
pub use xattr::{Xattr, XattrMode};

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

/// File types as directory entries number them (`EXT2_FT_*`), from 1.
const ENTRY_TYPES: [FileType; 7] = [
    FileType::Regular,
    FileType::Directory,
    FileType::CharDevice,
    FileType::BlockDevice,
    FileType::Fifo,
    FileType::Socket,
    FileType::Symlink,
];

/// The `file_type` of a directory entry.
fn entry_type(kind: FileType) -> u8 {
    (1..)
        .zip(ENTRY_TYPES)
        .find(|(_, known)| *known == kind)
        .map_or(0, |(number, _)| number)
}

/// The type that a directory entry names; `None` where it does not tell.
fn from_entry_type(number: u8) -> Option<FileType> {
    let index = usize::from(number).checked_sub(1)?;
    ENTRY_TYPES.get(index).copied()
}
