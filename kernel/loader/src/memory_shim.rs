//! Generates the module through which the kernel reaches the memory of a guest.
//!
//! It holds no state: an instance belongs to a memory, not to a process, and is kept with it when
//! another process gets the memory. No export traps on a guest's address; addresses of the kernel
//! are the kernel's own and trap when they are wrong.
//!
//! | export | result |
//! |---|---|
//! | `copy_in(kernel_to, guest_from, len)` | 1, or 0 when the guest's range is out of bounds |
//! | `copy_out(guest_to, kernel_from, len)` | the same |
//! | `copy_in_string(kernel_to, guest_from, max)` | bytes before the NUL, `max` without one, or -1 |
//! | `fill(guest_to, byte, len)` | 1, or 0 when out of bounds |
//! | `exchange(at, old, new)` | the word at a multiple of 4, which is `new` from now on if it was `old`; or -1 |
//! | `size()`, `grow(pages)` | as `memory.size` and `memory.grow` |
//! | `clean(from, to)` | zeroes `[from, to)`; how many 4 KiB pages were not zero before |
//! | `clean_down(top, window)` | cleans downwards until `window` bytes were zero; where it ended |

use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstructionSink, MemArg, MemArgTarget, MemoryType, Module, TypeSection, ValType,
};

use crate::rewrite::MAX_PAGES;
use crate::{Copy, MemoryLimits, Sharing};

/// The guest's memory is number 0 in both forms of the module, the kernel's is number 1.
const GUEST: u32 = 0;
const KERNEL: u32 = 1;

/// Bytes of a page in `clean`: what a host commits at once.
const PAGE_LEN: i64 = 4096;

/// Indices of types.
mod types {
    pub(super) const THREE_WORDS_TO_WORD: u32 = 0;
    pub(super) const TO_WORD: u32 = 1;
    pub(super) const WORD_TO_WORD: u32 = 2;
    pub(super) const WORDS_TO_WORD: u32 = 3;
    pub(super) const THREE_WORDS: u32 = 4;
    pub(super) const THREE_WORDS_TO_LONG: u32 = 5;
}

/// Functions by their index among the defined ones.
mod functions {
    pub(super) const IN_BOUNDS: u32 = 0;
    pub(super) const IS_DIRTY: u32 = 1;
    pub(super) const CLEAN: u32 = 2;
}

/// The module that lets the kernel reach a guest's memory, private or shared.
///
/// Imports `guest.memory`, and `kernel.memory` ([`Copy::MultiMemory`]) or the functions
/// `host.copy_in(kernel_to, guest_from, len)` and `host.copy_out(guest_to, kernel_from, len)`
/// ([`Copy::JavaScript`]), which are called with ranges that were checked.
///
/// - `kernel_memory`: the limits of the kernel's own memory, as its module declares them
pub fn memory_shim(how: Copy, kernel_memory: MemoryLimits, guest: Sharing) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 3], [ValType::I32]);
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32; 1], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    types.ty().function([ValType::I32; 3], []);
    types.ty().function([ValType::I32; 3], [ValType::I64]);

    let mut imports = ImportSection::new();
    let shared = guest == Sharing::Shared;
    let any = MemoryLimits {
        min_pages: 0,
        max_pages: Some(MAX_PAGES),
        shared,
    };
    imports.import("guest", "memory", memory_type(any));
    let first = match how {
        Copy::MultiMemory => {
            imports.import("kernel", "memory", memory_type(kernel_memory));
            0
        }
        Copy::JavaScript => {
            imports.import("host", "copy_in", EntityType::Function(types::THREE_WORDS));
            imports.import("host", "copy_out", EntityType::Function(types::THREE_WORDS));
            2
        }
    };
    let writer = Writer { first, copy: how };
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut exports = ExportSection::new();
    for (index, (name, type_index, body)) in (first..).zip([
        ("", types::WORDS_TO_WORD, in_bounds(guest)),
        ("", types::WORDS_TO_WORD, is_dirty()),
        ("clean", types::WORDS_TO_WORD, writer.clean()),
        ("clean_down", types::WORDS_TO_WORD, writer.clean_down()),
        (
            "copy_in",
            types::THREE_WORDS_TO_WORD,
            writer.copy(Direction::In),
        ),
        (
            "copy_out",
            types::THREE_WORDS_TO_WORD,
            writer.copy(Direction::Out),
        ),
        (
            "copy_in_string",
            types::THREE_WORDS_TO_WORD,
            writer.copy_in_string(),
        ),
        ("fill", types::THREE_WORDS_TO_WORD, writer.fill()),
        (
            "exchange",
            types::THREE_WORDS_TO_LONG,
            writer.exchange(guest),
        ),
        ("size", types::TO_WORD, size()),
        ("grow", types::WORD_TO_WORD, grow()),
    ]) {
        functions.function(type_index);
        code.function(&body);
        if !name.is_empty() {
            exports.export(name, ExportKind::Func, index);
        }
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&code);
    module.finish()
}

