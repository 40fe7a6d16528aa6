//! How the tests load programs.

use kernel_loader::{Copy, Interruption, MemoryLimits, Options, Sharing};

/// Options with the calls that `import_number` knows, and a memory of the kernel's own.
pub(crate) fn options(import_number: fn(&str) -> Option<u32>) -> Options {
    Options {
        copy: Copy::MultiMemory,
        interruption: Interruption::Countdown,
        kernel_memory: MemoryLimits {
            min_pages: 1,
            max_pages: Some(4),
            shared: false,
        },
        thread_memory: Sharing::Private,
        import_number,
        validate: kernel_loader::validate,
        write_fork: kernel_loader::write_fork,
        translate_wali: kernel_loader::translate_wali,
    }
}
