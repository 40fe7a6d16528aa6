//! System V IPC.

flags! {
    "sysvipc(7)": u32 {
        IPC_CREAT = 0o1000,
        IPC_EXCL = 0o2000,
        IPC_NOWAIT = 0o4000,
        IPC_64 = 0x100,
    }
    "sysvipc(7)": i32 {
        IPC_PRIVATE = 0,
        IPC_RMID = 0,
        IPC_SET = 1,
        IPC_STAT = 2,
    }
    "shmat(2)": u32 {
        SHM_RDONLY = 0o10000,
        SHM_RND = 0o20000,
        SHM_REMAP = 0o40000,
        SHM_DEST = 0o1000,
    }
    "semop(2)": u32 {
        SEM_UNDO = 0x1000,
    }
    "semop(2)": u16 {
        SEMVMX = 32767,
    }
    "semctl(2)": i32 {
        GETPID = 11,
        GETVAL = 12,
        GETALL = 13,
        GETNCNT = 14,
        GETZCNT = 15,
        SETVAL = 16,
        SETALL = 17,
    }
    "msgrcv(2)": u32 {
        MSG_NOERROR = 0o10000,
        MSG_EXCEPT = 0o20000,
        MSG_COPY = 0o40000,
    }
    "msgget(2)": usize {
        MSGMAX = 8192,
        MSGMNB = 16384,
    }
}
