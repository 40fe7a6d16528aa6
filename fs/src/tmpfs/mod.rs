//! Files in memory: `tmpfs(5)`.
//!
//! - [`content`]: the bytes of a regular file, with holes
//! - [`directory`]: names with cookies that stay right while the directory changes
//! - [`xattr`]: extended attributes
//! - [`state`]: what changes of a file, under one lock
//! - [`inode`]: the [`Inode`] implementation on all of them; [`rename`]: its longest method
//!
//! All files of one [`TmpFs`] share a limit of bytes and one of inodes, and what they hold comes off
//! the memory of the pod; `ENOSPC` at the end of each.

mod content;
mod directory;
mod inode;
mod rename;
mod state;
mod xattr;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use abi::flags::TMPFS_MAGIC;
use abi::limits::NAME_MAX;
use abi::{Errno, Result};
use executor::sync::Lock;

use self::content::BLOCK_SIZE;
use self::inode::TmpInode;
use crate::budget::{Budget, Class};
use crate::vfs::device::unnamed_device;
use crate::vfs::inode::{
    FileSystem, FileSystemStatus, FileType, Inode, NewAttributes, NewNode, Timestamp,
};
use crate::vfs::registry::MountRequest;

/// Bytes that a tmpfs may hold unless the mount says otherwise, but half of the memory at most.
pub const DEFAULT_SIZE: u64 = 1 << 30;
/// Inodes that a tmpfs may hold.
const MAX_INODES: u64 = 1 << 20;
/// Bytes of memory that an inode with its name stands for, about.
const INODE_BYTES: u64 = 1024;

/// A file system in memory.
#[derive(Debug)]
pub struct TmpFs {
    type_name: &'static str,
    shared: Arc<Shared>,
    root: Arc<TmpInode>,
}

/// What all inodes of one file system share.
#[derive(Debug)]
struct Shared {
    device: u64,
    /// Bytes that files hold, in whole blocks.
    used_bytes: AtomicU64,
    limit_bytes: AtomicU64,
    nr_inodes: AtomicU64,
    next_inode: AtomicU64,
    /// Held by rmdir and rename, the two that lock more than one directory.
    structure: Lock<()>,
    /// The memory of the pod.
    budget: Arc<Budget>,
}

impl Shared {
    /// Takes `bytes` off the limit and off the memory of the pod.
    fn charge(&self, bytes: u64) -> Result<()> {
        self.take_memory(bytes)?;
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes)
                    .filter(|&used| used <= self.limit_bytes.load(Ordering::Relaxed))
            })
            .map(drop)
            .map_err(|_| {
                self.budget.uncharge(Class::Files, bytes);
                Errno::ENOSPC.because("the tmpfs is full")
            })
    }

    /// Takes `bytes` off the memory of the pod; as in Linux, that there is none means no space.
    fn take_memory(&self, bytes: u64) -> Result<()> {
        self.budget
            .try_charge(Class::Files, bytes)
            .map_err(|error| Errno::ENOSPC.because(error.why))
    }

    /// Gives `bytes` back.
    fn discharge(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.uncharge(Class::Files, bytes);
    }

    /// Counts one more inode, for `node`, and returns its number.
    fn new_inode(&self, node: &NewNode<'_>) -> Result<u64> {
        let bytes = match node {
            NewNode::Symlink(target) => inode_bytes(target.len()),
            _ => inode_bytes(0),
        };
        self.take_memory(bytes)?;
        if self.nr_inodes.fetch_add(1, Ordering::Relaxed) >= MAX_INODES {
            self.drop_inode(bytes);
            return Err(Errno::ENOSPC.because("the tmpfs has no inode left"));
        }
        Ok(self.next_inode.fetch_add(1, Ordering::Relaxed))
    }

    /// Counts one inode of `bytes` bytes less.
    fn drop_inode(&self, bytes: u64) {
        self.nr_inodes.fetch_sub(1, Ordering::Relaxed);
        self.budget.uncharge(Class::Files, bytes);
    }
}

/// Bytes of memory for an inode that keeps `extra` bytes in itself.
fn inode_bytes(extra: usize) -> u64 {
    u64::try_from(extra).map_or(INODE_BYTES, |extra| INODE_BYTES.saturating_add(extra))
}

impl TmpFs {
    /// An empty file system for `limit_bytes` bytes, whose root anyone may write, made at `time`; its
    /// contents count as nobody's memory.
    ///
    /// # Errors
    /// None in practice.
    pub fn new(limit_bytes: u64, time: Timestamp) -> Result<Self> {
        let root = NewAttributes {
            permissions: 0o1777,
            uid: 0,
            gid: 0,
            time,
        };
        Self::with_root("tmpfs", limit_bytes, &root, &Budget::unlimited())
    }

