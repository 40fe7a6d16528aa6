//! Safepoints: where a program that makes no calls lets the kernel in.
//!
//! The guest counts a global down in each turn of a loop ([`BackEdges`]), and where [`Plan`] says: at
//! entries of functions and before indirect calls, so that recursion comes by too. Below zero it calls
//! a function that fills the counter up and calls the shim. The kernel then says whether the program
//! goes on, waits for its turn, handles a signal or dies.
//!
//! The test is hinted as unlikely: it costs a load, a subtraction and a store, which the turns of a
//! small loop share ([`unroll`](crate::unroll)). What takes long by itself, as `memory.fill` of
//! megabytes, counts by its length.

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    BlockType, BranchHint, BranchHints, ConstExpr, Function, GlobalSection, GlobalType, ValType,
};

use crate::atomics::Atomics;
use crate::back_edges::{BackEdges, Label, target};
use crate::bodies::Bodies;
use crate::call_graph::{Plan, Verdict};
use crate::call_shim::Shim;
use crate::counted::Counted;
use crate::instruction::{Code, Instruction, Op};
use crate::refusal::Refusal;
use crate::rewrite::Rewriter;
use crate::unroll::{Body, Fraction, is_outgrown};

/// Turns of loops between two calls of the shim: tens of microseconds of the tightest one.
const FUEL: i32 = 20_000;

/// What a counted loop may execute in all without counting: as much as one that is written several
/// times.
const FREE_INSTRUCTIONS: u64 = 160;

/// A bulk instruction counts one turn for each `1 << BULK_SHIFT` bytes or elements.
const BULK_SHIFT: i32 = 6;

/// Where the safepoints find what they need.
#[derive(Clone, Copy)]
pub(crate) struct Safepoints {
    /// The index of the counter among the globals.
    pub(crate) counter: u32,
    /// The index of the first of the two functions that [`Safepoints::bodies`] writes.
    pub(crate) function: u32,
    /// The index of the first function with a body.
    pub(crate) first_body: u32,
    /// What they call.
    pub(crate) shim: Shim,
    /// What stands for atomic waits, where memory is declared shared.
    pub(crate) atomics: Option<Atomics>,
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

    /// The functions behind the counter. The first, of type `() -> ()`, fills it up and calls the
    /// shim. The second, `(len) -> len`, counts for a bulk instruction.
    pub(crate) fn bodies(self) -> [Function; 2] {
        let mut fill_up = Function::new([]);
        fill_up
            .instructions()
            .i32_const(FUEL)
            .global_set(self.counter)
            .call(self.shim.yield_())
            .end();
        let mut count_bulk = Function::new([]);
        count_bulk
            .instructions()
            .global_get(self.counter)
            .local_get(0)
            .i32_const(BULK_SHIFT)
            .i32_shr_u()
            .i32_sub()
            .global_set(self.counter)
            .global_get(self.counter)
            .i32_const(0)
            .i32_lt_s()
            .if_(BlockType::Empty)
            .call(self.function)
            .end()
            .local_get(0)
            .end();
        [fill_up, count_bulk]
    }

    /// Writes the guest's functions with the safepoints of `plan`, or with none, and the hints for
    /// all of these.
    pub(crate) fn write_code(
        self,
        section: wasmparser::CodeSectionReader<'_>,
        plan: Option<&Plan>,
        code: &mut Bodies,
        hints: &mut BranchHints,
    ) -> Result<(), Error<Refusal>> {
        for ((position, index), body) in (0_usize..).zip(self.first_body..).zip(section) {
            let body = body?;
            let instructions = Code::of(&body)?.instructions().map_err(Error::UserError)?;
            let mut chosen: Option<Writer<'_>> = None;
            for unrolling in Fraction::STEPS {
                let mut writer = Writer {
                    safepoints: self,
                    plan,
                    verdict: plan.map(|plan| plan.function(position)).unwrap_or_default(),
                    unrolling,
                    function: Rewriter.new_function_with_parsed_locals(&body)?,
                    branches: Vec::new(),
                };
                writer.write(&instructions);
                let is_outgrown = is_outgrown(body.as_bytes().len(), writer.function.byte_len());
                // Where nothing helps, the loops are at least fast.
                if chosen.is_none() || !is_outgrown {
                    chosen = Some(writer);
                }
                if !is_outgrown {
                    break;
                }
            }
            let Some(writer) = chosen else {
                continue;
            };
            if !writer.branches.is_empty() {
                hints.function_hints(index, writer.branches);
            }
            code.push(&writer.function);
        }
        Ok(())
    }
}

/// A function while it is written.
struct Writer<'p> {
    safepoints: Safepoints,
    plan: Option<&'p Plan>,
    verdict: Verdict,
    unrolling: Fraction,
    function: Function,
    branches: Vec<BranchHint>,
}

