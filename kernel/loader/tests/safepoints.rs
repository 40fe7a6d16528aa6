//! Programs that make no calls, run against a scripted kernel.

#![expect(clippy::expect_used, reason = "test code")]
#![expect(clippy::indexing_slicing, reason = "test code")]

mod options;
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
    assert_eq!(world.call("count", &[200_000]).expect("returns"), 200_000);
    let nr = nr_safepoints(&mut world);
    assert!((1..=100).contains(&nr), "{nr}");
    assert_eq!(world.call("count", &[200_000]).expect("returns"), 200_000);
    assert_eq!(nr_safepoints(&mut world), nr, "the counter is filled up");
}

#[test]
fn loops_keep_what_they_have_on_the_stack() {
    let mut world = World::new(PROGRAM);
    assert_eq!(world.call("nested", &[2000]).expect("returns"), 200_000);
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
    assert_eq!(world.call("count", &[200_000]).expect("returns"), 200_000);
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
    assert_eq!(world.call("count", &[200_000]).expect("returns"), 200_000);
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
    assert!(world.call("count", &[200_000]).is_err());
}

/// Recursion of all kinds, without a loop.
const RECURSIVE: &str = r#"(module
  (type $word (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (table 4 funcref)
  (elem (i32.const 1) func $by_table $tail_by_table)
  (func (export "_start"))
  (func $fib (export "fib") (param $n i32) (result i32)
    (if (result i32) (i32.lt_s (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add
        (call $fib (i32.sub (local.get $n) (i32.const 1)))
        (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func $even (export "even") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (return_call $odd (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.const 1))))
  (func $odd (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (return_call $even (i32.sub (local.get $n) (i32.const 1))))
      (else (i32.const 0))))
  (func $by_table (export "by_table") (param $n i32) (result i32)
    (if (result i32) (i32.lt_s (local.get $n) (i32.const 1))
      (then (i32.const 1))
      (else (i32.add
        (call_indirect (type $word) (i32.sub (local.get $n) (i32.const 1)) (i32.const 1))
        (call_indirect (type $word) (i32.sub (local.get $n) (i32.const 1)) (i32.const 1))))))
  (func $tail_by_table (export "tail_by_table") (param $n i32) (result i32)
    (if (result i32) (local.get $n)
      (then (return_call_indirect (type $word)
        (i32.sub (local.get $n) (i32.const 1)) (i32.const 2)))
      (else (i32.const 9)))))"#;

#[test]
fn recursion_asks_the_kernel_from_time_to_time() {
    let mut world = World::new(RECURSIVE);
    for (function, argument, result) in [
        ("fib", 22, 17_711),
        ("even", 100_001, 0),
        ("by_table", 16, 65_536),
        ("tail_by_table", 100_000, 9),
    ] {
        assert_eq!(world.call(function, &[argument]).expect("returns"), result);
        let nr = nr_safepoints(&mut world);
        assert!((1..=100).contains(&nr), "{function}: {nr}");
    }
}

#[test]
fn recursion_can_be_ended() {
    for (function, argument) in [("fib", 40), ("even", -1), ("by_table", 40)] {
        let mut world = World::new(RECURSIVE);
        let script = world.store.data_mut();
        script.safepoints.push_back(DIE.cast_signed());
        assert!(world.call(function, &[argument]).is_err(), "{function}");
    }
}

#[test]
fn a_tree_of_calls_without_a_cycle_can_be_ended() {
    // Each function calls the next one twice: 2^40 calls. The loop uses up most of the counter.
    let mut text = String::from(
        r#"(module (memory 1) (func (export "_start")) (func (export "tree") (call $f0))"#,
    );
    for level in 0..40 {
        let next = level + 1;
        text += &format!("(func $f{level} (call $f{next}) (call $f{next}))");
    }
    text += r#"(func $f40) (func (export "word") (result i32) (local $i i32)
      (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (i32.const 159800))))
      (call $f0) (i32.const 1)))"#;
    let mut world = World::new(&text);
    world
        .store
        .data_mut()
        .safepoints
        .push_back(DIE.cast_signed());
    assert!(world.call("word", &[]).is_err());
}

