//! Writes the guest: the program with imported memory, calls and hooks.
//!
//! Only one index space changes: the table of hooks is imported, so every table of the guest moves
//! up by one. Functions keep their indices, as no function import is added and the hooks come
//! after the guest's own functions; types and exports are only appended to.
//!
//! A start function is called by a new `_start` before the program's own: within the process, where
//! it may wait, and where a trap ends that process as any trap does.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BranchHints, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, ImportSection,
    MemoryType, RefType, TableSection, TableType, TagSection, TypeSection, ValType,
};

use crate::call_graph::Plan;
use crate::call_shim::{HOOK_TYPES, HOOKS_LEN};
use crate::module::Module;
use crate::names::Layout;
use crate::refusal::Refusal;
use crate::safepoint::Safepoints;
use crate::{Entry, Interruption};

/// The module name of all imports of a rewritten guest.
const MODULE: &str = "shoal";

/// Most pages that a 32-bit memory can have.
pub(crate) const MAX_PAGES: u64 = 65536;

/// Moves the guest's tables up by one, behind the hooks.
pub(crate) struct Rewriter;

impl Reencode for Rewriter {
    type Error = Infallible;

    fn table_index(&mut self, table: u32) -> Result<u32, Error<Infallible>> {
        // A valid module has far fewer tables; a name section may say anything.
        Ok(table.saturating_add(1))
    }
}

/// Writes the rewritten guest.
pub(crate) fn rewrite(
    module: &Module<'_>,
    layout: &Layout,
    interruption: Interruption,
) -> Result<Vec<u8>, Refusal> {
    encode(module, layout, interruption)
        .map_err(|error| Refusal::new(format!("it could not be rewritten: {error}")))
}

fn encode(
    module: &Module<'_>,
    layout: &Layout,
    interruption: Interruption,
) -> Result<Vec<u8>, Error<Infallible>> {
    let plan = match interruption {
        Interruption::Countdown => Some(Plan::of(module)?),
        Interruption::Absent => None,
    };
    let mut out = wasm_encoder::Module::new();
    let sections = &module.sections;

    let mut types = TypeSection::new();
    if let Some(section) = sections.types.clone() {
        Rewriter.parse_type_section(&mut types, section)?;
    }
    let hook_types = types.len();
    for (params, results) in HOOK_TYPES {
        types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
    }
    // The two forms of a handler: (signal), and (signal, siginfo, ucontext).
    let handler_types = types.len();
    types.ty().function([ValType::I32; 1], []);
    types.ty().function([ValType::I32; 3], []);
    let plain_type = types.len();
    types.ty().function([], []);
    let word_type = types.len();
    types.ty().function([ValType::I32], [ValType::I32]);
    out.section(&types);

    out.section(&imports(module));

    let mut functions = FunctionSection::new();
    if let Some(section) = sections.functions.clone() {
        Rewriter.parse_function_section(&mut functions, section)?;
    }
    let first_hook = index(module.imports.len()).saturating_add(functions.len());
    for type_index in hook_types..handler_types {
        functions.function(type_index);
    }
    let safepoints = Safepoints {
        counter: index(module.globals.len()),
        function: index(module.imports.len()).saturating_add(functions.len()),
        first_body: index(module.imports.len()),
        word_type,
    };
    functions.function(plain_type);
    functions.function(word_type);
    let mut entry = layout.start;
    if sections.start.is_some() {
        entry = index(module.imports.len()).saturating_add(functions.len());
        functions.function(match layout.entry {
            Entry::WithStack => handler_types,
            Entry::Plain => plain_type,
        });
    }
    out.section(&functions);

    if let Some(section) = sections.tables.clone() {
        let mut tables = TableSection::new();
        Rewriter.parse_table_section(&mut tables, section)?;
        out.section(&tables);
    }
    if let Some(section) = sections.tags.clone() {
        let mut tags = TagSection::new();
        Rewriter.parse_tag_section(&mut tags, section)?;
        out.section(&tags);
    }
    let mut globals = GlobalSection::new();
    if let Some(section) = sections.globals.clone() {
        Rewriter.parse_global_section(&mut globals, section)?;
    }
    Safepoints::add_counter(&mut globals);
    out.section(&globals);
    out.section(&exports(module, layout, entry)?);

    let mut elements = ElementSection::new();
    if let Some(section) = sections.elements.clone() {
        Rewriter.parse_element_section(&mut elements, section)?;
    }
    let hooks: Vec<u32> = (first_hook..).take(HOOK_TYPES.len()).collect();
    elements.active(
        None,
        &ConstExpr::i32_const(0),
        Elements::Functions(hooks.into()),
    );
    out.section(&elements);

    if let Some(count) = sections.data_count {
        out.section(&DataCountSection { count });
    }
    let mut code = CodeSection::new();
    let mut hints = BranchHints::new();
    if let Some(section) = sections.code.clone() {
        safepoints.write_code(section, plan.as_ref(), &mut code, &mut hints)?;
    }
    for hook in hook_bodies(module, layout, handler_types) {
        code.function(&hook);
    }
    for body in safepoints.bodies(plain_type) {
        code.function(&body);
    }
    if let Some(start) = sections.start {
        code.function(&entry_body(layout, start));
    }
    out.section(&hints);
    out.section(&code);
    if let Some(section) = sections.data.clone() {
        let mut data = DataSection::new();
        Rewriter.parse_data_section(&mut data, section)?;
        out.section(&data);
    }
    // Names are for backtraces only: a malformed section is dropped, not refused.
    if let Some(names) = sections.names.clone()
        && let Ok(names) = utils::custom_name_section(&mut Rewriter, names)
    {
        out.section(&names);
    }
    Ok(out.finish())
}

