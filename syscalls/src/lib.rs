//! The system calls of Linux on top of the kernel.

#![forbid(unsafe_code)]
