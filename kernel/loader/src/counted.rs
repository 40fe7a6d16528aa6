//! Loops whose number of turns is known before they start.
//!
//! ```text
//!   i32.const 0                     the first value
//!   local.set $i
//!   ...                             straight on, whatever this does
//!   loop
//!     ...                           no calls, loops of this kind only, no other branch to the loop
//!     local.get $i
//!     i32.const 4                   the step
//!     i32.add
//!     local.tee $i                  the only one that sets $i
//!     i32.const 64                  the last value; or neither this line nor the next: zero
//!     i32.ne
//!     br_if 0
//!   end
//! ```
//! That is how compilers write the loops over the words of a block, the bits of a byte, the entries of a
//! fixed table. Such a loop counts all its turns at once, before the first, with those of the loops in it.

use crate::instruction::{Instruction, Labels, Op};
use crate::unroll::is_unfit;

/// The most instructions of all turns together: tens of microseconds.
const MAX_INSTRUCTIONS: u64 = 1 << 16;

/// How deep such loops are looked for in each other: a limit on the work for hostile code.
const MAX_NESTING: u32 = 4;

/// How far before a loop the first value is looked for.
const MAX_DISTANCE: usize = 64;

const ELSE: &[u8] = &[0x05];
const I32_NE: &[u8] = &[0x47];
const I32_ADD: &[u8] = &[0x6a];

/// A loop that makes `turns` turns, or fewer, those of the loops in it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) turns: u32,
    /// Instructions of all turns together.
    pub(crate) nr_instructions: u64,
    /// Instructions between `loop` and its `end`.
    pub(crate) len: usize,
}

impl Counted {
    /// The loop whose head is at `head` of `code`, if it is such a loop.
    pub(crate) fn of(code: &[Instruction<'_>], head: usize) -> Option<Self> {
        Self::nested(code, head, MAX_NESTING)
    }

    fn nested(code: &[Instruction<'_>], head: usize, nesting: u32) -> Option<Self> {
        let (before, [first, rest @ ..]) = code.split_at_checked(head)? else {
            return None;
        };
        if !matches!(first.op, Op::Loop { is_empty: true, .. }) {
            return None;
        }
        let one_turn = Turn::of(code, head, nesting)?;
        let body = rest.get(..one_turn.len)?;
        let (local, last) = condition(body)?;
        let step = i64::from(step(body, local)?);
        let distance = i64::from(last.wrapping_sub(first_value(before, local)?));
        if distance.checked_rem(step) != Some(0) {
            return None;
        }
        let turns = u32::try_from(distance.checked_div(step)?).ok()?;
        let nr_instructions = one_turn.nr_instructions.saturating_mul(turns.into());
        (1..=MAX_INSTRUCTIONS)
            .contains(&nr_instructions)
            .then_some(Self {
                turns: turns.saturating_mul(one_turn.turns),
                nr_instructions,
                len: one_turn.len,
            })
    }
}

/// One turn of a loop.
struct Turn {
    /// Turns of the loops in it, and itself.
    turns: u32,
    /// Instructions, those of the loops in it for each turn.
    nr_instructions: u64,
    /// Instructions as they are written.
    len: usize,
}

impl Turn {
    /// The body of the loop whose head is at `head`; `None` if something in it takes long, or if it goes
    /// round by another branch than its last instruction.
    fn of(code: &[Instruction<'_>], head: usize, nesting: u32) -> Option<Self> {
        let mut turn = Self {
            turns: 1,
            nr_instructions: 0,
            len: 0,
        };
        let mut depth = 0_u32;
        let mut inner_end = 0;
        let body = code.iter().enumerate().skip(head.saturating_add(1));
        for (at, instruction) in body {
            match instruction.op {
                Op::End if depth == 0 => return Some(turn),
                Op::End => depth = depth.saturating_sub(1),
                Op::Block => depth = depth.saturating_add(1),
                Op::Loop { .. } => {
                    depth = depth.saturating_add(1);
                    if at >= inner_end {
                        let inner = Counted::nested(code, at, nesting.checked_sub(1)?)?;
                        turn.turns = turn.turns.saturating_add(inner.turns);
                        turn.nr_instructions =
                            turn.nr_instructions.saturating_add(inner.nr_instructions);
                        inner_end = at.saturating_add(inner.len);
                    }
                }
                Op::BrIf(0) if depth == 0 && code.get(at.saturating_add(1))?.op == Op::End => {}
                Op::Br(label) | Op::BrIf(label) if label == depth => return None,
                Op::BrTable(labels) if leads_to(labels, depth) => return None,
                Op::BrTable(_) => {}
                op if is_unfit(op) => return None,
                _ => {}
            }
            turn.nr_instructions = turn.nr_instructions.saturating_add(1);
            turn.len = turn.len.saturating_add(1);
        }
        None
    }
}

fn leads_to(mut labels: Labels<'_>, label: u32) -> bool {
    labels.any(|known| known == label)
}

/// The loop goes round until this local has this value.
fn condition(body: &[Instruction<'_>]) -> Option<(u32, i32)> {
    let (goes_round, body) = body.split_last()?;
    if goes_round.op != Op::BrIf(0) {
        return None;
    }
    let (local, last) = match body {
        [
            ..,
            local,
            Instruction {
                op: Op::Word(last), ..
            },
            compare,
        ] if compare.bytes == I32_NE => (local, *last),
        [.., local] => (local, 0),
        [] => return None,
    };
    match local.op {
        Op::LocalGet(local) | Op::LocalTee(local) => Some((local, last)),
        _ => None,
    }
}

/// What each turn adds to `local`: once, on every way through the body.
fn step(body: &[Instruction<'_>], local: u32) -> Option<i32> {
    let mut step = None;
    let mut depth = 0_u32;
    for (at, instruction) in body.iter().enumerate() {
        match instruction.op {
            Op::Block | Op::Loop { .. } => depth = depth.saturating_add(1),
            Op::End => depth = depth.saturating_sub(1),
            op if sets(op, local) => {
                let added = match body.get(at.checked_sub(3)?..at)? {
                    [
                        get,
                        Instruction {
                            op: Op::Word(added),
                            ..
                        },
                        add,
                    ] if get.op == Op::LocalGet(local) && add.bytes == I32_ADD => *added,
                    _ => return None,
                };
                if depth != 0 || step.replace(added).is_some() {
                    return None;
                }
            }
            _ => {}
        }
    }
    step
}

/// What `local` is at the end of `before`.
fn first_value(before: &[Instruction<'_>], local: u32) -> Option<i32> {
    let mut back = before.iter().rev().take(MAX_DISTANCE).peekable();
    while let Some(instruction) = back.next() {
        match instruction.op {
            op if sets(op, local) => {
                return match back.peek()?.op {
                    Op::Word(value) => Some(value),
                    _ => None,
                };
            }
            // Here other ways lead in.
            Op::End | Op::Delegate | Op::Loop { .. } | Op::Exception => return None,
            _ if instruction.bytes == ELSE => return None,
            _ => {}
        }
    }
    None
}

fn sets(op: Op<'_>, local: u32) -> bool {
    op == Op::LocalSet(local) || op == Op::LocalTee(local)
}
