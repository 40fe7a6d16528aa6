//! Tests of interleavings: loom explores them, Miri watches memory.

use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, run, step};
use crate::tree;

/// Explores the wake-up protocol of the executor.
///
/// # Errors
/// When loom finds an interleaving that breaks it.
pub(crate) fn loom() -> Result<()> {
    step("loom: executor", || run(&mut loom_tests()))
}

/// The executor's models, optimised: loom runs each many thousand times.
pub(crate) fn loom_tests() -> Command {
    let mut command = cargo();
    command
        .args(["test", "--quiet", "--package", "executor", "--release"])
        .args(["--test", "loom_*", "--target-dir"])
        .arg(tree::target().join("loom"))
        .env("RUSTFLAGS", "--cfg loom");
    command
}

/// Runs the executor's tests under Miri, with many thread orders.
///
/// # Errors
/// When Miri is missing (`rustup component add miri --toolchain nightly`) or finds fault.
pub(crate) fn miri() -> Result<()> {
    step("Miri: executor", || {
        run(Command::new("cargo")
            .args(["+nightly", "miri", "test", "--package", "executor"])
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("MIRIFLAGS", "-Zmiri-many-seeds=0..8")
            .current_dir(tree::root()))
    })
}
