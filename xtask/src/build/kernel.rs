//! The kernel as a WebAssembly module with shared memory: `target/kernel/shoal_kernel.wasm`.
//!
//! Threads on `wasm32-unknown-unknown` need a standard library with atomics, which nobody ships:
//! it is built here from its sources. Debian's compiler can (`RUSTC_BOOTSTRAP`), and so can a
//! nightly of rustup with `rust-src`.
//!
//! # What a Worker has to do with the module
//! The first instance runs on the module's own stack and thread-locals. Each later one, before
//! any other call, sets `__stack_pointer` to the end of a stack of its own and calls
//! `__wasm_init_tls` with a block of `__tls_size` bytes aligned to `__tls_align`.
//!
//! # References
//! The WebAssembly tool conventions, `Linking.md`, "Thread Local Storage".

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, run_logged, step};
use crate::tree::{modified, root, target};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// The most memory the kernel may have, in bytes: a host's `Memory` must not ask for more.
const MAX_MEMORY: u32 = 1 << 31;

/// The stack of the first instance, in bytes.
const STACK: u32 = 1 << 20;

/// What the host needs to set up a thread, and to put guests' functions into the table.
const EXPORTS: &[&str] = &[
    "__stack_pointer",
    "__tls_base",
    "__tls_size",
    "__tls_align",
    "__wasm_init_tls",
    "__heap_base",
];

/// A compiler that can build the standard library.
#[derive(Debug)]
enum Toolchain {
    /// Debian's packages `rustc-web`, `cargo-web` and `rust-web-src`.
    Debian,
    /// A nightly of rustup with the component `rust-src`.
    Nightly,
}

impl Toolchain {
    /// The first that is complete.
    fn find() -> Result<Self> {
        let source = |sysroot: &Path| sysroot.join("lib/rustlib/src/rust/library/Cargo.lock");
        if Path::new("/usr/bin/rustc").exists() && source(Path::new("/usr")).exists() {
            return Ok(Self::Debian);
        }
        let mut nightly = Command::new("rustc");
        nightly
            .args(["+nightly", "--print", "sysroot"])
            .env_remove("RUSTUP_TOOLCHAIN");
        if let Ok(sysroot) = output(&mut nightly)
            && source(Path::new(&sysroot)).exists()
        {
            return Ok(Self::Nightly);
        }
        bail!(
            "no compiler that can build the standard library: install Debian's rustc-web and \
             rust-web-src, or `rustup toolchain install nightly --component rust-src`"
        )
    }

    /// Its cargo, free of what the calling cargo left in the environment.
    fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Self::Nightly => {
                let mut command = Command::new("cargo");
                command.arg("+nightly").env_remove("RUSTC");
                command
            }
        };
        for name in [
            "RUSTUP_TOOLCHAIN",
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command
    }
}

/// The compiler's flags.
fn rustflags() -> String {
    let mut flags = vec!["-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals".to_owned()];
    let mut link = |argument: String| flags.push(format!("-Clink-arg={argument}"));
    link("--shared-memory".to_owned());
    link("--import-memory".to_owned());
    link(format!("--max-memory={MAX_MEMORY}"));
    link("-zstack-size=".to_owned() + &STACK.to_string());
    link("--export-table".to_owned());
    link("--growable-table".to_owned());
    EXPORTS
        .iter()
        .for_each(|name| link(format!("--export={name}")));
    flags.join(" ")
}

/// Builds the kernel if a source of it changed.
///
/// # Errors
/// When no toolchain is complete or compilation fails.
pub(super) fn build() -> Result<()> {
    step("build the kernel", || {
        let toolchain = Toolchain::find()?;
        let folder = target().join("kernel-build");
        let mut cargo = toolchain.cargo();
        // The crate is an `rlib` too, which native tests need and which would switch LTO off.
        cargo
            .args(["rustc", "--quiet", "--package", "jspi-glue", "--lib"])
            .args(["--crate-type", "cdylib", "--profile", "kernel"])
            .args(["--target", TRIPLE, "-Zbuild-std=std,panic_abort"])
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTFLAGS", rustflags())
            .current_dir(root());
        run_logged("kernel", &mut cargo)?;
        install(&folder.join(TRIPLE).join("kernel/jspi_glue.wasm"))
    })
}

/// Copies the module to where the hosts look for it, unless it is there already.
fn install(module: &Path) -> Result<()> {
    let place: PathBuf = target().join("kernel/shoal_kernel.wasm");
    if modified(&place) >= modified(module) && place.exists() {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let size = std::fs::copy(module, &place)
        .with_context(|| format!("cannot copy {}", module.display()))?;
    eprintln!("shoal: the kernel has {} KiB", size.div_ceil(1024));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_ask_for_one_shared_imported_memory() {
        let flags = rustflags();
        for flag in [
            "+atomics",
            "--shared-memory",
            "--import-memory",
            "--max-memory=2147483648",
        ] {
            assert!(flags.contains(flag), "{flag}");
        }
    }
}
