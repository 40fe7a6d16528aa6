//! Which parts of WebAssembly a guest may use.
//!
//! The engine says whether a module is valid, and engines know more than the loader: what it does not
//! know it could not rewrite, or not interrupt. So [`module`](crate::module) refuses other types, memories
//! and tables, [`instruction`](crate::instruction) other instructions.

use wasmparser::{Validator, WasmFeatures};

/// What a guest may use: WebAssembly 3 without garbage collection and 64-bit memories, and the
/// older exceptions that today's compilers still emit.
///
/// Several memories are parsed, to be refused by name.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS);

/// Validates a module where no engine is at hand: in tests, and wherever programs are only looked at.
///
/// # Errors
/// What is wrong with it, and where.
pub fn validate(bytes: &[u8]) -> Result<(), String> {
    match Validator::new_with_features(FEATURES).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{} (at byte {})", error.message(), error.offset())),
    }
}
