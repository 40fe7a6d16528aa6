//! The host's functions, and the devices made of them. Slices are (address, length) in the module's memory.
//!
//! The other side is `sdk/src/disk/module.ts`; names and order of arguments agree.

use fs_block::{BlockDevice, BlockError};
use fs_overlay::{Store, StoreError};

#[cfg(target_family = "wasm")]
mod host {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub(super) safe fn store_length(store: u32) -> f64;
        pub(super) safe fn store_read(store: u32, offset: f64, address: u32, len: u32) -> u32;
        pub(super) safe fn store_write(store: u32, offset: f64, address: u32, len: u32) -> u32;
        pub(super) safe fn store_truncate(store: u32, len: f64) -> u32;
        pub(super) safe fn store_sync(store: u32) -> u32;
        pub(super) safe fn base_read(offset: f64, address: u32, len: u32) -> u32;
    }
}

/// Natively there is no host: the crate compiles, so that clippy and docs see it.
#[cfg(not(target_family = "wasm"))]
mod host {
    pub(super) fn store_length(_store: u32) -> f64 {
        0.0
    }
    pub(super) fn store_read(_store: u32, _offset: f64, _address: u32, _len: u32) -> u32 {
        1
    }
    pub(super) fn store_write(_store: u32, _offset: f64, _address: u32, _len: u32) -> u32 {
        1
    }
    pub(super) fn store_truncate(_store: u32, _len: f64) -> u32 {
        1
    }
    pub(super) fn store_sync(_store: u32) -> u32 {
        1
    }
    pub(super) fn base_read(_offset: f64, _address: u32, _len: u32) -> u32 {
        1
    }
}

/// A number as JavaScript has it; offsets are far below 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a store or an image has less than 2^53 bytes"
)]
pub(crate) const fn to_host(number: u64) -> f64 {
    number as f64
}

/// A number of JavaScript's; negative ones and fractions are cut off.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and the host passes whole numbers"
)]
pub(crate) const fn from_host(number: f64) -> u64 {
    number as u64
}

/// A pointer as a number: 32 bits in WebAssembly.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "pointers have no other way to become numbers"
)]
pub(crate) fn address_of<T>(pointer: *const T) -> u32 {
    pointer.addr() as u32
}

fn parts(bytes: &[u8]) -> (u32, u32) {
    (
        address_of(bytes.as_ptr()),
        u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    )
}

/// What a store's status means.
const fn outcome(status: u32) -> Result<(), StoreError> {
    match status {
        0 => Ok(()),
        2 => Err(StoreError::Full),
        3 => Err(StoreError::Pending),
        _ => Err(StoreError::Io),
    }
}

/// A store of the host's, by its number: 0 and 1 are the log's, 2 is what is exported or imported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostStore(pub(crate) u32);

impl Store for HostStore {
    fn len_bytes(&self) -> u64 {
        from_host(host::store_length(self.0))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let (address, len) = parts(buf);
        outcome(host::store_read(self.0, to_host(offset), address, len))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let (address, len) = parts(bytes);
        outcome(host::store_write(self.0, to_host(offset), address, len))
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        outcome(host::store_truncate(self.0, to_host(len)))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        outcome(host::store_sync(self.0))
    }
}

/// An image in the host's memory, or in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostImage {
    pub(crate) len_bytes: u64,
}

impl BlockDevice for HostImage {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let (address, len) = parts(buf);
        let end = offset.checked_add(u64::from(len));
        if end.is_none_or(|end| end > self.len_bytes) {
            return Err(BlockError::OutOfRange);
        }
        match host::base_read(to_host(offset), address, len) {
            0 => Ok(()),
            _ => Err(BlockError::Io),
        }
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), BlockError> {
        Err(BlockError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        true
    }
}
