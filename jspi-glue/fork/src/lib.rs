//! The loader's pass for programs that fork, or jump as those of WALI do, as a module that few pods need (layer 6).
//!
//! ```text
//!   pass_write(fork_point, kernel_fork, slot) ──> WRITTEN, CANNOT_FORK or REFUSED
//! ```
//! `jspi-glue/pass` has the rest. Measured: `docs/adr/0024-size-over-the-wire.md`.

#![expect(unsafe_code, reason = "exports have names that must be unique")]

use jspi_glue_pass::{REFUSED, WRITTEN, pass};
use kernel_loader::{Seams, write_fork};

/// There is no output: the program's tables change.
const CANNOT_FORK: i32 = 0;

/// Writes the guest anew; the parameters are those of [`Seams`], all 0 for jumps.
#[unsafe(no_mangle)]
pub extern "C" fn pass_write(fork_point: u32, kernel_fork: u32, slot: u32) -> i32 {
    let seams = Seams {
        fork_point,
        kernel_fork,
        slot,
    };
    pass(|guest| match write_fork(guest, seams) {
        Ok(Some(guest)) => (WRITTEN, guest),
        Ok(None) => (CANNOT_FORK, Vec::new()),
        Err(refusal) => (REFUSED, refusal.reason.into_bytes()),
    })
}
