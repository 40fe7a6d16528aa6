//! Numbers that the kernel and the shim agree on and that no guest sees.
//!
//! A system call comes back to the shim with a 32-bit word: a result (`-errno` in the top 4095
//! values) or one of the four outcomes below. They lie just above `i32::MIN`, where neither a
//! result nor an error number can be.

/// The call waits: the shim calls the `Suspending` import `park`, and takes the result there.
pub const PENDING: u32 = 0x8000_0001;

/// The task is dead: the shim traps, so that its frames are gone for good.
pub const DIE: u32 = 0x8000_0003;

/// Signal handlers have to run: the shim asks for the result, calls them, then returns it.
pub const SIGNAL: u32 = 0x8000_0005;

/// As the result behind [`SIGNAL`]: the call is to be made again with the same arguments.
pub const RESTART: u32 = 0x8000_0007;

/// What a fork(2) that may happen comes back with, to a shim that can unwind its stack: neither a
/// result nor an outcome.
pub const FORK: u32 = 0x8000_0009;

/// Numbers from here stand for imports that no table knows: this plus the import's index.
pub const UNKNOWN_BASE: u32 = 0x1000_0000;

/// Numbers from here to [`PRIVATE_BASE`] are this plus the i386 number, for the calls whose
/// 32-bit form differs from the one that has the x86-64 number (32-bit time or offsets).
pub const I386_BASE: u32 = 0x400;

/// Numbers from here up are calls that Linux does not have.
pub const PRIVATE_BASE: u32 = 0x700;

/// `clone4(function, stack, flags, argument, parent_tid, tls, child_tid)` of i386-like targets.
pub const CLONE4: u32 = PRIVATE_BASE;

/// `syscall(number, a, b, c, d, e, f)`: the shim moves the words down and calls `number`.
pub const INDIRECT: u32 = PRIVATE_BASE + 1;

/// The functions of WASI have numbers of their own from [`crate::wasi::BASE`] to
/// [`crate::wasi::END`], far above all others.
const _: () = assert!(crate::wasi::BASE > ATOMIC_NOTIFY && crate::wasi::END < UNKNOWN_BASE);

/// `memory.atomic.wait32` and `wait64` of a guest: `(address, expected low, expected high, timeout
/// low, timeout high, bytes)`, the timeout in nanoseconds or negative; 0 woken, 1 not equal, 2 timed
/// out.
pub const ATOMIC_WAIT: u32 = PRIVATE_BASE + 2;

/// `memory.atomic.notify` of a guest: `(address, count)`; how many were woken.
pub const ATOMIC_NOTIFY: u32 = PRIVATE_BASE + 3;

/// The biggest error number a result can carry: results from `-MAX_ERRNO` to -1 are errors.
pub const MAX_ERRNO: u32 = 4095;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Errno;

    #[test]
    fn outcomes_are_not_results() {
        for outcome in [PENDING, DIE, SIGNAL, RESTART, FORK] {
            let value = outcome.cast_signed();
            assert!(value < 0 && value < -MAX_ERRNO.cast_signed());
        }
        assert!(
            Errno::ALL
                .iter()
                .all(|errno| errno.number() <= MAX_ERRNO.cast_signed())
        );
    }
}
