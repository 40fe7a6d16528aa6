//! The C side of the system-call table: musl's `bits/syscall.h` and its import declarations.
//!
//! Numbers and arities come from [`abi::linux32::LINUX32`]; this file adds only which of the names
//! our libc uses: those of a 32-bit Linux with 64-bit time, and none of the old calls that newer
//! ones replace (musl prefers an old call whenever its number is defined).

use std::fmt::Write as _;

use abi::linux32::{LINUX32, Linux32Import};
use anyhow::{Context as _, Result};

/// The calls that musl may make, by the name that `SYS_` gets there.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "read", "write", "close", "fstat64", "_llseek", "mmap2", "mprotect", "munmap", "brk",
    "rt_sigaction", "rt_sigprocmask", "ioctl", "pread64", "pwrite64", "readv", "writev",
    "sched_yield", "mremap", "msync", "mincore", "madvise", "shmget", "shmat", "shmctl", "dup",
    "getitimer", "setitimer", "getpid", "sendfile64", "socket", "connect", "sendto", "recvfrom",
    "sendmsg", "recvmsg", "shutdown", "bind", "listen", "getsockname", "getpeername",
    "socketpair", "setsockopt", "getsockopt", "clone", "fork", "vfork", "execve", "exit", "wait4",
    "kill", "uname", "semget", "semop", "semctl", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl",
    "fcntl64", "flock", "fsync", "fdatasync", "truncate64", "ftruncate64", "getcwd", "chdir",
    "fchdir", "fchmod", "fchown", "umask", "getrusage", "sysinfo", "times", "ptrace", "getuid",
    "syslog", "getgid", "setuid", "setgid", "geteuid", "getegid", "setpgid", "getppid", "setsid",
    "setreuid", "setregid", "getgroups", "setgroups", "setresuid", "getresuid", "setresgid",
    "getresgid", "getpgid", "setfsuid", "setfsgid", "getsid", "capget", "capset",
    "rt_sigpending", "rt_sigtimedwait_time64", "rt_sigqueueinfo", "rt_sigsuspend", "sigaltstack",
    "personality", "statfs64", "fstatfs64", "getpriority", "setpriority", "sched_setparam",
    "sched_getparam", "sched_setscheduler", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "sched_rr_get_interval_time64", "mlock", "munlock", "mlockall",
    "munlockall", "vhangup", "pivot_root", "prctl", "chroot", "sync", "acct", "mount", "umount2",
    "swapon", "swapoff", "reboot", "sethostname", "setdomainname", "init_module",
    "delete_module", "quotactl", "gettid", "readahead", "setxattr", "lsetxattr", "fsetxattr",
    "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "removexattr",
    "lremovexattr", "fremovexattr", "tkill", "futex_time64", "sched_setaffinity",
    "sched_getaffinity", "remap_file_pages", "getdents64", "set_tid_address",
    "semtimedop_time64", "fadvise64_64", "timer_create", "timer_settime64", "timer_gettime64",
    "timer_getoverrun", "timer_delete", "clock_settime64", "clock_gettime64",
    "clock_getres_time64", "clock_nanosleep_time64", "exit_group", "epoll_ctl", "tgkill",
    "mq_open", "mq_unlink", "mq_timedsend_time64", "mq_timedreceive_time64", "mq_notify",
    "mq_getsetattr", "waitid", "ioprio_set", "ioprio_get", "inotify_add_watch",
    "inotify_rm_watch", "openat", "mkdirat", "mknodat", "fchownat", "fstatat64", "unlinkat",
    "renameat", "linkat", "symlinkat", "readlinkat", "fchmodat", "faccessat", "pselect6_time64",
    "ppoll_time64", "unshare", "set_robust_list", "get_robust_list", "splice", "tee",
    "sync_file_range", "vmsplice", "utimensat_time64", "epoll_pwait", "timerfd_create",
    "fallocate", "timerfd_settime64", "timerfd_gettime64", "accept4", "signalfd4", "eventfd2",
    "epoll_create1", "dup3", "pipe2", "inotify_init1", "preadv", "pwritev", "rt_tgsigqueueinfo",
    "recvmmsg_time64", "fanotify_init", "fanotify_mark", "prlimit64", "name_to_handle_at",
    "open_by_handle_at", "clock_adjtime64", "syncfs", "sendmmsg", "setns", "getcpu",
    "process_vm_readv", "process_vm_writev", "kcmp", "finit_module", "sched_setattr",
    "sched_getattr", "renameat2", "seccomp", "getrandom", "memfd_create", "bpf", "execveat",
    "membarrier", "mlock2", "copy_file_range", "preadv2", "pwritev2", "statx", "rseq",
    "pidfd_send_signal", "pidfd_open", "clone3", "close_range", "openat2", "pidfd_getfd",
    "faccessat2", "epoll_pwait2",
];

