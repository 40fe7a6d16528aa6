//! Modules for WASI: what is a program, and how its calls reach the kernel.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]

mod options;
mod world;

use abi::wasi::{BASE, MORE, UNSTABLE};
use kernel_loader::{Entry, load as load_module};
use world::{World, load, options};

/// A program with narrow and wide calls, whose first global is no stack pointer.
const PROGRAM: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "path_link" (func $link
    (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2 3)
  (global $counter (mut i32) (i32.const 5))
  (func (export "_start"))
  (func (export "seek") (result i32)
    (call $seek (i32.const 1) (i64.const -2) (i32.const 3) (i32.const 4)))
  (func (export "open") (result i32)
    (call $open (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
      (i64.const 0x700000006) (i64.const 0x900000008) (i32.const 10) (i32.const 11)))
  (func (export "link") (result i32)
    (call $link (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
      (i32.const 6) (i32.const 7)))
  (func (export "exit") (result i32) (call $exit (i32.const 9)) (i32.const 1)))"#;

#[track_caller]
fn refused(text: &str, reason: &str) {
    let bytes = wat::parse_str(text).expect("the text is right");
    let refusal = load_module(&bytes, &options()).expect_err("a refusal");
    assert!(refusal.reason.contains(reason), "{refusal}");
}

#[test]
fn calls_carry_their_number_and_all_words() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("seek", &[]).expect("returns"), 0);
    assert_eq!(
        world.log(),
        format!("syscall {} 1 -2 -1 3 4 0\n", BASE + 23)
    );
    world.answers(&[0, 8]);
    assert_eq!(world.call("open", &[]).expect("returns"), 8);
    assert_eq!(
        world.log(),
        format!(
            "syscall {MORE} 7 8 9 10 11 0\nsyscall {} 1 2 3 4 5 6\n",
            BASE + 31
        )
    );
    world.call("link", &[]).expect("returns");
    let link = BASE + UNSTABLE + 30;
    assert_eq!(
        world.log(),
        format!("syscall {MORE} 7 0 0 0 0 0\nsyscall {link} 1 2 3 4 5 6\n")
    );
    world.call("exit", &[]).expect("returns");
    assert_eq!(world.log(), format!("syscall {} 9 0 0 0 0 0\n", BASE + 38));
}

#[test]
fn a_program_has_its_memory_and_no_stack_of_the_kernels() {
    let program = load(PROGRAM);
    assert_eq!(program.entry, Entry::Plain);
    assert!(!program.stack.has_pointer);
    assert_eq!(program.memory.min_pages, 2);
    assert_eq!(program.memory.max_pages, Some(3));
    assert!(program.unknown_imports.is_empty());
    let world = World::of(&program);
    assert_eq!(world.memory.size(&world.store), 2);
}

#[test]
fn a_program_for_linux_may_ask_for_its_arguments() {
    let program = load(
        r#"(module
          (import "wasi_snapshot_preview1" "args_get" (func (param i32 i32) (result i32)))
          (import "env" "__syscall_read" (func (param i32 i32 i32) (result i32)))
          (memory 1)
          (global $sp (mut i32) (i32.const 4096))
          (func (export "_start")))"#,
    );
    assert!(program.stack.has_pointer);
    assert!(program.unknown_imports.is_empty());
}

#[test]
fn what_no_host_would_run_is_refused() {
    let import = |name: &str, form: &str| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "{name}" (func {form}))
            (memory (export "memory") 1) (func (export "_start")))"#
        )
    };
    refused(
        &import("fd_nonsense", "(result i32)"),
        "wasi_snapshot_preview1.fd_nonsense is no function of WASI",
    );
    refused(&import("sched_yield", ""), "sched_yield has the wrong type");
    refused(
        &import("fd_seek", "(param i32 i32 i32 i32) (result i32)"),
        "fd_seek has the wrong type",
    );
    refused(
        r#"(module (import "wasi_unstable" "sock_accept"
            (func (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func (export "_start")))"#,
        "wasi_unstable.sock_accept is no function of WASI",
    );
}

#[test]
fn libraries_and_modules_without_a_memory_to_see_are_refused() {
    const YIELD: &str = r#"(import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))"#;
    refused(
        &format!(r#"(module {YIELD} (memory (export "memory") 1) (func (export "_initialize")))"#),
        "a library (reactor), not a program",
    );
    let no_memory = "does not export a memory of its own";
    refused(
        &format!(r#"(module {YIELD} (memory 1) (func (export "_start")))"#),
        no_memory,
    );
    refused(
        &format!(
            r#"(module {YIELD} (import "env" "memory" (memory 1))
            (export "memory" (memory 0)) (func (export "_start")))"#
        ),
        no_memory,
    );
}
