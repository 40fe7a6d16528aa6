//! Tests of interleavings: loom explores them, Miri watches memory.

use anyhow::Result;

use crate::command::{cargo, run, step};

/// Explores the wake-up protocol of the executor.
///
/// # Errors
/// When loom finds an interleaving that breaks it.
pub(crate) fn loom() -> Result<()> {
    step("loom: executor", || {
        run(cargo()
            .args([
                "test",
                "--quiet",
                "--package",
                "executor",
                "--release",
                "--test",
                "loom",
            ])
            .args(["--target-dir"])
            .arg(crate::tree::target().join("loom"))
            .env("RUSTFLAGS", "--cfg loom"))
    })
}

/// Runs the executor's tests under Miri, with many thread orders.
///
/// # Errors
/// When Miri is missing (`rustup component add miri --toolchain nightly`) or finds fault.
pub(crate) fn miri() -> Result<()> {
    step("Miri: executor", || {
        run(std::process::Command::new("cargo")
            .args(["+nightly", "miri", "test", "--package", "executor"])
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN")
            .env("MIRIFLAGS", "-Zmiri-many-seeds=0..8")
            .current_dir(crate::tree::root()))
    })
}
