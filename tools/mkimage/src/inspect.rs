//! `inspect` and `fsck`: what an image holds, and what is wrong with it.

#![expect(clippy::print_stdout, reason = "what the command is for")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use fs_ext2::{Ext2, MountOptions};
use fs_image::{ChunkedDisk, Manifest};

use crate::chunks::MANIFEST;
use crate::disk::FileDisk;

/// Tells what `path` holds: an Ext2 image, or a folder with a manifest.
pub(crate) fn inspect(path: &Path, verify: bool) -> Result<()> {
    if path.is_dir() {
        return chunked(path, verify);
    }
    let disk = FileDisk::open(path, true)?;
    let report = fs_check::check(&disk)?;
    let options = MountOptions {
        read_only: true,
        ..MountOptions::default()
    };
    let fs = Ext2::mount(disk, options).with_context(|| path.display().to_string())?;
    let status = fs.status();
    println!("format:       ext2");
    println!("block size:   {} bytes", status.block_size);
    println!(
        "blocks:       {}, {} free",
        status.nr_blocks, status.nr_free
    );
    println!(
        "inodes:       {}, {} free",
        status.nr_inodes, status.nr_free_inodes
    );
    println!("directories:  {}", report.nr_dirs);
    println!(
        "unmounted:    {}",
        if report.was_left_clean {
            "cleanly"
        } else {
            "no"
        }
    );
    println!("findings:     {}", report.findings.len());
    Ok(())
}

fn chunked(folder: &Path, verify: bool) -> Result<()> {
    let path = folder.join(MANIFEST);
    let reading = || format!("cannot read {}", path.display());
    let manifest = Manifest::decode(&fs::read(&path).with_context(reading)?)
        .with_context(|| path.display().to_string())?;
    let mut names = std::collections::BTreeSet::new();
    let mut stored_bytes = 0_u64;
    let mut disk = ChunkedDisk::new(manifest.clone(), 0);
    for (chunk, name) in manifest.stored() {
        let path = folder.join(name.path());
        let reading = || format!("cannot read {}", path.display());
        if names.insert(name) {
            let len = path.metadata().with_context(reading)?.len();
            stored_bytes = stored_bytes.saturating_add(len);
        }
        if verify {
            let stored = fs::read(&path).with_context(reading)?;
            disk.supply(chunk, &stored)
                .with_context(|| path.display().to_string())?;
        }
    }
    let identity = manifest.identity();
    let identity: String = identity.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("format:       chunks");
    println!("identity:     {identity}");
    println!("image:        {} bytes", manifest.len_bytes());
    println!("chunk:        {} bytes", manifest.chunk_bytes());
    println!(
        "chunks:       {}, {} files",
        manifest.stored().count(),
        names.len()
    );
    println!("stored:       {stored_bytes} bytes");
    println!("hot chunks:   {}", manifest.hot().len());
    if verify {
        println!("verified:     all");
    }
    Ok(())
}

/// Checks an image, and mends it if asked to. As `e2fsck`: 0 nothing wrong, 1 mended, 4 left.
pub(crate) fn fsck(path: &Path, fix: bool) -> Result<ExitCode> {
    let mut disk = FileDisk::open(path, !fix)?;
    let report = fs_check::check(&disk)?;
    for finding in &report.findings {
        println!("{}: {finding}", path.display());
    }
    if report.is_cut {
        println!("{}: and more", path.display());
    }
    if report.is_clean() {
        println!(
            "{}: clean, {} inodes, {} blocks",
            path.display(),
            report.nr_inodes,
            report.nr_blocks
        );
        return Ok(ExitCode::SUCCESS);
    }
    if !fix {
        return Ok(ExitCode::from(4));
    }
    if !report.is_fixable() {
        bail!(
            "{}: not all of it is safe to mend; nothing was changed",
            path.display()
        );
    }
    // The time of freed inodes: what `e2fsck` takes from the clock says nothing to us.
    fs_check::fix(&mut disk, 1).with_context(|| path.display().to_string())?;
    println!("{}: mended", path.display());
    Ok(ExitCode::from(1))
}
