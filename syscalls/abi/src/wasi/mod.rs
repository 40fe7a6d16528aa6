//! WASI preview 1 (`wasi_snapshot_preview1`) and its predecessor, preview 0 (`wasi_unstable`): names,
//! numbers, structures and flags.
//!
//! - [`table`]: the functions, one row each
//! - [`errno`]: error numbers, which are not those of Linux
//! - [`mod@layout`]: structures as bytes; [`flags`]: constants
//!
//! A function's number is [`BASE`] plus its row, and [`UNSTABLE`] on top when it was imported from
//! `wasi_unstable`. Its 64-bit parameters are two words each, low first; words behind the sixth go
//! ahead in a call of their own, [`MORE`].
//!
//! # References
//! WASI `legacy/preview1/witx/` and `legacy/preview0/witx/`.

pub mod errno;
pub mod flags;
pub mod layout;
pub mod table;

pub use table::{FUNCTIONS, Function, Param};

/// The number of the first function.
pub const BASE: u32 = 0x2000;

/// Added to the numbers of functions of `wasi_unstable`.
pub const UNSTABLE: u32 = 0x100;

/// Hands over the seventh to the twelfth word of the call that follows. Answers 0.
pub const MORE: u32 = BASE + 0xff;

/// One more than the highest number.
pub const END: u32 = BASE + 0x200;

/// How many words a call carries without [`MORE`], and how many that adds at most.
pub const NR_WORDS: usize = 6;

/// Which interface a module was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `wasi_unstable`.
    Preview0,
    /// `wasi_snapshot_preview1`.
    Preview1,
}

impl Version {
    /// The version that imports of `module` belong to.
    pub fn of_module(module: &str) -> Option<Self> {
        match module {
            "wasi_unstable" => Some(Self::Preview0),
            "wasi_snapshot_preview1" => Some(Self::Preview1),
            _ => None,
        }
    }

    /// The function `name` with its number.
    pub fn function(self, name: &str) -> Option<(u32, &'static Function)> {
        let row = FUNCTIONS
            .iter()
            .position(|function| function.name == name)?;
        let function = FUNCTIONS.get(row)?;
        if self == Self::Preview0 && !function.is_in_preview0 {
            return None;
        }
        let base = match self {
            Self::Preview0 => BASE.saturating_add(UNSTABLE),
            Self::Preview1 => BASE,
        };
        let number = base.saturating_add(u32::try_from(row).ok()?);
        Some((number, function))
    }

    /// The version and the row of a number.
    pub const fn of_number(number: u32) -> Option<(Self, u32)> {
        if number < BASE || number >= END {
            return None;
        }
        let row = number & (UNSTABLE - 1);
        if number & UNSTABLE == 0 {
            Some((Self::Preview1, row))
        } else {
            Some((Self::Preview0, row))
        }
    }
}

/// A descriptor as a WASI program counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WasiFd(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_rows() {
        for version in [Version::Preview0, Version::Preview1] {
            for (row, function) in (0..).zip(FUNCTIONS) {
                let Some((number, found)) = version.function(function.name) else {
                    assert_eq!(function.name, "sock_accept");
                    continue;
                };
                assert_eq!(found.name, function.name);
                assert_ne!(number, MORE);
                assert_eq!(Version::of_number(number), Some((version, row)));
            }
        }
        assert_eq!(Version::of_number(BASE - 1), None);
        assert_eq!(Version::of_number(END), None);
    }

    #[test]
    fn there_are_46_functions_of_at_most_12_words() {
        assert_eq!(FUNCTIONS.len(), 46);
        for function in FUNCTIONS {
            let words: usize = function.params.iter().map(|param| param.nr_words()).sum();
            assert!(words <= 2 * NR_WORDS, "{}", function.name);
        }
    }

    #[test]
    fn rows_are_numbered_in_order() {
        for (row, function) in (0..).zip(FUNCTIONS) {
            assert_eq!(function.row, row, "{}", function.name);
        }
    }
}
