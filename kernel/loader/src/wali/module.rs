//! Writes the translated module.
//!
//! ```text
//!   functions   imports │ adapters │ the program's own │ routines
//! ```
//! An *adapter* stands before a routine where the program declares an import with other types than the
//! specification. The function table gets two slots more for the routines that call handlers, and the
//! memory one page.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, Encode as _,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    MemorySection, MemoryType, StartSection, TableSection, TagKind, TagSection, TagType,
    TypeSection, ValType,
};
use wasmparser::TagSectionReader;

use super::assembly::{Assembly, Places, count};
use super::routine::{Aside, Routine};
use crate::Entry;
use crate::fork::types::encoded;
use crate::instruction::{Code, Instruction, Op};
use crate::jump::{CARRIED, Parts, Seams, note};
use crate::module::{FunctionImport, Module};
use crate::names::Layout;
use crate::refusal::Refusal;
use crate::rewrite::{MAX_PAGES, moved_expression};

/// `log2` of the bytes of a page of WebAssembly memory.
const PAGE_SHIFT: u32 = 16;

/// What stands for an import of the program.
#[derive(Clone, Debug)]
enum Stand {
    /// A routine with the import's type.
    Routine(Routine),
    /// The adapter with this number, before a routine.
    Adapter(u32),
    /// The import itself: the kernel refuses it by its name.
    Import,
}

/// An adapter: the routine, and the types that the program declares.
struct Adapter {
    routine: Routine,
    type_index: u32,
    params: Vec<ValType>,
    results: Vec<ValType>,
}

/// Where a program's functions go.
struct Mover {
    /// The new indices of the imports.
    imports: Vec<u32>,
    /// The new index of the first function of its own.
    first_own: u32,
}

impl Mover {
    fn moved(&self, function: u32) -> u32 {
        let position = usize::try_from(function).unwrap_or(usize::MAX);
        self.imports.get(position).copied().unwrap_or_else(|| {
            function
                .saturating_sub(count(self.imports.len()))
                .saturating_add(self.first_own)
        })
    }

    /// Appends an instruction of the program to a function.
    fn write(&self, instruction: &Instruction<'_>, function: &mut Function) {
        let index = match instruction.op {
            Op::Call(function) | Op::ReturnCall(function) | Op::RefFunc(function) => {
                self.moved(function)
            }
            _ => return instruction.copy(function),
        };
        // One byte, then the index.
        function.raw(instruction.bytes.iter().take(1).copied());
        let mut encoded = Vec::new();
        index.encode(&mut encoded);
        function.raw(encoded);
    }
}

impl Reencode for Mover {
    type Error = Refusal;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Refusal>> {
        Ok(self.moved(function))
    }

    fn const_expr(
        &mut self,
        expression: wasmparser::ConstExpr<'_>,
    ) -> Result<ConstExpr, Error<Refusal>> {
        moved_expression(
            &expression,
            |function| self.moved(function),
            |global| global,
        )
    }
}

/// Writes `module` anew for linux32.
pub(super) fn write(module: &Module<'_>) -> Result<Vec<u8>, Error<Refusal>> {
    let layout = Layout::of(module).map_err(Error::UserError)?;
    let places = places(module, &layout).map_err(Error::UserError)?;
    let (stands, adapters) = stands(module).map_err(Error::UserError)?;
    let mut assembly = Assembly::new(places, count(adapters.len()));
    loop {
        let (mover, added) = written(module, &layout, &stands, &adapters, &mut assembly)
            .map_err(Error::UserError)?;
        // What was written first only says what is needed.
        if assembly.begin() {
            return encode(module, &layout, mover, &adapters, &mut assembly, &added);
        }
    }
}

fn places(module: &Module<'_>, layout: &Layout) -> Result<Places, Refusal> {
    let min_pages = module.memory.min_pages;
    let page = u32::try_from(min_pages)
        .ok()
        .filter(|_| min_pages.saturating_add(1) < MAX_PAGES)
        .ok_or_else(|| Refusal::new("its memory has no room for one more page"))?;
    let table = module.function_table().and_then(|index| {
        let table = module.tables.get(usize::try_from(index).ok()?)?;
        Some((index, u32::try_from(table.initial).ok()?))
    });
    Ok(Places {
        nr_types: count(module.types.len()),
        nr_own: count(module.functions.len()),
        stack_pointer: layout.stack_pointer,
        table,
        start: (layout.start, layout.entry == Entry::WithStack),
        page: page << PAGE_SHIFT,
        jumps: jumps(module, layout)?,
    })
}

/// The function of the interface behind an import, if it is no system call.
fn aside(import: &FunctionImport<'_>) -> Option<Aside> {
    match Routine::of_import(import.name) {
        Some(Routine::Aside(aside)) if import.module == abi::wali::MODULE => Some(aside),
        _ => None,
    }
}

