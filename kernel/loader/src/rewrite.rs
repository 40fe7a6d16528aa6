//! Writes the guest: the program with its memory imported, and the shim in the place of its imports.
//!
//! ```text
//!   functions   the shim's imports │ a stub for each import │ the program's own │ the shim, safepoints
//!   globals     the slot │ the program's own │ the counter
//! ```
//! So every function and every global of the program moves up by the number of imports; tables and
//! types keep their indices.
//!
//! A start function is called by a new `_start` before the program's own: within the process, where
//! it may wait, and where a trap ends that process as any trap does.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    BranchHints, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, Encode as _,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, ImportSection,
    InstructionSink, MemoryType, TableSection, TagSection, TypeSection,
};

use crate::atomics::Atomics;
use crate::bodies::Bodies;
use crate::call_graph::Plan;
use crate::call_shim::{KERNEL_FORK, NR_IMPORTED_FUNCTIONS, NR_IMPORTED_GLOBALS, SLOT, Shim};
use crate::fork::Seams;
use crate::imports::{Call, Target};
use crate::instruction::{Code, Instruction, Op};
use crate::module::Module;
use crate::names::Layout;
use crate::refusal::Refusal;
use crate::safepoint::Safepoints;
use crate::shapes::Shapes;
use crate::{Entry, Interruption, Sharing};

/// Most pages that a 32-bit memory can have.
pub(crate) const MAX_PAGES: u64 = 65536;

/// Moves the program's functions and globals behind the imports.
pub(crate) struct Rewriter;

impl Reencode for Rewriter {
    type Error = Refusal;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Refusal>> {
        Ok(moved_function(function))
    }

    fn global_index(&mut self, global: u32) -> Result<u32, Error<Refusal>> {
        Ok(moved_global(global))
    }

    fn const_expr(
        &mut self,
        expression: wasmparser::ConstExpr<'_>,
    ) -> Result<ConstExpr, Error<Refusal>> {
        moved_expression(&expression, moved_function, moved_global)
    }
}

impl Rewriter {
    /// Appends an instruction of the program to a function.
    pub(crate) fn write(instruction: &Instruction<'_>, function: &mut Function) {
        let index = match instruction.op {
            Op::Call(function) | Op::ReturnCall(function) | Op::RefFunc(function) => {
                moved_function(function)
            }
            Op::GlobalGet(global) | Op::GlobalSet(global) => moved_global(global),
            _ => return instruction.copy(function),
        };
        // One byte, then the index.
        function.raw(instruction.bytes.iter().take(1).copied());
        let mut encoded = Vec::new();
        index.encode(&mut encoded);
        function.raw(encoded);
    }
}

/// A constant expression whose functions and globals have other indices.
pub(crate) fn moved_expression(
    expression: &wasmparser::ConstExpr<'_>,
    function: impl Fn(u32) -> u32,
    global: impl Fn(u32) -> u32,
) -> Result<ConstExpr, Error<Refusal>> {
    let mut code = Code::of_constant(expression);
    let mut bytes = Vec::new();
    while let Some(instruction) = code.next().map_err(Error::UserError)? {
        match instruction.op {
            // The section writes it.
            Op::End => break,
            Op::RefFunc(index) => {
                InstructionSink::new(&mut bytes).ref_func(function(index));
            }
            Op::GlobalGet(index) => {
                InstructionSink::new(&mut bytes).global_get(global(index));
            }
            _ => bytes.extend(instruction.bytes),
        }
    }
    Ok(ConstExpr::raw(bytes))
}

/// Where a global of the program is now.
const fn moved_global(global: u32) -> u32 {
    global.saturating_add(NR_IMPORTED_GLOBALS)
}

/// Where a function of the program is now. A valid module has far fewer; a name section may say
/// anything.
const fn moved_function(function: u32) -> u32 {
    function.saturating_add(NR_IMPORTED_FUNCTIONS)
}

/// Writes the rewritten guest, and says where a pass for fork finds what it needs.
pub(crate) fn rewrite(
    module: &Module<'_>,
    layout: &Layout,
    calls: &[Call],
    interruption: Interruption,
    sharing: Sharing,
) -> Result<(Vec<u8>, Seams), Refusal> {
    encode(module, layout, calls, interruption, sharing).map_err(|error| match error {
        Error::UserError(refusal) => refusal,
        other => Refusal::new(format!("it could not be rewritten: {other}")),
    })
}

