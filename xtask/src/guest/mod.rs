//! Builds what runs inside a pod: the C library, programs, tests and the root image.
//!
//! Everything is made in `target/guest/` from `guest/`, `tests/guest/`, Debian's sources and the
//! kernel's table of system calls. Each step leaves a stamp with the fingerprint of what went into
//! it, so a second call only compares.
//!
//! - [`sysroot`]: headers, `libc.a` and the compiler driver
//! - [`cc`]: the driver, run with arguments
//! - [`programs`]: busybox, dash, test and bench programs
//! - [`image`]: an Ext2 file system with all of them

mod command;
mod fingerprint;
mod image;

mod linux_headers;
mod programs;

mod sources;
mod step;
mod stubs;
mod sysroot;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result};

pub(crate) use programs::Programs;

/// The repository's root.
fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where everything of this module is made.
fn out() -> PathBuf {
    root().join("target/guest")
}

/// Builds the sysroot and returns its folder: `bin/`, `include/`, `lib/`.
///
/// # Errors
/// A tool or Debian's source of musl is missing, or a part does not compile.
pub(crate) fn sysroot() -> Result<PathBuf> {
    Ok(sysroot::build()?.dir)
}

/// Runs the guest's C compiler with `args`, the sysroot built first.
///
/// # Errors
/// As for [`sysroot()`], or the compiler cannot be started. Its own failure is in the status.
pub(crate) fn cc(args: impl IntoIterator<Item = OsString>) -> Result<ExitStatus> {
    let driver = sysroot::build()?.cc();
    Command::new(&driver)
        .args(args)
        .status()
        .with_context(|| format!("cannot start {}", driver.display()))
}

/// Builds all programs of the image.
///
/// # Errors
/// As for [`sysroot()`], or a program does not compile.
pub(crate) fn programs() -> Result<Programs> {
    programs::build()
}

/// Builds the root image and returns its path.
///
/// # Errors
/// As for [`programs()`], or `mke2fs` fails.
pub(crate) fn image() -> Result<PathBuf> {
    image::build()
}
