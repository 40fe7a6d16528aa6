//! A guest module, taken apart into its sections.
//!
//! [`Module`] proves that the bytes have the form of a module with exactly one memory of 32 bits, function
//! imports only (besides that memory), and functions of numbers at its border. The engine then says
//! whether it is valid.

use wasmparser::{
    CodeSectionReader, DataSectionReader, ElementSectionReader, Export, ExportSectionReader,
    ExternalKind, FuncType, FunctionSectionReader, Global, GlobalSectionReader, Import,
    NameSectionReader, Parser, Payload, RefType, TableSectionReader, TableType, TagSectionReader,
    TypeRef, TypeSectionReader,
};

use crate::MemoryLimits;
use crate::features::FEATURES;
use crate::refusal::{Refusal, check_header};

/// A function import.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunctionImport<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'a str,
    /// Index of its type.
    pub(crate) type_index: u32,
}

/// A valid guest module.
pub(crate) struct Module<'a> {
    pub(crate) types: Vec<FuncType>,
    pub(crate) imports: Vec<FunctionImport<'a>>,
    /// Type indices of the functions that are defined, not imported.
    pub(crate) functions: Vec<u32>,
    pub(crate) globals: Vec<Global<'a>>,
    pub(crate) exports: Vec<Export<'a>>,
    pub(crate) memory: MemoryLimits,
    /// Whether the memory comes from outside already.
    pub(crate) imports_memory: bool,
    /// Types of the tables it defines; it imports none.
    pub(crate) tables: Vec<TableType>,
    pub(crate) sections: Sections<'a>,
}

/// The sections that are copied to the rewritten module, as the parser left them.
#[derive(Default)]
pub(crate) struct Sections<'a> {
    pub(crate) types: Option<TypeSectionReader<'a>>,
    pub(crate) functions: Option<FunctionSectionReader<'a>>,
    pub(crate) tables: Option<TableSectionReader<'a>>,
    pub(crate) tags: Option<TagSectionReader<'a>>,
    pub(crate) globals: Option<GlobalSectionReader<'a>>,
    pub(crate) exports: Option<ExportSectionReader<'a>>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Option<ElementSectionReader<'a>>,
    pub(crate) data_count: Option<u32>,
    pub(crate) code: Option<CodeSectionReader<'a>>,
    pub(crate) data: Option<DataSectionReader<'a>>,
    pub(crate) names: Option<NameSectionReader<'a>>,
}

impl<'a> Sections<'a> {
    /// Keeps one of the sections in which things are counted by an index.
    pub(crate) fn keep(&mut self, payload: &Payload<'a>) {
        match payload {
            Payload::TypeSection(section) => self.types = Some(section.clone()),
            Payload::FunctionSection(section) => self.functions = Some(section.clone()),
            Payload::TableSection(section) => self.tables = Some(section.clone()),
            Payload::TagSection(section) => self.tags = Some(section.clone()),
            Payload::GlobalSection(section) => self.globals = Some(section.clone()),
            Payload::ExportSection(section) => self.exports = Some(section.clone()),
            Payload::ElementSection(section) => self.elements = Some(section.clone()),
            _ => {}
        }
    }
}

/// The types of a section, none of them of garbage collection.
pub(crate) fn function_types(section: TypeSectionReader<'_>) -> wasmparser::Result<Vec<FuncType>> {
    section.into_iter_err_on_gc_types().collect()
}

impl<'a> Module<'a> {
    /// Validates `bytes` and takes them apart.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        check_header(bytes)?;
        let mut parts = Parts::default();
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            payload
                .and_then(|payload| parts.take(payload, bytes))
                .map_err(|error| Refusal::malformed(&error))?;
        }
        parts.finish()
    }

    /// The type of function `index`, imports first.
    pub(crate) fn function_type(&self, index: u32) -> Option<&FuncType> {
        let index = usize::try_from(index).ok()?;
        let type_index = match self.imports.get(index) {
            Some(import) => import.type_index,
            None => *self.functions.get(index.checked_sub(self.imports.len())?)?,
        };
        self.types.get(usize::try_from(type_index).ok()?)
    }

    /// The export `name` of kind `kind`; the index is valid in that kind's index space.
    pub(crate) fn export(&self, name: &str, kind: ExternalKind) -> Option<u32> {
        self.exports
            .iter()
            .find(|export| export.name == name && export.kind == kind)
            .map(|export| export.index)
    }

    /// The table whose indices are the guest's function pointers: the one exported as
    /// `__indirect_function_table`, else the first; if it can hold functions.
    pub(crate) fn function_table(&self) -> Option<u32> {
        let index = self
            .export("__indirect_function_table", ExternalKind::Table)
            .unwrap_or(0);
        let table = self.tables.get(usize::try_from(index).ok()?)?;
        (table.element_type == RefType::FUNCREF).then_some(index)
    }

    /// The global at `index`.
    pub(crate) fn global(&self, index: u32) -> Option<&Global<'a>> {
        self.globals.get(usize::try_from(index).ok()?)
    }
}