fn encode(
    module: &Module<'_>,
    layout: &Layout,
    calls: &[Call],
    interruption: Interruption,
    sharing: Sharing,
) -> Result<(Vec<u8>, Seams), Error<Refusal>> {
    let plan = match interruption {
        Interruption::Countdown => Some(Plan::of(module).map_err(Error::UserError)?),
        Interruption::Absent => None,
    };
    let mut out = wasm_encoder::Module::new();
    let sections = &module.sections;

    let mut types = TypeSection::new();
    if let Some(section) = sections.types.clone() {
        Rewriter.parse_type_section(&mut types, section)?;
    }
    let shim = Shim {
        types: types.len(),
        functions: moved_function(index(
            module.imports.len().saturating_add(module.functions.len()),
        )),
        stack_pointer: layout
            .stack_pointer
            .map(|global| global.saturating_add(NR_IMPORTED_GLOBALS)),
        table: module.function_table(),
        takes_any_handler: calls.iter().all(|call| call.target != Target::Fork),
    };
    Shim::add_types(&mut types);
    let atomic_types = types.len();
    if module.memory.shared {
        Atomics::add_types(&mut types);
    }
    out.section(&types);

    out.section(&imports(module, shim, sharing));

    let mut functions = FunctionSection::new();
    for import in &module.imports {
        functions.function(import.type_index);
    }
    if let Some(section) = sections.functions.clone() {
        Rewriter.parse_function_section(&mut functions, section)?;
    }
    shim.declare(&mut functions);
    let safepoints = Safepoints {
        counter: index(module.globals.len()).saturating_add(NR_IMPORTED_GLOBALS),
        function: moved_function(functions.len()),
        first_body: moved_function(index(module.imports.len())),
        shim,
        atomics: module.memory.shared.then(|| Atomics {
            types: atomic_types,
            functions: moved_function(functions.len().saturating_add(2)),
            shim,
        }),
    };
    functions.function(shim.nothing_type());
    functions.function(shim.word_to_word_type());
    if let Some(atomics) = safepoints.atomics {
        atomics.declare(&mut functions);
    }
    let mut entry = moved_function(layout.start);
    if sections.start.is_some() {
        entry = moved_function(functions.len());
        functions.function(match layout.entry {
            Entry::WithStack => shim.word_type(),
            Entry::Plain => shim.nothing_type(),
        });
    }
    let mut code = Bodies::default();
    let mut hints = BranchHints::new();
    for call in calls {
        code.push(&shim.stub(call));
    }
    if let Some(section) = sections.code.clone() {
        safepoints.write_code(section, plan.as_ref(), &mut code, &mut hints)?;
    }
    let atomics = safepoints.atomics.map(Atomics::bodies);
    let atomics = atomics.iter().flatten();
    let shapes = Shapes::of(module)?;
    let (bodies, hint) = shim.bodies(&shapes);
    hints.function_hints(shim.call_index(), [hint]);
    for body in bodies.iter().chain(&safepoints.bodies()).chain(atomics) {
        code.push(body);
    }
    if let Some(start) = sections.start {
        code.push(&entry_body(layout, start));
    }
    if plan.is_some() {
        for _ in 0..code.fill() {
            functions.function(shim.nothing_type());
        }
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
    if sections.start.is_some() {
        // Its export may have been what allows `ref.func` to name it.
        let start = [moved_function(layout.start)];
        elements.declared(Elements::Functions(start.as_slice().into()));
    }
    if !elements.is_empty() {
        out.section(&elements);
    }

    if let Some(count) = sections.data_count {
        out.section(&DataCountSection { count });
    }
    out.section(&hints);
    out.section(code.section());
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
    let seams = Seams {
        fork_point: shim.fork_point(),
        kernel_fork: KERNEL_FORK,
        slot: SLOT,
    };
    Ok((out.finish(), seams))
}

/// What the shim imports, and the memory.
fn imports(module: &Module<'_>, shim: Shim, sharing: Sharing) -> ImportSection {
    let mut imports = ImportSection::new();
    shim.add_imports(&mut imports);
    let memory = MemoryType {
        minimum: module.memory.min_pages,
        maximum: Some(MAX_PAGES),
        memory64: false,
        shared: sharing == Sharing::Shared,
        page_size_log2: None,
    };
    imports.import("guest", "memory", memory);
    imports
}

/// The guest's exports, with `entry` as its `_start`, and those that it should have had.
fn exports(
    module: &Module<'_>,
    layout: &Layout,
    entry: u32,
) -> Result<ExportSection, Error<Refusal>> {
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
        let global = global.saturating_add(NR_IMPORTED_GLOBALS);
        add("__stack_pointer", ExportKind::Global, global);
    }
    if let Some(table) = module.function_table() {
        add("__indirect_function_table", ExportKind::Table, table);
    }
    Ok(exports)
}

/// Calls the start function, then the program's `_start`.
fn entry_body(layout: &Layout, start: u32) -> Function {
    let mut body = Function::new([]);
    body.instructions().call(moved_function(start));
    if layout.entry == Entry::WithStack {
        body.instructions().local_get(0);
    }
    body.instructions().call(moved_function(layout.start)).end();
    body
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
