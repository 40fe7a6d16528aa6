//! Paths, modes, attributes and mounts.

flags! {
    "openat(2)": i32 {
        AT_FDCWD = -100,
    }
    "openat(2)": u32 {
        AT_SYMLINK_NOFOLLOW = 0x100,
        AT_REMOVEDIR = 0x200,
        AT_EACCESS = 0x200,
        AT_SYMLINK_FOLLOW = 0x400,
        AT_NO_AUTOMOUNT = 0x800,
        AT_EMPTY_PATH = 0x1000,
        AT_STATX_SYNC_TYPE = 0x6000,
        AT_STATX_SYNC_AS_STAT = 0x0000,
        AT_STATX_FORCE_SYNC = 0x2000,
        AT_STATX_DONT_SYNC = 0x4000,
        AT_RECURSIVE = 0x8000,
    }
    "access(2)": u32 {
        F_OK = 0,
        X_OK = 1,
        W_OK = 2,
        R_OK = 4,
    }
    "inode(7)": u32 {
        S_IFMT = 0o170_000,
        S_IFSOCK = 0o140_000,
        S_IFLNK = 0o120_000,
        S_IFREG = 0o100_000,
        S_IFBLK = 0o060_000,
        S_IFDIR = 0o040_000,
        S_IFCHR = 0o020_000,
        S_IFIFO = 0o010_000,
        S_ISUID = 0o4000,
        S_ISGID = 0o2000,
        S_ISVTX = 0o1000,
        S_IRWXU = 0o700,
        S_IRUSR = 0o400,
        S_IWUSR = 0o200,
        S_IXUSR = 0o100,
        S_IRWXG = 0o070,
        S_IRGRP = 0o040,
        S_IWGRP = 0o020,
        S_IXGRP = 0o010,
        S_IRWXO = 0o007,
        S_IROTH = 0o004,
        S_IWOTH = 0o002,
        S_IXOTH = 0o001,
        S_IALLUGO = 0o7777,
        S_IRWXUGO = 0o777,
    }
    "getdents(2)": u8 {
        DT_UNKNOWN = 0,
        DT_FIFO = 1,
        DT_CHR = 2,
        DT_DIR = 4,
        DT_BLK = 6,
        DT_REG = 8,
        DT_LNK = 10,
        DT_SOCK = 12,
    }
    "rename(2)": u32 {
        RENAME_NOREPLACE = 1,
        RENAME_EXCHANGE = 2,
        RENAME_WHITEOUT = 4,
    }
    "statx(2)": u32 {
        STATX_TYPE = 0x0001,
        STATX_MODE = 0x0002,
        STATX_NLINK = 0x0004,
        STATX_UID = 0x0008,
        STATX_GID = 0x0010,
        STATX_ATIME = 0x0020,
        STATX_MTIME = 0x0040,
        STATX_CTIME = 0x0080,
        STATX_INO = 0x0100,
        STATX_SIZE = 0x0200,
        STATX_BLOCKS = 0x0400,
        STATX_BASIC_STATS = 0x07ff,
        STATX_BTIME = 0x0800,
        STATX_MNT_ID = 0x1000,
        STATX_RESERVED = 0x8000_0000,
    }
    "statx(2)": u64 {
        STATX_ATTR_COMPRESSED = 0x0004,
        STATX_ATTR_IMMUTABLE = 0x0010,
        STATX_ATTR_APPEND = 0x0020,
        STATX_ATTR_NODUMP = 0x0040,
        STATX_ATTR_MOUNT_ROOT = 0x2000,
    }
    "utimensat(2)": i64 {
        UTIME_NOW = 0x3fff_ffff,
        UTIME_OMIT = 0x3fff_fffe,
    }
    "fallocate(2)": u32 {
        FALLOC_FL_KEEP_SIZE = 0x01,
        FALLOC_FL_PUNCH_HOLE = 0x02,
        FALLOC_FL_COLLAPSE_RANGE = 0x08,
        FALLOC_FL_ZERO_RANGE = 0x10,
        FALLOC_FL_INSERT_RANGE = 0x20,
        FALLOC_FL_UNSHARE_RANGE = 0x40,
    }
    "setxattr(2)": u32 {
        XATTR_CREATE = 1,
        XATTR_REPLACE = 2,
    }
    "splice(2)": u32 {
        SPLICE_F_MOVE = 0x01,
        SPLICE_F_NONBLOCK = 0x02,
        SPLICE_F_MORE = 0x04,
        SPLICE_F_GIFT = 0x08,
        SPLICE_F_ALL = 0x0f,
    }
    "posix_fadvise(2)": i32 {
        POSIX_FADV_NORMAL = 0,
        POSIX_FADV_RANDOM = 1,
        POSIX_FADV_SEQUENTIAL = 2,
        POSIX_FADV_WILLNEED = 3,
        POSIX_FADV_DONTNEED = 4,
        POSIX_FADV_NOREUSE = 5,
    }
    "sync_file_range(2)": u32 {
        SYNC_FILE_RANGE_WAIT_BEFORE = 1,
        SYNC_FILE_RANGE_WRITE = 2,
        SYNC_FILE_RANGE_WAIT_AFTER = 4,
    }
    "mount(2)": u32 {
        MS_RDONLY = 1,
        MS_NOSUID = 1 << 1,
        MS_NODEV = 1 << 2,
        MS_NOEXEC = 1 << 3,
        MS_SYNCHRONOUS = 1 << 4,
        MS_REMOUNT = 1 << 5,
        MS_MANDLOCK = 1 << 6,
        MS_DIRSYNC = 1 << 7,
        MS_NOSYMFOLLOW = 1 << 8,
        MS_NOATIME = 1 << 10,
        MS_NODIRATIME = 1 << 11,
        MS_BIND = 1 << 12,
        MS_MOVE = 1 << 13,
        MS_REC = 1 << 14,
        MS_SILENT = 1 << 15,
        MS_POSIXACL = 1 << 16,
        MS_UNBINDABLE = 1 << 17,
        MS_PRIVATE = 1 << 18,
        MS_SLAVE = 1 << 19,
        MS_SHARED = 1 << 20,
        MS_RELATIME = 1 << 21,
        MS_STRICTATIME = 1 << 24,
        MS_LAZYTIME = 1 << 25,
        MS_MGC_VAL = 0xc0ed_0000,
        MS_MGC_MSK = 0xffff_0000,
    }
    "umount2(2)": u32 {
        MNT_FORCE = 1,
        MNT_DETACH = 2,
        MNT_EXPIRE = 4,
        UMOUNT_NOFOLLOW = 8,
    }
    "statfs(2)": u32 {
        EXT2_SUPER_MAGIC = 0xef53,
        TMPFS_MAGIC = 0x0102_1994,
        PROC_SUPER_MAGIC = 0x9fa0,
        SYSFS_MAGIC = 0x6265_6572,
        DEVPTS_SUPER_MAGIC = 0x1cd1,
        PIPEFS_MAGIC = 0x5049_5045,
        SOCKFS_MAGIC = 0x534f_434b,
        ANON_INODE_FS_MAGIC = 0x0904_1934,
        ST_RDONLY = 0x0001,
        ST_NOSUID = 0x0002,
        ST_NODEV = 0x0004,
        ST_NOEXEC = 0x0008,
        ST_SYNCHRONOUS = 0x0010,
        ST_VALID = 0x0020,
        ST_NOATIME = 0x0400,
        ST_NODIRATIME = 0x0800,
        ST_RELATIME = 0x1000,
    }
}
