//! The functions of a module in an order that compresses well: alike ones beside each other.
//!
//! `gzip` finds what was said before within 32 KiB. A compiler that makes a function anew for each type leaves copies
//! all over a module, most of them further apart.
//!
//! # References
//! RFC 1951, "DEFLATE Compressed Data Format Specification", section 2.

mod chain;

use std::collections::HashMap;

use anyhow::{Result, anyhow};
use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{CodeSection, FunctionSection, Module, NameMap, NameSection};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, Name, Operator, Parser, Payload,
};

use self::chain::Chain;

/// Indices below this one take one byte of LEB128.
const SHORT_INDICES: usize = 128;

/// `module` with its functions in another order.
///
/// # Errors
/// When it is not a module.
pub(super) fn sort_functions(module: &[u8]) -> Result<Vec<u8>> {
    let code = Code::read(module)?;
    let mut sorter = Sorter {
        nr_imports: code.nr_imports,
        places: vec![0; code.bodies.len()],
        order: code.order(),
    };
    for (place, &function) in sorter.order.iter().enumerate() {
        if let Some(found) = sorter.places.get_mut(function) {
            *found = u32::try_from(place)?;
        }
    }
    let mut sorted = Module::new();
    sorter
        .parse_core_module(&mut sorted, Parser::new(0), module)
        .map_err(|error| anyhow!("cannot write the module anew: {error}"))?;
    Ok(sorted.finish())
}

/// What is known of a module's functions.
struct Code<'a> {
    nr_imports: u32,
    bodies: Vec<&'a [u8]>,
    /// How often each is called, by its position in `bodies`.
    calls: Vec<u32>,
}

impl<'a> Code<'a> {
    fn read(module: &'a [u8]) -> Result<Self> {
        let mut nr_imports = 0_u32;
        let mut bodies = Vec::new();
        let mut called: HashMap<u32, u32> = HashMap::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if matches!(import?.ty, wasmparser::TypeRef::Func(_)) {
                            nr_imports = nr_imports.saturating_add(1);
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    bodies.push(body.as_bytes());
                    count_calls(&body, &mut called)?;
                }
                _ => {}
            }
        }
        let calls = (nr_imports..)
            .take(bodies.len())
            .map(|index| called.get(&index).copied().unwrap_or_default())
            .collect();
        Ok(Self {
            nr_imports,
            bodies,
            calls,
        })
    }

    /// The positions of functions in their new order. What is called most keeps the indices of one byte.
    fn order(&self) -> Vec<usize> {
        let mut by_calls: Vec<usize> = (0..self.bodies.len()).collect();
        by_calls.sort_by_key(|&function| std::cmp::Reverse(self.calls.get(function)));
        let nr_short =
            SHORT_INDICES.saturating_sub(usize::try_from(self.nr_imports).unwrap_or(usize::MAX));
        let rest = by_calls.split_off(nr_short.min(by_calls.len()));
        let mut chain = Chain::new(&self.bodies);
        chain.append(by_calls);
        chain.append(rest);
        chain.order
    }
}

fn count_calls(body: &FunctionBody<'_>, called: &mut HashMap<u32, u32>) -> Result<()> {
    for operator in body.get_operators_reader()? {
        if let Operator::Call { function_index } = operator? {
            let count = called.entry(function_index).or_default();
            *count = count.saturating_add(1);
        }
    }
    Ok(())
}

/// Writes a module anew.
struct Sorter {
    nr_imports: u32,
    /// The new position of each function that is not imported, by its old one.
    places: Vec<u32>,
    /// The old one by the new one.
    order: Vec<usize>,
}

impl Reencode for Sorter {
    type Error = std::convert::Infallible;

    fn function_index(
        &mut self,
        function: u32,
    ) -> Result<u32, wasm_encoder::reencode::Error<Self::Error>> {
        let place = function
            .checked_sub(self.nr_imports)
            .and_then(|position| self.places.get(usize::try_from(position).ok()?));
        Ok(place.map_or(function, |place| place.saturating_add(self.nr_imports)))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        let types: Vec<u32> = section.into_iter().collect::<Result<_, _>>()?;
        for ty in self
            .order
            .iter()
            .filter_map(|&function| types.get(function))
        {
            functions.function(*ty);
        }
        Ok(())
    }

