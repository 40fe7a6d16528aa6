//! The kernel as WebAssembly, twice: `target/kernel/shoal_kernel.wasm` for a pool of Workers that
//! share its memory, `shoal_kernel_solo.wasm` for one Worker with a memory of its own.
//!
//! Threads on `wasm32-unknown-unknown` need a standard library with atomics, which nobody ships:
//! it is built here from its sources. Debian ships none without atomics for this compiler either.
//!
//! `shoal_fork.wasm` is the loader's pass for programs that fork, `shoal_wali.wasm` that for WALI, which both
//! kernels' hosts load when the first such program comes. `shoal_disk.wasm` is the disk Worker's. They are built as the
//! solo kernel is, in the same folder.
//!
//! # What a Worker has to do with the module
//! Both import their memory as `env.memory`. In the pool the first instance runs on the module's own
//! stack. Each later one, before any other call, sets `__stack_pointer` to the end of a stack of its
//! own. Each calls `__wasm_init_tls` with a block of `__tls_size` bytes aligned to `__tls_align`. The
//! solo module has one instance, whose thread-locals are plain statics: nothing is to be done.
//!
//! # References
//! The WebAssembly tool conventions, `Linking.md`, "Thread Local Storage".

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow};

use super::order;
use crate::command::{run_logged, step};
use crate::toolchain::Toolchain;
use crate::tree::{modified, root, target};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// The most memory the kernel may have, in bytes: a host's `Memory` must not ask for more.
const MAX_MEMORY: u32 = 1 << 31;

/// The stack of the first instance, in bytes.
const STACK: u32 = 1 << 20;

/// What the host needs to set up a thread.
const THREAD_EXPORTS: &[&str] = &[
    "__stack_pointer",
    "__tls_base",
    "__tls_size",
    "__tls_align",
    "__wasm_init_tls",
];

/// One of the two kernels; the crates are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// Several Workers, one shared memory, atomics.
    Pool,
    /// One Worker, a private memory.
    Solo,
    /// No kernel: the pass for fork.
    Fork,
    /// No kernel: the pass for WALI.
    Wali,
    /// No kernel: a disk with its changes.
    Disk,
}

impl Variant {
    /// The module's name beside the other.
    const fn file(self) -> &'static str {
        match self {
            Self::Pool => "shoal_kernel.wasm",
            Self::Solo => "shoal_kernel_solo.wasm",
            Self::Fork => "shoal_fork.wasm",
            Self::Wali => "shoal_wali.wasm",
            Self::Disk => "shoal_disk.wasm",
        }
    }

    /// The name of its profile.
    const fn profile(self) -> &'static str {
        match self {
            Self::Pool => "kernel",
            Self::Solo => "kernel-solo",
            Self::Fork | Self::Wali => "kernel-pass",
            Self::Disk => "kernel-disk",
        }
    }

    /// The crate that it is made of, and cargo's name of the result.
    const fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::Pool | Self::Solo => ("jspi-glue", "jspi_glue.wasm"),
            Self::Fork => ("jspi-glue-fork", "jspi_glue_fork.wasm"),
            Self::Wali => ("jspi-glue-wali", "jspi_glue_wali.wasm"),
            Self::Disk => ("jspi-glue-disk", "jspi_glue_disk.wasm"),
        }
    }

    /// What is built for it lies here: the standard libraries of the two differ as well.
    fn folder(self) -> PathBuf {
        target().join(match self {
            Self::Pool => "kernel-build",
            Self::Solo | Self::Fork | Self::Wali | Self::Disk => "kernel-build-solo",
        })
    }
}

