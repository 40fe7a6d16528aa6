//! Generates the shim: the functions of a rewritten guest that stand between the program and the kernel.
//!
//! They are part of the guest's module, so that a process is one instance: what the program imported as
//! function `i` is now defined, and called without leaving the module. The program's own code cannot
//! name any other function of the shim, nor an import of it: it was validated before these had indices.
//!
//! A *stub* puts the words of the call in their places. `call` makes it, and looks at the answer with
//! one test; `finish` does the rest, when the answer is one of the four outcomes of [`abi::special`]:
//!
//! ```text
//!   stub ──> call ──> kernel.syscall ──> result ─────────────────────> guest
//!                           │ PENDING, SIGNAL, RESTART, DIE               ^
//!                           v                                             │ a result
//!              ┌ check ─ PENDING ──> host.park ──> syscall_result ──┐     │
//!              │  ^   ├─ SIGNAL ───> syscall_result, deliver ───────┼─> check
//!              │  │   ├─ RESTART ──> kernel.syscall ────────────────┘
//!              │  │   └─ DIE ──────> trap
//! ```
//!
//! Stubs are small: V8 inlines them, and `call` into them. It also inlines the less the fewer small
//! functions a module has, everywhere in it, and most programs have many stubs.
//!
//! A handler may leave by a Wasm exception through these frames: all they keep is in locals.

use abi::special::{DIE, FORK, PENDING, RESTART, SIGNAL};
use abi::wasi::MORE;
use wasm_encoder::{
    BlockType, BranchHint, EntityType, Function, FunctionSection, GlobalType, ImportSection,
    InstructionSink, TypeSection, ValType,
};

use crate::call_words::{NR_ARGUMENTS, push_call, push_words, word, words_behind};
use crate::fork::operation;
use crate::imports::{Call, Number, Target};
use crate::shapes::Shapes;

/// The number of sched_yield(2), which is what the kernel does at a safepoint.
const SCHED_YIELD: u32 = 24;

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

/// Types of the shim, counted from [`Shim::types`].
mod types {
    /// Eight words to one: a system call with slot and number.
    pub(super) const SYSCALL: u32 = 0;
    pub(super) const WORD_TO_WORD: u32 = 1;
    pub(super) const WORDS_TO_WORD: u32 = 2;
    pub(super) const WORDS: u32 = 3;
    pub(super) const NOTHING: u32 = 4;
    /// A handler of `(signal)`.
    pub(super) const HANDLER: u32 = 5;
    /// A handler of `(signal, siginfo, ucontext)`.
    pub(super) const INFO_HANDLER: u32 = 6;
    pub(super) const THREE_WORDS_TO_WORD: u32 = 7;
    pub(super) const TO_WORD: u32 = 8;
    /// By the number of the shape.
    pub(super) const OF_SHAPES: [u32; 8] = [
        NOTHING,
        TO_WORD,
        HANDLER,
        WORD_TO_WORD,
        WORDS,
        WORDS_TO_WORD,
        INFO_HANDLER,
        THREE_WORDS_TO_WORD,
    ];
}

/// Indices of the imports.
mod imports {
    pub(super) const SYSCALL: u32 = 0;
    pub(super) const SYSCALL_RESULT: u32 = 1;
    pub(super) const SIGNAL_NEXT: u32 = 2;
    pub(super) const SIGNAL_WORD: u32 = 3;
    pub(super) const SIGNAL_RETURN: u32 = 4;
    pub(super) const PARK: u32 = 5;
    pub(super) const SAFEPOINT: u32 = 6;
    pub(super) const MEMORY_GROW: u32 = 7;
    pub(super) const FORK: u32 = 8;
    pub(super) const PROBE: u32 = 9;
}

/// Module, name and type of the functions that every guest imports, in the order of their indices.
const IMPORTS: [(&str, &str, u32); 10] = [
    ("kernel", "syscall", types::SYSCALL),
    ("kernel", "syscall_result", types::WORD_TO_WORD),
    ("kernel", "signal_next", types::WORDS_TO_WORD),
    ("kernel", "signal_word", types::WORDS_TO_WORD),
    ("kernel", "signal_return", types::WORDS),
    ("host", "park", types::WORD_TO_WORD),
    ("kernel", "safepoint", types::WORD_TO_WORD),
    ("kernel", "memory_grow", types::WORDS_TO_WORD),
    ("kernel", "fork", types::THREE_WORDS_TO_WORD),
    ("host", "probe", types::HANDLER),
];

