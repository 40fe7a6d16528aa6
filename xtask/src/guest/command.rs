//! Runs a tool, and says what it said when it fails.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// How much of a failed tool's output an error shows.
const TAIL_LINES: usize = 30;

/// Runs `command` quietly.
///
/// # Errors
/// It cannot be started, or fails: the error has the end of its output.
pub(super) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// As for [`run`], or the output is not UTF-8.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let result = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    let stdout = String::from_utf8_lossy(&result.stdout).into_owned();
    if result.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&result.stderr);
    let lines: Vec<_> = stdout.lines().chain(stderr.lines()).collect();
    let tail = lines.len().saturating_sub(TAIL_LINES);
    let shown = lines.get(tail..).unwrap_or_default().join("\n");
    bail!("{name} failed ({}):\n{shown}", result.status)
}
