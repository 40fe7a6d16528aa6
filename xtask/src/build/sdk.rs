//! The npm package `sdk` and the page that uses it.

use anyhow::Result;

use crate::command::{run, step};
use crate::node;

/// Bundles the SDK, then the page, where they are in the tree.
///
/// # Errors
/// When TypeScript or the bundler finds fault.
pub(super) fn build() -> Result<()> {
    for (workspace, name) in [
        ("sdk", "build the SDK"),
        ("examples/web-demo", "build the page"),
    ] {
        if node::has_script(workspace, "build") {
            step(name, || run(&mut node::script(workspace, "build")?))?;
        }
    }
    Ok(())
}
