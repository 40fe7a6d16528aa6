//! Rewritten guests, run against a scripted kernel.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

mod options;
mod world;

use abi::special::{DIE, PENDING, RESTART, SIGNAL, UNKNOWN_BASE};
use kernel_loader::Entry;
use world::{Signal, World, load};

/// A program with calls of all kinds, a table with two handlers, and a stack pointer.
const PROGRAM: &str = r#"(module
  (import "linux" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
  (import "env" "__syscall_pread64" (func $pread (param i32 i32 i32 i64) (result i64)))
  (import "linux" "__syscall" (func $syscall (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "kernel" "__syscall_clone4"
    (func $clone (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "linux" "__syscall_nonsense" (func $nonsense (param i32) (result i32)))
  (import "elsewhere" "SYS_read" (func $elsewhere (param i32 f64) (result i64 f32 f64)))
  (import "i" "__syscall_write" (func $write (param i32 i32 i32)))
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (global (export "__heap_base") i32 (i32.const 8192))
  (table $handlers 5 funcref)
  (elem $active (table $handlers) (i32.const 1) func $one $three $nest)
  (elem $passive func $one)
  (func (export "_start") (param i32))
  (func $one (param i32)
    (i32.store (i32.const 16) (local.get 0))
    (i32.store (i32.const 20) (global.get $sp)))
  (func $three (param i32 i32 i32)
    (i32.store (i32.const 16) (local.get 0))
    (i32.store (i32.const 20) (global.get $sp))
    (i32.store (i32.const 24) (local.get 1))
    (i32.store (i32.const 28) (local.get 2)))
  (func $nest (param i32)
    (drop (call $read (i32.const 90) (i32.const 91) (i32.const 92))))
  (func (export "read") (param i32 i32 i32) (result i32)
    (call $read (local.get 0) (local.get 1) (local.get 2)))
  (func (export "pread") (result i32)
    (i32.wrap_i64 (i64.shr_s
      (call $pread (i32.const 1) (i32.const 2) (i32.const 3) (i64.const 0x500000004))
      (i64.const 16))))
  (func (export "syscall") (result i32)
    (call $syscall (i32.const 20) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
      (i32.const 5) (i32.const 6)))
  (func (export "clone") (result i32)
    (call $clone (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)
      (i32.const 6) (i32.const 7)))
  (func (export "nonsense") (result i32) (call $nonsense (i32.const 1)))
  (func (export "elsewhere") (result i32)
    (call $elsewhere (i32.const 1) (f64.const 2))
    drop drop i64.const -38 i64.eq)
  (func (export "write") (result i32)
    (call $write (i32.const 1) (i32.const 2) (i32.const 3)) (i32.const 1))
  (func (export "indirect") (param i32) (result i32)
    (call_indirect $handlers (param i32) (i32.const 5) (local.get 0))
    (table.init $handlers $passive (i32.const 4) (i32.const 0) (i32.const 1))
    (ref.is_null (table.get $handlers (local.get 0)))
    (i32.add (table.size $handlers)))
  (func (export "get_sp") (result i32) (global.get $sp))
)"#;

fn word(world: &World, at: usize) -> i32 {
    let bytes = world.memory.data(&world.store)[at..at + 4]
        .try_into()
        .expect("4 bytes");
    i32::from_le_bytes(bytes)
}

fn ready(answers: &[u32]) -> World {
    let mut world = World::new(PROGRAM);
    world.answers(answers);
    world
}

#[test]
fn calls_carry_their_number_and_arguments() {
    let mut world = ready(&[11]);
    assert_eq!(world.call("read", &[1, 2, 3]).expect("returns"), 11);
    assert_eq!(world.log(), "syscall 3 1 2 3 0 0 0\n");
    world.call("write", &[]).expect("returns");
    assert_eq!(world.log(), "syscall 4 1 2 3 0 0 0\n");
    world.answers(&[0xffff_fff7]);
    assert_eq!(
        world.call("pread", &[]).expect("returns"),
        -1,
        "sign-extended"
    );
    assert_eq!(world.log(), "syscall 180 1 2 3 4 5 0\n");
    world.call("clone", &[]).expect("returns");
    assert_eq!(world.log(), "syscall 1792 1 2 3 4 5 6\n");
}

#[test]
fn a_full_stack_faults_before_the_kernel_is_called() {
    let mut world = ready(&[1, 1]);
    world.store.data_mut().is_stack_full = true;
    for name in ["write", "pread", "syscall", "nonsense"] {
        assert!(world.call(name, &[]).is_err(), "{name}");
    }
    assert_eq!(world.log(), "");
}

#[test]
fn indirect_call_takes_its_number_at_run_time() {
    let mut world = ready(&[7]);
    assert_eq!(world.call("syscall", &[]).expect("returns"), 7);
    assert_eq!(world.log(), "syscall 20 1 2 3 4 5 6\n");
}

#[test]
fn unknown_imports_ask_the_kernel_by_index() {
    let enosys = (-38_i32).cast_unsigned();
    let mut world = ready(&[enosys, enosys]);
    assert_eq!(world.call("nonsense", &[]).expect("returns"), -38);
    assert_eq!(world.log(), format!("syscall {UNKNOWN_BASE} 0 0 0 0 0 0\n"));
    assert_eq!(world.call("elsewhere", &[]).expect("returns"), 1);
    assert_eq!(
        world.log(),
        format!("syscall {} 0 0 0 0 0 0\n", UNKNOWN_BASE + 1)
    );
    let unknown = load(PROGRAM).unknown_imports;
    assert_eq!(unknown, ["linux.__syscall_nonsense", "elsewhere.SYS_read"]);
}

#[test]
fn pending_call_parks_until_it_has_a_result() {
    let mut world = ready(&[PENDING, PENDING, 5]);
    assert_eq!(world.call("read", &[0; 3]).expect("returns"), 5);
    assert_eq!(
        world.log(),
        "syscall 3 0 0 0 0 0 0\npark\nresult\npark\nresult\n"
    );
}

#[test]
fn parked_task_dies_when_it_is_resumed_to_die() {
    let mut world = ready(&[PENDING]);
    world.store.data_mut().parks.push_back(1);
    assert!(world.call("read", &[0; 3]).is_err());
    assert_eq!(world.log(), "syscall 3 0 0 0 0 0 0\npark\n");
}

#[test]
fn dead_task_traps() {
    assert!(ready(&[DIE]).call("read", &[0; 3]).is_err());
    assert!(ready(&[PENDING, DIE]).call("read", &[0; 3]).is_err());
    assert!(ready(&[SIGNAL, DIE]).call("read", &[0; 3]).is_err());
}

#[test]
fn negative_results_are_not_outcomes() {
    for answer in [-1, -4095, i32::MIN, i32::MIN + 4096] {
        let mut world = ready(&[answer.cast_unsigned()]);
        assert_eq!(world.call("read", &[0; 3]).expect("returns"), answer);
        assert_eq!(world.log(), "syscall 3 0 0 0 0 0 0\n");
    }
}

#[test]
fn handler_of_one_argument_runs_on_the_stack_it_is_given() {
    let mut world = ready(&[SIGNAL, 9]);
    world.store.data_mut().signals.push_back(Signal {
        handler: 1,
        stack_pointer: 3000,
        number: 10,
        siginfo: 0,
        ucontext: 3100,
    });
    assert_eq!(world.call("read", &[0; 3]).expect("returns"), 9);
    assert_eq!((word(&world, 16), word(&world, 20)), (10, 3000));
    assert_eq!(world.call("get_sp", &[]).expect("returns"), 4096);
    assert_eq!(
        world.log(),
        "syscall 3 0 0 0 0 0 0\nresult\nnext at 4096: signal 10\nreturn 3100\nnext at 4096: none\n"
    );
}

#[test]
fn handler_of_three_arguments_gets_siginfo_and_context() {
    let mut world = ready(&[PENDING, SIGNAL, 9]);
    world.store.data_mut().signals.push_back(Signal {
        handler: 2,
        stack_pointer: 3000,
        number: 11,
        siginfo: 3200,
        ucontext: 3100,
    });
    assert_eq!(world.call("read", &[0; 3]).expect("returns"), 9);
    assert_eq!((word(&world, 16), word(&world, 20)), (11, 3000));
    assert_eq!((word(&world, 24), word(&world, 28)), (3200, 3100));
}

#[test]
fn restarted_call_is_made_again_after_its_handlers() {
    let mut world = ready(&[SIGNAL, RESTART, RESTART, 4]);
    let signal = Signal {
        handler: 1,
        stack_pointer: 3000,
        number: 2,
        siginfo: 0,
        ucontext: 1,
    };
    let second = Signal {
        number: 3,
        ucontext: 2,
        ..signal
    };
    world.store.data_mut().signals.extend([signal, second]);
    assert_eq!(world.call("read", &[1, 2, 3]).expect("returns"), 4);
    assert_eq!(
        world.log(),
        "syscall 3 1 2 3 0 0 0\nresult\nnext at 4096: signal 2\nreturn 1\n\
         next at 4096: signal 3\nreturn 2\nnext at 4096: none\n\
         syscall 3 1 2 3 0 0 0\nsyscall 3 1 2 3 0 0 0\n"
    );
}

#[test]
fn signals_nest() {
    // The outer handler reads; that read is interrupted as well, by a handler of its own.
    let mut world = ready(&[SIGNAL, 9, SIGNAL, 8]);
    let outer = Signal {
        handler: 3,
        stack_pointer: 3000,
        number: 1,
        siginfo: 0,
        ucontext: 100,
    };
    let inner = Signal {
        handler: 1,
        stack_pointer: 2000,
        number: 2,
        siginfo: 0,
        ucontext: 200,
    };
    world.store.data_mut().signals.extend([outer, inner]);
    assert_eq!(world.call("read", &[1, 2, 3]).expect("returns"), 9);
    assert_eq!((word(&world, 16), word(&world, 20)), (2, 2000));
    assert_eq!(
        world.log(),
        "syscall 3 1 2 3 0 0 0\nresult\nnext at 4096: signal 1\n\
         syscall 3 90 91 92 0 0 0\nresult\nnext at 3000: signal 2\nreturn 200\n\
         next at 3000: none\nreturn 100\nnext at 4096: none\n"
    );
}

#[test]
fn stopped_task_parks_before_its_handlers() {
    let mut world = ready(&[SIGNAL, 9]);
    let stop = Signal {
        handler: PENDING.cast_signed(),
        number: 20,
        ..Signal::default()
    };
    let signal = Signal {
        handler: 1,
        stack_pointer: 3000,
        number: 18,
        siginfo: 0,
        ucontext: 1,
    };
    world.store.data_mut().signals.extend([stop, signal]);
    assert_eq!(world.call("read", &[0; 3]).expect("returns"), 9);
    assert!(
        world
            .log()
            .contains("next at 4096: signal 20\npark\nnext at 4096: signal 18\n")
    );
    let mut world = ready(&[SIGNAL, 9]);
    let die = Signal {
        handler: DIE.cast_signed(),
        ..Signal::default()
    };
    world.store.data_mut().signals.push_back(die);
    assert!(world.call("read", &[0; 3]).is_err());
}

#[test]
fn handler_that_is_no_function_traps() {
    for handler in [0, 4, 5, 99] {
        let mut world = ready(&[SIGNAL, 9]);
        let siginfo = i32::from(handler == 4);
        world.store.data_mut().signals.push_back(Signal {
            handler,
            siginfo,
            ..Signal::default()
        });
        let outcome = world.call("read", &[0; 3]);
        // 0 stands for "nothing to deliver".
        assert_eq!(outcome.is_err(), handler != 0, "handler {handler}");
    }
}

#[test]
fn tables_of_the_guest_still_work() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("indirect", &[1]).expect("returns"), 5);
    assert_eq!(word(&world, 16), 5);
}

#[test]
fn signals_trap_in_a_guest_without_table_and_stack_pointer() {
    let mut world = World::new(
        r#"(module
          (import "linux" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
          (import "env" "memory" (memory 1 3))
          (func (export "_start"))
          (func (export "read") (result i32)
            (call $read (i32.const 1) (i32.const 2) (i32.const 3))))"#,
    );
    world.answers(&[3, SIGNAL, 5]);
    assert_eq!(world.call("read", &[]).expect("returns"), 3);
    assert!(world.call("read", &[]).is_err());
}

#[test]
fn layout_is_read_from_the_module() {
    let program = load(PROGRAM);
    assert_eq!(program.entry, Entry::WithStack);
    assert_eq!(program.stack.pointer_initial, 4096);
    assert!(program.stack.has_pointer);
    assert_eq!(program.heap_base, 8192);
    assert_eq!(
        (program.memory.min_pages, program.memory.max_pages),
        (1, None)
    );

    let program = load(
        r#"(module
          (memory 2 10)
          (global $other (mut i32) (i32.const 1))
          (global $__stack_pointer (mut i32) (i32.const 70000))
          (data (i32.const 1024) "hello")
          (func $_start))"#,
    );
    assert_eq!(program.entry, Entry::Plain);
    assert_eq!(program.stack.pointer_initial, 70000);
    assert_eq!(program.stack.lowest, 1029);
    assert_eq!(program.data_end, 1029);
    assert_eq!(program.heap_base, 131_072);
    assert_eq!(program.memory.max_pages, Some(10));
    let mut world = World::of(&program);
    assert!(world.guest.get_func(&world.store, "_start").is_some());
    assert!(
        world
            .guest
            .get_global(&world.store, "__stack_pointer")
            .is_some()
    );
    assert_eq!(&world.memory.data(&world.store)[1024..1029], b"hello");
    assert_eq!(world.log(), "");
}

#[test]
fn only_the_module_linux_may_leave_out_the_prefix() {
    let text = |module: &str| {
        format!(
            r#"(module (import "{module}" "read" (func $read (param i32) (result i32)))
              (memory 1) (func (export "_start")))"#
        )
    };
    assert_eq!(load(&text("linux")).unknown_imports, [""; 0]);
    assert_eq!(load(&text("env")).unknown_imports, ["env.read"]);
    assert_eq!(load(&text("other")).unknown_imports, ["other.read"]);
}