const fn memory_type(limits: MemoryLimits) -> MemoryType {
    MemoryType {
        minimum: limits.min_pages,
        maximum: limits.max_pages,
        memory64: false,
        shared: limits.shared,
        page_size_log2: None,
    }
}

/// Which way a copy goes, seen from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Writes the functions that call others or copy.
struct Writer {
    /// Index of the first defined function.
    first: u32,
    copy: Copy,
}

impl Writer {
    fn call(&self, code: &mut InstructionSink<'_>, function: u32) {
        code.call(self.first.saturating_add(function));
    }

    /// Copies; destination, source and length are on the stack.
    fn move_bytes(&self, code: &mut InstructionSink<'_>, direction: Direction) {
        match (self.copy, direction) {
            (Copy::MultiMemory, Direction::In) => code.memory_copy(KERNEL, GUEST),
            (Copy::MultiMemory, Direction::Out) => code.memory_copy(GUEST, KERNEL),
            (Copy::JavaScript, Direction::In) => code.call(0),
            (Copy::JavaScript, Direction::Out) => code.call(1),
        };
    }

    /// `copy_in(to, from, len)` and `copy_out(to, from, len)`.
    fn copy(&self, direction: Direction) -> Function {
        const TO: u32 = 0;
        const FROM: u32 = 1;
        const LEN: u32 = 2;
        let mut body = Function::new([]);
        let mut code = body.instructions();
        code.local_get(if direction == Direction::In { FROM } else { TO })
            .local_get(LEN);
        self.call(&mut code, functions::IN_BOUNDS);
        code.i32_eqz()
            .if_(BlockType::Empty)
            .i32_const(0)
            .return_()
            .end();
        code.local_get(TO).local_get(FROM).local_get(LEN);
        self.move_bytes(&mut code, direction);
        code.i32_const(1).end();
        body
    }

    /// `fill(to, byte, len)`.
    fn fill(&self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        code.local_get(0).local_get(2);
        self.call(&mut code, functions::IN_BOUNDS);
        code.i32_eqz()
            .if_(BlockType::Empty)
            .i32_const(0)
            .return_()
            .end();
        code.local_get(0)
            .local_get(1)
            .local_get(2)
            .memory_fill(GUEST)
            .i32_const(1)
            .end();
        body
    }

    /// `exchange(at, old, new)`: one step, whatever other Workers do with a shared memory.
    fn exchange(&self, guest: Sharing) -> Function {
        const AT: u32 = 0;
        const OLD: u32 = 1;
        const NEW: u32 = 2;
        const FOUND: u32 = 3;
        let word = MemArg { align: 2, ..at(0) };
        let mut body = Function::new([(1, ValType::I32)]);
        let mut code = body.instructions();
        code.local_get(AT).i32_const(4);
        self.call(&mut code, functions::IN_BOUNDS);
        code.i32_eqz()
            .local_get(AT)
            .i32_const(3)
            .i32_and()
            .i32_or()
            .if_(BlockType::Empty)
            .i64_const(-1)
            .return_()
            .end();
        code.local_get(AT);
        if guest == Sharing::Shared {
            code.local_get(OLD)
                .local_get(NEW)
                .i32_atomic_rmw_cmpxchg(word);
        } else {
            code.i32_load(word)
                .local_tee(FOUND)
                .local_get(OLD)
                .i32_eq()
                .if_(BlockType::Empty)
                .local_get(AT)
                .local_get(NEW)
                .i32_store(word)
                .end()
                .local_get(FOUND);
        }
        code.i64_extend_i32_u().end();
        body
    }

