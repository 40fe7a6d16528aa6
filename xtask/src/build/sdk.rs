//! The npm package `sdk` and the page that uses it.

use anyhow::Result;

use crate::command::{run_logged, step};
use crate::node;

/// Bundles the SDK, then the page, where they are in the tree.
///
/// # Errors
/// When TypeScript or the bundler finds fault.
pub(super) fn build() -> Result<()> {
    for (workspace, log, name) in [
        ("sdk", "sdk", "build the SDK"),
        ("examples/web-demo", "page", "build the page"),
    ] {
        if node::has_script(workspace, "build") {
            step(name, || {
                run_logged(log, &mut node::script(workspace, "build")?)
            })?;
        }
    }
    Ok(())
}
