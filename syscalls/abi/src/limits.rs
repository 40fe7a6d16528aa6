//! Sizes and counts that a guest can run into.

/// Bytes of a path with its end mark, `PATH_MAX`.
pub const PATH_MAX: usize = 4096;
/// Bytes of one name in a path, without an end mark, `NAME_MAX`.
pub const NAME_MAX: usize = 255;
/// Symbolic links that one lookup follows before `ELOOP`.
pub const SYMLOOP_MAX: usize = 40;
/// Hard links to one file unless its file system says less.
pub const LINK_MAX: u32 = 65_000;
/// Bytes that a pipe takes in one piece, `PIPE_BUF`.
pub const PIPE_BUF: usize = 4096;
/// Bytes of an extended attribute's name, without an end mark.
pub const XATTR_NAME_MAX: usize = 255;
/// Bytes of an extended attribute's value.
pub const XATTR_SIZE_MAX: usize = 65_536;
/// Bytes of a list of names of extended attributes.
pub const XATTR_LIST_MAX: usize = 65_536;
/// Bytes that a new pipe holds.
pub const PIPE_SIZE: usize = 65_536;
/// Bytes that `F_SETPIPE_SZ` grants without privilege.
pub const PIPE_MAX_SIZE: usize = 1_048_576;
/// Bytes that one read or write moves at most, `MAX_RW_COUNT`.
pub const MAX_RW_COUNT: usize = 0x7fff_f000;
/// Elements of an I/O vector, `IOV_MAX`.
pub const IOV_MAX: u32 = 1024;
/// Supplementary groups, `NGROUPS_MAX`.
pub const NGROUPS_MAX: usize = 65_536;
/// Bytes of one argument or environment string with its end mark, `MAX_ARG_STRLEN`.
pub const MAX_ARG_STRLEN: usize = 131_072;
/// Bytes of all arguments and the environment, pointers included, `ARG_MAX` at an 8 MiB stack.
pub const ARG_MAX: usize = 2_097_152;
/// Bytes of an interpreter line, `BINPRM_BUF_SIZE`.
pub const BINPRM_BUF_SIZE: usize = 256;
/// Interpreters of interpreters before `ELOOP`.
pub const MAX_INTERPRETER_DEPTH: usize = 5;
/// Descriptors of a process: the soft limit it starts with.
pub const OPEN_MAX: u32 = 1024;
/// Descriptors of a process: the hard limit it starts with.
pub const OPEN_MAX_HARD: u32 = 4096;
/// Descriptors that a hard limit may be set to, `fs.nr_open`.
pub const NR_OPEN: u32 = 1_048_576;
/// Processes and threads: ids stay below this, `pid_max`.
pub const PID_MAX: i32 = 32_768;
/// Messages of a POSIX message queue, `fs.mqueue.msg_max`; also what a queue has by default.
pub const MQ_MAX_MESSAGES: usize = 10;
/// The same with `CAP_SYS_RESOURCE`, `HARD_MSGMAX`.
pub const MQ_MAX_MESSAGES_HARD: usize = 65_536;
/// Bytes of a message of a POSIX message queue, `fs.mqueue.msgsize_max`; also the default.
pub const MQ_MAX_SIZE: usize = 8192;
/// The same with `CAP_SYS_RESOURCE`, `HARD_MSGSIZEMAX`.
pub const MQ_MAX_SIZE_HARD: usize = 16 << 20;
/// POSIX message queues, `fs.mqueue.queues_max`.
pub const MQ_QUEUES_MAX: usize = 256;
/// Priorities of messages stay below this.
pub const MQ_PRIO_MAX: u32 = 32_768;
/// Bytes of a page: what `AT_PAGESZ` says and `mmap2` counts in.
pub const PAGE_SIZE: usize = 4096;
/// Bytes of a WebAssembly page.
pub const WASM_PAGE_SIZE: usize = 65_536;
/// Mounts of a pod, `fs.mount-max`.
pub const MOUNT_MAX: usize = 100_000;
/// Ticks per second of `times(2)`, `AT_CLKTCK`.
pub const HZ: u64 = 100;
/// Bytes of a host or domain name, `__NEW_UTS_LEN`.
pub const HOST_NAME_MAX: usize = 64;
/// Bytes of a task's name with its end mark, `TASK_COMM_LEN`.
pub const TASK_COMM_LEN: usize = 16;
/// Characters of one line in canonical mode with its end, `MAX_CANON`'s real value.
pub const N_TTY_BUF_SIZE: usize = 4096;
/// Seconds that a time stamp may lie from 1970 in either direction.
pub const TIME_MAX: i64 = i64::MAX / 1_000_000_000;
/// Bytes of the kernel's `sigset_t`: the only size that signal calls accept.
pub const SIGSET_SIZE: usize = 8;
/// Descriptors of a `select(2)` set, `FD_SETSIZE`; the kernel itself takes more.
pub const FD_SETSIZE: usize = 1024;
/// Signals that one user may have queued, `RLIMIT_SIGPENDING`.
pub const SIGPENDING_MAX: usize = 1024;
/// Bytes of the smallest signal stack, `MINSIGSTKSZ`.
pub const MINSIGSTKSZ: u32 = 2048;
/// Descriptors that epolls of one user may watch, `fs.epoll.max_user_watches`.
pub const EPOLL_MAX_USER_WATCHES: usize = 1_048_576;
/// Inotify instances of one user, `fs.inotify.max_user_instances`.
pub const INOTIFY_MAX_INSTANCES: usize = 128;
/// Inotify watches of one user, `fs.inotify.max_user_watches`.
pub const INOTIFY_MAX_WATCHES: usize = 65_536;
/// Events that one inotify instance keeps, `fs.inotify.max_queued_events`.
pub const INOTIFY_MAX_QUEUED: usize = 16_384;
