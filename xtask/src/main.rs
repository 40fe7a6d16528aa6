//! The tasks of this repository: check, build, run, test, bench (`cargo xtask help`).
//!
//! One file per task. `./shoal` installs what the machine lacks and then hands over to this program;
//! whoever has everything installed may call `cargo xtask` itself.
//!
//! - [`check`], [`tidy`], [`generate`]: what a commit must pass
//! - [`build`]: the kernel, the SDK, the guests' toolchain and programs
//! - [`guest`], [`image`]: the guests' C library, programs and root image; images of folders
//! - [`pod`], [`mod@test`], [`mod@bench`], [`race`]: use what was built
//! - [`mounted`]: suites of others on our file system, mounted on this machine
//! - [`fuzz`]: random tests with large numbers
//! - [`command`], [`tally`], [`node`], [`tree`]: running programs, counting tests, Node, places
//! - [`toolchain`]: Rust compilers for WebAssembly

#![forbid(unsafe_code)]

mod bench;
mod build;
mod check;
mod command;
mod fuzz;
mod generate;
mod guest;
mod image;
mod mounted;
mod node;
mod pod;
mod race;
mod tally;
mod test;
mod tidy;
mod toolchain;
mod tree;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "shoal", about = "Builds, runs and tests Shoal", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Boot a pod in Node and run a program in it, with this terminal
    #[command(disable_help_flag = true)]
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Serve the page with a terminal
    Web {
        #[arg(long, default_value_t = 5173)]
        port: u16,
        /// Without the COOP and COEP headers: one Worker, no shared memory
        #[arg(long)]
        no_isolation: bool,
    },
    /// Build a part, or everything
    Build {
        #[arg(value_enum, default_value_t)]
        part: build::Part,
    },
    /// Compile C for a guest: the arguments of clang
    #[command(disable_help_flag = true)]
    Cc {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build Rust programs for a guest: the arguments of cargo
    #[command(disable_help_flag = true)]
    Cargo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Make, split, inspect and check file system images
    #[command(disable_help_flag = true)]
    Image {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run tests and count them
    Test {
        #[arg(value_enum, default_value_t)]
        suite: test::Suite,
    },
    /// Keep what Linux answers to the programs of tests/guest here as what pods have to answer
    Record {
        /// Rather how the test suites of bash and of coreutils end here
        #[arg(long)]
        suites: bool,
        /// Rather how the cases of tests/posix end here, for root
        #[arg(long, conflicts_with = "suites")]
        posix: bool,
        /// Rather how the tests of pjdfstest end on Linux's ext2, for root
        #[arg(long, conflicts_with_all = ["suites", "posix"])]
        mounted: bool,
    },
    /// Measure, beside native Linux
    Bench(bench::Options),
    /// All that a commit must pass
    Check,
    /// Layers, file headers and sizes, unsafe code, registry hosts
    Tidy,
    /// Write the files that are made from the table of system calls
    Gen {
        /// Fail when a file is out of date, write nothing
        #[arg(long)]
        check: bool,
    },
    /// Make random system calls, or load random modules, in large numbers
    Fuzz(fuzz::Options),
    /// Run the executor's tests under Miri (needs a nightly with it)
    Miri,
    /// Explore the executor's wake-up protocol under loom
    Loom,
}

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os("SHOAL_CWD")
        && let Err(error) = std::env::set_current_dir(folder)
    {
        eprintln!("shoal: cannot return to the caller's folder: {error}");
    }
    let result = match raw_arguments() {
        Some((Raw::Run, arguments)) => pod::run(&arguments),
        Some((Raw::Cc, arguments)) => guest::cc(arguments),
        Some((Raw::Cargo, arguments)) => guest::cargo(arguments),
        None => perform(Arguments::parse().task),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("shoal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tasks that hand their arguments on.
enum Raw {
    Run,
    Cc,
    Cargo,
}

/// The arguments of `run`, `cc` and `cargo` exactly as given: the pod's command line and the compilers read
/// them, `--` and `--help` included.
fn raw_arguments() -> Option<(Raw, Vec<OsString>)> {
    let mut arguments = std::env::args_os().skip(1);
    let task = match arguments.next()?.to_str()? {
        "run" => Raw::Run,
        "cc" => Raw::Cc,
        "cargo" => Raw::Cargo,
        _ => return None,
    };
    Some((task, arguments.collect()))
}

fn perform(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run { arguments } => return pod::run(&arguments),
        Task::Web { port, no_isolation } => pod::web(port, no_isolation)?,
        Task::Build { part } => build::build(part)?,
        Task::Cc { arguments } => return guest::cc(arguments),
        Task::Cargo { arguments } => return guest::cargo(arguments),
        Task::Image { arguments } => return image::image(&arguments),
        Task::Test { suite } => return test::test(suite),
        Task::Record { posix: true, .. } => guest::record_posix()?,
        Task::Record { mounted: true, .. } => mounted::record()?,
        Task::Record { suites: true, .. } => test::record_suites()?,
        Task::Record { .. } => guest::record()?,
        Task::Bench(options) => bench::bench(&options)?,
        Task::Check => check::check()?,
        Task::Tidy => tidy::tidy()?,
        Task::Gen { check } => generate::generate(check)?,
        Task::Fuzz(options) => fuzz::fuzz(&options)?,
        Task::Miri => race::miri()?,
        Task::Loom => race::loom()?,
    }
    Ok(ExitCode::SUCCESS)
}
