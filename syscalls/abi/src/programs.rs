//! Which system calls well-known programs make on Linux: what a kernel for them has to have.
//!
//! The lists are what `strace -f` shows of real runs of each program, as its users run it, and the
//! calls behind the functions of libc that the program and its libraries import. Names are those of
//! x86-64. `docs/linux-coverage.md` shows what of it is partial or missing here.
//!
//! A call in a list is either in the [table](crate::table) or has its limit in [`LIMITS`]: a
//! test sees to it.

use crate::special::I386_BASE;
use crate::table::{SYSCALLS, SyscallInfo};

/// The row of the call that x86-64 has under this name; the rows have the names of the forms with
/// 64-bit times, sizes and offsets.
pub fn row_of(name: &str) -> Option<&'static SyscallInfo> {
    let wide = ["", "64", "_time64", "64_64", "2"];
    let known = match name {
        "newfstatat" => "fstatat",
        "fadvise64" => "fadvise",
        "lseek" => "llseek",
        _ => name,
    };
    let is_it = |row: &&SyscallInfo| {
        let rest = row.name.strip_prefix(known);
        row.number < I386_BASE && rest.is_some_and(|rest| wide.contains(&rest))
    };
    let exact = SYSCALLS.iter().find(|row| row.name == name);
    exact
        .filter(|row| row.number < I386_BASE)
        .or_else(|| SYSCALLS.iter().find(is_it))
}

