//! What files of events are told and tell: epoll(7), signalfd(2), inotify(7), timer_create(2).

layout! {
    /// `struct epoll_event`: only x86-64 packs it.
    pub struct EpollEvent: 16 {
        /// `EPOLL*`.
        0 => events: u32,
        /// What the caller gave with the file.
        8 => data: u64,
    }

    /// `struct signalfd_siginfo`: what one signal tells, without a union.
    pub struct SignalfdInfo: 128 {
        /// The signal's number.
        0 => signal: u32,
        /// An error number, or zero.
        4 => errno: i32,
        /// `SI_*`, `CLD_*`.
        8 => code: i32,
        /// The sender, or the child.
        12 => pid: u32,
        /// The sender's user.
        16 => uid: u32,
        /// Of `SIGIO`.
        20 => fd: i32,
        /// Of a timer: its id in the kernel.
        24 => timer: u32,
        /// Of `SIGIO`.
        28 => band: u32,
        /// Of a timer: the expirations that this one stands for too.
        32 => overrun: u32,
        /// Unused.
        36 => trap: u32,
        /// Of `SIGCHLD`: exit status or signal.
        40 => status: i32,
        /// `si_value` as a number.
        44 => int: i32,
        /// `si_value` as a pointer.
        48 => pointer: u64,
        /// Of `SIGCHLD`: ticks in user mode.
        56 => utime: u64,
        /// Of `SIGCHLD`: ticks in the kernel.
        64 => stime: u64,
        /// Of a fault.
        72 => address: u64,
    }

    /// `struct inotify_event`, in front of the name.
    pub struct InotifyEvent: 16 {
        /// Watch descriptor.
        0 => watch: i32,
        /// `IN_*`.
        4 => mask: u32,
        /// Ties the two halves of a rename together.
        8 => cookie: u32,
        /// Bytes of the name behind it, its NULs included.
        12 => len: u32,
    }

    /// `struct sigevent`, 64 bytes of which 20 mean something.
    pub struct SigEvent: 64 {
        /// `si_value`.
        0 => value: i32,
        /// The signal.
        4 => signal: i32,
        /// `SIGEV_*`.
        8 => notify: i32,
        /// The thread of `SIGEV_THREAD_ID`.
        12 => thread: i32,
    }
}

impl InotifyEvent {
    /// Bytes that a name takes behind the event: with a NUL at least, and in whole events.
    pub const fn name_space(len: usize) -> usize {
        if len == 0 {
            0
        } else {
            len.saturating_add(1).next_multiple_of(Self::SIZE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoll_data_lies_on_a_multiple_of_8() {
        let event = EpollEvent {
            events: 1,
            data: 0x0807_0605_0403_0201,
        };
        let bytes = event.to_bytes();
        assert_eq!(bytes[..8], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[8..], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(EpollEvent::from_bytes(&bytes), event);
    }

    #[test]
    fn names_of_inotify_end_with_a_nul_and_fill_whole_events() {
        let spaces = [0, 1, 15, 16, 255].map(InotifyEvent::name_space);
        assert_eq!(spaces, [0, 16, 16, 32, 256]);
    }

    #[test]
    fn signal_information_has_its_pointer_at_48() {
        let info = SignalfdInfo {
            signal: 10,
            int: 7,
            pointer: 7,
            ..SignalfdInfo::default()
        };
        let bytes = info.to_bytes();
        assert_eq!((bytes[0], bytes[44], bytes[48], bytes[127]), (10, 7, 7, 0));
    }
}
