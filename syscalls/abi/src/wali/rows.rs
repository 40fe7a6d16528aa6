//! The calls of `wali` that differ from linux32's in more than widths, one row each.

use super::Arg::{Const, In, InOut, Out, Pair, Skip, Word};
use super::Form::{Address, Args, Special, Unserved};
use super::layout::{ITIMERVAL, MQ_ATTR, RUSAGE, SIGINFO, STAT, STATFS, SYSINFO, TIMEVAL, TMS};
use super::{Form, Row};

/// Bytes of linux32's `struct statfs64`, which `statfs64` wants to be told.
const STATFS_LEN: u32 = STATFS.narrow_len;

/// The clock that nanosleep(2) takes.
const CLOCK_MONOTONIC: u32 = 1;

const fn row(name: &'static str, linux32: &'static str, form: Form) -> Row {
    Row {
        name,
        linux32,
        form,
    }
}

/// Every such call, in the order of x86-64's numbers.
#[rustfmt::skip]
pub const CALLS: &[Row] = &[
    row("stat", "stat64", Args(&[Word, Out(&STAT)])),
    row("fstat", "fstat64", Args(&[Word, Out(&STAT)])),
    row("lstat", "lstat64", Args(&[Word, Out(&STAT)])),
    row("lseek", "_llseek", Special),
    row("mmap", "mmap2", Special),
    row("brk", "brk", Address(&[Word])),
    row("rt_sigaction", "rt_sigaction", Special),
    row("select", "select", Args(&[Word, Word, Word, Word, InOut(&TIMEVAL)])),
    row("mremap", "mremap", Address(&[Word, Word, Word, Word, Word])),
    row("shmat", "shmat", Address(&[Word, Word, Word])),
    row("shmctl", "shmctl", Special),
    row("nanosleep", "clock_nanosleep_time64", Args(&[Const(CLOCK_MONOTONIC), Const(0), Word, Word])),
    row("getitimer", "getitimer", Args(&[Word, Out(&ITIMERVAL)])),
    row("setitimer", "setitimer", Args(&[Word, In(&ITIMERVAL), Out(&ITIMERVAL)])),
    row("sendfile", "sendfile64", Args(&[Word, Word, Word, Word])),
    row("sendmsg", "sendmsg", Special),
    row("recvmsg", "recvmsg", Special),
    row("setsockopt", "setsockopt", Special),
    row("getsockopt", "getsockopt", Special),
    row("clone", "clone", Unserved("threads are made by __wasm_thread_spawn, processes by fork")),
    row("vfork", "fork", Args(&[])),
    row("wait4", "wait4", Args(&[Word, Word, Word, Out(&RUSAGE)])),
    row("semctl", "semctl", Special),
    row("msgsnd", "msgsnd", Unserved("a message begins with a long, which is 8 bytes here and 4 there")),
    row("msgrcv", "msgrcv", Unserved("a message begins with a long, which is 8 bytes here and 4 there")),
    row("msgctl", "msgctl", Special),
    row("fcntl", "fcntl64", Special),
    row("truncate", "truncate64", Args(&[Word, Pair])),
    row("ftruncate", "ftruncate64", Args(&[Word, Pair])),
    row("getdents", "getdents64", Args(&[Word, Word, Word])),
    row("gettimeofday", "gettimeofday", Special),
    row("getrlimit", "prlimit64", Args(&[Const(0), Word, Const(0), Word])),
    row("getrusage", "getrusage", Args(&[Word, Out(&RUSAGE)])),
    row("sysinfo", "sysinfo", Args(&[Out(&SYSINFO)])),
    row("times", "times", Args(&[Out(&TMS)])),
    row("rt_sigtimedwait", "rt_sigtimedwait_time64", Args(&[Word, Out(&SIGINFO), Word, Word])),
    row("rt_sigqueueinfo", "rt_sigqueueinfo", Args(&[Word, Word, In(&SIGINFO)])),
    row("statfs", "statfs64", Args(&[Word, Const(STATFS_LEN), Out(&STATFS)])),
    row("fstatfs", "fstatfs64", Args(&[Word, Const(STATFS_LEN), Out(&STATFS)])),
    row("sched_rr_get_interval", "sched_rr_get_interval_time64", Args(&[Word, Word])),
    row("setrlimit", "prlimit64", Args(&[Const(0), Word, Word, Const(0)])),
    row("time", "clock_gettime64", Special),
    row("futex", "futex_time64", Args(&[Word, Word, Word, Word, Word, Word])),
    row("semtimedop", "semtimedop_time64", Args(&[Word, Word, Word, Word])),
    row("fadvise", "fadvise64_64", Args(&[Word, Pair, Pair, Word])),
    row("timer_settime", "timer_settime64", Args(&[Word, Word, Word, Word])),
    row("timer_gettime", "timer_gettime64", Args(&[Word, Word])),
    row("clock_settime", "clock_settime64", Args(&[Word, Word])),
    row("clock_gettime", "clock_gettime64", Args(&[Word, Word])),
    row("clock_getres", "clock_getres_time64", Args(&[Word, Word])),
    row("clock_nanosleep", "clock_nanosleep_time64", Args(&[Word, Word, Word, Word])),
    row("epoll_wait", "epoll_wait", Special),
    row("epoll_ctl", "epoll_ctl", Args(&[Word, Word, Word, In(&super::layout::EPOLL_EVENT)])),
    row("mq_open", "mq_open", Args(&[Word, Word, Word, In(&MQ_ATTR)])),
    row("mq_timedsend", "mq_timedsend_time64", Args(&[Word, Word, Word, Word, Word])),
    row("mq_timedreceive", "mq_timedreceive_time64", Args(&[Word, Word, Word, Word, Word])),
    row("mq_getsetattr", "mq_getsetattr", Args(&[Word, In(&MQ_ATTR), Out(&MQ_ATTR)])),
    row("waitid", "waitid", Args(&[Word, Word, Out(&SIGINFO), Word, Out(&RUSAGE)])),
    row("newfstatat", "fstatat64", Args(&[Word, Word, Out(&STAT), Word])),
    row("fstatat", "fstatat64", Args(&[Word, Word, Out(&STAT), Word])),
    row("pselect6", "pselect6_time64", Special),
    row("ppoll", "ppoll_time64", Args(&[Word, Word, Word, Word, Word])),
    row("set_robust_list", "set_robust_list", Unserved("its offset is a long, which is 8 bytes here and 4 there")),
    row("get_robust_list", "get_robust_list", Unserved("nothing sets one")),
    row("utimensat", "utimensat_time64", Args(&[Word, Word, Word, Word])),
    row("epoll_pwait", "epoll_pwait", Special),
    row("timerfd_settime", "timerfd_settime64", Args(&[Word, Word, Word, Word])),
    row("timerfd_gettime", "timerfd_gettime64", Args(&[Word, Word])),
    row("preadv", "preadv", Args(&[Word, Word, Word, Pair])),
    row("pwritev", "pwritev", Args(&[Word, Word, Word, Pair])),
    row("rt_tgsigqueueinfo", "rt_tgsigqueueinfo", Args(&[Word, Word, Word, In(&SIGINFO)])),
    row("recvmmsg", "recvmmsg_time64", Unserved("its array of msghdr is not converted: recvmsg is")),
    row("clock_adjtime", "clock_adjtime64", Unserved("the kernel lacks it")),
    row("sendmmsg", "sendmmsg", Unserved("its array of msghdr is not converted: sendmsg is")),
    row("preadv2", "preadv2", Args(&[Word, Word, Word, Pair, Skip, Word])),
    row("pwritev2", "pwritev2", Args(&[Word, Word, Word, Pair, Skip, Word])),
    row("pidfd_send_signal", "pidfd_send_signal", Args(&[Word, Word, In(&SIGINFO), Word])),
    row("epoll_pwait2", "epoll_pwait2", Special),
];
