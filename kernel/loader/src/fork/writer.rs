//! Writes a function that may be suspended, in one of its two forms.
//!
//! The *usual* form replaces the program's function. Each site is in a `try`, whose handler saves
//! the locals that are live and leaves the function; while nothing forks, that costs nothing.
//!
//! The form that *goes on* takes no arguments: it loads what was saved and jumps into the middle of
//! the code, to the site, where it calls the next frame. WebAssembly has no such jumps, so each
//! sequence with sites in it starts with a `br_table` over blocks that end at its items:
//!
//! ```text
//!   block 2
//!     block 1
//!       block 0
//!         br_table resume..           0: not resuming
//!       end
//!       code before the first item
//!     end
//!     first item                      a site, or a construct that starts in the same way
//!     code between them
//!   end
//!   second item
//! ```
//! It is left as any function is, and its sites can be suspended again, with the same numbers.
//!
//! ```text
//!   block unwind
//!     block body .. end               the function; its own label
//!     return
//!   end
//!   throw                             so no `catch_all` of the program sees it
//! ```

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, BranchHint, Catch, Function, Instruction};
use wasmparser::ValType;

use super::frame::{Plan, declare};
use super::scan::{Kind, Scan, Sequence, Spot};
use super::types::Types;

/// Which form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// What the program calls.
    Usual,
    /// What takes the place of a suspended frame.
    GoesOn,
}

/// Locals for operands, by their height on the stack and their type.
type Slots = BTreeMap<(usize, ValType), u32>;

/// A function while it is written.
pub(super) struct Writer<'w, 'a> {
    plan: Plan,
    types: &'w mut Types,
    scan: &'w Scan<'a>,
    form: Form,
    /// The number of the function among those that go on.
    number: u32,
    function: Function,
    slots: Slots,
    /// The local that holds the site to go on at; 0: there already.
    resume: u32,
    /// Open blocks of the output.
    depth: u32,
    /// The program's labels, by the depth of their blocks.
    labels: Vec<u32>,
    /// The constructs that are spots, of those that are open.
    open: Vec<Option<&'w Spot>>,
    /// The depth of the block behind which the function throws.
    unwind: u32,
    hints: Vec<BranchHint>,
}

/// A function and the hints for its branches.
pub(super) struct Written {
    pub(super) function: Function,
    pub(super) hints: Vec<BranchHint>,
}

impl<'w, 'a> Writer<'w, 'a> {
    /// Starts to write the function of `scan`, which has `number` among those that go on.
    pub(super) fn new(
        plan: Plan,
        types: &'w mut Types,
        scan: &'w Scan<'a>,
        number: u32,
        form: Form,
    ) -> Self {
        let nr_locals = u32::try_from(scan.locals.len()).unwrap_or(u32::MAX);
        let mut slots = Slots::new();
        for spot in scan.spots.values() {
            let operands = spot.below.iter().chain(&spot.taken);
            let results = (spot.below.len()..).zip(&spot.results);
            for (height, &value) in (0..).zip(operands).skip(spot.base).chain(results) {
                let next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
                let local = nr_locals.saturating_add(next);
                slots.entry((height, value)).or_insert(local);
            }
        }
        let mut ordered: Vec<(u32, ValType)> = slots
            .iter()
            .map(|((_, value), local)| (*local, *value))
            .collect();
        ordered.sort_unstable_by_key(|(local, _)| *local);
        let declared = match form {
            Form::Usual => scan.locals.get(scan.nr_params..).unwrap_or_default(),
            Form::GoesOn => scan.locals.as_slice(),
        };
        let locals = declared
            .iter()
            .copied()
            .chain(ordered.iter().map(|(_, value)| *value));
        let resume = nr_locals.saturating_add(u32::try_from(slots.len()).unwrap_or(u32::MAX));
        let resume_type = (form == Form::GoesOn).then_some(ValType::I32);
        Self {
            plan,
            types,
            scan,
            form,
            number,
            function: declare(locals.chain(resume_type)),
            slots,
            resume,
            depth: 0,
            labels: Vec::new(),
            open: Vec::new(),
            unwind: 0,
            hints: Vec::new(),
        }
    }

