//! Generates the shim that stands between one program and the kernel.
//!
//! `f<i>` makes the call and looks at the answer with one test; `finish` does the rest, when the
//! answer is one of the four outcomes of [`abi::special`]:
//!
//! ```text
//!   f<i> ──> kernel.syscall ──> result ──────────────────────────────> guest
//!                  │ PENDING, SIGNAL, RESTART, DIE                        ^
//!                  v                                                      │ a result
//!              ┌ check ─ PENDING ──> host.park ──> syscall_result ──┐     │
//!              │  ^   ├─ SIGNAL ───> syscall_result, deliver ───────┼─> check
//!              │  │   ├─ RESTART ──> kernel.syscall ────────────────┘
//!              │  │   └─ DIE ──────> trap
//! ```
//!
//! A handler may leave by a Wasm exception through these frames: all they keep is in locals.

use abi::special::{DIE, PENDING, RESTART, SIGNAL, UNKNOWN_BASE};
use wasm_encoder::{
    BlockType, BranchHint, BranchHints, CodeSection, ConstExpr, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalType, ImportSection,
    InstructionSink, Module, TableSection, TypeSection, ValType,
};

use crate::imports::{Call, Number, Target};
use crate::rewrite::hooks_table;

/// Entries of the table of hooks.
pub(crate) const HOOKS_LEN: u64 = 6;

/// The first entry behind the hooks; the shim fills these: the guest calls this from safepoints.
pub(crate) const YIELD_HOOK: u32 = 4;

/// The entry that the guest calls instead of `memory.grow`, and with 0 instead of `memory.size`.
pub(crate) const GROW_HOOK: u32 = 5;

/// The number of sched_yield(2), which is what the kernel does at a safepoint.
const SCHED_YIELD: u32 = 24;

/// The hooks' parameters and results: they read the stack pointer, set it, call a handler with
/// `(handler, signal)`, and call one with `(handler, signal, siginfo, ucontext)`.
pub(crate) const HOOK_TYPES: [(&[ValType], &[ValType]); 4] = [
    (&[], &[ValType::I32]),
    (&[ValType::I32], &[]),
    (&[ValType::I32; 2], &[]),
    (&[ValType::I32; 4], &[]),
];

/// Words of a system call.
const NR_ARGUMENTS: usize = 6;

/// The outcomes, and nothing else that a call answers, have this value under [`OUTCOME_MASK`].
const OUTCOME_TAG: u32 = 0x8000_0001;
const OUTCOME_MASK: u32 = 0xffff_fff9;

/// `kernel.signal_next` answers this when nothing is left to deliver.
const NO_HANDLER: u32 = 0;

/// What `kernel.signal_word` is asked for.
const WORD_STACK_POINTER: u32 = 0;
const WORD_NUMBER: u32 = 1;
const WORD_SIGINFO: u32 = 2;
const WORD_UCONTEXT: u32 = 3;

/// Indices of types: after those of the hooks come these.
mod types {
    pub(super) const READ_POINTER: u32 = 0;
    pub(super) const SET_POINTER: u32 = 1;
    pub(super) const HANDLE: u32 = 2;
    pub(super) const HANDLE_INFO: u32 = 3;
    /// Eight words to one: a system call with slot and number.
    pub(super) const SYSCALL: u32 = 4;
    pub(super) const WORD_TO_WORD: u32 = 5;
    pub(super) const WORDS_TO_WORD: u32 = 6;
    pub(super) const WORDS: u32 = HANDLE;
    pub(super) const NOTHING: u32 = 7;
    /// The type of `f0`.
    pub(super) const FIRST_CALL: u32 = 8;
}

/// Indices of functions: eight imports, four of our own, then `f<i>`.
mod functions {
    pub(super) const SYSCALL: u32 = 0;
    pub(super) const SYSCALL_RESULT: u32 = 1;
    pub(super) const SIGNAL_NEXT: u32 = 2;
    pub(super) const SIGNAL_WORD: u32 = 3;
    pub(super) const SIGNAL_RETURN: u32 = 4;
    pub(super) const PARK: u32 = 5;
    pub(super) const SAFEPOINT: u32 = 6;
    pub(super) const MEMORY_GROW: u32 = 7;
    pub(super) const DELIVER: u32 = 8;
    pub(super) const FINISH: u32 = 9;
    pub(super) const YIELD: u32 = 10;
    pub(super) const GROW: u32 = 11;
    pub(super) const FIRST_CALL: u32 = 12;
}