    /// `copy_in_string(to, from, max)`: finds the NUL 16 bytes at a time, then copies once.
    fn copy_in_string(&self) -> Function {
        const TO: u32 = 0;
        const FROM: u32 = 1;
        const MAX: u32 = 2;
        /// Bytes without a NUL so far.
        const LEN: u32 = 3;
        /// Bytes that may be looked at.
        const LIMIT: u32 = 4;
        /// Bytes from `from` to the end of the memory, 64 bits.
        const LEFT: u32 = 5;
        let mut body = Function::new([(2, ValType::I32), (1, ValType::I64)]);
        let mut code = body.instructions();
        push_end_of_memory(&mut code);
        code.local_get(FROM)
            .i64_extend_i32_u()
            .i64_sub()
            .local_set(LEFT);
        code.local_get(LEFT).i64_const(0).i64_lt_s();
        code.if_(BlockType::Empty).i32_const(-1).return_().end();
        // limit = min(max, left)
        code.local_get(MAX).local_get(LEFT).i32_wrap_i64();
        code.local_get(MAX)
            .i64_extend_i32_u()
            .local_get(LEFT)
            .i64_lt_u();
        code.select().local_set(LIMIT);

        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(LIMIT)
            .local_get(LEN)
            .i32_sub()
            .i32_const(16)
            .i32_lt_u()
            .br_if(1);
        code.local_get(FROM)
            .local_get(LEN)
            .i32_add()
            .v128_load(at(0))
            .i8x16_all_true();
        code.i32_eqz().br_if(1);
        code.local_get(LEN)
            .i32_const(16)
            .i32_add()
            .local_set(LEN)
            .br(0)
            .end()
            .end();

        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(LEN)
            .local_get(LIMIT)
            .i32_eq()
            .if_(BlockType::Empty);
        // No NUL: fine if that is because of `max`, and not because the memory ends.
        code.local_get(LIMIT)
            .local_get(MAX)
            .i32_eq()
            .br_if(2)
            .i32_const(-1)
            .return_()
            .end();
        code.local_get(FROM)
            .local_get(LEN)
            .i32_add()
            .i32_load8_u(at(0))
            .i32_eqz()
            .br_if(1);
        code.local_get(LEN)
            .i32_const(1)
            .i32_add()
            .local_set(LEN)
            .br(0)
            .end()
            .end();

        code.local_get(TO).local_get(FROM).local_get(LEN);
        self.move_bytes(&mut code, Direction::In);
        code.local_get(LEN).end();
        body
    }

    /// `clean(from, to)`: both are cut to the memory; a `to` of 0 is its end.
    fn clean(&self) -> Function {
        const FROM: u32 = 0;
        const TO: u32 = 1;
        const COUNT: u32 = 2;
        const PAGE: u32 = 3;
        const NEXT: u32 = 4;
        const END: u32 = 5;
        let mut body = Function::new([(1, ValType::I32), (3, ValType::I64)]);
        let mut code = body.instructions();
        push_end_of_memory(&mut code);
        code.local_set(END);
        // 0 - 1 wraps to the highest address, so that 0 means the end.
        code.local_get(TO)
            .i32_const(1)
            .i32_sub()
            .i64_extend_i32_u()
            .i64_const(1)
            .i64_add();
        code.local_tee(NEXT)
            .local_get(END)
            .i64_lt_u()
            .if_(BlockType::Empty);
        code.local_get(NEXT).local_set(END).end();
        code.local_get(FROM).i64_extend_i32_u().local_set(PAGE);

        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(PAGE).local_get(END).i64_ge_u().br_if(1);
        // next = min((page | 4095) + 1, end)
        code.local_get(PAGE)
            .i64_const(PAGE_LEN - 1)
            .i64_or()
            .i64_const(1)
            .i64_add();
        code.local_tee(NEXT)
            .local_get(END)
            .i64_gt_u()
            .if_(BlockType::Empty);
        code.local_get(END).local_set(NEXT).end();
        code.local_get(PAGE).i32_wrap_i64();
        code.local_get(NEXT)
            .local_get(PAGE)
            .i64_sub()
            .i32_wrap_i64();
        self.call(&mut code, functions::IS_DIRTY);
        code.if_(BlockType::Empty);
        code.local_get(PAGE).i32_wrap_i64().i32_const(0);
        code.local_get(NEXT)
            .local_get(PAGE)
            .i64_sub()
            .i32_wrap_i64()
            .memory_fill(GUEST);
        code.local_get(COUNT)
            .i32_const(1)
            .i32_add()
            .local_set(COUNT)
            .end();
        code.local_get(NEXT).local_set(PAGE).br(0).end().end();
        code.local_get(COUNT).end();
        body
    }

