//! The functions that save and load words, and the new entry of the program.
//!
//! What a suspended stack holds is kept by the kernel, as words: those of the innermost frame
//! first. A frame is its live values, the number of the site, and the number of its function.

use wasm_encoder::{BlockType, Catch, Function, InstructionSink, ValType as Encoded};
use wasmparser::ValType;

use super::types::{encoded, encoded_reference};

/// What `kernel.fork` is asked for; the kernel's side is `process/fork.rs`.
pub(crate) mod operation {
    /// Whether this process may fork: [`abi::special::FORK`], or what any call answers.
    pub(crate) const ADMIT: u32 = 0;
    /// Keeps a word.
    pub(crate) const SAVE: u32 = 1;
    /// Gives the last word back.
    pub(crate) const LOAD: u32 = 2;
    /// Whether this instance is a child, whose stack is to be built again.
    pub(crate) const IS_CHILD: u32 = 3;
    /// Makes the child; forgets as many words as it is told, which are for the child alone.
    pub(crate) const SPLIT: u32 = 4;
    /// What fork(2) returns.
    pub(crate) const RESULT: u32 = 5;
}

/// Where the parts are that the written code uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The import `kernel.fork`.
    pub(super) kernel: u32,
    /// The global with the number of the process's slot.
    pub(super) slot: u32,
    /// The tag that unwinds.
    pub(super) tag: u32,
    /// The table of the functions that go on.
    pub(super) table: u32,
    /// The first of the four functions of [`Self::bodies`].
    pub(super) helpers: u32,
    /// Whether exceptions are in their first form.
    pub(super) is_legacy: bool,
}

/// How many functions [`Plan::bodies`] gives.
pub(super) const NR_HELPERS: u32 = 4;

impl Plan {
    /// `save(i32)`, `load() -> i32`, `save(i64)`, `load() -> i64`.
    pub(super) fn bodies(self) -> [Function; 4] {
        let mut save = Function::new([]);
        let mut code = save.instructions();
        self.ask(&mut code, operation::SAVE, |code| {
            code.local_get(0);
        });
        code.drop().end();
        let mut load = Function::new([]);
        let mut code = load.instructions();
        self.ask(&mut code, operation::LOAD, |code| {
            code.i32_const(0);
        });
        code.end();
        let mut save_long = Function::new([]);
        save_long
            .instructions()
            .local_get(0)
            .i32_wrap_i64()
            .call(self.helpers)
            .local_get(0)
            .i64_const(32)
            .i64_shr_u()
            .i32_wrap_i64()
            .call(self.helpers)
            .end();
        let mut load_long = Function::new([]);
        load_long
            .instructions()
            .call(self.load_word())
            .i64_extend_i32_u()
            .i64_const(32)
            .i64_shl()
            .call(self.load_word())
            .i64_extend_i32_u()
            .i64_or()
            .end();
        [save, load, save_long, load_long]
    }

    /// Types of these functions: parameters and results.
    pub(super) const fn types() -> [(&'static [ValType], &'static [ValType]); 4] {
        [
            (&[ValType::I32], &[]),
            (&[], &[ValType::I32]),
            (&[ValType::I64], &[]),
            (&[], &[ValType::I64]),
        ]
    }

