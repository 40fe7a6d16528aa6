//! What the kernel's memory may have; for the build script too.

/// The most pages of the kernel's memory, as the SDK makes it (`host/pool.ts`).
pub(crate) const MAX_PAGES: u64 = 16384;
