//! What a module's exports, names and data say of its layout: entry, stack, heap.
//!
//! Nothing here is trusted for safety: a module that lies about its stack harms only itself.

use std::collections::HashMap;

use wasmparser::{DataKind, ExternalKind, Global, Name, ValType};

use crate::atomics::ThreadEntry;
use crate::instruction::Code;
use crate::module::Module;
use crate::refusal::Refusal;
use crate::{Entry, StackInfo};

/// Bytes of a page of WebAssembly memory.
const PAGE_LEN: u64 = 65536;

/// Where things are in a module and in its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) entry: Entry,
    /// Index of `_start`.
    pub(crate) start: u32,
    /// Index of the global that is the stack pointer, a mutable `i32`.
    pub(crate) stack_pointer: Option<u32>,
    pub(crate) stack: StackInfo,
    pub(crate) heap_base: u32,
    pub(crate) data_end: u32,
}

impl Layout {
    /// Finds the layout of `module`.
    ///
    /// # Errors
    /// A [`Refusal`] when it has no `_start`, or one that cannot be called; or data that does not fit.
    pub(crate) fn of(module: &Module<'_>) -> Result<Self, Refusal> {
        let names = Names::of(module);
        let (start, entry) = find_start(module, &names)?;
        check_thread_entries(module)?;
        let stack_pointer = find_stack_pointer(module, &names)?;
        let initial = stack_pointer
            .and_then(|index| module.global(index))
            .and_then(i32_constant);
        let (data_start, data_len_end) = data_extent(module);
        let memory_end = module.memory.min_pages.saturating_mul(PAGE_LEN);
        // Not left to the engine: the memory that it gets may be larger.
        if u64::from(data_len_end) > memory_end {
            return Err(Refusal::new("its data lies outside its memory"));
        }
        let constant = |name: &str| {
            let index = module
                .export(name, ExternalKind::Global)
                .or_else(|| names.globals.get(name).copied())?;
            module
                .global(index)
                .filter(|global| !global.ty.mutable)
                .and_then(i32_constant)
        };
        let pointer_initial = initial.unwrap_or(0);
        let lowest = if pointer_initial <= data_start {
            0
        } else {
            data_len_end
        };
        let memory_end = u32::try_from(memory_end).unwrap_or(!0xffff);
        Ok(Self {
            entry,
            start,
            stack_pointer,
            stack: StackInfo {
                pointer_initial,
                lowest: lowest.min(pointer_initial),
                has_pointer: initial.is_some(),
            },
            heap_base: constant("__heap_base").unwrap_or(memory_end),
            data_end: constant("__data_end").unwrap_or(data_len_end),
        })
    }
}

impl Layout {
    /// The same without a stack that the kernel knows of: arguments come by calls, and handlers of
    /// signals do not exist.
    pub(crate) const fn without_stack(self) -> Self {
        Self {
            stack_pointer: None,
            stack: StackInfo {
                pointer_initial: 0,
                lowest: 0,
                has_pointer: false,
            },
            ..self
        }
    }
}

/// The parts of the name section that matter here, by name.
#[derive(Default)]
struct Names<'a> {
    functions: HashMap<&'a str, u32>,
    globals: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    /// Reads as far as the section is well formed; it is only a convenience.
    fn of(module: &Module<'a>) -> Self {
        const WANTED: [&str; 4] = ["_start", "__stack_pointer", "__heap_base", "__data_end"];
        let mut names = Self::default();
        let subsections = module.sections.names.clone().into_iter().flatten();
        for subsection in subsections.map_while(Result::ok) {
            let (map, into) = match subsection {
                Name::Function(map) => (map, &mut names.functions),
                Name::Global(map) => (map, &mut names.globals),
                _ => continue,
            };
            for naming in map.map_while(Result::ok) {
                if WANTED.contains(&naming.name) {
                    into.entry(naming.name).or_insert(naming.index);
                }
            }
        }
        names
    }
}

fn find_start(module: &Module<'_>, names: &Names<'_>) -> Result<(u32, Entry), Refusal> {
    let Some(index) = module
        .export("_start", ExternalKind::Func)
        .or_else(|| names.functions.get("_start").copied())
    else {
        let is_reactor = module.export("_initialize", ExternalKind::Func).is_some();
        return Err(Refusal::new(if is_reactor {
            "a library (reactor), not a program: it has _initialize but no _start"
        } else {
            "it has no _start function"
        }));
    };
    if module
        .exports
        .iter()
        .any(|export| export.name == "_start" && export.kind != ExternalKind::Func)
    {
        return Err(Refusal::new("its export _start is not a function"));
    }
    let Some(function) = module.function_type(index) else {
        return Err(Refusal::new("it has no _start function"));
    };
    match (function.params(), function.results()) {
        ([ValType::I32], []) => Ok((index, Entry::WithStack)),
        ([], []) => Ok((index, Entry::Plain)),
        _ => Err(Refusal::new(format!(
            "its _start has the wrong type {function}"
        ))),
    }
}

fn check_thread_entries(module: &Module<'_>) -> Result<(), Refusal> {
    for (name, nr_params) in ThreadEntry::ALL.map(|entry| (entry.export(), entry.nr_params())) {
        let Some(index) = module.export(name, ExternalKind::Func) else {
            continue;
        };
        let is_right = module.function_type(index).is_some_and(|function| {
            function.params().len() == nr_params
                && function.params().iter().all(|&param| param == ValType::I32)
                && function.results().is_empty()
        });
        if !is_right {
            return Err(Refusal::new(format!("its {name} has the wrong type")));
        }
    }
    Ok(())
}

/// Finds the stack pointer: by export, else by name, else as the first likely global.
fn find_stack_pointer(module: &Module<'_>, names: &Names<'_>) -> Result<Option<u32>, Refusal> {
    const NAME: &str = "__stack_pointer";
    let is_variable =
        |global: &Global<'_>| global.ty.mutable && global.ty.content_type == ValType::I32;
    if let Some(export) = module.exports.iter().find(|export| export.name == NAME) {
        let index = Some(export.index).filter(|_| export.kind == ExternalKind::Global);
        return match index.filter(|&index| module.global(index).is_some_and(is_variable)) {
            Some(index) => Ok(Some(index)),
            None => Err(Refusal::new(
                "its export __stack_pointer is not a mutable i32 global",
            )),
        };
    }
    let named = names.globals.get(NAME).copied();
    if let Some(index) = named.filter(|&index| module.global(index).is_some_and(is_variable)) {
        return Ok(Some(index));
    }
    let likely = module
        .globals
        .iter()
        .position(|global| is_variable(global) && i32_constant(global).is_some());
    Ok(likely.and_then(|index| u32::try_from(index).ok()))
}

/// Lowest and highest address of the data segments whose place is a constant; `(MAX, 0)` if none.
fn data_extent(module: &Module<'_>) -> (u32, u32) {
    let mut extent = (u32::MAX, 0_u32);
    let segments = module
        .sections
        .data
        .clone()
        .into_iter()
        .flatten()
        .map_while(Result::ok);
    for segment in segments {
        let DataKind::Active { offset_expr, .. } = segment.kind else {
            continue;
        };
        let Some(start) = Code::of_constant(&offset_expr).constant() else {
            continue;
        };
        let len = u32::try_from(segment.data.len()).unwrap_or(u32::MAX);
        extent.0 = extent.0.min(start);
        extent.1 = extent.1.max(start.saturating_add(len));
    }
    extent
}

fn i32_constant(global: &Global<'_>) -> Option<u32> {
    Code::of_constant(&global.init_expr).constant()
}
