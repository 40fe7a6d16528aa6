//! Vectors, poll sets, locks and directory entries.

use super::Field;

layout! {
    /// `struct iovec`.
    pub struct IoVec: 8 {
        /// Where the bytes are.
        0 => base: u32,
        /// How many.
        4 => len: u32,
    }

    /// `struct pollfd`.
    pub struct PollFd: 8 {
        /// The descriptor; negative ones are skipped.
        0 => fd: i32,
        /// What to wait for, `POLL*`.
        4 => events: u16,
        /// What there is.
        6 => revents: u16,
    }

    /// `struct flock` with 64-bit offsets (`F_GETLK64` …).
    pub struct Flock64: 32 {
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        0 => kind: i16,
        /// What `start` counts from, `SEEK_*`.
        2 => whence: i16,
        /// First byte.
        8 => start: i64,
        /// Bytes; zero means to the end of the file.
        16 => len: i64,
        /// Who holds it.
        24 => pid: i32,
    }

    /// `struct flock` with 32-bit offsets (`F_GETLK` …).
    pub struct Flock32: 16 {
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        0 => kind: i16,
        /// What `start` counts from, `SEEK_*`.
        2 => whence: i16,
        /// First byte.
        4 => start: i32,
        /// Bytes; zero means to the end of the file.
        8 => len: i32,
        /// Who holds it.
        12 => pid: i32,
    }

    /// `struct f_owner_ex`.
    pub struct FOwnerEx: 8 {
        /// Thread 0, process 1 or group 2.
        0 => kind: i32,
        /// Its id.
        4 => pid: i32,
    }

    /// `struct open_how` of `openat2`.
    pub struct OpenHow: 24 {
        /// As `open`'s.
        0 => flags: u64,
        /// Permissions of a new file.
        8 => mode: u64,
        /// `RESOLVE_*`.
        16 => resolve: u64,
    }

    /// The fixed part of `struct linux_dirent64`; the name and its end mark follow.
    pub struct Dirent64: 19 {
        /// The inode's number.
        0 => ino: u64,
        /// Where the next entry is, for `lseek`.
        8 => next: i64,
        /// Bytes of the whole record, a multiple of 8.
        16 => record_len: u16,
        /// `DT_*`.
        18 => kind: u8,
    }
}

impl Dirent64 {
    /// Bytes of the record for a name of `name_len` bytes: with its end mark, rounded up to 8.
    pub const fn record_len(name_len: usize) -> usize {
        Self::SIZE.saturating_add(name_len).saturating_add(8) & !7
    }

    /// Writes a record to the start of `out`; the bytes behind the name are zero.
    ///
    /// Returns its length, or `None` when it does not fit: then nothing was written.
    pub fn write_record(
        out: &mut [u8],
        ino: u64,
        next: i64,
        kind: u8,
        name: &[u8],
    ) -> Option<usize> {
        let len = Self::record_len(name.len());
        let record = out.get_mut(..len)?;
        let record_len = u16::try_from(len).ok()?;
        let (head, tail) = record.split_at_mut_checked(Self::SIZE)?;
        Self {
            ino,
            next,
            record_len,
            kind,
        }
        .write(head);
        tail.fill(0);
        tail.get_mut(..name.len())?.copy_from_slice(name);
        Some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_structures_are_where_c_puts_them() {
        let iov = IoVec { base: 1, len: 2 };
        assert_eq!(iov.to_bytes(), [1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(IoVec::from_bytes(&iov.to_bytes()), iov);
        let poll = PollFd {
            fd: -1,
            events: 1,
            revents: 0x2010,
        };
        assert_eq!(poll.to_bytes(), [0xff, 0xff, 0xff, 0xff, 1, 0, 0x10, 0x20]);
        assert_eq!(PollFd::from_bytes(&poll.to_bytes()), poll);
        let lock = Flock64 {
            kind: 1,
            whence: 2,
            start: 3,
            len: 4,
            pid: 5,
        };
        let bytes = lock.to_bytes();
        assert_eq!(
            (bytes[0], bytes[2], bytes[8], bytes[16], bytes[24]),
            (1, 2, 3, 4, 5)
        );
        assert_eq!(Flock64::from_bytes(&bytes), lock);
        let lock = Flock32 {
            kind: 1,
            whence: 2,
            start: 3,
            len: 4,
            pid: 5,
        };
        assert_eq!(
            lock.to_bytes(),
            [1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]
        );
        let how = OpenHow {
            flags: 1,
            mode: 2,
            resolve: 3,
        };
        assert_eq!(OpenHow::from_bytes(&how.to_bytes()), how);
    }

    #[test]
    fn directory_records_are_multiples_of_eight() {
        assert_eq!(
            [0, 4, 5, 12, 13].map(Dirent64::record_len),
            [24, 24, 32, 32, 40]
        );
        let mut out = [0xaa; 40];
        assert_eq!(
            Dirent64::write_record(&mut out, 2, 12, 4, b"hello"),
            Some(32)
        );
        assert_eq!(out[..8], 2_u64.to_le_bytes());
        assert_eq!((out[8], out[16], out[17], out[18]), (12, 32, 0, 4));
        assert_eq!(out[19..32], *b"hello\0\0\0\0\0\0\0\0");
        assert_eq!(out[32..], [0xaa; 8]);
        assert_eq!(
            Dirent64::write_record(&mut out[..31], 2, 12, 4, b"hello"),
            None
        );
    }
}