/// Calls that are imported under their variadic form, whose name ends with the number of words.
const VARIADIC: &[&str] = &["openat", "fcntl64"];

/// Calls that always take six words, as the socket calls of musl do.
#[rustfmt::skip]
const SIX_WORDS: &[&str] = &[
    "socket", "connect", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "bind", "listen",
    "getsockname", "getpeername", "socketpair", "setsockopt", "getsockopt", "accept4",
];

/// One system call as libc sees it.
struct Stub {
    /// What follows `SYS_`.
    name: &'static str,
    /// What follows `__syscall_` in the import's name.
    import: String,
    number: u32,
    nr_words: u8,
}

/// Both generated files.
pub(super) struct Headers {
    /// `arch/wasm32/bits/syscall.h.in`: the numbers.
    pub(super) numbers: String,
    /// `arch/wasm32/wasm_syscalls.h`: import declarations and the switch over constant numbers.
    pub(super) imports: String,
}

/// Generates both headers from the kernel's table.
///
/// # Errors
/// The table does not have one of [`NAMES`].
pub(super) fn headers() -> Result<Headers> {
    let stubs = NAMES
        .iter()
        .map(|name| stub(name))
        .collect::<Result<Vec<_>>>()?;
    Ok(Headers {
        numbers: numbers(&stubs),
        imports: imports(&stubs),
    })
}

fn find(name: &str) -> Result<&'static Linux32Import> {
    LINUX32
        .iter()
        .find(|import| import.name == name)
        .with_context(|| format!("system call {name} is not in the table"))
}

fn stub(name: &'static str) -> Result<Stub> {
    let row = find(name)?;
    let nr_words = if SIX_WORDS.contains(&name) {
        6
    } else {
        row.nr_args
    };
    let import = if VARIADIC.contains(&name) {
        format!("{name}_{nr_words}")
    } else {
        name.to_owned()
    };
    Ok(Stub {
        name,
        number: find(&import)?.number,
        import,
        nr_words,
    })
}

fn numbers(stubs: &[Stub]) -> String {
    let mut text = String::new();
    for stub in stubs {
        let _ = writeln!(text, "#define __NR_{} {}", stub.name, stub.number);
    }
    text
}

fn imports(stubs: &[Stub]) -> String {
    let mut text = String::from(
        "/* Generated from the kernel's table of system calls. */\n\
         #define __WASM_IMPORT(name) \\\n\
         \t__attribute__((__import_module__(\"linux\"), __import_name__(name)))\n\n\
         __WASM_IMPORT(\"__syscall\") long __wasm_syscall_any(\
         long, long, long, long, long, long, long);\n",
    );
    for Stub {
        name,
        import,
        nr_words,
        ..
    } in stubs
    {
        let types = match nr_words {
            0 => "void".to_owned(),
            n => vec!["long"; usize::from(*n)].join(", "),
        };
        let _ = writeln!(
            text,
            "__WASM_IMPORT(\"__syscall_{import}\") long __wasm_{name}({types});"
        );
    }
    text.push_str(
        "\nstatic inline __attribute__((__always_inline__)) long __wasm_syscall_known(\
         long n, long a, long b, long c, long d, long e, long f)\n{\n\tswitch (n) {\n",
    );
    for Stub {
        name,
        number,
        nr_words,
        ..
    } in stubs
    {
        let words: Vec<_> = ["a", "b", "c", "d", "e", "f"]
            .into_iter()
            .take(usize::from(*nr_words))
            .collect();
        let _ = writeln!(
            text,
            "\tcase {number}: return __wasm_{name}({});",
            words.join(", ")
        );
    }
    text.push_str("\tdefault: return -38; /* ENOSYS */\n\t}\n}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_the_table_once() {
        let mut numbers: Vec<_> = NAMES
            .iter()
            .map(|name| stub(name).unwrap().number)
            .collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn imports_follow_the_conventions_of_linux32() {
        let Headers { numbers, imports } = headers().unwrap();
        assert!(numbers.contains("#define __NR_read 0\n"));
        for line in [
            "__WASM_IMPORT(\"__syscall_openat_4\") long __wasm_openat(long, long, long, long);",
            "__WASM_IMPORT(\"__syscall_getpid\") long __wasm_getpid(void);",
            "__WASM_IMPORT(\"__syscall_socket\") \
             long __wasm_socket(long, long, long, long, long, long);",
            "\tcase 39: return __wasm_getpid();",
        ] {
            assert!(imports.contains(line), "{line}");
        }
    }

    #[test]
    fn no_old_call_has_a_number() {
        let Headers { numbers, .. } = headers().unwrap();
        for old in [
            "open",
            "stat64",
            "pipe",
            "dup2",
            "poll",
            "futex",
            "clock_gettime",
        ] {
            assert!(!numbers.contains(&format!("__NR_{old} ")), "{old}");
        }
    }
}
