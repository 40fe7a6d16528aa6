//! The host's functions. Strings and byte slices are (address, length) in the kernel's memory.
//!
//! The TypeScript side is `sdk/src/worker/imports.ts`; names and order of arguments agree.

use kernel::platform::FrameKind;
use kernel::process::ThreadStart;
use kernel_loader::{Refusal, Seams, ThreadEntry};

use crate::exports::block::take_block;

#[cfg(target_family = "wasm")]
mod host {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub(super) safe fn monotonic_ms() -> f64;
        pub(super) safe fn coarse_ms() -> f64;
        pub(super) safe fn realtime_ms() -> f64;
        pub(super) safe fn random(address: u32, len: u32);
        pub(super) safe fn log(level: u32, address: u32, len: u32);
        pub(super) safe fn process_ended(pid: i32, status: i32, nr_outputs: u32);
        pub(super) safe fn output(stream: u32, number: u32, address: u32, len: u32);
        pub(super) safe fn input_taken(stream: u32, len: u32);
        pub(super) safe fn start_guest(
            slot: u32,
            program: u32,
            guest: u32,
            guest_len: u32,
            frame: u32,
            stack_pointer: u32,
        ) -> i32;
        pub(super) safe fn start_thread(
            slot: u32,
            program: u32,
            frame: u32,
            stack_pointer: u32,
            entry: u32,
            a: u32,
            b: u32,
            c: u32,
        ) -> i32;
        pub(super) safe fn run_guest(slot: u32, argument: u32);
        pub(super) safe fn resume_guest(slot: u32);
        pub(super) safe fn end_guest(slot: u32);
        pub(super) safe fn stack_pointer(slot: u32) -> f64;
        pub(super) safe fn make_frame(kind: u32) -> i32;
        pub(super) safe fn send_thread(slot: u32, worker: u32, program: u32, frame: u32);
        pub(super) safe fn drop_frame(frame: u32);
        pub(super) safe fn ring(worker: u32);
        pub(super) safe fn validate(address: u32, len: u32) -> u32;
        pub(super) safe fn write_fork(
            address: u32,
            len: u32,
            fork_point: u32,
            kernel_fork: u32,
            slot: u32,
        ) -> u32;
        pub(super) safe fn translate_wali(address: u32, len: u32) -> u32;
        pub(super) safe fn disk_request(
            operation: u32,
            sequence: f64,
            offset: f64,
            address: u32,
            len: u32,
        );
        pub(super) safe fn files(
            caller: u32,
            operation: u32,
            path: u32,
            path_len: u32,
            a: f64,
            b: f64,
            buffer: u32,
            buffer_len: u32,
        ) -> f64;
    }
}

/// Natively there is no host: the crate compiles, so that clippy and docs see it.
#[cfg(not(target_family = "wasm"))]
mod host {
    pub(super) fn monotonic_ms() -> f64 {
        0.0
    }
    pub(super) fn coarse_ms() -> f64 {
        0.0
    }
    pub(super) fn realtime_ms() -> f64 {
        0.0
    }
    pub(super) fn random(_address: u32, _len: u32) {}
    pub(super) fn log(_level: u32, _address: u32, _len: u32) {}
    pub(super) fn process_ended(_pid: i32, _status: i32, _nr_outputs: u32) {}
    pub(super) fn output(_stream: u32, _number: u32, _address: u32, _len: u32) {}
    pub(super) fn input_taken(_stream: u32, _len: u32) {}
    pub(super) fn start_guest(
        _slot: u32,
        _program: u32,
        _guest: u32,
        _guest_len: u32,
        _frame: u32,
        _stack_pointer: u32,
    ) -> i32 {
        -38
    }
    #[expect(
        clippy::too_many_arguments,
        reason = "words are the only parameters that an import has"
    )]
    pub(super) fn start_thread(
        _slot: u32,
        _program: u32,
        _frame: u32,
        _stack_pointer: u32,
        _entry: u32,
        _a: u32,
        _b: u32,
        _c: u32,
    ) -> i32 {
        -38
    }
    pub(super) fn run_guest(_slot: u32, _argument: u32) {}
    pub(super) fn resume_guest(_slot: u32) {}
    pub(super) fn end_guest(_slot: u32) {}
    pub(super) fn stack_pointer(_slot: u32) -> f64 {
        -1.0
    }
    pub(super) fn make_frame(_kind: u32) -> i32 {
        -12
    }
    pub(super) fn send_thread(_slot: u32, _worker: u32, _program: u32, _frame: u32) {}
    pub(super) fn drop_frame(_frame: u32) {}
    pub(super) fn ring(_worker: u32) {}
    pub(super) fn validate(_address: u32, _len: u32) -> u32 {
        0
    }
    pub(super) fn write_fork(
        _address: u32,
        _len: u32,
        _fork_point: u32,
        _kernel_fork: u32,
        _slot: u32,
    ) -> u32 {
        0
    }
    pub(super) fn translate_wali(_address: u32, _len: u32) -> u32 {
        0
    }
    pub(super) fn disk_request(
        _operation: u32,
        _sequence: f64,
        _offset: f64,
        _address: u32,
        _len: u32,
    ) {
    }
    #[expect(
        clippy::too_many_arguments,
        reason = "words are the only parameters that an import has"
    )]
    pub(super) fn files(
        _caller: u32,
        _operation: u32,
        _path: u32,
        _path_len: u32,
        _a: f64,
        _b: f64,
        _buffer: u32,
        _buffer_len: u32,
    ) -> f64 {
        -38.0
    }
}

