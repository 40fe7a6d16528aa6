//! Modules made up by `wasm-smith`: valid ones with code of all kinds, which are programs by their names.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use super::Random;

/// What they may import: calls of each interface, one of which forks.
const IMPORTS: &str = r#"(module
  (import "linux" "__syscall_fork" (func (result i32)))
  (import "linux" "__syscall_write" (func (param i32 i32 i32) (result i32)))
  (import "linux" "__syscall_pread64" (func (param i32 i32 i32 i64) (result i32)))
  (import "linux" "__syscall_unheard_of" (func (param f64 i64) (result f32))))"#;

/// What they export: they are programs, with or without threads and a stack.
const EXPORTS: [&str; 3] = [
    r#"(module (func (export "_start")))"#,
    r#"(module (func (export "_start") (param i32))
         (global (export "__stack_pointer") (mut i32) (i32.const 4096)))"#,
    r#"(module (func (export "_start")) (func (export "__wasm_thread_start") (param i32))
         (global (export "__stack_pointer") (mut i32) (i32.const 4096))
         (global (export "__heap_base") i32 (i32.const 4096)))"#,
];

/// Makes one up.
pub(crate) fn make(random: &mut Random<'_>) -> Option<Vec<u8>> {
    let len = 100 + random(1500);
    let bytes: Vec<u8> = (0..len)
        .map(|_| u8::try_from(random(256)).unwrap_or_default())
        .collect();
    let parse = |text: &str| wat::parse_str(text).ok();
    let has_imports = random(4) > 0;
    let config = Config {
        available_imports: if has_imports { parse(IMPORTS) } else { None },
        max_imports: if has_imports { 4 } else { 0 },
        exports: parse(EXPORTS[random(EXPORTS.len())]),
        min_memories: 1,
        max_memories: 1,
        memory64_enabled: false,
        gc_enabled: false,
        multi_value_enabled: true,
        exceptions_enabled: random(2) == 0,
        tail_call_enabled: random(2) == 0,
        threads_enabled: random(2) == 0,
        simd_enabled: random(2) == 0,
        relaxed_simd_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        shared_everything_threads_enabled: false,
        min_funcs: 1,
        max_funcs: 1 + random(20),
        max_instructions: 10 + random(300),
        max_memory32_bytes: 64 << 20,
        ..Config::default()
    };
    let module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    Some(module.to_bytes())
}
