//! Which loops count their turns at the branches back, instead of at their heads.
//!
//! Most turns of most loops are their first: a loop that counts at its head pays on entry too, one that
//! counts where it branches back does not. That needs every branch to the loop to be a `br` or a
//! `br_if` that carries no values, outside of loops that are written by [`unroll`](crate::unroll).

use wasm_encoder::{BlockType, Catch, Instruction};

use crate::unroll::Body;

/// What a label of the code names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// The end of a block, or a loop that counts at its head.
    Plain,
    /// A loop that counts at the branches back.
    Back,
}

/// For each loop of a function, in the order of their heads: how it counts.
#[derive(Debug, Default)]
pub(crate) struct BackEdges(Vec<Label>);

impl BackEdges {
    /// Looks at all branches of a function, once.
    pub(crate) fn of(code: &[Instruction<'_>]) -> Self {
        let mut loops = Vec::new();
        // For each open label the loop's place in `loops`.
        let mut open: Vec<Option<usize>> = Vec::new();
        // Where the body ends that `unroll` writes.
        let mut unrolled_end = 0;
        for (at, instruction) in code.iter().enumerate() {
            let mut keep_at_head = |open: &[Option<usize>], label: u32| {
                if let Some(index) = target(open, label)
                    && let Some(kind) = loops.get_mut(index)
                {
                    *kind = Label::Plain;
                }
            };
            match instruction {
                Instruction::Loop(kind) => {
                    let body = Body::of(code.get(at..).unwrap_or_default());
                    if let Some(body) = body {
                        unrolled_end = at.saturating_add(body.len());
                    }
                    // A type by index may have parameters, which each branch would carry.
                    let has_none = !matches!(kind, BlockType::FunctionType(_));
                    open.push(Some(loops.len()));
                    loops.push(if has_none && body.is_none() {
                        Label::Back
                    } else {
                        Label::Plain
                    });
                }
                Instruction::Block(_) | Instruction::If(_) | Instruction::Try(_) => open.push(None),
                Instruction::TryTable(_, catches) => {
                    for catch in catches.iter() {
                        let (Catch::One { label, .. }
                        | Catch::OneRef { label, .. }
                        | Catch::All { label }
                        | Catch::AllRef { label }) = catch;
                        keep_at_head(&open, *label);
                    }
                    open.push(None);
                }
                Instruction::End | Instruction::Delegate(_) => {
                    open.pop();
                }
                Instruction::Br(label) | Instruction::BrIf(label) if at < unrolled_end => {
                    keep_at_head(&open, *label);
                }
                Instruction::BrTable(labels, default) => {
                    for label in labels.iter().chain([default]) {
                        keep_at_head(&open, *label);
                    }
                }
                Instruction::BrOnNull(label)
                | Instruction::BrOnNonNull(label)
                | Instruction::BrOnCast {
                    relative_depth: label,
                    ..
                }
                | Instruction::BrOnCastFail {
                    relative_depth: label,
                    ..
                } => keep_at_head(&open, *label),
                _ => {}
            }
        }
        Self(loops)
    }

    /// How the loop counts whose head is the `index`th of the function.
    pub(crate) fn label(&self, index: usize) -> Label {
        self.0.get(index).copied().unwrap_or(Label::Plain)
    }
}

/// What `label` names, of the open labels.
pub(crate) fn target<T: Copy>(open: &[Option<T>], label: u32) -> Option<T> {
    let label = usize::try_from(label).ok()?;
    let index = open.len().checked_sub(label)?.checked_sub(1)?;
    open.get(index).copied().flatten()
}
