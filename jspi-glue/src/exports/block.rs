//! What the host lends to the kernel, and what kernel and host leave for each other: bytes in the
//! kernel's memory.

use std::alloc::{Layout, alloc, dealloc};

use abi::{Errno, Error, Result};
use fs::io::NOT_RESIDENT;

use crate::imports::address_of;

/// What is asked for is not here yet: the host asks again when something has arrived. No error number.
const NOT_YET: i32 = -512;

/// `-errno` of an error, or [`NOT_YET`].
pub(super) fn negated(error: Error) -> i32 {
    if error == NOT_RESIDENT {
        return NOT_YET;
    }
    error.errno.number().wrapping_neg()
}

/// Bytes of the kernel's memory that the host wrote.
///
/// The slice is good for the call only: the host frees it afterwards.
pub(super) fn lent<'a>(address: u32, len: u32) -> &'a [u8] {
    let (Ok(address), Ok(len)) = (usize::try_from(address), usize::try_from(len)) else {
        return &[];
    };
    if len == 0 {
        return &[];
    }
    // SAFETY: 1. The host passes what `allocate` gave it, with the length it asked for. 2. It
    // writes before the call and frees after it.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), len) }
}

/// Room for `len` bytes, aligned to 16; 0 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(len: u32) -> u32 {
    let Some(layout) = layout_of(len) else {
        return 0;
    };
    // SAFETY: the layout has a size above 0.
    let pointer = unsafe { alloc(layout) };
    address_of(pointer)
}

/// Gives back what [`allocate`] gave, with the same length.
#[unsafe(no_mangle)]
pub extern "C" fn release(address: u32, len: u32) {
    let (Some(layout), Ok(address)) = (layout_of(len), usize::try_from(address)) else {
        return;
    };
    // SAFETY: the host gives back what it got, once, with the same length.
    unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout) }
}

/// Leaves a block for the host; its address, 0 when there is no memory even for an error number.
pub(super) fn block(status: i32, bytes: &[u8]) -> u32 {
    let Ok(len) = u32::try_from(bytes.len()) else {
        return block(negated(Errno::EFBIG.into()), &[]);
    };
    let address = allocate(len.saturating_add(8));
    if address == 0 && len > 0 {
        return block(negated(Errno::ENOMEM.into()), &[]);
    }
    let target = match usize::try_from(address) {
        Err(_) | Ok(0) => return 0,
        Ok(target) => target,
    };
    let target: *mut u8 = std::ptr::with_exposed_provenance_mut(target);
    let head = [status.to_le_bytes(), len.to_le_bytes()];
    // SAFETY: `allocate` gave 8 bytes more than the contents have.
    unsafe { std::ptr::copy_nonoverlapping(head.as_ptr().cast(), target, 8) };
    // SAFETY: as above; the contents start behind the head.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.wrapping_add(8), bytes.len()) };
    address
}

/// Takes a block that the host has left, with the status word in front; `None` when it left none.
pub(crate) fn take_block(address: u32) -> Option<(i32, Vec<u8>)> {
    if address == 0 {
        return None;
    }
    let (status, len) = lent(address, 8).split_at_checked(4)?;
    let status = i32::from_le_bytes(status.try_into().ok()?);
    let len = u32::from_le_bytes(len.try_into().ok()?);
    let bytes = lent(address.checked_add(8)?, len).to_vec();
    release(address, len.checked_add(8)?);
    Some((status, bytes))
}

pub(super) fn answer(result: Result<Vec<u8>>) -> u32 {
    match result {
        Ok(bytes) => block(0, &bytes),
        Err(error) => block(negated(error), error.why.as_bytes()),
    }
}

fn layout_of(len: u32) -> Option<Layout> {
    Layout::from_size_align(usize::try_from(len).ok()?.max(1), 16).ok()
}
