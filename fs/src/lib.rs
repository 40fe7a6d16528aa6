//! The virtual file system and its in-memory file systems.

#![forbid(unsafe_code)]
