//! `build`: an image from a folder or an archive.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use fs_ext2::{FormatOptions, MountOptions, format};
use fs_image::HotList;

use crate::disk::FileDisk;
use crate::fill::fill;
use crate::node::{Kind, Tree, latest, uuid_of};
use crate::{archive, chunks, folder, hot};

/// Room beyond twice the contents, in bytes, so that there is something left to write to.
const SPARE: u64 = 16 << 20;
/// `mke2fs`'s ratio: an inode for so many bytes of the disk.
const BYTES_PER_INODE: u64 = 16_384;

/// What to put where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder that becomes the root directory, or a tar archive of it
    #[arg(value_name = "DIR|TAR")]
    source: PathBuf,
    /// The image; with --chunked a folder
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Size in MiB; without it, twice the contents and 16 MiB
    #[arg(long, value_name = "MIB")]
    size: Option<u64>,
    /// Bytes of a block: 1024, 2048 or 4096
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    block_size: u32,
    /// The name of the file system, at most 16 bytes
    #[arg(long, default_value = "")]
    label: String,
    /// Everything belongs to this user and group
    #[arg(long, value_name = "UID:GID")]
    owner: Option<String>,
    /// What a boot reads first, in order; recorded into FILE.hot.json or the manifest
    #[arg(long, value_name = "PATH")]
    hot: Vec<String>,
    /// Write a manifest and compressed chunks named by their content
    #[arg(long)]
    chunked: bool,
    /// KiB of a chunk, a power of two from 16
    #[arg(long, value_name = "KIB", default_value_t = 256)]
    chunk_size: u32,
    /// zstd's level
    #[arg(long, default_value_t = 12)]
    level: i32,
}

/// Makes an image.
///
/// # Errors
/// The source cannot be read, does not fit, or the output cannot be written. Nothing is left behind
/// under the output's name then.
pub(crate) fn build(options: &Options) -> Result<()> {
    let mut tree = if options.source.is_dir() {
        folder::read(&options.source)?
    } else {
        archive::read(&options.source)?
    };
    if let Some(owner) = &options.owner {
        let numbers = owner
            .split_once(':')
            .and_then(|(uid, gid)| Some((uid.parse::<u32>().ok()?, gid.parse::<u32>().ok()?)));
        let Some((uid, gid)) = numbers else {
            bail!("--owner {owner}: not UID:GID");
        };
        for node in tree.values_mut() {
            (node.uid, node.gid) = (uid, gid);
        }
    }
    let output = &options.output;
    if options.chunked {
        fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    }
    let scratch = match options.chunked {
        true => output.join(".image"),
        false => with_suffix(output, ".part"),
    };
    let result = make(options, &tree, &scratch);
    if result.is_err() || options.chunked {
        let _ = fs::remove_file(&scratch);
    }
    result
}

/// Makes the image in `scratch`, and from it the output.
fn make(options: &Options, tree: &Tree, scratch: &Path) -> Result<()> {
    let output = &options.output;
    write_image(options, tree, scratch)?;
    let hot = match options.hot.as_slice() {
        [] => HotList::default(),
        paths => hot::record(scratch, paths)?,
    };
    if options.chunked {
        let chunk_bytes = options
            .chunk_size
            .checked_mul(1024)
            .context("--chunk-size")?;
        chunks::write(scratch, output, chunk_bytes, options.level, &hot)?;
        return Ok(());
    }
    if !options.hot.is_empty() {
        let path = with_suffix(output, ".hot.json");
        fs::write(&path, hot.to_json())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    fs::rename(scratch, output).with_context(|| format!("cannot write {}", output.display()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write_image(options: &Options, tree: &Tree, path: &Path) -> Result<()> {
    let block = u64::from(options.block_size.max(1024));
    let bytes = match options.size {
        Some(mebibytes) => mebibytes.saturating_mul(1 << 20),
        None => contents(tree, block)
            .saturating_mul(2)
            .saturating_add(SPARE),
    };
    let bytes = bytes.checked_next_multiple_of(block).context("--size")?;
    let count = u64::try_from(tree.len())?;
    let inodes = count
        .saturating_add(count / 4)
        .saturating_add(64)
        .max(bytes / BYTES_PER_INODE);
    let mut label = [0; 16];
    if options.label.len() > label.len() {
        bail!("--label: more than 16 bytes");
    }
    for (place, byte) in label.iter_mut().zip(options.label.bytes()) {
        *place = byte;
    }
    let now = latest(tree);
    let format_options = FormatOptions {
        block_size: options.block_size,
        nr_inodes: u32::try_from(inodes).context("too many files")?,
        nr_reserved: 0,
        uuid: uuid_of(tree, options.label.as_bytes()),
        label,
        now,
    };
    let mount = MountOptions {
        cache_bytes: 64 << 20,
        // Images are mostly read, and from far away.
        spread_directories: false,
        now,
        ..MountOptions::default()
    };
    let disk = FileDisk::create(path, bytes)?;
    let mut fs = format(disk, &format_options, mount)
        .with_context(|| format!("cannot format {} MiB with {inodes} inodes", bytes >> 20))?;
    fill(&mut fs, tree)?;
    fs.unmount(now).context("cannot finish the image")
}

/// The space that the contents take, in bytes: whole blocks, and one for each name.
fn contents(tree: &Tree, block: u64) -> u64 {
    tree.values().fold(0, |sum: u64, node| {
        let own = match &node.kind {
            Kind::HardLink(_) => 0,
            _ => node
                .len_bytes()
                .checked_next_multiple_of(block)
                .unwrap_or(u64::MAX),
        };
        sum.saturating_add(own).saturating_add(block)
    })
}
