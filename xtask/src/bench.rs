//! `bench`: the pod's numbers beside native Linux's, from one run.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::build::{Part, build};
use crate::command::run;
use crate::{guest, node};

/// The workspace that measures.
const WORKSPACE: &str = "tests/bench";

/// Where the pod runs.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Host {
    #[default]
    Node,
    Chromium,
    Firefox,
}

/// What to measure where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Also write the numbers to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// On one Worker without shared memory
    #[arg(long)]
    solo: bool,
    /// The host of the pod
    #[arg(long = "in", value_enum, default_value_t)]
    host: Host,
    /// Only these: a benchmark's or a group's name, `*` stands for anything; may be repeated
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// How often each is measured
    #[arg(long, value_name = "N")]
    tries: Option<u32>,
    /// How many processes sleep at once
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// How many processes run one after the other
    #[arg(long, value_name = "N")]
    churn: Option<u32>,
}

/// Builds everything and measures.
///
/// # Errors
/// When something cannot be built or a measurement fails.
pub(crate) fn bench(options: &Options) -> Result<()> {
    if !node::has_script(WORKSPACE, "bench") {
        bail!("{WORKSPACE} has no script \"bench\"");
    }
    build(Part::All)?;
    guest::roomy_image()?;
    let mut command = node::script(WORKSPACE, "bench")?;
    let host = match options.host {
        Host::Node => "node",
        Host::Chromium => "chromium",
        Host::Firefox => "firefox",
    };
    command.args(["--", "--in", host]);
    if options.solo {
        command.arg("--solo");
    }
    if let Some(file) = &options.json {
        command.arg("--json").arg(std::path::absolute(file)?);
    }
    for pattern in &options.only {
        command.args(["--only", pattern]);
    }
    for (name, value) in [
        ("--tries", options.tries),
        ("--processes", options.processes),
        ("--churn", options.churn),
    ] {
        if let Some(value) = value {
            command.arg(name).arg(value.to_string());
        }
    }
    run(&mut command)
}
