//! Arguments, environment, the end, signals, the processor, chance.

use abi::types::{Pid, UserAddr};
use abi::{Errno, Result};
use kernel::call::Outcome;

use super::Wx;
use crate::{process, signal, system};

/// The most that one call of getrandom(2) gives.
const RANDOM_MAX: u32 = 1 << 20;

/// Strings that end with NUL, one after the other.
struct Strings(Vec<u8>);

impl Strings {
    fn arguments(wx: Wx<'_>) -> Self {
        Self(wx.process().program.lock().cmdline.clone())
    }

    fn environment(wx: Wx<'_>) -> Self {
        Self(wx.process().program.lock().environ.clone())
    }

    /// Writes how many they are, and how many bytes.
    fn put_sizes(&self, wx: Wx<'_>, count: UserAddr, len: UserAddr) -> Result<()> {
        let size = |size: usize| u32::try_from(size).map_err(|_| Errno::EOVERFLOW);
        let nr_strings = self.0.iter().filter(|&&byte| byte == 0).count();
        wx.write(count, &size(nr_strings)?.to_le_bytes())?;
        wx.write(len, &size(self.0.len())?.to_le_bytes())
    }

    /// Writes them to `buf`, and their addresses to `list`.
    fn put(&self, wx: Wx<'_>, list: UserAddr, buf: UserAddr) -> Result<()> {
        let mut pointers = Vec::new();
        let mut at = buf.0;
        for string in self.0.split_inclusive(|&byte| byte == 0) {
            pointers.extend_from_slice(&at.to_le_bytes());
            at = u32::try_from(string.len())
                .ok()
                .and_then(|len| at.checked_add(len))
                .ok_or(Errno::EFAULT)?;
        }
        wx.write(list, &pointers)?;
        wx.write(buf, &self.0)
    }
}

/// Writes the arguments.
pub(super) fn args_get(wx: Wx<'_>, argv: UserAddr, buf: UserAddr) -> Result<()> {
    Strings::arguments(wx).put(wx, argv, buf)
}

/// Tells how many arguments there are, and their bytes.
pub(super) fn args_sizes_get(wx: Wx<'_>, count: UserAddr, len: UserAddr) -> Result<()> {
    Strings::arguments(wx).put_sizes(wx, count, len)
}

/// Writes the environment.
pub(super) fn environ_get(wx: Wx<'_>, environ: UserAddr, buf: UserAddr) -> Result<()> {
    Strings::environment(wx).put(wx, environ, buf)
}

/// Tells how many variables there are, and their bytes.
pub(super) fn environ_sizes_get(wx: Wx<'_>, count: UserAddr, len: UserAddr) -> Result<()> {
    Strings::environment(wx).put_sizes(wx, count, len)
}

/// Ends the process. As on Linux, the low 8 bits of the status count.
pub(super) fn proc_exit(wx: Wx<'_>, status: u32) -> Result<()> {
    process::exit_group(wx.cx, status.cast_signed()).map(drop)
}

/// Sends the process a signal. WASI has no handlers: it does what it does by default.
///
/// # Errors
/// `EINVAL` for a number without a signal.
pub(super) fn proc_raise(wx: Wx<'_>, number: u32) -> Result<()> {
    // The numbers of Linux without SIGSTKFLT, which is 16.
    let number = match i32::try_from(number) {
        Ok(number @ 0..=15) => number,
        Ok(number @ 16..=30) => number.saturating_add(1),
        _ => return Err(Errno::EINVAL.because("no such signal")),
    };
    signal::kill(wx.cx, Pid(wx.task.pid()), number)
}

/// Lets others run.
pub(super) fn sched_yield(wx: Wx<'_>) -> Outcome<()> {
    system::sched_yield(wx.cx).map(|_| ())
}

/// Fills a buffer with random bytes.
pub(super) fn random_get(wx: Wx<'_>, buf: UserAddr, len: u32) -> Result<()> {
    let mut at = buf;
    let mut left = len;
    while left > 0 {
        let piece = left.min(RANDOM_MAX);
        let wanted = usize::try_from(piece).map_err(|_| Errno::EFAULT)?;
        if system::getrandom(wx.cx, at, wanted, 0)? < wanted {
            return Err(Errno::EFAULT.into());
        }
        at = at.offset(piece)?;
        left = left.saturating_sub(piece);
    }
    Ok(())
}
