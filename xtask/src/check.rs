//! All that a commit must pass, in the order of what fails fastest.

use anyhow::Result;

use crate::command::{cargo, is_installed, run, step};
use crate::{generate, node, tidy};

/// Formats, lints, tests and documents; stops at the first step that fails.
///
/// # Errors
/// The step that failed.
pub(crate) fn check() -> Result<()> {
    step("formatting", || {
        run(cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("tidy", tidy::tidy)?;
    step("generated files", || generate::generate(true))?;
    step("clippy", || {
        run(cargo().args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("unit tests", || {
        run(cargo().args(["test", "--quiet", "--workspace"]))
    })?;
    step("documentation", || {
        run(cargo()
            .args([
                "doc",
                "--quiet",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            ))
    })?;
    if is_installed("cargo-deny") {
        step("licences and duplicates", || {
            run(cargo().args(["deny", "--log-level", "error", "check", "licenses", "bans"]))
        })?;
    }
    typescript()
}

/// Types and style of the TypeScript workspaces.
fn typescript() -> Result<()> {
    for workspace in [
        "sdk",
        "examples/web-demo",
        "tests/bench",
        "tests/browser",
        "tests/busybox",
        "tests/guest",
        "tests/node",
    ] {
        if crate::tree::root()
            .join(workspace)
            .join("tsconfig.json")
            .exists()
        {
            step(&format!("types of {workspace}"), || {
                run(node::command("tsc")?.args(["--noEmit", "--project", workspace]))
            })?;
        }
    }
    step("TypeScript style", || {
        run(node::command("biome")?.args(["check", "--error-on-warnings"]))
    })
}
