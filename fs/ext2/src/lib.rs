//! The second extended file system, read and write.

#![forbid(unsafe_code)]
