//! Nodes: what the inodes of procfs describe. A node is worth nothing by itself; a process that it
//! names may be gone.

use super::process;
use super::source::Place;
use super::sys::Setting;
use super::system;
use crate::vfs::inode::{DirEntry, FileType};

/// A process, seen as one or as one of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// The process or thread.
    pub(super) id: u32,
    /// Whether this is below `task`, where there is no `task`.
    pub(super) is_thread: bool,
}

/// What an inode stands for.
#[derive(Clone, Copy)]
pub(super) enum Node {
    /// `/proc`
    Root,
    /// `self`
    SelfLink,
    /// `thread-self`
    ThreadSelfLink,
    /// `mounts`
    MountsLink,
    /// A file of `/proc` itself: index and text.
    System(usize, system::Text),
    /// `shoal`
    PodFiles,
    /// A file of it, by its name.
    PodFile(&'static str),
    /// `net`
    Network,
    /// A file of it, by its name.
    NetworkFile(&'static str),
    /// A directory of `/proc/sys`, by its path.
    Sys(&'static str),
    /// A setting.
    Setting(&'static Setting),
    /// `/proc/PID`
    Process(Subject),
    /// A file of it: index, permission bits, text.
    File(Subject, usize, u32, process::Text),
    /// A link of it.
    Link(Subject, Place),
    /// `task`
    Threads(u32),
    /// `fd` or `fdinfo`
    Descriptors(Subject, Shown),
    /// `fd/N` or `fdinfo/N`
    Descriptor(Subject, u32, Shown),
}

/// What is shown of descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The file, as a link.
    File,
    /// Offset and flags, as a text.
    Info,
}

impl Node {
    pub(super) const fn file_type(&self) -> FileType {
        match self {
            Self::Root
            | Self::PodFiles
            | Self::Network
            | Self::Sys(_)
            | Self::Process(_)
            | Self::Threads(_)
            | Self::Descriptors(..) => FileType::Directory,
            Self::SelfLink
            | Self::ThreadSelfLink
            | Self::MountsLink
            | Self::Link(..)
            | Self::Descriptor(_, _, Shown::File) => FileType::Symlink,
            Self::System(..)
            | Self::PodFile(_)
            | Self::NetworkFile(_)
            | Self::Setting(_)
            | Self::File(..)
            | Self::Descriptor(_, _, Shown::Info) => FileType::Regular,
        }
    }

    pub(super) const fn permissions(&self) -> u32 {
        match self {
            Self::Root
            | Self::PodFiles
            | Self::Network
            | Self::Sys(_)
            | Self::Process(_)
            | Self::Threads(_) => 0o555,
            Self::Descriptors(_, Shown::File) => 0o500,
            Self::Descriptors(_, Shown::Info) => 0o555,
            Self::SelfLink | Self::ThreadSelfLink | Self::MountsLink | Self::Link(..) => 0o777,
            Self::Descriptor(_, _, Shown::File) => 0o700,
            Self::Descriptor(_, _, Shown::Info) => 0o400,
            Self::System(..) | Self::PodFile(_) | Self::NetworkFile(_) => 0o444,
            Self::Setting(setting) => {
                if setting.write.is_some() {
                    0o644
                } else {
                    0o444
                }
            }
            Self::File(_, _, permissions, _) => *permissions,
        }
    }

    /// It as an entry of a directory.
    pub(super) fn entry<'a>(&self, name: &'a [u8], next_cookie: u64) -> DirEntry<'a> {
        DirEntry {
            name,
            inode: self.number(),
            file_type: Some(self.file_type()),
            next_cookie,
        }
    }

    /// The process that owns it.
    pub(super) const fn subject(&self) -> Option<Subject> {
        match self {
            Self::Process(subject)
            | Self::File(subject, ..)
            | Self::Link(subject, _)
            | Self::Descriptors(subject, _)
            | Self::Descriptor(subject, ..) => Some(*subject),
            Self::Threads(id) => Some(Subject {
                id: *id,
                is_thread: false,
            }),
            _ => None,
        }
    }

    /// The inode number: the process in the upper half, the kind and its index in the lower.
    pub(super) fn number(&self) -> u64 {
        let index = |index: usize| u64::try_from(index).unwrap_or(0);
        let (kind, detail) = match self {
            Self::Root => (0, 1),
            Self::SelfLink => (0, 2),
            Self::ThreadSelfLink => (0, 3),
            Self::MountsLink => (0, 4),
            Self::PodFiles => (0, 5),
            Self::Network => (0, 6),
            Self::NetworkFile(name) => (8, name.bytes().fold(0, mix)),
            Self::PodFile(name) => (7, name.bytes().fold(0, mix)),
            Self::System(number, _) => (1, index(*number)),
            Self::Sys(path) => (2, path.bytes().fold(0, mix)),
            Self::Setting(setting) => (2, setting.path.bytes().fold(1, mix)),
            Self::Process(_) => (3, 0),
            Self::Threads(_) => (3, 1),
            Self::Descriptors(_, Shown::File) => (3, 2),
            Self::Descriptors(_, Shown::Info) => (3, 3),
            Self::Link(_, Place::Executable) => (3, 4),
            Self::Link(_, Place::WorkingDirectory) => (3, 5),
            Self::Link(_, Place::Root) => (3, 6),
            Self::File(_, number, ..) => (4, index(*number)),
            Self::Descriptor(_, fd, Shown::File) => (5, u64::from(*fd)),
            Self::Descriptor(_, fd, Shown::Info) => (6, u64::from(*fd)),
        };
        let subject = self.subject().map_or(0, |subject| {
            u64::from(subject.id) << 1 | u64::from(subject.is_thread)
        });
        subject << 32 | kind << 24 | detail & 0xff_ffff
    }
}

fn mix(hash: u64, byte: u8) -> u64 {
    (hash.wrapping_mul(31).wrapping_add(u64::from(byte))) & 0xff_ffff
}
