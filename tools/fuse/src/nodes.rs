//! What Linux holds of the file system: inodes by number, and open files by handle.

use std::collections::HashMap;
use std::sync::Arc;

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::vfs::path::Location;
use fuser::{FileHandle, INodeNo};
use kernel::open_file::OpenFile;

use crate::convert::node_of;

/// One inode that Linux knows.
struct Node {
    /// A name of it: for a directory the only one. It keeps the inode alive, so that its number
    /// does not go to another file before Linux forgets this one.
    location: Location,
    /// How often it was told to Linux.
    nr_lookups: u64,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Nodes {
    inodes: Lock<HashMap<u64, Node>>,
    files: Lock<(u64, HashMap<u64, Arc<OpenFile>>)>,
}

impl Nodes {
    /// Knows the root, which is never forgotten.
    pub(crate) fn new(root: &Location) -> Result<Self> {
        let nodes = Self::default();
        nodes.told(root)?;
        Ok(nodes)
    }

    /// The file with this number.
    ///
    /// # Errors
    /// `ESTALE` when Linux asks for one that it has forgotten.
    pub(crate) fn find(&self, number: INodeNo) -> Result<Location> {
        let inodes = self.inodes.lock();
        let node = inodes.get(&number.0);
        node.map(|node| node.location.clone())
            .ok_or(Errno::ESTALE.into())
    }

    /// Counts that Linux is told of `location`.
    pub(crate) fn told(&self, location: &Location) -> Result<()> {
        let number = node_of(location.metadata()?.inode);
        let mut inodes = self.inodes.lock();
        let node = inodes.entry(number).or_insert_with(|| Node {
            location: location.clone(),
            nr_lookups: 0,
        });
        node.nr_lookups = node.nr_lookups.saturating_add(1);
        // The name that it had may be gone meanwhile.
        let before = std::mem::replace(&mut node.location, location.clone());
        drop(inodes);
        drop(before);
        Ok(())
    }

    /// Linux forgets what it was told `count` times.
    pub(crate) fn forget(&self, number: INodeNo, count: u64) {
        let mut inodes = self.inodes.lock();
        let Some(node) = inodes.get_mut(&number.0) else {
            return;
        };
        node.nr_lookups = node.nr_lookups.saturating_sub(count);
        if node.nr_lookups > 0 {
            return;
        }
        let gone = inodes.remove(&number.0);
        // The inode may go now, which writes to the disk.
        drop(inodes);
        drop(gone);
    }

    /// Keeps an open file, under a handle.
    pub(crate) fn keep(&self, file: Arc<OpenFile>) -> FileHandle {
        let mut files = self.files.lock();
        files.0 = files.0.saturating_add(1);
        let handle = files.0;
        files.1.insert(handle, file);
        FileHandle(handle)
    }

    /// The open file behind a handle.
    ///
    /// # Errors
    /// `EBADF`.
    pub(crate) fn file(&self, handle: FileHandle) -> Result<Arc<OpenFile>> {
        let files = self.files.lock();
        files.1.get(&handle.0).cloned().ok_or(Errno::EBADF.into())
    }

    /// Closes it.
    pub(crate) fn close(&self, handle: FileHandle) {
        let gone = self.files.lock().1.remove(&handle.0);
        drop(gone);
    }

    /// Lets everything go.
    pub(crate) fn clear(&self) {
        let files = std::mem::take(&mut self.files.lock().1);
        let inodes = std::mem::take(&mut *self.inodes.lock());
        drop(files);
        drop(inodes);
    }
}