/// How many functions a rewritten guest imports: the program's own come behind these.
pub(crate) const NR_IMPORTED_FUNCTIONS: u32 = 10;

/// How many globals it imports: the number of the process's slot.
pub(crate) const NR_IMPORTED_GLOBALS: u32 = 1;

/// The imported global that holds the number of the process's slot.
pub(crate) const SLOT: u32 = 0;

/// The import by which a program forks.
pub(crate) const KERNEL_FORK: u32 = imports::FORK;

/// Where the shim's parts are in the rewritten module, and what they use of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shim {
    /// Index of its first type.
    pub(crate) types: u32,
    /// Index of its first function that is no stub.
    pub(crate) functions: u32,
    /// Index of the global that is the stack pointer.
    pub(crate) stack_pointer: Option<u32>,
    /// Index of the table whose indices are function pointers.
    pub(crate) table: Option<u32>,
    /// Whether handlers of signals may be functions of any shape. Not where the program forks: as far as types
    /// tell, what any call may lead to would then be every function without parameters.
    pub(crate) takes_any_handler: bool,
}

impl Shim {
    /// Appends the types; the first one is at [`Shim::types`].
    pub(crate) fn add_types(types: &mut TypeSection) {
        use ValType::I32;
        types.ty().function([I32; 8], [I32]);
        types.ty().function([I32; 1], [I32]);
        types.ty().function([I32; 2], [I32]);
        types.ty().function([I32; 2], []);
        types.ty().function([], []);
        types.ty().function([I32; 1], []);
        types.ty().function([I32; 3], []);
        types.ty().function([I32; 3], [I32]);
        types.ty().function([], [I32]);
    }

    /// Appends the imports, which are the module's first functions and its first global.
    pub(crate) fn add_imports(self, imports: &mut ImportSection) {
        for (module, name, type_index) in IMPORTS {
            imports.import(module, name, EntityType::Function(self.type_(type_index)));
        }
        let slot = GlobalType {
            val_type: ValType::I32,
            mutable: false,
            shared: false,
        };
        imports.import("host", "slot", slot);
    }

    /// Declares the functions of [`Shim::bodies`].
    pub(crate) fn declare(self, functions: &mut FunctionSection) {
        functions
            .function(self.nothing_type())
            .function(self.type_(types::SYSCALL))
            .function(self.nothing_type())
            .function(self.word_to_word_type())
            .function(self.type_(types::TO_WORD))
            .function(self.type_(types::SYSCALL))
            .function(self.word_to_word_type());
    }

    /// The functions that are no stubs, and the hint in that at [`Shim::call_index`].
    pub(crate) fn bodies(self, shapes: &Shapes) -> ([Function; 7], BranchHint) {
        let (call, hint) = self.call_body();
        let bodies = [
            self.deliver(),
            self.finish(),
            self.yield_body(),
            grow(),
            fork_point(),
            call,
            shapes.body(),
        ];
        (bodies, hint)
    }

    /// The type `() -> ()`.
    pub(crate) const fn nothing_type(self) -> u32 {
        self.type_(types::NOTHING)
    }

    /// The type `(i32) -> ()`.
    pub(crate) const fn word_type(self) -> u32 {
        self.type_(types::HANDLER)
    }

    /// The type `(i32) -> i32`.
    pub(crate) const fn word_to_word_type(self) -> u32 {
        self.type_(types::WORD_TO_WORD)
    }

    /// The function that a safepoint calls.
    pub(crate) const fn yield_(self) -> u32 {
        self.functions.saturating_add(2)
    }

    /// The function that stands for `memory.grow`, and with 0 for `memory.size`.
    pub(crate) const fn grow(self) -> u32 {
        self.functions.saturating_add(3)
    }

    /// The function that forks, which the pass for fork writes: it takes nothing and gives what
    /// fork(2) returns.
    pub(crate) const fn fork_point(self) -> u32 {
        self.functions.saturating_add(4)
    }

    /// The function that makes a system call: `call(slot, number, a..f) -> result`.
    pub(crate) const fn call_index(self) -> u32 {
        self.functions.saturating_add(5)
    }

    /// The function that gives the shape of what a pointer names.
    const fn shape_index(self) -> u32 {
        self.functions.saturating_add(6)
    }

    const fn deliver_index(self) -> u32 {
        self.functions
    }

    const fn finish_index(self) -> u32 {
        self.functions.saturating_add(1)
    }

    const fn type_(self, index: u32) -> u32 {
        self.types.saturating_add(index)
    }

