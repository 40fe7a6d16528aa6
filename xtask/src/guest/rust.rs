//! cargo for the guest: Rust programs with the standard library, on the guest's libc.
//!
//! - [`cargo`]: `./shoal cargo`
//! - [`tests`]: the programs of `tests/rust`
//!
//! The target is `guest/rust/wasm32-linux-musl.json`, the standard library is built along, and
//! `guest/rust/rustc` gives the crates that know C's types those of the guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::run;
use super::fingerprint::Fingerprint;
use super::step::step;
use super::sysroot::{self, Sysroot};
use super::{out, root};
use crate::toolchain::Toolchain;

/// The target's name, as cargo knows it from its file.
const TARGET: &str = "wasm32-linux-musl";

/// cargo, set up to build for the guest; its arguments are for the caller to add.
///
/// # Errors
/// The sysroot cannot be built, or no toolchain is complete.
pub(super) fn cargo() -> Result<Command> {
    let sysroot = sysroot::build()?;
    let recipes = root().join("guest/rust");
    let libraries = libraries(&sysroot, &recipes)?;
    let name = TARGET.replace('-', "_");
    let of_target = |what: &str| format!("CARGO_TARGET_{}_{what}", name.to_uppercase());
    let mut cargo = Toolchain::find()?.cargo();
    cargo
        .args(["-Zjson-target-spec", "-Zbuild-std=std,panic_abort"])
        .env("CARGO_BUILD_TARGET", recipes.join(format!("{TARGET}.json")))
        .env(of_target("LINKER"), sysroot.cc())
        .env(
            of_target("RUSTFLAGS"),
            format!("-Lnative={}", libraries.display()),
        )
        .env("RUSTC_WRAPPER", recipes.join("rustc"))
        .env("SHOAL_RUST_CACHE", out().join("rust/crates"))
        // Nothing unwinds, whatever a package asks for.
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_DEV_PANIC", "abort")
        // For crates that compile C.
        .env(format!("CC_{name}"), sysroot.cc())
        .env(format!("AR_{name}"), sysroot.tool("ar"));
    Ok(cargo)
}

/// The folder of what the standard library links with besides libc.
fn libraries(sysroot: &Sysroot, recipes: &Path) -> Result<PathBuf> {
    let folder = out().join("rust/lib");
    let source = recipes.join("unwind.c");
    let print = sysroot.print.with(Fingerprint::new().path(&source)?);
    step("libunwind", print, || {
        fs::create_dir_all(&folder).context("cannot make the folder of libraries")?;
        let object = folder.join("unwind.o");
        run(Command::new(sysroot.cc())
            .args(["-O2", "-c", "-o"])
            .args([&object, &source]))?;
        run(Command::new(sysroot.tool("ar"))
            .arg("rcs")
            .args([&folder.join("libunwind.a"), &object]))
    })?;
    Ok(folder)
}

/// Programs of crates.io that are built as they are, and their versions.
const INSTALLED: &[(&str, &str)] = &[("fsx", "0.3.2"), ("ripgrep", "15.2.0")];

/// Builds the programs of `tests/rust` in `target/guest/rust`: `bin/` has those for a pod, `native/`
/// what is compared with them.
///
/// # Errors
/// As for [`cargo`]; or one does not compile, or cannot be had.
pub(super) fn tests() -> Result<()> {
    let sysroot = sysroot::build()?;
    let folder = out().join("rust");
    let program = root().join("tests/rust/program");
    let print = sysroot
        .print
        .bytes(include_bytes!("rust.rs"))
        .with(Fingerprint::new().path(&root().join("guest/rust"))?);
    for (name, version) in INSTALLED {
        step(name, print.bytes(version.as_bytes()), || {
            run(cargo()?
                .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
                .env("CARGO_PROFILE_RELEASE_STRIP", "true")
                .args(["install", "--quiet", "--locked", "--force", "--no-track"])
                .args(["--version", version, "--root"])
                .arg(&folder)
                .arg("--target-dir")
                .arg(folder.join("build"))
                .arg(name))
        })?;
    }
    step("std-test", print.path(&program)?, || {
        let manifest = program.join("Cargo.toml");
        let build = |cargo: &mut Command, target: &Path| {
            run(cargo
                .args(["build", "--quiet", "--release", "--manifest-path"])
                .arg(&manifest)
                .arg("--target-dir")
                .arg(target))
        };
        build(&mut cargo()?, &folder.join("build"))?;
        let mut native = crate::command::cargo();
        native.env("CARGO_PROFILE_RELEASE_PANIC", "abort");
        build(&mut native, &folder.join("native-build"))?;
        let install = |from: &str, to: &str| {
            let to = folder.join(to);
            fs::create_dir_all(&to)?;
            fs::copy(
                folder.join(from).join("release/std-test"),
                to.join("std-test"),
            )
        };
        install(&format!("build/{TARGET}"), "bin")
            .and_then(|_| install("native-build", "native"))
            .context("cannot install std-test")?;
        Ok(())
    })
}
