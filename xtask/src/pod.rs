//! Pods: a program in Node with this terminal, or a page with a terminal of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::build::{Part, build};
use crate::command::run as run_command;
use crate::node;
use crate::tree::{root, target};

/// Builds what is out of date, then becomes the command line of the SDK.
///
/// `arguments` go on untouched; so do the terminal, standard input and signals, as the process is
/// replaced. `./shoal run` does the same by itself when nothing needs building.
///
/// # Errors
/// When something cannot be built or Node cannot be started.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    build(Part::All)?;
    let mut command = node::node()?;
    command
        .arg(root().join("sdk/dist/cli.js"))
        .arg("run")
        .args(arguments);
    command.current_dir(std::env::current_dir().context("where is this?")?);
    if std::env::var_os("SHOAL_IMAGE").is_none() {
        command.env("SHOAL_IMAGE", target().join("guest/root.ext2"));
    }
    Err(command.exec()).context("cannot start Node")
}

/// Serves the page until it is interrupted.
///
/// # Errors
/// When something cannot be built or the port is taken.
pub(crate) fn web(port: u16, no_isolation: bool) -> Result<()> {
    build(Part::All)?;
    let mut command = node::script("examples/web-demo", "dev")?;
    command.args(["--", "--port", &port.to_string(), "--strictPort"]);
    if no_isolation {
        command.env("SHOAL_NO_ISOLATION", "1");
    }
    run_command(&mut command)
}
