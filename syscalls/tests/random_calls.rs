//! Guests that make calls at random: whatever they do to each other, the kernel stays consistent.
//!
//! Each round is a pod of its own with a few guests, and everything in it comes of the round's seed.
//! A failing round is named with its seed, and `SHOAL_FUZZ_SEED=SEED SHOAL_FUZZ_COUNT=1` runs it
//! again. `SHOAL_FUZZ_COUNT` is the number of calls; `cargo xtask fuzz calls` makes ten million.

mod common;
mod fuzz;

use std::panic::{AssertUnwindSafe, catch_unwind};

use abi::table::SYSCALLS;
use fuzz::round::{CALLS_PER_ROUND, round};
use fuzz::tally::Tally;
use fuzz::watch::Watch;

/// Calls without a setting.
const DEFAULT_COUNT: u64 = 30_000;
/// After so many failing rounds there is enough to do.
const MAX_FINDINGS: usize = 50;
/// From so many calls on every row has to succeed at least once.
const MANY: u64 = 1_000_000;

/// Rows that a guest cannot come back from with a result.
const NEVER_RETURN: [&str; 7] = [
    "exit",
    "exit_group",
    "execve",
    "execveat",
    "rt_sigreturn",
    // It waits for a handler.
    "pause",
    "rt_sigsuspend",
];

/// Rows that only fail, as their notes in the table say.
const ALWAYS_FAIL: [&str; 2] = [
    // fork(2) is the shim's: the rounds fork by its steps.
    "fork",
    "clock_settime64",
];

#[test]
fn random_calls_leave_a_consistent_kernel() {
    let count = fuzz::setting("SHOAL_FUZZ_COUNT").unwrap_or(DEFAULT_COUNT);
    let first = fuzz::setting("SHOAL_FUZZ_SEED").unwrap_or(1);
    let nr_rounds = count.div_ceil(u64::from(CALLS_PER_ROUND));
    let watch = Watch::start();
    let mut tally = Tally::new();
    let mut findings = Vec::new();
    for seed in first..first + nr_rounds {
        watch.begin(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| round(seed, &watch, &mut tally)));
        if outcome.is_err() {
            findings.push(format!("SHOAL_FUZZ_SEED={seed}: {}", watch.last()));
            eprintln!(
                "SHOAL_FUZZ_SEED={seed} SHOAL_FUZZ_COUNT=1: {}",
                watch.last()
            );
        }
        if findings.len() >= MAX_FINDINGS {
            break;
        }
        if (seed - first) % 1000 == 999 {
            eprintln!("after seed {seed}: {tally}");
        }
    }
    eprintln!("{tally}");
    if count >= MANY {
        eprintln!("{}", tally.table());
        let excused = |name: &&str| NEVER_RETURN.contains(name) || ALWAYS_FAIL.contains(name);
        let useless: Vec<_> = tally
            .never_succeeded()
            .filter(|name| !excused(name))
            .collect();
        assert_eq!(useless, [""; 0], "no call of these succeeded");
    }
    assert_eq!(findings, [""; 0], "rounds failed");
    assert!(
        tally.nr_reached() == SYSCALLS.len() || count < DEFAULT_COUNT,
        "not every row was reached: {tally}"
    );
}

#[test]
fn a_seed_gives_the_same_round_again() {
    let watch = Watch::start();
    for seed in [7, 8, 9] {
        let digest = || {
            let mut tally = Tally::new();
            round(seed, &watch, &mut tally);
            tally.digest()
        };
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}