    /// Pushes what the kernel answers.
    pub(super) fn ask(
        self,
        code: &mut InstructionSink<'_>,
        operation: u32,
        argument: impl FnOnce(&mut InstructionSink<'_>),
    ) {
        code.global_get(self.slot)
            .i32_const(operation.cast_signed());
        argument(code);
        code.call(self.kernel);
    }

    pub(super) const fn save_word(self) -> u32 {
        self.helpers
    }

    pub(super) const fn load_word(self) -> u32 {
        self.helpers.saturating_add(1)
    }

    const fn save_long(self) -> u32 {
        self.helpers.saturating_add(2)
    }

    const fn load_long(self) -> u32 {
        self.helpers.saturating_add(3)
    }

    /// Saves the value that `get` pushes. A reference is not saved: see [`Self::load`].
    pub(super) fn save(
        self,
        code: &mut InstructionSink<'_>,
        value: ValType,
        get: impl Fn(&mut InstructionSink<'_>),
    ) {
        match value {
            ValType::I32 => {
                get(code);
                code.call(self.save_word());
            }
            ValType::F32 => {
                get(code);
                code.i32_reinterpret_f32().call(self.save_word());
            }
            ValType::I64 => {
                get(code);
                code.call(self.save_long());
            }
            ValType::F64 => {
                get(code);
                code.i64_reinterpret_f64().call(self.save_long());
            }
            ValType::V128 => {
                for lane in [0, 1] {
                    get(code);
                    code.i64x2_extract_lane(lane).call(self.save_long());
                }
            }
            ValType::Ref(_) => {}
        }
    }

    /// Pushes what was saved; for a reference null, as another instance cannot have it.
    pub(super) fn load(self, code: &mut InstructionSink<'_>, value: ValType) {
        match value {
            ValType::I32 => code.call(self.load_word()),
            ValType::F32 => code.call(self.load_word()).f32_reinterpret_i32(),
            ValType::I64 => code.call(self.load_long()),
            ValType::F64 => code.call(self.load_long()).f64_reinterpret_i64(),
            ValType::V128 => code
                .call(self.load_long())
                .i64x2_splat()
                .call(self.load_long())
                .i64x2_replace_lane(0),
            ValType::Ref(reference) => code.ref_null(encoded_reference(reference).heap_type),
        };
    }

    /// Starts the innermost `try` of a site, in a block that is left when the stack unwinds.
    pub(super) fn start_try(self, code: &mut InstructionSink<'_>, results: BlockType) {
        if self.is_legacy {
            code.try_(results);
        } else {
            let catch = Catch::One {
                tag: self.tag,
                label: 0,
            };
            code.try_table(results, [catch]);
        }
    }

    /// Ends it.
    pub(super) fn end_try(self, code: &mut InstructionSink<'_>) {
        if self.is_legacy {
            code.catch(self.tag).br(1);
        }
        code.end();
    }

    /// The function in which all stacks of a program that forks begin, around `start`:
    ///
    /// ```text
    ///   if the kernel says that this is a child: load the globals, go on
    ///   loop:
    ///     start(..), or the outermost frame goes on; return
    ///     unwound: save the globals, have the kernel make a child, go on
    /// ```
    ///
    /// - `globals`: the variables of the program, by index
    /// - `params`: those of `start`
    pub(super) fn entry(
        self,
        start: u32,
        params: &[ValType],
        globals: &[(u32, ValType)],
        nothing_type: u32,
    ) -> Function {
        let goes_on = u32::try_from(params.len()).unwrap_or(u32::MAX);
        let mut body = Function::new([(1, Encoded::I32)]);
        let mut code = body.instructions();
        self.ask(&mut code, operation::IS_CHILD, |code| {
            code.i32_const(0);
        });
        code.local_tee(goes_on).if_(BlockType::Empty);
        for &(global, value) in globals.iter().rev() {
            self.load(&mut code, value);
            code.global_set(global);
        }
        code.end();
        code.loop_(BlockType::Empty).block(BlockType::Empty);
        self.start_try(&mut code, BlockType::Empty);
        code.local_get(goes_on)
            .if_(BlockType::Empty)
            .call(self.load_word())
            .call_indirect(self.table, nothing_type)
            .else_();
        for (local, _) in (0_u32..).zip(params) {
            code.local_get(local);
        }
        code.call(start).end();
        self.end_try(&mut code);
        code.return_().end();
        for &(global, value) in globals {
            self.save(&mut code, value, |code| {
                code.global_get(global);
            });
        }
        self.ask(&mut code, operation::SPLIT, |code| {
            code.i32_const(words(globals).cast_signed());
        });
        code.i32_eqz()
            .if_(BlockType::Empty)
            .unreachable()
            .end()
            .i32_const(1)
            .local_set(goes_on)
            .br(0)
            .end()
            .end();
        body
    }

    /// What the shim calls to fork: its frame is the innermost.
    pub(super) fn fork_point(self, number: u32) -> Function {
        let mut body = Function::new([]);
        body.instructions()
            .i32_const(number.cast_signed())
            .call(self.save_word())
            .throw(self.tag)
            .end();
        body
    }

    /// The same, when the stack is built again.
    pub(super) fn fork_returns(self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        self.ask(&mut code, operation::RESULT, |code| {
            code.i32_const(0);
        });
        code.end();
        body
    }
}

/// How many words these values take.
fn words(values: &[(u32, ValType)]) -> u32 {
    let of = |value: &ValType| match value {
        ValType::I32 | ValType::F32 => 1,
        ValType::I64 | ValType::F64 => 2,
        ValType::V128 => 4,
        ValType::Ref(_) => 0,
    };
    values
        .iter()
        .fold(0_u32, |sum, (_, value)| sum.saturating_add(of(value)))
}

/// A list of locals as a function declares them.
pub(super) fn declare(locals: impl IntoIterator<Item = ValType>) -> Function {
    Function::new_with_locals_types(locals.into_iter().map(encoded))
}