/// The compiler's flags.
fn rustflags(variant: Variant) -> String {
    let features = match variant {
        Variant::Pool => "+atomics,+bulk-memory,+mutable-globals",
        Variant::Solo | Variant::Fork | Variant::Wali | Variant::Disk => {
            "+bulk-memory,+mutable-globals"
        }
    };
    // `{:?}` names a variant and leaves its fields out: most of that code is nobody's reading.
    let mut flags = vec![
        format!("-Ctarget-feature={features}"),
        "-Zfmt-debug=shallow".to_owned(),
        // A panic is a trap: the host says that it was one, and where in the module. Texts and places of
        // panics are 20 KB over the wire.
        "-Zlocation-detail=none".to_owned(),
        "-Cpanic=immediate-abort".to_owned(),
        "-Zunstable-options".to_owned(),
    ];
    let mut link = |argument: String| flags.push(format!("-Clink-arg={argument}"));
    if variant == Variant::Pool {
        link("--shared-memory".to_owned());
        THREAD_EXPORTS
            .iter()
            .for_each(|name| link(format!("--export={name}")));
    }
    // Indices as short as they can be: the linker would leave five bytes for each.
    link("--compress-relocations".to_owned());
    link("--import-memory".to_owned());
    link(format!("--max-memory={MAX_MEMORY}"));
    link("-zstack-size=".to_owned() + &STACK.to_string());
    // The host puts guests' functions into the table.
    link("--export-table".to_owned());
    link("--growable-table".to_owned());
    flags.join(" ")
}

/// Builds the kernels if a source of them changed.
///
/// Both at once: the end of each, where most of the time goes, is one thread's work.
///
/// # Errors
/// When no toolchain is complete or compilation fails.
pub(super) fn build() -> Result<()> {
    step("build the kernels", || {
        let toolchain = Toolchain::find()?;
        std::thread::scope(|scope| {
            let solo = scope.spawn(|| {
                build_variant(&toolchain, Variant::Solo)?;
                build_variant(&toolchain, Variant::Fork)?;
                build_variant(&toolchain, Variant::Wali)?;
                build_variant(&toolchain, Variant::Disk)
            });
            let pool = build_variant(&toolchain, Variant::Pool);
            let solo = solo.join().map_err(|_| anyhow!("the build has panicked"));
            pool.and(solo.flatten())
        })
    })
}

fn build_variant(toolchain: &Toolchain, variant: Variant) -> Result<()> {
    let folder = variant.folder();
    let (package, file) = variant.package();
    let mut cargo = toolchain.cargo();
    // The crate is an `rlib` too, which native tests need and which would switch LTO off.
    cargo
        .args(["rustc", "--quiet", "--package", package, "--lib"])
        .args(["--crate-type", "cdylib", "--profile", variant.profile()])
        .args(["--target", TRIPLE, "-Zbuild-std=std,panic_abort"])
        // No backtraces: these crates would take a third of the time.
        .arg("-Zbuild-std-features=optimize_for_size")
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", rustflags(variant))
        .current_dir(root());
    run_logged(file.trim_end_matches(".wasm"), &mut cargo)?;
    let module = folder.join(TRIPLE).join(variant.profile()).join(file);
    install(&module, variant)
}

/// What the modules may contain, for `wasm-opt`: what the compiler's baseline has.
const FEATURES: &[&str] = &[
    "--enable-threads",
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
];

/// Puts the module where the hosts look for it, unless it is there already: a fiftieth smaller by `wasm-opt`, and
/// sorted for compression.
fn install(module: &Path, variant: Variant) -> Result<()> {
    let place: PathBuf = target().join("kernel").join(variant.file());
    if modified(&place) >= modified(module) && place.exists() {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut optimize = Command::new("wasm-opt");
    optimize.args(["-O1", "--strip-producers"]).args(FEATURES);
    // Whoever looks for a function by its name: it would name all functions of a module without names, too.
    if std::env::var_os("CARGO_PROFILE_KERNEL_STRIP").is_some() {
        optimize.arg("--debuginfo");
    }
    let optimized = module.with_extension("optimized.wasm");
    optimize.arg(module).arg("--output").arg(&optimized);
    run_logged("wasm-opt", &mut optimize)?;
    std::fs::write(&place, order::sort_functions(&std::fs::read(&optimized)?)?)?;
    let size = place.metadata()?.len();
    eprintln!("shoal: {} has {} KiB", variant.file(), size.div_ceil(1024));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_imports_one_shared_memory() {
        let flags = rustflags(Variant::Pool);
        for flag in [
            "+atomics",
            "--shared-memory",
            "--import-memory",
            "--max-memory=2147483648",
            "--export=__wasm_init_tls",
        ] {
            assert!(flags.contains(flag), "{flag}");
        }
    }

    #[test]
    fn one_worker_imports_a_private_memory() {
        let flags = rustflags(Variant::Solo);
        assert!(flags.contains("--import-memory"));
        for flag in ["atomics", "shared", "tls"] {
            assert!(!flags.contains(flag), "{flag}");
        }
    }
}
