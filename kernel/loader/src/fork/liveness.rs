//! Which locals a function still needs at each of its calls: what is saved when it forks there.
//!
//! The code is walked backwards, with the set of live locals; labels give the set at their target.
//! Loops need several walks, until the sets at their heads no longer grow. A call may also continue
//! where an exception is caught, so these sets count at each call within a `try`.

use wasmparser::{Catch, Operator};

/// Walks over one function, at most: code nested deeper than people and compilers write it has all
/// its locals saved.
const MAX_WALKS: usize = 24;

/// A set of locals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Locals(Vec<u64>);

impl Locals {
    fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn all(len: usize) -> Self {
        Self(vec![u64::MAX; len.div_ceil(64)])
    }

    fn place(local: u32) -> (usize, u64) {
        let index = usize::try_from(local).unwrap_or(usize::MAX);
        (index / 64, 1 << (local & 63))
    }

    fn insert(&mut self, local: u32) {
        let (word, bit) = Self::place(local);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn remove(&mut self, local: u32) {
        let (word, bit) = Self::place(local);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    fn add(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    fn includes(&self, other: &Self) -> bool {
        let mut words = self.0.iter().zip(&other.0);
        words.all(|(word, other)| other & !word == 0)
    }

    /// Whether a local is in the set.
    pub(crate) fn contains(&self, local: u32) -> bool {
        let (word, bit) = Self::place(local);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// A construct, seen from its end.
struct Frame {
    /// Live where a branch to its label goes on.
    at_label: Locals,
    /// Live behind its end.
    after: Locals,
    /// Live at the start of an `else` arm that has been walked.
    other_arm: Option<Locals>,
    /// Live wherever an exception may be caught, here or around.
    caught: Locals,
    /// Which loop it is, counted from the end of the function.
    loop_number: Option<usize>,
}

/// For each call at which `is_wanted` says so, by its place: the locals that are live during it.
pub(crate) fn at_calls(
    code: &[Operator<'_>],
    nr_locals: usize,
    is_wanted: &dyn Fn(usize) -> bool,
) -> Vec<(usize, Locals)> {
    let starts = starts(code);
    let mut heads: Vec<Locals> = Vec::new();
    for _ in 0..MAX_WALKS {
        let mut walk = Walk {
            code,
            starts: &starts,
            frames: Vec::new(),
            heads: &mut heads,
            nr_locals,
            has_grown: false,
            found: Vec::new(),
        };
        walk.run(is_wanted);
        if !walk.has_grown {
            return walk.found;
        }
    }
    let wanted = (0..code.len()).filter(|&at| is_wanted(at));
    wanted.map(|at| (at, Locals::all(nr_locals))).collect()
}

/// For each `end` (or `delegate`) the place where its construct starts.
fn starts(code: &[Operator<'_>]) -> Vec<usize> {
    let mut starts = vec![usize::MAX; code.len()];
    let mut open = Vec::new();
    for (at, operator) in code.iter().enumerate() {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => open.push(at),
            Operator::End | Operator::Delegate { .. } => {
                if let (Some(start), Some(slot)) = (open.pop(), starts.get_mut(at)) {
                    *slot = start;
                }
            }
            _ => {}
        }
    }
    starts
}

struct Walk<'c, 'a> {
    code: &'c [Operator<'a>],
    starts: &'c [usize],
    frames: Vec<Frame>,
    /// What is live at the heads of loops, as far as it is known; in the order of their ends.
    heads: &'c mut Vec<Locals>,
    nr_locals: usize,
    has_grown: bool,
    found: Vec<(usize, Locals)>,
}

impl Walk<'_, '_> {
    fn run(&mut self, is_wanted: &dyn Fn(usize) -> bool) {
        let mut live = Locals::none(self.nr_locals);
        let mut nr_loops = 0;
        for (at, operator) in self.code.iter().enumerate().rev() {
            match operator {
                Operator::End | Operator::Delegate { .. } => {
                    self.enter(at, &mut live, &mut nr_loops);
                }
                Operator::Else => {
                    if let Some(frame) = self.frames.last_mut() {
                        let after = frame.after.clone();
                        frame.other_arm = Some(std::mem::replace(&mut live, after));
                    }
                }
                Operator::Catch { .. } | Operator::CatchAll => {
                    if let Some(frame) = self.frames.last_mut() {
                        frame.caught.add(&live);
                        live.clone_from(&frame.after);
                    }
                }
                Operator::Block { .. } | Operator::Try { .. } | Operator::TryTable { .. } => {
                    self.frames.pop();
                }
                Operator::If { .. } => {
                    if let Some(frame) = self.frames.pop() {
                        live.add(&frame.other_arm.unwrap_or(frame.after));
                    }
                }
                Operator::Loop { .. } => self.leave_loop(&live),
                Operator::Br { relative_depth } => live = self.at_label(*relative_depth),
                Operator::BrIf { relative_depth } => {
                    live.add(&self.at_label(*relative_depth));
                }
                Operator::BrTable { targets } => {
                    live = self.at_label(targets.default());
                    for target in targets.targets().flatten() {
                        live.add(&self.at_label(target));
                    }
                }
                Operator::Return
                | Operator::Unreachable
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. } => live = Locals::none(self.nr_locals),
                Operator::Throw { .. } | Operator::ThrowRef | Operator::Rethrow { .. } => {
                    live = self.caught();
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => {
                    live.add(&self.caught());
                    if is_wanted(at) {
                        self.found.push((at, live.clone()));
                    }
                }
                Operator::LocalGet { local_index } => live.insert(*local_index),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                    live.remove(*local_index);
                }
                _ => {}
            }
        }
    }

    /// At the end of a construct, which is where the walk comes to it.
    fn enter(&mut self, at: usize, live: &mut Locals, nr_loops: &mut usize) {
        let start = self.starts.get(at).and_then(|&start| self.code.get(start));
        let mut caught = self.caught();
        if let Some(Operator::TryTable { try_table }) = start {
            for catch in &try_table.catches {
                let (Catch::One { label, .. }
                | Catch::OneRef { label, .. }
                | Catch::All { label }
                | Catch::AllRef { label }) = catch;
                caught.add(&self.at_label(*label));
            }
        }
        let loop_number = matches!(start, Some(Operator::Loop { .. })).then(|| {
            let number = *nr_loops;
            *nr_loops = nr_loops.saturating_add(1);
            if self.heads.len() <= number {
                self.heads.push(Locals::none(self.nr_locals));
            }
            number
        });
        let head = loop_number.and_then(|number| self.heads.get(number).cloned());
        self.frames.push(Frame {
            at_label: head.unwrap_or_else(|| live.clone()),
            after: live.clone(),
            other_arm: None,
            caught,
            loop_number,
        });
    }

    fn leave_loop(&mut self, live: &Locals) {
        let number = self.frames.pop().and_then(|frame| frame.loop_number);
        if let Some(head) = number.and_then(|number| self.heads.get_mut(number))
            && !head.includes(live)
        {
            head.add(live);
            self.has_grown = true;
        }
    }

    /// What is live where a branch goes.
    fn at_label(&self, label: u32) -> Locals {
        usize::try_from(label)
            .ok()
            .and_then(|label| self.frames.len().checked_sub(label)?.checked_sub(1))
            .and_then(|index| self.frames.get(index))
            .map_or_else(
                || Locals::none(self.nr_locals),
                |frame| frame.at_label.clone(),
            )
    }

    fn caught(&self) -> Locals {
        match self.frames.last() {
            Some(frame) => frame.caught.clone(),
            None => Locals::none(self.nr_locals),
        }
    }
}
