//! Messages of sockets, and the values of their options.

layout! {
    /// `struct msghdr`.
    pub struct MsgHdr: 28 {
        /// Where the address is.
        0 => name: u32,
        /// Bytes of the address.
        4 => name_len: i32,
        /// The first `struct iovec`.
        8 => iov: u32,
        /// How many of them.
        12 => nr_iov: u32,
        /// Where the control messages are.
        16 => control: u32,
        /// Bytes of them.
        20 => control_len: u32,
        /// `MSG_*` of what was received.
        24 => flags: u32,
    }

    /// `struct mmsghdr`.
    pub struct MMsgHdr: 32 {
        /// The message.
        0 => header: MsgHdr,
        /// Bytes that were moved.
        28 => len: u32,
    }

    /// `struct cmsghdr`: the head of a control message; its data follow, aligned to 4 bytes.
    pub struct CmsgHdr: 12 {
        /// Bytes of head and data.
        0 => len: u32,
        /// `SOL_SOCKET`.
        4 => level: i32,
        /// `SCM_*`.
        8 => kind: i32,
    }

    /// `struct ucred`.
    pub struct Ucred: 12 {
        /// The process.
        0 => pid: i32,
        /// Its user.
        4 => uid: u32,
        /// Its group.
        8 => gid: u32,
    }

    /// `struct linger`.
    pub struct Linger: 8 {
        /// Whether closing waits.
        0 => is_on: i32,
        /// How long, in seconds.
        4 => seconds: i32,
    }

    /// `struct __kernel_sock_timeval`: the time of `SO_RCVTIMEO_NEW`.
    pub struct SockTimeval64: 16 {
        /// Seconds.
        0 => seconds: i64,
        /// Microseconds.
        8 => microseconds: i64,
    }

    /// `struct timeval` with 32-bit members: the time of `SO_RCVTIMEO_OLD`.
    pub struct SockTimeval32: 8 {
        /// Seconds.
        0 => seconds: i32,
        /// Microseconds.
        4 => microseconds: i32,
    }
}

impl CmsgHdr {
    /// `CMSG_ALIGN`: `len` bytes rounded up to the alignment of control messages.
    pub const fn align(len: u32) -> u32 {
        len.saturating_add(3) & !3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_where_c_puts_them() {
        let header = MsgHdr {
            name: 1,
            name_len: 2,
            iov: 3,
            nr_iov: 4,
            control: 5,
            control_len: 6,
            flags: 7,
        };
        let bytes = header.to_bytes();
        assert_eq!(
            [0, 4, 8, 12, 16, 20, 24].map(|at| bytes[at]),
            [1, 2, 3, 4, 5, 6, 7]
        );
        assert_eq!(MsgHdr::from_bytes(&bytes), header);
        let many = MMsgHdr { header, len: 8 };
        assert_eq!(many.to_bytes()[28], 8);
        assert_eq!([0, 1, 4, 5].map(CmsgHdr::align), [0, 4, 4, 8]);
    }
}