#[test]
fn long_fills_count_by_their_length() {
    let mut world = World::new(
        r#"(module (memory 32) (func (export "_start"))
          (func (export "fill") (param $len i32) (result i32)
            (memory.fill (i32.const 0) (i32.const 1) (local.get $len))
            (memory.copy (i32.const 8) (i32.const 0) (i32.const 100))
            (i32.load8_u (i32.const 0))))"#,
    );
    assert_eq!(world.call("fill", &[64]).expect("returns"), 1);
    assert_eq!(nr_safepoints(&mut world), 0);
    assert_eq!(world.call("fill", &[2_000_000]).expect("returns"), 1);
    assert_eq!(nr_safepoints(&mut world), 1);
}

#[test]
fn memory_grows_by_the_kernel() {
    let mut world = World::new(
        r#"(module (memory 1) (func (export "_start"))
          (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
          (func (export "size") (result i32) (memory.size)))"#,
    );
    world.store.data_mut().grows.extend([1, 4]);
    assert_eq!(world.call("grow", &[3]).expect("returns"), 1);
    assert_eq!(world.call("size", &[]).expect("returns"), 4);
    assert_eq!(world.call("grow", &[9]).expect("returns"), -1);
    assert_eq!(world.log(), "grow 3\ngrow 0\ngrow 9\n");
    assert_eq!(world.memory.size(&world.store), 1);
}

/// A small loop with a way out in its middle, one back to its head, and one out of two blocks.
const BRANCHY: &str = r#"(module (memory 1) (func (export "_start"))
  (func (export "conditional") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (block $out
      (block $middle
        (loop $l
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $out (i32.gt_u (local.get $i) (local.get $n)))
          (block $inner
            (br_if $inner (i32.and (local.get $i) (i32.const 1)))
            (br_if $l (i32.and (local.get $i) (i32.const 2)))
            (local.set $sum (i32.add (local.get $sum) (local.get $i))))
          (if (i32.eq (local.get $sum) (i32.const 9999)) (then (br $middle)))
          (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000))))
        (return (i32.const -2)))
      (return (i32.const -3)))
    (local.get $sum))
  (func (export "endless") (param $n i32) (result i32) (local $i i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 3)))
      (if (i32.ge_u (local.get $i) (local.get $n)) (then (return (local.get $i))))
      (i32.const 7)
      (br $l))
    unreachable))"#;

#[test]
fn small_loops_do_the_same_when_written_several_times() {
    let mut world = World::new(BRANCHY);
    for n in 0..200_u32 {
        let sum: u32 = (1..=n).filter(|i| i % 4 == 0).sum();
        let argument = n.cast_signed();
        assert_eq!(
            world.call("conditional", &[argument]).expect("returns"),
            sum.cast_signed(),
            "{n}"
        );
        assert_eq!(
            world.call("endless", &[argument]).expect("returns"),
            (n.div_ceil(3).max(1) * 3).cast_signed(),
            "{n}"
        );
    }
}

