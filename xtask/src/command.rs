//! Running other programs, with a line about what runs and how long it took.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::tree;

/// Performs one step of a task and reports its name, and its time if that is worth a line.
///
/// # Errors
/// Those of `work`, with the name of the step in front.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("shoal: {name} ...");
    let start = Instant::now();
    let result = work().with_context(|| name.to_owned());
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(_) if seconds < 2.0 => {}
        Ok(_) => eprintln!("shoal: {name}: done in {seconds:.1} s"),
        Err(_) => eprintln!("shoal: {name}: FAILED after {seconds:.1} s"),
    }
    result
}

/// A command whose arguments are a program and its arguments, killed when it takes longer than so many seconds:
/// it ends by that signal then.
pub(crate) fn limited(seconds: u64) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", &seconds.to_string()]);
    command
}

/// Runs a program with this terminal.
///
/// # Errors
/// When it cannot be started or does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a program that talks much: all it says goes to `target/shoal/NAME.log`, and is shown if it
/// fails.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn run_logged(name: &str, command: &mut Command) -> Result<()> {
    let path = tree::target()
        .join("shoal")
        .join(name)
        .with_extension("log");
    tree::write(&path, "")?;
    let log = File::options().append(true).open(&path)?;
    let result = run(command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log));
    if result.is_err() {
        eprintln!("{}", std::fs::read_to_string(&path).unwrap_or_default());
    }
    result
}

/// Runs a program and returns what it writes to standard output, without the last newline.
///
/// # Errors
/// When it cannot be started, does not exit with 0 or does not write UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", line(command), output.status);
    }
    let text = String::from_utf8(output.stdout).context("output is not UTF-8")?;
    Ok(text.trim_end_matches('\n').to_owned())
}

/// The command line, for messages.
fn line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text
}

/// Cargo as it was called, in the root of the tree.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tree::root());
    command
}
