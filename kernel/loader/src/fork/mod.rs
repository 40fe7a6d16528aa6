//! fork(2): lets the stack of a program be saved, and built again in another instance.
//!
//! An engine gives no access to a stack. So the functions that can be on it when the program forks
//! are written anew ([`writer`]): to fork, the shim throws an exception, each frame saves its live
//! values on its way ([`frame`]), and the entry has the kernel copy what was saved, memory included.
//! Parent and child then go on by second forms of the functions, which jump to where they were.
//! The usual forms differ from the program's own by handlers alone, so a program that does not fork
//! is as fast as before.
//!
//! ```text
//!   reach ──> scan ──> liveness
//!     who can be on the stack    where, with which operands, with which locals
//!                └──────> writer, sites ──> both forms of each function
//! ```
//! The pass comes last: the shim and the safepoints are code like any. Limits: values of reference
//! types are lost; a program that changes its tables, or calls that reach fork in a `catch` clause
//! of the first form of exceptions, cannot fork there.

mod frame;
mod liveness;
pub(crate) mod module;
mod reach;
pub(crate) mod scan;
mod sites;
pub(crate) mod types;
pub(crate) mod writer;

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder};
use wasm_encoder::{
    BranchHint, BranchHints, CodeSection, ConstExpr, ElementSection, Elements, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, RawSection, RefType, TableSection,
    TableType, TagKind, TagSection, TagType, TypeSection,
};
use wasmparser::{ExternalKind, FuncValidatorAllocations, Operator, ValType};

pub(crate) use self::frame::operation;
use self::frame::{NR_HELPERS, Plan};
use self::module::Guest;
use self::reach::Reach;
use self::sites::{Side, Suspends};
use self::types::Types;
use self::writer::{Writer, Written};
use crate::jump;
use crate::refusal::Refusal;

/// Where a program is entered by the kernel: each of these begins a stack.
const ENTRIES: [&str; 4] = [
    "_start",
    "__wasm_thread_start",
    "__wasm_thread_start_libc",
    "__startThread",
];

/// How much longer than the module the written functions may be.
const MAX_GROWTH: usize = 24;
/// The same for small modules, in bytes.
const MIN_LIMIT: usize = 4 << 20;

/// What the rest of the loader tells of the module that it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seams {
    /// The function by which the shim forks, which this pass writes.
    pub fork_point: u32,
    /// The import `kernel.fork`.
    pub kernel_fork: u32,
    /// The global with the number of the process's slot.
    pub slot: u32,
}

impl Seams {
    /// Stands for a program that was translated from WALI, whose calls of setjmp are to be written before anything
    /// else. What does that is in the same pass as it shares most of its code with fork.
    pub const OF_JUMPS: Self = Self {
        fork_point: 0,
        kernel_fork: 0,
        slot: 0,
    };
}

/// Writes `bytes` anew so that it can fork; `None` when it cannot: its tables change.
///
/// # Errors
/// A [`Refusal`]: the functions would be too large.
pub fn write(bytes: &[u8], seams: Seams) -> Result<Option<Vec<u8>>, Refusal> {
    if seams == Seams::OF_JUMPS {
        return jump::write(bytes).map(Some);
    }
    let failed = |error: Error<Infallible>| {
        Refusal::new(format!("it could not be rewritten for fork: {error}"))
    };
    let guest = Guest::read(bytes).map_err(|error| Refusal::malformed(&error))?;
    let changes = guest.changes_tables();
    if changes.map_err(|error| Refusal::malformed(&error))? {
        return Ok(None);
    }
    let limit = bytes.len().saturating_mul(MAX_GROWTH).max(MIN_LIMIT);
    let Some(written) = encode(bytes, guest, seams, limit).map_err(failed)? else {
        return Err(Refusal::new(
            "its functions that reach fork are too large to be rewritten",
        ));
    };
    Ok(Some(written))
}

/// The parts of the new module that come of functions.
struct Code {
    section: CodeSection,
    hints: Vec<(u32, Vec<BranchHint>)>,
    /// The second forms, with their types.
    going_on: Vec<(u32, Written)>,
}

