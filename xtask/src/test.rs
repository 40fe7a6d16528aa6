//! `test`: every suite, its time and one total.
//!
//! The last line is `N passed, M failed` over all that ran. A suite that fails does not keep the
//! others from running.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::build::{Part, build};
use crate::check::{self, Check};
use crate::command::{cargo, run};
use crate::tally::{Failure, Tally, count};
use crate::{guest, mounted, node, race};

/// Which tests to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// What needs no pod: formatting, lints, types, the crates on this machine, the SDK's own tests
    Unit,
    /// Guest programs in a pod in Node
    Guest,
    /// The pod's file system on this machine, as programs of Linux see it
    Mounted,
    /// The page in Chromium and Firefox
    Browser,
    /// All of them
    #[default]
    All,
}

/// One line of the closing table.
struct Report {
    name: String,
    tally: Tally,
    seconds: f64,
}

#[derive(Default)]
struct Reports(Vec<Report>);

impl Reports {
    /// Runs one suite; an error of its own counts as a failed test.
    fn add(&mut self, name: &str, suite: impl FnOnce() -> Result<Tally>) {
        eprintln!("shoal: test: {name} ...");
        let start = Instant::now();
        let tally = suite().unwrap_or_else(|error| {
            eprintln!("shoal: {name}: {error:#}");
            Tally::one_failed()
        });
        let seconds = start.elapsed().as_secs_f64();
        self.0.push(Report {
            name: name.to_owned(),
            tally,
            seconds,
        });
    }

    /// A check that passes or fails as a whole.
    fn add_check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) {
        self.add(name, || check().map(|()| Tally::one_passed()));
    }

    /// Checks of the sources, each a test; a machine may lack the tool for one.
    fn add_all(&mut self, checks: &[Check]) {
        for check in checks {
            match check.missing() {
                Some(tool) => {
                    eprintln!("shoal: {}: left out, there is no cargo {tool}", check.name);
                }
                None => self.add_check(&check.name, || check.run()),
            }
        }
    }

    /// The `test` script of a workspace, if the tree has it.
    fn add_workspace(&mut self, workspace: &str) {
        if node::has_script(workspace, "test") {
            self.add(workspace, || count(&mut node::script(workspace, "test")?));
        }
    }

    /// Prints the table and the total.
    fn close(self) -> ExitCode {
        let mut total = Tally::default();
        eprintln!();
        for Report {
            name,
            tally,
            seconds,
        } in self.0
        {
            let Tally { passed, failed, .. } = tally;
            eprintln!("shoal: {name:<20} {passed:>5} passed {failed:>4} failed {seconds:>7.1} s");
            total.add(tally);
        }
        // Whoever sees only the end of the output shall know what to look for.
        for Failure { name, details } in &total.failures {
            eprintln!("shoal: FAILED: {name}");
            details.iter().for_each(|line| eprintln!("    {line}"));
        }
        print_total(&total);
        if total.failed == 0 && total.passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one result of this task")]
fn print_total(total: &Tally) {
    println!("{} passed, {} failed", total.passed, total.failed);
}

/// Builds what the suite needs and runs it.
///
/// # Errors
/// When something cannot be built. A failed test is not an error but the exit status.
pub(crate) fn test(suite: Suite) -> Result<ExitCode> {
    let mut reports = Reports::default();
    if matches!(suite, Suite::Unit | Suite::All) {
        reports.add_all(&check::rust());
        reports.add("crates", || {
            count(cargo().args(["test", "--quiet", "--workspace", "--no-fail-fast"]))
        });
    }
    if suite == Suite::All {
        reports.add("interleavings", || count(&mut race::loom_tests()));
        reports.add_check("build", || build(Part::All));
    } else if !matches!(suite, Suite::Unit | Suite::Mounted) {
        build(Part::All)?;
    }
    if matches!(suite, Suite::Unit | Suite::All) {
        reports.add_all(&check::typescript());
        reports.add_workspace("sdk");
    }
    if matches!(suite, Suite::Guest | Suite::All) {
        reports.add_workspace("tests/guest");
        reports.add_check("GNU programs", || build(Part::Suites));
        reports.add_workspace("tests/bash");
        reports.add_workspace("tests/busybox");
        reports.add_workspace("tests/coreutils");
        reports.add_check("POSIX cases", guest::posix);
        reports.add_workspace("tests/posix");
        reports.add_workspace("tests/wasi");
        reports.add_workspace("tests/wali");
        reports.add_workspace("tests/node");
        reports.add_check("Rust programs", guest::rust_tests);
        reports.add_workspace("tests/rust");
    }
    if matches!(suite, Suite::Mounted | Suite::All) {
        match mounted::obstacle() {
            Some(why) => eprintln!("shoal: pjdfstest, fsx: left out, {why}"),
            None => {
                reports.add("pjdfstest", mounted::pjdfstest);
                reports.add("fsx", mounted::fsx);
            }
        }
    }
    if matches!(suite, Suite::Browser | Suite::All) {
        reports.add_workspace("tests/browser");
    }
    if matches!(suite, Suite::Guest | Suite::All) {
        for line in guest::differences()? {
            eprintln!("shoal: Linux here: {line}");
        }
    }
    Ok(reports.close())
}

/// Runs the suites of others on this machine, and keeps how their tests end.
///
/// # Errors
/// When something cannot be built, or a suite does not come to its end.
pub(crate) fn record_suites() -> Result<()> {
    build(Part::All)?;
    guest::native_suites()?;
    for workspace in ["tests/bash", "tests/coreutils"] {
        run(&mut node::script(workspace, "record")?)?;
    }
    Ok(())
}
