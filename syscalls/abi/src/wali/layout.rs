//! Structures that are wide in `wali` (x86-64's layout, with pointers of 4 bytes) and narrow in linux32.
//!
//! A structure that both have alike is not here: `timespec` of 64-bit time, `iovec`, `pollfd`, `rlimit`
//! as `prlimit64` has it, `statx`, `utsname`, `stack_t`, `flock` of 64 bits, `linux_dirent64`, `sigevent`.

/// One member: the address in both forms, and how many bytes it has there (1, 2, 4 or 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Offset in the wide form.
    pub wide: u32,
    /// Bytes in the wide form.
    pub wide_len: u32,
    /// Offset in the narrow form.
    pub narrow: u32,
    /// Bytes in the narrow form.
    pub narrow_len: u32,
    /// Whether it has a sign. What does not fit is cut to the largest number that does.
    pub is_signed: bool,
}

/// A structure in both forms. What no member names is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// C's name.
    pub name: &'static str,
    /// Bytes of the wide form, as Linux writes them.
    pub wide_len: u32,
    /// Bytes of the narrow form.
    pub narrow_len: u32,
    /// Its members.
    pub members: &'static [Member],
}

/// The same number of bytes in both.
const fn same(wide: u32, narrow: u32, len: u32) -> Member {
    Member {
        wide,
        wide_len: len,
        narrow,
        narrow_len: len,
        is_signed: false,
    }
}

/// 8 bytes here, 4 there: a `long`.
const fn long(wide: u32, narrow: u32) -> Member {
    Member {
        wide,
        wide_len: 8,
        narrow,
        narrow_len: 4,
        is_signed: true,
    }
}

/// 8 bytes here, 4 there: an `unsigned long`.
const fn ulong(wide: u32, narrow: u32) -> Member {
    Member {
        is_signed: false,
        ..long(wide, narrow)
    }
}

/// `struct stat` and linux32's `struct stat64`.
pub const STAT: Layout = Layout {
    name: "struct stat",
    wide_len: 144,
    narrow_len: 152,
    members: &[
        same(0, 0, 8),
        same(8, 96, 8),
        ulong(16, 20),
        same(24, 16, 4),
        same(28, 24, 4),
        same(32, 28, 4),
        same(40, 32, 8),
        same(48, 48, 8),
        ulong(56, 56),
        same(64, 64, 8),
        same(72, 104, 8),
        long(80, 112),
        same(88, 120, 8),
        long(96, 128),
        same(104, 136, 8),
        long(112, 144),
    ],
};

/// `struct statfs` and linux32's `struct statfs64`.
pub const STATFS: Layout = Layout {
    name: "struct statfs",
    wide_len: 120,
    narrow_len: 88,
    members: &[
        ulong(0, 0),
        ulong(8, 4),
        same(16, 8, 8),
        same(24, 16, 8),
        same(32, 24, 8),
        same(40, 32, 8),
        same(48, 40, 8),
        same(56, 48, 8),
        ulong(64, 56),
        ulong(72, 60),
        ulong(80, 64),
    ],
};

/// `struct sysinfo`. The specification's has more room at its end, which Linux does not write.
pub const SYSINFO: Layout = Layout {
    name: "struct sysinfo",
    wide_len: 112,
    narrow_len: 64,
    members: &[
        long(0, 0),
        ulong(8, 4),
        ulong(16, 8),
        ulong(24, 12),
        ulong(32, 16),
        ulong(40, 20),
        ulong(48, 24),
        ulong(56, 28),
        ulong(64, 32),
        ulong(72, 36),
        same(80, 40, 2),
        ulong(88, 44),
        ulong(96, 48),
        same(104, 52, 4),
    ],
};

/// `struct rusage`. The specification's has more room at its end, which Linux does not write.
pub const RUSAGE: Layout = Layout {
    name: "struct rusage",
    wide_len: 144,
    narrow_len: 72,
    members: &[
        long(0, 0),
        long(8, 4),
        long(16, 8),
        long(24, 12),
        long(32, 16),
        long(40, 20),
        long(48, 24),
        long(56, 28),
        long(64, 32),
        long(72, 36),
        long(80, 40),
        long(88, 44),
        long(96, 48),
        long(104, 52),
        long(112, 56),
        long(120, 60),
        long(128, 64),
        long(136, 68),
    ],
};

/// `struct timeval`.
pub const TIMEVAL: Layout = Layout {
    name: "struct timeval",
    wide_len: 16,
    narrow_len: 8,
    members: &[long(0, 0), long(8, 4)],
};

/// `struct itimerval`.
pub const ITIMERVAL: Layout = Layout {
    name: "struct itimerval",
    wide_len: 32,
    narrow_len: 16,
    members: &[long(0, 0), long(8, 4), long(16, 8), long(24, 12)],
};

/// `struct tms`.
pub const TMS: Layout = Layout {
    name: "struct tms",
    wide_len: 32,
    narrow_len: 16,
    members: &[long(0, 0), long(8, 4), long(16, 8), long(24, 12)],
};

/// `siginfo_t`: of its union the members that processes, children and timers have.
pub const SIGINFO: Layout = Layout {
    name: "siginfo_t",
    wide_len: 128,
    narrow_len: 128,
    members: &[
        same(0, 0, 4),
        same(4, 4, 4),
        same(8, 8, 4),
        same(16, 12, 4),
        same(20, 16, 4),
        same(24, 20, 4),
        long(32, 24),
        long(40, 28),
    ],
};

