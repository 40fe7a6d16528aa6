//! What goes into an image: a [`Tree`] of nodes, from a folder or an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use fs_ext2::Timestamp;
use sha2::{Digest, Sha256};

/// Nodes by path, without a slash at either end; the root is the empty path. A directory comes
/// before what is in it.
pub(crate) type Tree = BTreeMap<Vec<u8>, Node>;

/// A file of any type.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) permissions: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timestamp,
    /// Whole names and values.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Directory,
    File(Contents),
    Symlink(Vec<u8>),
    /// One more name of the node at this path.
    HardLink(Vec<u8>),
    CharDevice(u32),
    BlockDevice(u32),
    Fifo,
    Socket,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Contents {
    pub(crate) fn open(&self) -> Result<impl Read + use<>> {
        let reading = || format!("cannot read {}", self.path.display());
        let mut file = File::open(&self.path).with_context(reading)?;
        file.seek(SeekFrom::Start(self.offset))
            .with_context(reading)?;
        Ok(file.take(self.len))
    }
}

impl Node {
    /// A directory that nobody described.
    pub(crate) const fn plain_directory(mtime: Timestamp) -> Self {
        Self {
            kind: Kind::Directory,
            permissions: 0o755,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: Vec::new(),
        }
    }

    /// Bytes of its contents.
    pub(crate) const fn len_bytes(&self) -> u64 {
        match &self.kind {
            Kind::File(contents) => contents.len,
            _ => 0,
        }
    }
}

/// The latest time of any node: the time of the image.
pub(crate) fn latest(tree: &Tree) -> Timestamp {
    let times = tree.values().map(|node| node.mtime);
    times
        .max_by_key(|time| (time.seconds, time.nanoseconds))
        .unwrap_or_default()
}

/// A UUID (version 8) that is the same for the same names and attributes.
pub(crate) fn uuid_of(tree: &Tree, label: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(label);
    for (path, node) in tree {
        let numbers = [
            u64::try_from(path.len()).unwrap_or(0),
            u64::from(node.permissions),
            u64::from(node.uid),
            u64::from(node.gid),
            node.mtime.seconds.cast_unsigned(),
            u64::from(node.mtime.nanoseconds),
            node.len_bytes(),
        ];
        hash.update(path);
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
    }
    let mut uuid = [0; 16];
    for (place, byte) in uuid.iter_mut().zip(hash.finalize()) {
        *place = byte;
    }
    let [.., six, seven, eight, _, _, _, _, _, _, _] = &mut uuid;
    let _ = seven;
    *six = *six & 0x0F | 0x80;
    *eight = *eight & 0x3F | 0x80;
    uuid
}
