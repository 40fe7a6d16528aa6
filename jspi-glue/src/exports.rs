//! The kernel's functions: for the shims of guests (hot), and for the host (control).
//!
//! Here are the pod and its Workers; `guest`: what a guest's code does; `pump`: whose turn is next;
//! `process`, `stream`, `file`: what the host does with the pod.
//!
//! Results that are more than a word come as a *block*: a status word, a length word, and bytes.
//! The host gives it back with [`release`](block::release).

pub mod block;
pub mod file;
pub mod guest;
pub mod process;
pub mod pump;
pub mod stream;

use std::sync::Arc;

use abi::Errno;
use executor::{Executor, WorkerId};
use kernel::memory::frames::{DEFAULT_FRAMES, DEFAULT_STACKS};

use self::block::{block, lent, negated};
use crate::pod;
use crate::wire::Reader;
use crate::{disk, platform};

thread_local! {
    /// Which Worker this is.
    static WORKER: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Room for the root image, to be written before [`boot`]; 0 when it is too large.
#[unsafe(no_mangle)]
pub extern "C" fn allocate_image(len: u32) -> u32 {
    disk::allocate_image(len)
}

/// Boots the kernel on the image: Workers, mode of the loader, host name, memory, mounts. A block with the
/// reason when it fails; `-512` to be called again when something has arrived.
#[unsafe(no_mangle)]
pub extern "C" fn boot(address: u32, len: u32) -> u32 {
    let mut reader = Reader(lent(address, len));
    let mut words = [0; 2];
    for word in &mut words {
        match reader.word() {
            Ok(value) => *word = value,
            Err(error) => return block(negated(error), b"the boot request is cut off"),
        }
    }
    let [nr_workers, loader_mode] = words;
    let options = pod::loader_options(loader_mode);
    match pod::boot(reader.0, disk::take_image(), nr_workers, options) {
        Ok(()) => block(0, &[]),
        Err((error, reason)) => block(negated(error), reason.as_bytes()),
    }
}

/// Says before [`boot`] that the root file system is on the disk Worker's disk of this many bytes, and not in an
/// image.
#[unsafe(no_mangle)]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer no other way; it saturates"
)]
pub extern "C" fn attach_disk(len_bytes: f64) {
    disk::attach(len_bytes as u64);
}

/// The disk Worker has answered a request: 0 or `-errno`, and 1 when its storage is nearly full.
#[unsafe(no_mangle)]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes an integer no other way; it saturates"
)]
pub extern "C" fn disk_done(sequence: f64, status: i32, is_full: u32) {
    disk::complete(sequence as u64, status, is_full != 0);
    something_arrived();
}

/// Something that calls wait for has arrived from outside.
#[unsafe(no_mangle)]
pub extern "C" fn something_arrived() {
    if let Some(kernel) = pod::kernel() {
        kernel.arrivals.arrived();
    }
}

/// Which Worker this instance belongs to.
pub(crate) fn worker() -> u32 {
    WORKER.get()
}

/// Says which Worker this instance belongs to.
#[unsafe(no_mangle)]
pub extern "C" fn attach(worker: u32) {
    WORKER.set(worker);
    if let Some(executor) = own_executor() {
        executor.enter().forever();
    }
}

/// Says how many memories and how many guests the pod may have; 0 for the kernel's own choice.
#[unsafe(no_mangle)]
pub extern "C" fn set_budgets(frames: u32, stacks: u32) {
    let or = |count: u32, default: usize| match usize::try_from(count) {
        Ok(0) | Err(_) => default,
        Ok(count) => count,
    };
    if let Some(kernel) = pod::kernel() {
        let stacks = or(stacks, DEFAULT_STACKS);
        kernel
            .frames
            .set_budgets(or(frames, DEFAULT_FRAMES), stacks);
    }
}

/// Makes the first memories of this Worker, as soon as the host can.
#[unsafe(no_mangle)]
pub extern "C" fn make_frames() {
    if let Some(kernel) = pod::kernel() {
        kernel.frames.make_first(WorkerId(WORKER.get()));
    }
}

fn own_executor() -> Option<&'static Arc<Executor>> {
    let worker = usize::try_from(WORKER.get()).ok()?;
    pod::kernel()?.executors().get(worker)
}

/// The address of the word that Worker `worker` waits on.
#[unsafe(no_mangle)]
pub extern "C" fn doorbell(worker: u32) -> u32 {
    usize::try_from(worker).map_or(0, platform::bell_address)
}

/// A module that `build.rs` has written.
macro_rules! shim {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}

/// A module of the helpers for memories, as a block: of one Worker's or of several's (bit 0), which copy by
/// themselves or in JavaScript (bit 1).
#[unsafe(no_mangle)]
pub extern "C" fn memory_shim(kind: u32) -> u32 {
    let by = |index: u32| {
        usize::try_from(index)
            .ok()
            .and_then(|at| MEMORY_SHIMS.get(at))
    };
    match by(kind) {
        Some(module) => block(0, module),
        None => block(negated(Errno::EINVAL.into()), &[]),
    }
}

/// The module of the function that guests call before they call the kernel, as a block.
#[unsafe(no_mangle)]
pub extern "C" fn stack_probe() -> u32 {
    block(0, shim!("stack_probe"))
}

/// Only a pool has memories of several Workers.
#[cfg(target_feature = "atomics")]
const MEMORY_SHIMS: [&[u8]; 4] = [
    shim!("memories_private"),
    shim!("memories_shared"),
    shim!("script_private"),
    shim!("script_shared"),
];
#[cfg(not(target_feature = "atomics"))]
const MEMORY_SHIMS: [&[u8]; 3] = [shim!("memories_private"), &[], shim!("script_private")];