/// What jumps take: a tag and two globals, each behind those that are there.
fn jumps(module: &Module<'_>, layout: &Layout) -> Result<Option<Seams>, Refusal> {
    let has = |is_wanted: fn(Aside) -> bool| module.imports.iter().filter_map(aside).any(is_wanted);
    let jumps = has(Aside::sets_jump) && has(|aside| aside == Aside::LongJump);
    let Some(stack_pointer) = layout.stack_pointer.filter(|_| jumps) else {
        return Ok(None);
    };
    Ok(Some(Seams {
        tag: module
            .sections
            .tags
            .as_ref()
            .map_or(0, TagSectionReader::count),
        // The first one more is where the heap begins.
        marks: count(module.globals.len()).saturating_add(1),
        stack_pointer,
        is_legacy: has_legacy_exceptions(module)?,
    }))
}

/// Whether the program has exceptions in their first form.
fn has_legacy_exceptions(module: &Module<'_>) -> Result<bool, Refusal> {
    let malformed = |error| Refusal::malformed(&error);
    for body in module.sections.code.clone().into_iter().flatten() {
        let mut code = Code::of(&body.map_err(malformed)?).map_err(malformed)?;
        while let Some(instruction) = code.next()? {
            match instruction.op {
                Op::Try => return Ok(true),
                Op::TryTable(_) => return Ok(false),
                _ => {}
            }
        }
    }
    Ok(false)
}

/// The functions that stand for setjmp and its kin, in their order.
fn setjmps(module: &Module<'_>, mover: &Mover) -> Vec<u32> {
    let mut setjmps: Vec<u32> = module
        .imports
        .iter()
        .zip(&mover.imports)
        .filter(|(import, _)| aside(import).is_some_and(Aside::sets_jump))
        .map(|(_, function)| *function)
        .collect();
    setjmps.sort_unstable();
    setjmps.dedup();
    setjmps
}

/// What stands for each import.
fn stands(module: &Module<'_>) -> Result<(Vec<Stand>, Vec<Adapter>), Refusal> {
    let mut stands = Vec::new();
    let mut adapters = Vec::new();
    for import in &module.imports {
        let routine = Some(import)
            .filter(|import| import.module == abi::wali::MODULE)
            .and_then(|import| Routine::of_import(import.name));
        let Some(routine) = routine else {
            stands.push(Stand::Import);
            continue;
        };
        let adapter = adapter(module, import, routine)?;
        let (params, result) = routine.signature();
        if adapter.params.len() < params.len() {
            // libc declares so what the specification leaves out: without arguments it is no call.
            stands.push(Stand::Import);
            continue;
        }
        if adapter.params == params && adapter.results == result.as_slice() {
            stands.push(Stand::Routine(routine));
        } else {
            stands.push(Stand::Adapter(count(adapters.len())));
            adapters.push(adapter);
        }
    }
    Ok((stands, adapters))
}