/// The imported global that holds the number of the process's slot.
const SLOT: u32 = 0;

/// The table of hooks.
const HOOKS: u32 = 0;

/// Writes the shim for a program with these imports.
pub(crate) fn generate(calls: &[Call]) -> Vec<u8> {
    let mut types = TypeSection::new();
    for (params, results) in HOOK_TYPES {
        types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
    }
    types.ty().function([ValType::I32; 8], [ValType::I32]);
    types.ty().function([ValType::I32; 1], [ValType::I32]);
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    types.ty().function([], []);

    let mut defined = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut hints = BranchHints::new();
    let mut exports = ExportSection::new();
    exports.export("hooks", ExportKind::Table, HOOKS);
    defined.function(types::NOTHING);
    code.function(&deliver());
    defined.function(types::SYSCALL);
    code.function(&finish());
    defined.function(types::NOTHING);
    code.function(&yield_());
    defined.function(types::WORD_TO_WORD);
    code.function(&grow());
    for ((name, call), (type_index, function)) in (0_u32..)
        .map(|index| format!("f{index}"))
        .zip(calls)
        .zip((types::FIRST_CALL..).zip(functions::FIRST_CALL..))
    {
        let value_types = |numbers: &[Number]| numbers.iter().map(value_type).collect::<Vec<_>>();
        types
            .ty()
            .function(value_types(&call.params), value_types(&call.results));
        defined.function(type_index);
        let (body, hint) = stub(call);
        code.function(&body);
        hints.function_hints(function, [hint]);
        exports.export(&name, ExportKind::Func, function);
    }

    let mut tables = TableSection::new();
    tables.table(hooks_table());
    let mut elements = ElementSection::new();
    elements.active(
        None,
        &ConstExpr::i32_const(YIELD_HOOK.cast_signed()),
        Elements::Functions([functions::YIELD, functions::GROW].as_slice().into()),
    );
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports())
        .section(&defined)
        .section(&tables)
        .section(&exports)
        .section(&elements)
        .section(&hints)
        .section(&code);
    module.finish()
}

fn imports() -> ImportSection {
    let mut imports = ImportSection::new();
    for (module, name, type_index) in [
        ("kernel", "syscall", types::SYSCALL),
        ("kernel", "syscall_result", types::WORD_TO_WORD),
        ("kernel", "signal_next", types::WORDS_TO_WORD),
        ("kernel", "signal_word", types::WORDS_TO_WORD),
        ("kernel", "signal_return", types::WORDS),
        ("host", "park", types::WORD_TO_WORD),
        ("kernel", "safepoint", types::WORD_TO_WORD),
        ("kernel", "memory_grow", types::WORDS_TO_WORD),
    ] {
        imports.import(module, name, EntityType::Function(type_index));
    }
    let slot = GlobalType {
        val_type: ValType::I32,
        mutable: false,
        shared: false,
    };
    imports.import("host", "slot", slot);
    imports
}

/// `f<i>`: `result = kernel.syscall(slot, number, a..f)`, and `finish` if that is an outcome.
fn stub(call: &Call) -> (Function, BranchHint) {
    let answer = u32::try_from(call.params.len()).unwrap_or(u32::MAX);
    let mut body = Function::new([(1, ValType::I32)]);
    let mut code = body.instructions();
    code.global_get(SLOT);
    push_call(&mut code, call);
    code.call(functions::SYSCALL).local_tee(answer);
    is_outcome(&mut code);
    let branch = code_offset(&body);
    let mut code = body.instructions();
    code.if_(BlockType::Empty).local_get(answer);
    push_call(&mut code, call);
    code.call(functions::FINISH).local_set(answer).end();
    for result in &call.results {
        match result {
            Number::I32 => code.local_get(answer),
            Number::I64 => code.local_get(answer).i64_extend_i32_s(),
            Number::F32 => code.f32_const(0.0.into()),
            Number::F64 => code.f64_const(0.0.into()),
        };
    }
    code.end();
    // 0: the branch is not likely to be taken.
    (
        body,
        BranchHint {
            branch_func_offset: branch,
            branch_hint_value: 0,
        },
    )
}

