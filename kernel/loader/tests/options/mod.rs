//! How the tests load programs.

use kernel_loader::{Interruption, Options, Sharing};

/// Options with the calls that `import_number` knows, and a memory of the kernel's own.
pub(crate) fn options(import_number: fn(&str) -> Option<u32>) -> Options {
    Options {
        interruption: Interruption::Countdown,
        thread_memory: Sharing::Private,
        import_number,
        validate: kernel_loader::validate,
        write_fork: kernel_loader::write_fork,
        translate_wali: kernel_loader::translate_wali,
    }
}
