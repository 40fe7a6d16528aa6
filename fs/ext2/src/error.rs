//! What can go wrong, and which error number a guest sees for it.

use core::fmt;

use abi::{Errno, NOT_RESIDENT};
use fs_block::BlockError;

use crate::{BlockNo, InodeNo};

/// The result of every operation of the file system.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation failed. Except for a [`Error::Corrupt`] mark, the disk is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The device failed.
    Io,
    /// The bytes at this byte offset of the device are not here yet: wait for them, then repeat.
    NotResident(u64),
    /// No free block or inode is left.
    NoSpace,
    /// The disk contradicts itself; `e2fsck` is needed.
    Corrupt(CorruptKind),
    /// The disk uses something that this crate does not know.
    Unsupported(Feature),
    /// There is no such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// It is not a directory.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// The directory has entries.
    NotEmpty,
    /// A name of more than 255 bytes, or a link target that does not fit a block.
    NameTooLong,
    /// The inode has 32,000 links.
    TooManyLinks,
    /// The file would be larger than the format allows.
    FileTooBig,
    /// Mounted read-only.
    ReadOnly,
    /// Not allowed for this type of file.
    NotPermitted,
    /// The name is `.` or `..`.
    Busy,
    /// The inode was freed.
    Stale,
    /// The inode has no such extended attribute.
    NoAttribute,
    /// An argument makes no sense, such as a directory moved into itself.
    Invalid,
}

/// What contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorruptKind {
    /// A field of the superblock is impossible.
    Superblock(&'static str),
    /// A field of this group's descriptor is impossible.
    Group(u32, &'static str),
    /// A directory names an inode that cannot be.
    InodeNumber(InodeNo),
    /// A field of this inode is impossible.
    Inode(InodeNo, &'static str),
    /// A file points to a block that is outside the disk or holds metadata.
    BlockPointer(BlockNo),
    /// The bitmap says free for a block that is in use, or the other way round.
    BlockBitmap(BlockNo),
    /// The bitmap says free for an inode that is in use, or the other way round.
    InodeBitmap(InodeNo),
    /// The entry at this byte of the directory is impossible.
    DirEntry(InodeNo, u64, &'static str),
    /// The directories above this one form a loop.
    DirectoryLoop(InodeNo),
    /// The extended attribute block has no valid header.
    AttributeBlock(BlockNo),
}

/// A property of the disk that this crate does not know; feature words as on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Unknown bits of `s_feature_incompat`: neither readable nor writable.
    Incompatible(u32),
    /// Bits of `s_feature_incompat` that are read but not written: mount it read-only.
    ReadOnly(u32),
    /// Unknown bits of `s_feature_ro_compat`: mount it read-only.
    ReadOnlyCompatible(u32),
    /// A block size other than 1, 2 or 4 KiB, in bytes (saturated).
    BlockSize(u32),
    /// A revision above 1.
    Revision(u32),
}

impl Feature {
    /// What it is; the first of several.
    pub fn name(&self) -> &'static str {
        match *self {
            Self::Incompatible(bits) => crate::ext4::feature_name(bits),
            Self::ReadOnly(_) | Self::ReadOnlyCompatible(_) => "its features can be read only",
            Self::BlockSize(_) => "block size above 4 KiB",
            Self::Revision(_) => "unknown revision",
        }
    }
}

impl From<BlockError> for Error {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Io | BlockError::OutOfRange => Self::Io,
            BlockError::ReadOnly => Self::ReadOnly,
            BlockError::NoSpace => Self::NoSpace,
            BlockError::NotResident(offset) => Self::NotResident(offset),
        }
    }
}

impl From<CorruptKind> for Error {
    fn from(kind: CorruptKind) -> Self {
        Self::Corrupt(kind)
    }
}

impl From<Error> for abi::Error {
    /// Corruption is `EUCLEAN`, as in ext4. `NotResident` never gets here: `fs` waits and repeats.
    fn from(error: Error) -> Self {
        match error {
            Error::Io => Errno::EIO.because("the disk failed"),
            Error::NotResident(_) => NOT_RESIDENT,
            Error::NoSpace => Errno::ENOSPC.because("the disk is full"),
            Error::Corrupt(kind) => Errno::EUCLEAN.because(kind.summary()),
            Error::Unsupported(feature) => Errno::EINVAL.because(feature.name()),
            Error::NotFound => Errno::ENOENT.into(),
            Error::Exists => Errno::EEXIST.into(),
            Error::NotDirectory => Errno::ENOTDIR.into(),
            Error::IsDirectory => Errno::EISDIR.into(),
            Error::NotEmpty => Errno::ENOTEMPTY.into(),
            Error::NameTooLong => Errno::ENAMETOOLONG.into(),
            Error::TooManyLinks => Errno::EMLINK.into(),
            Error::FileTooBig => Errno::EFBIG.into(),
            Error::ReadOnly => Errno::EROFS.into(),
            Error::NotPermitted => Errno::EPERM.into(),
            Error::Busy => Errno::EBUSY.into(),
            Error::Stale => Errno::ESTALE.into(),
            Error::NoAttribute => Errno::ENODATA.into(),
            Error::Invalid => Errno::EINVAL.into(),
        }
    }
}

impl CorruptKind {
    /// What is wrong, without the place.
    pub const fn summary(&self) -> &'static str {
        match self {
            Self::Superblock(what)
            | Self::Group(_, what)
            | Self::Inode(_, what)
            | Self::DirEntry(_, _, what) => what,
            Self::InodeNumber(_) => "directory entry with an impossible inode number",
            Self::BlockPointer(_) => "block pointer outside the data area",
            Self::BlockBitmap(_) => "block bitmap contradicts a block's use",
            Self::InodeBitmap(_) => "inode bitmap contradicts an inode's use",
            Self::DirectoryLoop(_) => "parent directories form a loop",
            Self::AttributeBlock(_) => "bad extended attribute block",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(kind) => write!(f, "corrupt: {} ({kind:?})", kind.summary()),
            Self::Unsupported(feature) => {
                write!(f, "unsupported: {} ({feature:?})", feature.name())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl core::error::Error for Error {}
