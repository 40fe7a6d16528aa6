//! `shoal-fuse`: mounts an Ext2 image on this machine, served by the file system of the pod.
//!
//! Programs and test suites of Linux then meet our VFS and Ext2. Who may do what is decided here:
//! Linux's own checks (`default_permissions`) are off, and its caches of names and attributes too.
//!
//! ```text
//!  a program ──> Linux ──> /dev/fuse ──> filesystem.rs ──> served.rs ──> fs::Vfs ──> fs-ext2 ──> disk.rs (a file)
//!                                                             └── nodes.rs: what Linux holds; caller.rs: who asks
//! ```

#![forbid(unsafe_code)]

mod caller;
mod convert;
mod disk;
mod filesystem;
mod nodes;
mod served;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use fs::ext2_mount::Ext2Fs;
use fs::vfs::Vfs;
use fs::vfs::device::NoDevices;
use fs_ext2::MountOptions;
use fuser::{Config, MountOption, SessionACL};

use crate::disk::FileDisk;
use crate::served::Served;

/// Mounts an Ext2 image on this machine, until it is unmounted with umount(8).
#[derive(Debug, Parser)]
#[command(name = "shoal-fuse", version)]
struct Arguments {
    /// The image, which is changed
    #[arg(value_name = "FILE")]
    image: PathBuf,
    /// The folder where it appears
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Linux checks the permissions, too: to tell its own answers from ours
    #[arg(long)]
    default_permissions: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let disk = FileDisk::open(&arguments.image)?;
    let options = MountOptions {
        now: convert::now(),
        ..MountOptions::default()
    };
    let ext2 = Arc::new(Ext2Fs::mount(Box::new(disk), options).context("cannot mount the image")?);
    let vfs = Vfs::new(Arc::new(NoDevices));
    let root = vfs
        .mount_root(ext2.clone(), b"image", 0)
        .context("cannot mount the image")?;
    let served = Served::new(vfs, root, ext2)?;
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.mount_options = vec![
        MountOption::FSName(arguments.image.display().to_string()),
        MountOption::Subtype("shoal".into()),
        MountOption::Dev,
        MountOption::Suid,
    ];
    if arguments.default_permissions {
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    fuser::mount(served, &arguments.folder, &config).context("cannot mount by FUSE")
}
