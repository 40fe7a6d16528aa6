//! The constants of WASI preview 1.

/// `lookupflags`: symbolic links at the end of a path are followed.
pub const LOOKUP_SYMLINK_FOLLOW: u32 = 1;

/// `oflags`: make the file if there is none.
pub const OFLAGS_CREAT: u32 = 1;
/// Fail unless it is a directory.
pub const OFLAGS_DIRECTORY: u32 = 2;
/// Fail if there is a file.
pub const OFLAGS_EXCL: u32 = 4;
/// Cut the file to size 0.
pub const OFLAGS_TRUNC: u32 = 8;

/// `fdflags`: writes go to the end.
pub const FDFLAGS_APPEND: u32 = 1;
/// Contents are durable when a write returns.
pub const FDFLAGS_DSYNC: u32 = 2;
/// Calls fail with `EAGAIN` instead of waiting.
pub const FDFLAGS_NONBLOCK: u32 = 4;
/// As the other two for reads.
pub const FDFLAGS_RSYNC: u32 = 8;
/// Contents and attributes are durable when a write returns.
pub const FDFLAGS_SYNC: u32 = 16;

/// `fstflags`: set the access time to what is given.
pub const FST_ATIM: u32 = 1;
/// Set it to now.
pub const FST_ATIM_NOW: u32 = 2;
/// Set the modification time to what is given.
pub const FST_MTIM: u32 = 4;
/// Set it to now.
pub const FST_MTIM_NOW: u32 = 8;

/// `subclockflags`: the timeout is a moment, not a span.
pub const SUBCLOCK_ABSTIME: u16 = 1;
/// `eventrwflags`: the other side is gone.
pub const EVENT_HANGUP: u16 = 1;

/// `eventtype`: a clock, something to read, room to write.
pub const EVENT_CLOCK: u8 = 0;
/// Something can be read.
pub const EVENT_FD_READ: u8 = 1;
/// Something can be written.
pub const EVENT_FD_WRITE: u8 = 2;

/// `clockid`: since 1970.
pub const CLOCK_REALTIME: u32 = 0;
/// Since some moment, never set back.
pub const CLOCK_MONOTONIC: u32 = 1;
/// The time that the process ran.
pub const CLOCK_PROCESS_CPUTIME: u32 = 2;
/// The time that the thread ran.
pub const CLOCK_THREAD_CPUTIME: u32 = 3;

/// `riflags`: look, but do not take.
pub const RI_PEEK: u32 = 1;
/// `riflags`: wait until all buffers are full.
pub const RI_WAITALL: u32 = 2;
/// `roflags`: the message did not fit.
pub const RO_DATA_TRUNCATED: u16 = 1;
/// `sdflags`: nothing more is received.
pub const SD_RD: u32 = 1;
/// `sdflags`: nothing more is sent.
pub const SD_WR: u32 = 2;

/// Bits of `rights`.
pub mod rights {
    /// `fd_datasync`.
    pub const FD_DATASYNC: u64 = 1 << 0;
    /// `fd_read`.
    pub const FD_READ: u64 = 1 << 1;
    /// `fd_seek`.
    pub const FD_SEEK: u64 = 1 << 2;
    /// `fd_fdstat_set_flags`.
    pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    /// `fd_sync`.
    pub const FD_SYNC: u64 = 1 << 4;
    /// `fd_tell`.
    pub const FD_TELL: u64 = 1 << 5;
    /// `fd_write`.
    pub const FD_WRITE: u64 = 1 << 6;
    /// `fd_advise`.
    pub const FD_ADVISE: u64 = 1 << 7;
    /// `fd_allocate`.
    pub const FD_ALLOCATE: u64 = 1 << 8;
    /// `fd_readdir`.
    pub const FD_READDIR: u64 = 1 << 14;
    /// All calls on names, but for `path_filestat_set_size`, and `fd_readdir` among them: bits 9 to
    /// 26 without 19, 21, 22 and 23.
    pub const OF_NAMES: u64 = 0x0717_fe00;
    /// `path_filestat_set_size`, which became `path_open` with `OFLAGS_TRUNC`.
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    /// `fd_filestat_get`.
    pub const FD_FILESTAT_GET: u64 = 1 << 21;
    /// `fd_filestat_set_size`.
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    /// `fd_filestat_set_times`.
    pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    /// `poll_oneoff`.
    pub const POLL_FD_READWRITE: u64 = 1 << 27;
    /// Every right there is.
    pub const ALL: u64 = (1 << 30) - 1;
}