impl Writer<'_> {
    fn write(&mut self, code: &[Instruction<'_>]) {
        if self.verdict.is_marked {
            self.count_down(1);
        }
        let back_edges = self
            .plan
            .map(|_| BackEdges::of(code, self.unrolling))
            .unwrap_or_default();
        let mut nr_loops = 0_usize;
        // The open labels; those of loops that count at the branches back.
        let mut open: Vec<Option<Label>> = Vec::new();
        let mut rest = code;
        while let [instruction, behind @ ..] = rest {
            let unrolled = self.plan.and_then(|_| Body::of(rest, self.unrolling));
            rest = behind;
            match instruction.op {
                Op::MemoryGrow => self.call_grow(),
                Op::MemorySize => {
                    self.function.instructions().i32_const(0);
                    self.call_grow();
                }
                op if self.call_atomic(op) => {}
                _ if self.plan.is_none() => self.copy(instruction),
                Op::Loop { .. } => {
                    let label = back_edges.label(nr_loops);
                    nr_loops = nr_loops.saturating_add(1);
                    match (label, unrolled) {
                        (Label::Back, _) => {
                            open.push(Some(label));
                            self.copy(instruction);
                        }
                        (Label::Counted(counted), _) => {
                            self.count_beforehand(counted);
                            open.push(None);
                            self.copy(instruction);
                        }
                        (Label::Free, _) => {
                            open.push(None);
                            self.copy(instruction);
                        }
                        (Label::Plain, Some(body)) => {
                            body.start(&mut self.function);
                            self.count_down(1);
                            Body::finish(&mut self.function);
                            rest = rest.get(body.len()..).unwrap_or_default();
                        }
                        (Label::Plain, None) => {
                            open.push(None);
                            self.copy(instruction);
                            self.count_down(1);
                        }
                    }
                }
                Op::Br(label) if target(&open, label).is_some() => {
                    self.count_down(1);
                    self.copy(instruction);
                }
                Op::BrIf(label) if target(&open, label).is_some() => {
                    self.function.instructions().if_(BlockType::Empty);
                    self.count_down(1);
                    self.function
                        .instructions()
                        .br(label.saturating_add(1))
                        .end();
                }
                Op::CallIndirect { type_index, .. } => {
                    if self
                        .plan
                        .is_some_and(|plan| plan.is_type_marked(type_index))
                    {
                        self.count_down(1);
                    }
                    self.copy(instruction);
                }
                op => {
                    match op {
                        Op::Block | Op::Try | Op::TryTable(_) => open.push(None),
                        Op::End | Op::Delegate => {
                            open.pop();
                        }
                        Op::Bulk => {
                            let count_bulk = self.safepoints.function.saturating_add(1);
                            self.function.instructions().call(count_bulk);
                        }
                        _ => {}
                    }
                    self.copy(instruction);
                }
            }
        }
    }

    fn copy(&mut self, instruction: &Instruction<'_>) {
        Rewriter::write(instruction, &mut self.function);
    }

    /// Counts the turns of a loop before it starts, if it is worth that.
    fn count_beforehand(&mut self, counted: Counted) {
        if counted.nr_instructions > FREE_INSTRUCTIONS {
            self.count_down(counted.turns);
        }
    }

    /// Counts some turns down, and calls below zero; needs nothing of the operand stack and leaves it
    /// alone.
    fn count_down(&mut self, turns: u32) {
        let Safepoints {
            counter, function, ..
        } = self.safepoints;
        let turns = self
            .verdict
            .weight
            .saturating_mul(turns)
            .min(FUEL.cast_unsigned());
        self.function
            .instructions()
            .global_get(counter)
            .i32_const(turns.cast_signed())
            .i32_sub()
            .global_set(counter)
            .global_get(counter)
            .i32_const(0)
            .i32_lt_s();
        // 0: the branch is not likely to be taken.
        self.branches.push(BranchHint {
            branch_func_offset: u32::try_from(self.function.byte_len()).unwrap_or(u32::MAX),
            branch_hint_value: 0,
        });
        self.function
            .instructions()
            .if_(BlockType::Empty)
            .call(function)
            .end();
    }

    /// Writes the call that stands for an atomic wait or notification; false for all others.
    fn call_atomic(&mut self, op: Op<'_>) -> bool {
        let atomics = self.safepoints.atomics;
        let replaced = atomics.and_then(|atomics| atomics.replacement(op));
        let Some((function, offset)) = replaced else {
            return false;
        };
        let mut code = self.function.instructions();
        code.i32_const(offset.cast_signed()).call(function);
        true
    }

    /// Calls the kernel's `memory.grow`: takes pages, leaves the size before or -1.
    fn call_grow(&mut self) {
        self.function
            .instructions()
            .call(self.safepoints.shim.grow());
    }
}
