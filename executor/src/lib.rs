//! The async executor of one Worker: tasks, wakers, timers, wait queues.

#![forbid(unsafe_code)]
