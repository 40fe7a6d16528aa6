//! What the loader's passes share that are modules of their own (layer 6).
//!
//! A pass takes bytes and gives bytes: so it needs no memory of the kernel's, and is the same for a pool and
//! for one Worker. The host makes an instance for each program, and drops it with its memory. A fault in
//! it refuses the program and harms nobody else.
//!
//! ```text
//!   pass_input(len) ──> an address, where the host puts the program
//!   pass_write(...) ──> the pass's own: WRITTEN, REFUSED, or what else it says
//!   pass_output(), pass_output_len() ──> the new program, or the reason
//! ```
//! Natively the names are those of symbols, and `write` would be libc's.
//! `sdk/src/worker/pass.ts` is the other side.

#![expect(unsafe_code, reason = "exports have names that must be unique")]

use std::cell::RefCell;

/// The output is the new program.
pub const WRITTEN: i32 = 1;
/// The output is the reason for people.
pub const REFUSED: i32 = -1;

thread_local! {
    /// What goes in, and later what comes out.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes the output of the input: a status, and the bytes.
pub fn pass(write: impl FnOnce(&[u8]) -> (i32, Vec<u8>)) -> i32 {
    let (status, output) = write(&BYTES.take());
    BYTES.set(output);
    status
}

/// Room for a program of `len` bytes: its address.
#[unsafe(no_mangle)]
pub extern "C" fn pass_input(len: u32) -> u32 {
    BYTES.set(vec![0; usize::try_from(len).unwrap_or(0)]);
    pass_output()
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
