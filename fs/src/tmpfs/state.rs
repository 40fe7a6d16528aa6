//! What changes of a file of a tmpfs.

use abi::{Errno, Result};

use super::content::Content;
use super::directory::Names;
use super::xattr::Xattrs;
use crate::vfs::inode::Timestamp;

/// What changes of a file.
pub(super) struct State {
    pub(super) permissions: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nr_links: u32,
    /// It was made without a name and may get one.
    pub(super) may_get_name: bool,
    pub(super) atime: Timestamp,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) xattrs: Xattrs,
    pub(super) body: Body,
}

/// What a file holds, by its type.
pub(super) enum Body {
    Regular(Content),
    Directory(Names),
    Symlink(Box<[u8]>),
    /// Devices, fifos, sockets.
    Nothing,
}

impl State {
    pub(super) fn names(&mut self) -> Result<&mut Names> {
        match &mut self.body {
            Body::Directory(names) => Ok(names),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    pub(super) const fn touch(&mut self, time: Timestamp) {
        self.mtime = time;
        self.ctime = time;
    }

    pub(super) const fn unlinked(&mut self, time: Timestamp) {
        self.nr_links = self.nr_links.saturating_sub(1);
        self.ctime = time;
    }
}
