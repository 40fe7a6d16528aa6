//! Threads of a program: how one is entered, and its atomic waits as system calls.
//!
//! A `memory.atomic.wait` would block the Worker, and with it whoever is to wake the waiter. So it
//! becomes a call of a function that asks the kernel to wait, as futex(2) does, and
//! `memory.atomic.notify` one that wakes. The memory itself is shared where Workers may have it in common
//! ([`crate::Options::thread_memory`]), so that threads of a process can run on several; else all are
//! instances on one Worker, one of which runs at a time.
//!
//! A module whose memory is not declared shared is left alone: there a wait traps, as it should.
//!
//! Each function makes the access that the instruction would have made, so that it traps as that
//! would on an address outside of the memory or not aligned.

use abi::special::{ATOMIC_NOTIFY, ATOMIC_WAIT};
use wasm_encoder::{
    Function, FunctionSection, InstructionSink, MemArg, MemArgTarget, TypeSection, ValType,
};

use crate::call_shim::Shim;
use crate::instruction::Op;
use crate::module::Module;

/// A function that a new thread is entered at, by the export's name and its number of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadEntry {
    /// `__wasm_thread_start(start)` of our libc.
    Start,
    /// `__wasm_thread_start_libc(tid, start)` of WALI's.
    StartLibc,
    /// `__startThread(function, argument, thread_pointer)` of i386-like targets.
    StartThread,
}

impl ThreadEntry {
    /// All of them, in the order of their numbers at the host, which start at 0.
    pub const ALL: [Self; 3] = [Self::Start, Self::StartLibc, Self::StartThread];

    /// The name of the export.
    pub const fn export(self) -> &'static str {
        match self {
            Self::Start => "__wasm_thread_start",
            Self::StartLibc => "__wasm_thread_start_libc",
            Self::StartThread => "__startThread",
        }
    }

    /// How many `i32` it takes.
    pub const fn nr_params(self) -> usize {
        match self {
            Self::Start => 1,
            Self::StartLibc => 2,
            Self::StartThread => 3,
        }
    }

    /// Where the threads of `module` are entered; `None`: it cannot have any, because it has no
    /// such function, or because one more instance would write its data over what is there.
    pub(crate) fn of(module: &Module<'_>) -> Option<Self> {
        let data = module.sections.data.clone().into_iter().flatten();
        let has_active = data.map_while(Result::ok).any(|segment| {
            !matches!(segment.kind, wasmparser::DataKind::Passive) && !segment.data.is_empty()
        });
        let is_there = |entry: &Self| {
            module
                .export(entry.export(), wasmparser::ExternalKind::Func)
                .is_some()
        };
        Self::ALL.into_iter().find(is_there).filter(|_| !has_active)
    }
}

/// The functions that stand for the instructions, in the order of their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Wait32,
    Wait64,
    Notify,
}

/// Where the functions and their types are in the rewritten module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atomics {
    /// Index of the first of the three types.
    pub(crate) types: u32,
    /// Index of the first of the three functions.
    pub(crate) functions: u32,
    pub(crate) shim: Shim,
}

impl Atomics {
    /// Appends the types; the first one is at [`Atomics::types`].
    pub(crate) fn add_types(types: &mut TypeSection) {
        use ValType::{I32, I64};
        types.ty().function([I32, I32, I64, I32], [I32]);
        types.ty().function([I32, I64, I64, I32], [I32]);
        types.ty().function([I32, I32, I32], [I32]);
    }

    /// Declares the functions of [`Atomics::bodies`].
    pub(crate) fn declare(self, functions: &mut FunctionSection) {
        for index in 0..3 {
            functions.function(self.types.saturating_add(index));
        }
    }

    /// `wait(address, expected, timeout_ns, offset) -> 0 woken, 1 not equal, 2 timed out`, for 32
    /// and 64 bits, and `notify(address, count, offset) -> how many were woken`.
    pub(crate) fn bodies(self) -> [Function; 3] {
        [Operation::Wait32, Operation::Wait64, Operation::Notify].map(|which| self.body(which))
    }

