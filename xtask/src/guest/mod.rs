//! Builds what runs inside a pod: the C library, programs, tests and the root image.
//!
//! Everything is made in `target/guest/` from `guest/`, `tests/guest/`, Debian's sources and the
//! kernel's table of system calls. Each step leaves a stamp with the fingerprint of what went into
//! it, so a second call only compares.
//!
//! - [`sysroot`]: headers, `libc.a` and the compiler driver; [`stubs`], [`linux_headers`]
//! - [`rust`]: cargo for the guest
//! - [`programs`]: busybox, dash, test and bench programs; [`sources`]
//! - [`mod@gnu`]: programs that only test suites of others use
//! - [`expected()`]: what the tests print on Linux itself; [`posix()`]: a suite for POSIX
//! - [`image()`]: an Ext2 file system with all of them

mod command;
mod expected;
mod fingerprint;
mod gnu;
mod image;
mod linux_headers;
mod posix;
mod programs;
mod rust;
mod sources;
mod step;
mod stubs;
mod sysroot;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context as _, Result};

use crate::tree::{self, root};

/// Where everything of this module is made.
fn out() -> PathBuf {
    tree::target().join("guest")
}

/// Runs the guest's C compiler with `args`, the sysroot built first.
///
/// # Errors
/// A tool or Debian's source of musl is missing, or the compiler cannot be started. Its own failure is in the exit code.
pub(crate) fn cc(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let driver = sysroot::build()?.cc();
    let status = Command::new(&driver)
        .args(args)
        .status()
        .with_context(|| format!("cannot start {}", driver.display()))?;
    Ok(exit_code(status))
}

/// Runs cargo with `args` for the guest, the sysroot built first.
///
/// # Errors
/// As for [`cc`], or there is no compiler that can build the standard library.
pub(crate) fn cargo(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let status = rust::cargo()?
        .args(args)
        .status()
        .context("cannot start cargo")?;
    Ok(exit_code(status))
}

/// Builds the Rust programs of `tests/rust`, for the guest and for this machine.
///
/// # Errors
/// As for [`cargo`], or one does not compile.
pub(crate) fn rust_tests() -> Result<()> {
    rust::tests()
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Builds the root image and returns its path.
///
/// # Errors
/// A tool or a source is missing, a program does not compile, or `mke2fs` fails.
pub(crate) fn image() -> Result<PathBuf> {
    image::build()
}

/// An image like that of [`image()`] with room for many files.
///
/// # Errors
/// As [`image()`].
pub(crate) fn roomy_image() -> Result<()> {
    image::build_roomy()
}

/// Builds the programs that test suites of others need and the root image lacks.
///
/// # Errors
/// A tool or a source is missing, or a program does not compile.
pub(crate) fn suites() -> Result<()> {
    gnu::build()
}

/// Builds for this machine what the record of those suites is made with.
///
/// # Errors
/// As for [`suites`].
pub(crate) fn native_suites() -> Result<()> {
    gnu::build()?;
    gnu::build_native()
}

/// Runs the test programs on this machine, and compiles the benchmarks for it.
///
/// # Errors
/// A program does not compile here, or cannot be started.
pub(crate) fn expected() -> Result<()> {
    expected::build()
}

/// Compiles the cases of Debian's `posixtestsuite` for the guest.
///
/// # Errors
/// The suite's source or the sysroot cannot be had.
pub(crate) fn posix() -> Result<()> {
    posix::build()
}

/// Makes what the test programs print on this machine what they have to print in a pod.
///
/// # Errors
/// As for [`expected()`], or one prints something else each time.
pub(crate) fn record() -> Result<()> {
    expected::build()?;
    expected::record()
}

/// Makes how the cases of `tests/posix` end on this machine how they have to end in a pod.
///
/// # Errors
/// As for [`posix()`], or this is not root.
pub(crate) fn record_posix() -> Result<()> {
    posix::record()
}

/// Where the test programs print something else on this machine than what was recorded.
///
/// # Errors
/// [`expected()`] was not called before.
pub(crate) fn differences() -> Result<Vec<String>> {
    expected::differences()
}
