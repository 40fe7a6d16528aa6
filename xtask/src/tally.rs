//! Counts of test runners, read from what they print.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Tests that passed and that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Names of those that failed, as far as the runner tells.
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// One test that passed.
    pub(crate) fn one_passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// One test that failed.
    pub(crate) fn one_failed() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    /// Counts those of `other` too.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.failures.extend(other.failures);
    }

    /// Counts what one line of output tells.
    fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        if let Some(more) = Self::from_line(&line) {
            self.add(more);
        } else if let Some(name) = failure_name(&line) {
            self.failures.push(name.to_owned());
        }
    }

    /// The counts in one line of output, if it is a summary.
    ///
    /// Summaries are cargo's `test result: ok. 3 passed; 0 failed; …`, Vitest's
    /// `Tests  1 failed | 5 passed (6)`, and the plain `name: 5 passed, 1 failed`.
    fn from_line(line: &str) -> Option<Self> {
        let line = line.trim();
        let counts = if let Some(rest) = line.strip_prefix("test result:") {
            rest.split_once(". ")?.1
        } else if let Some(rest) = line.strip_prefix("Tests ") {
            rest.split_once('(')?.0
        } else {
            let rest = line.split_once(": ").map_or(line, |(_, rest)| rest);
            if !rest.contains(" passed, ") || !rest.contains(" failed") {
                return None;
            }
            rest
        };
        let mut tally = Self::default();
        for part in counts.split([',', ';', '|']) {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => tally.passed = count.parse().ok()?,
                Some((count, "failed")) => tally.failed = count.parse().ok()?,
                _ => {}
            }
        }
        Some(tally)
    }
}

/// The name of a failed test in a line of plain text: Vitest's ` FAIL  file > test`, cargo's
/// `---- test stdout ----`.
fn failure_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let of_cargo = || line.strip_prefix("---- ")?.strip_suffix(" stdout ----");
    line.strip_prefix("FAIL ").or_else(of_cargo).map(str::trim)
}

/// A line without its escape sequences of the form `ESC [ … m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// Runs a test runner, shows what it prints and counts its tests.
///
/// A runner that fails without a failed test counts as one failed test.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn count(command: &mut Command) -> Result<Tally> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("cannot read a test runner's output")?;
            let line = String::from_utf8_lossy(&line);
            eprintln!("{line}");
            tally.read_line(&line);
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for {program}"))?;
    if !status.success() && tally.failed == 0 {
        eprintln!("shoal: {program} ended with {status}");
        tally.failed = 1;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counts(line: &str, passed: u64, failed: u64) {
        let mut tally = Tally::default();
        tally.read_line(line);
        assert_eq!((tally.passed, tally.failed), (passed, failed), "{line}");
    }

    #[test]
    fn reads_the_summaries_of_runners() {
        let cargo = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered";
        assert_counts(cargo, 12, 3);
        assert_counts(
            "\u{1b}[2m      Tests \u{1b}[22m 1 failed | 5 passed (6)",
            5,
            1,
        );
        assert_counts("      Tests  8 passed (8)", 8, 0);
        assert_counts("chromium: 4 passed, 1 failed, 2 skipped", 4, 1);
        assert_counts("10 passed, 0 failed", 10, 0);
    }

    #[test]
    fn other_lines_are_no_summaries() {
        for line in [
            "test a ... ok",
            "Tests are fun",
            "it passed, or failed",
            "",
            "x passed, y",
        ] {
            assert_eq!(Tally::from_line(line), None, "{line}");
        }
    }

    #[test]
    fn remembers_which_tests_failed() {
        let mut tally = Tally::default();
        for line in [
            "\u{1b}[41m FAIL \u{1b}[49m src/a.test.ts > it > works",
            "---- budget::tests::counts stdout ----",
            "test other ... FAILED",
            "FAILED after 2 s",
        ] {
            tally.read_line(line);
        }
        assert_eq!(
            tally.failures,
            ["src/a.test.ts > it > works", "budget::tests::counts"]
        );
    }

    #[test]
    fn a_runner_that_dies_counts_as_a_failure() {
        let tally = count(Command::new("sh").args(["-c", "echo 2 passed, 0 failed; exit 3"]));
        let tally = tally.unwrap();
        assert_eq!((tally.passed, tally.failed), (2, 1));
    }
}
