//! What a process asks about itself and the machine.

layout! {
    /// `struct new_utsname`: six strings with their end marks.
    pub struct Utsname: 390 {
        /// Name of the kernel, "Linux".
        0 => sysname: [u8; 65],
        /// Host name.
        65 => nodename: [u8; 65],
        /// Release of the kernel.
        130 => release: [u8; 65],
        /// Version of the kernel.
        195 => version: [u8; 65],
        /// Machine.
        260 => machine: [u8; 65],
        /// Domain name.
        325 => domainname: [u8; 65],
    }

    /// `struct sysinfo` with 32-bit words.
    pub struct Sysinfo: 64 {
        /// Seconds since boot.
        0 => uptime: i32,
        /// Load averages of 1, 5 and 15 minutes, in 1/65536.
        4 => loads: [u32; 3],
        /// Usable memory, in units of `mem_unit`.
        16 => totalram: u32,
        /// Free memory.
        20 => freeram: u32,
        /// Memory of shared mappings and tmpfs.
        24 => sharedram: u32,
        /// Memory of buffers.
        28 => bufferram: u32,
        /// Swap space.
        32 => totalswap: u32,
        /// Free swap space.
        36 => freeswap: u32,
        /// Processes.
        40 => procs: u16,
        /// High memory; none.
        44 => totalhigh: u32,
        /// Free high memory; none.
        48 => freehigh: u32,
        /// Bytes that the sizes count in.
        52 => mem_unit: u32,
    }

    /// `struct rlimit64`: of `prlimit64`.
    pub struct Rlimit64: 16 {
        /// The soft limit.
        0 => current: u64,
        /// The hard limit.
        8 => maximum: u64,
    }

    /// `struct rlimit` with 32-bit words: of `getrlimit` and `setrlimit`.
    pub struct Rlimit32: 8 {
        /// The soft limit; all ones is infinity.
        0 => current: u32,
        /// The hard limit; all ones is infinity.
        4 => maximum: u32,
    }

    /// `struct sched_attr` in its first version.
    pub struct SchedAttr: 48 {
        /// Bytes that its owner knows.
        0 => size: u32,
        /// `SCHED_*`.
        4 => policy: u32,
        /// `SCHED_FLAG_*`.
        8 => flags: u64,
        /// Niceness of the policies that share time by weight.
        16 => nice: i32,
        /// Priority of the real-time policies.
        20 => priority: u32,
        /// Of `SCHED_DEADLINE`, nanoseconds.
        24 => runtime: u64,
        /// Of `SCHED_DEADLINE`, nanoseconds.
        32 => deadline: u64,
        /// Of `SCHED_DEADLINE`, nanoseconds.
        40 => period: u64,
    }

    /// `struct robust_list_head`.
    pub struct RobustListHead: 12 {
        /// First lock of the list, which ends at the head itself.
        0 => next: u32,
        /// From a list entry to its futex word, bytes.
        4 => futex_offset: i32,
        /// The lock that is just being taken or released.
        8 => pending: u32,
    }

    /// `struct __user_cap_header_struct`.
    pub struct CapHeader: 8 {
        /// `LINUX_CAPABILITY_VERSION_*`.
        0 => version: u32,
        /// Whose; zero is the caller.
        4 => pid: i32,
    }

    /// `struct __user_cap_data_struct`: 32 capabilities; versions 2 and 3 have two of these.
    pub struct CapData: 12 {
        /// In force.
        0 => effective: u32,
        /// May be put in force.
        4 => permitted: u32,
        /// Kept by exec.
        8 => inheritable: u32,
    }
}

impl Utsname {
    /// A field of `uname`: `text` cut to 64 bytes, and zeros.
    pub fn field(text: &[u8]) -> [u8; 65] {
        let mut field = [0; 65];
        field
            .iter_mut()
            .take(64)
            .zip(text)
            .for_each(|(to, from)| *to = *from);
        field
    }
}

impl Rlimit32 {
    /// All ones: no limit.
    pub const INFINITY: u32 = u32::MAX;
}

impl From<Rlimit64> for Rlimit32 {
    /// What does not fit is infinity, as on Linux.
    fn from(limit: Rlimit64) -> Self {
        let narrow = |value| u32::try_from(value).unwrap_or(Self::INFINITY);
        Self {
            current: narrow(limit.current),
            maximum: narrow(limit.maximum),
        }
    }
}

impl From<Rlimit32> for Rlimit64 {
    fn from(limit: Rlimit32) -> Self {
        let widen = |value| {
            if value == Rlimit32::INFINITY {
                u64::MAX
            } else {
                u64::from(value)
            }
        };
        Self {
            current: widen(limit.current),
            maximum: widen(limit.maximum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_ended() {
        let name = Utsname {
            machine: Utsname::field(b"wasm32"),
            ..Utsname::default()
        };
        let bytes = name.to_bytes();
        assert_eq!(bytes[260..267], *b"wasm32\0");
        assert_eq!(Utsname::from_bytes(&bytes), name);
        assert_eq!(Utsname::field(&[b'x'; 100])[63..], [b'x', 0]);
    }

    #[test]
    fn sysinfo_is_64_bytes_on_32_bit() {
        let info = Sysinfo {
            uptime: 1,
            loads: [2, 3, 4],
            procs: 5,
            mem_unit: 6,
            ..Default::default()
        };
        let bytes = info.to_bytes();
        assert_eq!(
            (bytes[0], bytes[4], bytes[12], bytes[40], bytes[52]),
            (1, 2, 4, 5, 6)
        );
        assert_eq!(Sysinfo::from_bytes(&bytes), info);
    }

    #[test]
    fn limits_that_do_not_fit_are_infinite() {
        let wide = Rlimit64 {
            current: 1 << 33,
            maximum: u64::MAX,
        };
        let narrow = Rlimit32::from(wide);
        assert_eq!(narrow.to_bytes(), [0xff; 8]);
        assert_eq!(Rlimit64::from(narrow).current, u64::MAX);
        assert_eq!(
            Rlimit64 {
                current: 1,
                maximum: 2
            }
            .to_bytes()[8],
            2
        );
        assert_eq!(
            Rlimit64::from(Rlimit32 {
                current: 7,
                maximum: 8
            })
            .maximum,
            8
        );
    }

    #[test]
    fn heads_and_capabilities_are_words() {
        let head = RobustListHead {
            next: 1,
            futex_offset: -2,
            pending: 3,
        };
        assert_eq!(RobustListHead::from_bytes(&head.to_bytes()), head);
        assert_eq!(
            CapHeader { version: 1, pid: 2 }.to_bytes(),
            [1, 0, 0, 0, 2, 0, 0, 0]
        );
        assert_eq!(
            CapData {
                inheritable: 9,
                ..Default::default()
            }
            .to_bytes()[8],
            9
        );
    }
}
