//! A module that the loader has written, taken apart once more: for the passes for fork and longjmp.

use std::ops::Range;

use wasm_encoder::BranchHint;
use wasmparser::{
    Export, FuncToValidate, FuncType, FunctionBody, Global, KnownCustom, Operator, Parser, Payload,
    TypeRef, ValidPayload, Validator, ValidatorResources,
};

use crate::features::FEATURES;
use crate::module::{Sections, function_types};

/// A defined function: what checks it, and its code.
pub(crate) struct Body<'a> {
    pub(crate) check: FuncToValidate<ValidatorResources>,
    pub(crate) code: FunctionBody<'a>,
}

/// A module of this crate's own making.
#[derive(Default)]
pub(crate) struct Guest<'a> {
    pub(crate) types: Vec<FuncType>,
    /// Types of all functions, imported ones first.
    pub(crate) functions: Vec<u32>,
    pub(crate) nr_imports: usize,
    pub(crate) nr_tables: u32,
    pub(crate) nr_tags: u32,
    pub(crate) globals: Vec<Global<'a>>,
    /// How many globals are imported: they come first.
    pub(crate) nr_imported_globals: u32,
    pub(crate) exports: Vec<Export<'a>>,
    pub(crate) bodies: Vec<Body<'a>>,
    /// The hints of each defined function that has some, by its index among all functions.
    pub(crate) hints: Vec<(u32, Vec<BranchHint>)>,
    /// Those to which something is added.
    pub(crate) sections: Sections<'a>,
    /// Where the contents of sections are that may be copied as they are, with their numbers.
    pub(crate) raw: Vec<(u8, Range<usize>)>,
}

impl<'a> Guest<'a> {
    /// Takes `bytes` apart, which are valid but for the bodies of functions.
    pub(crate) fn read(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut guest = Self::default();
        let mut validator = Validator::new_with_features(FEATURES);
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            let payload = payload?;
            if let ValidPayload::Func(check, code) = validator.payload(&payload)? {
                guest.bodies.push(Body { check, code });
                continue;
            }
            guest.take(payload)?;
        }
        Ok(guest)
    }

    fn take(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        self.sections.keep(&payload);
        let raw = payload.as_section();
        if !matches!(payload, Payload::CustomSection(_)) {
            self.keep(raw.clone());
        }
        match payload {
            Payload::TypeSection(section) => self.types = function_types(section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import?.ty {
                        TypeRef::Func(type_index) => self.functions.push(type_index),
                        TypeRef::Global(_) => {
                            self.nr_imported_globals = self.nr_imported_globals.saturating_add(1);
                        }
                        _ => {}
                    }
                }
                self.nr_imports = self.functions.len();
            }
            Payload::FunctionSection(section) => {
                for type_index in section {
                    self.functions.push(type_index?);
                }
            }
            Payload::TableSection(section) => self.nr_tables = section.count(),
            Payload::TagSection(section) => self.nr_tags = section.count(),
            Payload::GlobalSection(section) => {
                self.globals = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::ExportSection(section) => {
                self.exports = section.into_iter().collect::<Result<_, _>>()?;
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::BranchHints(hints) => {
                    for function in hints {
                        let function = function?;
                        let hints: Vec<BranchHint> = function
                            .hints
                            .into_iter()
                            .map(|hint| {
                                hint.map(|hint| BranchHint {
                                    branch_func_offset: hint.func_offset,
                                    branch_hint_value: u32::from(hint.taken),
                                })
                            })
                            .collect::<Result<_, _>>()?;
                        self.hints.push((function.func, hints));
                    }
                }
                _ => self.keep(raw),
            },
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, section: Option<(u8, Range<u64>)>) {
        if let Some((id, range)) = section
            && let (Ok(start), Ok(end)) = (range.start.try_into(), range.end.try_into())
        {
            self.raw.push((id, start..end));
        }
    }

    /// The type of a function, imports first.
    pub(crate) fn type_of(&self, function: u32) -> Option<&FuncType> {
        let type_index = *self.functions.get(usize::try_from(function).ok()?)?;
        self.types.get(usize::try_from(type_index).ok()?)
    }

    /// Whether the code changes what its tables hold: a child's tables hold what they held at first.
    pub(crate) fn changes_tables(&self) -> wasmparser::Result<bool> {
        for body in &self.bodies {
            let mut operators = body.code.get_operators_reader()?;
            while !operators.eof() {
                if matches!(
                    operators.read()?,
                    Operator::TableSet { .. }
                        | Operator::TableGrow { .. }
                        | Operator::TableFill { .. }
                        | Operator::TableCopy { .. }
                        | Operator::TableInit { .. }
                ) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether the code has exceptions in their first form: engines take one form in a module.
    pub(crate) fn has_legacy_exceptions(&self) -> wasmparser::Result<bool> {
        for body in &self.bodies {
            let mut operators = body.code.get_operators_reader()?;
            while !operators.eof() {
                match operators.read()? {
                    Operator::Try { .. } => return Ok(true),
                    Operator::TryTable { .. } => return Ok(false),
                    _ => {}
                }
            }
        }
        Ok(false)
    }
}
