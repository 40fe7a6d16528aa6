//! What can be wrong.

use core::fmt;

/// One thing that is wrong. Numbers are those of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A field of the superblock is impossible; nothing else was looked at.
    Superblock(&'static str),
    /// It uses features that this crate does not know: the word's name and its unknown bits.
    Unsupported(&'static str, u32),
    /// A field of a group's descriptor is impossible; nothing else was looked at.
    Group {
        /// Its number.
        group: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// A field of an inode is impossible.
    Inode {
        /// Its number.
        ino: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// An inode points to a block outside the disk or to metadata.
    BlockPointer {
        /// The inode.
        ino: u32,
        /// The block.
        block: u32,
    },
    /// An inode points to a block that somebody owns already.
    SharedBlock {
        /// The inode.
        ino: u32,
        /// The block.
        block: u32,
    },
    /// Extended attributes that make no sense.
    Attributes {
        /// The first inode that has them.
        ino: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// A block of attributes counts its inodes wrongly.
    AttributeUsers {
        /// The block.
        block: u32,
        /// What it says.
        stored: u32,
        /// What is true.
        counted: u32,
    },
    /// An entry of a directory is impossible.
    Entry {
        /// The directory.
        dir: u32,
        /// Its byte there.
        offset: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// No path from the root leads to an inode.
    Unreachable {
        /// The inode.
        ino: u32,
    },
    /// An inode counts its names wrongly.
    Links {
        /// The inode.
        ino: u32,
        /// What it says.
        stored: u32,
        /// What is true.
        counted: u32,
    },
    /// An inode that was to be freed and was not.
    Orphan {
        /// The inode.
        ino: u32,
    },
    /// A bitmap says something else than what uses the block or inode; the first of a run.
    Bit {
        /// Which bitmap.
        bitmap: Bitmap,
        /// The block or inode.
        number: u32,
        /// How many after each other.
        len: u32,
        /// Whether they are in use.
        is_used: bool,
    },
    /// Bits behind the end of a group are clear.
    Padding {
        /// Which bitmap.
        bitmap: Bitmap,
        /// The group.
        group: u32,
    },
    /// A count differs from what there is.
    Count {
        /// Of what.
        count: Count,
        /// The group; `None` in the superblock.
        group: Option<u32>,
        /// What it says.
        stored: u32,
        /// What is true.
        counted: u32,
    },
}

/// The two bitmaps of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitmap {
    /// That of its blocks.
    Blocks,
    /// That of its inodes.
    Inodes,
}

/// What a group or the superblock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Free blocks.
    FreeBlocks,
    /// Free inodes.
    FreeInodes,
    /// Directories.
    Dirs,
}

impl Finding {
    /// Whether the truth follows from the rest of the disk, so that [`crate::fix()`] may write it.
    pub const fn is_fixable(&self) -> bool {
        matches!(
            self,
            Self::Orphan { .. }
                | Self::AttributeUsers { .. }
                | Self::Bit { .. }
                | Self::Padding { .. }
                | Self::Count { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Superblock(what) => write!(f, "superblock: {what}"),
            Self::Unsupported(word, bits) => write!(f, "unknown {word} features {bits:#x}"),
            Self::Group { group, what } => write!(f, "group {group}: {what}"),
            Self::Inode { ino, what } => write!(f, "inode {ino}: {what}"),
            Self::BlockPointer { ino, block } => {
                write!(
                    f,
                    "inode {ino}: points to block {block}, which no file may own"
                )
            }
            Self::SharedBlock { ino, block } => {
                write!(f, "inode {ino}: block {block} is owned twice")
            }
            Self::Attributes { ino, what } => write!(f, "inode {ino}: attributes: {what}"),
            Self::AttributeUsers {
                block,
                stored,
                counted,
            } => write!(f, "attribute block {block}: {stored} users, has {counted}"),
            Self::Entry { dir, offset, what } => {
                write!(f, "directory {dir}, byte {offset}: {what}")
            }
            Self::Unreachable { ino } => write!(f, "inode {ino}: no path leads to it"),
            Self::Links {
                ino,
                stored,
                counted,
            } => write!(f, "inode {ino}: {stored} links, has {counted}"),
            Self::Orphan { ino } => write!(f, "inode {ino}: was to be freed"),
            Self::Bit {
                bitmap,
                number,
                len,
                is_used,
            } => {
                let state = if is_used { "used" } else { "free" };
                write!(
                    f,
                    "bitmap of {bitmap:?}: {len} from {number} on are {state}"
                )
            }
            Self::Padding { bitmap, group } => {
                write!(
                    f,
                    "bitmap of {bitmap:?} of group {group}: clear bits behind its end"
                )
            }
            Self::Count {
                count,
                group: Some(group),
                stored,
                counted,
            } => write!(
                f,
                "group {group}: {count:?} is {stored}, should be {counted}"
            ),
            Self::Count {
                count,
                group: None,
                stored,
                counted,
            } => write!(f, "superblock: {count:?} is {stored}, should be {counted}"),
        }
    }
}