    /// An empty file system under another type name and with a root of one's own, in the memory of
    /// `budget`.
    ///
    /// # Errors
    /// None in practice.
    pub fn with_root(
        type_name: &'static str,
        limit_bytes: u64,
        root: &NewAttributes,
        budget: &Arc<Budget>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            device: unnamed_device(),
            used_bytes: AtomicU64::new(0),
            limit_bytes: AtomicU64::new(limit_bytes),
            nr_inodes: AtomicU64::new(0),
            next_inode: AtomicU64::new(1),
            structure: Lock::new(()),
            budget: Arc::clone(budget),
        });
        let root = TmpInode::new(&shared, &NewNode::Directory, root)?;
        Ok(Self {
            type_name,
            shared,
            root,
        })
    }

    /// Makes one for `mount(2)`: options `size` (bytes, with `k`, `m`, `g` or `%` of the memory),
    /// `mode` (octal), `uid`, `gid`.
    ///
    /// # Errors
    /// `EINVAL` for values that are no numbers.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let budget = request.vfs.budget();
        let limit = match size(request)? {
            Some(limit) => limit,
            None => DEFAULT_SIZE.min(budget.total_bytes() / 2),
        };
        let root = NewAttributes {
            permissions: request.number("mode", 8, 0o1777)? & 0o7777,
            uid: request.number("uid", 10, 0)?,
            gid: request.number("gid", 10, 0)?,
            time: request.context.now,
        };
        Ok(Arc::new(Self::with_root("tmpfs", limit, &root, budget)?))
    }
}

/// The option `size=`, if there is one.
fn size(request: &MountRequest<'_>) -> Result<Option<u64>> {
    let memory = request.vfs.budget().total_bytes();
    let parse = |text| parse_size(text, memory).ok_or(Errno::EINVAL.because("size is no number"));
    request.option("size").map(parse).transpose()
}

/// A size as `size=` takes it, in a pod of `memory` bytes; 0 means without limit.
fn parse_size(text: &[u8], memory: u64) -> Option<u64> {
    let (digits, scale) = match text.split_last()? {
        (b'k' | b'K', digits) => (digits, 1 << 10),
        (b'm' | b'M', digits) => (digits, 1 << 20),
        (b'g' | b'G', digits) => (digits, 1 << 30),
        (b'%', digits) => (digits, memory / 100),
        _ => (text, 1),
    };
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    if number == 0 {
        return Some(u64::MAX);
    }
    number.checked_mul(scale)
}

impl FileSystem for TmpFs {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::<TmpInode>::clone(&self.root)
    }

    fn remount(&self, request: &MountRequest<'_>) -> Result<()> {
        if let Some(limit) = size(request)? {
            if self.shared.used_bytes.load(Ordering::Relaxed) > limit {
                return Err(Errno::EINVAL.because("it holds more than that"));
            }
            self.shared.limit_bytes.store(limit, Ordering::Relaxed);
        }
        Ok(())
    }

    fn status(&self) -> Result<FileSystemStatus> {
        let used = self.shared.used_bytes.load(Ordering::Relaxed);
        let nr_used = self.shared.nr_inodes.load(Ordering::Relaxed);
        let nr_blocks = self.shared.limit_bytes.load(Ordering::Relaxed) / BLOCK_SIZE;
        let nr_free = nr_blocks.saturating_sub(used / BLOCK_SIZE);
        Ok(FileSystemStatus {
            magic: TMPFS_MAGIC,
            block_size: 4096,
            nr_blocks,
            nr_free,
            nr_available: nr_free,
            nr_inodes: MAX_INODES,
            nr_free_inodes: MAX_INODES.saturating_sub(nr_used),
            name_max: u32::try_from(NAME_MAX).unwrap_or(u32::MAX),
        })
    }
}

impl Drop for TmpFs {
    /// Takes the tree apart without recursion: guests nest directories deeper than our stack.
    fn drop(&mut self) {
        let mut to_empty = vec![Arc::clone(&self.root)];
        while let Some(directory) = to_empty.pop() {
            to_empty.extend(directory.take_directories());
        }
    }
}

/// The type of the inode that `node` describes.
const fn type_of(node: &NewNode<'_>) -> FileType {
    match node {
        NewNode::Regular => FileType::Regular,
        NewNode::Directory => FileType::Directory,
        NewNode::Symlink(_) => FileType::Symlink,
        NewNode::Fifo => FileType::Fifo,
        NewNode::Socket => FileType::Socket,
        NewNode::CharDevice(_) => FileType::CharDevice,
        NewNode::BlockDevice(_) => FileType::BlockDevice,
    }
}
