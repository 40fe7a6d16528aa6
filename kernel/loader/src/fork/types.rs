//! Types that the pass adds to those of the module, each once.

use std::collections::HashMap;

use wasm_encoder::{BlockType, TypeSection, ValType as Encoded};
use wasmparser::{FuncType, HeapType, RefType, ValType};

/// A type of a value, as it is written.
pub(super) fn encoded(value: ValType) -> Encoded {
    match value {
        ValType::I32 => Encoded::I32,
        ValType::I64 => Encoded::I64,
        ValType::F32 => Encoded::F32,
        ValType::F64 => Encoded::F64,
        ValType::V128 => Encoded::V128,
        ValType::Ref(reference) => Encoded::Ref(encoded_reference(reference)),
    }
}

/// The same for the three kinds of references that guests may have.
pub(super) fn encoded_reference(reference: RefType) -> wasm_encoder::RefType {
    use wasmparser::AbstractHeapType::{Exn, Extern};
    match reference.heap_type() {
        HeapType::Abstract { ty: Extern, .. } => wasm_encoder::RefType::EXTERNREF,
        HeapType::Abstract { ty: Exn, .. } => wasm_encoder::RefType::EXNREF,
        _ => wasm_encoder::RefType::FUNCREF,
    }
}

/// The types of the module, and those that were added.
pub(super) struct Types {
    section: TypeSection,
    known: HashMap<FuncType, u32>,
}

impl Types {
    /// The types of the module, which `section` holds.
    pub(super) fn new(section: TypeSection, types: &[FuncType]) -> Self {
        let mut known = HashMap::new();
        for (index, function) in (0_u32..).zip(types) {
            known.entry(function.clone()).or_insert(index);
        }
        Self { section, known }
    }

    /// The index of the type `params -> results`.
    pub(super) fn index(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let function = FuncType::new(params.iter().copied(), results.iter().copied());
        let section = &mut self.section;
        *self.known.entry(function).or_insert_with(|| {
            let index = section.len();
            section.ty().function(
                params.iter().map(|&param| encoded(param)),
                results.iter().map(|&result| encoded(result)),
            );
            index
        })
    }

    /// The type of a block without parameters.
    pub(super) fn block(&mut self, results: &[ValType]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [result] => BlockType::Result(encoded(*result)),
            _ => BlockType::FunctionType(self.index(&[], results)),
        }
    }

    /// All types.
    pub(super) fn into_section(self) -> TypeSection {
        self.section
    }
}
