//! Random calls that mean something often: what they take, who makes them, and what came of them.
//!
//! - [`round`]: a pod with guests that make calls; [`stock`]: the files that they have open
//! - [`words`], [`numbers`], [`structures`]: a call's arguments, by their names in the table
//! - [`tally`]: how many calls were made and succeeded; [`watch`]: ends a round that hangs

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::allow_attributes,
    reason = "test code"
)]

pub mod numbers;
pub mod round;
pub mod stock;
pub mod structures;
pub mod tally;
pub mod watch;
pub mod words;

/// The number in an environment variable.
#[expect(clippy::disallowed_methods, reason = "a test's setting")]
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{name}={text}: {error}"),
    }
}
