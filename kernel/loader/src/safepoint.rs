//! Safepoints: where a program that makes no calls lets the kernel in.
//!
//! Each loop of the guest counts a global down at its head; at zero it calls a function that
//! fills the counter up and calls the shim through the table of hooks. The kernel then says
//! whether the program goes on, waits for its turn, handles a signal or dies.
//!
//! The test is hinted as unlikely: a loop pays for a load, a subtraction and a store.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    BlockType, BranchHint, BranchHints, CodeSection, ConstExpr, Function, GlobalSection,
    GlobalType, Instruction, ValType,
};

use crate::call_shim::YIELD_HOOK;
use crate::rewrite::Rewriter;

/// Turns of loops between two calls of the shim: tens of microseconds of the tightest one.
const FUEL: i32 = 20_000;

/// Where the safepoints find what they need.
#[derive(Clone, Copy)]
pub(crate) struct Safepoints {
    /// The index of the counter among the globals.
    pub(crate) counter: u32,
    /// The index of the function that calls the shim.
    pub(crate) function: u32,
    /// The index of the first function with a body.
    pub(crate) first_body: u32,
}

impl Safepoints {
    /// Appends the counter.
    pub(crate) fn add_counter(globals: &mut GlobalSection) {
        let mutable = GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        };
        globals.global(mutable, &ConstExpr::i32_const(FUEL));
    }

    /// The function behind the counter: fills it up and calls the shim, whose type is `() -> ()`.
    pub(crate) fn body(self, plain_type: u32) -> Function {
        let mut body = Function::new([]);
        body.instructions()
            .i32_const(FUEL)
            .global_set(self.counter)
            .i32_const(YIELD_HOOK.cast_signed())
            .call_indirect(0, plain_type)
            .end();
        body
    }

    /// Writes the guest's functions with a safepoint at the head of each loop, and the hints for
    /// all of these.
    pub(crate) fn write_code(
        self,
        section: wasmparser::CodeSectionReader<'_>,
        code: &mut CodeSection,
        hints: &mut BranchHints,
    ) -> Result<(), Error<Infallible>> {
        for (index, body) in (self.first_body..).zip(section) {
            let body = body?;
            let mut function = Rewriter.new_function_with_parsed_locals(&body)?;
            let mut branches = Vec::new();
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                let instruction = Rewriter.parse_instruction(&mut reader)?;
                function.instruction(&instruction);
                if matches!(instruction, Instruction::Loop(_)) {
                    branches.push(self.count_down(&mut function));
                }
            }
            if !branches.is_empty() {
                hints.function_hints(index, branches);
            }
            code.function(&function);
        }
        Ok(())
    }

    /// Counts down, and calls at zero; needs nothing of the operand stack and leaves it alone.
    fn count_down(self, function: &mut Function) -> BranchHint {
        function
            .instructions()
            .global_get(self.counter)
            .i32_const(1)
            .i32_sub()
            .global_set(self.counter)
            .global_get(self.counter)
            .i32_eqz();
        let branch = u32::try_from(function.byte_len()).unwrap_or(u32::MAX);
        function
            .instructions()
            .if_(BlockType::Empty)
            .call(self.function)
            .end();
        // 0: the branch is not likely to be taken.
        BranchHint {
            branch_func_offset: branch,
            branch_hint_value: 0,
        }
    }
}
