//! Actions, reasons and contexts of signals.

use crate::flags::signal::{SI_TKILL, SI_USER};
use crate::types::{Pid, SignalSet, UserAddr};

layout! {
    /// `struct k_sigaction` as both guest libcs pass it to `rt_sigaction`.
    pub struct SigAction: 20 {
        /// `SIG_DFL`, `SIG_IGN` or an index into the guest's function table.
        0 => handler: u32,
        /// `SA_*`.
        4 => flags: u32,
        /// What libc wants called behind the handler; unused here.
        8 => restorer: u32,
        /// Signals blocked while the handler runs, as [`SignalSet`]'s bits.
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

    /// `siginfo_t`: three words and a union, which the constructors fill.
    pub struct SigInfo: 128 {
        /// The signal's number.
        0 => signal: i32,
        /// An error number that belongs to it, or zero.
        4 => errno: i32,
        /// Why it was sent: `SI_*`, `CLD_*`, `SEGV_*` …
        8 => code: i32,
        /// The union, in words: see [`SigInfo::from_process`], [`SigInfo::child`],
        /// [`SigInfo::fault`].
        12 => fields: [u32; 29],
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

impl SigAction {
    /// The mask as a set.
    pub const fn mask_set(&self) -> SignalSet {
        SignalSet(self.mask)
    }
}

impl SigInfo {
    fn new(signal: i32, code: i32, head: [u32; 5]) -> Self {
        let mut info = Self {
            signal,
            code,
            ..Self::default()
        };
        info.fields
            .iter_mut()
            .zip(head)
            .for_each(|(to, from)| *to = from);
        info
    }

    /// From the kernel itself, with nothing to add.
    pub fn from_kernel(signal: i32, code: i32) -> Self {
        Self::new(signal, code, [0; 5])
    }

    /// From a process: `kill` (`SI_USER`), `tgkill` (`SI_TKILL`) or `sigqueue` with a value.
    pub fn from_process(signal: i32, code: i32, sender: Pid, uid: u32, value: u32) -> Self {
        Self::new(signal, code, [sender.0.cast_unsigned(), uid, value, 0, 0])
    }

    /// A child changed its state: `code` is `CLD_*`, `status` the exit code or signal,
    /// the times are in ticks.
    pub fn child(code: i32, child: Pid, uid: u32, status: i32, utime: i32, stime: i32) -> Self {
        let words = [status, utime, stime].map(i32::cast_unsigned);
        let [status, utime, stime] = words;
        let signal = i32::from(crate::types::Signal::SIGCHLD.number());
        Self::new(
            signal,
            code,
            [child.0.cast_unsigned(), uid, status, utime, stime],
        )
    }

    /// A fault at an address: `SIGSEGV`, `SIGBUS`, `SIGILL`, `SIGFPE`, `SIGTRAP`.
    pub fn fault(signal: i32, code: i32, address: UserAddr) -> Self {
        Self::new(signal, code, [address.0, 0, 0, 0, 0])
    }

    /// Word `index` of the union; zero past its end.
    pub fn field(&self, index: usize) -> u32 {
        self.fields.get(index).copied().unwrap_or(0)
    }

    /// The sender or child, where the reason has one.
    pub fn pid(&self) -> Pid {
        Pid(self.field(0).cast_signed())
    }

    /// Whether a guest may send this code to another process: no forged `kill` or kernel reasons.
    pub const fn is_code_for_others(&self) -> bool {
        self.code < SI_USER && self.code != SI_TKILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Signal;

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
        assert!(action.mask_set().contains(Signal::SIGQUIT));
    }

    #[test]
    fn info_of_a_child_has_its_status_at_20() {
        let info = SigInfo::child(1, Pid(7), 8, 9, 10, 11);
        let bytes = info.to_bytes();
        let word = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(
            [0, 4, 8, 12, 16, 20, 24, 28].map(word),
            [17, 0, 1, 7, 8, 9, 10, 11]
        );
        assert_eq!(SigInfo::from_bytes(&bytes), info);
        assert_eq!(info.pid(), Pid(7));
    }

    #[test]
    fn info_of_a_fault_has_its_address_at_12() {
        let bytes = SigInfo::fault(11, 1, UserAddr(0x1234)).to_bytes();
        assert_eq!(bytes[12..16], [0x34, 0x12, 0, 0]);
        assert!(!SigInfo::from_kernel(11, 1).is_code_for_others());
        assert!(SigInfo::from_process(10, -1, Pid(1), 0, 5).is_code_for_others());
        assert!(!SigInfo::from_process(10, SI_TKILL, Pid(1), 0, 5).is_code_for_others());
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
