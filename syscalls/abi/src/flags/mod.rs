//! Flag bits and command numbers, by the call they belong to.
//!
//! All are `include/uapi/asm-generic`'s values, which both guest libcs use. Everything is
//! re-exported here, so `abi::flags::O_CREAT` and `abi::flags::open::O_CREAT` are the same.

/// Declares constants with a doc comment that names the manual page.
macro_rules! flags {
    ($($man:literal: $type:ty { $($name:ident = $value:expr,)* })*) => {$($(
        #[doc = concat!("`", stringify!($name), "` of ", $man, ".")]
        pub const $name: $type = $value;
    )*)*};
}

pub mod event;
pub mod file;
pub mod ipc;
pub mod memory;
pub mod open;
pub mod process;
pub mod signal;
pub mod socket;
pub mod system;
pub mod time;
pub mod tty;

pub use event::*;
pub use file::*;
pub use ipc::*;
pub use memory::*;
pub use open::*;
pub use process::*;
pub use signal::*;
pub use socket::*;
pub use system::*;
pub use time::*;
pub use tty::*;
