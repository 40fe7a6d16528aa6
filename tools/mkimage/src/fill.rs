//! Filling a disk with a [`Tree`], by the code that mounts it.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail};
use fs_block::BlockDevice;
use fs_ext2::{Ext2, InodeNo, NewAttributes, NewNode, SetAttributes, XattrMode};

use crate::node::{Contents, Kind, Node, Tree};

/// Namespaces of attributes with their numbers in Ext2.
const NAMESPACES: [(&[u8], u8); 3] = [(b"user.", 1), (b"trusted.", 4), (b"security.", 6)];

/// Bytes that are read at once.
const PART: usize = 256 << 10;

/// Makes everything of `tree` in the empty file system `fs`, in order of the paths.
pub(crate) fn fill<D: BlockDevice>(fs: &mut Ext2<D>, tree: &Tree) -> Result<()> {
    let mut made: BTreeMap<&[u8], InodeNo> = BTreeMap::new();
    // Hard links come last: what they name may come after them.
    let is_link = |node: &Node| matches!(node.kind, Kind::HardLink(_));
    for want_links in [false, true] {
        for (path, node) in tree.iter().filter(|(_, node)| is_link(node) == want_links) {
            let shown = String::from_utf8_lossy(path);
            let ino = add(fs, tree, &made, path, node).with_context(|| format!("/{shown}"))?;
            made.insert(path, ino);
        }
    }
    // Times of directories last: making what is in them changed those.
    for (path, ino) in &made {
        if let Some(node) = tree.get(*path).filter(|node| !is_link(node)) {
            finish(fs, *ino, node)?;
        }
    }
    Ok(())
}

fn add<D: BlockDevice>(
    fs: &mut Ext2<D>,
    tree: &Tree,
    made: &BTreeMap<&[u8], InodeNo>,
    path: &[u8],
    node: &Node,
) -> Result<InodeNo> {
    if path.is_empty() {
        if !matches!(node.kind, Kind::Directory) {
            bail!("the root is no directory");
        }
        return Ok(InodeNo::ROOT);
    }
    let slash = path.iter().rposition(|byte| *byte == b'/');
    let (dir, name) = match slash {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at..)
                .and_then(<[u8]>::split_first)
                .map_or(path, |(_, name)| name),
        ),
        None => (&b""[..], path),
    };
    let dir = *made.get(dir).context("its folder is not one")?;
    let attributes = NewAttributes {
        permissions: node.permissions,
        uid: node.uid,
        gid: node.gid,
        time: node.mtime,
    };
    let new = match &node.kind {
        Kind::HardLink(target) => {
            let ino = made.get(target.as_slice());
            let ino = *ino.with_context(|| {
                format!(
                    "a link to {}, which is not there",
                    String::from_utf8_lossy(target)
                )
            })?;
            fs.link(
                dir,
                name,
                ino,
                tree.get(target).map_or(node.mtime, |node| node.mtime),
            )?;
            return Ok(ino);
        }
        // The format makes it: it is what `e2fsck` needs.
        Kind::Directory if path == b"lost+found" => return Ok(fs.lookup(dir, name)?),
        Kind::Directory => NewNode::Directory,
        Kind::File(_) => NewNode::Regular,
        Kind::Symlink(target) => NewNode::Symlink(target),
        Kind::CharDevice(number) => NewNode::CharDevice(*number),
        Kind::BlockDevice(number) => NewNode::BlockDevice(*number),
        Kind::Fifo => NewNode::Fifo,
        Kind::Socket => NewNode::Socket,
    };
    let ino = fs.create(dir, name, new, attributes)?;
    if let Kind::File(contents) = &node.kind {
        write(fs, ino, contents, node)?;
    }
    for (name, value) in &node.xattrs {
        let found = NAMESPACES
            .iter()
            .find_map(|(prefix, space)| Some((*space, name.strip_prefix(*prefix)?)));
        // Access lists and what else the kernel does not store are left out.
        if let Some(name) = found {
            fs.set_xattr(ino, name, Some(value), XattrMode::Any, node.mtime)?;
        }
    }
    Ok(ino)
}

/// Copies the contents of a file; blocks of zeros stay holes.
fn write<D: BlockDevice>(
    fs: &mut Ext2<D>,
    ino: InodeNo,
    contents: &Contents,
    node: &Node,
) -> Result<()> {
    let mut source = contents.open()?;
    let block_size = usize::try_from(fs.block_size())?;
    let mut buffer = vec![0; PART];
    let mut at = 0_u64;
    while at < contents.len {
        let left = contents.len.saturating_sub(at);
        let count = usize::try_from(left).unwrap_or(PART).min(PART);
        let part = buffer.get_mut(..count).unwrap_or_default();
        source.read_exact(part).context("it became shorter")?;
        for block in part.chunks(block_size) {
            if block.iter().any(|byte| *byte != 0) {
                let written = fs.write(ino, at, block, node.mtime)?;
                if written != block.len() {
                    bail!("written in part only");
                }
            }
            at = at.saturating_add(u64::try_from(block.len())?);
        }
    }
    let size = SetAttributes {
        size: Some(contents.len),
        ..SetAttributes::default()
    };
    Ok(fs.set_attributes(ino, &size)?)
}

/// Sets what making did not, or changed since.
fn finish<D: BlockDevice>(fs: &mut Ext2<D>, ino: InodeNo, node: &Node) -> Result<()> {
    let attributes = SetAttributes {
        permissions: Some(node.permissions),
        uid: Some(node.uid),
        gid: Some(node.gid),
        size: None,
        atime: Some(node.mtime),
        mtime: Some(node.mtime),
        ctime: Some(node.mtime),
    };
    Ok(fs.set_attributes(ino, &attributes)?)
}
