//! Types that the pass adds to those of the module, each once.

use std::collections::HashMap;

use wasm_encoder::{BlockType, TypeSection, ValType as Encoded};
use wasmparser::{FuncType, HeapType, RefType, ValType};

/// A type of a value, as it is written.
pub(crate) fn encoded(value: ValType) -> Encoded {
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
pub(crate) fn encoded_reference(reference: RefType) -> wasm_encoder::RefType {
    use wasmparser::AbstractHeapType::{Exn, Extern};
    match reference.heap_type() {
        HeapType::Abstract { ty: Extern, .. } => wasm_encoder::RefType::EXTERNREF,
        HeapType::Abstract { ty: Exn, .. } => wasm_encoder::RefType::EXNREF,
        _ => wasm_encoder::RefType::FUNCREF,
    }
}

/// The types of the module, and those that were added.
pub(crate) struct Types {
    section: TypeSection,
    /// Those of the module alone.
    of_module: Vec<FuncType>,
    known: HashMap<FuncType, u32>,
}

impl Types {
    /// The types of the module, which `section` holds.
    pub(crate) fn new(section: TypeSection, types: &[FuncType]) -> Self {
        let mut known = HashMap::new();
        for (index, function) in (0_u32..).zip(types) {
            known.entry(function.clone()).or_insert(index);
        }
        Self {
            section,
            of_module: types.to_vec(),
            known,
        }
    }

    /// The index of the type `params -> results`.
    pub(crate) fn index(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
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
    pub(crate) fn block(&mut self, results: &[ValType]) -> BlockType {
        match results {
            [] => BlockType::Empty,
            [result] => BlockType::Result(encoded(*result)),
            _ => BlockType::FunctionType(self.index(&[], results)),
        }
    }

    /// The type of a block with the parameters of a block of `kind`, and `results`.
    pub(crate) fn with_results(&mut self, kind: BlockType, results: &[ValType]) -> BlockType {
        let BlockType::FunctionType(index) = kind else {
            return self.block(results);
        };
        let declared = usize::try_from(index).ok();
        let params = declared
            .and_then(|index| self.of_module.get(index))
            .map(|function| function.params().to_vec())
            .unwrap_or_default();
        BlockType::FunctionType(self.index(&params, results))
    }

    /// All types.
    pub(crate) fn into_section(self) -> TypeSection {
        self.section
    }
}
