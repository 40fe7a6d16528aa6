//! The loader's pass for programs for WALI, as a module that few pods need (layer 6).
//!
//! ```text
//!   pass_write() ──> WRITTEN or REFUSED
//! ```
//! `jspi-glue/pass` has the rest. Measured: `docs/adr/0027-wali-by-translation.md`.

#![expect(unsafe_code, reason = "exports have names that must be unique")]

use jspi_glue_pass::{REFUSED, WRITTEN, pass};

/// Translates the program to linux32.
#[unsafe(no_mangle)]
pub extern "C" fn pass_write() -> i32 {
    pass(|program| match kernel_loader::translate_wali(program) {
        Ok(program) => (WRITTEN, program),
        Err(refusal) => (REFUSED, refusal.reason.into_bytes()),
    })
}
