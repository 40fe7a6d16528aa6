//! What `stat(2)`, `statx(2)` and `statfs(2)` fill in.

use super::time::{Timespec32, Timespec64};

layout! {
    /// `struct kstat`: what `fstat64`, `fstatat64`, `stat64` and `lstat64` write.
    ///
    /// Times come twice: as 32-bit pairs for old code and as 64-bit pairs; the inode's number too.
    pub struct Stat64: 152 {
        /// Device that holds the file.
        0 => dev: u64,
        /// Low half of the inode's number.
        12 => ino32: u32,
        /// Type and permissions.
        16 => mode: u32,
        /// Hard links.
        20 => nlink: u32,
        /// Owner.
        24 => uid: u32,
        /// Group.
        28 => gid: u32,
        /// Device that the file is.
        32 => rdev: u64,
        /// Length, bytes.
        48 => size: i64,
        /// Preferred size of transfers, bytes.
        56 => blksize: u32,
        /// Storage, in units of 512 bytes.
        64 => blocks: i64,
        /// Last read, 32-bit form.
        72 => atime32: Timespec32,
        /// Last change of the contents, 32-bit form.
        80 => mtime32: Timespec32,
        /// Last change of the inode, 32-bit form.
        88 => ctime32: Timespec32,
        /// The inode's number.
        96 => ino: u64,
        /// Last read.
        104 => atime: Timespec64,
        /// Last change of the contents.
        120 => mtime: Timespec64,
        /// Last change of the inode.
        136 => ctime: Timespec64,
    }

    /// `struct statx_timestamp`.
    pub struct StatxTimestamp: 16 {
        /// Seconds since 1970.
        0 => sec: i64,
        /// Nanoseconds, below 10^9.
        8 => nsec: u32,
    }

    /// `struct statx`; the same on all architectures.
    pub struct Statx: 256 {
        /// Which fields are valid, `STATX_*`.
        0 => mask: u32,
        /// Preferred size of transfers, bytes.
        4 => blksize: u32,
        /// `STATX_ATTR_*`.
        8 => attributes: u64,
        /// Hard links.
        16 => nlink: u32,
        /// Owner.
        20 => uid: u32,
        /// Group.
        24 => gid: u32,
        /// Type and permissions.
        28 => mode: u16,
        /// The inode's number.
        32 => ino: u64,
        /// Length, bytes.
        40 => size: u64,
        /// Storage, in units of 512 bytes.
        48 => blocks: u64,
        /// Which attributes the file system knows.
        56 => attributes_mask: u64,
        /// Last read.
        64 => atime: StatxTimestamp,
        /// Creation.
        80 => btime: StatxTimestamp,
        /// Last change of the inode.
        96 => ctime: StatxTimestamp,
        /// Last change of the contents.
        112 => mtime: StatxTimestamp,
        /// Major number of the device that the file is.
        128 => rdev_major: u32,
        /// Its minor number.
        132 => rdev_minor: u32,
        /// Major number of the device that holds the file.
        136 => dev_major: u32,
        /// Its minor number.
        140 => dev_minor: u32,
        /// The mount's id.
        144 => mnt_id: u64,
    }

    /// `struct statfs64`.
    ///
    /// Callers say the size of theirs, which must be [`Statfs64::SIZE`] or
    /// [`STATFS64_SIZE_I386`]; the fields lie at the same places in both.
    pub struct Statfs64: 88 {
        /// Magic number, e.g. `EXT2_SUPER_MAGIC`.
        0 => kind: u32,
        /// Size of a block, bytes.
        4 => bsize: u32,
        /// Blocks in all.
        8 => blocks: u64,
        /// Free blocks.
        16 => bfree: u64,
        /// Free blocks for ordinary users.
        24 => bavail: u64,
        /// Inodes in all.
        32 => files: u64,
        /// Free inodes.
        40 => ffree: u64,
        /// The file system's id.
        48 => fsid: [u32; 2],
        /// Longest name, bytes.
        56 => namelen: u32,
        /// Size of a fragment, bytes.
        60 => frsize: u32,
        /// `ST_*`.
        64 => flags: u32,
    }
}