/// Pushes the number and the six words of a call; a 64-bit parameter is two words, low first.
fn push_call(code: &mut InstructionSink<'_>, call: &Call) {
    let mut params = (0_u32..).zip(&call.params);
    match call.target {
        Target::Call(number) => word(code, number),
        Target::Indirect => match params.next() {
            Some((local, Number::I64)) => code.local_get(local).i32_wrap_i64(),
            Some((local, _)) => code.local_get(local),
            None => word(code, UNKNOWN_BASE),
        },
        Target::Unknown(index) => word(code, UNKNOWN_BASE.saturating_add(index)),
    };
    if matches!(call.target, Target::Unknown(_)) {
        params = (0_u32..).zip(&[]);
    }
    let words: Vec<Word> = params
        .flat_map(|(local, number)| match number {
            Number::I64 => vec![Word::Low(local), Word::High(local)],
            _ => vec![Word::Whole(local)],
        })
        .chain(std::iter::repeat_n(Word::Zero, NR_ARGUMENTS))
        .take(NR_ARGUMENTS)
        .collect();
    for argument in words {
        match argument {
            Word::Whole(local) => code.local_get(local),
            Word::Low(local) => code.local_get(local).i32_wrap_i64(),
            Word::High(local) => code
                .local_get(local)
                .i64_const(32)
                .i64_shr_u()
                .i32_wrap_i64(),
            Word::Zero => code.i32_const(0),
        };
    }
}

/// An argument of a system call, by the parameter that it comes from.
#[derive(Clone, Copy)]
enum Word {
    Whole(u32),
    Low(u32),
    High(u32),
    Zero,
}

/// `finish(answer, number, a..f) -> result`: waits, delivers signals and restarts until the call
/// has a result; traps when the task is dead.
fn finish() -> Function {
    const ANSWER: u32 = 0;
    let mut body = Function::new([]);
    let mut code = body.instructions();
    code.loop_(BlockType::Empty);
    // A result.
    code.local_get(ANSWER);
    is_outcome(&mut code);
    code.i32_eqz()
        .if_(BlockType::Empty)
        .local_get(ANSWER)
        .return_()
        .end();

    if_answer(&mut code, ANSWER, PENDING);
    park(&mut code);
    code.global_get(SLOT)
        .call(functions::SYSCALL_RESULT)
        .local_set(ANSWER)
        .br(1)
        .end();

    // The result is read before the handler makes calls of its own.
    if_answer(&mut code, ANSWER, SIGNAL);
    code.global_get(SLOT)
        .call(functions::SYSCALL_RESULT)
        .local_set(ANSWER);
    code.call(functions::DELIVER).br(1).end();

    if_answer(&mut code, ANSWER, RESTART);
    code.global_get(SLOT);
    for local in 1..8 {
        code.local_get(local);
    }
    code.call(functions::SYSCALL).local_set(ANSWER).br(1).end();

    code.unreachable().end().unreachable().end();
    body
}

/// `yield()`: asks the kernel what the program is to do at a safepoint, and does it.
fn yield_() -> Function {
    const ANSWER: u32 = 0;
    let mut body = Function::new([(1, ValType::I32)]);
    let mut code = body.instructions();
    code.global_get(SLOT)
        .call(functions::SAFEPOINT)
        .local_tee(ANSWER);
    is_outcome(&mut code);
    code.if_(BlockType::Empty).local_get(ANSWER);
    word(&mut code, SCHED_YIELD);
    for _ in 0..NR_ARGUMENTS {
        code.i32_const(0);
    }
    code.call(functions::FINISH).drop().end().end();
    body
}

/// `grow(pages)`: what `memory.grow` answers, the size before in pages or -1.
fn grow() -> Function {
    let mut body = Function::new([]);
    body.instructions()
        .global_get(SLOT)
        .local_get(0)
        .call(functions::MEMORY_GROW)
        .end();
    body
}

