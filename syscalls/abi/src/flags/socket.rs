//! Sockets: families, types, flags of messages, options.

flags! {
    "socket(2)": i32 {
        AF_UNSPEC = 0,
        AF_UNIX = 1,
        AF_INET = 2,
        AF_INET6 = 10,
        SOCK_STREAM = 1,
        SOCK_DGRAM = 2,
        SOCK_RAW = 3,
        SOCK_SEQPACKET = 5,
        SOCK_MAX = 11,
        SOCK_TYPE_MASK = 0xf,
        SOCK_NONBLOCK = 0x800,
        SOCK_CLOEXEC = 0x8_0000,
    }
    "shutdown(2)": i32 {
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
    }
    "sendmsg(2)": u32 {
        MSG_OOB = 0x1,
        MSG_PEEK = 0x2,
        MSG_DONTROUTE = 0x4,
        MSG_CTRUNC = 0x8,
        MSG_TRUNC = 0x20,
        MSG_DONTWAIT = 0x40,
        MSG_EOR = 0x80,
        MSG_WAITALL = 0x100,
        MSG_ERRQUEUE = 0x2000,
        MSG_NOSIGNAL = 0x4000,
        MSG_MORE = 0x8000,
        MSG_WAITFORONE = 0x1_0000,
        MSG_CMSG_CLOEXEC = 0x4000_0000,
    }
    "unix(7)": i32 {
        SCM_RIGHTS = 1,
        SCM_CREDENTIALS = 2,
    }
    "socket(7)": i32 {
        SOL_SOCKET = 1,
        SO_DEBUG = 1,
        SO_REUSEADDR = 2,
        SO_TYPE = 3,
        SO_ERROR = 4,
        SO_DONTROUTE = 5,
        SO_BROADCAST = 6,
        SO_SNDBUF = 7,
        SO_RCVBUF = 8,
        SO_KEEPALIVE = 9,
        SO_OOBINLINE = 10,
        SO_NO_CHECK = 11,
        SO_PRIORITY = 12,
        SO_LINGER = 13,
        SO_REUSEPORT = 15,
        SO_PASSCRED = 16,
        SO_PEERCRED = 17,
        SO_RCVLOWAT = 18,
        SO_SNDLOWAT = 19,
        SO_RCVTIMEO_OLD = 20,
        SO_SNDTIMEO_OLD = 21,
        SO_TIMESTAMP_OLD = 29,
        SO_ACCEPTCONN = 30,
        SO_SNDBUFFORCE = 32,
        SO_RCVBUFFORCE = 33,
        SO_PROTOCOL = 38,
        SO_DOMAIN = 39,
        SO_PEERGROUPS = 59,
        SO_RCVTIMEO_NEW = 66,
        SO_SNDTIMEO_NEW = 67,
    }
    "proc_net(5)": u32 {
        SO_ACCEPTCON = 0x1_0000,
    }
}