/// The size that callers with i386's alignment give for [`Statfs64`].
pub const STATFS64_SIZE_I386: usize = 84;

/// Joins a device's numbers as `makedev(3)` does.
pub const fn make_dev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (widen(major), widen(minor));
    (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | minor & 0xff
}

/// Splits a device number into major and minor.
pub const fn split_dev(dev: u64) -> (u32, u32) {
    let major = dev >> 32 & 0xffff_f000 | dev >> 8 & 0xfff;
    let minor = dev >> 12 & 0xffff_ff00 | dev & 0xff;
    (low_half(major), low_half(minor))
}

#[expect(clippy::as_conversions, reason = "lossless, and From is not const")]
const fn widen(value: u32) -> u64 {
    value as u64
}

#[expect(
    clippy::as_conversions,
    reason = "the caller masked the upper half away"
)]
const fn low_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_has_both_forms_of_inode_and_times() {
        let stat = Stat64 {
            dev: 0x0807_0605_0403_0201,
            ino32: 0x1111_1111,
            mode: 0o100_644,
            rdev: 2,
            size: -1,
            blksize: 4096,
            mtime32: Timespec32 { sec: 5, nsec: 6 },
            ino: 0x2222_2222_1111_1111,
            atime: Timespec64 { sec: 7, nsec: 8 },
            ctime: Timespec64 { sec: -9, nsec: 10 },
            ..Stat64::default()
        };
        let bytes = stat.to_bytes();
        assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[8..16], [0, 0, 0, 0, 0x11, 0x11, 0x11, 0x11]);
        assert_eq!(bytes[16..20], 0o100_644_u32.to_le_bytes());
        assert_eq!(bytes[32], 2);
        assert_eq!(bytes[48..56], [0xff; 8]);
        assert_eq!(bytes[80..88], [5, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!(bytes[96..104], 0x2222_2222_1111_1111_u64.to_le_bytes());
        assert_eq!(
            bytes[104..120],
            [7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(bytes[136..144], (-9_i64).to_le_bytes());
        assert_eq!(Stat64::from_bytes(&bytes), stat);
    }

    #[test]
    fn statx_is_the_kernels() {
        let stat = Statx {
            mask: 0x7ff,
            mode: 0x81a4,
            ino: 3,
            mtime: StatxTimestamp { sec: 1, nsec: 2 },
            dev_minor: 4,
            mnt_id: 5,
            ..Statx::default()
        };
        let bytes = stat.to_bytes();
        assert_eq!(bytes[28..30], [0xa4, 0x81]);
        assert_eq!(bytes[32], 3);
        assert_eq!((bytes[112], bytes[120]), (1, 2));
        assert_eq!((bytes[140], bytes[144]), (4, 5));
        assert_eq!(Statx::from_bytes(&bytes), stat);
    }

    #[test]
    fn statfs_has_wide_counts_and_narrow_words() {
        let status = Statfs64 {
            kind: 0xef53,
            bsize: 1024,
            blocks: 1,
            flags: 9,
            ..Default::default()
        };
        let bytes = status.to_bytes();
        assert_eq!(bytes[..9], [0x53, 0xef, 0, 0, 0, 4, 0, 0, 1]);
        assert_eq!(bytes[64], 9);
        assert_eq!(Statfs64::from_bytes(&bytes), status);
    }

    #[test]
    fn device_numbers_split_as_makedev_says() {
        assert_eq!(make_dev(1, 3), 0x103);
        assert_eq!(make_dev(0x1234_5678, 0x9abc_def0), 0x1234_59ab_cde6_78f0);
        assert_eq!(
            split_dev(make_dev(0x1234_5678, 0x9abc_def0)),
            (0x1234_5678, 0x9abc_def0)
        );
    }
}
