//! GNU's sed and diffutils from Debian's sources, for suites that ask for them.
//!
//! They are not in the root image, which has busybox's: a pod of such a suite mounts
//! `target/guest/gnu`, with `bin/` in front of its `PATH`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::command::run;
use super::out;
use super::programs::{cross, install, make, working_copy};
use super::step::step;
use super::sysroot::{self, Sysroot};

/// Builds all for the guest, or finds it built.
///
/// # Errors
/// A tool or a source is missing, or a program does not compile.
pub(super) fn build() -> Result<()> {
    let sysroot = sysroot::build()?;
    let print = sysroot.print.bytes(include_bytes!("gnu.rs"));
    step("sed", print, || sed(&sysroot))?;
    step("diffutils", print, || diffutils(&sysroot))
}

/// `target/guest/gnu/NAME`.
fn place(name: &str) -> PathBuf {
    out().join("gnu").join(name)
}

/// Manual pages are made by running the programs.
const NO_MANUALS: &[&str] = &["MANS="];

fn sed(sysroot: &Sysroot) -> Result<()> {
    let work = working_copy("sed")?;
    configure(sysroot, &work, &[])?;
    make(sysroot, &work, NO_MANUALS)?;
    install(sysroot, &work.join("sed/sed"), &place("bin/sed"))
}

/// What diffutils' `configure` knows for each processor but this.
const STACK_GROWS_DOWN: [&str; 2] = [
    "sv_cv_stack_direction=-1",
    "sv_cv_stack_direction_msg=grows down",
];

fn diffutils(sysroot: &Sysroot) -> Result<()> {
    let work = working_copy("diffutils")?;
    configure(sysroot, &work, &STACK_GROWS_DOWN)?;
    make(sysroot, &work.join("lib"), &[])?;
    make(sysroot, &work.join("src"), &[])?;
    for name in ["cmp", "diff", "diff3", "sdiff"] {
        let to = place("bin").join(name);
        install(sysroot, &work.join("src").join(name), &to)?;
    }
    Ok(())
}

/// Runs `configure` for the guest, with `answers` that it cannot find.
fn configure(sysroot: &Sysroot, work: &Path, answers: &[&str]) -> Result<()> {
    of_one_age(work)?;
    run(cross("./configure", sysroot, work)?
        .args([
            "--host=wasm32-linux-musl",
            "CC=wasm32-linux-musl-cc",
            "CFLAGS=-O2 -w",
            "--disable-nls",
            "--disable-dependency-tracking",
        ])
        .args(answers))
}

/// Makes all files equally old, so that `make` takes no generated one for out of date.
fn of_one_age(dir: &Path) -> Result<()> {
    run(Command::new("find")
        .args([
            ".",
            "-type",
            "f",
            "-exec",
            "touch",
            "-d",
            "@1735689600",
            "{}",
            "+",
        ])
        .current_dir(dir))
}
