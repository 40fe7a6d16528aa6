//! Rewrites guest modules and generates their system-call shims.

#![forbid(unsafe_code)]
