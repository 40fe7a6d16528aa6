//! What the shim of a guest calls, and the host about a guest's code: the hot way in.

use std::sync::Arc;

use kernel::platform::{GuestEnd, Slot};

use super::block::lent;
use crate::{guest_memory, host_files, pod};

/// A system call of the guest in `slot`. The shim's only way in.
#[unsafe(no_mangle)]
pub extern "C" fn syscall(
    slot: u32,
    number: u32,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    f: u32,
) -> u32 {
    let Some(kernel) = pod::kernel() else {
        return abi::special::DIE;
    };
    host_files::begin(slot);
    let outcome = guest_memory::with_task(slot, |task| {
        syscalls::enter(kernel, task, number, &[a, b, c, d, e, f])
    })
    .unwrap_or(abi::special::DIE);
    host_files::end(slot, outcome)
}

/// A safepoint of the guest in `slot`: 0 if it goes on, else an outcome.
#[unsafe(no_mangle)]
pub extern "C" fn safepoint(slot: u32) -> u32 {
    // The seats are not borrowed meanwhile: drivers run at safepoints, and they empty seats.
    guest_memory::with_task(slot, Arc::clone).map_or(abi::special::DIE, |task| task.safepoint())
}

/// `memory.grow` of the guest in `slot`: the size before in pages of 64 KiB, all ones if refused.
#[unsafe(no_mangle)]
pub extern "C" fn memory_grow(slot: u32, pages: u32) -> u32 {
    let Some(kernel) = pod::kernel() else {
        return u32::MAX;
    };
    guest_memory::with_task(slot, |task| syscalls::memory_grow(kernel, task, pages))
        .unwrap_or(u32::MAX)
}

/// What a guest that forks asks for, and what its frames save; see `kernel::process`'s module on fork.
#[unsafe(no_mangle)]
pub extern "C" fn fork(slot: u32, operation: u32, word: u32) -> u32 {
    // The seats are not borrowed meanwhile: a child takes one.
    guest_memory::with_task(slot, Arc::clone)
        .map_or(abi::special::DIE, |task| task.fork_step(operation, word))
}

/// The thread in `slot` has come to this Worker, with a memory that the host keeps until it is asked.
#[unsafe(no_mangle)]
pub extern "C" fn thread_arrives(slot: u32) {
    if let Some(kernel) = pod::kernel() {
        kernel.thread_arrives(Slot(slot));
    }
}

/// The guest in `slot` is about to run for the first time: 0, or an outcome.
#[unsafe(no_mangle)]
pub extern "C" fn guest_begins(slot: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.runs_first()).unwrap_or(abi::special::DIE)
}

/// The result of the call that the guest was parked in.
#[unsafe(no_mangle)]
pub extern "C" fn syscall_result(slot: u32) -> u32 {
    let Some(kernel) = pod::kernel() else {
        return abi::special::DIE;
    };
    let result =
        guest_memory::with_task(slot, |task| task.take_result(kernel)).unwrap_or(abi::special::DIE);
    host_files::end(slot, result)
}

/// The next signal handler to run, 0 for none; see the loader's shim.
#[unsafe(no_mangle)]
pub extern "C" fn signal_next(slot: u32, stack_pointer: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.next_signal(stack_pointer))
        .unwrap_or(abi::special::DIE)
}

/// A word of the frame of that handler.
#[unsafe(no_mangle)]
pub extern "C" fn signal_word(slot: u32, which: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.frame_word(which)).unwrap_or(0)
}

/// The handler has returned.
#[unsafe(no_mangle)]
pub extern "C" fn signal_return(slot: u32, ucontext: u32) {
    guest_memory::with_task(slot, |task| task.return_from_signal(ucontext));
}

/// A guest runs no more: its entry returned (0), or it trapped with a message (1).
#[unsafe(no_mangle)]
pub extern "C" fn guest_ended(slot: u32, has_trapped: u32, address: u32, len: u32) {
    let end = if has_trapped == 0 {
        GuestEnd::Left
    } else {
        GuestEnd::Trapped(String::from_utf8_lossy(lent(address, len)).into_owned())
    };
    guest_memory::with_task(slot, |task| task.guest_ended(end));
}
