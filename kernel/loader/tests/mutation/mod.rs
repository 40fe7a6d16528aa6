//! How modules are changed at random.
//!
//! - [`corpus`]: what they are made from, and which of the ways is taken
//! - [`sections`]: parts moved, exchanged, left out; [`code`]: instructions put between others;
//!   [`smith`]: modules made up by `wasm-smith`
//! - [`watch`]: the time that one takes

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::allow_attributes,
    reason = "test code"
)]

pub(crate) mod code;
pub(crate) mod corpus;
pub(crate) mod sections;
pub(crate) mod smith;
pub(crate) mod watch;

/// Numbers below a bound.
pub(crate) type Random<'a> = dyn FnMut(usize) -> usize + 'a;

/// How a module was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Bytes were changed.
    Bytes,
    /// Sections were moved, exchanged, cut, left out.
    Sections,
    /// Instructions and names were changed, so that it is likely to be valid.
    Code,
    /// It was made up, as a valid one.
    Made,
    /// It was made up, and then changed.
    MadeAndChanged,
}

/// An environment variable.
#[expect(clippy::disallowed_methods, reason = "a test's setting")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