/// `shoal.f<i>` for every function, then the memory and the hooks.
fn imports(module: &Module<'_>) -> ImportSection {
    let mut imports = ImportSection::new();
    for (index, import) in module.imports.iter().enumerate() {
        imports.import(
            MODULE,
            &format!("f{index}"),
            EntityType::Function(import.type_index),
        );
    }
    let memory = MemoryType {
        minimum: module.memory.min_pages,
        maximum: Some(MAX_PAGES),
        memory64: false,
        shared: module.memory.shared,
        page_size_log2: None,
    };
    imports.import(MODULE, "memory", memory);
    imports.import(MODULE, "hooks", hooks_table());
    imports
}

/// The table through which the shim reaches into the guest.
pub(crate) const fn hooks_table() -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: HOOKS_LEN,
        maximum: Some(HOOKS_LEN),
        shared: false,
    }
}

/// The guest's exports, with `entry` as its `_start`, and those that it should have had.
fn exports(
    module: &Module<'_>,
    layout: &Layout,
    entry: u32,
) -> Result<ExportSection, Error<Infallible>> {
    let mut exports = ExportSection::new();
    if let Some(section) = module.sections.exports.clone() {
        for export in section {
            let export = export?;
            if export.name != "_start" {
                Rewriter.parse_export(&mut exports, export)?;
            }
        }
    }
    exports.export("_start", ExportKind::Func, entry);
    let mut add = |name: &str, kind, index| {
        if module.exports.iter().all(|export| export.name != name) {
            exports.export(name, kind, index);
        }
    };
    if let Some(global) = layout.stack_pointer {
        add("__stack_pointer", ExportKind::Global, global);
    }
    if let Some(table) = module.function_table() {
        add(
            "__indirect_function_table",
            ExportKind::Table,
            table.saturating_add(1),
        );
    }
    Ok(exports)
}

/// The four hooks, in the order of [`HOOK_TYPES`]; those that lack what they need trap.
fn hook_bodies(module: &Module<'_>, layout: &Layout, handler_types: u32) -> [Function; 4] {
    let mut bodies = [(); 4].map(|()| Function::new([]));
    let [pointer, set_pointer, handle, handle_info] = &mut bodies;
    if let Some(global) = layout.stack_pointer {
        pointer.instructions().global_get(global);
        set_pointer.instructions().local_get(0).global_set(global);
    } else {
        pointer.instructions().unreachable();
        set_pointer.instructions().unreachable();
    }
    if let Some(table) = module.function_table() {
        let table = table.saturating_add(1);
        handle
            .instructions()
            .local_get(1)
            .local_get(0)
            .call_indirect(table, handler_types);
        handle_info
            .instructions()
            .local_get(1)
            .local_get(2)
            .local_get(3)
            .local_get(0)
            .call_indirect(table, handler_types.saturating_add(1));
    } else {
        handle.instructions().unreachable();
        handle_info.instructions().unreachable();
    }
    for body in &mut bodies {
        body.instructions().end();
    }
    bodies
}

/// Calls the start function, then the program's `_start`.
fn entry_body(layout: &Layout, start: u32) -> Function {
    let mut body = Function::new([]);
    body.instructions().call(start);
    if layout.entry == Entry::WithStack {
        body.instructions().local_get(0);
    }
    body.instructions().call(layout.start).end();
    body
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