    /// Writes all of it; `hinted` are the hints of the function, as it was.
    ///
    /// `None` when it would be longer than `limit` bytes.
    pub(super) fn write(mut self, hinted: &[BranchHint], limit: usize) -> Option<Written> {
        let scan = self.scan;
        if self.form == Form::GoesOn {
            self.load();
        }
        self.unwind = self.start(BlockType::Empty);
        let body_type = self.types.block(&scan.results);
        let body = self.start(body_type);
        self.labels.push(body);
        self.open.push(None);
        self.sequence(0, &[]);
        let mut hinted = hinted.iter().peekable();
        for (at, operator) in scan.code.iter().enumerate() {
            if self.function.byte_len() > limit {
                return None;
            }
            let offset = scan.offsets.get(at).copied().unwrap_or(u32::MAX);
            let instruction = RoundtripReencoder.instruction(operator.clone()).ok()?;
            let hint = hinted.next_if(|hint| hint.branch_func_offset == offset);
            let spot = scan.spots.get(&at);
            match spot.map(|spot| (spot, &spot.kind)) {
                Some((spot, Kind::Site(number))) => self.site(spot, *number, &instruction),
                spot => {
                    let spot = spot.map(|(spot, _)| spot);
                    self.instruction(at, &instruction, spot, hint);
                }
            }
        }
        self.function
            .instructions()
            .return_()
            .end()
            .throw(self.plan.tag)
            .end();
        Some(Written {
            function: self.function,
            hints: self.hints,
        })
    }

    fn start(&mut self, kind: BlockType) -> u32 {
        self.function.instructions().block(kind);
        self.opened()
    }

    /// Counts a block that was opened; its depth.
    fn opened(&mut self) -> u32 {
        let depth = self.depth;
        self.depth = self.depth.saturating_add(1);
        depth
    }

    fn end(&mut self) {
        self.function.instructions().end();
        self.depth = self.depth.saturating_sub(1);
    }

    /// The label of the block at `depth`, from here.
    const fn label_of(&self, depth: u32) -> u32 {
        self.depth.saturating_sub(1).saturating_sub(depth)
    }

    /// A label of the program's, from here.
    fn label(&self, label: u32) -> u32 {
        let depth = usize::try_from(label)
            .ok()
            .and_then(|label| self.labels.len().checked_sub(label)?.checked_sub(1))
            .and_then(|index| self.labels.get(index).copied());
        self.label_of(depth.unwrap_or(self.unwind))
    }

    /// The values to save at a site: live locals, and operands below.
    fn saved(&self, number: u32) -> Vec<(u32, ValType)> {
        let index = usize::try_from(number).unwrap_or(0).saturating_sub(1);
        let live = self.scan.live.get(index).into_iter().flatten();
        let locals = live.filter_map(|&local| {
            let index = usize::try_from(local).ok()?;
            Some((local, *self.scan.locals.get(index)?))
        });
        let spot = self
            .scan
            .sites
            .get(index)
            .and_then(|at| self.scan.spots.get(at));
        let below = spot.map(|spot| spot.below.as_slice()).unwrap_or_default();
        let operands = (0..).zip(below).filter_map(|(height, &value)| {
            let local = self.slots.get(&(height, value))?;
            Some((*local, value))
        });
        locals.chain(operands).collect()
    }

    /// Loads the number of the site, and what was saved there.
    fn load(&mut self) {
        let nr_sites = u32::try_from(self.scan.sites.len()).unwrap_or(u32::MAX);
        let all = self.start(BlockType::Empty);
        for _ in 0..nr_sites {
            self.start(BlockType::Empty);
        }
        let last = nr_sites.saturating_sub(1);
        let labels: Vec<u32> = (0..last).collect();
        self.function
            .instructions()
            .call(self.plan.load_word())
            .local_tee(self.resume)
            .i32_const(1)
            .i32_sub()
            .br_table(labels, last);
        for number in 1..=nr_sites {
            self.end();
            for (local, value) in self.saved(number).into_iter().rev() {
                let mut code = self.function.instructions();
                self.plan.load(&mut code, value);
                code.local_set(local);
            }
            let label = self.label_of(all);
            self.function.instructions().br(label);
        }
        self.end();
    }

    /// Starts the code between two borders, with `params` on the stack.
    fn sequence(&mut self, key: usize, params: &[(usize, ValType)]) {
        if self.form == Form::Usual {
            return;
        }
        let Some(sequence) = self.scan.sequences.get(&key) else {
            return;
        };
        self.put(params);
        for _ in 0..=sequence.items.len() {
            self.start(BlockType::Empty);
        }
        let sites = Scan::sites_of(sequence);
        self.function
            .instructions()
            .local_get(self.resume)
            .i32_const(sites.start.cast_signed())
            .i32_sub()
            .br_table(labels_of_items(sequence), 0);
        self.end();
        self.get(params);
    }

