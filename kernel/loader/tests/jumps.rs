//! setjmp and longjmp of programs for WALI: what is written for all forms of code is valid, and functions
//! that call neither stay as they were.
//!
//! That it *works* is what `tests/wali/programs/jump*.c` show, in engines that have exceptions.

#![expect(clippy::expect_used, reason = "test code")]

mod breaking;
mod options;
mod random;

use kernel_loader::{Program, Refusal};
use random::numbers_from;
use wasmparser::{FunctionBody, Operator, Parser, Payload, Validator, WasmFeatures};

/// Loads a module.
fn try_load(bytes: &[u8]) -> Result<Program, Refusal> {
    kernel_loader::load(bytes, &options::options(abi::linux32_number))
}

fn validate(program: &[u8]) {
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(program)
        .expect("the output is valid");
}

/// Loads one written as text that is not refused, and checks that the output is valid.
fn load(text: &str) -> Program {
    let bytes = wat::parse_str(text).expect("the text is right");
    let program = try_load(&bytes).expect("it loads");
    validate(&program.guest);
    program
}

/// A program around `functions`, one of which is `$main`.
fn program(functions: &str) -> String {
    format!(
        r#"(module
  (import "wali" "setjmp" (func $setjmp (param i32) (result i32)))
  (import "wali" "sigsetjmp" (func $sigsetjmp (param i32 i32) (result i32)))
  (import "wali" "longjmp" (func $longjmp (param i32 i32)))
  (import "wali" "_setjmp" (func $other (param i64) (result i64)))
  (import "wali" "SYS_fork" (func $fork (result i64)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 1) func $pure)
  (global $sp (mut i32) (i32.const 4096))
  (tag $tag (param i32))
  (func $pure (param i32) (result i32) (loop $l (br_if $l (local.get 0))) (i32.const 60607))
  (func (export "_start") (drop (call $main (i32.const 1))))
  {functions})"#
    )
}

fn bodies(program: &Program) -> Vec<FunctionBody<'_>> {
    Parser::new(0)
        .parse_all(&program.guest)
        .filter_map(|payload| match payload {
            Ok(Payload::CodeSectionEntry(body)) => Some(body),
            _ => None,
        })
        .collect()
}

/// How many instructions of `program` are of a kind.
fn count(program: &Program, is_wanted: impl Fn(&Operator<'_>) -> bool) -> usize {
    let mut count = 0;
    for body in bodies(program) {
        let mut operators = body.get_operators_reader().expect("code");
        while !operators.eof() {
            let is_one = is_wanted(&operators.read().expect("an instruction"));
            count = usize::saturating_add(count, usize::from(is_one));
        }
    }
    count
}

/// Forms of code around calls of setjmp.
const FORMS: [&str; 9] = [
    // Operands of all types below a call, and results above them.
    r#"(func $main (param i32) (result i32) (local v128 f32)
         (i64.const 1) (f64.const 2) (f32.const 3) (local.get 1) (i32.const 5)
         (call $setjmp (local.get 0)) (i32.add) (local.set 0)
         (local.set 1) (drop) (drop) (drop) (call $longjmp (local.get 0) (i32.const 0)) (local.get 0))"#,
    // In constructs that have operands below, and give results.
    r#"(func $main (param i32) (result i32)
         (i32.const 1)
         (block (result i32) (i32.const 2)
           (if (result i32) (local.get 0)
             (then (i32.add (i32.const 3) (call $setjmp (i32.const 8))))
             (else (call $sigsetjmp (i32.const 200) (local.get 0))))
           (i32.add))
         (i32.add))"#,
    // Loops with parameters, branches to them, and out of everything.
    r#"(func $main (param i32) (result i32)
         (i32.const 7) (i32.const 9)
         (loop $again (param i32) (result i32)
           (i32.add (call $setjmp (i32.const 8)))
           (br_if $again (i32.const 1) (local.get 0))
           (drop)
           (br_table 0 1 (i32.const 2) (local.get 0)))
         (i32.add))"#,
    // An `if` with parameters and several results; an import of another type.
    r#"(func $main (param i32) (result i32)
         (i64.const 1) (i32.const 2)
         (local.get 0)
         (if (param i64 i32) (result i32 i64)
           (then (call $setjmp (i32.const 8)) (i32.add) (local.set 0) (local.get 0) (i64.const 4) (drop)
                 (drop) (drop) (i32.const 8) (i64.const 9))
           (else (drop) (drop) (i32.const 1) (i64.const 2) (drop (call $other (i64.const 9)))))
         (i32.wrap_i64) (i32.add))"#,
    // Tail calls, early returns, code that cannot run.
    r#"(func $main (param i32) (result i32)
         (if (result i32) (call $setjmp (i32.const 8)) (then (return (call $main (i32.const 1)))) (else (i32.const 0)))
         (drop)
         (if (local.get 0) (then (return_call $main (i32.const 3))))
         (if (local.get 0) (then (return_call $setjmp (i32.const 3))))
         (block (drop (call $setjmp (i32.const 8))) (unreachable) (call $setjmp) (i32.add) (drop)) (unreachable))"#,
    // The program's own exceptions, with all kinds of clauses, and references.
    r#"(func $main (param i32) (result i32) (local exnref funcref externref)
         (i32.const 3)
         (block $caught (param i32) (result i32)
           (block $all (param i32) (result i32 exnref)
             (try_table (param i32) (result i32) (catch $tag $caught) (catch_ref $tag $all)
               (i32.add (call $setjmp (i32.const 8))) (call $inner) (i32.add))
             (return))
           (local.set 1)
           (drop) (drop (call $setjmp (i32.const 9)))
           (throw_ref (local.get 1))))
       (func $inner (result i32)
         (block $out
           (i32.const 4) (i64.const 5)
           (try_table (param i64) (catch_all $out)
             (drop) (throw $tag (i32.const 4)))
           (drop))
         (i32.const 1))"#,
    // The same with nothing but a reference, and branches through what is put around.
    r#"(func $main (param i32) (result i32) (local exnref)
         (loop $again
           (block $all (result exnref)
             (try_table (catch_all_ref $all)
               (br_if $again (call $setjmp (i32.const 8)))
               (br_table 0 2 0 (local.get 0)))
             (return (i32.const 3)))
           (throw_ref))
         (i32.const 1))"#,
    // The older form: calls in a `try`, in its clauses, and delegated.
    r#"(func $main (param i32) (result i32)
         try $t (result i32)
           try (result i32) i32.const 8 call $setjmp delegate $t
         catch $tag i32.const 9 call $setjmp i32.add
         catch_all rethrow 0
         end)"#,
    // With a fork, in the same function and below.
    r#"(func $main (param i32) (result i32)
         (if (i32.eqz (call $setjmp (i32.const 8))) (then (drop (call $inner))))
         (drop (call $fork)) (i32.add (call $sigsetjmp (i32.const 8) (i32.const 1)) (local.get 0)))
       (func $inner (result i64) (call $longjmp (i32.const 8) (i32.const 1)) (call $fork))"#,
];

