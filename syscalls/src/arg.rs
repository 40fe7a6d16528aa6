//! How words become arguments, and results a word.

use std::pin::Pin;

use abi::types::{Fd, OpenFlags, Pid, UserAddr};
use abi::wasi::WasiFd;
use abi::{Errno, Error};
use kernel::call::{Answer, Fault, Outcome};

/// The words of a call, taken from the front; those that are not there are 0.
#[derive(Debug)]
pub(crate) struct Words<'a>(pub(crate) &'a [u32], pub(crate) usize);

impl Words<'_> {
    fn next(&mut self) -> u32 {
        let word = self.0.get(self.1).copied().unwrap_or(0);
        self.1 = self.1.saturating_add(1);
        word
    }
}

/// An argument type of the table.
pub(crate) trait FromArg {
    /// Takes its words.
    fn from_arg(words: &mut Words<'_>) -> Self;
}

macro_rules! from_arg {
    ($($type:ty: $words:ident => $value:expr;)*) => {
        $(impl FromArg for $type {
            fn from_arg($words: &mut Words<'_>) -> Self {
                $value
            }
        })*
    };
}

from_arg! {
    u32: words => words.next();
    i32: words => words.next().cast_signed();
    usize: words => usize::try_from(words.next()).unwrap_or(usize::MAX);
    Fd: words => Self(words.next().cast_signed());
    Pid: words => Self(words.next().cast_signed());
    UserAddr: words => Self(words.next());
    OpenFlags: words => Self(words.next());
    WasiFd: words => Self(words.next());
    i64: words => u64::from_arg(words).cast_signed();
    u64: words => {
        let low = u64::from(words.next());
        u64::from(words.next()) << 32 | low
    };
}

/// A result type of a handler.
pub(crate) trait IntoWord: Sized {
    /// What the guest gets; never in the range of error numbers.
    fn into_word(self) -> u32;

    /// The same for a call that waits.
    fn into_pending(call: Waiting<Self>) -> Waiting<u32>
    where
        Self: 'static,
    {
        Box::pin(async move { call.await.map(Self::into_word) })
    }
}

/// The future of a call that waits.
type Waiting<T> = Pin<Box<dyn Future<Output = Answer<T>> + Send>>;

impl IntoWord for () {
    fn into_word(self) -> u32 {
        0
    }
}

impl IntoWord for u32 {
    fn into_word(self) -> u32 {
        self
    }

    /// The future as it is.
    fn into_pending(call: Waiting<Self>) -> Waiting<Self> {
        call
    }
}

impl IntoWord for i32 {
    fn into_word(self) -> u32 {
        self.cast_unsigned()
    }
}

impl IntoWord for usize {
    fn into_word(self) -> u32 {
        u32::try_from(self).unwrap_or(u32::MAX >> 1)
    }
}

impl IntoWord for Fd {
    fn into_word(self) -> u32 {
        self.0.cast_unsigned()
    }
}

impl IntoWord for UserAddr {
    fn into_word(self) -> u32 {
        self.0
    }
}

impl IntoWord for Pid {
    fn into_word(self) -> u32 {
        self.0.cast_unsigned()
    }
}

/// What a handler returns: a plain result, or an outcome that may be pending.
pub(crate) trait IntoOutcome {
    /// As an outcome of one word.
    fn into_outcome(self) -> Outcome<u32>;
}

impl<T: IntoWord> IntoOutcome for Result<T, Error> {
    fn into_outcome(self) -> Outcome<u32> {
        Outcome::Ready(self.map(IntoWord::into_word).map_err(Fault::Error))
    }
}

impl<T: IntoWord> IntoOutcome for Result<T, Errno> {
    fn into_outcome(self) -> Outcome<u32> {
        Outcome::Ready(self.map(IntoWord::into_word).map_err(Fault::from))
    }
}

impl<T: IntoWord + 'static> IntoOutcome for Result<Outcome<T>, Error> {
    fn into_outcome(self) -> Outcome<u32> {
        match self {
            Ok(outcome) => outcome.into_outcome(),
            Err(error) => Outcome::Ready(Err(Fault::Error(error))),
        }
    }
}

impl<T: IntoWord> IntoOutcome for Answer<T> {
    fn into_outcome(self) -> Outcome<u32> {
        Outcome::Ready(self.map(IntoWord::into_word))
    }
}

impl<T: IntoWord + 'static> IntoOutcome for Outcome<T> {
    fn into_outcome(self) -> Outcome<u32> {
        match self {
            Self::Ready(answer) => Outcome::Ready(answer.map(IntoWord::into_word)),
            Self::Pending(call) => Outcome::Pending(T::into_pending(call)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_argument_takes_two_words_low_first() {
        let raw = [1, 0xffff_fffe, 0xffff_ffff, 7, 0, 0];
        let mut words = Words(&raw, 0);
        assert_eq!(Fd::from_arg(&mut words), Fd(1));
        assert_eq!(i64::from_arg(&mut words), -2);
        assert_eq!(u32::from_arg(&mut words), 7);
    }
}
