//! Counts of test runners, read from what they print.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Tests that passed and that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Those that failed, as far as the runner tells.
    pub(crate) failures: Vec<Failure>,
}

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    /// The first lines of what the runner printed of it.
    pub(crate) details: Vec<String>,
}

/// How many lines are kept of what is printed of a failure, or at the end of a runner that died.
const DETAILS: usize = 24;

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

/// Reads the output of a test runner.
#[derive(Debug, Default)]
struct Reader {
    tally: Tally,
    /// Lines that follow belong to the last failure.
    is_in_failure: bool,
    /// The last lines, without colours.
    last: VecDeque<String>,
}

impl Reader {
    /// Counts what one line of output tells.
    fn read_line(&mut self, line: &str) {
        let line = without_colours(line);
        if self.last.len() == DETAILS {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        if let Some(more) = Tally::from_line(&line) {
            self.is_in_failure = false;
            self.tally.add(more);
        } else if let Some(name) = failure_name(&line) {
            self.is_in_failure = true;
            let name = name.to_owned();
            let details = Vec::new();
            self.tally.failures.push(Failure { name, details });
        } else if is_border(&line) {
            self.is_in_failure = false;
        } else if self.is_in_failure
            && let Some(failure) = self.tally.failures.last_mut()
            && failure.details.len() < DETAILS
            && !line.trim().is_empty()
        {
            failure.details.push(line);
        }
    }
}

/// The name of a failed test in a line of plain text: Vitest's ` FAIL  file > test`, cargo's
/// `---- test stdout ----`.
fn failure_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let of_cargo = || line.strip_prefix("---- ")?.strip_suffix(" stdout ----");
    line.strip_prefix("FAIL ").or_else(of_cargo).map(str::trim)
}

/// Whether a line ends what is said of a failure: Vitest's rule, cargo's list of names.
fn is_border(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("\u{23af}\u{23af}") || line == "failures:"
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
    let (output, input) = std::io::pipe().context("cannot make a pipe")?;
    let both = input.try_clone().context("cannot duplicate a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(input)
        .stderr(both)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    // The command holds ends of the pipe as long as it has them: it must see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = Reader::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read a test runner's output")?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        reader.read_line(&line);
    }
    let Reader {
        mut tally, last, ..
    } = reader;
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for {program}"))?;
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
        tally.failures.push(Failure {
            name: format!("{program} ended with {status}"),
            details: last.into(),
        });
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_counts(line: &str, passed: u64, failed: u64) {
        let mut reader = Reader::default();
        reader.read_line(line);
        let tally = reader.tally;
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
    fn remembers_which_tests_failed_and_why() {
        let mut reader = Reader::default();
        for line in [
            "test other ... FAILED",
            "\u{1b}[41m FAIL \u{1b}[49m src/a.test.ts > it > works",
            "AssertionError: \u{1b}[32mexpected\u{1b}[39m 1 to be 2",
            "",
            "- 2",
            "\u{23af}\u{23af}\u{23af}[1/1]\u{23af}",
            "not of it",
            "---- budget::tests::counts stdout ----",
            "panicked",
            "failures:",
            "    budget::tests::counts",
        ] {
            reader.read_line(line);
        }
        let failures = reader.tally.failures;
        let told: Vec<_> = failures
            .iter()
            .map(|f| (&*f.name, f.details.join("|")))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "src/a.test.ts > it > works",
                    "AssertionError: expected 1 to be 2|- 2".to_owned()
                ),
                ("budget::tests::counts", "panicked".to_owned()),
            ]
        );
    }

    #[test]
    fn reads_what_a_runner_says_of_errors() {
        let script = "echo ' FAIL  a > b' >&2; echo why >&2; echo 1 passed, 1 failed";
        let tally = count(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((tally.passed, tally.failed), (1, 1));
        assert_eq!(tally.failures[0].details, ["why"]);
    }

    #[test]
    fn a_runner_that_dies_counts_as_a_failure() {
        let tally = count(Command::new("sh").args(["-c", "echo 2 passed, 0 failed; exit 3"]));
        let tally = tally.unwrap();
        assert_eq!((tally.passed, tally.failed), (2, 1));
        assert_eq!(tally.failures[0].name, "sh ended with exit status: 3");
        assert_eq!(tally.failures[0].details, ["2 passed, 0 failed"]);
    }
}
