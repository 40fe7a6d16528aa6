//! What a boot reads first: found by reading it, from the finished image.

use std::path::Path;

use anyhow::{Context, Result};
use fs_ext2::{Error, Ext2, FileType, InodeNo, MountOptions};
use fs_image::{HotList, ReadRecorder};

use crate::disk::FileDisk;

/// Bytes of a cache that holds all metadata on the way.
const CACHE_BYTES: usize = 64 << 20;
/// Directories within each other that are followed.
const MAX_DEPTH: usize = 64;
/// Symbolic links that are followed for one path.
const MAX_LINKS: usize = 16;

type Recorded = Ext2<ReadRecorder<FileDisk>>;

/// The blocks that reading `paths` of the image takes, in order: of a file all of it, of a directory all in it.
pub(crate) fn record(image: &Path, paths: &[String]) -> Result<HotList> {
    let disk = FileDisk::open(image, true)?;
    let options = MountOptions {
        read_only: true,
        cache_bytes: CACHE_BYTES,
        ..MountOptions::default()
    };
    let mut fs = Ext2::mount(ReadRecorder::new(disk, 4096), options)?;
    for path in paths {
        let found = resolve(&mut fs, path.as_bytes(), &mut 0);
        let ino = found.with_context(|| format!("{path}: not in the image"))?;
        read(&mut fs, ino, 0).with_context(|| path.clone())?;
    }
    Ok(fs.device().hot_list())
}

/// Follows a path from the root, and the symbolic links in it.
fn resolve(fs: &mut Recorded, path: &[u8], nr_links: &mut usize) -> Result<InodeNo> {
    let mut stack = vec![InodeNo::ROOT];
    for name in path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
    {
        match name {
            b"." => continue,
            b".." if stack.len() > 1 => {
                stack.pop();
                continue;
            }
            _ => {}
        }
        let dir = stack.last().copied().unwrap_or(InodeNo::ROOT);
        let ino = fs.lookup(dir, name)?;
        if fs.stat(ino)?.kind != FileType::Symlink {
            stack.push(ino);
            continue;
        }
        *nr_links = nr_links.saturating_add(1);
        anyhow::ensure!(*nr_links <= MAX_LINKS, "too many symbolic links");
        let target = fs.readlink(ino)?;
        let ino = if target.starts_with(b"/") {
            resolve(fs, &target, nr_links)?
        } else {
            // Relative links stay in their directory in all images we know: one name.
            let name = target.strip_prefix(b"./").unwrap_or(&target);
            fs.lookup(dir, name)?
        };
        stack.push(ino);
    }
    Ok(stack.last().copied().unwrap_or(InodeNo::ROOT))
}

/// Reads a file, or everything in a directory.
fn read(fs: &mut Recorded, ino: InodeNo, depth: usize) -> Result<()> {
    let attributes = fs.stat(ino)?;
    match attributes.kind {
        FileType::Regular => {
            let mut at = 0;
            while at < attributes.size {
                let count = fs.read::<Error>(ino, at, 1 << 20, &mut |_| Ok(()))?;
                anyhow::ensure!(count > 0, "it ends early");
                at = at.saturating_add(u64::try_from(count)?);
            }
        }
        FileType::Symlink => {
            fs.readlink(ino)?;
        }
        FileType::Directory if depth < MAX_DEPTH => {
            let mut names = Vec::new();
            fs.read_dir(ino, 0, &mut |entry| {
                if entry.name != b"." && entry.name != b".." {
                    names.push(entry.ino);
                }
                true
            })?;
            for inner in names {
                read(fs, inner, depth.saturating_add(1))?;
            }
        }
        _ => {}
    }
    Ok(())
}
