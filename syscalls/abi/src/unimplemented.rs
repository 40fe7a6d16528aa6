//! The system calls that Linux has and the kernel has not: they answer `ENOSYS`.
//!
//! Kept so that a log line, strace and the coverage page can name them. A call that gets a row in
//! [`table`](crate::table) leaves this list.

/// The name of a call that is not implemented.
pub fn name_of(number: u32) -> Option<&'static str> {
    let index = UNIMPLEMENTED
        .binary_search_by_key(&number, |(number, ..)| *number)
        .ok()?;
    UNIMPLEMENTED.get(index).map(|(_, name, _)| *name)
}

/// Number, name and words of arguments in linux32's form, in ascending order of the number.
#[rustfmt::skip]
pub const UNIMPLEMENTED: &[(u32, &str, u8)] = &[
    (78, "getdents", 3), (101, "ptrace", 4), (132, "utime", 2), (134, "uselib", 1),
    (136, "ustat", 2), (139, "sysfs", 3),
    (154, "modify_ldt", 3), (155, "pivot_root", 2), (156, "_sysctl", 1), (158, "arch_prctl", 2),
    (159, "adjtimex", 1), (163, "acct", 1), (164, "settimeofday", 2), (167, "swapon", 2),
    (168, "swapoff", 1), (172, "iopl", 1), (173, "ioperm", 3), (174, "create_module", 2),
    (175, "init_module", 3), (176, "delete_module", 2), (177, "get_kernel_syms", 1),
    (178, "query_module", 5), (179, "quotactl", 4), (180, "nfsservctl", 3), (181, "getpmsg", 5),
    (182, "putpmsg", 5), (183, "afs_syscall", 5), (184, "tuxcall", 3), (185, "security", 3),
    (187, "readahead", 5),

    (205, "set_thread_area", 1),
    (206, "io_setup", 2), (207, "io_destroy", 1), (208, "io_getevents", 5), (209, "io_submit", 3),
    (210, "io_cancel", 3), (211, "get_thread_area", 1), (212, "lookup_dcookie", 3),
    (214, "epoll_ctl_old", 4), (215, "epoll_wait_old", 4), (216, "remap_file_pages", 5),
    (219, "restart_syscall", 0), (235, "utimes", 2), (236, "vserver", 5), (237, "mbind", 6),
    (238, "set_mempolicy", 3), (239, "get_mempolicy", 5),
    (246, "kexec_load", 4), (248, "add_key", 5),
    (249, "request_key", 4), (250, "keyctl", 5), (256, "migrate_pages", 4), (261, "futimesat", 3),
    (279, "move_pages", 6),
    (298, "perf_event_open", 5), (300, "fanotify_init", 2), (301, "fanotify_mark", 6),
    (303, "name_to_handle_at", 5), (304, "open_by_handle_at", 3), (305, "clock_adjtime64", 2),
    (308, "setns", 2), (313, "finit_module", 3), (317, "seccomp", 3), (320, "kexec_file_load", 5),
    (321, "bpf", 3), (323, "userfaultfd", 1),
    (329, "pkey_mprotect", 4), (330, "pkey_alloc", 2), (331, "pkey_free", 1),
    (333, "io_pgetevents", 6), (334, "rseq", 4), (425, "io_uring_setup", 2),
    (426, "io_uring_enter", 6), (427, "io_uring_register", 4), (428, "open_tree", 3),
    (429, "move_mount", 5), (430, "fsopen", 2), (431, "fsconfig", 5), (432, "fsmount", 3),
    (433, "fspick", 3), (435, "clone3", 2), (437, "openat2", 4),
    (442, "mount_setattr", 5), (443, "quotactl_fd", 4), (444, "landlock_create_ruleset", 3),
    (445, "landlock_add_rule", 4), (446, "landlock_restrict_self", 2), (447, "memfd_secret", 1),
    (448, "process_mrelease", 2), (449, "futex_waitv", 5), (450, "set_mempolicy_home_node", 4),
    (451, "cachestat", 4), (453, "map_shadow_stack", 3),
    (454, "futex_wake", 4), (455, "futex_wait", 6), (456, "futex_requeue", 4),
    (457, "statmount", 4), (458, "listmount", 4), (459, "lsm_get_self_attr", 4),
    (460, "lsm_set_self_attr", 4), (461, "lsm_list_modules", 3), (462, "mseal", 3),
    (1042, "oldstat", 2), (1043, "lseek", 3), (1049, "stime", 1), (1052, "oldfstat", 2),
    (1058, "nice", 1), (1072, "signal", 2), (1083, "oldolduname", 1), (1091, "sigaction", 3),
    (1092, "sgetmask", 0), (1093, "ssetmask", 1), (1096, "sigsuspend", 3), (1097, "sigpending", 1),
    (1108, "oldlstat", 2), (1113, "readdir", 3), (1114, "mmap", 1), (1116, "truncate", 2),
    (1117, "ftruncate", 2), (1123, "statfs", 2), (1124, "fstatfs", 2), (1126, "socketcall", 2),
    (1130, "stat", 2), (1131, "lstat", 2), (1132, "fstat", 2), (1133, "olduname", 1),
    (1141, "ipc", 6), (1143, "sigreturn", 0), (1150, "sigprocmask", 3),
    (1185, "sched_rr_get_interval", 2), (1201, "rt_sigtimedwait", 4), (1211, "sendfile", 4),
    (1274, "fadvise64", 5), (1284, "timer_settime", 4), (1285, "timer_gettime", 2),
    (1288, "clock_settime", 2), (1290, "clock_getres", 2), (1291, "clock_nanosleep", 4),
    (1303, "mq_timedsend", 5), (1304, "mq_timedreceive", 5), (1332, "pselect6", 6),
    (1333, "ppoll", 5), (1344, "utimensat", 4), (1349, "timerfd_settime", 4),
    (1350, "timerfd_gettime", 2), (1361, "recvmmsg", 5), (1367, "clock_adjtime", 2),
    (1440, "io_pgetevents_time64", 6), (1792, "clone4", 7), (1793, "syscall", 7),
];
