//! Numbers that a call may take: flags, commands, sizes, by the names of its arguments.

use super::words::{Finds, pick};
use crate::common::Random;

/// What ioctl(2) is asked: of terminals, files, pipes, sockets.
const REQUESTS: [u32; 40] = [
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5405,
    0x5406,
    0x5409,
    0x540a,
    0x540b,
    0x540c,
    0x540d,
    0x540e,
    0x540f,
    0x5410,
    0x5411,
    0x5412,
    0x5413,
    0x5414,
    0x5415,
    0x541b,
    0x541d,
    0x5420,
    0x5421,
    0x5422,
    0x5423,
    0x5424,
    0x5429,
    0x5450,
    0x5451,
    0x5452,
    0x5460,
    0x8004_5430,
    0x4004_5431,
    0x8004_5432,
    0x8004_5438,
    0x8004_5439,
    0x802c_542a,
    0x402c_542b,
    2,
    0x8905,
];

/// Combinations of flags that `call` knows, for an argument of that name.
fn flags_of(call: &str) -> &'static [u32] {
    match call {
        "open" | "openat" => &[
            0, 1, 2, 0x41, 0x42, 0x42, 0x242, 0x442, 0x802, 0x8_0002, 0xc2, 0x1_0000, 0x20_0000,
            0x41_0002, 0x2_0000,
        ],
        "clone" => &[
            0x0011_0f00,
            0x0011_0f00,
            0x003d_0f00,
            0x0001_0f00,
            17,
            0x4111,
        ],
        "mmap2" => &[
            0x22, 0x22, 0x21, 0x01, 0x02, 0x32, 0x12, 0x10_0022, 0x4022, 0x8022,
        ],
        "mremap" => &[0, 1, 3, 1, 5],
        "msync" => &[1, 2, 4, 6],
        "accept4" | "timerfd_create" | "eventfd2" | "signalfd4" | "inotify_init1"
        | "pidfd_open" => &[0, 0x800, 0x8_0000, 0x8_0800],
        "pipe2" | "dup3" | "epoll_create1" => &[0, 0x800, 0x8_0000, 0x8_0800, 0x4000],
        "sendto" | "sendmsg" | "sendmmsg" => &[0x40, 0x40, 0x4040, 0, 0x41, 0x8040],
        "recvfrom" | "recvmsg" | "recvmmsg_time64" => {
            &[0x40, 0x40, 0x42, 0x140, 0, 0x60, 0x1_0040, 0x4000_0040]
        }
        "unlinkat" => &[0, 0, 0x200],
        "renameat2" => &[0, 1, 2, 4],
        "linkat" => &[0, 0x400, 0x1000],
        "splice" | "tee" | "vmsplice" => &[2, 2, 3, 0, 6],
        "close_range" => &[0, 2, 4, 4, 6],
        "memfd_create" => &[0, 1, 2, 3, 8],
        "getrandom" => &[0, 1, 2, 4],
        "shmget" | "semget" | "msgget" => &[0o1666, 0o1666, 0o3666, 0, 0o1600],
        "shmat" => &[0, 0o10000, 0o20000, 0o40000],
        "msgsnd" | "msgrcv" => &[0o4000, 0o4000, 0o14000, 0, 0o24000],
        "mount" => &[0, 0, 1, 0x20, 0x1000, 0x1001, 0x21, 0x4000, 6],
        "umount2" => &[0, 2, 8, 1],
        "timer_settime64" | "timerfd_settime64" | "clock_nanosleep_time64" => &[0, 0, 1, 3],
        "preadv2" | "pwritev2" => &[0, 0, 1, 2, 8, 0x10, 0x20],
        "setxattr" | "lsetxattr" | "fsetxattr" => &[0, 0, 1, 2],
        "unshare" => &[0, 0x200, 0x400, 0x600, 0x2_0000],
        "mq_open" => &[0x842, 0x42, 2, 0x802, 0xc2],
        "mlockall" => &[1, 2, 3, 4],
        "statx" | "fstatat64" | "faccessat2" | "fchmodat2" | "fchownat" | "utimensat_time64"
        | "execveat" => &[0, 0, 0x100, 0x1000, 0x1100, 0x800, 0x200],
        _ => &[0, 0, 0, 1, 2],
    }
}

