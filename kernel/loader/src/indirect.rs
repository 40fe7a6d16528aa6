//! What indirect calls can lead to: functions whose address is taken, grouped by their type.

use std::collections::HashMap;

use wasmparser::{
    ConstExpr, ElementItems, ElementSectionReader, FuncType, Global, TableInit, TableSectionReader,
};

use crate::instruction::{Code, Op};

/// Numbers the types so that equal ones have the same number; and how many numbers there are.
pub(crate) fn hubs(types: &[FuncType]) -> (Vec<usize>, usize) {
    let mut numbers = HashMap::new();
    let hubs = types
        .iter()
        .map(|function| {
            let next = numbers.len();
            *numbers.entry(function).or_insert(next)
        })
        .collect();
    (hubs, numbers.len())
}

/// Calls `take` with each function that a segment, or the first value of a table or a global, names.
///
/// # Errors
/// The module is malformed.
pub(crate) fn taken_outside_code(
    globals: &[Global<'_>],
    tables: Option<&TableSectionReader<'_>>,
    elements: Option<&ElementSectionReader<'_>>,
    take: &mut dyn FnMut(u32),
) -> wasmparser::Result<()> {
    for global in globals {
        taken_in(&global.init_expr, take);
    }
    for table in tables.cloned().into_iter().flatten() {
        if let TableInit::Expr(expression) = table?.init {
            taken_in(&expression, take);
        }
    }
    for segment in elements.cloned().into_iter().flatten() {
        match segment?.items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    take(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    taken_in(&expression?, take);
                }
            }
        }
    }
    Ok(())
}

/// The same for one expression.
fn taken_in(expression: &ConstExpr<'_>, take: &mut dyn FnMut(u32)) {
    let mut code = Code::of_constant(expression);
    while let Ok(Some(instruction)) = code.next() {
        if let Op::RefFunc(function) = instruction.op {
            take(function);
        }
    }
}