/// The kernel's `struct sigaction`, packed: handler, flags, restorer, mask.
pub const SIGACTION: Layout = Layout {
    name: "struct k_sigaction",
    wide_len: 24,
    narrow_len: 20,
    members: &[same(0, 0, 4), ulong(4, 4), same(12, 8, 4), same(16, 12, 8)],
};

/// `struct epoll_event`, which is packed on x86-64 alone.
pub const EPOLL_EVENT: Layout = Layout {
    name: "struct epoll_event",
    wide_len: 12,
    narrow_len: 16,
    members: &[same(0, 0, 4), same(4, 8, 8)],
};

/// `struct msghdr`.
pub const MSGHDR: Layout = Layout {
    name: "struct msghdr",
    wide_len: 36,
    narrow_len: 28,
    members: &[
        same(0, 0, 4),
        same(4, 4, 4),
        same(8, 8, 4),
        same(12, 12, 4),
        same(20, 16, 4),
        same(24, 20, 4),
        same(32, 24, 4),
    ],
};

/// `struct mq_attr`.
pub const MQ_ATTR: Layout = Layout {
    name: "struct mq_attr",
    wide_len: 64,
    narrow_len: 32,
    members: &[long(0, 0), long(8, 4), long(16, 8), long(24, 12)],
};

/// `struct ipc_perm` and what comes behind it.
macro_rules! ipc_layout {
    ($name:literal, $wide_len:literal, $narrow_len:literal, [$($member:expr),* $(,)?]) => {
        Layout {
            name: $name,
            wide_len: $wide_len,
            narrow_len: $narrow_len,
            members: &[
                same(0, 0, 4),
                same(4, 4, 4),
                same(8, 8, 4),
                same(12, 12, 4),
                same(16, 16, 4),
                same(20, 20, 4),
                same(24, 24, 2),
                $($member),*
            ],
        }
    };
}

/// `struct shmid_ds`.
pub const SHMID_DS: Layout = ipc_layout!(
    "struct shmid_ds",
    112,
    88,
    [
        ulong(48, 36),
        same(56, 40, 8),
        same(64, 48, 8),
        same(72, 56, 8),
        same(80, 64, 4),
        same(84, 68, 4),
        ulong(88, 72),
    ]
);

/// `struct semid_ds`.
pub const SEMID_DS: Layout = ipc_layout!(
    "struct semid_ds",
    104,
    64,
    [same(48, 36, 8), same(64, 44, 8), ulong(80, 52)]
);

/// `struct msqid_ds`.
pub const MSQID_DS: Layout = ipc_layout!(
    "struct msqid_ds",
    120,
    88,
    [
        same(48, 36, 8),
        same(56, 44, 8),
        same(64, 52, 8),
        ulong(72, 60),
        ulong(80, 64),
        ulong(88, 68),
        same(96, 72, 4),
        same(100, 76, 4),
    ]
);

/// All of them.
pub const LAYOUTS: [&Layout; 15] = [
    &STAT,
    &STATFS,
    &SYSINFO,
    &RUSAGE,
    &TIMEVAL,
    &ITIMERVAL,
    &TMS,
    &SIGINFO,
    &SIGACTION,
    &EPOLL_EVENT,
    &MSGHDR,
    &MQ_ATTR,
    &SHMID_DS,
    &SEMID_DS,
    &MSQID_DS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout;

    #[test]
    fn members_lie_inside_and_apart() {
        for layout in LAYOUTS {
            let mut wide_end = 0;
            let mut narrow = [false; 256];
            for member in layout.members {
                assert!(
                    member.wide >= wide_end,
                    "{} at {}",
                    layout.name,
                    member.wide
                );
                wide_end = member.wide + member.wide_len;
                let range = member.narrow..member.narrow + member.narrow_len;
                assert!(
                    range.end <= layout.narrow_len,
                    "{} at {}",
                    layout.name,
                    member.wide
                );
                for at in range {
                    let taken = &mut narrow[usize::try_from(at).unwrap()];
                    assert!(!*taken, "{} at {at}", layout.name);
                    *taken = true;
                }
            }
            assert!(wide_end <= layout.wide_len, "{}", layout.name);
        }
    }

    #[test]
    fn narrow_forms_have_the_size_of_the_kernels() {
        let len = |len: usize| u32::try_from(len).unwrap();
        let sizes = [
            (STAT, layout::stat::Stat64::SIZE),
            (STATFS, layout::stat::Statfs64::SIZE),
            (SYSINFO, layout::process::Sysinfo::SIZE),
            (RUSAGE, layout::time::Rusage32::SIZE),
            (TIMEVAL, layout::time::Timeval32::SIZE),
            (ITIMERVAL, layout::time::Itimerval32::SIZE),
            (TMS, layout::time::Tms::SIZE),
            (SIGINFO, layout::signal::SigInfo::SIZE),
            (SIGACTION, layout::signal::SigAction::SIZE),
            (EPOLL_EVENT, layout::event::EpollEvent::SIZE),
            (MSGHDR, layout::socket::MsgHdr::SIZE),
            (MQ_ATTR, layout::ipc::MqAttr::SIZE),
            (SHMID_DS, layout::ipc::ShmidDs::SIZE),
            (SEMID_DS, layout::ipc::SemidDs::SIZE),
            (MSQID_DS, layout::ipc::MsqidDs::SIZE),
        ];
        for (layout, size) in sizes {
            assert_eq!(layout.narrow_len, len(size), "{}", layout.name);
        }
    }
}
