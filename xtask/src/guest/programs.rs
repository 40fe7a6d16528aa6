//! The programs of the image: busybox and its ash, dash, bash and lua from Debian's sources, our tests and
//! benchmarks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::linux_headers::copy_tree;
use super::sources::{clear, fetch};
use super::step::step;
use super::sysroot::{self, Sysroot};
use super::{out, root};

/// Optimised, and without the names of functions; for the guest and for this machine.
pub(super) const CFLAGS: &[&str] = &["-O2", "-s", "-Wall", "-Wextra", "-Wno-unused-parameter"];

/// All built programs.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The multi-call binary.
    pub(crate) busybox: PathBuf,
    /// The absolute paths at which busybox wants to be found, one a line.
    pub(crate) busybox_links: PathBuf,
    /// busybox's shell.
    pub(crate) ash: PathBuf,
    /// Debian's shell of scripts.
    pub(crate) dash: PathBuf,
    /// The shell of users.
    pub(crate) bash: PathBuf,
    /// An interpreter: what safepoints cost is measured with it, too.
    pub(crate) lua: PathBuf,
    /// `tests/guest/*.c`, compiled, in the order of their names.
    pub(crate) tests: Vec<PathBuf>,
    /// `guest/bench/*.c`, compiled.
    pub(crate) bench: Vec<PathBuf>,
    /// Everything that went into them.
    pub(super) print: Fingerprint,
}

/// Builds all programs, or finds them built.
pub(super) fn build() -> Result<Programs> {
    let sysroot = sysroot::build()?;
    let dir = out().join("programs");
    let recipes = root().join("guest/programs");
    let print = sysroot.print.bytes(include_bytes!("programs.rs"));

    let config = recipes.join("busybox.config");
    let busybox_print = print.path(&config)?;
    step("busybox", busybox_print, || {
        busybox(&sysroot, &config, &dir)
    })?;
    let config = recipes.join("ash.config");
    let ash_print = print.path(&config)?;
    step("ash", ash_print, || ash(&sysroot, &config, &dir))?;
    step("dash", print, || dash(&sysroot, &dir))?;
    let patch = recipes.join("bash.patch");
    let bash_print = print.path(&patch)?;
    step("bash", bash_print, || bash(&sysroot, &patch, &dir))?;
    step("lua", print, || lua(&sysroot, &dir))?;
    let (tests, tests_print) = small(&sysroot, &root().join("tests/guest"), "tests")?;
    let (bench, bench_print) = small(&sysroot, &root().join("guest/bench"), "bench")?;
    Ok(Programs {
        busybox: dir.join("busybox"),
        busybox_links: dir.join("busybox.links"),
        ash: dir.join("ash"),
        dash: dir.join("dash"),
        bash: dir.join("bash"),
        lua: dir.join("lua"),
        tests,
        bench,
        print: busybox_print
            .with(ash_print)
            .with(bash_print)
            .with(tests_print)
            .with(bench_print),
    })
}

/// `make` in `dir`, with the guest's tools in front of `PATH`.
pub(super) fn make(sysroot: &Sysroot, dir: &Path, arguments: &[&str]) -> Result<()> {
    run(cross("make", sysroot, dir)?
        .args(["-s", "-j2"])
        .args(arguments))
}

/// `program`, run in `dir` with the guest's tools in front of `PATH`.
pub(super) fn cross(program: &str, sysroot: &Sysroot, dir: &Path) -> Result<Command> {
    let mut paths = vec![sysroot.dir.join("bin")];
    if let Some(path) = std::env::var_os("PATH") {
        paths.extend(std::env::split_paths(&path));
    }
    let path = std::env::join_paths(paths).context("PATH has a folder with a colon")?;
    let mut command = Command::new(program);
    command.env("PATH", path).current_dir(dir);
    Ok(command)
}

/// A copy of Debian's source of `package` to build in, under its own name.
pub(super) fn working_copy(package: &str) -> Result<PathBuf> {
    working_copy_as(package, package)
}

/// The same in a folder with another name.
pub(super) fn working_copy_as(name: &str, package: &str) -> Result<PathBuf> {
    let work = out().join("build").join(name);
    clear(&work)?;
    copy_tree(&fetch(package)?, &work)?;
    Ok(work)
}

fn busybox(sysroot: &Sysroot, changes: &Path, dir: &Path) -> Result<()> {
    let work = working_copy("busybox")?;
    configure(sysroot, &work, "defconfig", changes)?;
    build_busybox(sysroot, &work, &["busybox", "busybox.links"])?;
    install(sysroot, &work.join("busybox"), &dir.join("busybox"))?;
    fs::copy(work.join("busybox.links"), dir.join("busybox.links"))
        .context("cannot copy busybox.links")?;
    Ok(())
}