fn encode(
    bytes: &[u8],
    mut guest: Guest<'_>,
    seams: Seams,
    limit: usize,
) -> Result<Option<Vec<u8>>, Error<Infallible>> {
    let reach = Reach::of(&guest, seams.fork_point)?;
    let mut section = TypeSection::new();
    if let Some(types) = guest.sections.types.clone() {
        RoundtripReencoder.parse_type_section(&mut section, types)?;
    }
    let mut types = Types::new(section, &guest.types);
    let nr_functions = index(guest.functions.len());
    let plan = Plan {
        kernel: seams.kernel_fork,
        slot: seams.slot,
        tag: guest.nr_tags,
        table: guest.nr_tables,
        helpers: nr_functions,
        is_legacy: guest.has_legacy_exceptions()?,
    };
    let Some(mut code) = functions(&mut guest, &reach, plan, &mut types, seams, limit)? else {
        return Ok(None);
    };

    let mut declared = FunctionSection::new();
    if let Some(functions) = guest.sections.functions.clone() {
        RoundtripReencoder.parse_function_section(&mut declared, functions)?;
    }
    for ((params, results), body) in Plan::types().into_iter().zip(plan.bodies()) {
        declared.function(types.index(params, results));
        code.section.function(&body);
    }
    let first_going_on = nr_functions.saturating_add(NR_HELPERS);
    for (function, (type_index, written)) in (first_going_on..).zip(&mut code.going_on) {
        declared.function(*type_index);
        code.section.function(&written.function);
        if !written.hints.is_empty() {
            code.hints
                .push((function, std::mem::take(&mut written.hints)));
        }
    }
    let mut next = first_going_on.saturating_add(index(code.going_on.len()));
    let exports = exports(&guest, &reach, plan, &mut types, |type_index, entry| {
        declared.function(type_index);
        code.section.function(&entry);
        let function = next;
        next = next.saturating_add(1);
        function
    })?;

    let nothing = types.index(&[], &[]);
    for _ in &code.going_on {
        declared.function(nothing);
        code.section.function(&makeweight());
    }

    let mut out = wasm_encoder::Module::new();
    out.section(&types.into_section());
    copy(&mut out, bytes, &guest, &[2]);
    out.section(&declared);
    out.section(&tables(&guest, index(code.going_on.len()))?);
    out.section(&tags(&guest, nothing)?);
    if let Some(section) = guest.sections.globals.clone() {
        let mut globals = GlobalSection::new();
        RoundtripReencoder.parse_global_section(&mut globals, section)?;
        out.section(&globals);
    }
    out.section(&exports);
    let mut elements = ElementSection::new();
    if let Some(section) = guest.sections.elements.clone() {
        RoundtripReencoder.parse_element_section(&mut elements, section)?;
    }
    let going_on: Vec<u32> = (first_going_on..).take(code.going_on.len()).collect();
    elements.active(
        Some(plan.table),
        &ConstExpr::i32_const(0),
        Elements::Functions(going_on.into()),
    );
    // An export that has become another function's may have been what allows `ref.func`.
    let entries = guest
        .exports
        .iter()
        .filter(|export| export.kind == ExternalKind::Func && ENTRIES.contains(&export.name));
    let entries: Vec<u32> = entries.map(|export| export.index).collect();
    elements.declared(Elements::Functions(entries.into()));
    out.section(&elements);
    copy(&mut out, bytes, &guest, &[12]);
    let mut hints = BranchHints::new();
    for (function, of_function) in code.hints {
        hints.function_hints(function, of_function);
    }
    out.section(&hints);
    out.section(&code.section);
    copy(&mut out, bytes, &guest, &[11, 0]);
    Ok(Some(out.finish()))
}

/// A function that nobody calls, one for each that goes on.
///
/// V8 takes a module with few small functions for one that its compiler has inlined enough, and does
/// little of that itself. The functions that go on are large, and without these beside them all of
/// a program would be slower, whether it forks or not.
fn makeweight() -> Function {
    let mut body = Function::new([]);
    body.instructions().end();
    body
}

/// Copies the sections with these numbers as they are.
pub(crate) fn copy(
    out: &mut wasm_encoder::Module,
    bytes: &[u8],
    guest: &Guest<'_>,
    numbers: &[u8],
) {
    for (id, range) in guest.raw.iter().filter(|(id, _)| numbers.contains(id)) {
        if let Some(data) = bytes.get(range.clone()) {
            out.section(&RawSection { id: *id, data });
        }
    }
}

