//! The kernel's headers that programs include: `linux/`, `asm-generic/`, `mtd/` and `asm/`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Where the package of the kernel's headers puts them.
const HOST: &str = "/usr/include";

/// Headers of `asm/` that have no generic form.
const OWN: &[(&str, &str)] = &[
    ("auxvec.h", "/* No values of its own. */\n"),
    (
        "byteorder.h",
        "#include <linux/byteorder/little_endian.h>\n",
    ),
    ("sigcontext.h", "#include <signal.h>\n"),
];

/// Copies the machine's headers into `include`, with the generic form of `asm/`.
///
/// # Errors
/// They are not installed, or cannot be copied.
pub(super) fn install(include: &Path) -> Result<()> {
    for folder in ["linux", "asm-generic", "mtd"] {
        copy_tree(&Path::new(HOST).join(folder), &include.join(folder))?;
    }
    let asm = include.join("asm");
    fs::create_dir_all(&asm).context("cannot make asm/")?;
    let generic = include.join("asm-generic");
    for entry in fs::read_dir(&generic).context("cannot read asm-generic/")? {
        let name = entry.context("cannot read asm-generic/")?.file_name();
        let text = match name.to_str() {
            Some("unistd.h") => "#include <bits/syscall.h>\n".to_owned(),
            _ => format!("#include <asm-generic/{}>\n", name.to_string_lossy()),
        };
        fs::write(asm.join(&name), text).context("cannot write asm/")?;
    }
    for (name, text) in OWN {
        fs::write(asm.join(name), text).context("cannot write asm/")?;
    }
    Ok(())
}

/// Copies a folder and all below it; symbolic links are followed.
///
/// # Errors
/// A file cannot be read or written.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot copy {}", from.display());
    fs::create_dir_all(to).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
