//! The frame under a signal handler: `siginfo_t` and `ucontext_t` in guest memory.
//!
//! ```text
//! old stack pointer (or top of the alternate stack)
//!   ucontext_t  224 bytes   uc_sigmask at 20: the mask to restore
//!   siginfo_t   128 bytes
//! new stack pointer, 16-byte aligned
//! ```
//! Layouts as `guest/libc` declares them (ILP32, little endian).

use abi::Result;
use abi::flags::{SA_NODEFER, SA_ONSTACK, SA_SIGINFO};
use abi::layout::{SigInfo, SigStack};
use fs::vfs::file::GuestMemory;

use super::{Action, AltStack, SignalInfo, SignalSet, ThreadSignals};
use crate::platform::UserMemory;

/// Bytes of `siginfo_t`.
const SIGINFO_LEN: u32 = 128;
/// Bytes below the stack pointer that a function without calls may use: a handler can come in the
/// middle of one.
const RED_ZONE_LEN: u32 = 128;
/// Bytes of `ucontext_t`, rounded up for the stack.
const UCONTEXT_LEN: u32 = 224;
/// Where `ucontext_t` keeps the alternate stack.
const UC_STACK: u32 = 8;
/// Where `ucontext_t` keeps the mask.
const UC_SIGMASK: u32 = 20;

/// What the shim needs to call a handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Index of the handler in the guest's function table.
    pub handler: u32,
    /// The handler's first argument.
    pub number: u32,
    /// Its second, or 0 when it takes one only.
    pub siginfo: u32,
    /// Its third; also where the mask is kept.
    pub ucontext: u32,
    /// Where its stack starts.
    pub stack_pointer: u32,
}

/// Writes the frame for a handler of `action` and blocks what the action says.
///
/// # Errors
/// `EFAULT` when the stack has no room: the process ends with `SIGSEGV`, as on Linux.
pub fn write_frame(
    state: &mut ThreadSignals,
    memory: &dyn UserMemory,
    stack_pointer: u32,
    info: &SignalInfo,
    action: &Action,
) -> Result<Frame> {
    let alt = state.alt_stack;
    let switch = action.flags & SA_ONSTACK != 0 && alt.size != 0 && !alt.contains(stack_pointer);
    let top = if switch {
        alt.top()
    } else {
        stack_pointer.wrapping_sub(RED_ZONE_LEN)
    };
    let ucontext = top.wrapping_sub(UCONTEXT_LEN) & !15;
    let siginfo = ucontext.wrapping_sub(SIGINFO_LEN);
    // What `sigsuspend` put aside comes back; its own mask counts while the handler runs.
    let mask = state.mask();
    let old_mask = state.saved_mask.take().unwrap_or(mask);

    memory.copy_out(siginfo, &SigInfo::from(*info).to_bytes())?;
    memory.fill(ucontext, 0, UCONTEXT_LEN)?;
    memory.copy_out(ucontext.wrapping_add(UC_SIGMASK), &old_mask.0.to_le_bytes())?;
    let stack = alt.to_stack(Some(stack_pointer));
    memory.copy_out(ucontext.wrapping_add(UC_STACK), &stack.to_bytes())?;
    if switch && alt.disarms {
        state.alt_stack = AltStack::default();
    }

    let own = if action.flags & SA_NODEFER == 0 {
        SignalSet::of(info.number)
    } else {
        SignalSet::default()
    };
    state.set_mask(mask.with(action.mask).with(own));
    Ok(Frame {
        handler: action.handler,
        number: u32::from(info.number),
        siginfo: if action.flags & SA_SIGINFO != 0 {
            siginfo
        } else {
            0
        },
        ucontext,
        stack_pointer: siginfo & !15,
    })
}

/// Restores the mask and the alternate stack that the frame at `ucontext` keeps.
///
/// # Errors
/// `EFAULT` when the address is outside the memory.
pub fn restore_mask(
    state: &mut ThreadSignals,
    memory: &dyn GuestMemory,
    ucontext: u32,
) -> Result<()> {
    let mut mask = [0; 8];
    memory.copy_in(ucontext.wrapping_add(UC_SIGMASK), &mut mask)?;
    let mut stack = [0; SigStack::SIZE];
    memory.copy_in(ucontext.wrapping_add(UC_STACK), &mut stack)?;
    state.set_mask(SignalSet(u64::from_le_bytes(mask)));
    // As on Linux, a stack that cannot be set is left out.
    if let Ok(stack) = AltStack::from_stack(SigStack::from_bytes(&stack)) {
        state.alt_stack = stack;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeMemory;

    #[test]
    fn the_mask_of_before_comes_back() {
        let memory = FakeMemory::new(1);
        let mut state = ThreadSignals::default();
        state.set_mask(SignalSet::of(3));
        let action = Action {
            handler: 17,
            mask: SignalSet::of(5),
            ..Action::default()
        };
        let info = SignalInfo {
            number: 10,
            ..SignalInfo::default()
        };
        let frame = write_frame(&mut state, &memory, 0x8000, &info, &action).unwrap();
        assert_eq!((frame.handler, frame.number, frame.siginfo), (17, 10, 0));
        assert!(frame.stack_pointer < 0x8000 && frame.stack_pointer.is_multiple_of(16));
        assert!([3, 5, 10].iter().all(|&n| state.mask().contains(n)));
        restore_mask(&mut state, &memory, frame.ucontext).unwrap();
        assert_eq!(state.mask(), SignalSet::of(3));
    }

    #[test]
    fn the_alternate_stack_is_used_once() {
        let memory = FakeMemory::new(1);
        let mut state = ThreadSignals {
            alt_stack: AltStack {
                base: 0x1000,
                size: 0x1000,
                disarms: false,
            },
            ..ThreadSignals::default()
        };
        let action = Action {
            handler: 17,
            flags: SA_ONSTACK,
            ..Action::default()
        };
        let info = SignalInfo {
            number: 10,
            ..SignalInfo::default()
        };
        let first = write_frame(&mut state, &memory, 0x8000, &info, &action).unwrap();
        assert!(first.stack_pointer > 0x1000 && first.stack_pointer < 0x2000);
        let second = write_frame(&mut state, &memory, first.stack_pointer, &info, &action).unwrap();
        assert!(second.stack_pointer < first.stack_pointer);
    }

    #[test]
    fn a_stack_without_room_is_a_fault() {
        let memory = FakeMemory::new(1);
        let mut state = ThreadSignals::default();
        let info = SignalInfo {
            number: 10,
            ..SignalInfo::default()
        };
        assert!(write_frame(&mut state, &memory, 16, &info, &Action::default()).is_err());
    }
}
