//! Files that tell of events: epoll, eventfd, timerfd, signalfd, inotify; timers of a process.

flags! {
    "epoll_ctl(2)": u32 {
        EPOLLIN = 0x0001,
        EPOLLPRI = 0x0002,
        EPOLLOUT = 0x0004,
        EPOLLERR = 0x0008,
        EPOLLHUP = 0x0010,
        EPOLLRDNORM = 0x0040,
        EPOLLWRNORM = 0x0100,
        EPOLLRDHUP = 0x2000,
        EPOLLEXCLUSIVE = 1 << 28,
        EPOLLWAKEUP = 1 << 29,
        EPOLLONESHOT = 1 << 30,
        EPOLLET = 1 << 31,
    }
    "epoll_ctl(2)": i32 {
        EPOLL_CTL_ADD = 1,
        EPOLL_CTL_DEL = 2,
        EPOLL_CTL_MOD = 3,
    }
    "eventfd(2)": u32 {
        EFD_SEMAPHORE = 1,
    }
    "inotify(7)": u32 {
        IN_ACCESS = 0x0001,
        IN_MODIFY = 0x0002,
        IN_ATTRIB = 0x0004,
        IN_CLOSE_WRITE = 0x0008,
        IN_CLOSE_NOWRITE = 0x0010,
        IN_OPEN = 0x0020,
        IN_MOVED_FROM = 0x0040,
        IN_MOVED_TO = 0x0080,
        IN_CREATE = 0x0100,
        IN_DELETE = 0x0200,
        IN_DELETE_SELF = 0x0400,
        IN_MOVE_SELF = 0x0800,
        IN_ALL_EVENTS = 0x0fff,
        IN_UNMOUNT = 0x2000,
        IN_Q_OVERFLOW = 0x4000,
        IN_IGNORED = 0x8000,
        IN_ONLYDIR = 0x0100_0000,
        IN_DONT_FOLLOW = 0x0200_0000,
        IN_EXCL_UNLINK = 0x0400_0000,
        IN_MASK_CREATE = 0x1000_0000,
        IN_MASK_ADD = 0x2000_0000,
        IN_ISDIR = 0x4000_0000,
        IN_ONESHOT = 0x8000_0000,
    }
    "sigevent(3type)": i32 {
        SIGEV_SIGNAL = 0,
        SIGEV_NONE = 1,
        SIGEV_THREAD = 2,
        SIGEV_THREAD_ID = 4,
    }
}
