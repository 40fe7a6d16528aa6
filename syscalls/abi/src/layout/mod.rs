//! Structures of the `linux32` ABI as bytes: little endian, 4-byte `long` and pointers, `i64`
//! aligned to 8 (the C ABI of wasm32, which differs from i386 there).
//!
//! Each structure is a plain Rust `struct` with `SIZE`, `to_bytes` and `from_bytes`; padding is
//! written as zero and ignored when read. Nothing here can fail or panic: whether values make
//! sense is the caller's to check.

/// A value with a fixed place in a structure: integers, arrays of fields, and structures.
pub trait Field: Sized {
    /// How many bytes it takes.
    const SIZE: usize;

    /// Writes itself to the first `SIZE` bytes of `out`.
    fn write(&self, out: &mut [u8]);

    /// Reads itself from the first `SIZE` bytes; bytes that are not there count as zero.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Field for $type {
            const SIZE: usize = size_of::<Self>();

            fn write(&self, out: &mut [u8]) {
                out.iter_mut().zip(self.to_le_bytes()).for_each(|(to, from)| *to = from);
            }

            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<Self>()];
                raw.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Self::from_le_bytes(raw)
            }
        }
    )*};
}

integers!(u8, u16, i16, u32, i32, u64, i64);

impl<T: Field, const N: usize> Field for [T; N] {
    const SIZE: usize = T::SIZE.saturating_mul(N);

    fn write(&self, out: &mut [u8]) {
        self.iter()
            .zip(out.chunks_mut(T::SIZE))
            .for_each(|(item, place)| item.write(place));
    }

    fn read(bytes: &[u8]) -> Self {
        core::array::from_fn(|i| T::read(bytes.get(T::SIZE.saturating_mul(i)..).unwrap_or(&[])))
    }
}

/// Declares structures: `/// doc  pub struct Name: size_bytes { /// doc  offset => field: Type, }`.
///
/// A field that does not fit, or that overlaps the one before it, does not compile.
macro_rules! layout {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident: $size:literal {
            $($(#[$field_meta:meta])* $offset:literal => $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $name {
            /// Bytes of the structure, padding included.
            pub const SIZE: usize = $size;

            /// The structure as the guest sees it.
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                $(if let Some(place) = bytes.get_mut($offset..) {
                    $crate::layout::Field::write(&self.$field, place);
                })*
                bytes
            }

            /// The structure out of the guest's bytes.
            pub fn from_bytes(bytes: &[u8; $size]) -> Self {
                Self { $($field: $crate::layout::Field::read(
                    bytes.get($offset..).unwrap_or(&[]),
                ),)* }
            }
        }

        const _: () = {
            let mut end = 0;
            $(
                assert!($offset >= end, "fields overlap");
                end = $offset + <$type as $crate::layout::Field>::SIZE;
            )*
            assert!(end <= $size, "the last field does not fit");
        };

        impl Default for $name {
            /// All zero.
            fn default() -> Self {
                Self::from_bytes(&[0; $size])
            }
        }

        impl $crate::layout::Field for $name {
            const SIZE: usize = $size;

            fn write(&self, out: &mut [u8]) {
                out.iter_mut().zip(self.to_bytes()).for_each(|(to, from)| *to = from);
            }

            fn read(bytes: &[u8]) -> Self {
                Self::from_bytes(&$crate::layout::Field::read(bytes))
            }
        }
    )*};
}

pub mod event;
pub mod fs;
pub mod ipc;
pub mod process;
pub mod signal;
pub mod socket;
pub mod stat;
pub mod time;
pub mod tty;

pub use event::*;
pub use fs::*;
pub use ipc::*;
pub use process::*;
pub use signal::*;
pub use socket::*;
pub use stat::*;
pub use time::*;
pub use tty::*;
