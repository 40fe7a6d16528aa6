//! `/proc/PID/limits`.

use std::fmt::Write as _;

use crate::process::{INFINITY, Limits};

/// Name and unit of each limit, in the order of the numbers of getrlimit(2).
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// The lines of `/proc/PID/limits`.
pub(super) fn text(limits: &Limits) -> Vec<u8> {
    let mut text = format!(
        "{:<25} {:<20} {:<20} {:<10}\n",
        "Limit", "Soft Limit", "Hard Limit", "Units"
    );
    let shown = |value: u64| match value {
        INFINITY => String::from("unlimited"),
        _ => value.to_string(),
    };
    for (resource, (name, unit)) in (0_u32..).zip(LIMITS) {
        let Ok(limit) = limits.get(resource) else {
            continue;
        };
        let (soft, hard) = (shown(limit.soft), shown(limit.hard));
        // Writing to a string does not fail.
        let _written = writeln!(text, "{name:<25} {soft:<20} {hard:<20} {unit:<10}");
    }
    text.into_bytes()
}
