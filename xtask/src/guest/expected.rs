//! What the test programs print on Linux itself: the kernel is compared with that.
//!
//! Each program of `tests/guest` is compiled for this machine and run in an empty folder, with an
//! almost empty environment and nothing to read; `oracle.c` takes away what this process inherited.
//! `target/guest/expected/` then has `NAME.out` (what it wrote to its standard output), `NAME.status`
//! (its exit status) and, under `native/`, the program; the benchmarks are compiled to `native-bench/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::out;
use super::programs::{CFLAGS, sources, thread_flags};
use super::sources::clear;
use super::step::step;
use crate::tree::root;

/// The environment of a test, here and in a pod.
const ENVIRONMENT: &[(&str, &str)] = &[("PATH", "/bin:/usr/bin"), ("HOME", "/")];

/// Compiles and runs what changed.
///
/// # Errors
/// A program does not compile here, or a test is killed by a signal.
pub(super) fn build() -> Result<()> {
    let dir = out().join("expected");
    let print = Fingerprint::new()
        .bytes(include_bytes!("expected.rs"))
        .bytes(include_bytes!("oracle.c"));
    let oracle = out().join("oracle");
    step("oracle", print, || {
        compile(&root().join("xtask/src/guest/oracle.c"), &oracle)
    })?;
    for source in sources(&root().join("tests/guest"), print)? {
        let program = dir.join("native").join(&source.name);
        step(&format!("expected-{}", source.name), source.print, || {
            compile(&source.path, &program)?;
            record(&source.name, &oracle, &program, &dir)
        })?;
    }
    let bench = out().join("native-bench");
    for source in sources(&root().join("guest/bench"), print)? {
        let program = bench.join(&source.name);
        step(&format!("native-{}", source.name), source.print, || {
            compile(&source.path, &program)
        })?;
    }
    Ok(())
}

fn compile(source: &Path, program: &Path) -> Result<()> {
    fs::create_dir_all(program.parent().unwrap_or(program)).context("cannot make a folder")?;
    run(Command::new("gcc")
        .args(CFLAGS)
        .args(thread_flags(source)?)
        .arg(source)
        .arg("-o")
        .arg(program))
}

/// How often a program may print something new before it counts as one that cannot be recorded.
const TRIES: usize = 4;

/// What a program printed, and its exit status.
type Outcome = (Vec<u8>, i32);

/// Runs a program until two runs agree: on a busy machine a test that measures time may be wrong once.
fn record(name: &str, oracle: &Path, program: &Path, dir: &Path) -> Result<()> {
    let mut seen: Vec<Outcome> = Vec::new();
    for _ in 0..TRIES {
        let outcome = run_once(name, oracle, program, dir)?;
        if !seen.contains(&outcome) {
            seen.push(outcome);
            continue;
        }
        if seen.len() > 1 {
            eprintln!("shoal: {name} printed {} different things here", seen.len());
        }
        let file = |end: &str| -> PathBuf { dir.join(format!("{name}.{end}")) };
        let (printed, status) = outcome;
        fs::write(file("out"), printed).context("cannot write what a test printed")?;
        return fs::write(file("status"), format!("{status}\n"))
            .context("cannot write a test's status");
    }
    bail!("{name} prints something else each time, natively");
}

fn run_once(name: &str, oracle: &Path, program: &Path, dir: &Path) -> Result<Outcome> {
    let scratch = dir.join("scratch").join(name);
    clear(&scratch)?;
    let result = Command::new(oracle)
        .arg(program)
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .current_dir(&scratch)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let Some(status) = result.status.code() else {
        bail!("{name} ended with {}", result.status);
    };
    fs::remove_dir_all(&scratch).context("cannot remove a scratch folder")?;
    Ok((result.stdout, status))
}
