//! All that a commit must pass, in the order of what fails fastest; `test` makes the same checks.

use std::process::Stdio;

use anyhow::Result;

use crate::command::{cargo, run, step};
use crate::{generate, node, tidy, tree};

/// The folders with a `tsconfig.json` of their own.
const TYPESCRIPT: [&str; 13] = [
    "sdk",
    "examples/web-demo",
    "tests/bash",
    "tests/bench",
    "tests/browser",
    "tests/busybox",
    "tests/coreutils",
    "tests/guest",
    "tests/node",
    "tests/posix",
    "tests/rust",
    "tests/wasi",
    "tests/wali",
];

/// A check that looks at the sources and runs nothing of them.
pub(crate) struct Check {
    /// What it looks at.
    pub(crate) name: String,
    /// The subcommand of cargo that it needs and that a machine may lack.
    needs: Option<&'static str>,
    work: Box<dyn Fn() -> Result<()>>,
}

impl Check {
    fn new(name: impl Into<String>, work: impl Fn() -> Result<()> + 'static) -> Self {
        Self {
            name: name.into(),
            needs: None,
            work: Box::new(work),
        }
    }

    /// A subcommand of cargo with these arguments.
    fn cargo(
        name: &str,
        subcommand: &'static str,
        arguments: &'static str,
        environment: Option<(&'static str, &'static str)>,
    ) -> Self {
        let work = move || {
            let mut command = cargo();
            command
                .arg(subcommand)
                .args(arguments.split_whitespace())
                .envs(environment);
            run(&mut command)
        };
        Self {
            // Every compiler has rustdoc.
            needs: (subcommand != "doc").then_some(subcommand),
            ..Self::new(name, work)
        }
    }

    /// The tool that is missing here, if one is.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        self.needs.filter(|subcommand| {
            let mut command = cargo();
            command
                .args([subcommand, "--version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            !command.status().is_ok_and(|status| status.success())
        })
    }

    /// Makes the check.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn run(&self) -> Result<()> {
        (self.work)()
    }
}

/// The checks of Rust, and of the tree.
pub(crate) fn rust() -> Vec<Check> {
    vec![
        Check::cargo("formatting", "fmt", "--all --check", None),
        Check::new("tidy", tidy::tidy),
        Check::new("generated files", || generate::generate(true)),
        Check::cargo(
            "clippy",
            "clippy",
            "--quiet --workspace --all-targets -- -D warnings",
            None,
        ),
        Check::cargo(
            "documentation",
            "doc",
            "--quiet --workspace --no-deps --document-private-items",
            Some((
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            )),
        ),
        Check::cargo(
            "licences and duplicates",
            "deny",
            "--log-level error check licenses bans sources",
            None,
        ),
    ]
}

/// The checks of the TypeScript workspaces; they need the SDK as it is built.
pub(crate) fn typescript() -> Vec<Check> {
    let types = TYPESCRIPT.into_iter().filter_map(|workspace| {
        let project = tree::root().join(workspace).join("tsconfig.json");
        project.exists().then(|| {
            Check::new(format!("types of {workspace}"), move || {
                run(node::command("tsc")?.args(["--noEmit", "--project", workspace]))
            })
        })
    });
    let style = Check::new("TypeScript style", || {
        run(node::command("biome")?.args(["check", "--error-on-warnings"]))
    });
    types.chain([style]).collect()
}

/// Formats, lints, tests and documents; stops at the first step that fails.
///
/// # Errors
/// The step that failed.
pub(crate) fn check() -> Result<()> {
    for check in rust() {
        match check.missing() {
            Some(tool) => eprintln!("shoal: {}: left out, there is no cargo {tool}", check.name),
            None => step(&check.name, || check.run())?,
        }
    }
    step("unit tests", || {
        run(cargo().args(["test", "--quiet", "--workspace"]))
    })?;
    for check in typescript() {
        step(&check.name, || check.run())?;
    }
    Ok(())
}
