//! What modules are made from: small ones written by hand, and programs of the guests where there are any.

use std::path::{Path, PathBuf};

use super::{Origin, Random, code, sections, smith};
use crate::random::numbers_from;

/// Larger programs are left out: a loader that is quadratic in them would show in smaller ones.
const MAX_LEN: u64 = 256 << 10;
/// Programs of more bytes are taken rarely.
const LARGE: usize = 48 << 10;

/// Modules to begin with.
#[derive(Debug)]
pub(crate) struct Corpus {
    small: Vec<Vec<u8>>,
    programs: Vec<Vec<u8>>,
}

impl Corpus {
    /// The modules below, and the programs in `folders`, a list with colons.
    pub(crate) fn new(folders: Option<&str>) -> Self {
        let small = TEXTS
            .iter()
            .map(|text| wat::parse_str(text).expect("the text is right"))
            .collect();
        let mut files = Vec::new();
        for folder in folders.unwrap_or_default().split(':') {
            if !folder.is_empty() {
                find(Path::new(folder), &mut files);
            }
        }
        // So that a seed means the same on another machine.
        files.sort();
        let programs = files.iter().filter_map(|file| std::fs::read(file).ok());
        let programs = programs
            .filter(|bytes| bytes.starts_with(b"\0asm\x01"))
            .collect();
        Self { small, programs }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.small.len() + self.programs.len()
    }

    /// One of them.
    fn pick(&self, random: &mut Random<'_>) -> &[u8] {
        if !self.programs.is_empty() && random(8) == 0 {
            let program = &self.programs[random(self.programs.len())];
            if program.len() < LARGE || random(8) == 0 {
                return program;
            }
        }
        &self.small[random(self.small.len())]
    }

    /// The module of `seed`.
    pub(crate) fn mutant(&self, seed: u64) -> (Origin, Vec<u8>) {
        let mut random = numbers_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The first numbers of neighbours are alike.
        for _ in 0..4 {
            random(2);
        }
        let random: &mut Random<'_> = &mut random;
        let base = self.pick(random);
        match random(10) {
            0 | 1 => {
                let mut bytes = base.to_vec();
                sections::change_bytes(random, &mut bytes);
                (Origin::Bytes, bytes)
            }
            2 | 3 => {
                let other = self.pick(random).to_vec();
                (Origin::Sections, sections::change(random, base, &other))
            }
            4..8 => (Origin::Code, code::change(random, base)),
            8 => {
                let made = smith::make(random).unwrap_or_else(|| base.to_vec());
                (Origin::Made, made)
            }
            _ => {
                let made = smith::make(random).unwrap_or_else(|| base.to_vec());
                let changed = match random(3) {
                    0 => sections::change(random, &made, base),
                    _ => code::change(random, &made),
                };
                (Origin::MadeAndChanged, changed)
            }
        }
    }
}

/// Finds files in `folder` and below.
fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| {
        panic!("{}: {error}", folder.display());
    });
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => find(&path, files),
            Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_LEN => files.push(path),
            _ => {}
        }
    }
}

