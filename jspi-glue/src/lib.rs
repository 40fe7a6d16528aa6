//! JavaScript, WebAssembly objects and Workers around the kernel.

#![forbid(unsafe_code)]
