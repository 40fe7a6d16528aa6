//! `fuzz`: the random tests with large numbers, optimised but with all checks.
//!
//! The tests are `random_calls` of `syscalls`, `mutants` of `kernel/loader`, `damage` of `fs/overlay`,
//! `mutation` and `model` of `fs/ext2` and `verdicts` of `fs/check`, which run in every build with small
//! numbers. A seed that fails gives the same failure again.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::command::{cargo, run, step};
use crate::tree;

/// What is fed with random input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// The system calls, made by several processes and threads
    Calls,
    /// The loader, with broken and made-up modules
    Modules,
    /// The log of local changes, damaged and forged
    Overlay,
    /// The parser of Ext2 images, with broken ones
    Image,
    /// Changes of files on Ext2, beside a model and other readers
    Files,
    /// Our checker of Ext2 images, beside `e2fsck`
    Check,
}

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(value_enum)]
    target: Target,
    /// How many: 10,000,000 calls, 1,000,000 modules or logs, 100,000 images or changes of files,
    /// 10,000 verdicts
    #[arg(long)]
    count: Option<u64>,
    /// The seed to begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Folders with programs of the guests that modules are made from, if they were built.
const PROGRAMS: [&str; 5] = [
    "guest/tests",
    "guest/bench",
    "guest/programs",
    "guest/wasi",
    "wali",
];

/// Runs the tests of `options`.
///
/// # Errors
/// When there are findings: the output names their seeds.
pub(crate) fn fuzz(options: &Options) -> Result<()> {
    let (package, test, count) = match options.target {
        Target::Calls => ("syscalls", "random_calls", 10_000_000),
        Target::Modules => ("kernel-loader", "mutants", 1_000_000),
        Target::Image => ("fs-ext2", "mutation", 100_000),
        Target::Files => ("fs-ext2", "model", 100_000),
        Target::Check => ("fs-check", "verdicts", 10_000),
        Target::Overlay => ("fs-overlay", "damage", 1_000_000),
    };
    let folders = PROGRAMS.map(|name| tree::target().join(name));
    let present = folders.iter().filter(|folder| folder.is_dir());
    let corpus = std::env::join_paths(present)?;
    step(&format!("fuzz: {test}"), || {
        run(cargo()
            .args(["test", "--profile", "fuzz", "--package", package])
            .args(["--test", test, "--", "--nocapture"])
            .env(
                "SHOAL_FUZZ_COUNT",
                options.count.unwrap_or(count).to_string(),
            )
            .env("SHOAL_FUZZ_SEED", options.seed.to_string())
            .env("SHOAL_FUZZ_CORPUS", corpus))
    })
}