/// Modules with everything that the loader rewrites.
const TEXTS: [&str; 10] = [
    // Calls, tables, exceptions, data, loops of all kinds.
    r#"(module
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
    (unreachable)))"#,
    // A program that forks below operands, in constructs, loops and calls of a type.
    r#"(module
  (import "linux" "__syscall_fork" (func $fork (result i32)))
  (import "linux" "__syscall_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
  (global $wide (mut v128) (v128.const i64x2 1 2))
  (tag $tag (param i32))
  (type $callee (func (param i32 f64) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) func $taken)
  (func $taken (type $callee) (call $fork))
  (func $pure (export "pure") (param i32) (result i32)
    (i32.add (local.get 0) (call $write (i32.const 1) (i32.const 2) (i32.const 3))))
  (func (export "_start") (param i32) (drop (call $main (local.get 0))))
  (func $main (param i32) (result i32) (local v128 f32)
    (i32.const 7) (i32.const 9)
    (loop $again (param i32) (result i32)
      (i32.add (call $fork))
      (br_if $again (i32.const 1) (local.get 0))
      (drop)
      (br_table 0 1 (i32.const 2) (local.get 0)))
    (i32.add)
    (call_indirect (type $callee) (i32.const 1) (f64.const 2) (local.get 0))
    (i32.add)
    (if (param) (result i32) (then (call $inner)) (else (i32.const 4))))
  (func $inner (result i32)
    (block $out
      (try_table (catch_all $out) (throw $tag (call $fork))))
    (i32.const 1)))"#,
    // The same with exceptions of the older form.
    r#"(module
  (import "linux" "__syscall_fork" (func $fork (result i32)))
  (memory (export "memory") 1)
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 4096))
  (tag $tag (param i32))
  (func (export "_start") (drop (call $main (i32.const 1))))
  (func $main (param i32) (result i32)
    try $t (result i32)
      try (result i32) call $fork delegate $t
    catch $tag i32.const 2 i32.add
    catch_all rethrow 0
    end))"#,
    // A shared memory, atomic instructions, threads.
    r#"(module
  (import "env" "memory" (memory 1 16 shared))
  (import "env" "__syscall_futex_time64" (func $futex (param i32 i32 i32 i32 i32 i32) (result i32)))
  (global $sp (export "__stack_pointer") (mut i32) (i32.const 8192))
  (global $tls (export "__tls_base") (mut i32) (i32.const 0))
  (data $bytes "\01\02\03\04")
  (func $begin
    (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
    (drop (memory.atomic.wait64 offset=8 (i32.const 8) (i64.const 0) (i64.const 5)))
    (drop (memory.atomic.notify (i32.const 8) (i32.const 1)))
    (atomic.fence)
    (memory.init $bytes (i32.const 64) (i32.const 0) (i32.const 4)) (data.drop $bytes))
  (start $begin)
  (func (export "__wasm_thread_start") (param i32)
    (loop $spin (br_if $spin (i32.atomic.rmw.cmpxchg (i32.const 4) (i32.const 0) (i32.const 1)))))
  (func (export "_start") (param i32)
    (drop (call $futex (i32.const 8) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))))"#,
    // A program for WALI, whose setjmp returns in loops and below operands, between forks and handlers.
    r#"(module
  (import "wali" "setjmp" (func $setjmp (param i32) (result i32)))
  (import "wali" "sigsetjmp" (func $sigsetjmp (param i32 i32) (result i32)))
  (import "wali" "_setjmp" (func $wide (param i64) (result i64)))
  (import "wali" "longjmp" (func $longjmp (param i32 i32)))
  (import "wali" "SYS_fork" (func $fork (result i64)))
  (import "wali" "SYS_fstat" (func $fstat (param i32 i32) (result i64)))
  (import "wali" "SYS_rt_sigaction" (func $sigaction (param i32 i32 i32 i32) (result i64)))
  (import "wali" "__cl_copy_argv" (func $argument (param i32 i32) (result i32)))
  (memory (export "memory") 1) (table 4 funcref) (elem (i32.const 1) func $handler)
  (global $sp (mut i32) (i32.const 4096)) (tag $tag (param i32))
  (func $handler (param i32) (call $longjmp (i32.const 128) (local.get 0)))
  (func (export "_start") (local i64)
    (drop (call $sigaction (i32.const 1) (i32.const 512) (i32.const 0) (i32.const 8)))
    (drop (call $argument (i32.const 512) (i32.const 0)))
    (block (br_if 0 (call $sigsetjmp (i32.const 128) (i32.const 1))) (drop (call $main (i32.const 3))))
    (drop (call $wide (i64.const 200))) (drop (call $fork)) (call $longjmp (i32.const 200) (i32.const 0)))
  (func $main (param i32) (result i32) (local v128 f32)
    (i32.const 7) (f64.const 9)
    (loop $again (param f64) (result i64)
      (drop) (local.set 0 (i32.add (call $setjmp (i32.const 8)) (i32.const 3)))
      (f64.const 1)
      (br_if $again (i64.eqz (call $fork)))
      (drop) (call $fstat (i32.const 0) (i32.const 600)))
    (i32.wrap_i64) (i32.add)
    (if (result i32) (then (call $inner)) (else (call $setjmp (local.get 0)))))
  (func $inner (result i32)
    (block $out
      (i64.const 5)
      (try_table (param i64) (catch_all $out)
        (drop) (drop (call $setjmp (i32.const 64))) (throw $tag (call $main (i32.const 4)))))
    (i32.const 1)))"#,
    // The same with exceptions of the older form.
    r#"(module
  (import "wali" "setjmp" (func $setjmp (param i32) (result i32)))
  (import "wali" "longjmp" (func $longjmp (param i32 i32)))
  (import "wali" "SYS_fork" (func $fork (result i64)))
  (memory (export "memory") 1) (global $sp (mut i32) (i32.const 4096)) (tag $tag (param i32))
  (func (export "_start") (drop (call $main (i32.const 1))))
  (func $main (param i32) (result i32)
    try $t (result i32)
      try (result i32) i32.const 8 call $setjmp delegate $t
      call $fork i32.wrap_i64 i32.add
    catch $tag i32.const 9 call $setjmp i32.add
    catch_all i32.const 8 i32.const 1 call $longjmp rethrow 0
    end))"#,
    // A program for WASI, with names.
    r#"(module $wasi
  (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2 3)
  (global $counter (mut i32) (i32.const 5))
  (data (i32.const 1024) "hello")
  (func $start (export "_start") (local $unused i64)
    (drop (call $seek (i32.const 1) (i64.const -2) (i32.const 3) (i32.const 4)))
    (call $exit (i32.const 9))))"#,
    // Values of all types, several results, references.
    r#"(module
  (import "env" "__syscall_pread64" (func $pread (param i32 i32 i32 i64) (result i32)))
  (memory 1) (table $a 3 funcref) (table $b 2 9 externref)
  (global $f (mut funcref) (ref.null func)) (global f64 (f64.const 1.5))
  (elem $passive funcref (ref.func $three) (ref.null func))
  (func $three (param v128 f32) (result i64 f64 i32)
    (i64.const 1) (f64.const 2) (i32x4.extract_lane 2 (local.get 0)))
  (func (export "_start") (local externref)
    (call $three (v128.const i32x4 1 2 3 4) (f32.const 0))
    (drop) (drop) (drop)
    (table.init $a $passive (i32.const 0) (i32.const 0) (i32.const 2)) (elem.drop $passive)
    (table.set $b (i32.const 0) (local.get 0))
    (global.set $f (table.get $a (i32.const 0)))
    (drop (select (result funcref) (ref.null func) (global.get $f) (i32.const 1)))
    (drop (call $pread (i32.const 0) (i32.const 1) (i32.const 2) (i64.const 3)))
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))))"#,
    // Recursion without loops, and loops without calls.
    r#"(module (memory 0)
  (func $a (param i64) (result i64)
    (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1))
      (else (i64.mul (local.get 0) (call $b (i64.sub (local.get 0) (i64.const 1)))))))
  (func $b (param i64) (result i64) (return_call $a (local.get 0)))
  (func $busy (loop $l (br $l)))
  (func (export "_start") (drop (call $a (i64.const 20))) (call $busy)))"#,
    // Nothing but an entry.
    r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
];
