//! `gen`: the files that are made from the table of system calls.
//!
//! | file | for |
//! |---|---|
//! | `sdk/src/generated/abi.ts` | names and numbers for the hosts |
//! | `docs/linux-coverage.md` | readers: which calls there are |
//! | `docs/wali-coverage.md` | readers: which of them programs for WALI have |

mod typescript;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::tree;

/// Writes the generated files, or with `only_check` compares them.
///
/// # Errors
/// A file is out of date (when checking) or cannot be written.
pub(crate) fn generate(only_check: bool) -> Result<()> {
    let mut coverage = String::new();
    abi::coverage::write_page(&mut coverage).context("cannot write the coverage page")?;
    let mut wali = String::new();
    abi::wali::coverage::write_page(&mut wali).context("cannot write the page for WALI")?;
    let files = [
        ("sdk/src/generated/abi.ts", typescript::page()),
        ("docs/linux-coverage.md", coverage),
        ("docs/wali-coverage.md", wali),
    ];
    for (name, contents) in files {
        update(&tree::root().join(name), name, &contents, only_check)?;
    }
    Ok(())
}

fn update(path: &Path, name: &str, contents: &str, only_check: bool) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == contents) {
        return Ok(());
    }
    if only_check {
        bail!("{name} is out of date: run `cargo xtask gen`");
    }
    eprintln!("shoal: writing {name}");
    tree::write(path, contents)
}
