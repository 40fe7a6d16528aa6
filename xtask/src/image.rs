//! `image build DIR -o FILE`: an Ext2 image with the contents of a folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::command::{run_logged, step};

/// Bytes of a block of the file system.
const BLOCK: u64 = 4096;

/// Room beyond twice the contents, in bytes, so that there is something left to write to.
const SPARE: u64 = 16 << 20;

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make an Ext2 image of a folder
    Build(Options),
}

/// What to put where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder that becomes the root directory
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The image
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Size in MiB; without it, twice the contents and 16 MiB
    #[arg(long, value_name = "MIB")]
    size: Option<u64>,
}

/// Performs a task on images.
///
/// # Errors
/// The folder cannot be read, or `mke2fs` is missing or fails (e.g. the size is too small).
pub(crate) fn image(task: &Task) -> Result<()> {
    let Task::Build(options) = task;
    let Options {
        folder,
        output,
        size,
    } = options;
    if !folder.is_dir() {
        bail!("{}: not a folder", folder.display());
    }
    let bytes = match size {
        Some(mebibytes) => mebibytes.saturating_mul(1 << 20),
        None => contents(folder)?.saturating_mul(2).saturating_add(SPARE),
    };
    let blocks = bytes.div_ceil(BLOCK);
    step(
        &format!("make {} of {}", output.display(), folder.display()),
        || {
            let file = File::create(output)
                .with_context(|| format!("cannot write {}", output.display()))?;
            file.set_len(blocks.saturating_mul(BLOCK))
                .context("cannot set the image's size")?;
            run_logged(
                "mke2fs",
                Command::new("/sbin/mke2fs")
                    .args(["-q", "-F", "-t", "ext2", "-m", "0", "-b", "4096"])
                    .args([
                        "-E",
                        "root_owner=0:0,lazy_itable_init=0",
                        "-O",
                        "^resize_inode,^dir_index,^ext_attr",
                    ])
                    .arg("-d")
                    .args([folder, output]),
            )
        },
    )
}

/// The space that a folder's contents take, in bytes: whole blocks, and one for each name.
fn contents(folder: &Path) -> Result<u64> {
    let mut bytes = 0_u64;
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let metadata = entry.metadata()?;
        let content = if metadata.is_dir() {
            contents(&entry.path())?
        } else {
            metadata.len().next_multiple_of(BLOCK)
        };
        bytes = bytes.saturating_add(content).saturating_add(BLOCK);
    }
    Ok(bytes)
}
