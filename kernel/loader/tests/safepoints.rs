//! Programs that make no calls, run against a scripted kernel.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]

mod world;

use abi::special::{DIE, PENDING, SIGNAL};
use world::{Signal, World};

/// Loops with and without values on the stack, one in the other, and none at all.
const PROGRAM: &str = r#"(module
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (table 2 funcref)
  (elem (i32.const 1) func $handler)
  (func (export "_start"))
  (func $handler (param i32) (i32.store (i32.const 16) (local.get 0)))
  (func (export "count") (param $n i32) (result i32) (local $i i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $i))
  (func (export "nested") (param $n i32) (result i32) (local $i i32) (local $j i32)
    (local.get $n)
    (loop $outer (param i32) (result i32)
      (i32.sub (i32.const 1))
      (local.set $j (i32.const 0))
      (loop $inner
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $inner (i32.lt_u (local.get $j) (i32.const 100))))
      (local.tee $j)
      (br_if $outer (local.get $j)))
    drop
    (local.get $i))
  (func (export "straight") (param $n i32) (result i32)
    (i32.add (local.get $n) (i32.const 1))))"#;

fn nr_safepoints(world: &mut World) -> usize {
    world.log().matches("safepoint\n").count()
}

#[test]
fn loops_ask_the_kernel_from_time_to_time() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("count", &[100_000]).expect("returns"), 100_000);
    let nr = nr_safepoints(&mut world);
    assert!((1..=100).contains(&nr), "{nr}");
    assert_eq!(world.call("count", &[100_000]).expect("returns"), 100_000);
    assert_eq!(nr_safepoints(&mut world), nr, "the counter is filled up");
}

#[test]
fn loops_keep_what_they_have_on_the_stack() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("nested", &[1000]).expect("returns"), 100_000);
    assert!(nr_safepoints(&mut world) > 0);
}

#[test]
fn code_without_loops_asks_nothing() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("straight", &[1]).expect("returns"), 2);
    assert_eq!(world.log(), "");
}

#[test]
fn a_safepoint_may_wait_and_go_on() {
    let mut world = World::new(PROGRAM);
    world.answers(&[7]);
    let script = world.store.data_mut();
    script.safepoints.push_back(PENDING.cast_signed());
    assert_eq!(world.call("count", &[30_000]).expect("returns"), 30_000);
    assert_eq!(world.log(), "safepoint\npark\nresult\n");
}

#[test]
fn a_safepoint_may_run_a_handler() {
    let mut world = World::new(PROGRAM);
    let script = world.store.data_mut();
    script.safepoints.push_back(SIGNAL.cast_signed());
    script.signals.push_back(Signal {
        handler: 1,
        stack_pointer: 3000,
        number: 15,
        siginfo: 0,
        ucontext: 3100,
    });
    assert_eq!(world.call("count", &[30_000]).expect("returns"), 30_000);
    let mut word = [0; 4];
    world
        .memory
        .read(&world.store, 16, &mut word)
        .expect("in bounds");
    assert_eq!(i32::from_le_bytes(word), 15);
}

#[test]
fn a_safepoint_may_be_the_end() {
    let mut world = World::new(PROGRAM);
    world
        .store
        .data_mut()
        .safepoints
        .push_back(DIE.cast_signed());
    assert!(world.call("count", &[30_000]).is_err());
}
