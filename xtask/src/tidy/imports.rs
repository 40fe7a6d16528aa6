//! The order of `use` lines: the standard library, other crates, this crate.

use std::path::Path;

use super::Findings;

/// The place of an import's first name in that order.
fn rank(import: &str) -> u8 {
    let first = import
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .next();
    match first {
        Some("std" | "core" | "alloc") => 0,
        Some("crate" | "self" | "super") => 2,
        _ => 1,
    }
}

/// Checks the private imports at the top level of a Rust file; those under a `cfg` are free.
pub(super) fn check(name: &Path, text: &str, findings: &mut Findings) {
    let mut last = 0;
    let mut above = "";
    for (number, line) in (1_u32..).zip(text.lines()) {
        let is_conditional = above.starts_with("#[cfg");
        above = line;
        let import = line.strip_prefix("use ").filter(|_| !is_conditional);
        let Some(import) = import else { continue };
        let rank = rank(import);
        if rank < last {
            let wanted = "the order is std, other crates, this crate";
            findings.fault(format!("{}:{number}: {wanted}", name.display()));
        }
        last = rank;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> usize {
        let mut findings = Findings::default();
        check(Path::new("a.rs"), text, &mut findings);
        findings.faults.len()
    }

    #[test]
    fn groups_come_in_order() {
        assert_eq!(
            faults("use std::fmt;\n\nuse slab::Slab;\n\nuse crate::a;\nuse super::b;\n"),
            0
        );
        assert_eq!(faults("use slab::Slab;\nuse std::fmt;\n"), 1);
        assert_eq!(faults("use crate::a;\nuse abi::Errno;\n"), 1);
    }
}
