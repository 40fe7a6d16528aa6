//! Processes, signals, file descriptors, pipes, terminals.

#![forbid(unsafe_code)]