#[test]
fn debug_sections_are_dropped_and_names_are_kept() {
    let mut bytes = wat::parse_str(PROGRAM).expect("the text is right");
    let plain = kernel_loader::load(&bytes, &world::options()).expect("it loads");
    // Custom sections: id 0, length, then a name and contents.
    for (name, contents) in [
        (&b".debug_info"[..], &[7; 90][..]),
        (b"producers", &[0xff; 9]),
    ] {
        let len = u8::try_from(name.len()).expect("short");
        bytes.extend([
            0,
            len + 1 + u8::try_from(contents.len()).expect("short"),
            len,
        ]);
        bytes.extend(name.iter().chain(contents));
    }
    let with_debug = kernel_loader::load(&bytes, &world::options()).expect("it loads");
    assert_eq!(plain.guest, with_debug.guest);
    assert!(plain.guest.windows(5).any(|window| window == b"three"));
    bytes.extend([0, 9, 4, b'n', b'a', b'm', b'e', 1, 0xff, 0xff, 0xff]);
    let with_bad_names = kernel_loader::load(&bytes, &world::options()).expect("it loads");
    world::validate(&with_bad_names);
}

#[test]
fn modern_features_survive_the_rewrite() {
    load(
        r#"(module
          (memory 1 2 shared)
          (type $sig (func (param i32) (result i32)))
          (tag $c_longjmp (param i32))
          (table $a 1 funcref) (table $b 2 externref)
          (elem declare func $f)
          (start $init)
          (func $init (table.copy $b $b (i32.const 0) (i32.const 0) (i32.const 1)))
          (func $f (param i32) (result i32)
            (block $catch (result i32)
              (try_table (catch $c_longjmp $catch) (throw $c_longjmp (local.get 0)))
              (i32.const 1)))
          (func $_start (export "_start")
            (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
            (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))
            (table.set $a (i32.const 0) (ref.func $f))
            (table.fill $b (i32.const 0) (ref.null extern) (i32.const 1))
            (drop (table.grow $a (ref.null func) (i32.const 1))))
          (func (export "tail") (param i32) (result i32)
            (return_call_indirect $a (type $sig) (local.get 0) (i32.const 0))))"#,
    );
}