    /// Takes operands off the stack into their locals.
    fn put(&mut self, operands: &[(usize, ValType)]) {
        for operand in operands.iter().rev() {
            if let Some(&local) = self.slots.get(operand) {
                self.function.instructions().local_set(local);
            }
        }
    }

    /// Puts them back.
    fn get(&mut self, operands: &[(usize, ValType)]) {
        for operand in operands {
            if let Some(&local) = self.slots.get(operand) {
                self.function.instructions().local_get(local);
            }
        }
    }

    /// An item of the sequence comes: who resumes in it comes here.
    fn item(&mut self) {
        if self.form == Form::GoesOn {
            self.end();
        }
    }

    fn site(&mut self, spot: &Spot, number: Option<u32>, call: &Instruction<'_>) {
        let operands = Operands::of(spot);
        self.put(&operands.taken);
        self.put(&operands.below);
        if number.is_some() {
            self.item();
        }
        let result_type = self.types.block(&spot.results);
        let done = self.start(result_type);
        self.start(BlockType::Empty);
        let mut code = self.function.instructions();
        self.plan.start_try(&mut code, result_type);
        self.opened();
        let goes_on = self.form == Form::GoesOn && number.is_some();
        if goes_on {
            let frame_type = self.types.index(&[], &spot.results);
            self.function
                .instructions()
                .local_get(self.resume)
                .if_(result_type)
                .i32_const(0)
                .local_set(self.resume)
                .call(self.plan.load_word())
                .call_indirect(self.plan.table, frame_type)
                .else_();
        }
        self.get(&operands.taken);
        self.function.instruction(call);
        if goes_on {
            self.function.instructions().end();
        }
        let mut code = self.function.instructions();
        self.plan.end_try(&mut code);
        self.depth = self.depth.saturating_sub(1);
        let label = self.label_of(done);
        self.function.instructions().br(label);
        self.end();
        match number {
            Some(number) => self.suspend(number),
            None => {
                self.function.instructions().unreachable();
            }
        }
        self.end();
        self.uncover(&operands);
    }

    /// Saves the frame and leaves the function.
    fn suspend(&mut self, number: u32) {
        for (local, value) in self.saved(number) {
            let mut code = self.function.instructions();
            self.plan.save(&mut code, value, |code| {
                code.local_get(local);
            });
        }
        let label = self.label_of(self.unwind);
        self.function
            .instructions()
            .i32_const(number.cast_signed())
            .call(self.plan.save_word())
            .i32_const(self.number.cast_signed())
            .call(self.plan.save_word())
            .br(label);
    }

    /// Puts the operands below the results back to where they were.
    fn uncover(&mut self, operands: &Operands) {
        if !operands.below.is_empty() {
            self.put(&operands.results);
            self.get(&operands.below);
            self.get(&operands.results);
        }
    }

    /// Any instruction but a site.
    fn instruction(
        &mut self,
        at: usize,
        instruction: &Instruction<'_>,
        spot: Option<&'w Spot>,
        hint: Option<&BranchHint>,
    ) {
        match instruction {
            Instruction::Block(_)
            | Instruction::Loop(_)
            | Instruction::If(_)
            | Instruction::Try(_)
            | Instruction::TryTable(..) => self.construct(at, instruction, spot, hint),
            Instruction::Else => {
                self.function.instruction(instruction);
                let params = self.params();
                self.sequence(at.saturating_add(1), &params);
            }
            Instruction::End => {
                self.end();
                self.close();
            }
            Instruction::Delegate(label) => {
                self.depth = self.depth.saturating_sub(1);
                self.labels.pop();
                let label = self.label(*label);
                self.labels.push(self.depth);
                self.function.instructions().delegate(label);
                self.close();
            }
            Instruction::Br(label) => {
                let label = self.label(*label);
                self.function.instructions().br(label);
            }
            Instruction::BrIf(label) => {
                let label = self.label(*label);
                self.note(hint);
                self.function.instructions().br_if(label);
            }
            Instruction::BrTable(labels, default) => {
                let labels: Vec<u32> = labels.iter().map(|&label| self.label(label)).collect();
                let default = self.label(*default);
                self.function.instructions().br_table(labels, default);
            }
            Instruction::Rethrow(label) => {
                let label = self.label(*label);
                self.function.instructions().rethrow(label);
            }
            _ => {
                self.function.instruction(instruction);
            }
        }
    }

