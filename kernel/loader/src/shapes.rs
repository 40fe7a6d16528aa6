//! What functions the entries of the table are, as far as the module says so beforehand.
//!
//! In C a function without a prototype may be called with arguments that it does not look at, and what it
//! returns may be left alone: a handler `void stop()`, the start of a thread `void *work()`. WebAssembly traps where the types differ.
//! So the shim asks for the *shape* of what a pointer names before it calls a handler, and libc does by
//! the import `linux.__function_shape`.

use wasm_encoder::{BlockType, Function};
use wasmparser::{ElementItems, ElementKind, FuncType, ValType};

use crate::instruction::{Code, Op};
use crate::module::Module;

/// Shapes: functions of up to three words, with a word as the result or none.
pub(crate) const NR_SHAPES: u32 = 8;

/// The entries that are looked at: those of a large program.
const MAX_ENTRIES: usize = 1 << 16;

/// The shape of each entry of the function table, from the first that a segment fills.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    first: u32,
    entries: Vec<Option<u32>>,
}

/// Two for each parameter, and one for a result, if all of them are words.
fn shape(function: &FuncType) -> Option<u32> {
    let is_word = |value: &ValType| *value == ValType::I32;
    if !function
        .params()
        .iter()
        .chain(function.results())
        .all(is_word)
    {
        return None;
    }
    let nr_results = u32::try_from(function.results().len()).ok()?;
    let nr_params = u32::try_from(function.params().len()).ok()?;
    let shape = nr_params.checked_mul(2)?.checked_add(nr_results)?;
    (nr_results < 2 && shape < NR_SHAPES).then_some(shape)
}

impl Shapes {
    /// Reads the segments that fill the table as the module starts, at constant places.
    pub(crate) fn of(module: &Module<'_>) -> wasmparser::Result<Self> {
        let mut found = Vec::new();
        let Some(table) = module.function_table() else {
            return Ok(Self::default());
        };
        for segment in module.sections.elements.clone().into_iter().flatten() {
            let segment = segment?;
            let ElementKind::Active {
                table_index,
                offset_expr,
            } = segment.kind
            else {
                continue;
            };
            let Some(start) = Code::of_constant(&offset_expr).constant() else {
                continue;
            };
            if table_index.unwrap_or(0) != table {
                continue;
            }
            let mut add = |at: usize, function: Option<u32>| {
                let place = u32::try_from(at).ok().and_then(|at| start.checked_add(at));
                let shape = function.and_then(|index| shape(module.function_type(index)?));
                if let Some(place) = place {
                    found.push((place, shape));
                }
            };
            match segment.items {
                ElementItems::Functions(functions) => {
                    for (at, function) in functions.into_iter().enumerate() {
                        add(at, Some(function?));
                    }
                }
                ElementItems::Expressions(_, expressions) => {
                    for (at, expression) in expressions.into_iter().enumerate() {
                        let op = Code::of_constant(&expression?).next();
                        add(
                            at,
                            match op {
                                Ok(Some(instruction)) => match instruction.op {
                                    Op::RefFunc(function) => Some(function),
                                    _ => None,
                                },
                                _ => None,
                            },
                        );
                    }
                }
            }
        }
        let first = found.iter().map(|(place, _)| *place).min().unwrap_or(0);
        let mut shapes = Self {
            first,
            entries: Vec::new(),
        };
        for (place, shape) in found {
            let Ok(at) = usize::try_from(place.saturating_sub(first)) else {
                continue;
            };
            if at >= MAX_ENTRIES {
                continue;
            }
            if at >= shapes.entries.len() {
                shapes.entries.resize(at.saturating_add(1), None);
            }
            if let Some(entry) = shapes.entries.get_mut(at) {
                *entry = shape;
            }
        }
        Ok(shapes)
    }

    /// `shape(pointer)`: the shape, or [`NR_SHAPES`] for all that is not known.
    pub(crate) fn body(&self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        for _ in 0..=NR_SHAPES {
            code.block(BlockType::Empty);
        }
        let labels = self.entries.iter();
        let labels: Vec<u32> = labels.map(|shape| shape.unwrap_or(NR_SHAPES)).collect();
        code.local_get(0)
            .i32_const(self.first.cast_signed())
            .i32_sub()
            .br_table(labels, NR_SHAPES)
            .end();
        for shape in 0..NR_SHAPES {
            code.i32_const(shape.cast_signed()).return_().end();
        }
        code.i32_const(NR_SHAPES.cast_signed()).end();
        body
    }
}
