//! What a Rust program sees of a system, through the standard library and the libc crate.
//!
//! It prints the same on Linux and in a pod. `std-test ROLE` is a child of itself.

mod c_types;
mod environment;
mod files;
mod processes;
mod time;

use std::io;

fn main() -> io::Result<()> {
    if let Some(role) = std::env::args().nth(1) {
        return processes::play(&role);
    }
    environment::test()?;
    files::test()?;
    processes::test()?;
    time::test();
    c_types::test()
}
