//! Programs that fork: what is written for all forms of code is valid, and the rest stays as it was.
//!
//! That it *works* is what `tests/guest/fork.c` shows, in engines that have exceptions.

#![expect(clippy::expect_used, reason = "test code")]

mod options;

use kernel_loader::{Program, Refusal};
use wasmparser::{Operator, Parser, Payload, Validator, WasmFeatures};

/// Loads a module written as text.
fn try_load(text: &str) -> Result<Program, Refusal> {
    let options = options::options(|name| match name {
        "fork" => Some(57),
        "write" => Some(1),
        _ => None,
    });
    let bytes = wat::parse_str(text).expect("the text is right");
    kernel_loader::load(&bytes, &options)
}

/// Loads one that is not refused, and checks that the output is valid.
fn load(text: &str) -> Program {
    let program = try_load(text).expect("it loads");
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&program.guest)
        .expect("the output is valid");
    program
}

/// A program around `functions`, with `$fork`, a table of `$taken` and a main function that calls
/// `$main`, which is one of them.
fn program(functions: &str) -> String {
    format!(
        r#"(module
  (import "linux" "__syscall_fork" (func $fork (result i32)))
  (import "linux" "__syscall_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
  (global $other (mut i64) (i64.const 1))
  (global $wide (mut v128) (v128.const i64x2 1 2))
  (tag $tag (param i32))
  (type $callee (func (param i32 f64) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) func $taken)
  (func $taken (type $callee) (call $fork))
  (func $pure (export "pure") (param i32) (result i32)
    (i32.add (local.get 0) (call $write (i32.const 1) (i32.const 2) (i32.const 3))))
  (func (export "_start") (param i32) (drop (call $main (local.get 0))))
  {functions})"#
    )
}

/// How many instructions of `program` are of a kind.
fn count(program: &Program, is_wanted: impl Fn(&Operator<'_>) -> bool) -> usize {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(&program.guest) {
        let Ok(Payload::CodeSectionEntry(body)) = payload else {
            continue;
        };
        let mut operators = body.get_operators_reader().expect("code");
        while !operators.eof() {
            count = usize::saturating_add(
                count,
                usize::from(is_wanted(&operators.read().expect("an instruction"))),
            );
        }
    }
    count
}

/// Both forms of the innermost try: how many sites were written.
fn nr_tries(program: &Program) -> usize {
    count(program, |operator| {
        matches!(operator, Operator::TryTable { .. } | Operator::Try { .. })
    })
}

#[test]
fn all_forms_of_code_are_written_validly() {
    let forms = [
        // Operands of all types below a call, and results above them.
        r#"(func $main (param i32) (result i32) (local v128 f32)
             (i64.const 1) (f64.const 2) (f32.const 3) (local.get 1) (i32.const 5)
             (call $fork) (i32.add) (local.set 0)
             (local.set 1) (drop) (drop) (drop) (local.get 0))"#,
        // In constructs that have operands below, and give results.
        r#"(func $main (param i32) (result i32)
             (i32.const 1)
             (block (result i32) (i32.const 2)
               (if (result i32) (local.get 0)
                 (then (i32.add (i32.const 3) (call $fork)))
                 (else (call $fork)))
               (i32.add))
             (i32.add))"#,
        // Loops with parameters, branches to them, and out of everything.
        r#"(func $main (param i32) (result i32)
             (i32.const 7) (i32.const 9)
             (loop $again (param i32) (result i32)
               (i32.add (call $fork))
               (br_if $again (i32.const 1) (local.get 0))
               (drop)
               (br_table 0 1 (i32.const 2) (local.get 0)))
             (i32.add))"#,
        // An `if` with parameters and several results.
        r#"(func $main (param i32) (result i32)
             (i64.const 1) (i32.const 2)
             (local.get 0)
             (if (param i64 i32) (result i32 i64)
               (then (call $fork) (i32.add) (local.set 0) (local.get 0) (i64.const 4) (drop)
                     (drop) (drop) (i32.const 8) (i64.const 9))
               (else (drop) (drop) (i32.const 1) (i64.const 2) (drop (call $fork))))
             (i32.wrap_i64) (i32.add))"#,
        // Calls of a type, tail calls, recursion, early returns, code that cannot run.
        r#"(func $main (param i32) (result i32)
             (call_indirect (type $callee) (i32.const 1) (f64.const 2) (local.get 0))
             (if (result i32) (then (return (call $main (i32.const 1)))) (else (i32.const 0)))
             (drop)
             (if (local.get 0) (then (return_call $main (i32.const 3))))
             (return_call $tail (i32.const 2))
             (block (drop (call $fork)) (unreachable) (i32.add) (drop)) (unreachable))
           (func $tail (param i32) (result i32)
             (return_call_indirect (type $callee) (i32.const 1) (f64.const 1) (i32.const 1)))"#,
        // The program's own exceptions, and references.
        r#"(func $main (param i32) (result i32) (local exnref funcref externref)
             (block $caught (result i32)
               (block $all (result i32 exnref)
                 (try_table (result i32) (catch $tag $caught) (catch_ref $tag $all)
                   (i32.add (call $fork) (call $inner)))
                 (return))
               (local.set 1)
               (drop) (drop (call $fork))
               (throw_ref (local.get 1))))
           (func $inner (result i32)
             (block $out
               (try_table (catch_all $out) (throw $tag (call $fork))))
             (i32.const 1))"#,
        // The older form: calls in a `try`, in its clauses, and delegated.
        r#"(func $main (param i32) (result i32)
             try $t (result i32)
               try (result i32) call $fork delegate $t
             catch $tag call $fork i32.add
             catch_all rethrow 0
             end)"#,
        // No frame of interest at all: the fork is never called.
        "(func $main (param i32) (result i32) (i32.const 1))",
    ];
    for form in forms {
        let loaded = load(&program(form));
        assert!(nr_tries(&loaded) > 0, "{form}");
    }
}

