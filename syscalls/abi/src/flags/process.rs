//! Processes: creating, waiting, scheduling, limits, and what `exec` hands over.

flags! {
    "wait(2)": u32 {
        WNOHANG = 1,
        WUNTRACED = 2,
        WSTOPPED = 2,
        WEXITED = 4,
        WCONTINUED = 8,
        WNOWAIT = 0x0100_0000,
        __WNOTHREAD = 0x2000_0000,
        __WALL = 0x4000_0000,
        __WCLONE = 0x8000_0000,
    }
    "waitid(2)": i32 {
        P_ALL = 0,
        P_PID = 1,
        P_PGID = 2,
        P_PIDFD = 3,
    }
    "clone(2)": u32 {
        CSIGNAL = 0x0000_00ff,
        CLONE_VM = 0x0000_0100,
        CLONE_FS = 0x0000_0200,
        CLONE_FILES = 0x0000_0400,
        CLONE_SIGHAND = 0x0000_0800,
        CLONE_PIDFD = 0x0000_1000,
        CLONE_PTRACE = 0x0000_2000,
        CLONE_VFORK = 0x0000_4000,
        CLONE_PARENT = 0x0000_8000,
        CLONE_THREAD = 0x0001_0000,
        CLONE_NEWNS = 0x0002_0000,
        CLONE_SYSVSEM = 0x0004_0000,
        CLONE_SETTLS = 0x0008_0000,
        CLONE_PARENT_SETTID = 0x0010_0000,
        CLONE_CHILD_CLEARTID = 0x0020_0000,
        CLONE_DETACHED = 0x0040_0000,
        CLONE_UNTRACED = 0x0080_0000,
        CLONE_CHILD_SETTID = 0x0100_0000,
        CLONE_NEWCGROUP = 0x0200_0000,
        CLONE_NEWUTS = 0x0400_0000,
        CLONE_NEWIPC = 0x0800_0000,
        CLONE_NEWUSER = 0x1000_0000,
        CLONE_NEWPID = 0x2000_0000,
        CLONE_NEWNET = 0x4000_0000,
        CLONE_NEWTIME = 0x0000_0080,
    }
    "sched(7)": i32 {
        SCHED_OTHER = 0,
        SCHED_FIFO = 1,
        SCHED_RR = 2,
        SCHED_BATCH = 3,
        SCHED_IDLE = 5,
        SCHED_DEADLINE = 6,
        SCHED_RESET_ON_FORK = 0x4000_0000,
    }
    "getpriority(2)": i32 {
        PRIO_PROCESS = 0,
        PRIO_PGRP = 1,
        PRIO_USER = 2,
    }
    "ioprio_set(2)": i32 {
        IOPRIO_WHO_PROCESS = 1,
        IOPRIO_WHO_PGRP = 2,
        IOPRIO_WHO_USER = 3,
        IOPRIO_CLASS_SHIFT = 13,
        IOPRIO_CLASS_NONE = 0,
        IOPRIO_CLASS_RT = 1,
        IOPRIO_CLASS_BE = 2,
        IOPRIO_CLASS_IDLE = 3,
    }
    "getrusage(2)": i32 {
        RUSAGE_SELF = 0,
        RUSAGE_CHILDREN = -1,
        RUSAGE_THREAD = 1,
    }
    "getrlimit(2)": u32 {
        RLIMIT_CPU = 0,
        RLIMIT_FSIZE = 1,
        RLIMIT_DATA = 2,
        RLIMIT_STACK = 3,
        RLIMIT_CORE = 4,
        RLIMIT_RSS = 5,
        RLIMIT_NPROC = 6,
        RLIMIT_NOFILE = 7,
        RLIMIT_MEMLOCK = 8,
        RLIMIT_AS = 9,
        RLIMIT_LOCKS = 10,
        RLIMIT_SIGPENDING = 11,
        RLIMIT_MSGQUEUE = 12,
        RLIMIT_NICE = 13,
        RLIMIT_RTPRIO = 14,
        RLIMIT_RTTIME = 15,
        RLIM_NLIMITS = 16,
    }
    "getrlimit(2)": u64 {
        RLIM_INFINITY = u64::MAX,
    }
    "prctl(2)": i32 {
        PR_SET_PDEATHSIG = 1,
        PR_GET_PDEATHSIG = 2,
        PR_GET_DUMPABLE = 3,
        PR_SET_DUMPABLE = 4,
        PR_GET_KEEPCAPS = 7,
        PR_SET_KEEPCAPS = 8,
        PR_GET_TIMING = 13,
        PR_SET_TIMING = 14,
        PR_SET_NAME = 15,
        PR_GET_NAME = 16,
        PR_GET_SECCOMP = 21,
        PR_SET_SECCOMP = 22,
        PR_CAPBSET_READ = 23,
        PR_CAPBSET_DROP = 24,
        PR_GET_SECUREBITS = 27,
        PR_SET_SECUREBITS = 28,
        PR_SET_TIMERSLACK = 29,
        PR_GET_TIMERSLACK = 30,
        PR_TASK_PERF_EVENTS_DISABLE = 31,
        PR_TASK_PERF_EVENTS_ENABLE = 32,
        PR_SET_CHILD_SUBREAPER = 36,
        PR_GET_CHILD_SUBREAPER = 37,
        PR_SET_NO_NEW_PRIVS = 38,
        PR_GET_NO_NEW_PRIVS = 39,
        PR_GET_TID_ADDRESS = 40,
        PR_SET_THP_DISABLE = 41,
        PR_GET_THP_DISABLE = 42,
        PR_CAP_AMBIENT = 47,
        PR_SET_VMA = 0x5356_4d41,
    }
    "capget(2)": u32 {
        LINUX_CAPABILITY_VERSION_1 = 0x1998_0330,
        LINUX_CAPABILITY_VERSION_2 = 0x2007_1026,
        LINUX_CAPABILITY_VERSION_3 = 0x2008_0522,
        CAP_LAST_CAP = 40,
    }
    "capabilities(7)": u32 {
        CAP_CHOWN = 0,
        CAP_DAC_OVERRIDE = 1,
        CAP_DAC_READ_SEARCH = 2,
        CAP_FOWNER = 3,
        CAP_FSETID = 4,
        CAP_KILL = 5,
        CAP_SETGID = 6,
        CAP_SETUID = 7,
        CAP_SETPCAP = 8,
        CAP_LINUX_IMMUTABLE = 9,
        CAP_NET_ADMIN = 12,
        CAP_IPC_OWNER = 15,
        CAP_SYS_CHROOT = 18,
        CAP_SYS_PTRACE = 19,
        CAP_SYS_ADMIN = 21,
        CAP_SYS_BOOT = 22,
        CAP_SYS_NICE = 23,
        CAP_SYS_RESOURCE = 24,
        CAP_SYS_TTY_CONFIG = 26,
        CAP_MKNOD = 27,
        CAP_SETFCAP = 31,
        CAP_MAC_OVERRIDE = 32,
        CAP_SYSLOG = 34,
        SECBIT_NOROOT = 1,
        SECBIT_NO_SETUID_FIXUP = 4,
        SECBIT_KEEP_CAPS = 16,
        SECBIT_KEEP_CAPS_LOCKED = 32,
        SECBIT_NO_CAP_AMBIENT_RAISE = 64,
        SECURE_ALL_BITS = 0x55,
        SECURE_ALL_LOCKS = 0xaa,
    }
    "prctl(2)": u32 {
        PR_CAP_AMBIENT_IS_SET = 1,
        PR_CAP_AMBIENT_RAISE = 2,
        PR_CAP_AMBIENT_LOWER = 3,
        PR_CAP_AMBIENT_CLEAR_ALL = 4,
    }
    "pidfd_open(2)": u32 {
        PIDFD_NONBLOCK = 0x800,
        PIDFD_THREAD = 0x80,
    }
    "pidfd_send_signal(2)": u32 {
        PIDFD_SIGNAL_THREAD = 1,
        PIDFD_SIGNAL_THREAD_GROUP = 2,
        PIDFD_SIGNAL_PROCESS_GROUP = 4,
    }
    "kcmp(2)": i32 {
        KCMP_FILE = 0,
        KCMP_VM = 1,
        KCMP_FILES = 2,
        KCMP_FS = 3,
        KCMP_SIGHAND = 4,
        KCMP_IO = 5,
        KCMP_SYSVSEM = 6,
        KCMP_EPOLL_TFD = 7,
    }
    "sched_setattr(2)": u64 {
        SCHED_FLAG_RESET_ON_FORK = 1,
        SCHED_FLAG_KEEP_POLICY = 8,
        SCHED_FLAG_KEEP_PARAMS = 16,
    }
    "personality(2)": u32 {
        PER_LINUX = 0,
        PER_LINUX32 = 8,
        PERSONALITY_QUERY = 0xffff_ffff,
    }
    "getauxval(3)": u32 {
        AT_NULL = 0,
        AT_PHDR = 3,
        AT_PHENT = 4,
        AT_PHNUM = 5,
        AT_PAGESZ = 6,
        AT_BASE = 7,
        AT_FLAGS = 8,
        AT_ENTRY = 9,
        AT_UID = 11,
        AT_EUID = 12,
        AT_GID = 13,
        AT_EGID = 14,
        AT_PLATFORM = 15,
        AT_HWCAP = 16,
        AT_CLKTCK = 17,
        AT_SECURE = 23,
        AT_RANDOM = 25,
        AT_HWCAP2 = 26,
        AT_EXECFN = 31,
        AT_MINSIGSTKSZ = 51,
    }
}

/// The status that `wait(2)` reports for a process that ended by itself.
pub const fn wait_exited(code: i32) -> i32 {
    (code & 0xff) << 8
}

/// The status for a process that a signal ended.
pub const fn wait_signaled(signal: u8, has_core: bool) -> i32 {
    let core = if has_core { 0x80 } else { 0 };
    wait_low(signal) | core
}

/// The status for a process that a signal stopped.
pub const fn wait_stopped(signal: u8) -> i32 {
    wait_low(signal) << 8 | 0x7f
}

/// The status for a process that `SIGCONT` let go on.
pub const WAIT_CONTINUED: i32 = 0xffff;

#[expect(
    clippy::as_conversions,
    reason = "u8 to i32 is lossless and From is not const"
)]
const fn wait_low(signal: u8) -> i32 {
    (signal & 0x7f) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_are_those_of_the_wait_macros() {
        assert_eq!(wait_exited(3), 0x0300);
        assert_eq!(wait_exited(-1), 0xff00);
        assert_eq!(wait_signaled(9, false), 9);
        assert_eq!(wait_signaled(11, true), 0x8b);
        assert_eq!(wait_stopped(19), 0x137f);
    }
}
