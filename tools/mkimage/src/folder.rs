//! A folder of this machine as a [`Tree`].

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result};
use fs_ext2::Timestamp;

use crate::node::{Contents, Kind, Node, Tree};

/// Reads a folder. The root gets mode 755 and belongs to root, as with `mke2fs -d`: who owns the folder
/// itself says nothing about the image.
pub(crate) fn read(folder: &Path) -> Result<Tree> {
    let metadata = folder
        .metadata()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let mut tree = Tree::new();
    tree.insert(Vec::new(), Node::plain_directory(mtime(&metadata)));
    let mut links = HashMap::new();
    add_children(folder, &[], &mut tree, &mut links)?;
    Ok(tree)
}

fn mtime(metadata: &Metadata) -> Timestamp {
    Timestamp {
        seconds: metadata.mtime(),
        nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    }
}

/// Adds what is in `folder`, whose path in the image is `prefix`. `links` has the first path of each
/// inode with several names.
fn add_children(
    folder: &Path,
    prefix: &[u8],
    tree: &mut Tree,
    links: &mut HashMap<(u64, u64), Vec<u8>>,
) -> Result<()> {
    let reading = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(reading)? {
        names.push(entry.with_context(reading)?.file_name());
    }
    names.sort();
    for name in names {
        let path = folder.join(&name);
        let reading = || format!("cannot read {}", path.display());
        let metadata = path.symlink_metadata().with_context(reading)?;
        let mut inner = prefix.to_vec();
        if !inner.is_empty() {
            inner.push(b'/');
        }
        inner.extend_from_slice(name.as_bytes());
        let kind = kind_of(&path, &metadata, &inner, links).with_context(reading)?;
        let is_directory = matches!(kind, Kind::Directory);
        let node = Node {
            kind,
            permissions: u16::try_from(metadata.mode() & 0o7777).unwrap_or(0),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mtime: mtime(&metadata),
            xattrs: xattrs(&path).with_context(reading)?,
        };
        tree.insert(inner.clone(), node);
        if is_directory {
            add_children(&path, &inner, tree, links)?;
        }
    }
    Ok(())
}

fn kind_of(
    path: &Path,
    metadata: &Metadata,
    inner: &[u8],
    links: &mut HashMap<(u64, u64), Vec<u8>>,
) -> Result<Kind> {
    let kind = metadata.file_type();
    if !kind.is_dir() && metadata.nlink() > 1 {
        let inode = (metadata.dev(), metadata.ino());
        if let Some(first) = links.get(&inode) {
            return Ok(Kind::HardLink(first.clone()));
        }
        links.insert(inode, inner.to_vec());
    }
    // A device number as stat(2) has it in 32 bits.
    let device = || u32::try_from(metadata.rdev()).context("a device number of more than 32 bits");
    Ok(if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink(path.read_link()?.into_os_string().into_vec())
    } else if kind.is_char_device() {
        Kind::CharDevice(device()?)
    } else if kind.is_block_device() {
        Kind::BlockDevice(device()?)
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else {
        Kind::File(Contents {
            path: path.to_owned(),
            offset: 0,
            len: metadata.len(),
        })
    })
}

/// The attributes of a file in order of their names; none where the file system has none.
fn xattrs(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for name in names {
        if let Some(value) = xattr::get(path, &name)? {
            all.push((name.into_vec(), value));
        }
    }
    all.sort();
    Ok(all)
}
