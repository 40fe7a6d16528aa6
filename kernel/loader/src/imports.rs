//! Which system call each function import of a guest stands for.

use abi::special::INDIRECT;
use abi::wasi::{Param, Version};
use wasmparser::{FuncType, ValType};

use crate::module::{FunctionImport, Module};
use crate::refusal::Refusal;

/// The modules under which `linux32` imports are accepted.
const LINUX_MODULES: [&str; 4] = ["linux", "env", "i", "kernel"];

/// How libc asks what a pointer to a function names.
const SHAPE: &str = "__function_shape";

/// The number of fork(2).
pub(crate) const FORK: u32 = 57;

/// Numbers at the border: all that a guest and the shim can hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    I32,
    I64,
    F32,
    F64,
}

/// What an import does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The system call of this number.
    Call(u32),
    /// The system call whose number is the first parameter.
    Indirect,
    /// fork(2), of a program that can fork.
    Fork,
    /// The shape of the function that a pointer names: see [`Shapes`](crate::shapes::Shapes).
    Shape,
    /// Nothing: the kernel logs the name at this index, and answers `ENOSYS`.
    Unknown(u32),
}

/// One function of the shim: `f<i>` for the import at index `i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) target: Target,
    pub(crate) params: Vec<Number>,
    pub(crate) results: Vec<Number>,
}

/// All imports, in the order of their indices.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) calls: Vec<Call>,
    /// `module.field` of the unknown ones.
    pub(crate) unknown: Vec<String>,
    /// Whether it imports functions of WASI and no call of Linux: such a program finds nothing on its stack.
    pub(crate) is_wasi: bool,
}

impl Imports {
    /// Whether the program imports fork(2).
    pub(crate) fn has_fork(&self) -> bool {
        self.calls.iter().any(|call| call.target == Target::Fork)
    }

    /// Makes fork(2) a call that the kernel refuses.
    pub(crate) fn refuse_fork(&mut self) {
        let forks = self.calls.iter_mut();
        for call in forks.filter(|call| call.target == Target::Fork) {
            call.target = Target::Call(FORK);
        }
    }
}

/// Resolves the imports of `module`.
pub(crate) fn resolve(
    module: &Module<'_>,
    import_number: fn(&str) -> Option<u32>,
) -> Result<Imports, Refusal> {
    let mut imports = Imports::default();
    let mut is_linux = false;
    for (index, import) in module.imports.iter().enumerate() {
        let function = u32::try_from(index)
            .ok()
            .and_then(|index| module.function_type(index));
        let (params, results) = function.and_then(numbers).ok_or_else(|| {
            Refusal::new(format!(
                "its import {}.{} takes or returns more than numbers",
                import.module, import.name
            ))
        })?;
        if let Some(version) = Version::of_module(import.module) {
            let target = wasi(import, version, &params, &results)?;
            imports.is_wasi = true;
            imports.calls.push(Call {
                target,
                params,
                results,
            });
            continue;
        }
        let call = known(import, &params, import_number);
        is_linux |= call.is_some();
        let target = call.unwrap_or_else(|| {
            let index = u32::try_from(imports.unknown.len()).unwrap_or(u32::MAX);
            imports
                .unknown
                .push(format!("{}.{}", import.module, import.name));
            Target::Unknown(index)
        });
        imports.calls.push(Call {
            target,
            params,
            results,
        });
    }
    imports.is_wasi &= !is_linux;
    Ok(imports)
}

/// The function of WASI behind an import.
///
/// # Errors
/// A [`Refusal`]: other hosts would not instantiate the module either.
fn wasi(
    import: &FunctionImport<'_>,
    version: Version,
    params: &[Number],
    results: &[Number],
) -> Result<Target, Refusal> {
    let name = format_args!("{}.{}", import.module, import.name);
    let (number, function) = version
        .function(import.name)
        .ok_or_else(|| Refusal::new(format!("its import {name} is no function of WASI")))?;
    let wanted = function.params.iter().map(|param| match param {
        Param::I32 => Number::I32,
        Param::I64 => Number::I64,
    });
    let result: &[Number] = if function.has_result() {
        &[Number::I32]
    } else {
        &[]
    };
    if !wanted.eq(params.iter().copied()) || results != result {
        return Err(Refusal::new(format!(
            "its import {name} has the wrong type"
        )));
    }
    Ok(Target::Call(number))
}

/// The call behind an import, if it is one of ours and has the form of one.
fn known(
    import: &FunctionImport<'_>,
    params: &[Number],
    import_number: fn(&str) -> Option<u32>,
) -> Option<Target> {
    if !LINUX_MODULES.contains(&import.module) {
        return None;
    }
    if params
        .iter()
        .any(|number| matches!(number, Number::F32 | Number::F64))
    {
        return None;
    }
    let target = match import.name {
        SHAPE if params == [Number::I32] => Target::Shape,
        "__syscall" | "syscall" => Target::Indirect,
        name => match import_number(call_name(import.module, name)?)? {
            INDIRECT => Target::Indirect,
            FORK => Target::Fork,
            number => Target::Call(number),
        },
    };
    match (target, params.first()) {
        (Target::Indirect, None) => None,
        _ => Some(target),
    }
}

/// The name of the call: without `__syscall_`, which only the module `linux` may leave out.
fn call_name<'a>(module: &str, name: &'a str) -> Option<&'a str> {
    match name.strip_prefix("__syscall_") {
        Some(call) => Some(call),
        None => (module == "linux").then_some(name),
    }
}

/// Parameters and results, unless some are vectors or references.
fn numbers(function: &FuncType) -> Option<(Vec<Number>, Vec<Number>)> {
    let of = |types: &[ValType]| {
        types
            .iter()
            .map(|value| match value {
                ValType::I32 => Some(Number::I32),
                ValType::I64 => Some(Number::I64),
                ValType::F32 => Some(Number::F32),
                ValType::F64 => Some(Number::F64),
                ValType::V128 | ValType::Ref(_) => None,
            })
            .collect::<Option<Vec<_>>>()
    };
    Some((of(function.params())?, of(function.results())?))
}
