//! The virtual file system and its in-memory file systems.
//!
//! - [`vfs`]: paths, mounts, permissions, and the calls of `open(2)` to `rename(2)`
//! - [`tmpfs`]: files in memory; [`devfs`]: the one for `/dev`
//! - [`ext2_mount`]: files on a disk; [`remote_disk`]: one that answers later; [`hostfs`]: a folder of the host
//! - [`procfs`]: what the kernel knows, as files; [`sysfs`]: its processors
//! - [`budget`]: the memory of the pod, which files in memory share with everything else
//! - [`io`]: how bytes move between files and whoever reads or writes them
//!
//! # Lock order
//! A lock is taken only while holding locks that stand before it here:
//!
//! 1. `vfs::dentry::Tree::structure`: one for each file system, by `rename` and `umount`
//! 2. `vfs::dentry::Dentry::children`: one for each directory, across the call of the directory's
//!    inode. Only `rename` holds two, in the order of their addresses, under (1)
//! 3. what the file system locks: `tmpfs` first its `structure` (rmdir and rename), then a
//!    directory, then one of its children; `ext2_mount` its one lock
//! 4. leaves, under which no other lock is taken: `Dentry::place`, the mount table, inode caches,
//!    the budget's list. Caches that give back only try their locks
//!
//! Nothing here waits, reads a clock or draws random numbers: time comes with each call.

#![forbid(unsafe_code)]

pub mod budget;
pub mod devfs;
pub mod devpts;
pub mod ext2_mount;
pub mod hostfs;
pub mod io;
pub mod memfd;
pub mod mqueue;
pub mod notify;
pub mod procfs;
pub mod remote_disk;
pub mod sysfs;
pub mod tmpfs;
pub mod vfs;
