//! Generates the module by which a guest shows that the kernel has room on its stack.
//!
//! A call of the kernel runs on the stack of its guest, which may be nearly full. Where an engine finds it
//! full in the midst of the kernel, it throws through functions that hold locks and never return. So the
//! shim calls `probe(0)` first: a function whose frame is as large as all that the kernel needs, and which
//! does nothing. Engines compare a frame with what is left before they make it, and then it is the
//! guest's own fault.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// Results of one call: as many as engines allow.
const NR_RESULTS: u32 = 1000;

/// Calls whose results are all alive at once.
const NR_CALLS: u32 = 8;

/// Bytes of the frame of `probe`, at least. The kernel's deepest calls take about a third of it where an engine has not
/// optimised them yet.
pub const STACK_PROBE_LEN: u32 = NR_RESULTS * NR_CALLS * 8;

/// The module; it imports nothing and exports `probe(never)`, which is called with 0.
///
/// The frame is what a branch that is never taken would need. Its calls go through an empty table, so that no engine can look
/// into them beforehand.
pub fn stack_probe() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    types
        .ty()
        .function([], (0..NR_RESULTS).map(|_| ValType::I64));
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut tables = TableSection::new();
    tables.table(TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1,
        maximum: Some(1),
        shared: false,
    });
    let mut globals = GlobalSection::new();
    let sum = GlobalType {
        val_type: ValType::I64,
        mutable: true,
        shared: false,
    };
    globals.global(sum, &ConstExpr::i64_const(0));
    let mut exports = ExportSection::new();
    exports.export("probe", ExportKind::Func, 0);

    let mut probe = Function::new([]);
    let mut code = probe.instructions();
    code.local_get(0).if_(BlockType::Empty);
    for _ in 0..NR_CALLS {
        code.i32_const(0).call_indirect(0, 1);
    }
    for _ in 1..NR_RESULTS * NR_CALLS {
        code.i64_xor();
    }
    code.global_set(0).end().end();
    let mut bodies = CodeSection::new();
    bodies.function(&probe);

    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&tables)
        .section(&globals)
        .section(&exports)
        .section(&bodies);
    module.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_valid() {
        crate::validate(&stack_probe()).unwrap();
    }
}