/// `deliver()`: calls the handlers of all signals that are to be delivered, one after the other.
fn deliver() -> Function {
    const POINTER: u32 = 0;
    const HANDLER: u32 = 1;
    const SIGINFO: u32 = 2;
    const UCONTEXT: u32 = 3;
    let mut body = Function::new([(4, ValType::I32)]);
    let mut code = body.instructions();
    let hook = |code: &mut InstructionSink<'_>, index: u32| {
        word(code, index).call_indirect(HOOKS, index);
    };
    let signal_word = |code: &mut InstructionSink<'_>, which: u32| {
        code.global_get(SLOT);
        word(code, which).call(functions::SIGNAL_WORD);
    };
    code.loop_(BlockType::Empty);
    hook(&mut code, types::READ_POINTER);
    code.local_set(POINTER);
    code.global_get(SLOT)
        .local_get(POINTER)
        .call(functions::SIGNAL_NEXT)
        .local_set(HANDLER);
    if_answer(&mut code, HANDLER, NO_HANDLER);
    code.return_().end();
    if_answer(&mut code, HANDLER, DIE);
    code.unreachable().end();
    // Stopped by a signal: wait for SIGCONT, and ask again.
    if_answer(&mut code, HANDLER, PENDING);
    park(&mut code);
    code.br(1).end();

    signal_word(&mut code, WORD_SIGINFO);
    code.local_set(SIGINFO);
    signal_word(&mut code, WORD_UCONTEXT);
    code.local_set(UCONTEXT);
    signal_word(&mut code, WORD_STACK_POINTER);
    hook(&mut code, types::SET_POINTER);
    code.local_get(HANDLER);
    signal_word(&mut code, WORD_NUMBER);
    code.local_get(SIGINFO)
        .if_(BlockType::FunctionType(types::HANDLE));
    code.local_get(SIGINFO).local_get(UCONTEXT);
    hook(&mut code, types::HANDLE_INFO);
    code.else_();
    hook(&mut code, types::HANDLE);
    code.end();
    code.local_get(POINTER);
    hook(&mut code, types::SET_POINTER);
    code.global_get(SLOT)
        .local_get(UCONTEXT)
        .call(functions::SIGNAL_RETURN);
    code.br(0).end().end();
    body
}

/// Suspends this stack; traps if it was resumed only to die.
fn park(code: &mut InstructionSink<'_>) {
    code.global_get(SLOT)
        .call(functions::PARK)
        .if_(BlockType::Empty)
        .unreachable()
        .end();
}

/// Replaces the answer on the stack by whether it is one of the four outcomes.
fn is_outcome(code: &mut InstructionSink<'_>) {
    word(code, OUTCOME_MASK).i32_and();
    word(code, OUTCOME_TAG).i32_eq();
}

/// `if (local == value) {`
fn if_answer(code: &mut InstructionSink<'_>, local: u32, value: u32) {
    code.local_get(local);
    word(code, value).i32_eq().if_(BlockType::Empty);
}

fn word<'s, 'b>(code: &'s mut InstructionSink<'b>, value: u32) -> &'s mut InstructionSink<'b> {
    code.i32_const(value.cast_signed())
}

/// Where the next instruction of `body` goes, in bytes from its start.
fn code_offset(body: &Function) -> u32 {
    u32::try_from(body.byte_len()).unwrap_or(u32::MAX)
}

const fn value_type(number: &Number) -> ValType {
    match number {
        Number::I32 => ValType::I32,
        Number::I64 => ValType::I64,
        Number::F32 => ValType::F32,
        Number::F64 => ValType::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safepoints_yield() {
        assert_eq!(abi::linux32_number("sched_yield"), Some(SCHED_YIELD));
    }

    #[test]
    fn one_test_tells_outcomes_from_results() {
        let is_outcome = |answer: u32| answer & OUTCOME_MASK == OUTCOME_TAG;
        assert!([PENDING, DIE, SIGNAL, RESTART].into_iter().all(is_outcome));
        let results = (0..=4095).chain((1..=4095).map(u32::wrapping_neg));
        let pages = (0..=0xf_ffff).map(|page: u32| page << 12);
        assert!(!results.chain(pages).any(is_outcome));
    }
}
