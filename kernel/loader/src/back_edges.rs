//! Which loops count their turns at the branches back, instead of at their heads.
//!
//! Most turns of most loops are their first: a loop that counts at its head pays on entry too, one that
//! counts where it branches back does not. That needs every branch to the loop to be a `br` or a
//! `br_if` that carries no values, outside of loops that are written by [`unroll`](crate::unroll).

use crate::counted::Counted;
use crate::instruction::{Instruction, Op};
use crate::unroll::{Body, Fraction};

/// What a label of the code names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// The end of a block, or a loop that counts at its head.
    Plain,
    /// A loop that counts at the branches back.
    Back,
    /// A loop that counts all its turns beforehand.
    Counted(Counted),
    /// A loop in such a loop.
    Free,
}

/// For each loop of a function, in the order of their heads: how it counts.
#[derive(Debug, Default)]
pub(crate) struct BackEdges(Vec<Label>);

impl BackEdges {
    /// Looks at all branches of a function, once.
    pub(crate) fn of(code: &[Instruction<'_>], unrolling: Fraction) -> Self {
        let mut loops = Vec::new();
        // For each open label the loop's place in `loops`.
        let mut open: Vec<Option<usize>> = Vec::new();
        // Where the body ends that `unroll` writes.
        let mut unrolled_end = 0;
        // Where the last counted loop ends.
        let mut counted_end = 0;
        for (at, instruction) in code.iter().enumerate() {
            let mut keep_at_head = |open: &[Option<usize>], label: u32| {
                if let Some(index) = target(open, label)
                    && let Some(kind) = loops.get_mut(index)
                {
                    *kind = Label::Plain;
                }
            };
            match instruction.op {
                Op::Loop { has_params, .. } => {
                    if at < counted_end {
                        open.push(None);
                        loops.push(Label::Free);
                        continue;
                    }
                    if let Some(counted) = Counted::of(code, at) {
                        counted_end = at.saturating_add(counted.len);
                        open.push(None);
                        loops.push(Label::Counted(counted));
                        continue;
                    }
                    let body = Body::of(code.get(at..).unwrap_or_default(), unrolling);
                    if let Some(body) = body {
                        unrolled_end = at.saturating_add(body.len());
                    }
                    open.push(Some(loops.len()));
                    // Each branch would carry parameters.
                    loops.push(if !has_params && body.is_none() {
                        Label::Back
                    } else {
                        Label::Plain
                    });
                }
                Op::Block | Op::Try => open.push(None),
                Op::TryTable(labels) => {
                    labels.for_each(|label| keep_at_head(&open, label));
                    open.push(None);
                }
                Op::End | Op::Delegate => {
                    open.pop();
                }
                Op::Br(label) | Op::BrIf(label) if at < unrolled_end => {
                    keep_at_head(&open, label);
                }
                Op::BrTable(labels) => labels.for_each(|label| keep_at_head(&open, label)),
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
