//! WASI preview 1 and preview 0, on the objects of the kernel that Linux's calls use.
//!
//! - `descriptor`: a program's descriptors over those of the process, and its first directories
//! - `file`, `status`, `directory`: what is done with a descriptor; `open`, `path`: with names
//! - `poll`, `clock`, `process`, `socket`: the rest
//!
//! A function answers an error number and writes its results to memory. Only a wait that a signal
//! ends is no answer: WASI has no handlers, so the call is made again or the process is over.
//!
//! # References
//! WASI `legacy/preview1/docs.md`. Where it is silent, the oracle is wasmtime.

mod clock;
mod descriptor;
mod directory;
mod file;
mod open;
mod path;
mod poll;
mod process;
mod socket;
mod status;

use std::ops::Deref;

use abi::types::UserAddr;
use abi::wasi::errno::{SUCCESS, number_of};
use abi::wasi::{NR_WORDS, Version, WasiFd};
use abi::{Errno, Result};
use kernel::call::{Fault, Outcome};

use crate::arg::{FromArg, Words};
use crate::context::Cx;

/// Who calls, and by which interface.
#[derive(Clone, Copy, Debug)]
struct Wx<'a> {
    cx: Cx<'a>,
    version: Version,
}

impl<'a> Deref for Wx<'a> {
    type Target = Cx<'a>;

    fn deref(&self) -> &Cx<'a> {
        &self.cx
    }
}

impl Wx<'_> {
    /// `N` bytes of guest memory. Address 0 is one as good as any other.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read<const N: usize>(&self, address: UserAddr) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.memory().copy_in(address.0, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes to guest memory.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write(&self, address: UserAddr, bytes: &[u8]) -> Result<()> {
        self.memory().copy_out(address.0, bytes)
    }

    /// Writes how many bytes a call moved.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write_count(&self, address: UserAddr, count: usize) -> Result<()> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.write(address, &count.to_le_bytes())
    }
}

/// Keeps the words behind the sixth of the call that comes next.
pub(crate) fn more(cx: Cx<'_>, words: &[u32; NR_WORDS]) -> u32 {
    cx.process().wasi.lock().more = *words;
    SUCCESS
}

/// Calls the function with `number`.
pub(crate) fn dispatch(cx: Cx<'_>, number: u32, args: &[u32; NR_WORDS]) -> Outcome<u32> {
    let Some((version, row)) = Version::of_number(number) else {
        return Outcome::Ready(Ok(number_of(Errno::ENOSYS)));
    };
    call(Wx { cx, version }, row, args).then(|answer| match answer {
        Ok(()) => Ok(SUCCESS),
        Err(Fault::Error(error)) => Ok(number_of(error.errno)),
        Err(Fault::TimedOut) => Ok(number_of(Errno::ETIMEDOUT)),
        Err(interrupted @ Fault::Interrupted(_)) => Err(interrupted),
    })
}

macro_rules! dispatcher {
    ($(($row:literal, $family:ident :: $name:ident, ($($arg:ident : $type:ty),*)),)*) => {
        fn call(wx: Wx<'_>, row: u32, args: &[u32; NR_WORDS]) -> Outcome<()> {
            let mut words = [0; 2 * NR_WORDS];
            let (first, behind) = words.split_at_mut(NR_WORDS);
            first.copy_from_slice(args);
            if is_wide(row) {
                behind.copy_from_slice(&wx.process().wasi.lock().more);
            }
            #[expect(unused_mut, unused_variables, reason = "functions without arguments")]
            match row {
                $($row => {
                    let mut words = Words(&words, 0);
                    $(let $arg = <$type>::from_arg(&mut words);)*
                    $family::$name(wx, $($arg),*).into()
                })*
                _ => Outcome::from(Err(Errno::ENOSYS)),
            }
        }
    };
}

abi::for_each_wasi_function!(dispatcher);

/// Whether a function has more than six words.
fn is_wide(row: u32) -> bool {
    let function = usize::try_from(row)
        .ok()
        .and_then(|row| abi::wasi::FUNCTIONS.get(row));
    function.is_some_and(|function| {
        let words = function.params.iter().map(|param| param.nr_words());
        words.fold(0, usize::saturating_add) > NR_WORDS
    })
}

/// An offset or a length as Linux's calls take it.
///
/// # Errors
/// `EINVAL` above the largest offset.
fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Errno::EINVAL.because("above the largest offset"))
}