/// A module while its sections come in.
#[derive(Default)]
struct Parts<'a> {
    types: Vec<FuncType>,
    imports: Vec<Import<'a>>,
    functions: Vec<u32>,
    memories: Vec<wasmparser::MemoryType>,
    globals: Vec<Global<'a>>,
    exports: Vec<Export<'a>>,
    tables: Vec<TableType>,
    sections: Sections<'a>,
}

impl<'a> Parts<'a> {
    fn take(&mut self, payload: Payload<'a>, bytes: &'a [u8]) -> wasmparser::Result<()> {
        let sections = &mut self.sections;
        sections.keep(&payload);
        match payload {
            Payload::TypeSection(section) => self.types = function_types(section)?,
            Payload::ImportSection(section) => {
                self.imports = section.into_imports().collect::<Result<_, _>>()?;
            }
            Payload::FunctionSection(section) => {
                self.functions = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::TableSection(section) => self.tables = tables(&section)?,
            Payload::MemorySection(section) => {
                self.memories = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::GlobalSection(section) => {
                self.globals = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::ExportSection(section) => {
                self.exports = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::StartSection { func, .. } => sections.start = Some(func),
            Payload::DataCountSection { count, .. } => sections.data_count = Some(count),
            Payload::CodeSectionStart {
                unchecked_range, ..
            } => {
                sections.code = code_section(bytes, &unchecked_range)?;
            }
            Payload::DataSection(section) => sections.data = Some(section),
            Payload::CustomSection(section) if section.name() == "name" => {
                sections.names = Some(NameSectionReader::new(section.data_reader()));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Module<'a>, Refusal> {
        let mut imports = Vec::new();
        let mut memories = self.memories;
        let nr_own_memories = memories.len();
        for import in self.imports {
            let Import { module, name, ty } = import;
            let kind = match ty {
                TypeRef::Func(type_index) => {
                    imports.push(FunctionImport {
                        module,
                        name,
                        type_index,
                    });
                    continue;
                }
                TypeRef::Memory(memory) => {
                    memories.push(memory);
                    continue;
                }
                TypeRef::Table(_) => "table",
                TypeRef::Global(_) => "global",
                TypeRef::Tag(_) => "exception tag",
                TypeRef::FuncExact(_) => "function of an exact type",
            };
            return Err(Refusal::new(format!(
                "it imports the {kind} {module}.{name}: dynamic linking is not supported"
            )));
        }
        let memory = match memories.as_slice() {
            [memory] if memory.memory64 => {
                return Err(Refusal::new("its memory has 64-bit addresses"));
            }
            [memory] => MemoryLimits {
                min_pages: memory.initial,
                max_pages: memory.maximum,
                shared: memory.shared,
            },
            [] => return Err(Refusal::new("it has no memory")),
            _ => return Err(Refusal::new("it has more than one memory")),
        };
        if self.tables.iter().any(|table| table.table64) {
            return Err(Refusal::new("a table of it has 64-bit indices"));
        }
        Ok(Module {
            types: self.types,
            imports,
            functions: self.functions,
            imports_memory: nr_own_memories == 0,
            globals: self.globals,
            exports: self.exports,
            memory,
            tables: self.tables,
            sections: self.sections,
        })
    }
}

fn tables(section: &TableSectionReader<'_>) -> wasmparser::Result<Vec<TableType>> {
    section
        .clone()
        .into_iter()
        .map(|table| table.map(|table| table.ty))
        .collect()
}

/// The bodies of all functions: the parser hands out only where they are.
fn code_section<'a>(
    bytes: &'a [u8],
    range: &std::ops::Range<u64>,
) -> wasmparser::Result<Option<CodeSectionReader<'a>>> {
    let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
        return Ok(None);
    };
    let Some(section) = bytes.get(start..end) else {
        return Ok(None);
    };
    let reader = wasmparser::BinaryReader::new_features(section, range.start, FEATURES);
    CodeSectionReader::new(reader).map(Some)
}
