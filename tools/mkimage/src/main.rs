//! `mkimage`: builds, splits, inspects and checks disk images. `./shoal image` hands over to it.
//!
//! ```text
//!  folder.rs ─┐
//!             ├─> node.rs ──> fill.rs ──> disk.rs (a file) ──> hot.rs ──> chunks.rs
//!  archive.rs ┘                                      └───────> inspect.rs
//! ```

#![forbid(unsafe_code)]

mod archive;
mod build;
mod chunks;
mod disk;
mod fill;
mod folder;
mod hot;
mod inspect;
mod node;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Makes file system images.
#[derive(Debug, Parser)]
#[command(name = "image", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Task {
    /// Make an Ext2 image of a folder or a tar archive
    Build(build::Options),
    /// Tell what an image, or the manifest of a chunked one, holds
    Inspect {
        /// An Ext2 image, or a folder with a manifest
        #[arg(value_name = "FILE")]
        image: PathBuf,
        /// Read and compare all chunks
        #[arg(long)]
        verify: bool,
    },
    /// Find what is wrong with an Ext2 image
    Fsck {
        /// The image
        #[arg(value_name = "FILE")]
        image: PathBuf,
        /// Mend what is safe to mend
        #[arg(long)]
        fix: bool,
    },
}

fn run() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Build(options) => build::build(&options).map(|()| ExitCode::SUCCESS),
        Task::Inspect { image, verify } => {
            inspect::inspect(&image, verify).map(|()| ExitCode::SUCCESS)
        }
        Task::Fsck { image, fix } => inspect::fsck(&image, fix),
    }
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("image: {error:#}");
        ExitCode::FAILURE
    })
}
