//! Actions, reasons and contexts of signals.

layout! {
    /// `struct k_sigaction` as both guest libcs pass it to `rt_sigaction`.
    pub struct SigAction: 20 {
        /// `SIG_DFL`, `SIG_IGN` or an index into the guest's function table.
        0 => handler: u32,
        /// `SA_*`.
        4 => flags: u32,
        /// What libc wants called behind the handler; unused here.
        8 => restorer: u32,
        /// Signals blocked while the handler runs, as the bits of a
        /// [`SignalSet`](crate::types::SignalSet).
        12 => mask: u64,
    }

    /// `stack_t`.
    pub struct SigStack: 12 {
        /// Lowest address.
        0 => sp: u32,
        /// `SS_*`.
        4 => flags: i32,
        /// Bytes.
        8 => size: u32,
    }

    /// `siginfo_t`: three words, and of the union the members that all have which we send.
    pub struct SigInfo: 128 {
        /// The signal's number.
        0 => signal: i32,
        /// An error number that belongs to it, or zero.
        4 => errno: i32,
        /// Why it was sent: `SI_*`, `CLD_*` …
        8 => code: i32,
        /// The sender or child.
        12 => pid: i32,
        /// Its real user.
        16 => uid: u32,
        /// `si_status` of a child, `si_value` of what was queued.
        20 => value: i32,
        /// The rest of the union, zero.
        24 => rest: [u32; 26],
    }

    /// `ucontext_t`: the third argument of a handler with `SA_SIGINFO`.
    pub struct UContext: 212 {
        /// Unused.
        0 => flags: u32,
        /// The context to go on with afterwards; null.
        4 => link: u32,
        /// The signal stack in use.
        8 => stack: SigStack,
        /// Signals that were blocked; what the handler leaves here is blocked when it returns.
        20 => mask: u64,
        /// Libc's sets have 1024 signals: the rest, zero.
        28 => mask_rest: [u32; 30],
        /// Registers: a WebAssembly guest has none to show.
        148 => registers: [u32; 16],
    }

    /// The sixth argument of `pselect6`: a pointer to a set and the set's size.
    pub struct SigsetArg: 8 {
        /// Address of the set; null for none.
        0 => address: u32,
        /// Bytes of the set: [`SIGSET_SIZE`](crate::limits::SIGSET_SIZE).
        4 => size: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_is_five_words() {
        let action = SigAction {
            handler: 1,
            flags: 2,
            restorer: 3,
            mask: 0x0000_0005_0000_0004,
        };
        let bytes = action.to_bytes();
        let expected = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0];
        assert_eq!(bytes, expected);
        assert_eq!(SigAction::from_bytes(&bytes), action);
    }

    #[test]
    fn info_has_the_members_of_its_union_from_12() {
        let info = SigInfo {
            signal: 17,
            code: 1,
            pid: 7,
            uid: 8,
            value: 9,
            ..SigInfo::default()
        };
        let bytes = info.to_bytes();
        let word = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!([0, 4, 8, 12, 16, 20, 24].map(word), [17, 0, 1, 7, 8, 9, 0]);
        assert_eq!(SigInfo::from_bytes(&bytes), info);
    }

    #[test]
    fn context_has_its_mask_at_20_and_registers_at_148() {
        let context = UContext {
            stack: SigStack {
                sp: 1,
                flags: 2,
                size: 3,
            },
            mask: 4,
            registers: [5; 16],
            ..UContext::default()
        };
        let bytes = context.to_bytes();
        assert_eq!((bytes[8], bytes[12], bytes[16], bytes[20]), (1, 2, 3, 4));
        assert_eq!((bytes[147], bytes[148], bytes[208]), (0, 5, 5));
        assert_eq!(UContext::from_bytes(&bytes), context);
    }
}
