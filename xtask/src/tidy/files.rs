//! Each file by itself: its header, its length and words that do not belong here.

use std::path::Path;

use super::Findings;

/// Lines, without tests, from which a file is remarked on, and from which it is a fault.
const LONG: (usize, usize) = (500, 800);

/// Words that tie the tree to one machine or one registry's host, and where they come from.
const FOREIGN: &[(&str, &str)] = &[
    (concat!("registry.npm", "js.org"), "a registry's host"),
    (concat!("static.crates", ".io"), "a registry's host"),
    (concat!("index.crates", ".io"), "a registry's host"),
    (concat!("deb.debian", ".org"), "a registry's host"),
    (concat!("files.python", "hosted.org"), "a registry's host"),
    (concat!("/tmp", "/wt/"), "a path of one machine"),
    (concat!("/work", "/main"), "a path of one machine"),
    (concat!("/work", "/shared"), "a path of one machine"),
    (concat!("/far", "m/"), "a path of one machine"),
];

/// Checks one file of the tree; `name` is relative to the root.
pub(super) fn check(name: &Path, text: &str, findings: &mut Findings) {
    let shown = name.display();
    for (word, what) in FOREIGN {
        if let Some((before, _)) = text.split_once(word) {
            let line = before.matches('\n').count().saturating_add(1);
            findings.fault(format!("{shown}:{line}: {what}"));
        }
    }
    let extension = name.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("rs") => {
            if !text.starts_with("//!") {
                findings.fault(format!("{shown}: does not begin with a //! header"));
            }
            check_length(name, code_lines(text), findings);
        }
        Some("ts" | "tsx" | "mjs") => check_length(name, text.lines().count(), findings),
        _ => {}
    }
}

fn check_length(name: &Path, lines: usize, findings: &mut Findings) {
    let is_exempt = name
        .iter()
        .any(|part| part == "generated" || part == "tests")
        || name.file_stem().is_some_and(|stem| stem == "tests");
    if is_exempt || lines < LONG.0 {
        return;
    }
    let text = format!("{}: {lines} lines without tests", name.display());
    if lines > LONG.1 {
        findings.fault(text)
    } else {
        findings.remark(text)
    }
}

/// Lines before the tests at the end of a Rust file.
fn code_lines(text: &str) -> usize {
    let code = text
        .split("\n#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    code.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> usize {
        let mut findings = Findings::default();
        check(Path::new(name), text, &mut findings);
        findings.faults.len()
    }

    #[test]
    fn a_rust_file_begins_with_its_header() {
        assert_eq!(faults("a.rs", "//! What it is.\n"), 0);
        assert_eq!(faults("a.rs", "use std::fmt;\n"), 1);
        assert_eq!(faults("a.toml", "a = 1\n"), 0);
    }

    #[test]
    fn only_code_counts_as_length() {
        let code = "//! x\n".repeat(700);
        let tests = format!(
            "{code}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "//\n".repeat(900)
        );
        assert_eq!(faults("a.rs", &tests), 0);
        assert_eq!(faults("a.rs", &"//! x\n".repeat(801)), 1);
        assert_eq!(faults("x/generated/a.ts", &"//\n".repeat(900)), 0);
    }

    #[test]
    fn hosts_of_registries_do_not_belong_here() {
        assert_eq!(faults("a.md", FOREIGN[0].0), 1);
    }
}
