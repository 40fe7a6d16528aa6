//! Small innermost loops are written several times over, so that several turns share a safepoint.
//!
//! ```text
//! loop                    loop
//!   body                    block                 what follows the loop
//! end         becomes         block               the next copy
//!                               body              branches to the loop go to the end of this
//!                               br 1
//!                             end                 ... and so on; behind the last copy:
//!                             safepoint
//!                             br 1                to the loop
//!                           end
//!                         end
//! ```
//! A loop of a few instructions would pay as much for its safepoint as for its work. The engine's
//! own check for interrupts at each turn gets rarer, too. And a loop that ends after a few turns comes by
//! no safepoint at all: the function's cost covers these turns.

use wasm_encoder::{BlockType, Function};

use crate::instruction::{Instruction, Op};
use crate::rewrite::Rewriter;

/// How often a body is written.
const COPIES: usize = 4;

/// How often one of at most [`TINY_LEN`] instructions is written.
const COPIES_OF_TINY: usize = 8;
const TINY_LEN: usize = 16;

/// The most instructions of a body, its `end` included.
const MAX_LEN: usize = 40;

/// V8 inlines functions of fewer bytes.
const INLINED_BYTES: usize = 500;

/// How much of the unrolling is done: one copy for this many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fraction(usize);

impl Fraction {
    /// From all copies to none.
    pub(crate) const STEPS: [Self; 4] = [Self(1), Self(2), Self(4), Self(8)];
}

/// Whether a function of `len_before` bytes was inlined where it is called, and is no longer.
pub(crate) const fn is_outgrown(len_before: usize, len: usize) -> bool {
    len_before < INLINED_BYTES && len >= INLINED_BYTES
}

/// What lies between the `loop` and the `end` of a loop that is written several times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'i, 'a> {
    code: &'i [Instruction<'a>],
    /// How often it is written.
    copies: usize,
}

impl<'i, 'a> Body<'i, 'a> {
    /// The body of the loop that `code` starts with, if that is small and calls nothing.
    pub(crate) fn of(code: &'i [Instruction<'a>], fraction: Fraction) -> Option<Self> {
        let [first, rest @ ..] = code else {
            return None;
        };
        if !matches!(first.op, Op::Loop { is_empty: true, .. }) {
            return None;
        }
        let mut depth = 0_u32;
        for (at, instruction) in rest.iter().take(MAX_LEN).enumerate() {
            match instruction.op {
                Op::End if depth == 0 => return Self::new(rest.get(..at)?, fraction),
                Op::End => depth = depth.saturating_sub(1),
                Op::Block => depth = depth.saturating_add(1),
                other if is_unfit(other) => return None,
                _ => {}
            }
        }
        None
    }

    fn new(code: &'i [Instruction<'a>], Fraction(part): Fraction) -> Option<Self> {
        let all = if code.len() <= TINY_LEN {
            COPIES_OF_TINY
        } else {
            COPIES
        };
        let copies = all.checked_div(part)?;
        (copies > 1).then_some(Self { code, copies })
    }

    /// Instructions behind `loop`, up to its `end` and with it.
    pub(crate) const fn len(&self) -> usize {
        self.code.len().saturating_add(1)
    }

    /// Writes everything from `loop` up to the safepoint; [`Self::finish`] follows that.
    pub(crate) fn start(&self, function: &mut Function) {
        function
            .instructions()
            .loop_(BlockType::Empty)
            .block(BlockType::Empty);
        for _ in 0..self.copies {
            function.instructions().block(BlockType::Empty);
            self.write_copy(function);
            function.instructions().br(1).end();
        }
    }

    /// Writes what follows the safepoint.
    pub(crate) fn finish(function: &mut Function) {
        function.instructions().br(1).end().end();
    }

    fn write_copy(&self, function: &mut Function) {
        let mut depth = 0_u32;
        for instruction in self.code {
            // A branch to the loop now leaves the copy, and names as many blocks. One to the blocks
            // around the loop leaves two more.
            let target = |label: u32| label.saturating_add(if label > depth { 2 } else { 0 });
            match instruction.op {
                Op::Block => depth = depth.saturating_add(1),
                Op::End => depth = depth.saturating_sub(1),
                Op::Br(label) => {
                    function.instructions().br(target(label));
                    continue;
                }
                Op::BrIf(label) => {
                    function.instructions().br_if(target(label));
                    continue;
                }
                _ => {}
            }
            Rewriter::write(instruction, function);
        }
    }
}

/// Whether a loop with this instruction is left as it is: it is not an innermost one, takes long
/// by itself, or has labels of a kind that this module does not know.
pub(crate) const fn is_unfit(op: Op<'_>) -> bool {
    matches!(
        op,
        Op::Loop { .. }
            | Op::BrTable(_)
            | Op::Call(_)
            | Op::CallIndirect { .. }
            | Op::ReturnCall(_)
            | Op::Try
            | Op::TryTable(_)
            | Op::Exception
            | Op::Delegate
            | Op::MemoryGrow
            | Op::MemorySize
            | Op::Bulk
    )
}
