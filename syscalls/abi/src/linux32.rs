//! The names under which 32-bit guests import system calls (`__syscall_<name>` or `linux.<name>`).
//!
//! One list covers what our own libc imports and what i386-like targets of others do: the
//! unsuffixed and the `32`, `64` and `time64` names, and variadic calls with their number of
//! arguments at the end (`openat_4`).
//!
//! All arguments are 32-bit words, and a 64-bit value is two of them, low then high. Exceptions:
//! `_llseek(fd, high, low, result, whence)`; `mmap2` counts its offset in pages. An importer may
//! declare more parameters than `nr_args` (sockets always take six there) or fewer: surplus words
//! are ignored and missing ones are zero, which is what makes `waitpid` the same call as `wait4`.

/// One name of the linux32 import table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linux32Import {
    /// The import's name without `__syscall_`.
    pub name: &'static str,
    /// The number in [`SYSCALLS`](crate::table::SYSCALLS) or
    /// [`UNIMPLEMENTED`](crate::unimplemented::UNIMPLEMENTED).
    pub number: u32,
    /// How many 32-bit words the call reads.
    pub nr_args: u8,
}

/// The number that an import's name, without `__syscall_`, stands for.
///
/// A name that is not in the list is tried once more without a `_<digit>` at its end.
pub fn linux32_number(name: &str) -> Option<u32> {
    exact(name).or_else(|| {
        let (stem, digit) = name.rsplit_once('_')?;
        let is_count = matches!(digit.as_bytes(), [b'0'..=b'9']);
        if is_count { exact(stem) } else { None }
    })
}

fn exact(name: &str) -> Option<u32> {
    let index = LINUX32
        .binary_search_by_key(&name, |import| import.name)
        .ok()?;
    LINUX32.get(index).map(|import| import.number)
}

const fn row(name: &'static str, number: u32, nr_args: u8) -> Linux32Import {
    Linux32Import {
        name,
        number,
        nr_args,
    }
}

