//! The loader's pass for programs that fork, as a module that few pods need (layer 6).
//!
//! It takes bytes and gives bytes: so it needs no memory of the kernel's, and is the same for a pool and
//! for one Worker. The host makes an instance for each program, and drops it with its memory. A fault in
//! it refuses the program and harms nobody else.
//!
//! ```text
//!   pass_input(len) ──> an address, where the host puts the guest
//!   pass_write(fork_point, kernel_fork, slot) ──> WRITTEN, CANNOT_FORK or REFUSED
//!   pass_output(), pass_output_len() ──> the new guest, or the reason
//! ```
//! Natively the names are those of symbols, and `write` would be libc's.
//! `sdk/src/worker/pass.ts` is the other side. Measured: `docs/adr/0024-size-over-the-wire.md`.

#![expect(unsafe_code, reason = "exports have names that must be unique")]

use std::cell::RefCell;

use kernel_loader::{Seams, write_fork};

/// The output is a module that can fork.
const WRITTEN: i32 = 1;
/// There is none: the program's tables change.
const CANNOT_FORK: i32 = 0;
/// The output is the reason for people.
const REFUSED: i32 = -1;

thread_local! {
    /// What goes in, and later what comes out.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for a guest of `len` bytes: its address.
#[unsafe(no_mangle)]
pub extern "C" fn pass_input(len: u32) -> u32 {
    BYTES.set(vec![0; usize::try_from(len).unwrap_or(0)]);
    pass_output()
}

/// Writes the guest anew; the parameters are those of [`Seams`].
#[unsafe(no_mangle)]
pub extern "C" fn pass_write(fork_point: u32, kernel_fork: u32, slot: u32) -> i32 {
    let seams = Seams {
        fork_point,
        kernel_fork,
        slot,
    };
    let (status, output) = match write_fork(&BYTES.take(), seams) {
        Ok(Some(guest)) => (WRITTEN, guest),
        Ok(None) => (CANNOT_FORK, Vec::new()),
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
