//! What the kernel says it is: uname(2).

/// `uname -r`: the Linux whose interface is served, and ours.
pub const RELEASE: &str = "6.12.0-shoal";
/// `uname -v`.
pub const VERSION: &str = concat!("#1 SMP Shoal ", env!("CARGO_PKG_VERSION"));
/// `uname -m`.
pub const MACHINE: &str = "wasm32";
