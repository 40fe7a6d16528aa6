//! Programs for `wali`: translates a module that imports `wali.*` into one of linux32.
//!
//! The rest of the loader then takes it as any other, with its validation, safepoints and fork. For each
//! import the pass writes a function in its place, which converts the arguments, makes the calls of
//! linux32, and converts the results:
//!
//! ```text
//!   functions   calls of linux32 │ the program's own │ routines
//!                     ^                    │              │
//!                     └────────────────────┼──────────────┘
//!                                          └─> the routine of an import
//! ```
//! Structures in linux32's form lie below the program's stack pointer while a call is made. One more
//! page behind the program's memory holds what its process has for all threads: where the arguments
//! are, and which handlers take a `siginfo_t`, which is converted before they run.
//!
//! Nothing here is trusted for safety: what comes out is validated as any module of linux32.
//!
//! Neighbours: `abi::wali` has the tables; `jspi-glue/wali` is this pass as a module of its own.

mod assembly;
mod body;
mod calls;
mod control;
mod convert;
mod jumps;
mod messages;
mod module;
mod process;
mod routine;
mod signals;

use wasm_encoder::reencode::Error;

use crate::module::Module;
use crate::refusal::Refusal;

/// Whether a program is for `wali`.
pub(crate) fn is_wali(module: &Module<'_>) -> bool {
    module
        .imports
        .iter()
        .any(|import| import.module == abi::wali::MODULE)
}

/// Translates a module that imports `wali.*` into one that imports `__syscall_*`.
///
/// Where it calls setjmp, [`write_fork`](crate::write_fork) has to write it once more: a note says so.
///
/// # Errors
/// A [`Refusal`]: it is no module that the loader could take, or has no room for one more page.
pub fn translate(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let module = Module::read(bytes)?;
    module::write(&module).map_err(|error| match error {
        Error::UserError(refusal) => refusal,
        other => Refusal::new(format!("it could not be translated from WALI: {other}")),
    })
}
