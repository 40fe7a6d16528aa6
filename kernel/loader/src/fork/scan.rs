//! What the pass has to know of a function before it writes it: where it may be suspended.
//!
//! A *site* is a call at which it may be: one that may reach fork, or one of setjmp. Sites have numbers, from 1 in the order of the code. A
//! *spot* is a site, or the start of a construct with sites in it: there, the operands that stay on
//! the stack have to be in locals. A *sequence* is the code between the start of a construct (or
//! an `else`) and its end; its *items* are its sites and its constructs with sites.

use std::collections::BTreeMap;
use std::ops::Range;

use wasmparser::{
    BlockType, FuncValidator, FuncValidatorAllocations, Operator, ValType, ValidatorResources,
};

use super::liveness;
use super::module::{Body, Guest};

/// What is at a spot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call. Without a number it is in a `catch` clause, which cannot be entered again.
    Site(Option<u32>),
    /// A construct with these sites; those from `other_arm` on are behind its `else`.
    Construct {
        sites: Range<u32>,
        other_arm: Option<u32>,
    },
}

/// A place where the operands on the stack have to be known.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) kind: Kind,
    /// Operands below this height belong to constructs around, which have put them into locals.
    pub(crate) base: usize,
    /// All operands that stay below, from height 0 up.
    pub(crate) below: Vec<ValType>,
    /// What is taken from the stack: arguments, parameters, a condition.
    pub(crate) taken: Vec<ValType>,
    /// How many of these a construct finds on its own stack.
    pub(crate) nr_params: usize,
    /// What is left on it.
    pub(crate) results: Vec<ValType>,
}

/// The code between two borders: the items in it, each with its sites.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    pub(crate) items: Vec<Range<u32>>,
}

/// A function that may be suspended.
pub(crate) struct Scan<'a> {
    /// Its code.
    pub(crate) code: Vec<Operator<'a>>,
    /// Where each instruction is, in bytes from the start of the body.
    pub(crate) offsets: Vec<u32>,
    /// Its locals, parameters first.
    pub(crate) locals: Vec<ValType>,
    pub(crate) nr_params: usize,
    pub(crate) results: Vec<ValType>,
    /// Spots by the place of their instruction.
    pub(crate) spots: BTreeMap<usize, Spot>,
    /// Sequences by the place behind the instruction that starts them; 0: the body.
    pub(crate) sequences: BTreeMap<usize, Sequence>,
    /// Live locals of each site that can be entered again, in the order of their numbers.
    pub(crate) live: Vec<Vec<u32>>,
    /// The spot of each of these sites.
    pub(crate) sites: Vec<usize>,
}

/// A construct that is open while the code is read.
struct Open {
    /// Its place, if it has one that can be a spot.
    spot: Option<(usize, Spot)>,
    first_site: u32,
    other_arm: Option<u32>,
    /// Whether code in it can run at all.
    is_live: bool,
    /// Whether the code is in one of its `catch` clauses, or in one around.
    is_in_catch: bool,
    /// The sequence that it belongs to.
    outer: usize,
}

/// Which calls are sites.
pub(crate) type IsSite<'r> = dyn Fn(&Operator<'_>) -> bool + 'r;

