//! Block devices and the write-back block cache.

#![forbid(unsafe_code)]
