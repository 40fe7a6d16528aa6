//! Building: the kernel, the SDK, the guests' toolchain, programs and root image.

mod kernel;
mod order;
mod sdk;

use std::fs::File;
use std::time::SystemTime;

use anyhow::Result;
use clap::ValueEnum;

use crate::{node, tree};

/// What `build` builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The kernel as WebAssembly
    Kernel,
    /// The npm package, the kernel in it, and the page
    Sdk,
    /// The guests' C library and programs, and the root image
    Guest,
    /// What only the test suites of others use: GNU's sed, diffutils and coreutils
    Suites,
    /// The cases of tests/posix
    Posix,
    /// Everything that a pod needs
    #[default]
    All,
}

/// Builds a part of the tree; what is up to date costs little.
///
/// # Errors
/// When a compiler is missing or fails.
pub(crate) fn build(part: Part) -> Result<()> {
    let start = SystemTime::now();
    // The SDK's package has the kernel in it.
    if !matches!(part, Part::Guest | Part::Suites | Part::Posix) {
        kernel::build()?;
    }
    if matches!(part, Part::Sdk | Part::All) {
        sdk::build()?;
    }
    if matches!(part, Part::Guest | Part::All) {
        crate::guest::image()?;
        crate::guest::expected()?;
    }
    if part == Part::Suites {
        crate::guest::suites()?;
    }
    if part == Part::Posix {
        crate::guest::posix()?;
    }
    if part == Part::All {
        mark_ready(start)?;
    }
    Ok(())
}

/// Leaves the mark by which `./shoal run` knows that nothing needs building.
///
/// It names Node's program and bears the time at which the build began: a source that changed
/// while it was being built is newer.
fn mark_ready(start: SystemTime) -> Result<()> {
    let mark = tree::target().join("shoal/ready");
    tree::write(
        &mark,
        &format!("{}\n", node::folder()?.join("node").display()),
    )?;
    File::options()
        .write(true)
        .open(&mark)?
        .set_modified(start)?;
    Ok(())
}