/// Writes all functions; `None` when that would be too much.
fn functions(
    guest: &mut Guest<'_>,
    reach: &Reach,
    plan: Plan,
    types: &mut Types,
    seams: Seams,
    limit: usize,
) -> Result<Option<Code>, Error<Infallible>> {
    let mut code = Code {
        section: CodeSection::new(),
        hints: Vec::new(),
        going_on: Vec::new(),
    };
    let mut hints = std::mem::take(&mut guest.hints).into_iter().peekable();
    let mut allocations = FuncValidatorAllocations::default();
    let bodies = std::mem::take(&mut guest.bodies);
    let mut left = limit;
    for (function, body) in (index(guest.nr_imports)..).zip(bodies) {
        let hinted = hints
            .next_if(|(hinted, _)| *hinted == function)
            .map(|(_, hints)| hints)
            .unwrap_or_default();
        let number = index(code.going_on.len());
        if function == seams.fork_point {
            code.section.function(&plan.fork_point(number));
            let type_index = types.index(&[], &[ValType::I32]);
            let written = Written {
                function: plan.fork_returns(),
                hints: Vec::new(),
            };
            code.going_on.push((type_index, written));
            continue;
        }
        if !reach.function(function) {
            code.section.raw(body.code.as_bytes());
            if !hinted.is_empty() {
                code.hints.push((function, hinted));
            }
            continue;
        }
        let scan;
        let is_site = |operator: &Operator<'_>| reach.call(operator);
        (scan, allocations) = scan::scan(guest, body, function, &is_site, allocations)?;
        let mut write = |side| {
            let form = Suspends { plan, side, number };
            let written = Writer::new(types, &scan, form)?.write(&hinted, left)?;
            left = left.checked_sub(written.function.byte_len())?;
            Some(written)
        };
        let (Some(usual), Some(going_on)) = (write(Side::Usual), write(Side::GoesOn)) else {
            return Ok(None);
        };
        code.section.function(&usual.function);
        if !usual.hints.is_empty() {
            code.hints.push((function, usual.hints));
        }
        let type_index = types.index(&[], &scan.results);
        code.going_on.push((type_index, going_on));
    }
    Ok(Some(code))
}

/// The exports, with an entry around each function that begins a stack with fork in it; `add` adds
/// such a function and gives its index.
fn exports(
    guest: &Guest<'_>,
    reach: &Reach,
    plan: Plan,
    types: &mut Types,
    mut add: impl FnMut(u32, Function) -> u32,
) -> Result<ExportSection, Error<Infallible>> {
    let mut exports = ExportSection::new();
    let globals: Vec<(u32, ValType)> = (guest.nr_imported_globals..)
        .zip(&guest.globals)
        .filter(|(_, global)| global.ty.mutable)
        .map(|(index, global)| (index, global.ty.content_type))
        .collect();
    let nothing = types.index(&[], &[]);
    for export in &guest.exports {
        let function = guest.type_of(export.index).filter(|function| {
            ENTRIES.contains(&export.name)
                && export.kind == ExternalKind::Func
                && reach.function(export.index)
                && function.results().is_empty()
        });
        let Some(function) = function else {
            RoundtripReencoder.parse_export(&mut exports, *export)?;
            continue;
        };
        let entry = plan.entry(export.index, function.params(), &globals, nothing);
        let type_index = types.index(function.params(), &[]);
        exports.export(export.name, ExportKind::Func, add(type_index, entry));
    }
    Ok(exports)
}

/// The tables, with one of the functions that go on.
fn tables(guest: &Guest<'_>, len: u32) -> Result<TableSection, Error<Infallible>> {
    let mut tables = TableSection::new();
    if let Some(section) = guest.sections.tables.clone() {
        RoundtripReencoder.parse_table_section(&mut tables, section)?;
    }
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: u64::from(len),
        maximum: Some(u64::from(len)),
        shared: false,
    });
    Ok(tables)
}

/// The tags, with the one that unwinds.
fn tags(guest: &Guest<'_>, nothing: u32) -> Result<TagSection, Error<Infallible>> {
    let mut tags = TagSection::new();
    if let Some(section) = guest.sections.tags.clone() {
        RoundtripReencoder.parse_tag_section(&mut tags, section)?;
    }
    tags.tag(TagType {
        kind: TagKind::Exception,
        func_type_idx: nothing,
    });
    Ok(tags)
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