fn is_try(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::TryTable { .. } | Operator::Try { .. })
}

fn forms() -> impl Iterator<Item = String> {
    FORMS.iter().map(|form| program(form))
}

#[test]
fn all_forms_of_code_are_written_validly() {
    for form in forms() {
        assert!(count(&load(&form), is_try) > 1, "{form}");
    }
}

#[test]
fn a_module_has_one_form_of_exceptions() {
    for form in forms() {
        let loaded = load(&form);
        let is_new = |operator: &Operator<'_>| matches!(operator, Operator::TryTable { .. });
        let nr_new = if form.contains("try $t") {
            0
        } else {
            count(&loaded, is_try)
        };
        assert_eq!(count(&loaded, is_new), nr_new, "{form}");
    }
}

#[test]
fn what_does_not_call_setjmp_stays_as_it_is() {
    let main = "(func $main (param i32) (result i32) (call $setjmp (call $pure (local.get 0))))";
    // `$longjmp` under a name that nothing knows: then no jump can come.
    let text = program(main).replace("SYS_fork", "SYS_getpid");
    let jumps = load(&text);
    let other = load(&text.replace("\"longjmp\"", "\"long\""));
    let code = |program: &Program| -> Vec<Vec<u8>> {
        let bodies = bodies(program);
        bodies.iter().map(|body| body.as_bytes().to_vec()).collect()
    };
    // A loop, in `$pure` alone: none of its calls is to a function with another index.
    let has_loop = |body: &FunctionBody<'_>| {
        let operators = body.get_operators_reader().expect("code");
        let mut operators = operators.into_iter();
        operators.any(|operator| matches!(operator, Ok(Operator::I32Const { value: 60607 })))
    };
    let pure = |program: &Program| -> usize {
        let found = bodies(program).iter().position(has_loop);
        found.expect("it is there")
    };
    let (before, after) = (&code(&other)[pure(&other)], &code(&jumps)[pure(&jumps)]);
    assert_eq!(before.len(), after.len());
    // In `$main`, and in `_start`.
    let nr_more = count(&jumps, is_try).saturating_sub(count(&other, is_try));
    assert_eq!(nr_more, 2);
}

#[test]
fn a_catch_of_all_does_not_see_jumps() {
    let catches = |form: &str| {
        let functions =
            format!("{form} (func $main (param i32) (result i32) (call $setjmp (local.get 0)))");
        let throws = |operator: &Operator<'_>| matches!(operator, Operator::Throw { .. });
        count(&load(&program(&functions)), throws)
    };
    let without = catches("(func (try_table))");
    let new = catches("(func (block $b (try_table (catch_all $b))))");
    let legacy = catches("(func try catch_all end)");
    let both = catches("(func try catch $tag drop end)");
    assert_eq!(new, without.saturating_add(1));
    assert_eq!(legacy, without.saturating_add(1));
    assert_eq!(both, without);
}

#[test]
fn too_many_values_are_refused_and_not_written() {
    let locals = "i64 ".repeat(300);
    let call = "(drop (call $setjmp (i32.const 8)))".repeat(300);
    let uses: String = (1..=300)
        .map(|local| format!("(drop (local.get {local}))"))
        .collect();
    let text = program(&format!(
        "(func $main (param i32) (result i32) (local {locals}) {call} {uses} (i32.const 0))"
    ));
    let bytes = wat::parse_str(text).expect("the text is right");
    let refusal = try_load(&bytes).expect_err("a refusal");
    assert!(
        refusal.reason.contains("call setjmp are too large"),
        "{refusal}"
    );
}

#[test]
fn forms_broken_at_random_are_refused_or_become_valid_ones() {
    let wholes: Vec<Vec<u8>> = forms()
        .map(|form| wat::parse_str(form).expect("the text is right"))
        .collect();
    let mut random = numbers_from(0x6a6d_7030);
    let mut nr_loaded: usize = 0;
    for _ in 0..3000 {
        let whole = &wholes[random(wholes.len())];
        let broken = breaking::broken(whole, 4, &mut random);
        if let Ok(program) = try_load(&broken) {
            validate(&program.guest);
            nr_loaded = nr_loaded.saturating_add(1);
        }
    }
    assert!(nr_loaded > 100, "{nr_loaded}");
}
