//! The loader's pass for programs for WALI, as a module that few pods need (layer 6).
//!
//! It takes bytes and gives bytes, as `jspi-glue/fork` does, which says more.
//!
//! ```text
//!   pass_input(len) ──> an address, where the host puts the program
//!   pass_write() ──> WRITTEN or REFUSED
//!   pass_output(), pass_output_len() ──> a program for linux32, or the reason
//! ```
//! `sdk/src/worker/pass.ts` is the other side. Measured: `docs/adr/0027-wali-by-translation.md`.

#![expect(unsafe_code, reason = "exports have names that must be unique")]

use std::cell::RefCell;

/// The output is a program for linux32.
const WRITTEN: i32 = 1;
/// The output is the reason for people.
const REFUSED: i32 = -1;

thread_local! {
    /// What goes in, and later what comes out.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for a program of `len` bytes: its address.
#[unsafe(no_mangle)]
pub extern "C" fn pass_input(len: u32) -> u32 {
    BYTES.set(vec![0; usize::try_from(len).unwrap_or(0)]);
    pass_output()
}

/// Translates the program.
#[unsafe(no_mangle)]
pub extern "C" fn pass_write() -> i32 {
    let (status, output) = match kernel_loader::translate_wali(&BYTES.take()) {
        Ok(program) => (WRITTEN, program),
        Err(refusal) => (REFUSED, refusal.reason.into_bytes()),
    };
    BYTES.set(output);
    status
}

/// Where the output is.
#[unsafe(no_mangle)]
pub extern "C" fn pass_output() -> u32 {
    BYTES.with_borrow(|bytes| address(bytes))
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn pass_output_len() -> u32 {
    BYTES.with_borrow(|bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

/// A pointer as a number: 32 bits in WebAssembly.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "pointers have no other way to become numbers"
)]
fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr().addr() as u32
}
