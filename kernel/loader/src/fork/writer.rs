//! Writes a function that may be suspended, or entered at its sites.
//!
//! What becomes of the sites is the [`Form`]'s: `sites` has those of fork, `crate::jump` that of
//! longjmp. Here is what they share: operands that are in locals at the sites, and jumps into the
//! middle of the code. WebAssembly has no such jumps, so in a form that *resumes* each sequence with
//! sites in it starts with a `br_table` over blocks that end at its items:
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
//! It is left as any function is, and its sites can be entered again, with the same numbers.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, BranchHint, Catch, Function, Instruction};
use wasmparser::ValType;

use super::frame::declare;
use super::scan::{Kind, Scan, Sequence, Spot};
use super::types::Types;

/// A form of functions: what they do around their code, and at their sites.
pub(crate) trait Form: Copy {
    /// Whether the function can be entered at a site.
    fn resumes(self) -> bool;

    /// Whether it is called as the program's function is, with its parameters.
    fn takes_arguments(self) -> bool;

    /// A tag that no `catch_all` of the program may see, with what it carries.
    fn hidden_tag(self) -> Option<(u32, &'static [ValType])> {
        None
    }

    /// Locals that it needs behind [`Writer::extra`]; `None` when these are too many.
    fn locals(_writer: &mut Writer<'_, '_, Self>) -> Option<Vec<ValType>> {
        Some(Vec::new())
    }

    /// Writes what comes before the code of the program.
    fn begin(writer: &mut Writer<'_, '_, Self>);

    /// Writes the call at a site, which has a number if it can be entered again.
    fn site(
        writer: &mut Writer<'_, '_, Self>,
        spot: &Spot,
        number: Option<u32>,
        call: &Instruction<'_>,
    );

    /// Writes what comes behind the code, whose results are on the stack: the end of the function, too.
    fn end(writer: &mut Writer<'_, '_, Self>);
}

/// Locals for operands, by their height on the stack and their type.
type Slots = BTreeMap<(usize, ValType), u32>;

/// A function while it is written.
pub(crate) struct Writer<'w, 'a, F> {
    pub(crate) types: &'w mut Types,
    pub(crate) scan: &'w Scan<'a>,
    pub(crate) form: F,
    pub(crate) function: Function,
    slots: Slots,
    /// The local that holds the site to go on at; 0: there already.
    pub(crate) resume: u32,
    /// The first local that is the form's.
    pub(crate) extra: u32,
    /// The form's own: the first of the locals that keep what was saved at each site.
    pub(crate) kept: Vec<u32>,
    /// Open blocks of the output.
    depth: u32,
    /// The program's labels, by the depth of their blocks.
    labels: Vec<u32>,
    /// The constructs that are spots, of those that are open.
    open: Vec<Option<&'w Spot>>,
    /// Whether a `catch_all` of these constructs must not see the tag that is hidden.
    hides: Vec<bool>,
    /// The depth of a block of the form's.
    pub(crate) outside: u32,
    hints: Vec<BranchHint>,
}

/// A function and the hints for its branches.
pub(crate) struct Written {
    pub(crate) function: Function,
    pub(crate) hints: Vec<BranchHint>,
}

impl<'w, 'a, F: Form> Writer<'w, 'a, F> {
    /// Starts to write the function of `scan`; `None` when it would have too many locals.
    pub(crate) fn new(types: &'w mut Types, scan: &'w Scan<'a>, form: F) -> Option<Self> {
        let nr_locals = count(scan.locals.len());
        let mut slots = Slots::new();
        for spot in scan.spots.values() {
            let operands = spot.below.iter().chain(&spot.taken);
            let results = (spot.below.len()..).zip(&spot.results);
            for (height, &value) in (0..).zip(operands).skip(spot.base).chain(results) {
                let local = nr_locals.saturating_add(count(slots.len()));
                slots.entry((height, value)).or_insert(local);
            }
        }
        let mut ordered: Vec<(u32, ValType)> = slots
            .iter()
            .map(|((_, value), local)| (*local, *value))
            .collect();
        ordered.sort_unstable_by_key(|(local, _)| *local);
        let nr_params = if form.takes_arguments() {
            scan.nr_params
        } else {
            0
        };
        let resume = nr_locals.saturating_add(count(slots.len()));
        let resume_type = form.resumes().then_some(ValType::I32);
        let mut writer = Self {
            types,
            scan,
            form,
            function: declare([]),
            slots,
            resume,
            extra: resume.saturating_add(u32::from(form.resumes())),
            kept: Vec::new(),
            depth: 0,
            labels: Vec::new(),
            open: Vec::new(),
            hides: Vec::new(),
            outside: 0,
            hints: Vec::new(),
        };
        let extra = F::locals(&mut writer)?;
        let locals = scan.locals.get(nr_params..).unwrap_or_default();
        let locals = locals
            .iter()
            .copied()
            .chain(ordered.iter().map(|(_, value)| *value));
        writer.function = declare(locals.chain(resume_type).chain(extra));
        Some(writer)
    }

