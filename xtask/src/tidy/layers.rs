//! Which crate may use which: imports go down only.

use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::Findings;

/// Every crate of ours, from the top down, and the crates of ours that it may use.
///
/// Dependencies of tests are free: a low crate's tests may use a high one.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "tools-fuse",
        &[
            "kernel",
            "fs",
            "fs-ext2",
            "fs-block",
            "executor",
            "syscalls-abi",
        ],
    ),
    (
        "tools-mkimage",
        &["fs-check", "fs-image", "fs-ext2", "fs-block"],
    ),
    ("xtask", &["syscalls-abi", "fs-ext2", "fs-block"]),
    (
        "jspi-glue",
        &[
            "syscalls",
            "kernel",
            "kernel-loader",
            "fs",
            "fs-ext2",
            "fs-block",
            "executor",
            "syscalls-abi",
        ],
    ),
    (
        "jspi-glue-disk",
        &["fs-image", "fs-overlay", "fs-block", "executor"],
    ),
    ("jspi-glue-fork", &["jspi-glue-pass", "kernel-loader"]),
    ("jspi-glue-wali", &["jspi-glue-pass", "kernel-loader"]),
    ("jspi-glue-pass", &[]),
    (
        "syscalls",
        &["kernel", "net", "fs", "executor", "syscalls-abi"],
    ),
    (
        "kernel",
        &["kernel-loader", "net", "fs", "executor", "syscalls-abi"],
    ),
    ("kernel-loader", &["syscalls-abi"]),
    ("net", &["fs", "executor", "syscalls-abi"]),
    ("fs", &["fs-ext2", "fs-block", "executor", "syscalls-abi"]),
    ("fs-check", &["fs-block"]),
    ("fs-ext2", &["fs-block", "syscalls-abi"]),
    ("fs-image", &["fs-block"]),
    ("fs-overlay", &["fs-block"]),
    ("fs-block", &[]),
    ("executor", &[]),
    ("syscalls-abi", &[]),
];

/// Crates with JavaScript's types, and the only crate that may name them.
const JAVASCRIPT: (&[&str], &str) = (
    &["wasm-bindgen", "wasm-bindgen-futures", "js-sys", "web-sys"],
    "jspi-glue",
);

/// The only crates with unsafe code: the kernel's module, and those that it loads when it has to.
const UNSAFE_CRATES: &[&str] = &[
    "jspi-glue",
    "jspi-glue-disk",
    "jspi-glue-pass",
    "jspi-glue-fork",
    "jspi-glue-wali",
];

/// Checks the graph of the workspace's crates, and that each forbids unsafe code.
///
/// # Errors
/// When cargo cannot read the workspace.
pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .current_dir(crate::tree::root())
        .exec()
        .context("cannot read the workspace")?;
    let ours: Vec<_> = metadata.workspace_packages();
    for package in &ours {
        check_edges(package, &ours, findings);
        check_roots(package, findings);
    }
    Ok(())
}

fn check_edges(package: &Package, ours: &[&Package], findings: &mut Findings) {
    let name = package.name.as_str();
    let allowed = LAYERS
        .iter()
        .find(|(layer, _)| *layer == name)
        .map(|(_, allowed)| *allowed);
    if allowed.is_none() {
        findings.fault(format!(
            "crate {name} has no row in LAYERS (xtask/src/tidy/layers.rs)"
        ));
    }
    for dependency in &package.dependencies {
        if dependency.kind == DependencyKind::Development {
            continue;
        }
        let used = dependency.name.as_str();
        let is_ours = ours.iter().any(|other| other.name.as_str() == used);
        if is_ours && !allowed.unwrap_or_default().contains(&used) {
            findings.fault(format!(
                "crate {name} may not use {used}: imports go down only"
            ));
        }
        if JAVASCRIPT.0.contains(&used) && name != JAVASCRIPT.1 {
            findings.fault(format!(
                "crate {name} uses {used}: only {} may",
                JAVASCRIPT.1
            ));
        }
    }
}

fn check_roots(package: &Package, findings: &mut Findings) {
    let name = package.name.as_str();
    let roots = package.targets.iter().filter(|target| {
        !(target.is_test() || target.is_bench() || target.is_example() || target.is_custom_build())
    });
    for root in roots.filter(|_| !UNSAFE_CRATES.contains(&name)) {
        let path = Path::new(root.src_path.as_str());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if !text.contains("#![forbid(unsafe_code)]") {
            findings.fault(format!("{}: no #![forbid(unsafe_code)]", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_only_lower_rows() {
        for (index, (name, allowed)) in LAYERS.iter().enumerate() {
            for used in *allowed {
                let below = LAYERS[index..]
                    .iter()
                    .skip(1)
                    .any(|(other, _)| other == used);
                assert!(below, "{name} -> {used}");
            }
        }
    }
}
