//! What the test programs print on Linux itself: the kernel is compared with that.
//!
//! Each program of `tests/guest` is compiled for this machine and run in an empty folder, with an
//! almost empty environment and nothing to read; `oracle.c` takes away what this process inherited.
//! `target/guest/expected/` then has `NAME.out` (what it wrote to its standard output, and its exit
//! status), what it wrote to its standard error under `errors/`, and under `native/` the program; the
//! benchmarks are compiled to `native-bench/`.
//!
//! [`record`] keeps the outputs in `tests/guest/linux/`, where pods' are compared with them. What
//! Linux answers may depend on the machine (its file system, what its sandbox forbids):
//! [`differences`] tells where this one disagrees with the record.

use std::fs::{self, File};
use std::io::{PipeReader, Read as _, Write as _, pipe};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::out;
use super::programs::{CFLAGS, sources, thread_flags};
use super::sources::clear;
use super::step::step;
use crate::command::limited;
use crate::tree::root;

/// The environment of a test, here and in a pod.
pub(super) const ENVIRONMENT: &[(&str, &str)] = &[("PATH", "/bin:/usr/bin"), ("HOME", "/")];

/// Compiles and runs what changed.
///
/// # Errors
/// A program does not compile here, or cannot be started.
pub(super) fn build() -> Result<()> {
    let dir = out().join("expected");
    let print = Fingerprint::new()
        .bytes(include_bytes!("expected.rs"))
        .bytes(include_bytes!("oracle.c"));
    let oracle = oracle()?;
    for source in sources(&root().join("tests/guest"), print)? {
        let program = dir.join("native").join(&source.name);
        step(&format!("expected-{}", source.name), source.print, || {
            compile(&source.path, &program)?;
            observe(&source.name, &oracle, &program, &dir)
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

/// The program that starts others with nothing inherited, compiled.
///
/// # Errors
/// It does not compile.
pub(super) fn oracle() -> Result<PathBuf> {
    let program = out().join("oracle");
    let print = Fingerprint::new().bytes(include_bytes!("oracle.c"));
    step("oracle", print, || {
        compile(&root().join("xtask/src/guest/oracle.c"), &program)
    })?;
    Ok(program)
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

/// A program that takes longer is killed, and counts as ended by that signal.
const SECONDS: u64 = 60;

/// How long what a program leaves behind may hold its output open.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// How often a program may print something new before it counts as one that cannot be recorded.
const TRIES: usize = 4;

/// What is written for a program that printed something else in each of [`TRIES`] runs.
const UNSTABLE: &str = "(something else each time)\n";

/// Runs a program until two runs agree: on a busy machine a test that measures time may be wrong once.
fn observe(name: &str, oracle: &Path, program: &Path, dir: &Path) -> Result<()> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut agreed = None;
    while agreed.is_none() && seen.len() < TRIES {
        let outcome = run_once(name, oracle, program, dir)?;
        if seen.contains(&outcome) {
            agreed = Some(outcome);
        } else {
            seen.push(outcome);
        }
    }
    let text = agreed.as_deref().unwrap_or(UNSTABLE.as_bytes());
    fs::write(dir.join(format!("{name}.out")), text).context("cannot write what a test printed")
}

/// What a program prints, and how it ends.
fn run_once(name: &str, oracle: &Path, program: &Path, dir: &Path) -> Result<Vec<u8>> {
    let scratch = dir.join("scratch").join(name);
    clear(&scratch)?;
    let (reader, writer) = pipe().context("cannot make a pipe")?;
    // Not this one's, which a program that is left behind would keep open.
    let errors = dir.join("errors");
    fs::create_dir_all(&errors).context("cannot make a folder of errors")?;
    let errors = File::create(errors.join(name)).context("cannot make a file of errors")?;
    let status = limited(SECONDS)
        .args([oracle, program])
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .current_dir(&scratch)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .spawn();
    let printed = read_aside(reader);
    let status = status
        .and_then(|mut child| child.wait())
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut stdout = printed.recv_timeout(LEFT_BEHIND).unwrap_or_default();
    fs::remove_dir_all(&scratch).context("cannot remove a scratch folder")?;
    match (status.code(), status.signal()) {
        // As a shell tells of a signal.
        (None, Some(signal)) => writeln!(stdout, "exit status {}", signal.saturating_add(128))?,
        (code, _) => writeln!(stdout, "exit status {}", code.unwrap_or(-1))?,
    }
    Ok(stdout)
}

/// Reads all that comes from a pipe on a thread of its own, so that who holds its other end cannot stop this one.
fn read_aside(mut reader: PipeReader) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // An end that fails is an end; nobody may listen any more.
        reader.read_to_end(&mut bytes).ok();
        sender.send(bytes).ok();
    });
    receiver
}

/// Where the records are kept.
fn records() -> PathBuf {
    root().join("tests/guest/linux")
}

/// The names of all test programs, and what each printed here.
fn observed() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for source in sources(&root().join("tests/guest"), Fingerprint::new())? {
        let path = out().join("expected").join(format!("{}.out", source.name));
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        all.push((source.name, text));
    }
    Ok(all)
}

/// Makes what the programs printed here the record.
///
/// # Errors
/// One prints something else each time, or a file cannot be written.
pub(super) fn record() -> Result<()> {
    clear(&records())?;
    for (name, text) in observed()? {
        if text == UNSTABLE {
            bail!("{name} prints something else each time, natively");
        }
        fs::write(records().join(format!("{name}.out")), text).context("cannot write a record")?;
    }
    Ok(())
}

/// Where Linux here does not answer as recorded: a line each, with the name of the program.
///
/// # Errors
/// What they printed here cannot be read: nothing was built yet.
pub(super) fn differences() -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, here) in observed()? {
        let recorded =
            fs::read_to_string(records().join(format!("{name}.out"))).unwrap_or_default();
        let is_new = |line: &&str| !recorded.lines().any(|other| other == *line);
        lines.extend(
            here.lines()
                .filter(is_new)
                .map(|line| format!("{name}: {line}")),
        );
    }
    Ok(lines)
}
