//! Steps that are skipped when nothing changed.

use std::fs::{self, File};

use anyhow::{Context as _, Result};

use super::fingerprint::Fingerprint;
use super::out;

/// Runs `build` unless it succeeded before for the same `print`.
///
/// One process at a time builds a step; others wait for it.
///
/// # Errors
/// Those of `build`, and of the stamp's file.
pub(super) fn step(
    name: &str,
    print: Fingerprint,
    build: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamps = out().join("stamps");
    let stamp = stamps.join(name);
    let key = print.text();
    let is_done = || fs::read_to_string(&stamp).is_ok_and(|text| text == key);
    if is_done() {
        return Ok(());
    }
    fs::create_dir_all(&stamps).context("cannot make the folder of stamps")?;
    let lock = File::create(stamps.join(format!("{name}.lock"))).context("cannot make a lock")?;
    lock.lock().context("cannot lock a step")?;
    if is_done() {
        return Ok(());
    }
    eprintln!("building {name}");
    build().with_context(|| format!("cannot build {name}"))?;
    fs::write(&stamp, key).with_context(|| format!("cannot write {}", stamp.display()))
}