    /// Writes all of it; `hinted` are the hints of the function, as it was.
    ///
    /// `None` when it would be longer than `limit` bytes.
    pub(crate) fn write(mut self, hinted: &[BranchHint], limit: usize) -> Option<Written> {
        let scan = self.scan;
        F::begin(&mut self);
        let body_type = self.types.block(&scan.results);
        let body = self.start(body_type);
        self.labels.push(body);
        self.open.push(None);
        self.hides.push(false);
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
                Some((spot, Kind::Site(number))) => F::site(&mut self, spot, *number, &instruction),
                spot => {
                    let spot = spot.map(|(spot, _)| spot);
                    self.instruction(at, &instruction, spot, hint);
                }
            }
        }
        F::end(&mut self);
        Some(Written {
            function: self.function,
            hints: self.hints,
        })
    }

    pub(crate) fn start(&mut self, kind: BlockType) -> u32 {
        self.function.instructions().block(kind);
        self.opened()
    }

    /// Counts a block that was opened; its depth.
    pub(crate) fn opened(&mut self) -> u32 {
        let depth = self.depth;
        self.depth = self.depth.saturating_add(1);
        depth
    }

    pub(crate) fn end(&mut self) {
        self.function.instructions().end();
        self.closed();
    }

    /// Counts a block that was ended.
    pub(crate) fn closed(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// The label of the block at `depth`, from here.
    pub(crate) const fn label_of(&self, depth: u32) -> u32 {
        self.depth.saturating_sub(1).saturating_sub(depth)
    }

    /// A label of the program's, from here.
    fn label(&self, label: u32) -> u32 {
        let depth = usize::try_from(label)
            .ok()
            .and_then(|label| self.labels.len().checked_sub(label)?.checked_sub(1))
            .and_then(|index| self.labels.get(index).copied());
        self.label_of(depth.unwrap_or(self.outside))
    }

    /// The values to save at a site: live locals, and operands below.
    pub(crate) fn saved(&self, number: u32) -> Vec<(u32, ValType)> {
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

    /// Writes what `each` does for the site whose number is in [`Self::resume`], which is one of them.
    pub(crate) fn for_each_site(&mut self, mut each: impl FnMut(&mut Self, u32)) {
        let nr_sites = count(self.scan.sites.len());
        let all = self.start(BlockType::Empty);
        for _ in 0..nr_sites {
            self.start(BlockType::Empty);
        }
        let last = nr_sites.saturating_sub(1);
        let labels: Vec<u32> = (0..last).collect();
        self.function
            .instructions()
            .local_get(self.resume)
            .i32_const(1)
            .i32_sub()
            .br_table(labels, last);
        for number in 1..=nr_sites {
            self.end();
            each(self, number);
            let label = self.label_of(all);
            self.function.instructions().br(label);
        }
        self.end();
    }

    /// Starts the code between two borders, with `params` on the stack.
    fn sequence(&mut self, key: usize, params: &[(usize, ValType)]) {
        if !self.form.resumes() {
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
    pub(crate) fn put(&mut self, operands: &[(usize, ValType)]) {
        for operand in operands.iter().rev() {
            if let Some(&local) = self.slots.get(operand) {
                self.function.instructions().local_set(local);
            }
        }
    }

    /// Puts them back.
    pub(crate) fn get(&mut self, operands: &[(usize, ValType)]) {
        for operand in operands {
            if let Some(&local) = self.slots.get(operand) {
                self.function.instructions().local_get(local);
            }
        }
    }

    /// An item of the sequence comes: who resumes in it comes here.
    pub(crate) fn item(&mut self) {
        if self.form.resumes() {
            self.end();
        }
    }

    /// Puts the operands below the results back to where they were.
    pub(crate) fn uncover(&mut self, operands: &Operands) {
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
                if self.hides.last().is_some_and(|hides| *hides) {
                    self.throw_hidden();
                }
                self.close();
            }
            Instruction::CatchAll => {
                let mut code = self.function.instructions();
                if let Some((tag, _)) = self.form.hidden_tag() {
                    code.catch(tag).throw(tag);
                }
                code.catch_all();
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
        let mut hides = false;
        match instruction {
            Instruction::TryTable(kind, catches) => hides = self.try_table(*kind, catches),
            _ => {
                self.function.instruction(instruction);
            }
        }
        let depth = self.opened();
        self.labels.push(depth);
        self.open.push(spot);
        self.hides.push(hides);
        let params = self.params();
        self.sequence(at.saturating_add(1), &params);
    }

    /// Puts what lies below a construct with sites into locals.
    fn approach(&mut self, spot: &Spot, is_if: bool) {
        let operands = Operands::of(spot);
        if !self.form.resumes() && operands.below.is_empty() {
            return;
        }
        self.put(&operands.taken);
        self.put(&operands.below);
        self.item();
        if !is_if || !self.form.resumes() {
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

    /// Starts a `try_table`; whether one of its clauses must not see the tag that is hidden: then there
    /// are two blocks around, the inner one for that tag.
    fn try_table(&mut self, kind: BlockType, catches: &[Catch]) -> bool {
        let is_all = |catch: &Catch| matches!(catch, Catch::All { .. } | Catch::AllRef { .. });
        let position = catches.iter().position(is_all);
        let hidden = self.form.hidden_tag().zip(position);
        if let Some(((_, carried), _)) = hidden {
            self.start(kind);
            let inner = self.types.with_results(kind, carried);
            self.start(inner);
        }
        let mut catches: Vec<Catch> = catches.iter().map(|catch| self.catch(catch)).collect();
        if let Some(((tag, _), position)) = hidden {
            catches.insert(position, Catch::One { tag, label: 0 });
        }
        self.function.instructions().try_table(kind, catches);
        hidden.is_some()
    }

    /// Ends these two blocks.
    fn throw_hidden(&mut self) {
        self.function.instructions().br(1);
        self.end();
        if let Some((tag, _)) = self.form.hidden_tag() {
            self.function.instructions().throw(tag);
        }
        self.end();
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
        self.hides.pop();
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
pub(crate) struct Operands {
    pub(crate) below: Vec<(usize, ValType)>,
    pub(crate) taken: Vec<(usize, ValType)>,
    results: Vec<(usize, ValType)>,
}

impl Operands {
    pub(crate) fn of(spot: &Spot) -> Self {
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

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
