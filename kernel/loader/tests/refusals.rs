//! Files that are refused, and files that are broken at random.

#![expect(clippy::expect_used, reason = "test code")]

mod breaking;
mod broken;
mod options;
mod random;

use breaking::broken;
use broken::{options, validate};
use kernel_loader::load;
use random::numbers_from;

fn bytes(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("the text is right")
}

#[track_caller]
fn refused(fields: &str, reason: &str) {
    let refusal = load(&bytes(fields), &options()).expect_err("a refusal");
    assert!(refusal.reason.contains(reason), "{refusal}");
}

const START: &str = r#"(func (export "_start"))"#;

#[test]
fn other_files_are_refused() {
    for (file, reason) in [
        (&b""[..], "empty"),
        (
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0",
            "x86-64",
        ),
        (b"#include <stdio.h>\n", "text"),
    ] {
        let refusal = load(file, &options()).expect_err("a refusal");
        assert!(refusal.reason.contains(reason), "{refusal}");
    }
}

#[test]
fn memories_must_be_one() {
    refused(START, "no memory");
    refused(
        &format!("(memory 1) (memory 1) {START}"),
        "more than one memory",
    );
    refused(
        &format!(r#"(import "kernel" "memory" (memory 1)) (memory 1) {START}"#),
        "more than one memory",
    );
    refused(&format!("(memory i64 1) {START}"), "64-bit");
}

#[test]
fn data_must_lie_in_the_memory() {
    for place in ["65534", "65536", "-1"] {
        refused(
            &format!(r#"(memory 1) (data (i32.const {place}) "abc") {START}"#),
            "outside its memory",
        );
    }
}

#[test]
fn start_must_be_a_program() {
    refused("(memory 1)", "no _start");
    refused(r#"(memory 1) (func (export "_initialize"))"#, "reactor");
    refused(
        r#"(memory 1) (func (export "_start") (result i32) i32.const 0)"#,
        "wrong type",
    );
    refused(
        r#"(memory 1) (func (export "_start") (param i64))"#,
        "wrong type",
    );
    refused(
        r#"(memory 1) (global (export "_start") i32 (i32.const 1))"#,
        "_start",
    );
    refused(
        &format!(r#"(memory 1) (func (export "__wasm_thread_start")) {START}"#),
        "__wasm_thread_start has the wrong type",
    );
    refused(
        &format!(r#"(memory 1) (global (export "__stack_pointer") i32 (i32.const 1)) {START}"#),
        "__stack_pointer",
    );
}

#[test]
fn imports_must_be_functions_of_numbers() {
    refused(
        &format!(r#"(import "env" "t" (table 1 funcref)) (memory 1) {START}"#),
        "env.t",
    );
    refused(
        &format!(r#"(import "env" "g" (global i32)) (memory 1) {START}"#),
        "env.g",
    );
    refused(
        &format!(r#"(import "env" "e" (tag)) (memory 1) {START}"#),
        "exception tag",
    );
    refused(
        &format!(r#"(import "env" "f" (func (param v128))) (memory 1) {START}"#),
        "more than numbers",
    );
    refused(
        &format!(r#"(import "env" "f" (func (result funcref))) (memory 1) {START}"#),
        "more than numbers",
    );
}

#[test]
fn garbage_collected_types_are_refused() {
    refused(&format!("(type (struct)) (memory 1) {START}"), "invalid");
}

const PROGRAM: &str = r#"
  (import "linux" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
  (import "linux" "__syscall_what" (func (param i32) (result i64)))
  (memory (export "memory") 1 9)
  (global $sp (mut i32) (i32.const 4096))
  (table $t 3 funcref)
  (tag $tag (param i32))
  (elem (i32.const 1) func $f)
  (data (i32.const 64) "hello world")
  (func $f (export "_start") (param i32)
    (local i64)
    (block $b (result i32)
      (try_table (catch $tag $b) (throw $tag (i32.const 1)))
      (call $read (local.get 0) (i32.const 2) (i32.const 3)))
    (br_if 0 (i32.const 0))
    (call_indirect $t (param i32) (i32.const 1)))"#;

#[test]
fn every_truncation_is_refused() {
    let whole = bytes(PROGRAM);
    assert!(load(&whole, &options()).is_ok());
    let mut nr_truncated = 0;
    for len in 0..whole.len() {
        // A cut right after the code leaves a valid module: what follows are names.
        if let Err(refusal) = load(&whole[..len], &options()) {
            nr_truncated += usize::from(refusal.reason.contains("truncated"));
        }
    }
    assert!(
        nr_truncated > whole.len() / 2,
        "{nr_truncated} of {}",
        whole.len()
    );
}

#[test]
fn broken_modules_never_panic_and_never_give_broken_ones() {
    let whole = bytes(PROGRAM);
    let mut random = numbers_from(0x9e37_79b9_7f4a_7c15);
    let mut nr_loaded = 0;
    for _ in 0..20_000 {
        let broken = broken(&whole, 3, &mut random);
        let Ok(program) = load(&broken, &options()) else {
            continue;
        };
        nr_loaded += 1;
        validate(&program);
    }
    assert!(nr_loaded > 100, "{nr_loaded}");
}