#[test]
fn a_module_has_one_form_of_exceptions() {
    let legacy = load(&program(
        r#"(func $main (param i32) (result i32)
             try (result i32) call $fork catch_all i32.const 1 end)"#,
    ));
    let is_new = |operator: &Operator<'_>| matches!(operator, Operator::TryTable { .. });
    assert_eq!(count(&legacy, is_new), 0);
    let new = load(&program(
        "(func $main (param i32) (result i32) (call $fork))",
    ));
    assert_eq!(nr_tries(&new), count(&new, is_new));
}

#[test]
fn what_does_not_reach_fork_is_left_as_it_is() {
    let forks = program("(func $main (param i32) (result i32) (call $fork))");
    // The same without a fork: another call takes its place.
    let other = forks.replace("__syscall_fork", "__syscall_nonsense");
    let tries = |text: &str| nr_tries(&load(text));
    assert_eq!(tries(&other), 0);
    // `$taken`, the stub, `$main` and `_start`, twice each; and the entry.
    assert!(tries(&forks) <= 11, "{}", tries(&forks));
}

#[test]
fn handlers_that_fork_put_all_calls_on_the_stack() {
    let main = "(func $main (param i32) (result i32) (call $pure (i32.const 1)))";
    let without = nr_tries(&load(&program(main)));
    let handler = format!(
        "{main} (elem (i32.const 2) func $handler) (func $handler (param i32) (drop (call $fork)))"
    );
    assert!(nr_tries(&load(&program(&handler))) > without.saturating_add(4));
}

#[test]
fn a_program_that_changes_its_table_cannot_fork() {
    let loaded = load(&program(
        r#"(func $main (param i32) (result i32)
             (table.set (i32.const 3) (ref.null func)) (call $fork))"#,
    ));
    assert_eq!(nr_tries(&loaded), 0);
}

#[test]
fn calls_without_end_are_refused_and_not_written() {
    // Each of many calls would save many values.
    let locals = "i64 ".repeat(1200);
    let call = "(drop (call $fork))".repeat(1200);
    let uses = (0..1200).fold(String::new(), |mut text, local| {
        text.push_str(&format!(
            "(drop (local.get {}))",
            usize::saturating_add(local, 1)
        ));
        text
    });
    let text = program(&format!(
        "(func $main (param i32) (result i32) (local {locals}) {call} {uses} (i32.const 0))"
    ));
    let refusal = try_load(&text).expect_err("a refusal");
    assert!(refusal.reason.contains("too large"), "{refusal}");
}
