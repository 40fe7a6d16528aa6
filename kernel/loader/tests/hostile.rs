//! Modules that are made to be dear: their graphs of calls, loops and branches.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "a limit on real time")]

mod broken;
mod options;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use broken::{options, validate};

/// Functions of a large module.
const NR_FUNCTIONS: usize = 50_000;

/// What loading one may take in a build without optimisation on a busy machine. A search that is
/// quadratic in the functions takes many times that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Loads a module of many functions; `body` writes the code of the one at an index.
fn load_large(tail: &str, body: impl Fn(usize) -> String) {
    let mut text = String::from("(module (memory 1) (type $t (func)) (func (export \"_start\"))");
    for function in 0..NR_FUNCTIONS {
        write!(text, "(func $f{function} {})", body(function)).expect("a string");
    }
    let bytes = wat::parse_str(text + tail + ")").expect("the text is right");
    let started = Instant::now();
    let program = kernel_loader::load(&bytes, &options()).expect("it loads");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    validate(&program);
}

#[test]
fn deep_chains_and_rings_load_fast() {
    let last = NR_FUNCTIONS - 1;
    load_large("", |f| {
        format!("(call $f{0}) (call $f{0})", (f + 1).min(last))
    });
    load_large("", |f| {
        format!("(return_call $f{})", (f + 1) % NR_FUNCTIONS)
    });
}

#[test]
fn tables_that_all_functions_call_load_fast() {
    let mut tail = format!("(table {NR_FUNCTIONS} funcref) (elem (i32.const 0) func");
    for function in 0..NR_FUNCTIONS {
        write!(tail, " $f{function}").expect("a string");
    }
    tail.push(')');
    load_large(&tail, |f| {
        format!("(call_indirect (type $t) (i32.const {f}))")
    });
}

#[test]
fn one_function_of_many_loops_and_calls_loads_fast() {
    let mut text = String::from("(module (memory 1) (func $f (export \"_start\") ");
    for _ in 0..NR_FUNCTIONS {
        text += "(call $f) (loop (br_if 0 (i32.load (i32.const 0))))";
    }
    for _ in 0..900 {
        text += "(loop";
    }
    let bytes = wat::parse_str(text + &")".repeat(902)).expect("the text is right");
    let started = Instant::now();
    let program = kernel_loader::load(&bytes, &options()).expect("it loads");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert!(
        program.guest.len() < 30 * bytes.len(),
        "{}",
        program.guest.len()
    );
    validate(&program);
}
