//! setjmp(3) and longjmp(3) as imports: lets a call of setjmp return once more.
//!
//! A function that calls setjmp is written anew: at each such call it keeps its live values in locals of
//! its own, and marks the buffer with its *activation*, a number that no other has, and with the
//! number of the call. A longjmp throws what it finds in the buffer, with a tag of its own. The function
//! whose activation it is catches that, takes its values back, and jumps to the call, as the
//! functions that go on after a fork do (see `fork`, which has the scan and the writer).
//!
//! ```text
//!   setjmp:  activation, call ──> buffer        longjmp:  buffer ──> throw
//!   function:  loop { try { the code } catch: mine? take values back, jump to the call; else throw }
//! ```
//! Functions that do not call setjmp stay as they are, but for a `catch_all`: that must not see the tag.
//!
//! What stands for setjmp, and throws, is the translation's (`wali/jumps`), which leaves a [`note`] of
//! where all is. The rest of the loader takes these functions as any: so a program may fork between
//! the two, and a child jump.

mod form;
pub(crate) mod note;

use std::convert::Infallible;
use std::ops::Range;

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder};
use wasm_encoder::{CodeSection, TypeSection};
use wasmparser::{Catch, FuncValidatorAllocations, FunctionBody, Operator, ValType};

use self::form::Returns;
use crate::fork::copy;
use crate::fork::module::Guest;
use crate::fork::scan;
use crate::fork::types::Types;
use crate::fork::writer::Writer;
use crate::refusal::Refusal;

/// What a jump carries: the activation, the number of the call, the stack pointer, the value.
pub(crate) const CARRIED: [ValType; 4] = [ValType::I64, ValType::I32, ValType::I32, ValType::I32];

/// How much longer than the module the written functions may be.
const MAX_GROWTH: usize = 24;
/// The same for small modules, in bytes.
const MIN_LIMIT: usize = 4 << 20;

/// Where the parts are that the written code uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) seams: Seams,
    /// The functions of the program's own: what stands before setjmp does not call it for itself.
    pub(crate) own: Range<u32>,
    /// The functions that stand for setjmp and its kin, in their order.
    pub(crate) setjmps: Vec<u32>,
}

/// Those of them that are single indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seams {
    /// The tag of jumps.
    pub(crate) tag: u32,
    /// The global by which a caller tells its activation, or 0 to get one; then one with its call.
    pub(crate) marks: u32,
    pub(crate) stack_pointer: u32,
    /// Whether exceptions are in their first form: engines take one form in a module.
    pub(crate) is_legacy: bool,
}

/// Writes the functions of `bytes` anew that call setjmp, as its note says.
///
/// # Errors
/// A [`Refusal`]: it is not valid, or the functions would be too large.
pub(crate) fn write(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let malformed = |error| Refusal::malformed(&error);
    let parts = note::read(bytes).ok_or_else(|| Refusal::new("it has no note of its setjmp"))?;
    let guest = Guest::read(bytes).map_err(malformed)?;
    encode(bytes, guest, &parts)
        .map_err(|error| match error {
            Error::ParseError(error) => malformed(error),
            other => Refusal::new(format!("it could not be rewritten for longjmp: {other}")),
        })?
        .ok_or_else(|| Refusal::new("its functions that call setjmp are too large to be rewritten"))
}

fn encode(
    bytes: &[u8],
    mut guest: Guest<'_>,
    parts: &Parts,
) -> Result<Option<Vec<u8>>, Error<Infallible>> {
    let mut section = TypeSection::new();
    if let Some(types) = guest.sections.types.clone() {
        RoundtripReencoder.parse_type_section(&mut section, types)?;
    }
    let mut types = Types::new(section, &guest.types);
    let mut code = CodeSection::new();
    let mut allocations = FuncValidatorAllocations::default();
    let mut left = bytes.len().saturating_mul(MAX_GROWTH).max(MIN_LIMIT);
    let is_site = |operator: &Operator<'_>| match operator {
        Operator::Call { function_index } => parts.setjmps.binary_search(function_index).is_ok(),
        _ => false,
    };
    let bodies = std::mem::take(&mut guest.bodies);
    let first = u32::try_from(guest.nr_imports).unwrap_or(u32::MAX);
    for (function, body) in (first..).zip(bodies) {
        if !parts.own.contains(&function) || !is_concerned(&body.code, &is_site)? {
            code.raw(body.code.as_bytes());
            continue;
        }
        let scan;
        (scan, allocations) = scan::scan(&guest, body, function, &is_site, allocations)?;
        let form = Returns {
            seams: parts.seams,
            calls: !scan.sites.is_empty(),
        };
        let written =
            Writer::new(&mut types, &scan, form).and_then(|writer| writer.write(&[], left));
        let Some(written) = written else {
            return Ok(None);
        };
        let Some(rest) = left.checked_sub(written.function.byte_len()) else {
            return Ok(None);
        };
        left = rest;
        code.function(&written.function);
    }
    let mut out = wasm_encoder::Module::new();
    out.section(&types.into_section());
    copy(&mut out, bytes, &guest, &[2, 3, 4, 5, 13, 6, 7, 8, 9, 12]);
    out.section(&code);
    copy(&mut out, bytes, &guest, &[11, 0]);
    Ok(Some(out.finish()))
}

/// Whether a function calls setjmp, or would catch a jump.
fn is_concerned(body: &FunctionBody<'_>, is_site: &scan::IsSite<'_>) -> wasmparser::Result<bool> {
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        let catches_all = match &operator {
            Operator::CatchAll => true,
            Operator::TryTable { try_table } => try_table
                .catches
                .iter()
                .any(|catch| matches!(catch, Catch::All { .. } | Catch::AllRef { .. })),
            _ => false,
        };
        if catches_all || is_site(&operator) {
            return Ok(true);
        }
    }
    Ok(false)
}