/// Reads the function `index`.
pub(crate) fn scan<'a>(
    guest: &Guest<'a>,
    body: Body<'a>,
    index: u32,
    is_site: &IsSite<'_>,
    allocations: FuncValidatorAllocations,
) -> wasmparser::Result<(Scan<'a>, FuncValidatorAllocations)> {
    let mut check = body.check.into_validator(allocations);
    let mut reader = body.code.get_binary_reader();
    let start = reader.original_position();
    check.read_locals(&mut reader)?;
    let function = guest.type_of(index);
    let (params, results) = function.map_or((0, Vec::new()), |function| {
        (function.params().len(), function.results().to_vec())
    });
    let locals = (0..check.len_locals())
        .filter_map(|local| check.get_local_type(local))
        .collect();
    let mut reading = Reading {
        guest,
        is_site,
        scan: Scan {
            code: Vec::new(),
            offsets: Vec::new(),
            locals,
            nr_params: params,
            results,
            spots: BTreeMap::new(),
            sequences: BTreeMap::new(),
            live: Vec::new(),
            sites: Vec::new(),
        },
        open: vec![Open {
            spot: None,
            first_site: 1,
            other_arm: None,
            is_live: true,
            is_in_catch: false,
            outer: 0,
        }],
        sequence: 0,
    };
    let mut operators = body.code.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        reading.before(&operator, &check);
        check.op(offset, &operator)?;
        reading.scan.code.push(operator);
        let offset = u32::try_from(offset.saturating_sub(start)).unwrap_or(u32::MAX);
        reading.scan.offsets.push(offset);
    }
    let mut scan = reading.scan;
    scan.find_live();
    Ok((scan, check.into_allocations()))
}

impl Scan<'_> {
    fn find_live(&mut self) {
        let spots = &self.spots;
        let is_site = |at: usize| {
            let kind = spots.get(&at).map(|spot| &spot.kind);
            matches!(kind, Some(Kind::Site(Some(_))))
        };
        let mut found = liveness::at_calls(&self.code, self.locals.len(), &is_site);
        found.sort_unstable_by_key(|(at, _)| *at);
        let nr_locals = u32::try_from(self.locals.len()).unwrap_or(u32::MAX);
        // A site that the walk has not come by would have too few.
        for &at in &self.sites {
            let live = found
                .binary_search_by_key(&at, |(place, _)| *place)
                .ok()
                .and_then(|index| found.get(index))
                .map_or_else(
                    || (0..nr_locals).collect(),
                    |(_, live)| {
                        (0..nr_locals)
                            .filter(|&local| live.contains(local))
                            .collect()
                    },
                );
            self.live.push(live);
        }
    }

    /// The first site of a sequence, and the one behind its last.
    pub(crate) fn sites_of(sequence: &Sequence) -> Range<u32> {
        let first = sequence.items.first().map_or(0, |item| item.start);
        let end = sequence.items.last().map_or(0, |item| item.end);
        first..end
    }
}

struct Reading<'r, 'a> {
    guest: &'r Guest<'a>,
    is_site: &'r IsSite<'r>,
    scan: Scan<'a>,
    open: Vec<Open>,
    /// The sequence that the code is in now.
    sequence: usize,
}

type Check = FuncValidator<ValidatorResources>;

impl Reading<'_, '_> {
    /// Looks at the instruction that comes next, and at the operands it finds.
    fn before(&mut self, operator: &Operator<'_>, check: &Check) {
        match operator {
            Operator::Block { blockty }
            | Operator::Loop { blockty }
            | Operator::Try { blockty } => self.enter(*blockty, 0, check),
            Operator::TryTable { try_table } => self.enter(try_table.ty, 0, check),
            Operator::If { blockty } => self.enter(*blockty, 1, check),
            Operator::Else => {
                let next = self.next_site();
                if let Some(open) = self.open.last_mut() {
                    open.other_arm = Some(next);
                }
                self.sequence = self.scan.code.len().saturating_add(1);
            }
            Operator::Catch { .. } | Operator::CatchAll => {
                if let Some(open) = self.open.last_mut() {
                    open.is_in_catch = true;
                }
                self.sequence = self.scan.code.len().saturating_add(1);
            }
            Operator::End | Operator::Delegate { .. } => self.leave(),
            Operator::Call { .. } | Operator::CallIndirect { .. }
                if self.is_live(check) && (self.is_site)(operator) =>
            {
                self.site(operator, check);
            }
            _ => {}
        }
    }

    fn next_site(&self) -> u32 {
        let count = u32::try_from(self.scan.sites.len()).unwrap_or(u32::MAX);
        count.saturating_add(1)
    }