#[test]
fn start_function_runs_within_the_process_before_its_entry() {
    for (parameter, argument, arguments) in [
        ("(param i32)", "(local.get 0)", &[9][..]),
        ("", "(i32.const 9)", &[]),
    ] {
        let mut world = World::new(&format!(
            r#"(module
              (import "linux" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
              (memory 1)
              (start $first)
              (func $first (drop (call $read (i32.const 1) (i32.const 2) (i32.const 3))))
              (func (export "_start") {parameter}
                (drop (call $read {argument} (i32.const 5) (i32.const 6))))
            )"#
        ));
        assert_eq!(world.log(), "", "nothing runs before the process does");
        world.call("_start", arguments).expect("returns");
        assert_eq!(
            world.log(),
            "syscall 3 1 2 3 0 0 0\nsyscall 3 9 5 6 0 0 0\n"
        );
    }
}

#[test]
fn functions_stay_named_when_their_export_becomes_anothers() {
    // `ref.func` may name what is exported; the entry calls the start function first.
    load(
        r#"(module (memory 1) (start $first) (func $first)
             (func $entry (export "_start") (drop (ref.func $entry))))"#,
    );
    // A program that forks is entered by way of one more function.
    load(
        r#"(module (import "linux" "__syscall_fork" (func $fork (result i32))) (memory 1)
             (func $entry (export "_start") (drop (ref.func $entry)) (drop (call $fork))))"#,
    );
}