/// busybox's shell by itself: with one applet, the program is that under any name.
fn ash(sysroot: &Sysroot, changes: &Path, dir: &Path) -> Result<()> {
    let work = working_copy_as("ash", "busybox")?;
    configure(sysroot, &work, "allnoconfig", changes)?;
    build_busybox(sysroot, &work, &["busybox"])?;
    install(sysroot, &work.join("busybox"), &dir.join("ash"))
}

/// Writes busybox's `.config`: the one that the goal `base` makes, with `changes`.
fn configure(sysroot: &Sysroot, work: &Path, base: &str, changes: &Path) -> Result<()> {
    make(sysroot, work, &[base])?;
    let path = work.join(".config");
    let defaults = fs::read_to_string(&path).context("cannot read busybox's .config")?;
    let changes = fs::read_to_string(changes)
        .with_context(|| format!("cannot read {}", changes.display()))?;
    fs::write(&path, merged_config(&defaults, &changes)).context("cannot write .config")?;
    // Questions about symbols that the changes bring in get their default answers.
    run(cross("sh", sysroot, work)?.args(["-c", "yes '' | make -s oldconfig"]))
}

fn build_busybox(sysroot: &Sysroot, work: &Path, goals: &[&str]) -> Result<()> {
    const TOOLS: &[&str] = &[
        "CROSS_COMPILE=wasm32-linux-musl-",
        "CC=wasm32-linux-musl-cc",
        "HOSTCC=gcc",
        "SKIP_STRIP=y",
    ];
    make(sysroot, work, &[TOOLS, goals].concat())
}

/// `defaults` with each symbol that `changes` names replaced.
fn merged_config(defaults: &str, changes: &str) -> String {
    let changed: Vec<_> = changes.lines().filter_map(symbol).collect();
    let kept = defaults
        .lines()
        .filter(|line| symbol(line).is_none_or(|name| !changed.contains(&name)));
    let new = changes.lines().filter(|line| symbol(line).is_some());
    kept.chain(new).flat_map(|line| [line, "\n"]).collect()
}

/// The symbol that a line of a configuration sets or unsets.
fn symbol(line: &str) -> Option<&str> {
    match line.strip_prefix("# ") {
        Some(rest) => rest.strip_suffix(" is not set"),
        None => line.split_once('=').map(|(name, _)| name),
    }
    .filter(|name| name.starts_with("CONFIG_"))
}

fn dash(sysroot: &Sysroot, dir: &Path) -> Result<()> {
    let work = working_copy("dash")?;
    // Builtins are called with two arguments, and WebAssembly traps where this one has none.
    let times = work.join("src/bltin/times.c");
    let source = fs::read_to_string(&times).context("cannot read dash's times.c")?;
    let source = source.replace("int timescmd() {", "int timescmd(int argc, char **argv) {");
    fs::write(&times, source).context("cannot write dash's times.c")?;
    run(cross("autoreconf", sysroot, &work)?.arg("-fi"))?;
    run(cross("./configure", sysroot, &work)?.args([
        "--host=wasm32-linux-musl",
        "CC=wasm32-linux-musl-cc",
        "CC_FOR_BUILD=gcc",
        "CFLAGS=-O2",
    ]))?;
    make(sysroot, &work, &[])?;
    install(sysroot, &work.join("src/dash"), &dir.join("dash"))
}

/// What bash's `configure` finds out by running programs, which are not for this machine. The first
/// two are faults of its tests: libc has both.
const BASH_ANSWERS: &[&str] = &[
    "bash_cv_func_strtoimax=no",
    "bash_cv_strtold_broken=no",
    "bash_cv_dev_fd=standard",
    "bash_cv_func_sigsetjmp=present",
    "bash_cv_func_snprintf=yes",
    "bash_cv_func_vsnprintf=yes",
    "bash_cv_getcwd_malloc=yes",
    "bash_cv_getenv_redef=yes",
    "bash_cv_job_control_missing=present",
    "bash_cv_must_reinstall_sighandlers=no",
    "bash_cv_pgrp_pipe=no",
    "bash_cv_printf_a_format=yes",
    "bash_cv_sys_named_pipes=present",
    "bash_cv_ulimit_maxfds=yes",
    "bash_cv_unusable_rtsigs=no",
    "bash_cv_wexitstatus_offset=8",
];

