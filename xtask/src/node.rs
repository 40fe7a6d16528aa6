//! Node 26 and the npm packages of the workspaces.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tree::root;

/// The first version of Node with JSPI switched on.
const NODE_MAJOR: &str = "26";

/// The folder with Node's program, from the npm package for this machine.
///
/// # Errors
/// When `npm install` did not bring it.
pub(crate) fn folder() -> Result<PathBuf> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!("no Node {NODE_MAJOR} package for {other}"),
    };
    let folder = root().join(format!("node_modules/node-linux-{machine}/bin"));
    if !folder.join("node").is_file() {
        bail!(
            "Node {NODE_MAJOR} is not in {}: run `./shoal`, or `npm install`",
            folder.display()
        );
    }
    Ok(folder)
}

/// A command that finds Node 26 and the tools of `node_modules` first.
///
/// # Errors
/// Those of [`folder`].
pub(crate) fn command(program: &str) -> Result<Command> {
    let mut folders = vec![folder()?, root().join("node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let path: OsString = std::env::join_paths(&folders).context("PATH")?;
    let mut command = Command::new(
        folders
            .iter()
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
            .with_context(|| format!("{program} is not installed: run `npm install`"))?,
    );
    command.env("PATH", path).current_dir(root());
    Ok(command)
}

/// Node itself.
///
/// # Errors
/// Those of [`folder`].
pub(crate) fn node() -> Result<Command> {
    command("node")
}

/// Whether a workspace is there and its `package.json` has a script of that name.
pub(crate) fn has_script(workspace: &str, script: &str) -> bool {
    std::fs::read_to_string(root().join(workspace).join("package.json"))
        .is_ok_and(|text| text.contains(&format!("\"{script}\":")))
}

/// `npm run SCRIPT` in a workspace.
///
/// # Errors
/// Those of [`folder`].
pub(crate) fn script(workspace: &str, script: &str) -> Result<Command> {
    let mut command = command("npm")?;
    command
        .args(["run", "--silent", script])
        .current_dir(root().join(workspace));
    Ok(command)
}
