//! Compilers that can build Rust's standard library for WebAssembly.
//!
//! Debian's can (`RUSTC_BOOTSTRAP`), and so can a nightly of rustup with `rust-src`.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::output;

/// A compiler that can build the standard library.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// Debian's packages `rustc-web`, `cargo-web` and `rust-web-src`.
    Debian,
    /// A nightly of rustup with the component `rust-src`.
    Nightly,
}

impl Toolchain {
    /// The first that is complete.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find() -> Result<Self> {
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
    pub(crate) fn cargo(&self) -> Command {
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