    fn parse_custom_name_subsection(
        &mut self,
        names: &mut NameSection,
        section: Name<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        let Name::Function(named) = section else {
            return utils::parse_custom_name_subsection(self, names, section);
        };
        let mut all = named.into_iter().collect::<Result<Vec<_>, _>>()?;
        for naming in &mut all {
            naming.index = self.function_index(naming.index)?;
        }
        // The format wants them by their indices.
        all.sort_unstable_by_key(|naming| naming.index);
        let mut functions = NameMap::new();
        for naming in all {
            functions.append(naming.index, naming.name);
        }
        names.functions(&functions);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), wasm_encoder::reencode::Error<Self::Error>> {
        let bodies: Vec<_> = section.into_iter().collect::<Result<_, _>>()?;
        for function in self.order.clone() {
            if let Some(body) = bodies.get(function) {
                utils::parse_function_body(self, code, body.clone())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::{ExternalKind, Validator};

    use super::*;

    /// The constants in the bodies of a module's functions, in their order.
    fn constants(module: &[u8]) -> Vec<Vec<i32>> {
        let code = Code::read(module).unwrap();
        let constants = |body: &&[u8]| {
            let reader = FunctionBody::new(wasmparser::BinaryReader::new(body, 0));
            let operators = reader.get_operators_reader().unwrap().into_iter();
            let constant = |operator| match operator {
                Ok(Operator::I32Const { value }) => Some(value),
                _ => None,
            };
            operators.filter_map(constant).collect()
        };
        code.bodies.iter().map(constants).collect()
    }

    #[test]
    fn alike_functions_are_neighbours() {
        let function = |numbers: std::ops::Range<i32>| {
            let lines: String = numbers
                .map(|number| format!("i32.const {number} drop "))
                .collect();
            format!("(func {lines})")
        };
        let functions = [0, 500, 900, 1, 502, 901].map(|first| function(first..first + 30));
        let module = wat::parse_str(format!("(module {})", functions.concat())).unwrap();
        let sorted = sort_functions(&module).unwrap();
        Validator::new().validate_all(&sorted).unwrap();
        let firsts: Vec<i32> = constants(&sorted)
            .iter()
            .map(|numbers| numbers[0])
            .collect();
        assert_eq!(firsts, [0, 1, 500, 502, 900, 901]);
    }

    #[test]
    fn whoever_named_a_function_still_means_it() {
        let module = wat::parse_str(
            r#"(module
                (import "env" "f" (func $imported))
                (table 3 funcref)
                (elem (i32.const 0) $c $a $imported)
                (func $a (param i32) i32.const 1 drop)
                (func $b i32.const 2 drop (call $c) (call $imported))
                (func $c (result) i32.const 3 drop (call $a (i32.const 4)))
                (start $c)
                (export "b" (func $b)))"#,
        );
        let mut code = Sorter {
            nr_imports: 1,
            places: vec![2, 0, 1],
            order: vec![1, 2, 0],
        };
        let mut sorted = Module::new();
        code.parse_core_module(&mut sorted, Parser::new(0), &module.unwrap())
            .unwrap();
        let sorted = sorted.finish();
        Validator::new().validate_all(&sorted).unwrap();
        assert_eq!(constants(&sorted), [vec![2], vec![3, 4], vec![1]]);
        let mut has_names = false;
        for payload in Parser::new(0).parse_all(&sorted) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    let export = exports.into_iter().next().unwrap().unwrap();
                    assert_eq!((export.kind, export.index), (ExternalKind::Func, 1));
                }
                Payload::StartSection { func, .. } => assert_eq!(func, 2),
                Payload::ElementSection(elements) => {
                    let items = elements.into_iter().next().unwrap().unwrap().items;
                    let wasmparser::ElementItems::Functions(items) = items else {
                        panic!("expressions");
                    };
                    let items: Vec<u32> = items.into_iter().map(Result::unwrap).collect();
                    assert_eq!(items, [2, 3, 0]);
                }
                Payload::CustomSection(section) => {
                    let wasmparser::KnownCustom::Name(names) = section.as_known() else {
                        continue;
                    };
                    for subsection in names {
                        if let Name::Function(names) = subsection.unwrap() {
                            let names: Vec<_> = names.into_iter().map(Result::unwrap).collect();
                            let names: Vec<_> = names.iter().map(|n| (n.index, n.name)).collect();
                            assert_eq!(names, [(0, "imported"), (1, "b"), (2, "c"), (3, "a")]);
                            has_names = true;
                        }
                    }
                }
                _ => {}
            }
        }
        assert!(has_names);
    }
}