/// Programs, and the calls of each in alphabetical order.
#[rustfmt::skip]
pub const PROGRAMS: &[(&str, &[&str])] = &[
    ("bash", &[
        "access", "alarm", "arch_prctl", "brk", "chdir", "chown", "clock_nanosleep", "clone",
        "close", "connect", "dup", "dup2", "execve", "exit_group", "faccessat", "faccessat2",
        "fadvise64", "fchmod", "fcntl", "fstat", "getcwd", "getdents64", "getegid", "geteuid",
        "getgid", "getgroups", "getpeername", "getpgrp", "getpid", "getppid", "getrandom",
        "getrusage", "gettimeofday", "getuid", "ioctl", "kill", "lseek", "mmap", "mprotect",
        "munmap", "newfstatat", "openat", "pipe2", "pread64", "prlimit64", "pselect6", "read",
        "readlink", "rename", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
        "set_robust_list", "set_tid_address", "setitimer", "setpgid", "setresgid", "setresuid",
        "socket", "sysinfo", "time", "umask", "uname", "unlink", "wait4", "write",
    ]),
    ("coreutils", &[
        "access", "alarm", "arch_prctl", "brk", "chdir", "chmod", "chown", "chroot", "clock_getres",
        "clock_gettime", "clock_nanosleep", "clock_settime", "clone", "clone3", "close", "connect",
        "copy_file_range", "dup2", "execve", "exit_group", "faccessat", "fadvise64", "fallocate",
        "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr",
        "flistxattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "getcwd",
        "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getpid", "getppid",
        "getpriority", "getrandom", "getuid", "getxattr", "inotify_add_watch", "inotify_init",
        "inotify_init1", "inotify_rm_watch", "ioctl", "kill", "lchown", "lgetxattr", "link",
        "linkat", "lseek", "mkdir", "mkdirat", "mknodat", "mmap", "mprotect", "munmap",
        "newfstatat", "openat", "pause", "pipe2", "poll", "prctl", "pread64", "prlimit64", "read",
        "readlink", "readlinkat", "renameat", "renameat2", "rmdir", "rseq", "rt_sigaction",
        "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "sched_getaffinity", "set_robust_list",
        "set_tid_address", "setpgid", "setpriority", "socket", "statfs", "statx", "symlinkat",
        "sync", "syncfs", "sysinfo", "tgkill", "time", "timer_create", "timer_delete",
        "timer_settime", "umask", "uname", "unlink", "unlinkat", "utimensat", "wait4", "write",
    ]),
    ("git", &[
        "accept", "access", "alarm", "arch_prctl", "bind", "brk", "chdir", "chmod", "clock_gettime",
        "clock_nanosleep", "clone", "clone3", "close", "connect", "dup", "dup2", "execve", "exit",
        "exit_group", "fcntl", "fstat", "fsync", "ftruncate", "futex", "getcwd", "getdents64",
        "getegid", "geteuid", "getgid", "getpgid", "getpid", "getppid", "getrandom", "gettimeofday",
        "getuid", "ioctl", "kill", "link", "listen", "lseek", "madvise", "mkdir", "mmap",
        "mprotect", "munmap", "newfstatat", "openat", "pipe2", "poll", "pread64", "prlimit64",
        "pselect6", "read", "readlink", "rename", "rmdir", "rseq", "rt_sigaction", "rt_sigprocmask",
        "rt_sigreturn", "set_robust_list", "set_tid_address", "setitimer", "setsid", "setsockopt",
        "shutdown", "socket", "statfs", "symlink", "sync_file_range", "sysinfo", "tgkill", "time",
        "umask", "uname", "unlink", "utimensat", "vfork", "wait4", "write",
    ]),
    ("CPython", &[
        "accept", "accept4", "access", "alarm", "arch_prctl", "bind", "brk", "chdir", "chmod",
        "chown", "chroot", "clock_getres", "clock_gettime", "clock_nanosleep", "clock_settime",
        "clone", "clone3", "close", "close_range", "connect", "copy_file_range", "dup", "dup2",
        "dup3", "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "execve", "execveat",
        "exit", "exit_group", "faccessat", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat",
        "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock",
        "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "getcwd",
        "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpeername",
        "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
        "getresuid", "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday",
        "getuid", "getxattr", "ioctl", "kill", "lchown", "lgetxattr", "link", "linkat", "listen",
        "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "madvise", "memfd_create",
        "mkdir", "mkdirat", "mknodat", "mmap", "mprotect", "mremap", "msync", "munmap",
        "newfstatat", "openat", "pause", "pidfd_open", "pipe2", "poll", "pread64", "preadv2",
        "prlimit64", "pselect6", "pwrite64", "pwritev2", "read", "readlink", "readlinkat", "readv",
        "recvfrom", "recvmsg", "removexattr", "rename", "renameat", "rmdir", "rseq", "rt_sigaction",
        "rt_sigpending", "rt_sigprocmask", "rt_sigtimedwait", "sched_get_priority_max",
        "sched_get_priority_min", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
        "sched_rr_get_interval", "sched_setaffinity", "sched_setparam", "sched_setscheduler",
        "sched_yield", "sendfile", "sendmsg", "sendto", "set_robust_list", "set_tid_address",
        "setgid", "setgroups", "sethostname", "setitimer", "setpgid", "setpriority", "setregid",
        "setresgid", "setresuid", "setreuid", "setsid", "setsockopt", "setuid", "setxattr",
        "shutdown", "sigaltstack", "socket", "socketpair", "splice", "statfs", "symlink",
        "symlinkat", "sync", "sysinfo", "tgkill", "time", "times", "truncate", "umask", "uname",
        "unlink", "unlinkat", "utimensat", "vfork", "wait4", "waitid", "write", "writev",
    ]),
    ("sqlite", &[
        "access", "arch_prctl", "brk", "chdir", "chmod", "clock_nanosleep", "clone3", "close",
        "connect", "execve", "exit_group", "fchmod", "fchown", "fcntl", "fdatasync", "fstat",
        "ftruncate", "futex", "getcwd", "getdents64", "geteuid", "getpid", "getrandom", "getrusage",
        "gettimeofday", "getuid", "ioctl", "lseek", "mkdir", "mmap", "mprotect", "mremap", "munmap",
        "newfstatat", "openat", "pread64", "prlimit64", "pwrite64", "read", "readlink", "rmdir",
        "rseq", "rt_sigaction", "set_robust_list", "set_tid_address", "socket", "symlink", "tgkill",
        "time", "unlink", "utimensat", "write",
    ]),
    ("memcached", &[
        "accept", "accept4", "access", "arch_prctl", "bind", "brk", "chdir", "clock_gettime",
        "clock_nanosleep", "clone", "clone3", "close", "connect", "dup", "dup2", "epoll_create1",
        "epoll_ctl", "epoll_wait", "eventfd2", "execve", "exit_group", "fcntl", "fstat",
        "ftruncate", "futex", "getegid", "geteuid", "getgid", "getpeername", "getpid", "getrandom",
        "getrusage", "getsockname", "getsockopt", "gettimeofday", "getuid", "kill", "listen",
        "lseek", "madvise", "mlockall", "mmap", "mprotect", "msync", "munmap", "newfstatat",
        "openat", "pipe2", "poll", "pread64", "preadv", "prlimit64", "pwrite64", "read", "recvfrom",
        "recvmsg", "rename", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sendmsg",
        "sendto", "set_robust_list", "set_tid_address", "setgid", "setgroups", "setsid",
        "setsockopt", "setuid", "socket", "tgkill", "time", "umask", "unlink", "write",
    ]),
    ("nginx", &[
        "accept", "accept4", "access", "arch_prctl", "bind", "brk", "chdir", "chmod", "chown",
        "clock_gettime", "clock_nanosleep", "clone", "clone3", "close", "connect", "dup2",
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "eventfd2", "execve", "exit",
        "exit_group", "fadvise64", "fcntl", "fstat", "ftruncate", "futex", "getdents64", "geteuid",
        "getpid", "getppid", "getrandom", "getsockname", "getsockopt", "gettid", "gettimeofday",
        "getuid", "io_destroy", "io_getevents", "io_setup", "io_submit", "ioctl", "kill", "listen",
        "lseek", "madvise", "mkdir", "mmap", "mprotect", "munmap", "newfstatat", "openat", "prctl",
        "pread64", "prlimit64", "pwrite64", "pwritev", "read", "readv", "recvfrom", "recvmsg",
        "rename", "rmdir", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
        "rt_sigsuspend", "sched_setaffinity", "sched_yield", "sendfile", "sendmsg", "sendto",
        "set_robust_list", "set_tid_address", "setgid", "setgroups", "setitimer", "setpriority",
        "setsid", "setsockopt", "setuid", "shutdown", "socket", "socketpair", "statfs", "sysinfo",
        "tgkill", "time", "umask", "uname", "unlink", "utimensat", "wait4", "write", "writev",
    ]),
    ("libuv (Node)", &[
        "accept", "accept4", "access", "arch_prctl", "bind", "brk", "capget", "chdir", "chmod",
        "chown", "chroot", "clock_getres", "clock_gettime", "clock_nanosleep", "clone", "clone3",
        "close", "connect", "copy_file_range", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl",
        "epoll_pwait", "epoll_wait", "eventfd2", "execve", "exit", "exit_group", "fadvise64",
        "fchmod", "fchmodat", "fchown", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync",
        "ftruncate", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
        "getpeername", "getpid", "getppid", "getpriority", "getrandom", "getrusage", "getsockname",
        "getsockopt", "gettid", "gettimeofday", "getuid", "inotify_add_watch", "inotify_init1",
        "inotify_rm_watch", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioctl",
        "kill", "lchown", "link", "linkat", "listen", "lseek", "madvise", "memfd_create", "mkdir",
        "mknodat", "mlock", "mmap", "mprotect", "mremap", "msync", "munmap", "newfstatat", "openat",
        "pause", "pidfd_open", "pipe2", "poll", "prctl", "pread64", "preadv", "prlimit64",
        "pselect6", "pwrite64", "pwritev", "read", "readlink", "readv", "recvfrom", "recvmmsg",
        "recvmsg", "rename", "rmdir", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
        "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity", "sched_yield",
        "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list", "set_tid_address", "setgid",
        "setgroups", "setpgid", "setpriority", "setresuid", "setsid", "setsockopt", "setuid",
        "shmat", "shmdt", "shmget", "shutdown", "sigaltstack", "socket", "socketpair", "splice",
        "stat", "statfs", "statx", "symlink", "sysinfo", "tgkill", "time", "truncate", "umask",
        "uname", "unlink", "unlinkat", "utimensat", "wait4", "waitid", "write", "writev",
    ]),
];

