//! `tidy`: the rules of the tree that no compiler checks.
//!
//! - [`layers`]: which crate may use which, and where JavaScript's types may be
//! - [`files`]: headers, lengths, `forbid(unsafe_code)`, words that do not belong here
//! - [`imports`]: the order of `use` lines

mod files;
mod imports;
mod layers;

use anyhow::{Context, Result, bail};

use crate::tree;

/// What was found: faults fail, remarks do not.
#[derive(Debug, Default)]
struct Findings {
    faults: Vec<String>,
    remarks: Vec<String>,
}

impl Findings {
    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

/// Checks the whole tree and prints everything it finds.
///
/// # Errors
/// There is a fault.
pub(crate) fn tidy() -> Result<()> {
    let mut findings = Findings::default();
    layers::check(&mut findings)?;
    for name in tree::files()? {
        let path = tree::root().join(&name);
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        files::check(&name, &text, &mut findings);
        if name.extension().is_some_and(|extension| extension == "rs") {
            imports::check(&name, &text, &mut findings);
        }
    }
    for remark in &findings.remarks {
        eprintln!("tidy: remark: {remark}");
    }
    for fault in &findings.faults {
        eprintln!("tidy: {fault}");
    }
    if !findings.faults.is_empty() {
        bail!("{} faults", findings.faults.len());
    }
    Ok(())
}
