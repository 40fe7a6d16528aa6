//! The sysroot: musl for the guest, the kernel's headers, and the compiler driver.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::command::{output, run};
use super::fingerprint::Fingerprint;
use super::linux_headers::{copy_tree, install};
use super::sources::{clear, fetch};
use super::step::step;
use super::{out, root, stubs};

/// What `configure` would write: musl's configure does not know this machine.
///
/// `-fno-builtin` keeps the compiler from turning `memcpy`'s loop into a call of `memcpy`.
const CONFIG: &str = "\
ARCH = wasm32
srcdir = .
prefix = /
includedir = /include
libdir = /lib
syslibdir = /lib
CFLAGS = -O2 -fno-builtin
CFLAGS_AUTO = -pipe -fno-unwind-tables -fno-asynchronous-unwind-tables -Wno-ignored-attributes
CFLAGS_C99FSE = -std=c99 -nostdinc -ffreestanding
OPTIMIZE_GLOBS = internal/*.c malloc/*.c string/*.c
MALLOC_DIR = mallocng
ADD_CFI = no
AR = llvm-ar-22
RANLIB = llvm-ranlib-22
";

/// Libraries that are part of libc here, and which build scripts link with all the same.
const EMPTY_LIBRARIES: &[&str] = &[
    "m", "pthread", "rt", "crypt", "util", "dl", "resolv", "xnet",
];

/// Tools that read WebAssembly under their usual names, behind the usual prefix.
const TOOLS: &[&str] = &["ar", "ranlib", "nm", "strip", "objcopy", "objdump"];

/// A built sysroot.
pub(super) struct Sysroot {
    /// `bin/`, `include/` and `lib/`.
    pub(super) dir: PathBuf,
    /// Everything that went into it.
    pub(super) print: Fingerprint,
}

impl Sysroot {
    /// The compiler driver.
    pub(super) fn cc(&self) -> PathBuf {
        self.tool("cc")
    }

    /// `bin/wasm32-linux-musl-NAME`.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.dir
            .join("bin")
            .join(format!("wasm32-linux-musl-{name}"))
    }
}

/// Builds the sysroot, or finds it built.
///
/// # Errors
/// A tool or a source is missing, or musl does not compile.
pub(super) fn build() -> Result<Sysroot> {
    let headers = stubs::headers()?;
    let guest = root().join("guest");
    let print = Fingerprint::new()
        .bytes(include_bytes!("sysroot.rs"))
        .bytes(headers.numbers.as_bytes())
        .bytes(headers.imports.as_bytes())
        .path(&guest.join("libc"))?
        .path(&guest.join("toolchain"))?;
    let sysroot = Sysroot {
        dir: out().join("sysroot"),
        print,
    };
    step("sysroot", print, || {
        clear(&sysroot.dir)?;
        install_tools(&sysroot)?;
        let musl = out().join("build/musl");
        unpack(&musl, &headers)?;
        make(&musl, &sysroot)?;
        install(&sysroot.dir.join("include"))?;
        install_libraries(&sysroot)
    })?;
    Ok(sysroot)
}

/// Lays our files and patches over Debian's source in `musl`.
fn unpack(musl: &Path, headers: &stubs::Headers) -> Result<()> {
    clear(musl)?;
    copy_tree(&fetch("musl")?, musl)?;
    let libc = root().join("guest/libc");
    copy_tree(&libc.join("overlay"), musl)?;
    let mut patches = fs::read_dir(libc.join("patches"))
        .context("cannot read the patches")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .context("cannot read the patches")?;
    patches.sort();
    for patch in patches {
        run(Command::new("patch")
            .args(["-p1", "--silent", "--forward", "--input"])
            .arg(&patch)
            .current_dir(musl))?;
    }
    let arch = musl.join("arch/wasm32");
    fs::write(arch.join("bits/syscall.h.in"), &headers.numbers).context("cannot write numbers")?;
    fs::write(arch.join("wasm_syscalls.h"), &headers.imports).context("cannot write imports")
}

/// Compiles libc and the entry objects, and installs them with the headers.
fn make(musl: &Path, sysroot: &Sysroot) -> Result<()> {
    let cc = sysroot.cc();
    let config = format!("{CONFIG}CC = {}\n", cc.display());
    fs::write(musl.join("config.mak"), config).context("cannot write config.mak")?;
    let destination = format!("DESTDIR={}", sysroot.dir.display());
    for goal in ["install-headers", "lib/libc.a"] {
        run(Command::new("make")
            .args(["-s", "-j2", &destination, goal])
            .current_dir(musl))?;
    }
    let lib = sysroot.dir.join("lib");
    fs::create_dir_all(&lib).context("cannot make lib/")?;
    fs::copy(musl.join("lib/libc.a"), lib.join("libc.a")).context("cannot install libc.a")?;
    for name in ["crt1", "crt1-mt"] {
        run(Command::new(&cc)
            .args(["-O2", "-c", "-o"])
            .arg(lib.join(format!("{name}.o")))
            .arg(musl.join(format!("crt/wasm32/{name}.c"))))?;
    }
    Ok(())
}

/// Adds the compiler's own library and the empty ones.
fn install_libraries(sysroot: &Sysroot) -> Result<()> {
    const RUNTIME: &str = "libclang_rt.builtins-wasm32.a";
    let lib = sysroot.dir.join("lib");
    let resources = output(Command::new("clang-22").arg("-print-resource-dir"))?;
    let runtime = Path::new(resources.trim()).join("lib/wasi").join(RUNTIME);
    fs::copy(&runtime, lib.join(RUNTIME))
        .with_context(|| format!("cannot copy {}", runtime.display()))?;
    for name in EMPTY_LIBRARIES {
        fs::write(lib.join(format!("lib{name}.a")), "!<arch>\n")
            .with_context(|| format!("cannot write lib{name}.a"))?;
    }
    Ok(())
}

/// Installs the driver, and LLVM's tools under the names that build scripts look for.
fn install_tools(sysroot: &Sysroot) -> Result<()> {
    let bin = sysroot.dir.join("bin");
    fs::create_dir_all(&bin).context("cannot make bin/")?;
    let driver = root().join("guest/toolchain/wasm32-linux-musl-cc");
    fs::copy(driver, sysroot.cc()).context("cannot install the driver")?;
    for tool in TOOLS {
        symlink(format!("/usr/bin/llvm-{tool}-22"), sysroot.tool(tool))
            .with_context(|| format!("cannot link {tool}"))?;
    }
    Ok(())
}
