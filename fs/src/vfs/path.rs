//! Places in the tree: a [`Location`] is a name in a mount, and can go up and print its path.

use std::sync::Arc;

use abi::Result;

use super::dentry::Dentry;
use super::inode::{FileType, Inode, Metadata};
use super::mount::Mount;

/// A name of an inode, in one mount. It keeps the mount busy and the inode alive, and stays right
/// when it or a directory above it is renamed.
#[derive(Clone, Debug)]
pub struct Location {
    /// The mount it is seen through.
    pub mount: Arc<Mount>,
    /// Its name and the chain of directories above.
    pub dentry: Arc<Dentry>,
    /// The file itself.
    pub inode: Arc<dyn Inode>,
}

impl Location {
    /// The place of `dentry` in `mount`.
    pub(super) fn new(mount: Arc<Mount>, dentry: Arc<Dentry>) -> Self {
        let inode = Arc::clone(dentry.inode());
        Self {
            mount,
            dentry,
            inode,
        }
    }

    /// The root of a mount.
    pub fn of_mount(mount: Arc<Mount>) -> Self {
        let dentry = Arc::clone(mount.root());
        Self::new(mount, dentry)
    }

    /// The file itself.
    pub const fn inode(&self) -> &Arc<dyn Inode> {
        &self.inode
    }

    /// The type of the file.
    pub fn file_type(&self) -> FileType {
        self.dentry.file_type()
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// The attributes of the file.
    ///
    /// # Errors
    /// What the inode says.
    pub fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    /// Whether both are the same name in the same mount.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dentry, &other.dentry) && Arc::ptr_eq(&self.mount, &other.mount)
    }

    /// Whether the name was removed since.
    pub fn is_deleted(&self) -> bool {
        self.dentry.is_deleted()
    }

    /// Whether this is the root of its mount.
    pub fn is_mount_root(&self) -> bool {
        Arc::ptr_eq(&self.dentry, self.mount.root())
    }

    /// The directory above, across mounts; the root of all is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        let bottom = self.clone().into_mount_point();
        match bottom.dentry.parent() {
            Some(dentry) if !bottom.is_mount_root() => Self::new(bottom.mount, dentry),
            _ => bottom,
        }
    }

    /// From the root of a mount to the name it covers, as often as that is one too.
    fn into_mount_point(mut self) -> Self {
        while self.is_mount_root() {
            let Some((mount, dentry)) = self.mount.point() else {
                break;
            };
            self = Self::new(mount, dentry);
        }
        self
    }

    /// The path from `root` (`d_path` of Linux): with `(unreachable)` before it when it is not
    /// below `root`, and ` (deleted)` behind it when its name was removed.
    pub fn path(&self, root: &Self) -> Vec<u8> {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut here = self.clone();
        let is_reachable = loop {
            if here.is_same(root) {
                break true;
            }
            if here.is_mount_root() {
                let Some((mount, dentry)) = here.mount.point() else {
                    break here.is_absolute_root(root);
                };
                here = Self::new(mount, dentry);
                continue;
            }
            let place = here.dentry.place();
            let Some(parent) = place.parent else {
                if here.mount.is_anonymous() {
                    return place.name.into();
                }
                // Not below the mount's root any more: a bind mount's directory was moved away.
                break false;
            };
            names.push(place.name);
            here = Self::new(here.mount, parent);
        };
        let mut path = Vec::with_capacity(names.iter().map(|n| n.len().saturating_add(1)).sum());
        if !is_reachable {
            path.extend_from_slice(b"(unreachable)");
        }
        if names.is_empty() {
            path.push(b'/');
        }
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if self.is_deleted() {
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// Whether this is the mount that `root`, a covered root, is in.
    fn is_absolute_root(&self, root: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &root.mount) && root.is_mount_root()
    }

    /// The path from the root of all mounts.
    pub fn absolute_path(&self) -> Vec<u8> {
        self.path(&self.top())
    }

    /// [`Location::absolute_path`] for people: bytes that are not UTF-8 are replaced.
    pub fn path_lossy(&self) -> String {
        String::from_utf8_lossy(&self.absolute_path()).into_owned()
    }

    /// The root of the outermost mount.
    fn top(&self) -> Self {
        let mut mount = Arc::clone(&self.mount);
        while let Some((above, _)) = mount.point() {
            mount = above;
        }
        Self::of_mount(mount)
    }
}
