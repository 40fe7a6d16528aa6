//! A tar archive as a [`Tree`]: ustar, GNU and pax, not compressed.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_ext2::Timestamp;
use tar::{Archive, Entry, EntryType};

use crate::node::{Contents, Kind, Node, Tree};

/// How pax names extended attributes.
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// Reads an archive. Of several members with one name the last counts; missing directories are made.
pub(crate) fn read(path: &Path) -> Result<Tree> {
    let reading = || format!("cannot read {}", path.display());
    let mut archive = Archive::new(File::open(path).with_context(reading)?);
    let mut tree = Tree::new();
    for entry in archive.entries().with_context(reading)? {
        let mut entry = entry.with_context(reading)?;
        let name = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&name).into_owned();
        let Some(inner) = cleaned(&name) else {
            bail!("{}: {shown}: a name that leads out", path.display());
        };
        if let Some(node) = node_of(path, &mut entry).with_context(|| format!("member {shown}"))? {
            tree.insert(inner, node);
        }
    }
    add_parents(&mut tree);
    Ok(tree)
}

/// A member's name without `.` and empty parts; `None` with `..`.
fn cleaned(name: &[u8]) -> Option<Vec<u8>> {
    let parts = name.split(|byte| *byte == b'/');
    let parts: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
    (!parts.contains(&&b".."[..])).then(|| parts.join(&b'/'))
}

fn node_of(path: &Path, entry: &mut Entry<'_, File>) -> Result<Option<Node>> {
    let header = entry.header();
    let kind = header.entry_type();
    let device = |number: Option<u32>| number.context("no device number");
    let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    let link = || link.clone().context("no target");
    let kind = match kind {
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(link()?),
        EntryType::Link => Kind::HardLink(cleaned(&link()?).context("a hard link that leads out")?),
        EntryType::Char | EntryType::Block => {
            let major = device(header.device_major()?)?;
            let minor = device(header.device_minor()?)?;
            let number = minor & 0xFF | (major & 0xFFF) << 8 | (minor & 0xF_FF00) << 12;
            match kind {
                EntryType::Char => Kind::CharDevice(number),
                _ => Kind::BlockDevice(number),
            }
        }
        EntryType::Fifo => Kind::Fifo,
        EntryType::Regular | EntryType::Continuous => Kind::File(Contents {
            path: path.to_owned(),
            offset: entry.raw_file_position(),
            len: entry.size(),
        }),
        EntryType::XGlobalHeader => return Ok(None),
        other => bail!("a member of type {other:?}"),
    };
    let mut node = Node {
        kind,
        permissions: u16::try_from(header.mode()? & 0o7777).unwrap_or(0),
        uid: u32::try_from(header.uid()?).context("the owner's number")?,
        gid: u32::try_from(header.gid()?).context("the group's number")?,
        mtime: Timestamp {
            seconds: i64::try_from(header.mtime()?).unwrap_or(0),
            nanoseconds: 0,
        },
        xattrs: Vec::new(),
    };
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            apply(&mut node, extension.key_bytes(), extension.value_bytes());
        }
    }
    node.xattrs.sort();
    Ok(Some(node))
}

/// What pax says beyond the header.
fn apply(node: &mut Node, key: &[u8], value: &[u8]) {
    let number = || std::str::from_utf8(value).ok()?.parse().ok();
    match key {
        b"uid" => node.uid = number().unwrap_or(node.uid),
        b"gid" => node.gid = number().unwrap_or(node.gid),
        b"mtime" => node.mtime = time(value).unwrap_or(node.mtime),
        _ => {
            if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                node.xattrs.push((name.to_vec(), value.to_vec()));
            }
        }
    }
}

/// Seconds with a fraction, from 1970 on.
fn time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    Some(Timestamp {
        seconds: seconds.parse().ok().filter(|seconds| *seconds >= 0)?,
        nanoseconds: digits.parse().ok()?,
    })
}

/// Makes the directories that no member describes.
fn add_parents(tree: &mut Tree) {
    let time = crate::node::latest(tree);
    let mut missing: Vec<Vec<u8>> = vec![Vec::new()];
    for path in tree.keys() {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        missing.extend(
            slashes
                .filter_map(|(at, _)| path.get(..at))
                .map(<[u8]>::to_vec),
        );
    }
    for path in missing {
        tree.entry(path)
            .or_insert_with(|| Node::plain_directory(time));
    }
}