/// How the pass for fork has ended, in the first word of its block (`jspi-glue/fork`): with a module,
/// with none because the program's tables change, or else with a reason.
const WRITTEN: i32 = 1;
const CANNOT_FORK: i32 = 0;

/// Address and length of a slice, as the host takes them.
fn parts(bytes: &[u8]) -> (u32, u32) {
    (
        address_of(bytes.as_ptr()),
        u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    )
}

/// A pointer as a number: 32 bits in WebAssembly.
#[expect(
    clippy::as_conversions,
    reason = "pointers have no other way to become numbers"
)]
#[expect(clippy::cast_possible_truncation, reason = "32 bits in WebAssembly")]
pub(crate) fn address_of<T>(pointer: *const T) -> u32 {
    pointer.addr() as u32
}

/// Milliseconds of the pod's monotonic clock.
pub(crate) fn monotonic_ms() -> f64 {
    host::monotonic_ms()
}

/// The same clock as of a millisecond ago at most; cheaper in a page.
pub(crate) fn coarse_ms() -> f64 {
    host::coarse_ms()
}

/// Milliseconds since 1970.
pub(crate) fn realtime_ms() -> f64 {
    host::realtime_ms()
}

/// Fills `bytes` from the host's generator for keys.
pub(crate) fn random(bytes: &mut [u8]) {
    let (address, len) = parts(bytes);
    host::random(address, len);
}

/// Shows a line to whoever runs the pod: 0 error, 1 warning, 2 information.
pub(crate) fn log(level: u32, message: &str) {
    let (address, len) = parts(message.as_bytes());
    host::log(level, address, len);
}

/// A process has ended, after `nr_outputs` calls of [`output`].
pub(crate) fn process_ended(pid: i32, status: i32, nr_outputs: u32) {
    host::process_ended(pid, status, nr_outputs);
}

/// Bytes for stream `stream`: the `number`th output of the pod, from 1.
pub(crate) fn output(stream: u32, number: u32, bytes: &[u8]) {
    let (address, len) = parts(bytes);
    host::output(stream, number, address, len);
}

/// A guest has read `len` bytes of the input of `stream`.
pub(crate) fn input_taken(stream: u32, len: u32) {
    host::input_taken(stream, len);
}

/// What [`start_guest`] needs.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// Seat.
    pub(crate) slot: u32,
    /// Number of the program: the host compiles each once.
    pub(crate) program: u32,
    /// The rewritten module.
    pub(crate) guest: &'a [u8],
    /// The frame whose memory it gets.
    pub(crate) frame: u32,
    /// Initial stack pointer.
    pub(crate) stack_pointer: u32,
}

/// Makes an instance; 0 or `-errno`.
pub(crate) fn start_guest(start: &Start<'_>) -> i32 {
    let (guest, guest_len) = parts(start.guest);
    host::start_guest(
        start.slot,
        start.program,
        guest,
        guest_len,
        start.frame,
        start.stack_pointer,
    )
}

/// Makes one more instance of a program that runs, and calls its entry for threads soon, on a stack of
/// its own; 0 or `-errno`.
pub(crate) fn start_thread(slot: u32, program: u32, frame: u32, start: &ThreadStart) -> i32 {
    let entries = (0_u32..).zip(ThreadEntry::ALL);
    let entry = entries
        .filter(|(_, entry)| *entry == start.entry)
        .map(|(number, _)| number)
        .sum();
    let [a, b, c] = start.arguments;
    host::start_thread(slot, program, frame, start.stack_pointer, entry, a, b, c)
}