    /// Whether the next instruction can run.
    fn is_live(&self, check: &Check) -> bool {
        let is_unreachable = check
            .get_control_frame(0)
            .is_none_or(|frame| frame.unreachable);
        !is_unreachable && self.open.last().is_some_and(|open| open.is_live)
    }

    fn enter(&mut self, kind: BlockType, nr_conditions: usize, check: &Check) {
        let is_live = self.is_live(check);
        let at = self.scan.code.len();
        let spot = is_live.then(|| {
            let (params, results) = self.types_of(kind);
            let taken = params.saturating_add(nr_conditions);
            let kind = Kind::Construct {
                sites: 0..0,
                other_arm: None,
            };
            let spot = spot(kind, taken, results, check);
            (
                at,
                Spot {
                    nr_params: params,
                    ..spot
                },
            )
        });
        self.open.push(Open {
            spot,
            first_site: self.next_site(),
            other_arm: None,
            is_live,
            is_in_catch: self.open.last().is_some_and(|open| open.is_in_catch),
            outer: self.sequence,
        });
        self.sequence = at.saturating_add(1);
    }

    fn leave(&mut self) {
        let next = self.next_site();
        let Some(open) = self.open.pop() else { return };
        self.sequence = open.outer;
        let sites = open.first_site..next;
        if sites.is_empty() {
            return;
        }
        if let Some((at, mut spot)) = open.spot {
            spot.kind = Kind::Construct {
                sites: sites.clone(),
                other_arm: open.other_arm,
            };
            self.scan.spots.insert(at, spot);
            self.scan
                .sequences
                .entry(self.sequence)
                .or_default()
                .items
                .push(sites);
        }
    }

    fn site(&mut self, operator: &Operator<'_>, check: &Check) {
        let at = self.scan.code.len();
        let (function, nr_indices) = match operator {
            Operator::Call { function_index } => (self.guest.type_of(*function_index), 0),
            Operator::CallIndirect { type_index, .. } => {
                let index = usize::try_from(*type_index).unwrap_or(usize::MAX);
                (self.guest.types.get(index), 1)
            }
            _ => return,
        };
        let Some(function) = function else { return };
        let taken = function.params().len().saturating_add(nr_indices);
        let results = function.results().to_vec();
        let is_in_catch = self.open.last().is_some_and(|open| open.is_in_catch);
        let number = (!is_in_catch).then(|| self.next_site());
        if let Some(number) = number {
            self.scan.sites.push(at);
            let sequence = self.scan.sequences.entry(self.sequence).or_default();
            sequence.items.push(number..number.saturating_add(1));
        }
        let spot = spot(Kind::Site(number), taken, results, check);
        self.scan.spots.insert(at, spot);
    }

    /// How many parameters a construct has, and its results.
    fn types_of(&self, kind: BlockType) -> (usize, Vec<ValType>) {
        match kind {
            BlockType::Empty => (0, Vec::new()),
            BlockType::Type(result) => (0, vec![result]),
            BlockType::FuncType(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                match self.guest.types.get(index) {
                    Some(function) => (function.params().len(), function.results().to_vec()),
                    None => (0, Vec::new()),
                }
            }
        }
    }
}

/// A spot with the operands that are on the stack now; all have a type, as the code can run.
fn spot(kind: Kind, nr_taken: usize, results: Vec<ValType>, check: &Check) -> Spot {
    let height = usize::try_from(check.operand_stack_height()).unwrap_or(0);
    let mut types: Vec<ValType> = (0..height)
        .rev()
        .map(|depth| {
            check
                .get_operand_type(depth)
                .flatten()
                .unwrap_or(ValType::I32)
        })
        .collect();
    let taken = types.split_off(height.saturating_sub(nr_taken));
    Spot {
        kind,
        base: check.get_control_frame(0).map_or(0, |frame| frame.height),
        below: types,
        taken,
        nr_params: 0,
        results,
    }
}
