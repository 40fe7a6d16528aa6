//! `image`: builds, splits, inspects and checks disk images. `tools/mkimage` does it; it has a
//! compressor in C, which only those who make images should have to build.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::tree;

/// Runs `mkimage` with these arguments; its exit status is ours.
///
/// # Errors
/// It does not compile.
pub(crate) fn image(arguments: &[OsString]) -> Result<ExitCode> {
    // Not in the root of the tree: names of files are as seen from where we are.
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--release", "--package", "tools-mkimage"])
        .arg("--manifest-path")
        .arg(tree::root().join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .status()
        .context("cannot start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