    fn body(self, which: Operation) -> Function {
        const ADDRESS: u32 = 0;
        const VALUE: u32 = 1;
        const TIMEOUT: u32 = 2;
        let (offset, address64, answer) = match which {
            Operation::Notify => (2, 3, 4),
            Operation::Wait32 | Operation::Wait64 => (3, 4, 5),
        };
        let mut body = Function::new([(1, ValType::I64), (1, ValType::I32)]);
        let mut code = body.instructions();
        // The whole address; one beyond 4 GiB is outside of every memory.
        code.local_get(ADDRESS)
            .i64_extend_i32_u()
            .local_get(offset)
            .i64_extend_i32_u()
            .i64_add()
            .local_tee(address64)
            .i64_const(32)
            .i64_shr_u()
            .i64_eqz()
            .i32_eqz()
            .if_(wasm_encoder::BlockType::Empty)
            .unreachable()
            .end();
        code.local_get(address64).i32_wrap_i64().local_tee(ADDRESS);
        match which {
            Operation::Wait64 => code.i64_atomic_load(aligned(3)),
            Operation::Wait32 | Operation::Notify => code.i32_atomic_load(aligned(2)),
        };
        code.drop();
        let shim = self.shim;
        let call = |code: &mut InstructionSink<'_>| {
            match which {
                Operation::Notify => {
                    word(code, ATOMIC_NOTIFY);
                    code.local_get(ADDRESS).local_get(VALUE);
                    zeroes(code, 4);
                }
                Operation::Wait32 => {
                    word(code, ATOMIC_WAIT);
                    code.local_get(ADDRESS).local_get(VALUE).i32_const(0);
                    halves(code, TIMEOUT);
                    code.i32_const(4);
                }
                Operation::Wait64 => {
                    word(code, ATOMIC_WAIT);
                    code.local_get(ADDRESS);
                    halves(code, VALUE);
                    halves(code, TIMEOUT);
                    code.i32_const(8);
                }
            };
        };
        shim.call(&mut code, answer, call);
        // Interrupted: as good as woken for no reason, which programs expect.
        code.local_get(answer)
            .i32_const(0)
            .local_get(answer)
            .i32_const(0)
            .i32_ge_s()
            .select()
            .end();
        body
    }

    /// The function that is to be called instead of an instruction, and the constant offset that
    /// its last parameter gets; `None` for all other instructions.
    pub(crate) fn replacement(self, op: Op<'_>) -> Option<(u32, u32)> {
        let Op::Atomic { operation, offset } = op else {
            return None;
        };
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        Some((self.functions.saturating_add(operation), offset))
    }
}

const fn aligned(align: u32) -> MemArg {
    MemArg {
        offset: 0,
        align,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}

fn word(code: &mut InstructionSink<'_>, value: u32) {
    code.i32_const(value.cast_signed());
}

fn zeroes(code: &mut InstructionSink<'_>, count: usize) {
    for _ in 0..count {
        code.i32_const(0);
    }
}

/// The two words of a 64-bit local, low first.
fn halves(code: &mut InstructionSink<'_>, local: u32) {
    code.local_get(local)
        .i32_wrap_i64()
        .local_get(local)
        .i64_const(32)
        .i64_shr_u()
        .i32_wrap_i64();
}

#[cfg(test)]
mod tests {
    use wasmparser::{Operator, Parser, Payload, TypeRef, WasmFeatures};

    use super::*;
    use crate::{Interruption, Options, Program, Sharing};

    /// A program with all three instructions, whose memory is `memory`.
    fn load(memory: &str, thread_memory: Sharing) -> Program {
        let text = format!(
            r#"(module {memory} (data "tls")
              (func (export "_start")
                (drop (memory.atomic.wait32 offset=8 (i32.const 4) (i32.const 1) (i64.const -1)))
                (drop (memory.atomic.wait64 (i32.const 8) (i64.const 1) (i64.const 5)))
                (drop (memory.atomic.notify (i32.const 4) (i32.const 1))))
              (func (export "__wasm_thread_start") (param i32)))"#
        );
        let options = Options {
            interruption: Interruption::Countdown,
            thread_memory,
            import_number: |_| None,
            validate: crate::validate,
            write_fork: crate::write_fork,
            translate_wali: crate::translate_wali,
        };
        let program = crate::load(&wat::parse_str(text).unwrap(), &options).unwrap();
        wasmparser::Validator::new_with_features(WasmFeatures::all())
            .validate_all(&program.guest)
            .unwrap();
        program
    }

    /// How many of the instructions a rewritten program still has, and whether it imports a shared
    /// memory.
    fn rest(program: &Program) -> (usize, bool) {
        let (mut count, mut is_shared) = (0, false);
        for payload in Parser::new(0).parse_all(&program.guest) {
            match payload.unwrap() {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Memory(memory) = import.unwrap().ty {
                            is_shared = memory.shared;
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().unwrap() {
                        let is_rewritten = matches!(
                            operator.unwrap(),
                            Operator::MemoryAtomicWait32 { .. }
                                | Operator::MemoryAtomicWait64 { .. }
                                | Operator::MemoryAtomicNotify { .. }
                        );
                        count = usize::saturating_add(count, usize::from(is_rewritten));
                    }
                }
                _ => {}
            }
        }
        (count, is_shared)
    }

    #[test]
    fn waits_become_calls_and_the_memory_is_as_shared_as_it_may_be() {
        for (sharing, is_shared) in [(Sharing::Private, false), (Sharing::Shared, true)] {
            let program = load(r#"(memory (export "memory") 1 2 shared)"#, sharing);
            assert_eq!(rest(&program), (0, is_shared));
            assert_eq!(program.memory.shared, is_shared);
            assert_eq!(program.thread_entry, Some(ThreadEntry::Start));
        }
    }

    #[test]
    fn a_memory_that_is_not_shared_keeps_waits_that_trap() {
        let program = load(r#"(memory (export "memory") 1)"#, Sharing::Shared);
        assert_eq!(rest(&program), (3, false));
    }

    #[test]
    fn a_program_whose_data_would_be_written_again_has_no_threads() {
        let memory = r#"(memory (export "memory") 1 2 shared) (data (i32.const 8) "x")"#;
        let program = load(memory, Sharing::Shared);
        assert_eq!(program.thread_entry, None);
        assert_eq!(rest(&program), (0, false));
    }
}