fn adapter(
    module: &Module<'_>,
    import: &FunctionImport<'_>,
    routine: Routine,
) -> Result<Adapter, Refusal> {
    let declared = usize::try_from(import.type_index)
        .ok()
        .and_then(|index| module.types.get(index));
    let of = |types: &[wasmparser::ValType]| {
        types
            .iter()
            .map(|value| match value {
                wasmparser::ValType::I32 => Some(ValType::I32),
                wasmparser::ValType::I64 => Some(ValType::I64),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
    };
    declared
        .and_then(|declared| {
            Some(Adapter {
                routine,
                type_index: import.type_index,
                params: of(declared.params())?,
                results: of(declared.results())?,
            })
        })
        .ok_or_else(|| {
            Refusal::new(format!(
                "its import {}.{} takes or returns more than integers",
                import.module, import.name
            ))
        })
}

/// The functions that are added, in the order of their indices.
struct Added {
    adapters: Vec<Function>,
    /// With the indices of their types.
    routines: Vec<(u32, Function)>,
}

/// Writes all functions that are added, and says where all functions go.
fn written(
    module: &Module<'_>,
    layout: &Layout,
    stands: &[Stand],
    adapters: &[Adapter],
    assembly: &mut Assembly,
) -> Result<(Mover, Added), Refusal> {
    assembly.routine(Routine::Start);
    let imports = stands
        .iter()
        .zip(&module.imports)
        .map(|(stand, import)| match *stand {
            Stand::Routine(routine) => assembly.routine(routine),
            Stand::Adapter(number) => assembly.adapter(number),
            Stand::Import => assembly.import(import.module, import.name, import.type_index),
        })
        .collect();
    let mover = Mover {
        imports,
        first_own: assembly.own(0),
    };
    assembly.places.start.0 = mover.moved(layout.start);
    let adapters = adapters
        .iter()
        .map(|adapter| adapter_body(assembly, adapter))
        .collect();
    if assembly.needs(Routine::Aside(Aside::Spawn)) {
        assembly.routine(Routine::ThreadStart);
    }
    let mut routines = Vec::new();
    while let Some(routine) = assembly.parts().2.get(routines.len()).copied() {
        let (params, result) = routine.signature();
        let type_index = assembly.type_index(&params, result.as_slice());
        let body = assembly.body(routine);
        if body.lacks_stack() {
            return Err(Refusal::new("it has no stack pointer that could be found"));
        }
        routines.push((type_index, body.finish()));
    }
    Ok((mover, Added { adapters, routines }))
}

/// Calls a routine with parameters of its types, and gives results of the program's.
fn adapter_body(assembly: &mut Assembly, adapter: &Adapter) -> Function {
    let (params, result) = adapter.routine.signature();
    let answer = count(adapter.params.len());
    let mut body = Function::new([(1, ValType::I64)]);
    let mut code = body.instructions();
    for (position, param) in (0_u32..).zip(params) {
        let declared = adapter
            .params
            .get(usize::try_from(position).unwrap_or(usize::MAX));
        match (declared, param) {
            (Some(ValType::I64), ValType::I64) => code.local_get(position),
            (Some(ValType::I64), _) => code.local_get(position).i32_wrap_i64(),
            (Some(_), ValType::I64) => code.local_get(position).i64_extend_i32_s(),
            (Some(_), _) => code.local_get(position),
            (None, ValType::I64) => code.i64_const(0),
            (None, _) => code.i32_const(0),
        };
    }
    code.call(assembly.routine(adapter.routine));
    match result {
        Some(ValType::I64) => drop(code.local_set(answer)),
        Some(_) => drop(code.i64_extend_i32_s().local_set(answer)),
        None => {}
    }
    for declared in &adapter.results {
        code.local_get(answer);
        if *declared == ValType::I32 {
            code.i32_wrap_i64();
        }
    }
    code.end();
    body
}

fn encode(
    module: &Module<'_>,
    layout: &Layout,
    mut mover: Mover,
    adapters: &[Adapter],
    assembly: &mut Assembly,
    added: &Added,
) -> Result<Vec<u8>, Error<Refusal>> {
    let sections = &module.sections;
    let mut out = wasm_encoder::Module::new();
    let jump_type = assembly
        .places
        .jumps
        .map(|_| assembly.type_index(&CARRIED.map(encoded), &[]));
    let (new_types, new_imports, _) = assembly.parts();

    let mut types = TypeSection::new();
    if let Some(section) = sections.types.clone() {
        mover.parse_type_section(&mut types, section)?;
    }
    for (params, results) in new_types {
        types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
    }
    out.section(&types);

    let mut imports = ImportSection::new();
    for import in new_imports {
        let function = wasm_encoder::EntityType::Function(import.type_index);
        imports.import(&import.module, &import.name, function);
    }
    out.section(&imports);

    let mut functions = FunctionSection::new();
    for adapter in adapters {
        functions.function(adapter.type_index);
    }
    if let Some(section) = sections.functions.clone() {
        mover.parse_function_section(&mut functions, section)?;
    }
    for (type_index, _) in &added.routines {
        functions.function(*type_index);
    }
    out.section(&functions);

    let handler = assembly
        .places
        .table
        .filter(|_| assembly.needs(Routine::Handler));
    if let Some(section) = sections.tables.clone() {
        out.section(&tables(&mut mover, section, handler)?);
    }
    out.section(&memory(module));
    let mut tags = TagSection::new();
    if let Some(section) = sections.tags.clone() {
        mover.parse_tag_section(&mut tags, section)?;
    }
    if let Some(func_type_idx) = jump_type {
        tags.tag(TagType {
            kind: TagKind::Exception,
            func_type_idx,
        });
    }
    if !tags.is_empty() {
        out.section(&tags);
    }
    let mut globals = GlobalSection::new();
    if let Some(section) = sections.globals.clone() {
        mover.parse_global_section(&mut globals, section)?;
    }
    let heap_base = globals.len();
    globals.global(
        GlobalType {
            val_type: ValType::I32,
            mutable: false,
            shared: false,
        },
        &ConstExpr::i32_const(
            assembly
                .places
                .page
                .wrapping_add(1 << PAGE_SHIFT)
                .cast_signed(),
        ),
    );
    if jump_type.is_some() {
        for (val_type, zero) in [
            (ValType::I64, ConstExpr::i64_const(0)),
            (ValType::I32, ConstExpr::i32_const(0)),
        ] {
            globals.global(
                GlobalType {
                    val_type,
                    mutable: true,
                    shared: false,
                },
                &zero,
            );
        }
    }
    out.section(&globals);
    out.section(&exports(module, layout, &mut mover, assembly, heap_base)?);
    if let Some(function) = sections.start {
        let function_index = mover.moved(function);
        out.section(&StartSection { function_index });
    }

    let mut elements = ElementSection::new();
    if let Some(section) = sections.elements.clone() {
        mover.parse_element_section(&mut elements, section)?;
    }
    if let Some((table, slot)) = handler {
        let functions = [Routine::Handler, Routine::PlainHandler].map(|one| assembly.routine(one));
        elements.active(
            Some(table).filter(|&table| table != 0),
            &ConstExpr::i32_const(slot.cast_signed()),
            Elements::Functions((&functions[..]).into()),
        );
    }
    out.section(&elements);
    if let Some(count) = sections.data_count {
        out.section(&DataCountSection { count });
    }

    let mut code = CodeSection::new();
    for body in &added.adapters {
        code.function(body);
    }
    if let Some(section) = sections.code.clone() {
        for body in section {
            code.function(&moved_body(&mut mover, &body?)?);
        }
    }
    for (_, body) in &added.routines {
        code.function(body);
    }
    out.section(&code);
    if let Some(section) = sections.data.clone() {
        let mut data = DataSection::new();
        mover.parse_data_section(&mut data, section)?;
        out.section(&data);
    }
    // Names are for backtraces only: a malformed section is dropped, not refused.
    if let Some(names) = sections.names.clone()
        && let Ok(names) = utils::custom_name_section(&mut mover, names)
    {
        out.section(&names);
    }
    if let Some(seams) = assembly.places.jumps {
        out.section(&note::section(&Parts {
            seams,
            own: assembly.own(0)..assembly.own(assembly.places.nr_own),
            setjmps: setjmps(module, &mover),
        }));
    }
    Ok(out.finish())
}

/// A function of the program, whose calls are moved.
fn moved_body(
    mover: &mut Mover,
    body: &wasmparser::FunctionBody<'_>,
) -> Result<Function, Error<Refusal>> {
    let mut function = mover.new_function_with_parsed_locals(body)?;
    let mut code = Code::of(body)?;
    while let Some(instruction) = code.next().map_err(Error::UserError)? {
        mover.write(&instruction, &mut function);
    }
    Ok(function)
}

/// The program's tables, with room for the two routines that call handlers, if there are any.
fn tables(
    mover: &mut Mover,
    section: wasmparser::TableSectionReader<'_>,
    handler: Option<(u32, u32)>,
) -> Result<TableSection, Error<Refusal>> {
    let mut tables = TableSection::new();
    for (index, table) in (0_u32..).zip(section) {
        let mut table = table?;
        if handler.is_some_and(|(changed, _)| changed == index) {
            table.ty.initial = table.ty.initial.saturating_add(2);
            table.ty.maximum = table
                .ty
                .maximum
                .map(|maximum| maximum.max(table.ty.initial));
        }
        mover.parse_table(&mut tables, table)?;
    }
    Ok(tables)
}

/// The program's memory, with one more page.
fn memory(module: &Module<'_>) -> MemorySection {
    let limits = module.memory;
    let minimum = limits.min_pages.saturating_add(1);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum,
        maximum: limits.max_pages.map(|maximum| maximum.max(minimum)),
        memory64: false,
        shared: limits.shared,
        page_size_log2: None,
    });
    memories
}

/// The program's exports, and what the loader looks for: the stack pointer, and where the heap begins.
fn exports(
    module: &Module<'_>,
    layout: &Layout,
    mover: &mut Mover,
    assembly: &mut Assembly,
    heap_base: u32,
) -> Result<ExportSection, Error<Refusal>> {
    const HEAP_BASE: &str = "__heap_base";
    let mut exports = ExportSection::new();
    for export in &module.exports {
        if export.name != "_start" && export.name != HEAP_BASE {
            mover.parse_export(&mut exports, *export)?;
        }
    }
    let has = |name: &str| module.exports.iter().any(|export| export.name == name);
    let start = assembly.routine(Routine::Start);
    exports.export("_start", ExportKind::Func, start);
    exports.export(HEAP_BASE, ExportKind::Global, heap_base);
    if let Some(pointer) = layout.stack_pointer
        && !has("__stack_pointer")
    {
        exports.export("__stack_pointer", ExportKind::Global, pointer);
    }
    if assembly.needs(Routine::ThreadStart) && !has("__wasm_thread_start") {
        let start = assembly.routine(Routine::ThreadStart);
        exports.export("__wasm_thread_start", ExportKind::Func, start);
    }
    Ok(exports)
}
