//! Structures of WASI preview 1, and those of preview 0 that differ.

use crate::file::FileType;

layout! {
    /// `fdstat`.
    pub struct Fdstat: 24 {
        /// `filetype`.
        0 => filetype: u8,
        /// `fdflags`.
        2 => flags: u16,
        /// What may be done with it.
        8 => rights_base: u64,
        /// What may be done with what is opened from it.
        16 => rights_inheriting: u64,
    }

    /// `filestat`; times in nanoseconds since 1970.
    pub struct Filestat: 64 {
        /// The file system.
        0 => dev: u64,
        /// The inode.
        8 => ino: u64,
        /// `filetype`.
        16 => filetype: u8,
        /// Hard links.
        24 => nlink: u64,
        /// Bytes.
        32 => size: u64,
        /// Last access.
        40 => atim: u64,
        /// Last change of the contents.
        48 => mtim: u64,
        /// Last change of the inode.
        56 => ctim: u64,
    }

    /// `filestat` of preview 0, with 32 bits for links.
    pub struct Filestat0: 56 {
        /// The file system.
        0 => dev: u64,
        /// The inode.
        8 => ino: u64,
        /// `filetype`.
        16 => filetype: u8,
        /// Hard links.
        20 => nlink: u32,
        /// Bytes.
        24 => size: u64,
        /// Last access.
        32 => atim: u64,
        /// Last change of the contents.
        40 => mtim: u64,
        /// Last change of the inode.
        48 => ctim: u64,
    }

    /// `prestat`; its tag is 0, a directory.
    pub struct Prestat: 8 {
        /// What it is.
        0 => tag: u8,
        /// Bytes of the directory's name.
        4 => name_len: u32,
    }

    /// `dirent`; the name follows.
    pub struct Dirent: 24 {
        /// The cookie of the next entry.
        0 => next: u64,
        /// The inode.
        8 => ino: u64,
        /// Bytes of the name.
        16 => name_len: u32,
        /// `filetype`.
        20 => filetype: u8,
    }

    /// `subscription`. For a descriptor, `id` is its number and the rest means nothing.
    pub struct Subscription: 48 {
        /// Comes back in the event.
        0 => userdata: u64,
        /// `eventtype`.
        8 => tag: u8,
        /// `clockid`, or the descriptor.
        16 => id: u32,
        /// Nanoseconds.
        24 => timeout: u64,
        /// Nanoseconds that do not matter.
        32 => precision: u64,
        /// `subclockflags`.
        40 => flags: u16,
    }

    /// `subscription` of preview 0, in which a clock has one more name before its id.
    pub struct Subscription0: 56 {
        /// Comes back in the event.
        0 => userdata: u64,
        /// `eventtype`.
        8 => tag: u8,
        /// The descriptor.
        16 => fd: u32,
        /// `clockid`.
        24 => clock: u32,
        /// Nanoseconds.
        32 => timeout: u64,
        /// Nanoseconds that do not matter.
        40 => precision: u64,
        /// `subclockflags`.
        48 => flags: u16,
    }

    /// `event`.
    pub struct Event: 32 {
        /// That of the subscription.
        0 => userdata: u64,
        /// An error number.
        8 => error: u16,
        /// `eventtype`.
        10 => tag: u8,
        /// How many bytes can be moved at least.
        16 => nr_bytes: u64,
        /// `eventrwflags`.
        24 => flags: u16,
    }
}

impl From<Filestat> for Filestat0 {
    fn from(status: Filestat) -> Self {
        Self {
            dev: status.dev,
            ino: status.ino,
            filetype: status.filetype,
            nlink: u32::try_from(status.nlink).unwrap_or(u32::MAX),
            size: status.size,
            atim: status.atim,
            mtim: status.mtim,
            ctim: status.ctim,
        }
    }
}

impl From<Subscription0> for Subscription {
    fn from(old: Subscription0) -> Self {
        Self {
            userdata: old.userdata,
            tag: old.tag,
            id: if old.tag == super::flags::EVENT_CLOCK {
                old.clock
            } else {
                old.fd
            },
            timeout: old.timeout,
            precision: old.precision,
            flags: old.flags,
        }
    }
}

/// `filetype`: not known, and what has no number: pipes.
pub const FILETYPE_UNKNOWN: u8 = 0;
/// A character device.
pub const FILETYPE_CHARACTER_DEVICE: u8 = 2;

/// A socket of datagrams.
pub const FILETYPE_SOCKET_DGRAM: u8 = 5;

/// The `filetype` of a file; sockets count as streams.
pub const fn filetype_of(file_type: FileType) -> u8 {
    match file_type {
        FileType::BlockDevice => 1,
        FileType::CharDevice => FILETYPE_CHARACTER_DEVICE,
        FileType::Directory => 3,
        FileType::Regular => 4,
        FileType::Socket => 6,
        FileType::Symlink => 7,
        FileType::Fifo => FILETYPE_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_status_has_the_same_contents() {
        let status = Filestat {
            dev: 1,
            ino: 2,
            filetype: 4,
            nlink: 1 << 40,
            size: 5,
            atim: 6,
            mtim: 7,
            ctim: 8,
        };
        let old = Filestat0::from(status);
        assert_eq!(old.nlink, u32::MAX);
        assert_eq!((old.size, old.ctim), (5, 8));
        assert_eq!(old.to_bytes()[20..24], [0xff; 4]);
    }

    #[test]
    fn an_old_clock_has_its_id_behind_its_name() {
        let mut bytes = [0; 56];
        bytes[16] = 9;
        bytes[24] = 1;
        bytes[32] = 100;
        assert_eq!(Subscription::from(Subscription0::from_bytes(&bytes)).id, 1);
        bytes[8] = 1;
        assert_eq!(Subscription::from(Subscription0::from_bytes(&bytes)).id, 9);
    }
}
