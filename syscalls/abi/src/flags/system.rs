//! Futexes, randomness and the machine.

flags! {
    "futex(2)": i32 {
        FUTEX_WAIT = 0,
        FUTEX_WAKE = 1,
        FUTEX_FD = 2,
        FUTEX_REQUEUE = 3,
        FUTEX_CMP_REQUEUE = 4,
        FUTEX_WAKE_OP = 5,
        FUTEX_LOCK_PI = 6,
        FUTEX_UNLOCK_PI = 7,
        FUTEX_TRYLOCK_PI = 8,
        FUTEX_WAIT_BITSET = 9,
        FUTEX_WAKE_BITSET = 10,
        FUTEX_WAIT_REQUEUE_PI = 11,
        FUTEX_CMP_REQUEUE_PI = 12,
        FUTEX_LOCK_PI2 = 13,
        FUTEX_PRIVATE_FLAG = 128,
        FUTEX_CLOCK_REALTIME = 256,
        FUTEX_CMD_MASK = !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME),
    }
    "futex(2)": u32 {
        FUTEX_BITSET_MATCH_ANY = 0xffff_ffff,
        FUTEX_WAITERS = 0x8000_0000,
        FUTEX_OWNER_DIED = 0x4000_0000,
        FUTEX_TID_MASK = 0x3fff_ffff,
    }
    "getrandom(2)": u32 {
        GRND_NONBLOCK = 1,
        GRND_RANDOM = 2,
        GRND_INSECURE = 4,
    }
    "membarrier(2)": i32 {
        MEMBARRIER_CMD_QUERY = 0,
        MEMBARRIER_CMD_GLOBAL = 1,
        MEMBARRIER_CMD_GLOBAL_EXPEDITED = 1 << 1,
        MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 1 << 2,
        MEMBARRIER_CMD_PRIVATE_EXPEDITED = 1 << 3,
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 1 << 4,
    }
    "reboot(2)": u32 {
        LINUX_REBOOT_MAGIC1 = 0xfee1_dead,
        LINUX_REBOOT_MAGIC2 = 672_274_793,
        LINUX_REBOOT_MAGIC2A = 85_072_278,
        LINUX_REBOOT_MAGIC2B = 369_367_448,
        LINUX_REBOOT_MAGIC2C = 537_993_216,
        LINUX_REBOOT_CMD_RESTART = 0x0123_4567,
        LINUX_REBOOT_CMD_HALT = 0xcdef_0123,
        LINUX_REBOOT_CMD_CAD_ON = 0x89ab_cdef,
        LINUX_REBOOT_CMD_CAD_OFF = 0,
        LINUX_REBOOT_CMD_POWER_OFF = 0x4321_fedc,
        LINUX_REBOOT_CMD_RESTART2 = 0xa1b2_c3d4,
    }
    "syslog(2)": i32 {
        SYSLOG_ACTION_CLOSE = 0,
        SYSLOG_ACTION_OPEN = 1,
        SYSLOG_ACTION_READ = 2,
        SYSLOG_ACTION_READ_ALL = 3,
        SYSLOG_ACTION_READ_CLEAR = 4,
        SYSLOG_ACTION_CLEAR = 5,
        SYSLOG_ACTION_CONSOLE_OFF = 6,
        SYSLOG_ACTION_CONSOLE_ON = 7,
        SYSLOG_ACTION_CONSOLE_LEVEL = 8,
        SYSLOG_ACTION_SIZE_UNREAD = 9,
        SYSLOG_ACTION_SIZE_BUFFER = 10,
    }
}
