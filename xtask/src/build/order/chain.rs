//! Which functions are alike, and an order in which those are neighbours.

use std::collections::{HashMap, VecDeque};

/// What makes two functions alike: sequences of so many bytes that both have.
const SEQUENCE: usize = 6;

/// A sequence that more functions have says nothing of them.
const MAX_HOLDERS: usize = 30;

/// Added to a function's size, in bytes: what a small one has in common with others says less.
const SIZE_BIAS: usize = 100;

/// How far back `gzip` looks, in bytes.
const WINDOW: usize = 30 << 10;

/// Functions one after the other, each the one most like those just before it.
pub(super) struct Chain {
    functions: Vec<Function>,
    sequences: Vec<Sequence>,
    /// The last functions of the order, and their bytes.
    window: VecDeque<usize>,
    window_size: usize,
    pub(super) order: Vec<usize>,
}

/// A function.
struct Function {
    size: usize,
    /// Those that other functions have as well.
    sequences: Vec<usize>,
    /// How many of them the window has.
    nr_near: usize,
}

/// Some bytes that several functions have.
#[derive(Default)]
struct Sequence {
    holders: Vec<usize>,
    /// In how many functions of the window it is.
    nr_near: usize,
}

impl Chain {
    pub(super) fn new(bodies: &[&[u8]]) -> Self {
        let mut holders: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (function, body) in bodies.iter().enumerate() {
            for sequence in body.windows(SEQUENCE) {
                let holders = holders.entry(sequence).or_default();
                if holders.last() != Some(&function) {
                    holders.push(function);
                }
            }
        }
        let mut functions: Vec<Function> = bodies
            .iter()
            .map(|body| Function {
                size: body.len(),
                sequences: Vec::new(),
                nr_near: 0,
            })
            .collect();
        let mut sequences = Vec::new();
        // In an order of its own: that of a map is another each time.
        let mut shared: Vec<_> = holders
            .into_iter()
            .filter(|(_, holders)| (2..=MAX_HOLDERS).contains(&holders.len()))
            .collect();
        shared.sort_unstable();
        for (_, holders) in shared {
            for &holder in &holders {
                if let Some(function) = functions.get_mut(holder) {
                    function.sequences.push(sequences.len());
                }
            }
            sequences.push(Sequence {
                holders,
                nr_near: 0,
            });
        }
        Self {
            functions,
            sequences,
            window: VecDeque::new(),
            window_size: 0,
            order: Vec::new(),
        }
    }

    /// Puts these behind those that are there.
    pub(super) fn append(&mut self, mut candidates: Vec<usize>) {
        candidates.sort_unstable();
        while let Some(best) = self.most_alike(&candidates) {
            candidates.retain(|&candidate| candidate != best);
            self.push(best);
        }
    }

    /// The one of which the largest part is near, the first of several.
    fn most_alike(&self, candidates: &[usize]) -> Option<usize> {
        let likeness = |candidate: usize| {
            let function = self.functions.get(candidate)?;
            let size = function.size.saturating_add(SIZE_BIAS);
            function.nr_near.saturating_mul(1 << 16).checked_div(size)
        };
        candidates
            .iter()
            .copied()
            .rev()
            .max_by_key(|&candidate| likeness(candidate))
    }

    fn push(&mut self, function: usize) {
        self.order.push(function);
        self.window.push_back(function);
        self.window_size = self.window_size.saturating_add(self.size(function));
        self.note(function, true);
        while self.window_size > WINDOW
            && let Some(first) = self.window.pop_front()
        {
            self.window_size = self.window_size.saturating_sub(self.size(first));
            self.note(first, false);
        }
    }

    fn size(&self, function: usize) -> usize {
        self.functions
            .get(function)
            .map_or(0, |function| function.size)
    }

    /// Notes that a function came into the window, or left it.
    fn note(&mut self, function: usize, came: bool) {
        let step = |count: &mut usize| {
            *count = if came {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
        };
        let Some(found) = self.functions.get(function) else {
            return;
        };
        for at in found.sequences.clone() {
            let Some(sequence) = self.sequences.get_mut(at) else {
                continue;
            };
            let before = sequence.nr_near;
            step(&mut sequence.nr_near);
            if before.min(sequence.nr_near) == 0 {
                for &holder in &sequence.holders {
                    if let Some(function) = self.functions.get_mut(holder) {
                        step(&mut function.nr_near);
                    }
                }
            }
        }
    }
}