/// Its source is C of before 1989 and of after, and full of warnings.
fn bash(sysroot: &Sysroot, patch: &Path, dir: &Path) -> Result<()> {
    let work = working_copy("bash")?;
    run(Command::new("patch")
        .args(["-p1", "--silent", "--forward", "--input"])
        .arg(patch)
        .current_dir(&work))?;
    run(cross("./configure", sysroot, &work)?
        .args([
            "--host=wasm32-linux-musl",
            "CC=wasm32-linux-musl-cc",
            "CC_FOR_BUILD=gcc",
            "CFLAGS=-O2 -std=gnu89 -w",
            "--without-bash-malloc",
            "--disable-nls",
        ])
        .args(BASH_ANSWERS))?;
    make(sysroot, &work, &[])?;
    // What the scripts of its suite call; its makefile builds them for this machine.
    for name in ["recho", "zecho", "printenv", "xcase"] {
        run(Command::new(sysroot.cc())
            .args(["-O1", "-w", "-DHAVE_CONFIG_H", "-I.", "-Iinclude", "-o"])
            .arg(format!("tests/{name}"))
            .arg(format!("support/{name}.c"))
            .current_dir(&work))?;
    }
    install(sysroot, &work.join("bash"), &dir.join("bash"))
}

/// One compiler run for all files but the compiler's: lua's own makefile asks for readline.
fn lua(sysroot: &Sysroot, dir: &Path) -> Result<()> {
    let work = working_copy("lua5.4")?;
    // What Debian's patches include; it says where shared libraries are, and there are none here.
    let paths = "#define DEB_HOST_MULTIARCH \"wasm32-linux-musl\"\n";
    fs::write(work.join("src/lua5.4-deb-multiarch.h"), paths).context("cannot write a header")?;
    let mut files = fs::read_dir(work.join("src"))
        .context("cannot read lua's sources")?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .filter(|path| !path.ends_with("luac.c"))
        .collect::<Vec<_>>();
    files.sort();
    run(Command::new(sysroot.cc())
        .args(["-O2", "-DLUA_USE_POSIX", "-o"])
        .arg(work.join("lua"))
        .args(files)
        .arg("-lm"))?;
    install(sysroot, &work.join("lua"), &dir.join("lua"))
}

/// Copies a program without its names and debug sections.
pub(super) fn install(sysroot: &Sysroot, from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to)).context("cannot make programs/")?;
    run(Command::new(sysroot.tool("strip"))
        .arg("-o")
        .args([to, from]))
}

/// A C file that is a program by itself.
pub(super) struct Source {
    /// The file's name without its end.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The file, the headers beside it and how it is compiled.
    pub(super) print: Fingerprint,
}

/// The C files of a folder, by name; headers there count as inputs of all.
///
/// # Errors
/// A file cannot be read.
pub(super) fn sources(dir: &Path, print: Fingerprint) -> Result<Vec<Source>> {
    let mut files = fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect::<Vec<_>>();
    files.sort();
    let of_kind = |end: &'static str| {
        let files = &files;
        files
            .iter()
            .filter(move |path| path.extension().is_some_and(|found| found == end))
    };
    let shared = of_kind("h")
        .try_fold(print.bytes(CFLAGS.concat().as_bytes()), |print, path| {
            print.path(path)
        })?;
    of_kind("c")
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default();
            Ok(Source {
                name: stem.to_string_lossy().into_owned(),
                path: path.clone(),
                print: shared.path(path)?,
            })
        })
        .collect()
}

/// What a program that has threads is compiled with.
///
/// # Errors
/// The file cannot be read.
pub(super) fn thread_flags(source: &Path) -> Result<&'static [&'static str]> {
    let text =
        fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let has_threads = text.contains("#include <pthread.h>");
    Ok(if has_threads { &["-pthread"] } else { &[] })
}

/// Compiles each program of a folder for the guest.
fn small(sysroot: &Sysroot, folder: &Path, kind: &str) -> Result<(Vec<PathBuf>, Fingerprint)> {
    let dir = out().join(kind);
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut programs = Vec::new();
    let mut all = Fingerprint::new();
    for source in sources(folder, sysroot.print)? {
        let program = dir.join(&source.name);
        step(&format!("{kind}-{}", source.name), source.print, || {
            run(Command::new(sysroot.cc())
                .args(CFLAGS)
                .args(thread_flags(&source.path)?)
                .arg(&source.path)
                .arg("-o")
                .arg(&program))
        })?;
        all = all.with(source.print);
        programs.push(program);
    }
    Ok((programs, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_replace_defaults() {
        let defaults = "#\n# Settings\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=1\n";
        let changes = "# Why.\n# CONFIG_A is not set\nCONFIG_B=y\n";
        assert_eq!(
            merged_config(defaults, changes),
            "#\n# Settings\nCONFIG_C=1\n# CONFIG_A is not set\nCONFIG_B=y\n"
        );
    }
}
