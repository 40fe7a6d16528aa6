//! Writes the modules of the memory helpers and of the stack's probe, which are the same for all pods of a build: a kernel that had
//! the code which writes them would be larger.

use std::path::Path;
use std::{env, fs, io};

use kernel_loader::{Copy, MemoryLimits, Sharing, memory_shim, stack_probe};

#[path = "src/limits.rs"]
mod limits;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/limits.rs");
    let features = env::var_os("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let kernel = MemoryLimits {
        min_pages: 1,
        max_pages: Some(limits::MAX_PAGES),
        shared: features
            .to_string_lossy()
            .split(',')
            .any(|feature| feature == "atomics"),
    };
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&folder).join("stack_probe.wasm"), stack_probe())?;
    for (copy, copied_by) in [
        (Copy::MultiMemory, "memories"),
        (Copy::JavaScript, "script"),
    ] {
        for (guest, kind) in [(Sharing::Private, "private"), (Sharing::Shared, "shared")] {
            let file = Path::new(&folder).join(format!("{copied_by}_{kind}.wasm"));
            fs::write(file, memory_shim(copy, kernel, guest))?;
        }
    }
    Ok(())
}
