//! Small innermost loops are written several times over, so that several turns share a safepoint.
//!
//! ```text
//! loop                    loop
//!   body                    safepoint
//!   br_if 0     becomes     block
//! end                         body; i32.eqz; br_if 0      (all copies but the last)
//!                             body; br_if 1
//!                           end
//!                         end
//! ```
//! A loop of a few instructions would pay as much for its safepoint as for its work. The engine's
//! own check for interrupts at each turn gets rarer, too. Branches out of the body, and back to its
//! head, cross one block more.

use wasm_encoder::{BlockType, Function, Instruction};

/// How often a body is written.
const COPIES: usize = 4;

/// The most instructions of a body, its last branch included.
const MAX_LEN: usize = 40;

/// A loop that is written several times: what lies between `loop` and `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'i, 'a> {
    /// Without the last branch.
    instructions: &'i [Instruction<'a>],
    /// Whether the last branch has a condition.
    is_conditional: bool,
}

impl<'i, 'a> Body<'i, 'a> {
    /// The body of the loop that `code` starts with, if that is small, calls nothing, and goes
    /// round by its last instruction.
    pub(crate) fn of(code: &'i [Instruction<'a>]) -> Option<Self> {
        let [Instruction::Loop(BlockType::Empty), rest @ ..] = code else {
            return None;
        };
        let mut depth = 0_u32;
        for (at, instruction) in rest.iter().take(MAX_LEN.saturating_add(1)).enumerate() {
            match instruction {
                Instruction::End if depth == 0 => {
                    let (last, instructions) = rest.get(..at)?.split_last()?;
                    let is_conditional = match last {
                        Instruction::Br(0) => false,
                        Instruction::BrIf(0) => true,
                        _ => return None,
                    };
                    return Some(Self {
                        instructions,
                        is_conditional,
                    });
                }
                Instruction::End => depth = depth.saturating_sub(1),
                Instruction::Block(_) | Instruction::If(_) => depth = depth.saturating_add(1),
                other if is_unfit(other) => return None,
                _ => {}
            }
        }
        None
    }

    /// Instructions behind `loop`, up to its `end` and with it.
    pub(crate) const fn len(&self) -> usize {
        self.instructions.len().saturating_add(2)
    }

    /// Writes everything behind the safepoint, the loop's `end` included.
    pub(crate) fn write(&self, function: &mut Function) {
        function.instructions().block(BlockType::Empty);
        for copy in 1..=COPIES {
            let mut depth = 0_u32;
            for instruction in self.instructions {
                match instruction {
                    Instruction::Block(_) | Instruction::If(_) => depth = depth.saturating_add(1),
                    Instruction::End => depth = depth.saturating_sub(1),
                    _ => {}
                }
                write_inner(instruction, depth, function);
            }
            let mut code = function.instructions();
            match (self.is_conditional, copy == COPIES) {
                (true, false) => code.i32_eqz().br_if(0),
                (true, true) => code.br_if(1),
                (false, true) => code.br(1),
                (false, false) => &mut code,
            };
        }
        function.instructions().end().end();
    }
}

/// Writes an instruction of the body; a branch out of `depth` blocks crosses one more.
fn write_inner(instruction: &Instruction<'_>, depth: u32, function: &mut Function) {
    let target = |label: u32| label.saturating_add(u32::from(label >= depth));
    match instruction {
        Instruction::Br(label) => function.instruction(&Instruction::Br(target(*label))),
        Instruction::BrIf(label) => function.instruction(&Instruction::BrIf(target(*label))),
        other => function.instruction(other),
    };
}

/// Whether a loop with this instruction is left as it is: it is not an innermost one, takes long
/// by itself, or has labels of a kind that this module does not know.
const fn is_unfit(instruction: &Instruction<'_>) -> bool {
    matches!(
        instruction,
        Instruction::Loop(_)
            | Instruction::BrTable(..)
            | Instruction::Call(_)
            | Instruction::CallIndirect { .. }
            | Instruction::ReturnCall(_)
            | Instruction::ReturnCallIndirect { .. }
            | Instruction::Try(_)
            | Instruction::TryTable(..)
            | Instruction::Catch(_)
            | Instruction::CatchAll
            | Instruction::Delegate(_)
            | Instruction::Rethrow(_)
            | Instruction::Throw(_)
            | Instruction::ThrowRef
            | Instruction::MemoryGrow(_)
            | Instruction::MemorySize(_)
            | Instruction::MemoryFill(_)
            | Instruction::MemoryCopy { .. }
            | Instruction::MemoryInit { .. }
            | Instruction::TableFill(_)
            | Instruction::TableCopy { .. }
            | Instruction::TableInit { .. }
            | Instruction::TableGrow(_)
            | Instruction::TypedSelectMulti(_)
    )
}