/// Handlers that are not of the type that they are called with, and the question what they are.
const SHAPES: &str = r#"(module
  (import "linux" "__syscall_read" (func $read (param i32 i32 i32) (result i32)))
  (import "linux" "__function_shape" (func $shape (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (table 9 funcref)
  (elem (i32.const 3) func $nothing $result $one $float $three)
  (func (export "_start"))
  (func $nothing (i32.store (i32.const 16) (i32.const 100)))
  (func $result (result i32) (i32.store (i32.const 16) (i32.const 101)) (i32.const 7))
  (func $one (param i32) (i32.store (i32.const 16) (local.get 0)))
  (func $float (param f32))
  (func $three (param i32 i32 i32) (result i32)
    (i32.store (i32.const 16) (i32.add (local.get 0) (local.get 2)))
    (i32.const 8))
  (func (export "read") (param i32 i32 i32) (result i32)
    (call $read (local.get 0) (local.get 1) (local.get 2)))
  (func (export "shape") (param i32) (result i32) (call $shape (local.get 0))))"#;

#[test]
fn a_program_can_ask_what_a_pointer_names() {
    let mut world = World::new(SHAPES);
    let mut ask = |pointer| world.call("shape", &[pointer]).expect("returns");
    assert_eq!([3, 4, 5, 7].map(&mut ask), [0, 1, 2, 7]);
    for unknown in [0, 2, 6, 8, 9, -1, i32::MIN] {
        assert_eq!(ask(unknown), 8, "{unknown}");
    }
}

#[test]
fn handlers_may_have_any_parameters_and_a_result() {
    for (handler, siginfo, wanted) in [
        (3, 0, 100),
        (3, 3200, 100),
        (4, 0, 101),
        (5, 3200, 10),
        (7, 0, 3110),
        (7, 3200, 3110),
    ] {
        let mut world = World::new(SHAPES);
        world.answers(&[SIGNAL, 9]);
        world.store.data_mut().signals.push_back(Signal {
            handler,
            stack_pointer: 3000,
            number: 10,
            siginfo,
            ucontext: 3100,
        });
        assert_eq!(world.call("read", &[0; 3]).expect("returns"), 9);
        assert_eq!(word(&world, 16), wanted, "{handler} with {siginfo}");
    }
}

#[test]
fn a_handler_of_another_type_still_traps() {
    let mut world = World::new(SHAPES);
    world.answers(&[SIGNAL, 9]);
    world.store.data_mut().signals.push_back(Signal {
        handler: 6,
        stack_pointer: 3000,
        number: 10,
        siginfo: 0,
        ucontext: 3100,
    });
    assert!(world.call("read", &[0; 3]).is_err());
}