/// Every name, in ascending order of its bytes.
#[rustfmt::skip]
pub const LINUX32: &[Linux32Import] = &[
    row("_llseek", 8, 5), row("_newselect", 23, 5), row("_sysctl", 156, 1), row("accept", 43, 3),
    row("accept4", 288, 4), row("access", 21, 2), row("acct", 163, 1), row("add_key", 248, 5),
    row("adjtimex", 159, 1), row("afs_syscall", 183, 5), row("alarm", 37, 1),
    row("arch_prctl", 158, 2), row("bind", 49, 3), row("bpf", 321, 3), row("brk", 12, 1),
    row("cachestat", 451, 4), row("capget", 125, 2), row("capset", 126, 2), row("chdir", 80, 1),
    row("chmod", 90, 2), row("chown", 92, 3), row("chown32", 92, 3), row("chroot", 161, 1),
    row("clock_adjtime", 1367, 2), row("clock_adjtime64", 305, 2), row("clock_getres", 1290, 2),
    row("clock_getres_time64", 229, 2), row("clock_gettime", 1289, 2),
    row("clock_gettime64", 228, 2), row("clock_nanosleep", 1291, 4),
    row("clock_nanosleep_time64", 230, 4), row("clock_settime", 1288, 2),
    row("clock_settime64", 227, 2), row("clone", 56, 5), row("clone3", 435, 2),
    row("clone4", 1792, 7), row("clone_5", 56, 5), row("close", 3, 1), row("close_range", 436, 3),
    row("connect", 42, 3), row("copy_file_range", 326, 6), row("creat", 85, 2),
    row("create_module", 174, 2), row("delete_module", 176, 2), row("dup", 32, 1),
    row("dup2", 33, 2), row("dup3", 292, 3), row("epoll_create", 213, 1),
    row("epoll_create1", 291, 1), row("epoll_ctl", 233, 4), row("epoll_ctl_old", 214, 4),
    row("epoll_pwait", 281, 6), row("epoll_pwait2", 441, 6), row("epoll_wait", 232, 4),
    row("epoll_wait_old", 215, 4), row("eventfd", 284, 1), row("eventfd2", 290, 2),
    row("execve", 59, 3), row("execveat", 322, 5), row("exit", 60, 1), row("exit_group", 231, 1),
    row("faccessat", 269, 3), row("faccessat2", 439, 4), row("fadvise64", 1274, 5),
    row("fadvise64_64", 221, 6), row("fallocate", 285, 6), row("fanotify_init", 300, 2),
    row("fanotify_mark", 301, 6), row("fchdir", 81, 1), row("fchmod", 91, 2),
    row("fchmodat", 268, 3), row("fchmodat2", 452, 4), row("fchown", 93, 3),
    row("fchown32", 93, 3), row("fchownat", 260, 5), row("fcntl", 72, 3), row("fcntl64", 72, 3),
    row("fcntl64_3", 72, 3), row("fcntl_3", 72, 3), row("fdatasync", 75, 1),
    row("fgetxattr", 193, 4), row("finit_module", 313, 3), row("flistxattr", 196, 3),
    row("flock", 73, 2), row("fork", 57, 0), row("fremovexattr", 199, 2), row("fsconfig", 431, 5),
    row("fsetxattr", 190, 5), row("fsmount", 432, 3), row("fsopen", 430, 2),
    row("fspick", 433, 3), row("fstat", 1132, 2), row("fstat64", 5, 2), row("fstatat64", 262, 4),
    row("fstatfs", 1124, 2), row("fstatfs64", 138, 3), row("fsync", 74, 1),
    row("ftruncate", 1117, 2), row("ftruncate64", 77, 3), row("futex", 1264, 6),
    row("futex_6", 1264, 6), row("futex_requeue", 456, 4), row("futex_time64", 202, 6),
    row("futex_time64_6", 202, 6), row("futex_wait", 455, 6), row("futex_waitv", 449, 5),
    row("futex_wake", 454, 4), row("futimesat", 261, 3), row("get_kernel_syms", 177, 1),
    row("get_mempolicy", 239, 5), row("get_robust_list", 274, 3), row("get_thread_area", 211, 1),
    row("getcpu", 309, 3), row("getcwd", 79, 2), row("getdents", 78, 3),
    row("getdents64", 217, 3), row("getegid", 108, 0), row("getegid32", 108, 0),
    row("geteuid", 107, 0), row("geteuid32", 107, 0), row("getgid", 104, 0),
    row("getgid32", 104, 0), row("getgroups", 115, 2), row("getgroups32", 115, 2),
    row("getitimer", 36, 2), row("getpeername", 52, 3), row("getpgid", 121, 1),
    row("getpgrp", 111, 0), row("getpid", 39, 0), row("getpmsg", 181, 5), row("getppid", 110, 0),
    row("getpriority", 140, 2), row("getrandom", 318, 3), row("getresgid", 120, 3),
    row("getresgid32", 120, 3), row("getresuid", 118, 3), row("getresuid32", 118, 3),
    row("getrlimit", 97, 2), row("getrusage", 98, 2), row("getsid", 124, 1),
    row("getsockname", 51, 3), row("getsockopt", 55, 5), row("gettid", 186, 0),
    row("gettimeofday", 96, 2), row("getuid", 102, 0), row("getuid32", 102, 0),
    row("getxattr", 191, 4), row("init_module", 175, 3), row("inotify_add_watch", 254, 3),
    row("inotify_init", 253, 0), row("inotify_init1", 294, 1), row("inotify_rm_watch", 255, 2),
    row("io_cancel", 210, 3), row("io_destroy", 207, 1), row("io_getevents", 208, 5),
    row("io_pgetevents", 333, 6), row("io_pgetevents_time64", 1440, 6), row("io_setup", 206, 2),
    row("io_submit", 209, 3), row("io_uring_enter", 426, 6), row("io_uring_register", 427, 4),
    row("io_uring_setup", 425, 2), row("ioctl", 16, 3), row("ioctl_3", 16, 3),
    row("ioperm", 173, 3), row("iopl", 172, 1), row("ioprio_get", 252, 2),
    row("ioprio_set", 251, 3), row("ipc", 1141, 6), row("kcmp", 312, 5),
    row("kexec_file_load", 320, 5), row("kexec_load", 246, 4), row("keyctl", 250, 5),
    row("kill", 62, 2), row("landlock_add_rule", 445, 4), row("landlock_create_ruleset", 444, 3),
    row("landlock_restrict_self", 446, 2), row("lchown", 94, 3), row("lchown32", 94, 3),
    row("lgetxattr", 192, 4), row("link", 86, 2), row("linkat", 265, 5), row("listen", 50, 2),
    row("listmount", 458, 4), row("listxattr", 194, 3), row("llistxattr", 195, 3),
    row("lookup_dcookie", 212, 3), row("lremovexattr", 198, 2), row("lseek", 1043, 3),
    row("lsetxattr", 189, 5), row("lsm_get_self_attr", 459, 4), row("lsm_list_modules", 461, 3),
    row("lsm_set_self_attr", 460, 4), row("lstat", 1131, 2), row("lstat64", 6, 2),
    row("madvise", 28, 3), row("map_shadow_stack", 453, 3), row("mbind", 237, 6),
    row("membarrier", 324, 3), row("memfd_create", 319, 2), row("memfd_secret", 447, 1),
    row("migrate_pages", 256, 4), row("mincore", 27, 3), row("mkdir", 83, 2),
    row("mkdirat", 258, 3), row("mknod", 133, 3), row("mknodat", 259, 4), row("mlock", 149, 2),
    row("mlock2", 325, 3), row("mlockall", 151, 1), row("mmap", 1114, 1), row("mmap2", 9, 6),
    row("modify_ldt", 154, 3), row("mount", 165, 5), row("mount_setattr", 442, 5),
    row("move_mount", 429, 5), row("move_pages", 279, 6), row("mprotect", 10, 3),
    row("mq_getsetattr", 245, 3), row("mq_notify", 244, 2), row("mq_open", 240, 4),
    row("mq_timedreceive", 1304, 5), row("mq_timedreceive_time64", 243, 5),
    row("mq_timedsend", 1303, 5), row("mq_timedsend_time64", 242, 5), row("mq_unlink", 241, 1),
    row("mremap", 25, 5), row("mremap_5", 25, 5), row("mseal", 462, 3), row("msgctl", 71, 3),
    row("msgget", 68, 2), row("msgrcv", 70, 5), row("msgsnd", 69, 4), row("msync", 26, 3),
    row("munlock", 150, 2), row("munlockall", 152, 0), row("munmap", 11, 2),
    row("name_to_handle_at", 303, 5), row("nanosleep", 35, 2), row("newfstatat", 262, 4),
    row("nfsservctl", 180, 3), row("nice", 1058, 1), row("oldfstat", 1052, 2),
    row("oldlstat", 1108, 2), row("oldolduname", 1083, 1), row("oldstat", 1042, 2),
    row("olduname", 1133, 1), row("open", 2, 3), row("open_3", 2, 3),
    row("open_by_handle_at", 304, 3), row("open_tree", 428, 3), row("openat", 257, 4),
    row("openat2", 437, 4), row("openat2_4", 437, 4), row("openat_4", 257, 4),
    row("pause", 34, 0), row("perf_event_open", 298, 5), row("personality", 135, 1),
    row("pidfd_getfd", 438, 3), row("pidfd_open", 434, 2), row("pidfd_send_signal", 424, 4),
    row("pipe", 22, 1), row("pipe2", 293, 2), row("pivot_root", 155, 2),
    row("pkey_alloc", 330, 2), row("pkey_free", 331, 1), row("pkey_mprotect", 329, 4),
    row("poll", 7, 3), row("ppoll", 1333, 5), row("ppoll_time64", 271, 5), row("prctl", 157, 5),
    row("prctl_5", 157, 5), row("pread64", 17, 5), row("preadv", 295, 5), row("preadv2", 327, 6),
    row("prlimit64", 302, 4), row("process_madvise", 440, 5), row("process_mrelease", 448, 2),
    row("process_vm_readv", 310, 6), row("process_vm_writev", 311, 6), row("pselect6", 1332, 6),
    row("pselect6_time64", 270, 6), row("ptrace", 101, 4), row("putpmsg", 182, 5),
    row("pwrite64", 18, 5), row("pwritev", 296, 5), row("pwritev2", 328, 6),
    row("query_module", 178, 5), row("quotactl", 179, 4), row("quotactl_fd", 443, 4),
    row("read", 0, 3), row("readahead", 187, 5), row("readdir", 1113, 3), row("readlink", 89, 3),
    row("readlinkat", 267, 4), row("readv", 19, 3), row("reboot", 169, 4), row("recvfrom", 45, 6),
    row("recvmmsg", 1361, 5), row("recvmmsg_time64", 299, 5), row("recvmsg", 47, 3),
    row("remap_file_pages", 216, 5), row("removexattr", 197, 2), row("rename", 82, 2),
    row("renameat", 264, 4), row("renameat2", 316, 5), row("request_key", 249, 4),
    row("restart_syscall", 219, 0), row("rmdir", 84, 1), row("rseq", 334, 4),
    row("rt_sigaction", 13, 4), row("rt_sigpending", 127, 2), row("rt_sigprocmask", 14, 4),
    row("rt_sigqueueinfo", 129, 3), row("rt_sigreturn", 15, 1), row("rt_sigsuspend", 130, 2),
    row("rt_sigtimedwait", 1201, 4), row("rt_sigtimedwait_time64", 128, 4),
    row("rt_tgsigqueueinfo", 297, 4), row("sched_get_priority_max", 146, 1),
    row("sched_get_priority_min", 147, 1), row("sched_getaffinity", 204, 3),
    row("sched_getattr", 315, 4), row("sched_getparam", 143, 2),
    row("sched_getscheduler", 145, 1), row("sched_rr_get_interval", 1185, 2),
    row("sched_rr_get_interval_time64", 148, 2), row("sched_setaffinity", 203, 3),
    row("sched_setattr", 314, 3), row("sched_setparam", 142, 2),
    row("sched_setscheduler", 144, 3), row("sched_yield", 24, 0), row("seccomp", 317, 3),
    row("security", 185, 3), row("select", 23, 5), row("semctl", 66, 4), row("semget", 64, 3),
    row("semop", 65, 3), row("semtimedop_time64", 220, 4), row("sendfile", 1211, 4),
    row("sendfile64", 40, 4), row("sendmmsg", 307, 4), row("sendmsg", 46, 3),
    row("sendto", 44, 6), row("set_mempolicy", 238, 3), row("set_mempolicy_home_node", 450, 4),
    row("set_robust_list", 273, 2), row("set_thread_area", 205, 1),
    row("set_tid_address", 218, 1), row("setdomainname", 171, 2), row("setfsgid", 123, 1),
    row("setfsgid32", 123, 1), row("setfsuid", 122, 1), row("setfsuid32", 122, 1),
    row("setgid", 106, 1), row("setgid32", 106, 1), row("setgroups", 116, 2),
    row("setgroups32", 116, 2), row("sethostname", 170, 2), row("setitimer", 38, 3),
    row("setns", 308, 2), row("setpgid", 109, 2), row("setpriority", 141, 3),
    row("setregid", 114, 2), row("setregid32", 114, 2), row("setresgid", 119, 3),
    row("setresgid32", 119, 3), row("setresuid", 117, 3), row("setresuid32", 117, 3),
    row("setreuid", 113, 2), row("setreuid32", 113, 2), row("setrlimit", 160, 2),
    row("setsid", 112, 0), row("setsockopt", 54, 5), row("settimeofday", 164, 2),
    row("setuid", 105, 1), row("setuid32", 105, 1), row("setxattr", 188, 5),
    row("sgetmask", 1092, 0), row("shmat", 30, 3), row("shmctl", 31, 3), row("shmdt", 67, 1),
    row("shmget", 29, 3), row("shutdown", 48, 2), row("sigaction", 1091, 3),
    row("sigaltstack", 131, 2), row("signal", 1072, 2), row("signalfd", 282, 3),
    row("signalfd4", 289, 4), row("sigpending", 1097, 1), row("sigprocmask", 1150, 3),
    row("sigreturn", 1143, 0), row("sigsuspend", 1096, 3), row("socket", 41, 3),
    row("socketcall", 1126, 2), row("socketpair", 53, 4), row("splice", 275, 6),
    row("ssetmask", 1093, 1), row("stat", 1130, 2), row("stat64", 4, 2), row("statfs", 1123, 2),
    row("statfs64", 137, 3), row("statmount", 457, 4), row("statx", 332, 5),
    row("stime", 1049, 1), row("swapoff", 168, 1), row("swapon", 167, 2), row("symlink", 88, 2),
    row("symlinkat", 266, 3), row("sync", 162, 0), row("sync_file_range", 277, 6),
    row("syncfs", 306, 1), row("syscall", 1793, 7), row("sysfs", 139, 3), row("sysinfo", 99, 1),
    row("syslog", 103, 3), row("tee", 276, 4), row("tgkill", 234, 3), row("time", 201, 1),
    row("timer_create", 222, 3), row("timer_delete", 226, 1), row("timer_getoverrun", 225, 1),
    row("timer_gettime", 1285, 2), row("timer_gettime64", 224, 2), row("timer_settime", 1284, 4),
    row("timer_settime64", 223, 4), row("timerfd_create", 283, 2),
    row("timerfd_gettime", 1350, 2), row("timerfd_gettime64", 287, 2),
    row("timerfd_settime", 1349, 4), row("timerfd_settime64", 286, 4), row("times", 100, 1),
    row("tkill", 200, 2), row("truncate", 1116, 2), row("truncate64", 76, 3),
    row("tuxcall", 184, 3), row("ugetrlimit", 97, 2), row("umask", 95, 1), row("umount", 166, 1),
    row("umount2", 166, 2), row("uname", 63, 1), row("unlink", 87, 1), row("unlinkat", 263, 3),
    row("unshare", 272, 1), row("uselib", 134, 1), row("userfaultfd", 323, 1),
    row("ustat", 136, 2), row("utime", 132, 2), row("utimensat", 1344, 4),
    row("utimensat_time64", 280, 4), row("utimes", 235, 2), row("vfork", 58, 0),
    row("vhangup", 153, 0), row("vmsplice", 278, 4), row("vserver", 236, 5), row("wait4", 61, 4),
    row("waitid", 247, 5), row("waitpid", 61, 3), row("write", 1, 3), row("writev", 20, 3),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{SYSCALLS, name_of};

    #[test]
    fn names_ascend() {
        assert!(LINUX32.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn every_name_leads_to_a_call() {
        for import in LINUX32 {
            assert!(name_of(import.number).is_some(), "{}", import.name);
        }
    }

    #[test]
    fn every_row_is_found_under_its_own_name() {
        for row in SYSCALLS {
            assert_eq!(
                linux32_number(row.linux32),
                Some(row.number),
                "{}",
                row.name
            );
            let import = LINUX32
                .iter()
                .find(|import| import.name == row.linux32)
                .unwrap();
            assert_eq!(usize::from(import.nr_args), row.nr_words(), "{}", row.name);
        }
    }

    #[test]
    fn variadic_suffixes_are_stripped_once() {
        assert_eq!(linux32_number("openat_4"), Some(257));
        assert_eq!(linux32_number("open_2"), Some(2));
        assert_eq!(linux32_number("semctl_4"), Some(66));
        assert_eq!(linux32_number("openat_"), None);
        assert_eq!(linux32_number("openat_44"), None);
        assert_eq!(linux32_number("no_such_call"), None);
    }

    #[test]
    fn old_time_forms_have_numbers_of_their_own() {
        assert_eq!(linux32_number("clock_gettime64"), Some(228));
        assert_eq!(linux32_number("clock_gettime"), Some(1289));
        assert_eq!(linux32_number("futex_time64"), Some(202));
        assert_eq!(linux32_number("futex_6"), Some(1024 + 240));
    }
}