    /// `clean_down(top, window)`: in steps that end at multiples of 64 KiB.
    fn clean_down(&self) -> Function {
        const LOW: u32 = 0;
        const WINDOW: u32 = 1;
        const NEXT: u32 = 2;
        const RUN: u32 = 3;
        let mut body = Function::new([(2, ValType::I32)]);
        let mut code = body.instructions();
        code.block(BlockType::Empty).loop_(BlockType::Empty);
        code.local_get(LOW).i32_eqz().br_if(1);
        code.local_get(LOW)
            .i32_const(1)
            .i32_sub()
            .i32_const(-65536)
            .i32_and()
            .local_tee(NEXT);
        code.local_get(LOW);
        self.call(&mut code, functions::CLEAN);
        code.if_(BlockType::Empty)
            .i32_const(0)
            .local_set(RUN)
            .else_();
        code.local_get(RUN)
            .local_get(LOW)
            .i32_add()
            .local_get(NEXT)
            .i32_sub()
            .local_set(RUN);
        code.end();
        code.local_get(NEXT).local_set(LOW);
        code.local_get(RUN)
            .local_get(WINDOW)
            .i32_lt_u()
            .br_if(0)
            .end()
            .end();
        code.local_get(LOW).end();
        body
    }
}

/// `in_bounds(guest, len) -> 0 | 1`.
fn in_bounds(guest: Sharing) -> Function {
    const END: u32 = 2;
    let mut body = Function::new([(1, ValType::I64)]);
    let mut code = body.instructions();
    code.local_get(0)
        .i64_extend_i32_u()
        .local_get(1)
        .i64_extend_i32_u()
        .i64_add()
        .local_tee(END);
    push_end_of_memory(&mut code);
    code.i64_le_u();
    if guest == Sharing::Shared {
        // Another Worker may have let it grow: an engine may hear of that late, and asks when it is to
        // grow itself, be it by nothing.
        code.if_(BlockType::Empty)
            .i32_const(1)
            .return_()
            .end()
            .local_get(END)
            .i32_const(0)
            .memory_grow(GUEST);
        bytes_of_pages(&mut code);
        code.i64_le_u();
    }
    code.end();
    body
}

/// `is_dirty(from, len) -> 0 | 1`: whether a byte of a range within the memory is not zero.
fn is_dirty() -> Function {
    const FROM: u32 = 0;
    const LEN: u32 = 1;
    /// Bytes of a round: eight vectors.
    const ROUND: i32 = 128;
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(LEN).i32_const(ROUND).i32_lt_u().br_if(1);
    code.local_get(FROM).v128_load(at(0));
    for offset in [16, 32, 48, 64, 80, 96, 112] {
        code.local_get(FROM).v128_load(at(offset)).v128_or();
    }
    code.v128_any_true()
        .if_(BlockType::Empty)
        .i32_const(1)
        .return_()
        .end();
    code.local_get(FROM)
        .i32_const(ROUND)
        .i32_add()
        .local_set(FROM);
    code.local_get(LEN)
        .i32_const(ROUND)
        .i32_sub()
        .local_set(LEN)
        .br(0)
        .end()
        .end();

    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.local_get(LEN).i32_eqz().br_if(1);
    code.local_get(FROM).i32_load8_u(at(0));
    code.if_(BlockType::Empty).i32_const(1).return_().end();
    code.local_get(FROM).i32_const(1).i32_add().local_set(FROM);
    code.local_get(LEN)
        .i32_const(1)
        .i32_sub()
        .local_set(LEN)
        .br(0)
        .end()
        .end();
    code.i32_const(0).end();
    body
}

fn size() -> Function {
    let mut body = Function::new([]);
    body.instructions().memory_size(GUEST).end();
    body
}

fn grow() -> Function {
    let mut body = Function::new([]);
    body.instructions().local_get(0).memory_grow(GUEST).end();
    body
}

/// Pushes the size of the guest's memory in bytes, 64 bits.
fn push_end_of_memory(code: &mut InstructionSink<'_>) {
    code.memory_size(GUEST);
    bytes_of_pages(code);
}

/// Turns a number of pages into bytes, 64 bits.
fn bytes_of_pages(code: &mut InstructionSink<'_>) {
    code.i64_extend_i32_u().i64_const(16).i64_shl();
}

/// An access to the guest's memory at a constant offset, with no promise of alignment.
const fn at(offset: u64) -> MemArg {
    MemArg {
        offset,
        align: 0,
        target: MemArgTarget::Memory(GUEST),
        ordering: None,
    }
}
