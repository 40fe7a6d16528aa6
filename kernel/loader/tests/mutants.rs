//! Modules that are broken, put together and made up at random: the loader refuses them, or writes a
//! valid module. It does not panic, and takes its time for none.
//!
//! Each module comes of a seed; a failing one is named with it, kept as a file, and
//! `SHOAL_FUZZ_SEED=SEED SHOAL_FUZZ_COUNT=1` loads it again. `SHOAL_FUZZ_COUNT` is the number of
//! modules, `SHOAL_FUZZ_CORPUS` names folders with more programs to begin with, separated by
//! colons; `cargo xtask fuzz modules` loads a million, made from the guests' programs too.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::panic, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

mod mutation;
mod options;
mod random;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use kernel_loader::{Interruption, Options, Refusal, Seams};
use mutation::Origin;
use mutation::corpus::Corpus;
use mutation::watch::Watch;
use random::numbers_from;
use wasmparser::{Validator, WasmFeatures};

/// Modules without a setting.
const DEFAULT_COUNT: u64 = 2_000;
/// After so many that fail there is enough to do.
const MAX_FINDINGS: usize = 20;

/// What the loader may write for a module: this many times its length, and this many bytes more.
/// The pass for fork has a limit of its own.
const MAX_GROWTH: usize = 60;
const ROOM: usize = 8 << 20;

/// What became of the modules.
#[derive(Debug, Default)]
struct Tally {
    /// By origin: all, valid ones, and those that became programs.
    origins: BTreeMap<Origin, [u64; 3]>,
    nr_bytes: usize,
    /// Why valid modules were refused, without what is particular.
    reasons: BTreeMap<String, u64>,
}

#[test]
fn mutants_are_refused_or_become_valid_modules() {
    let count = mutation::setting("SHOAL_FUZZ_COUNT").map_or(DEFAULT_COUNT, |text| number(&text));
    let first = mutation::setting("SHOAL_FUZZ_SEED").map_or(1, |text| number(&text));
    let corpus = Corpus::new(mutation::setting("SHOAL_FUZZ_CORPUS").as_deref());
    let watch = Watch::start();
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    for seed in first..first + count {
        watch.begin(seed);
        let (origin, module) = corpus.mutant(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            check(seed, origin, &module, &mut tally);
        }));
        if outcome.is_err() {
            let file = format!("{}/mutant-{seed}.wasm", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&file, &module).expect("the module is kept");
            eprintln!("SHOAL_FUZZ_SEED={seed} SHOAL_FUZZ_COUNT=1 ({origin:?}): see {file}");
            findings.push(seed);
        }
        if findings.len() >= MAX_FINDINGS {
            break;
        }
        if (seed - first) % 100_000 == 99_999 {
            eprintln!("after seed {seed}: {tally:?}");
        }
    }
    let passes =
        [&NR_FORKING, &NR_JUMPING, &NR_TRANSLATED].map(|count| count.load(Ordering::Relaxed));
    let [nr_forking, nr_jumping, nr_translated] = passes;
    eprintln!(
        "{} modules to begin with; {tally:#?}; {nr_forking} programs fork, {nr_jumping} jump, \
         {nr_translated} came from WALI",
        corpus.len()
    );
    eprintln!("the slowest took {:?}", watch.slowest());
    assert_eq!(findings, [0; 0], "seeds of modules that failed");
    if count >= DEFAULT_COUNT {
        for (origin, [all, _, loaded]) in &tally.origins {
            assert!(*all > 0 && *loaded > 0, "no {origin:?} was loaded");
        }
        assert!(passes.iter().all(|count| *count > 0), "{passes:?}");
    }
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An engine that knows more than the loader does, as browsers do.
fn validate_all(bytes: &[u8]) -> Result<(), String> {
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    validated.map(drop).map_err(|error| error.to_string())
}

/// Loads a module in one of the ways that kernels do.
fn check(seed: u64, origin: Origin, module: &[u8], tally: &mut Tally) {
    let mut random = numbers_from(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
    let options = Options {
        interruption: match random(8) {
            0 => Interruption::Absent,
            _ => Interruption::Countdown,
        },
        write_fork,
        translate_wali,
        validate: [kernel_loader::validate, validate_all][random(2)],
        ..options::options(abi::linux32_number)
    };
    let counts = tally.origins.entry(origin).or_default();
    counts[0] += 1;
    tally.nr_bytes += module.len();
    let is_valid = kernel_loader::validate(module).is_ok();
    counts[1] += u64::from(is_valid);
    let program = match kernel_loader::load(module, &options) {
        Ok(program) => program,
        Err(refusal) => {
            if is_valid {
                let general = refusal.reason.split([':', '(']).next().unwrap_or_default();
                let words: Vec<_> = general.split(' ').take(2).collect();
                *tally.reasons.entry(words.join(" ")).or_default() += 1;
            }
            return;
        }
    };
    counts[2] += 1;
    if let Err(why) = validate_all(&program.guest) {
        panic!("the program is not valid: {why}");
    }
    assert!(
        program.guest.len() < module.len() * MAX_GROWTH + ROOM,
        "{} bytes became {}",
        module.len(),
        program.guest.len()
    );
    let end = program.memory.min_pages * 65536;
    for (address, range) in kernel_loader::data_segments(&program.guest) {
        let len = u64::try_from(range.len()).expect("fits");
        assert!(range.end <= program.guest.len(), "data beyond the module");
        assert!(u64::from(address) + len <= end, "data beyond the memory");
    }
}

/// How often the pass for fork has written a program, and that for longjmp; how many were for WALI.
static NR_FORKING: AtomicU64 = AtomicU64::new(0);
static NR_JUMPING: AtomicU64 = AtomicU64::new(0);
static NR_TRANSLATED: AtomicU64 = AtomicU64::new(0);

/// The pass for fork and longjmp, counted. What the loader gives it to fork is valid too.
fn write_fork(bytes: &[u8], seams: Seams) -> Result<Option<Vec<u8>>, Refusal> {
    let jumps = seams == Seams::OF_JUMPS;
    if !jumps {
        assert_eq!(validate_all(bytes), Ok(()), "before the pass for fork");
    }
    let written = kernel_loader::write_fork(bytes, seams);
    if let Ok(Some(_)) = written {
        let counter = if jumps { &NR_JUMPING } else { &NR_FORKING };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    written
}

/// The translation of WALI, counted.
fn translate_wali(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    NR_TRANSLATED.fetch_add(1, Ordering::Relaxed);
    kernel_loader::translate_wali(bytes)
}