/// The calls of the lists that are not there, and how their callers do without. All answer `ENOSYS`.
pub const LIMITS: &[(&str, &str)] = &[
    ("arch_prctl", "of x86-64 alone: the start of its C library"),
    (
        "clone3",
        "libc makes threads by clone(2), and processes by fork(2), vfork(2) or posix_spawn(3)",
    ),
    (
        "io_destroy",
        "nginx reads with threads or in place of Linux's own asynchronous input and output",
    ),
    ("io_getevents", "as io_destroy"),
    ("io_setup", "as io_destroy"),
    ("io_submit", "as io_destroy"),
    (
        "io_uring_enter",
        "libuv uses its threads and epoll(7) where there is no ring",
    ),
    ("io_uring_register", "as io_uring_enter"),
    ("io_uring_setup", "as io_uring_enter"),
    ("rseq", "C libraries look for it and do without"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Level;
    use crate::unimplemented::UNIMPLEMENTED;

    #[test]
    fn every_call_is_there_or_has_a_stated_limit() {
        for (program, calls) in PROGRAMS {
            assert!(calls.is_sorted() && calls.len() > 20, "{program}");
            for call in *calls {
                let is_stated = match row_of(call).map(|row| row.level) {
                    Some(Level::Full) => true,
                    Some(Level::Partial(limit)) => !limit.is_empty(),
                    Some(Level::Missing) | None => LIMITS.iter().any(|(name, _)| name == call),
                };
                assert!(is_stated, "{program} uses {call}");
            }
        }
    }

    #[test]
    fn limits_are_those_of_calls_that_are_used_and_not_there() {
        for (call, limit) in LIMITS {
            assert!(!limit.is_empty() && row_of(call).is_none(), "{call}");
            assert!(
                UNIMPLEMENTED.iter().any(|(_, name, _)| name == call),
                "{call}"
            );
            assert!(
                PROGRAMS.iter().any(|(_, calls)| calls.contains(call)),
                "{call}"
            );
        }
    }

    #[test]
    fn names_of_x86_64_lead_to_rows() {
        let number = |name| row_of(name).map(|row| row.number);
        assert_eq!(number("newfstatat"), Some(262));
        assert_eq!(number("lseek"), Some(8));
        assert_eq!(number("mmap"), Some(9));
        assert_eq!(number("clock_gettime"), Some(228));
        assert_eq!(number("futex"), Some(202));
        assert_eq!(number("fadvise64"), Some(221));
        assert_eq!(number("pipe"), Some(22));
        assert_eq!(number("rseq"), None);
    }
}