/// Calls `_start` soon, on a stack of its own.
pub(crate) fn run_guest(slot: u32, argument: u32) {
    host::run_guest(slot, argument);
}

/// Resolves the promise that a guest is parked on.
pub(crate) fn resume_guest(slot: u32) {
    host::resume_guest(slot);
}

/// Forgets a guest's instance.
pub(crate) fn end_guest(slot: u32) {
    host::end_guest(slot);
}

/// The stack pointer of a parked guest; negative when it has none.
pub(crate) fn stack_pointer(slot: u32) -> f64 {
    host::stack_pointer(slot)
}

/// Makes a memory, or takes the one that has arrived, with helpers for it; the index of the first of
/// them in the function table, which names the frame, or `-errno`.
pub(crate) fn make_frame(kind: FrameKind) -> i32 {
    host::make_frame(match kind {
        FrameKind::Private => 0,
        FrameKind::Shared => 1,
        FrameKind::Arrived => 2,
    })
}

/// Sends a thread to another Worker, with a program that runs and the memory of a frame.
pub(crate) fn send_thread(slot: u32, worker: u32, program: u32, frame: u32) {
    host::send_thread(slot, worker, program, frame);
}

/// Forgets a memory and its helpers.
pub(crate) fn drop_frame(frame: u32) {
    host::drop_frame(frame);
}

/// Wakes another Worker, whose bell has just changed: by `Atomics.notify`, or by a message where
/// `Atomics.waitAsync` is missing.
pub(crate) fn ring(worker: u32) {
    host::ring(worker);
}

/// Whether the engine takes a module.
///
/// # Errors
/// Its words for what is wrong.
pub(crate) fn validate(module: &[u8]) -> Result<(), String> {
    let (address, len) = parts(module);
    match take_block(host::validate(address, len)) {
        None => Ok(()),
        Some((_, why)) => Err(String::from_utf8_lossy(&why).into_owned()),
    }
}

/// The pass for fork, in a module of its own that the host loads when it is first needed.
///
/// # Errors
/// That of [`kernel_loader::write_fork`], or the pass could not be loaded or run.
pub(crate) fn write_fork(guest: &[u8], seams: Seams) -> Result<Option<Vec<u8>>, Refusal> {
    let Seams {
        fork_point,
        kernel_fork,
        slot,
    } = seams;
    let (address, len) = parts(guest);
    let block = host::write_fork(address, len, fork_point, kernel_fork, slot);
    written(block)
}

/// What a pass has left in a block: a guest, or none.
fn written(block: u32) -> Result<Option<Vec<u8>>, Refusal> {
    match take_block(block) {
        None => Err(Refusal::new("no memory for a pass of the loader")),
        Some((WRITTEN, guest)) => Ok(Some(guest)),
        Some((CANNOT_FORK, _)) => Ok(None),
        Some((_, why)) => Err(Refusal::new(String::from_utf8_lossy(&why))),
    }
}

/// The pass for WALI, in a module of its own that the host loads when it is first needed.
///
/// # Errors
/// That of [`kernel_loader::translate_wali`], or the pass could not be loaded or run.
pub(crate) fn translate_wali(program: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (address, len) = parts(program);
    written(host::translate_wali(address, len)).map(Option::unwrap_or_default)
}

/// One operation on the host's files for a caller; see [`crate::host_files`].
pub(crate) fn files(
    caller: u32,
    operation: u32,
    path: &[u8],
    a: f64,
    b: f64,
    buffer: &mut [u8],
) -> f64 {
    let (path, path_len) = parts(path);
    let (address, len) = parts(buffer);
    host::files(caller, operation, path, path_len, a, b, address, len)
}

/// What the disk Worker is asked for, numbered as in `disk.ts`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum DiskOperation {
    Read = 0,
    Change = 1,
    Flush = 2,
}

/// Posts a request to the disk Worker; the bytes are its own until the answer comes.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "JavaScript's only number; sequences and offsets are below 2^53"
)]
pub(crate) fn disk_request(operation: DiskOperation, sequence: u64, offset: u64, bytes: &[u8]) {
    let (address, len) = parts(bytes);
    host::disk_request(
        operation as u32,
        sequence as f64,
        offset as f64,
        address,
        len,
    );
}
