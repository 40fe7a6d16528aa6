//! Opening files and handling descriptors.

flags! {
    "open(2)": u32 {
        O_ACCMODE = 0o3,
        O_RDONLY = 0o0,
        O_WRONLY = 0o1,
        O_RDWR = 0o2,
        O_CREAT = 0o100,
        O_EXCL = 0o200,
        O_NOCTTY = 0o400,
        O_TRUNC = 0o1000,
        O_APPEND = 0o2000,
        O_NONBLOCK = 0o4000,
        O_DSYNC = 0o10_000,
        O_ASYNC = 0o20_000,
        O_DIRECT = 0o40_000,
        O_LARGEFILE = 0o100_000,
        O_DIRECTORY = 0o200_000,
        O_NOFOLLOW = 0o400_000,
        O_NOATIME = 0o1_000_000,
        O_CLOEXEC = 0o2_000_000,
        O_SYNC = 0o4_010_000,
        O_PATH = 0o10_000_000,
        O_TMPFILE = 0o20_200_000,
        O_SETTABLE = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME,
    }
    "pipe2(2)": u32 {
        O_NOTIFICATION_PIPE = O_EXCL,
    }
    "fcntl(2)": i32 {
        F_DUPFD = 0,
        F_GETFD = 1,
        F_SETFD = 2,
        F_GETFL = 3,
        F_SETFL = 4,
        F_GETLK = 5,
        F_SETLK = 6,
        F_SETLKW = 7,
        F_SETOWN = 8,
        F_GETOWN = 9,
        F_SETSIG = 10,
        F_GETSIG = 11,
        F_GETLK64 = 12,
        F_SETLK64 = 13,
        F_SETLKW64 = 14,
        F_SETOWN_EX = 15,
        F_GETOWN_EX = 16,
        F_GETOWNER_UIDS = 17,
        F_OFD_GETLK = 36,
        F_OFD_SETLK = 37,
        F_OFD_SETLKW = 38,
        F_SETLEASE = 1024,
        F_GETLEASE = 1025,
        F_NOTIFY = 1026,
        F_DUPFD_QUERY = 1027,
        F_DUPFD_CLOEXEC = 1030,
        F_SETPIPE_SZ = 1031,
        F_GETPIPE_SZ = 1032,
        F_ADD_SEALS = 1033,
        F_GET_SEALS = 1034,
    }
    "fcntl(2)": u32 {
        FD_CLOEXEC = 1,
    }
    "fcntl(2)": i16 {
        F_RDLCK = 0,
        F_WRLCK = 1,
        F_UNLCK = 2,
    }
    "flock(2)": u32 {
        LOCK_SH = 1,
        LOCK_EX = 2,
        LOCK_NB = 4,
        LOCK_UN = 8,
    }
    "close_range(2)": u32 {
        CLOSE_RANGE_UNSHARE = 1 << 1,
        CLOSE_RANGE_CLOEXEC = 1 << 2,
    }
    "poll(2)": u16 {
        POLLIN = 0x001,
        POLLPRI = 0x002,
        POLLOUT = 0x004,
        POLLERR = 0x008,
        POLLHUP = 0x010,
        POLLNVAL = 0x020,
        POLLRDNORM = 0x040,
        POLLRDBAND = 0x080,
        POLLWRNORM = 0x100,
        POLLWRBAND = 0x200,
        POLLMSG = 0x400,
        POLLRDHUP = 0x2000,
    }
    "lseek(2)": u32 {
        SEEK_SET = 0,
        SEEK_CUR = 1,
        SEEK_END = 2,
        SEEK_DATA = 3,
        SEEK_HOLE = 4,
    }
    "preadv2(2)": u32 {
        RWF_HIPRI = 0x01,
        RWF_DSYNC = 0x02,
        RWF_SYNC = 0x04,
        RWF_NOWAIT = 0x08,
        RWF_APPEND = 0x10,
        RWF_NOAPPEND = 0x20,
    }
}
