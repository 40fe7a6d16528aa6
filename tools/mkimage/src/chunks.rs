//! Writing a chunked image into a folder: `manifest`, and `chunks/`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use fs_block::BlockError;
use fs_image::{Chunk, HotList, Manifest, split};

use crate::disk::FileDisk;

/// The manifest's name in the folder.
pub(crate) const MANIFEST: &str = "manifest";

/// Splits `image` into the folder `output`, which may hold the chunks of other versions: they stay.
pub(crate) fn write(
    image: &Path,
    output: &Path,
    chunk_bytes: u32,
    level: i32,
    hot: &HotList,
) -> Result<Manifest> {
    let disk = FileDisk::open(image, true)?;
    let mut failure = None;
    let compress = |bytes: &[u8]| match zstd::bulk::compress(bytes, level) {
        Ok(stored) => stored,
        Err(error) => {
            failure.get_or_insert(error);
            Vec::new()
        }
    };
    let keep = |chunk: Chunk| -> Result<()> {
        let path = output.join(chunk.name.path());
        let folder = path.parent().context("a path with a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, chunk.stored).with_context(|| format!("cannot write {}", path.display()))
    };
    let manifest = split(&disk, chunk_bytes, &hot.chunks(chunk_bytes), compress, keep).map_err(
        |error: anyhow::Error| match error.downcast_ref() {
            Some(BlockError::OutOfRange) => error.context("no chunk size of the format"),
            _ => error,
        },
    )?;
    if let Some(error) = failure {
        return Err(error).context("cannot compress");
    }
    // Last: a manifest is never there without its chunks.
    let path = output.join(MANIFEST);
    fs::write(&path, manifest.encode())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(manifest)
}