/// A number for argument `name` of `call`; `before` are the words in front of it.
pub fn number(
    random: &mut Random,
    finds: &Finds,
    (call, name): (&str, &str),
    before: &[u32],
) -> u32 {
    let among = |random: &mut Random, list: &[u32]| pick(random, list).unwrap_or(0);
    match (call, name) {
        ("inotify_add_watch", "mask") => {
            among(random, &[0xfff, 2, 0x300, 0x8000_0fff, 0x1000_0002])
        }
        ("umask", "mask") => among(random, &[0o22, 0o77, 0]),
        ("statx", "mask") => among(random, &[0x7ff, 0xfff, 0, 0x8000_0000]),
        (_, "flags") => among(random, flags_of(call)),
        ("mknod" | "mknodat", "mode") => {
            among(random, &[0o10644, 0o100644, 0o140644, 0o20644, 0o60644])
        }
        ("access" | "faccessat" | "faccessat2", "mode") => random.below(8),
        ("fallocate", "mode") => among(random, &[0, 0, 1, 3, 0x10, 0x11, 8, 0x20, 2]),
        (_, "mode") => among(random, &[0o644, 0o600, 0o755, 0o777, 0, 0o1777, 0o4755]),
        (_, "device") => among(random, &[0, 0x103, 0x105, 0x501]),
        ("fcntl64", "command") => match random.below(4) {
            0 => among(random, &[5, 6, 7, 12, 13, 14, 36, 37, 38]),
            1 => 1024 + random.below(12),
            _ => random.below(17),
        },
        ("fcntl64", "argument") => match before.get(1) {
            Some(5..=7 | 12..=14 | 36..=38 | 15 | 16 | 1035..=1038) => super::words::AREA + 0x100,
            Some(4) => among(random, &[0, 0x800, 0x2000, 0x400]),
            Some(1031) => among(random, &[4096, 65536, 1 << 20]),
            _ => random.below(40),
        },
        ("ioctl", "request") => among(random, &REQUESTS),
        ("ioctl" | "reboot" | "prctl", "argument" | "arg2") => match random.below(2) {
            0 => super::words::AREA + 0x100 * random.below(4),
            _ => random.below(20),
        },
        ("prctl", "option") => among(
            random,
            &[
                1, 2, 3, 4, 7, 8, 15, 16, 21, 23, 24, 27, 28, 29, 30, 36, 37, 38, 39, 40, 47, 41,
                42, 59,
            ],
        ),
        ("prctl", _) => among(random, &[0, 0, 0, 1]),
        ("shmctl" | "msgctl" | "semctl", "command") => {
            among(random, &[0, 1, 2, 11, 12, 13, 14, 15, 16, 17])
        }
        ("semctl", "argument") => among(random, &[0, 1, 5, super::words::AREA + 0x100]),
        ("membarrier", "command") => among(random, &[0, 1, 2, 4, 8, 16]),
        ("kcmp", "kind") => random.below(9),
        ("reboot", "magic") => 0xfee1_dead,
        ("reboot", "magic2") => 0x2812_1969,
        ("reboot", "command") => among(
            random,
            &[0, 0, 0x89ab_cdef, 0x89ab_cdef, 0xcdef_0123, 0x0123_4567],
        ),
        ("epoll_ctl", "operation") => 1 + random.below(3),
        ("flock", "operation") => among(random, &[5, 6, 8, 1, 2]),
        (_, "operation") => {
            // futex(2), with and without FUTEX_PRIVATE_FLAG.
            among(random, &[0, 1, 3, 4, 5, 9, 10, 6, 7, 8]) | (0x80 * random.below(2))
        }
        ("futex" | "futex_time64", "value") => random.below(4),
        (_, "value3") => among(random, &[0, u32::MAX, 1]),
        ("syslog", "action") => among(random, &[0, 1, 3, 3, 6, 7, 9, 10]),
        ("socket" | "socketpair", "domain") => among(random, &[1, 1, 1, 1, 2, 10]),
        ("socket" | "socketpair", "kind") => among(random, &[1, 2, 5]) | (0x800 * random.below(2)),
        ("waitid", "kind") => random.below(4),
        (_, "options") => among(random, &[1, 5, 0xf, 0x0100_0005, 3]),
        ("msgrcv", "kind") => among(random, &[0, 1, 2, u32::MAX]),
        ("shutdown", "how") => random.below(3),
        ("rt_sigprocmask", "how") => random.below(3),
        (_, "level") => among(random, &[1, 1, 1, 1, 0, 6]),
        (_, "option") => random.below(80),
        (_, "protocol") => 0,
        (_, "signal") => among(
            random,
            &[0, 10, 12, 17, 23, 34, 35, 64, 20, 18, 14, 13, 9, 19],
        ),
        (_, "resource") => random.below(16),
        ("getpriority" | "setpriority" | "getitimer" | "setitimer", "which") => random.below(3),
        (_, "which") => 1 + random.below(3),
        ("getrusage", "who") => among(random, &[0, 1, u32::MAX]),
        (_, "who") => finds.pid(random),
        (_, "nice") => among(random, &[0, 5, 19, u32::MAX]),
        ("ioprio_set", "priority") => among(random, &[0, 0x4004, 0x6000]),
        (_, "clock") => random.below(12),
        (_, "whence") => random.below(5),
        (_, "key") => among(random, &[0, 1, 2, 3]),
        ("timer_settime64" | "timer_gettime64" | "timer_getoverrun" | "timer_delete", "id") => {
            random.below(4)
        }
        (_, "id" | "watch") => finds.id(random),
        ("semget" | "semctl", "count" | "index") => random.below(4),
        (_, "policy") => among(random, &[0, 3, 5, 1, 2, 6]),
        (_, "advice") => random.below(26),
        (_, "protection") => random.below(8),
        (_, "uid" | "gid" | "owner" | "group" | "real" | "effective" | "saved") => {
            among(random, &[0, 0, u32::MAX, 1000])
        }
        (_, "persona") => among(random, &[0, u32::MAX, 8]),
        (_, "timeout_ms") => among(random, &[0, 1, 500, u32::MAX]),
        (_, "seconds") => random.below(4),
        ("epoll_create", "size") => 1,
        ("statfs64" | "fstatfs64", "size") => 88,
        ("sched_getattr", "size") => among(random, &[48, 56, 40]),
        (_, "set_size") => 8,
        ("set_robust_list", "len") => 12,
        ("sched_setaffinity" | "sched_getaffinity", "len") => among(random, &[4, 8, 128]),
        ("bind" | "connect", "len") => among(random, &[6, 6, 9, 2]),
        (_, "address_len") => among(random, &[0, 6, 9]),
        ("setsockopt", "len") => among(random, &[4, 4, 8, 16]),
        ("mq_timedreceive_time64", "len") => among(random, &[8192, 8192, 64]),
        (_, "len" | "old_len" | "new_len") if is_of_memory(call) => {
            among(random, &[0x1000, 0x2000, 0x4000, 0x1_0000, 100, 0])
        }
        (_, "first" | "last") => match random.below(4) {
            0 => u32::MAX,
            _ => 25 + random.below(30),
        },
        (_, "offset_pages") => among(random, &[0, 0, 1, 3]),
        (_, "offset_high") => 0,
        (_, "cpu") => 0,
        (_, "max_events") => 1 + random.below(8),
        (_, "nr_fds") => random.below(25),
        (_, "nr_iov" | "nr_local" | "nr_remote" | "nr_messages" | "nr_operations" | "backlog") => {
            random.below(4)
        }
        (_, "priority" | "first_index" | "second_index") => random.below(5),
        (_, "status") => random.below(300),
        (_, "offset" | "offset_low") => among(random, &[0, 1, 100, 4096, 0x4000]),
        _ => match random.below(8) {
            0 => 0,
            1 => 4096,
            2 => 0x1_0000,
            _ => random.below(300),
        },
    }
}

/// Whether the sizes of a call are those of mappings.
fn is_of_memory(call: &str) -> bool {
    let is_mapping = [
        "mmap2", "munmap", "mremap", "mprotect", "madvise", "msync", "mincore",
    ];
    is_mapping.contains(&call) || call.starts_with("mlock") || call == "munlock"
}
