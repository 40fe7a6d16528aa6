//! Stand-ins for the host, for tests of this crate and of those above.
//!
//! - [`FakeMemory`]: a guest's memory; [`FakePlatform`]: the host, with a clock that tests turn
//! - [`TestPod`]: a kernel on a file system in memory
//! - [`TestGuest`]: a process in it, whose system calls the test makes; [`Progress`]: how far they
//!   come

mod guest;
mod memory;
mod platform;
mod pod;

pub use guest::{Handled, Progress, TestGuest};
pub use memory::FakeMemory;
pub use platform::FakePlatform;
pub use pod::{PROGRAM, PROGRAM_PATH, TestPod};