    /// Makes the call whose number and six words `push` pushes, and leaves its result in a local.
    pub(crate) fn call(
        self,
        code: &mut InstructionSink<'_>,
        answer: u32,
        push: impl Fn(&mut InstructionSink<'_>),
    ) {
        probe(code).global_get(SLOT);
        push(code);
        code.call(imports::SYSCALL).local_tee(answer);
        is_outcome(code);
        code.if_(BlockType::Empty).local_get(answer);
        push(code);
        code.call(self.finish_index()).local_set(answer).end();
    }

    /// A stub: `result = call(slot, number, a..f)`.
    pub(crate) fn stub(self, call: &Call) -> Function {
        let is_plain = matches!(call.results.as_slice(), [] | [Number::I32]);
        let answer = u32::try_from(call.params.len()).unwrap_or(u32::MAX);
        let needs_answer = !is_plain || call.target == Target::Fork;
        let mut body = Function::new(needs_answer.then_some((1, ValType::I32)));
        let mut code = body.instructions();
        if let Some(more) = words_behind(call) {
            probe(&mut code).global_get(SLOT);
            word(&mut code, MORE);
            push_words(&mut code, &more);
            code.call(imports::SYSCALL).drop();
        }
        if call.target == Target::Fork {
            self.fork(&mut code, call, answer);
        } else if call.target == Target::Shape {
            code.local_get(0).call(self.shape_index());
        } else {
            code.global_get(SLOT);
            push_call(&mut code, call);
            code.call(self.call_index());
        }
        if is_plain {
            if call.results.is_empty() {
                code.drop();
            }
            code.end();
            return body;
        }
        code.local_set(answer);
        for result in &call.results {
            match result {
                Number::I32 => code.local_get(answer),
                Number::I64 => code.local_get(answer).i64_extend_i32_s(),
                Number::F32 => code.f32_const(0.0.into()),
                Number::F64 => code.f64_const(0.0.into()),
            };
        }
        code.end();
        body
    }

    /// Forks, and leaves the result on the stack; `answer` is a local.
    fn fork(self, code: &mut InstructionSink<'_>, call: &Call, answer: u32) {
        probe(code).global_get(SLOT);
        word(code, operation::ADMIT);
        code.i32_const(0).call(imports::FORK).local_tee(answer);
        is_outcome(code);
        code.if_(BlockType::Empty).local_get(answer);
        push_call(code, call);
        code.call(self.finish_index()).local_set(answer).end();
        if_answer(code, answer, FORK);
        code.call(self.fork_point()).local_set(answer).end();
        code.local_get(answer);
    }

    /// `call(slot, number, a..f) -> result`: `kernel.syscall`, and `finish` if that has an outcome.
    fn call_body(self) -> (Function, BranchHint) {
        /// In the place of the slot's number.
        const ANSWER: u32 = 0;
        let mut body = Function::new([]);
        let mut code = body.instructions();
        probe(&mut code);
        for local in 0..8 {
            code.local_get(local);
        }
        code.call(imports::SYSCALL).local_tee(ANSWER);
        is_outcome(&mut code);
        let branch = code_offset(&body);
        let mut code = body.instructions();
        code.if_(BlockType::Empty);
        for local in 0..8 {
            code.local_get(local);
        }
        code.call(self.finish_index())
            .return_()
            .end()
            .local_get(ANSWER)
            .end();
        // 0: the branch is not likely to be taken.
        (
            body,
            BranchHint {
                branch_func_offset: branch,
                branch_hint_value: 0,
            },
        )
    }

    /// `finish(answer, number, a..f) -> result`: waits, delivers signals and restarts until the call
    /// has a result; traps when the task is dead.
    fn finish(self) -> Function {
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
            .call(imports::SYSCALL_RESULT)
            .local_set(ANSWER)
            .br(1)
            .end();

        // The result is read before the handler makes calls of its own.
        if_answer(&mut code, ANSWER, SIGNAL);
        code.global_get(SLOT)
            .call(imports::SYSCALL_RESULT)
            .local_set(ANSWER);
        code.call(self.deliver_index()).br(1).end();

        if_answer(&mut code, ANSWER, RESTART);
        code.global_get(SLOT);
        for local in 1..8 {
            code.local_get(local);
        }
        code.call(imports::SYSCALL).local_set(ANSWER).br(1).end();

        code.unreachable().end().unreachable().end();
        body
    }

    /// `yield()`: asks the kernel what the program is to do at a safepoint, and does it.
    fn yield_body(self) -> Function {
        const ANSWER: u32 = 0;
        let mut body = Function::new([(1, ValType::I32)]);
        let mut code = body.instructions();
        probe(&mut code)
            .global_get(SLOT)
            .call(imports::SAFEPOINT)
            .local_tee(ANSWER);
        is_outcome(&mut code);
        code.if_(BlockType::Empty).local_get(ANSWER);
        word(&mut code, SCHED_YIELD);
        for _ in 0..NR_ARGUMENTS {
            code.i32_const(0);
        }
        code.call(self.finish_index()).drop().end().end();
        body
    }

    /// `deliver()`: calls the handlers of all signals that are to be delivered, one after the other.
    ///
    /// A program without a stack pointer, or without a table, has no handlers: it traps.
    fn deliver(self) -> Function {
        const POINTER: u32 = 0;
        const HANDLER: u32 = 1;
        const SIGINFO: u32 = 2;
        const UCONTEXT: u32 = 3;
        const SHAPE: u32 = 4;
        let mut body = Function::new([]);
        let Some(stack_pointer) = self.stack_pointer else {
            body.instructions().unreachable().end();
            return body;
        };
        body = Function::new([(5, ValType::I32)]);
        let mut code = body.instructions();
        let signal_word = |code: &mut InstructionSink<'_>, which: u32| {
            code.global_get(SLOT);
            word(code, which).call(imports::SIGNAL_WORD);
        };
        let handle = |code: &mut InstructionSink<'_>, type_index: u32| {
            code.local_get(HANDLER);
            match self.table {
                Some(table) => code.call_indirect(table, self.type_(type_index)),
                None => code.unreachable(),
            };
        };
        code.loop_(BlockType::Empty)
            .global_get(stack_pointer)
            .local_set(POINTER)
            .global_get(SLOT)
            .local_get(POINTER)
            .call(imports::SIGNAL_NEXT)
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
        code.global_set(stack_pointer);
        code.block(BlockType::Empty);
        if self.takes_any_handler {
            code.local_get(HANDLER)
                .call(self.shape_index())
                .local_set(SHAPE);
            for (shape, type_index) in (0_u32..).zip(types::OF_SHAPES) {
                if_answer(&mut code, SHAPE, shape);
                let nr_params = shape >> 1;
                if nr_params > 0 {
                    signal_word(&mut code, WORD_NUMBER);
                }
                if nr_params > 1 {
                    code.local_get(SIGINFO);
                }
                if nr_params > 2 {
                    code.local_get(UCONTEXT);
                }
                handle(&mut code, type_index);
                if shape & 1 != 0 {
                    code.drop();
                }
                code.br(1).end();
            }
        }
        code.local_get(SIGINFO).if_(BlockType::Empty);
        signal_word(&mut code, WORD_NUMBER);
        code.local_get(SIGINFO).local_get(UCONTEXT);
        handle(&mut code, types::INFO_HANDLER);
        code.else_();
        signal_word(&mut code, WORD_NUMBER);
        handle(&mut code, types::HANDLER);
        code.end().end();
        code.local_get(POINTER)
            .global_set(stack_pointer)
            .global_get(SLOT)
            .local_get(UCONTEXT)
            .call(imports::SIGNAL_RETURN)
            .br(0)
            .end()
            .end();
        body
    }
}

/// `grow(pages)`: what `memory.grow` answers, the size before in pages or -1.
fn grow() -> Function {
    let mut body = Function::new([]);
    probe(&mut body.instructions())
        .global_get(SLOT)
        .local_get(0)
        .call(imports::MEMORY_GROW)
        .end();
    body
}

/// `fork_point()`, in a program that cannot fork.
fn fork_point() -> Function {
    let mut body = Function::new([]);
    body.instructions().unreachable().end();
    body
}

/// Suspends this stack; traps if it was resumed only to die.
fn park(code: &mut InstructionSink<'_>) {
    code.global_get(SLOT)
        .call(imports::PARK)
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

/// Faults if the stack has no room for what the kernel does next: see [`stack_probe`](crate::stack_probe()).
fn probe<'s, 'b>(code: &'s mut InstructionSink<'b>) -> &'s mut InstructionSink<'b> {
    code.i32_const(0).call(imports::PROBE)
}

/// Where the next instruction of `body` goes, in bytes from its start.
fn code_offset(body: &Function) -> u32 {
    u32::try_from(body.byte_len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imports_are_counted() {
        assert_eq!(u32::try_from(IMPORTS.len()), Ok(NR_IMPORTED_FUNCTIONS));
    }

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