/// Loops that go round by each kind of branch, with a call so that they are not unrolled.
const BACK_EDGES: &str = r#"(module
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (global $calls (mut i32) (i32.const 0))
  (func (export "_start"))
  (func $work (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
  (func (export "br_if") (param $n i32) (result i32)
    (loop $l
      (call $work)
      (local.tee $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l))
    (global.get $calls))
  (func (export "br") (param $n i32) (result i32)
    (block $out
      (loop $l
        (call $work)
        (br_if $out (i32.eqz (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.const 5)
        (br $l)))
    (global.get $calls))
  (func (export "br_table") (param $n i32) (result i32)
    (block $out
      (loop $l
        (call $work)
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_table $out $l (local.get $n))))
    (global.get $calls))
  (func (export "from_inner") (param $n i32) (result i32) (local $i i32)
    (loop $outer
      (call $work)
      (local.set $i (i32.const 3))
      (loop $inner
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (br_if $inner (local.get $i))
        (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (global.get $calls))
  (func (export "never_round") (param $n i32) (result i32)
    (loop $l (call $work))
    (global.get $calls)))"#;

#[test]
fn loops_come_by_a_safepoint_whatever_branch_goes_round() {
    for name in ["br_if", "br", "br_table", "from_inner"] {
        let mut world = World::new(BACK_EDGES);
        assert_eq!(
            world.call(name, &[200_000]).expect("returns"),
            200_000,
            "{name}"
        );
        let nr = nr_safepoints(&mut world);
        assert!((5..=100).contains(&nr), "{name}: {nr}");
    }
}

#[test]
fn a_loop_that_never_goes_round_pays_nothing() {
    let mut world = World::new(BACK_EDGES);
    for _ in 0..50_000 {
        world.call("never_round", &[0]).expect("returns");
    }
    assert_eq!(nr_safepoints(&mut world), 0);
}

/// Loops over constants, in the ways in which compilers write them; and some that only look so.
const COUNTED: &str = r#"(module
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 4096))
  (func (export "_start"))
  (func (export "up") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $outer
      (local.set $i (i32.const -640))
      (loop $l
        (if (i32.and (local.get $i) (i32.const 4))
          (then (local.set $sum (i32.add (local.get $sum) (i32.const 1)))))
        (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 4)))))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "down") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (loop $outer
      (local.set $i (i32.const 99))
      (block $out
        (loop $l
          (br_if $out (i32.eqz (local.get $n)))
          (local.set $i (i32.add (local.get $i) (i32.const -1)))
          (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
          (br_if $l (i32.ne (local.get $i) (i32.const -1)))))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "nest") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $sum i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $rounds
        (local.set $i (i32.const 19))
        (loop $l
          (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
          (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const -1))) (i32.const -1))))
        (br_if $rounds (i32.ne (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 4))))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "few") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (local.set $i (i32.const 0))
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
    (local.get $sum))
  (func (export "passes_the_last") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (local.set $i (i32.const 0))
    (block $out
      (loop $l
        (br_if $out (i32.eq (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (local.get $n)))
        (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 2))) (i32.const 7)))))
    (local.get $turns))
  (func (export "long") (param $n i32) (result i32) (local $i i32)
    (local.set $i (i32.const -200000))
    (loop $l
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $n))
  (func (export "set_twice") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (local.set $i (i32.const -8))
    (loop $l
      (if (i32.lt_u (local.get $turns) (local.get $n)) (then (local.set $i (i32.const -8))))
      (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $turns))
  (func (export "goes_round_before") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (local.set $i (i32.const -8))
    (loop $l
      (br_if $l (i32.lt_u (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (local.get $n)))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $turns))
  (func (export "steps_seldom") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (local.set $i (i32.const -8))
    (loop $l
      (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
      (if (i32.ge_u (local.get $turns) (local.get $n))
        (then (local.set $i (i32.add (local.get $i) (i32.const 1)))))
      (br_if $l (local.get $i)))
    (local.get $turns))
  (func (export "starts_elsewhere") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (if (local.get $n)
      (then (local.set $i (i32.sub (i32.const 0) (local.get $n))))
      (else (local.set $i (i32.const -8))))
    (loop $l
      (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
      (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1)))))
    (local.get $turns))
  (func (export "by_table") (param $n i32) (result i32) (local $i i32) (local $turns i32)
    (local.set $i (i32.const -8))
    (block $out
      (loop $l
        (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
        (block $on
          (br_table $l $on (i32.ge_u (local.get $turns) (local.get $n))))
        (br_if $l (local.tee $i (i32.add (local.get $i) (i32.const 1))))))
    (local.get $turns)))"#;

#[test]
fn a_counted_loop_counts_all_its_turns() {
    for (name, turns, sum) in [("up", 160, 80), ("down", 100, 100), ("nest", 84, 80)] {
        let mut world = World::new(COUNTED);
        let times = 4000;
        assert_eq!(
            world.call(name, &[times]).expect("returns"),
            times * sum,
            "{name}"
        );
        // 20,000 turns for each call of the kernel, as in any other loop; the outer one has turns, too.
        let expected = usize::try_from(times * (turns + 1) / 20_000).expect("is positive");
        let nr = nr_safepoints(&mut world);
        assert!(
            (expected - 2..=expected + 2).contains(&nr),
            "{name}: {nr}, not about {expected}"
        );
    }
}

#[test]
fn a_counted_loop_of_a_few_turns_pays_nothing() {
    let mut world = World::new(COUNTED);
    for n in 0..50_000 {
        assert_eq!(world.call("few", &[n]).expect("returns"), 3 * n);
    }
    assert_eq!(nr_safepoints(&mut world), 0);
}

#[test]
fn loops_that_only_look_counted_come_by_safepoints() {
    for (name, turns) in [
        ("passes_the_last", 200_000),
        ("long", 200_000),
        ("set_twice", 200_007),
        ("goes_round_before", 200_007),
        ("steps_seldom", 200_007),
        ("starts_elsewhere", 200_000),
        ("by_table", 200_007),
    ] {
        let mut world = World::new(COUNTED);
        assert_eq!(
            world.call(name, &[200_000]).expect("returns"),
            turns,
            "{name}"
        );
        let nr = nr_safepoints(&mut world);
        assert!((1..=100).contains(&nr), "{name}: {nr}");
    }
}
