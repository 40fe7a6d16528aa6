//! GNU's sed, diffutils and coreutils from Debian's sources, for suites that ask for them.
//!
//! They are not in the root image, which has busybox's. `target/guest/gnu` has all that a pod of such
//! a suite mounts: `bin/` with sed and diff, and `coreutils/`, the programs with their own suite.
//! `coreutils-native/` is the same for this machine, for the record of what Linux answers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::linux_headers::copy_tree;
use super::out;
use super::programs::{cross, install, make, working_copy, working_copy_as};
use super::sources::{clear, fetch};
use super::step::step;
use super::sysroot::{self, Sysroot};

/// Builds all for the guest, or finds it built.
///
/// # Errors
/// A tool or a source is missing, or a program does not compile.
pub(super) fn build() -> Result<()> {
    let sysroot = sysroot::build()?;
    let print = sysroot.print.bytes(include_bytes!("gnu.rs"));
    // apt does one thing at a time.
    for package in ["sed", "diffutils", "coreutils"] {
        fetch(package)?;
    }
    // Half of the time is `configure`'s, which uses one core.
    thread::scope(|scope| {
        let largest = scope.spawn(|| step("coreutils", print, || coreutils(&sysroot)));
        step("sed", print, || sed(&sysroot))?;
        step("diffutils", print, || diffutils(&sysroot))?;
        largest
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Builds coreutils for this machine.
///
/// # Errors
/// As for [`build`].
pub(super) fn build_native() -> Result<()> {
    let print = Fingerprint::new().bytes(include_bytes!("gnu.rs"));
    step("coreutils-native", print, native_coreutils)
}

/// `target/guest/gnu/NAME`.
fn place(name: &str) -> PathBuf {
    out().join("gnu").join(name)
}

/// No manual pages, which are made by running the programs, and no tests of gnulib.
const PROGRAMS_ONLY: &[&str] = &["MANS=", "SUBDIRS=."];

fn sed(sysroot: &Sysroot) -> Result<()> {
    let work = working_copy("sed")?;
    configure(sysroot, &work, &[])?;
    make(sysroot, &work, PROGRAMS_ONLY)?;
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

/// One program under all names: a pod compiles it once. What needs libraries that the guest has not
/// is off on this machine, too.
const COREUTILS: &[&str] = &[
    "--enable-single-binary=symlinks",
    "--enable-no-install-program=stdbuf",
    "--disable-acl",
    "--disable-libcap",
    "--disable-libsmack",
    "--disable-xattr",
    "--without-libgmp",
    "--without-openssl",
    "--without-selinux",
];

fn coreutils(sysroot: &Sysroot) -> Result<()> {
    let work = working_copy("coreutils")?;
    // A guess of `configure` about programs that are not for this machine, and wrong.
    configure(
        sysroot,
        &work,
        &[COREUTILS, &["gl_cv_func_getopt_gnu=yes"]].concat(),
    )?;
    make(sysroot, &work, PROGRAMS_ONLY)?;
    let to = place("coreutils");
    stage(&work, &to)?;
    for name in PROGRAMS {
        install(
            sysroot,
            &work.join("src").join(name),
            &to.join("src").join(name),
        )?;
    }
    Ok(())
}

fn native_coreutils() -> Result<()> {
    let work = working_copy_as("coreutils-native", "coreutils")?;
    of_one_age(&work)?;
    run(Command::new("./configure")
        .args([
            "CFLAGS=-O2 -w",
            "--disable-nls",
            "--disable-dependency-tracking",
        ])
        .args(COREUTILS)
        // It does not like to be called by the superuser.
        .env("FORCE_UNSAFE_CONFIGURE", "1")
        .current_dir(&work))?;
    run(Command::new("make")
        .args(["-s", "-j2"])
        .args(PROGRAMS_ONLY)
        .current_dir(&work))?;
    let to = place("coreutils-native");
    stage(&work, &to)?;
    for name in PROGRAMS {
        fs::copy(work.join("src").join(name), to.join("src").join(name))
            .with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// The files among coreutils' programs; the others are links.
const PROGRAMS: &[&str] = &["coreutils", "getlimits"];

/// Lays out what coreutils' suite needs of the folder that it was built in.
fn stage(work: &Path, to: &Path) -> Result<()> {
    clear(to)?;
    copy_tree(&work.join("tests"), &to.join("tests"))?;
    for folder in ["src", "lib"] {
        fs::create_dir_all(to.join(folder)).with_context(|| format!("cannot make {folder}"))?;
    }
    for file in ["init.cfg", "lib/config.h"] {
        fs::copy(work.join(file), to.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let entries = fs::read_dir(work.join("src")).context("cannot read coreutils' programs")?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        symlink(target, to.join("src").join(name)).context("cannot link a program")?;
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
