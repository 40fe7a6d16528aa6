//! `wali`, the WebAssembly Linux Interface: which call of linux32 answers each of its imports.
//!
//! Its imports are called `SYS_<x86-64 name>`, take what a program for x86-64 would pass, with pointers
//! of 4 bytes, and return 64 bits. A pass of the loader (`kernel_loader::translate_wali`) writes a
//! function for each, which makes the call of linux32 and converts what lies in memory.
//!
//! Most calls differ in nothing but widths, which [`table`](crate::table) knows. Those with another
//! name, or with structures of other layouts, are in [`CALLS`]; the layouts are in [`mod@layout`].
//!
//! # References
//! The specification of WALI as data: `wali-linux` on PyPI.

pub mod coverage;
pub mod layout;
mod rows;

pub use layout::{Layout, Member};
pub use rows::CALLS;

use crate::linux32_number;
use crate::special::I386_BASE;
use crate::table::{SyscallInfo, info};

/// The module of all its imports.
pub const MODULE: &str = "wali";

/// What stands before the names of system calls.
pub const PREFIX: &str = "SYS_";

/// How one argument of linux32's call is made of the parameters, which are taken in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// The next parameter, its low 32 bits.
    Word,
    /// The next parameter as two words, low then high.
    Pair,
    /// No argument: the next parameter means nothing.
    Skip,
    /// A word that no parameter has.
    Const(u32),
    /// The next parameter points to a structure that the call reads; or is null.
    In(&'static Layout),
    /// The next parameter points to a structure that the call fills in; or is null.
    Out(&'static Layout),
    /// The next parameter points to a structure that the call reads and changes; or is null.
    InOut(&'static Layout),
}

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With these arguments.
    Args(&'static [Arg]),
    /// The same, and the result is an address: it has no sign.
    Address(&'static [Arg]),
    /// In a way that the pass knows by the call's name.
    Special,
    /// Not at all: `ENOSYS`, for the reason given.
    Unserved(&'static str),
}

/// A call that differs from linux32's in more than widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name without [`PREFIX`].
    pub name: &'static str,
    /// The name of linux32's import without `__syscall_`.
    pub linux32: &'static str,
    /// How it is made.
    pub form: Form,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A call that differs in more than widths.
    Row(&'static Row),
    /// A call that takes the same words.
    Plain(&'static SyscallInfo),
}

/// The call behind a name without [`PREFIX`]; `None`: it answers `ENOSYS`.
pub fn call(name: &str) -> Option<Call> {
    if let Some(row) = row(name) {
        let is_served = !matches!(row.form, Form::Unserved(_)) && target(row).is_some();
        return is_served.then_some(Call::Row(row));
    }
    let number = linux32_number(name).filter(|&number| number < I386_BASE)?;
    info(number)
        .filter(|info| info.linux32 == name)
        .map(Call::Plain)
}

/// The row of a name in [`CALLS`].
fn row(name: &str) -> Option<&'static Row> {
    CALLS.iter().find(|row| row.name == name)
}

/// The kernel's call behind a row, if it has it.
fn target(row: &Row) -> Option<&'static SyscallInfo> {
    info(linux32_number(row.linux32)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::SYSCALLS;

    #[test]
    fn names_are_unique_and_lead_to_calls() {
        for (i, row) in CALLS.iter().enumerate() {
            assert!(
                CALLS[..i].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
            assert!(linux32_number(row.linux32).is_some(), "{}", row.name);
        }
    }

    #[test]
    fn arguments_are_as_many_words_as_the_call_takes() {
        for row in CALLS {
            let (Form::Args(args) | Form::Address(args)) = row.form else {
                continue;
            };
            let words: usize = args
                .iter()
                .map(|arg| match arg {
                    Arg::Pair => 2,
                    Arg::Skip => 0,
                    _ => 1,
                })
                .sum();
            assert_eq!(
                Some(words),
                target(row).map(SyscallInfo::nr_words),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn every_call_of_the_kernel_is_served_or_says_why_not() {
        for info in SYSCALLS.iter().filter(|info| info.number < I386_BASE) {
            let served = call(info.name).is_some()
                || CALLS
                    .iter()
                    .any(|row| linux32_number(row.linux32) == Some(info.number));
            assert!(served, "{}", info.name);
        }
    }

    #[test]
    fn other_names_are_no_calls() {
        for name in [
            "stat32", "chown32", "open_3", "waitpid", "ptrace", "msgsnd", "",
        ] {
            assert_eq!(call(name), None, "{name}");
        }
        assert!(matches!(call("read"), Some(Call::Plain(_))));
        assert!(matches!(call("stat"), Some(Call::Row(_))));
    }
}