    /// Keeps the hint for the branch that is written next.
    fn note(&mut self, hint: Option<&BranchHint>) {
        if let Some(hint) = hint {
            self.hints.push(BranchHint {
                branch_func_offset: u32::try_from(self.function.byte_len()).unwrap_or(u32::MAX),
                branch_hint_value: hint.branch_hint_value,
            });
        }
    }

    /// The start of a construct; with a spot if it has sites in it.
    fn construct(
        &mut self,
        at: usize,
        instruction: &Instruction<'_>,
        spot: Option<&'w Spot>,
        hint: Option<&BranchHint>,
    ) {
        if let Some(spot) = spot {
            self.approach(spot, matches!(instruction, Instruction::If(_)));
        }
        self.note(hint);
        match instruction {
            Instruction::TryTable(kind, catches) => {
                let catches: Vec<Catch> = catches.iter().map(|catch| self.catch(catch)).collect();
                self.function.instructions().try_table(*kind, catches);
            }
            _ => {
                self.function.instruction(instruction);
            }
        }
        let depth = self.opened();
        self.labels.push(depth);
        self.open.push(spot);
        let params = self.params();
        self.sequence(at.saturating_add(1), &params);
    }

    /// Puts what lies below a construct with sites into locals.
    fn approach(&mut self, spot: &Spot, is_if: bool) {
        let operands = Operands::of(spot);
        if self.form == Form::Usual && operands.below.is_empty() {
            return;
        }
        self.put(&operands.taken);
        self.put(&operands.below);
        self.item();
        if !is_if || self.form == Form::Usual {
            self.get(&operands.taken);
            return;
        }
        let Some((condition, params)) = operands.taken.split_last() else {
            return;
        };
        self.get(params);
        // Who resumes goes into the arm with its site.
        match spot.kind {
            Kind::Construct {
                other_arm: Some(other),
                ..
            } => self
                .function
                .instructions()
                .local_get(self.resume)
                .i32_const(other.cast_signed())
                .i32_lt_u(),
            _ => self.function.instructions().i32_const(1),
        };
        self.get(&[*condition]);
        self.function.instructions().local_get(self.resume).select();
    }

    /// The parameters of the innermost construct that is a spot.
    fn params(&self) -> Vec<(usize, ValType)> {
        let Some(Some(spot)) = self.open.last() else {
            return Vec::new();
        };
        let nr_params = spot.nr_params;
        let types = spot.taken.get(..nr_params).unwrap_or_default();
        (spot.below.len()..).zip(types.iter().copied()).collect()
    }

    /// A construct of the program has ended.
    fn close(&mut self) {
        self.labels.pop();
        if let Some(Some(spot)) = self.open.pop() {
            self.uncover(&Operands::of(spot));
        }
    }

    fn catch(&self, catch: &Catch) -> Catch {
        match *catch {
            Catch::One { tag, label } => Catch::One {
                tag,
                label: self.label(label),
            },
            Catch::OneRef { tag, label } => Catch::OneRef {
                tag,
                label: self.label(label),
            },
            Catch::All { label } => Catch::All {
                label: self.label(label),
            },
            Catch::AllRef { label } => Catch::AllRef {
                label: self.label(label),
            },
        }
    }
}

/// The operands at a spot that are the innermost construct's, with their heights.
struct Operands {
    below: Vec<(usize, ValType)>,
    taken: Vec<(usize, ValType)>,
    results: Vec<(usize, ValType)>,
}

impl Operands {
    fn of(spot: &Spot) -> Self {
        let at = |height: usize, values: &[ValType]| -> Vec<(usize, ValType)> {
            (height..).zip(values.iter().copied()).collect()
        };
        let height = spot.below.len();
        Self {
            below: at(spot.base, spot.below.get(spot.base..).unwrap_or_default()),
            taken: at(height, &spot.taken),
            results: at(height, &spot.results),
        }
    }
}

/// For each site of a sequence the label of the block that ends at its item.
fn labels_of_items(sequence: &Sequence) -> Vec<u32> {
    (1_u32..)
        .zip(&sequence.items)
        .flat_map(|(label, sites)| sites.clone().map(move |_| label))
        .collect()
}
