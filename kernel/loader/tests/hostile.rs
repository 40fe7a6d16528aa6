//! Modules that are made to be dear, or broken: their graphs of calls, loops and branches.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "a limit on real time")]

mod broken;
mod options;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use broken::{numbers_from, options, validate};

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

/// Everything that the loader rewrites.
const WHOLE: &str = r#"(module
  (import "env" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
  (type $word (func (param i32) (result i32)))
  (memory 1 3) (table 5 8 funcref) (global $g (mut i32) (i32.const 64)) (tag $e (param i32))
  (elem (i32.const 1) func $fib $even) (elem declare func $odd) (data "abc")
  (func (export "_start") (drop (call $fib (call $read (i32.const 0) (i32.const 0) (i32.const 9)))))
  (func $fib (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $fib (i32.const 0)) (call_indirect (type $word) (i32.const 1) (i32.const 1))))
      (else (memory.grow (i32.const 1)))))
  (func $even (param i32) (result i32) (return_call $odd (memory.size)))
  (func $odd (param i32) (result i32)
    (drop (ref.func $odd)) (drop (table.grow (ref.null func) (i32.const 2)))
    (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 3))
    (memory.copy (i32.const 0) (i32.const 4) (i32.const 2))
    (return_call_indirect (type $word) (local.get 0) (i32.const 2)))
  (func $loops (param i32) (result i32) (local i32)
    (block $out
      (loop $a
        (block (br_if 0 (local.get 0)) (br_if $a (local.get 1)) (br_if $out (i32.const 1)))
        (if (local.get 0) (then (br $a)) (else (br_if $out (local.get 1))))
        (br_if $a (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
    (loop $b (br_table $b 0 0 (local.get 0)))
    (loop $c (result i32) (br_if $c (local.get 1)) (i32.const 3))
    (loop $d (param i32) (result i32) (drop) (br_if $d (i32.const 1) (local.get 0)))
    (drop) (loop $e (i32.const 1) (br $e))
    (unreachable)))"#;

#[test]
fn modules_broken_at_random_are_refused_or_become_valid_ones() {
    let whole = wat::parse_str(WHOLE).expect("the text is right");
    validate(&kernel_loader::load(&whole, &options()).expect("it loads"));
    let mut random = numbers_from(0x243f_6a88_85a3_08d3);
    let mut nr_loaded = 0;
    for _ in 0..10_000 {
        let mut broken = whole.clone();
        for _ in 0..=random(2) {
            let at = random(broken.len());
            match random(5) {
                0 => broken[at] = u8::try_from(random(256)).expect("fits"),
                1 => broken[at] ^= 1 << random(8),
                2 => broken[at] = u8::try_from(random(0x20)).expect("fits"),
                3 => drop(broken.remove(at)),
                _ => broken.insert(at, u8::try_from(random(256)).expect("fits")),
            }
        }
        if let Ok(program) = kernel_loader::load(&broken, &options()) {
            nr_loaded += 1;
            validate(&program);
        }
    }
    assert!(nr_loaded > 100, "{nr_loaded}");
}
